"""A round as one reviewer sees it, kept in memory and in step with the catalog."""

import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.agreement import Vote, votes
from btfer_builder.catalog.review import (
    CurrentDecision,
    ReviewItem,
    current_decisions,
    decide,
    decided_since,
    emotions_found,
    items_version,
    last_decision_id,
    last_word,
    latest_decision,
    undo,
)
from btfer_builder.catalog.review_signals import predictions_of, sharpness_of
from btfer_builder.config import ReviewRecipe
from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.records import Decision, Kind
from btfer_builder.review.assignment import items_for
from btfer_builder.review.decisions import complete
from btfer_builder.review.filters import ItemQuery, cut, group_of, shown
from btfer_builder.review.ordering import ReviewSignals, order
from btfer_builder.review.serialization import blind_json, item_json, leading, word_json

RoundName = Literal["images", "faces"]

KINDS: dict[RoundName, Kind] = {"images": "image", "faces": "face"}

#: The rate is that of the decisions of so many seconds.
RATE_SECONDS = 300

#: From so many changes on, reading all words anew is quicker than one after the other.
MANY = 2000


@dataclass
class _Round:
    """What is known of a round; `version` tells whether its items are still those of the catalog."""

    items: list[ReviewItem]
    version: tuple[int, ...]
    words: dict[str, CurrentDecision]
    votes: dict[str, list[Vote]]
    stale: bool = False
    lists: dict[tuple[object, ...], list[ReviewItem]] = field(default_factory=dict)
    places: dict[str, ReviewItem] = field(init=False)
    counts: dict[Emotion | None, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.places = {item.item_id: item for item in self.items}


class Session:
    """Both rounds of one reviewer.

    Nothing is counted twice: a decision changes the counts by one, whoever made it and through whatever program,
    and the items are read anew only when a stage ran or a photo was decided on. So a decision among 30 000 faces
    is answered as fast as one among 30. Safe to share between threads.

    Parameters
    ----------
    catalog
        The catalog.
    reviewer
        Who signs the decisions.
    recipe
        Whether blind, and who shares the work.
    adjudicate
        Show what reviewers disagree on with their votes, and settle it.
    model
        The name under which `predictions` holds what the model of `--suspect` says.
    """

    def __init__(
        self,
        catalog: Catalog,
        reviewer: str,
        recipe: ReviewRecipe,
        *,
        adjudicate: bool = False,
        model: str | None = None,
    ) -> None:
        self.catalog = catalog
        self.reviewer = reviewer
        self.recipe = recipe
        self.adjudicate = adjudicate
        self.model = model
        self._rounds: dict[Kind, _Round] = {}
        self._heard = last_decision_id(catalog)
        self._times: deque[float] = deque()
        self._lock = threading.RLock()

    def page(self, kind: Kind, asked: ItemQuery) -> dict[str, Any]:
        """Return a page of items as the page and programs read it."""
        with self._lock:
            held = self._round(kind, fresh=True)
            listed = self._list(kind, held, asked)
            items, page, pages = cut(listed, held.words, asked)
            words = [held.words.get(item.item_id) for item in items]
            ballots = [held.votes.get(item.item_id, []) for item in items]
        conflicts = [] if self.recipe.blind else [item.item_id for item in items if item.conflict]
        found = emotions_found(self.catalog, kind, conflicts)
        signs = self._signs(kind, [item.item_id for item in items])
        return {
            "items": [
                blind_json(item, kind, word)
                if self.recipe.blind
                else item_json(item, kind, word, ballot, found.get(item.item_id, []), signs)
                for item, word, ballot in zip(items, words, ballots, strict=True)
            ],
            "total": len(listed),
            "page": page,
            "pages": pages,
        }

    def progress(self, kind: Kind, *, fresh: bool = True) -> dict[str, Any]:
        """Return how many items there are, how many this reviewer decided (or skipped), and how many are left.

        Parameters
        ----------
        kind
            Which round.
        fresh
            Ask the catalog whether there are other items now, or take them as they were last read.
        """
        with self._lock:
            held = self._round(kind, fresh=fresh)
            counts = {emotion: list(held.counts[emotion]) for emotion in (*EMOTIONS, None)}
            rate = self._rate()
        latest = latest_decision(self.catalog, kind, self.reviewer, self.adjudicate)
        total = [sum(column) for column in zip(*counts.values(), strict=True)]
        return {
            "round": kind + "s",
            **_count_json(total),
            "per_emotion": {emotion: _count_json(counts[emotion]) for emotion in EMOTIONS},
            "rate": rate,
            "latest": latest and {"decision_id": latest.decision_id, "item_id": latest.decision.item_id},
        }

    def proposed(self, kind: Kind, item_id: str) -> Emotion | None:
        """Return the label this reviewer is shown as the proposed one of an item."""
        with self._lock:
            held = self._round(kind, fresh=False)
            item = held.places.get(item_id)
            if item is None or self.recipe.blind:
                return None
            return item.proposed if not self.adjudicate else leading(held.votes.get(item_id, []))

    def decide(self, decisions: Sequence[Decision]) -> list[int]:
        """Commit decisions of this reviewer, all or none, and return their ids."""
        whole = [complete(said, self.proposed(said.kind, said.item_id)) for said in decisions]
        ids = decide(self.catalog, whole)
        with self._lock:
            self._times.extend([time.monotonic()] * len(ids))
        return ids

    def undo(self, kind: Kind, decision_ids: Sequence[int] | None) -> list[dict[str, Any]] | None:
        """Take decisions back, all or none; return each item with this reviewer's word as it is then."""
        undone = undo(self.catalog, kind, self.reviewer, decision_ids, self.adjudicate)
        if undone is None:
            return None
        items = dict.fromkeys(word.decision.item_id for word in undone)
        return [{"item_id": item_id, "my": word_json(self._word(kind, item_id))} for item_id in items]

    # --- In step with the catalog ----------------------------------------------------------------------

    def _round(self, kind: Kind, *, fresh: bool) -> _Round:
        self._hear()
        held = self._rounds.get(kind)
        if held is None or (fresh and (held.stale or held.version != items_version(self.catalog))):
            held = self._rounds[kind] = self._read(kind)
        return held

    def _read(self, kind: Kind) -> _Round:
        version = items_version(
            self.catalog
        )  # before the items: what comes while they are read is seen next time
        items = items_for(self.catalog, kind, self.reviewer, self.recipe)
        ballots: dict[str, list[Vote]] = {}
        if self.adjudicate:
            for vote in votes(self.catalog, kind, disputed=True):
                ballots.setdefault(vote.item_id, []).append(vote)
            items = [item for item in items if item.item_id in ballots]
        held = _Round(
            items, version, current_decisions(self.catalog, kind, self.reviewer, self.adjudicate), ballots
        )
        self._recount(held)
        return held

    def _hear(self) -> None:
        """Take in every decision since the last time, this server's own as well as anybody else's."""
        news = decided_since(self.catalog, self._heard)
        if not news:
            return
        self._heard = news[-1]["decision_id"]
        for kind, held in self._rounds.items():
            # Which faces there are, and what they are listed under, follows the decisions on photos.
            held.stale |= kind == "face" and any(row["kind"] == "image" for row in news)
            held.stale |= self.adjudicate and any(row["reviewer"] != self.reviewer for row in news)
            mine = {
                row["item_id"] for row in news if row["kind"] == kind and row["reviewer"] == self.reviewer
            }
            if len(mine) > MANY:
                held.words = current_decisions(self.catalog, kind, self.reviewer, self.adjudicate)
                self._recount(held)
                continue
            for item_id in mine:
                self._change(held, item_id, self._word(kind, item_id))

    def _change(self, held: _Round, item_id: str, word: CurrentDecision | None) -> None:
        item, before = held.places.get(item_id), held.words.get(item_id)
        if word is None:
            held.words.pop(item_id, None)
        else:
            held.words[item_id] = word
        if item is not None:
            self._count(held, item, before, -1)
            self._count(held, item, word, 1)

    def _recount(self, held: _Round) -> None:
        held.counts = {emotion: [0, 0, 0] for emotion in (*EMOTIONS, None)}
        for item in held.items:
            self._count(held, item, held.words.get(item.item_id), 1)

    def _count(self, held: _Round, item: ReviewItem, word: CurrentDecision | None, by: int) -> None:
        count = held.counts[group_of(item, word, self.recipe.blind)]
        count[0] += by
        count[1] += by * (word is not None)
        count[2] += by * (word is not None and word.decision.verdict == "skip")

    def _list(self, kind: Kind, held: _Round, asked: ItemQuery) -> list[ReviewItem]:
        key = (asked.emotion, asked.show, asked.sort)
        if key not in held.lists or not asked.keep:
            blind, words = self.recipe.blind, held.words
            listed = [
                item
                for item in held.items
                if shown(item, word := words.get(item.item_id), asked.show)
                and asked.emotion in (None, group_of(item, word, blind))
            ]
            if asked.sort != "found":
                listed = [listed[place] for place in order(listed, asked.sort, self._signs(kind))]
            held.lists[key] = listed
        return held.lists[key]

    def _signs(self, kind: Kind, item_ids: Sequence[str] | None = None) -> ReviewSignals:
        model = self.model if kind == "face" else None
        predictions = predictions_of(self.catalog, model, item_ids) if model else {}
        return ReviewSignals(sharpness_of(self.catalog, kind, item_ids), predictions)

    def _word(self, kind: Kind, item_id: str) -> CurrentDecision | None:
        return last_word(self.catalog, kind, self.reviewer, item_id, self.adjudicate)

    def _rate(self) -> float | None:
        """Return the decisions a minute of the last minutes of work; None before there are two."""
        while self._times and self._times[0] < self._times[-1] - RATE_SECONDS:
            self._times.popleft()
        span = self._times[-1] - self._times[0] if self._times else 0
        return round((len(self._times) - 1) * 60 / span, 1) if span > 1 else None


def _count_json(count: Sequence[int]) -> dict[str, int]:
    items, decided, skipped = count
    return {"items": items, "decided": decided, "skipped": skipped, "left": items - decided}
