"""The rounds as one reviewer sees them, state in memory and synchronised with the catalog."""

import threading
import time
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.agreement import Vote, votes
from btfer_builder.catalog.review import (
    CurrentDecision,
    ItemOrigin,
    ReviewItem,
    current_decision,
    current_decisions,
    decide,
    decided_since,
    emotions_found,
    item_origins,
    items_version,
    last_decision_id,
    latest_decision,
    undo,
)
from btfer_builder.catalog.review_signals import disagreement_of, predictions_of, sharpness_of
from btfer_builder.config import ReviewRecipe
from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.records import Decision, Kind
from btfer_builder.review.assignment import items_for
from btfer_builder.review.decisions import complete
from btfer_builder.review.filters import ItemQuery, group_of, keeps, page_of
from btfer_builder.review.ordering import ReviewSignals, order
from btfer_builder.review.serialization import blind_json, decision_json, item_json, leading

RoundName = Literal["images", "faces"]

KINDS: dict[RoundName, Kind] = {"images": "image", "faces": "face"}

#: The decision rate covers this many seconds.
RATE_SECONDS = 300

#: From this number of changes on, reading all decisions is faster than reading them one by one.
MANY = 2000


@dataclass
class _RoundState:
    """The items of a round and this reviewer's decisions; `version` tells whether the catalog has other items now."""

    items: list[ReviewItem]
    version: tuple[int | None, ...]
    decisions: dict[str, CurrentDecision]
    votes: dict[str, list[Vote]]
    stale: bool = False
    lists: dict[tuple[object, ...], list[ReviewItem]] = field(default_factory=dict)
    by_id: dict[str, ReviewItem] = field(init=False)
    counts: dict[Emotion | None, list[int]] = field(init=False)

    def __post_init__(self) -> None:
        self.by_id = {item.item_id: item for item in self.items}


class Session:
    """Both rounds of one reviewer.

    Counts are incremental: a decision changes them by one, also one by another reviewer or program, and the items
    are read again only after a stage ran or a photo was decided. So a decision among 30 000 faces takes as long as
    one among 30. Thread-safe.

    Parameters
    ----------
    catalog
        The catalog.
    reviewer
        The name that signs the decisions.
    recipe
        Settings of the review.
    adjudicate
        Show what reviewers disagree on with their votes, and record adjudications.
    model
        The name under which the catalog holds the predictions of the model of `--model`.
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
        self._rounds: dict[Kind, _RoundState] = {}
        self._last_id = last_decision_id(catalog)
        self._times: deque[float] = deque()
        self._lock = threading.RLock()

    def page(self, kind: Kind, query: ItemQuery) -> dict[str, Any]:
        """Return a page of items as the JSON of the API."""
        with self._lock:
            state = self._round(kind, fresh=True)
            listed = self._list(kind, state, query)
            items, page, pages = page_of(listed, state.decisions, query)
            decisions = [state.decisions.get(item.item_id) for item in items]
            ballots = [state.votes.get(item.item_id, []) for item in items]
        conflicts = [] if self.recipe.blind else [item.item_id for item in items if item.conflict]
        emotions = emotions_found(self.catalog, kind, conflicts)
        item_ids = [item.item_id for item in items]
        signals, origins = self._signals(kind, item_ids), item_origins(self.catalog, kind, item_ids)
        return {
            "items": [
                blind_json(item, kind, decision, origins.get(item.item_id, ItemOrigin()))
                if self.recipe.blind
                else item_json(
                    item,
                    kind,
                    decision,
                    ballot,
                    emotions.get(item.item_id, []),
                    signals,
                    origins.get(item.item_id, ItemOrigin()),
                )
                for item, decision, ballot in zip(items, decisions, ballots, strict=True)
            ],
            "total": len(listed),
            "page": page,
            "pages": pages,
        }

    def progress(self, kind: Kind, *, fresh: bool = True) -> dict[str, Any]:
        """Return the number of items, of those this reviewer decided (or skipped), and of those left.

        Parameters
        ----------
        kind
            The kind of the round.
        fresh
            Check the catalog for other items; otherwise use those last read.
        """
        with self._lock:
            state = self._round(kind, fresh=fresh)
            counts = {emotion: list(state.counts[emotion]) for emotion in (*EMOTIONS, None)}
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
        """Return the label of an item that is proposed to this reviewer."""
        with self._lock:
            state = self._round(kind, fresh=False)
            item = state.by_id.get(item_id)
            if item is None or self.recipe.blind:
                return None
            return item.proposed if not self.adjudicate else leading(state.votes.get(item_id, []))

    def decide(self, decisions: Sequence[Decision]) -> list[int]:
        """Commit decisions of this reviewer, all or none, and return their ids."""
        completed = [complete(each, self.proposed(each.kind, each.item_id)) for each in decisions]
        ids = decide(self.catalog, completed)
        with self._lock:
            self._times.extend([time.monotonic()] * len(ids))
        return ids

    def undo(self, kind: Kind, decision_ids: Sequence[int] | None) -> list[dict[str, Any]] | None:
        """Undo decisions, all or none; return each item with this reviewer's decision after it."""
        undone = undo(self.catalog, kind, self.reviewer, decision_ids, self.adjudicate)
        if undone is None:
            return None
        item_ids = dict.fromkeys(each.decision.item_id for each in undone)
        return [
            {"item_id": item_id, "my": decision_json(self._decision(kind, item_id))} for item_id in item_ids
        ]

    # --- Synchronisation with the catalog --------------------------------------------------------------

    def _round(self, kind: Kind, *, fresh: bool) -> _RoundState:
        self._update()
        state = self._rounds.get(kind)
        if state is None or (fresh and (state.stale or state.version != items_version(self.catalog))):
            state = self._rounds[kind] = self._read(kind)
        return state

    def _read(self, kind: Kind) -> _RoundState:
        # Before the items: what is added while they are read is noticed next time.
        version = items_version(self.catalog)
        items = items_for(self.catalog, kind, self.reviewer, self.recipe)
        ballots: dict[str, list[Vote]] = {}
        if self.adjudicate:
            for vote in votes(self.catalog, kind, disputed=True):
                ballots.setdefault(vote.item_id, []).append(vote)
            items = [item for item in items if item.item_id in ballots]
        decisions = current_decisions(self.catalog, kind, self.reviewer, self.adjudicate)
        state = _RoundState(items, version, decisions, ballots)
        self._recount(state)
        return state

    def _update(self) -> None:
        """Apply every decision since the last update, this server's own and everybody else's."""
        news = decided_since(self.catalog, self._last_id)
        if not news:
            return
        self._last_id = news[-1]["decision_id"]
        for kind, state in self._rounds.items():
            # The faces, and the emotions they are listed under, depend on the decisions on photos.
            state.stale |= kind == "face" and any(row["kind"] == "image" for row in news)
            state.stale |= self.adjudicate and any(row["reviewer"] != self.reviewer for row in news)
            mine = {
                row["item_id"] for row in news if row["kind"] == kind and row["reviewer"] == self.reviewer
            }
            if len(mine) > MANY:
                state.decisions = current_decisions(self.catalog, kind, self.reviewer, self.adjudicate)
                self._recount(state)
                continue
            for item_id in mine:
                self._change(state, item_id, self._decision(kind, item_id))

    def _change(self, state: _RoundState, item_id: str, decision: CurrentDecision | None) -> None:
        item, before = state.by_id.get(item_id), state.decisions.get(item_id)
        if decision is None:
            state.decisions.pop(item_id, None)
        else:
            state.decisions[item_id] = decision
        if item is not None:
            self._count(state, item, before, -1)
            self._count(state, item, decision, 1)

    def _recount(self, state: _RoundState) -> None:
        state.counts = {emotion: [0, 0, 0] for emotion in (*EMOTIONS, None)}
        undecided = Counter(None if self.recipe.blind else item.listed_under for item in state.items)
        for emotion, count in undecided.items():
            state.counts[emotion][0] = count
        for item_id, decision in state.decisions.items():
            if item := state.by_id.get(item_id):
                self._count(state, item, None, -1)
                self._count(state, item, decision, 1)

    def _count(self, state: _RoundState, item: ReviewItem, decision: CurrentDecision | None, by: int) -> None:
        count = state.counts[group_of(item, decision, self.recipe.blind)]
        count[0] += by
        count[1] += by * (decision is not None)
        count[2] += by * (decision is not None and decision.decision.verdict == "skip")

    def _list(self, kind: Kind, state: _RoundState, query: ItemQuery) -> list[ReviewItem]:
        key = (query.emotion, query.show, query.sort)
        if key not in state.lists or not query.keep:
            blind, decisions = self.recipe.blind, state.decisions
            everything = query.show == "all" and query.emotion is None
            listed = (
                state.items
                if everything
                else [
                    item
                    for item in state.items
                    if keeps(query.show, item, decision := decisions.get(item.item_id))
                    and query.emotion in (None, group_of(item, decision, blind))
                ]
            )
            if query.sort != "found":
                listed = [listed[index] for index in order(listed, query.sort, self._signals(kind))]
            state.lists[key] = listed
        return state.lists[key]

    def _signals(self, kind: Kind, item_ids: Sequence[str] | None = None) -> ReviewSignals:
        model = self.model if kind == "face" else None
        predictions = predictions_of(self.catalog, model, item_ids) if model else {}
        return ReviewSignals(
            sharpness_of(self.catalog, kind, item_ids),
            predictions,
            disagreement_of(self.catalog, kind, item_ids),
        )

    def _decision(self, kind: Kind, item_id: str) -> CurrentDecision | None:
        return current_decision(self.catalog, kind, self.reviewer, item_id, self.adjudicate)

    def _rate(self) -> float | None:
        """Return the recent decisions per minute; None before there are two."""
        while self._times and self._times[0] < self._times[-1] - RATE_SECONDS:
            self._times.popleft()
        span = self._times[-1] - self._times[0] if self._times else 0
        return round((len(self._times) - 1) * 60 / span, 1) if span > 1 else None


def _count_json(count: Sequence[int]) -> dict[str, int]:
    items, decided, skipped = count
    return {"items": items, "decided": decided, "skipped": skipped, "left": items - decided}
