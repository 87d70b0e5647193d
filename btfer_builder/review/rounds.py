"""A round as one reviewer sees it: pages of items with this reviewer's word, and how much is left."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.review import (
    ReviewItem,
    Word,
    emotions_found,
    last_words,
    latest_decision,
    review_items,
)
from btfer_builder.emotions import EMOTIONS, Emotion
from btfer_builder.records import Kind

RoundName = Literal["images", "faces"]

KINDS: dict[RoundName, Kind] = {"images": "image", "faces": "face"}

#: Items of a contact sheet.
PER_PAGE = 60

#: The word for "the page with the first item that still needs one" where an item id may stand.
NEXT = "next"


class Rounds:
    """Both rounds of one reviewer.

    The list of items changes only when a stage runs, so it is read with every page but not after every key:
    a decision in a round of 30 000 faces is answered in a quarter of the time.
    """

    def __init__(self, catalog: Catalog, reviewer: str) -> None:
        self.catalog = catalog
        self.reviewer = reviewer
        self._items: dict[Kind, list[ReviewItem]] = {}

    def page(
        self, kind: Kind, emotion: Emotion | None, page: int, per_page: int = PER_PAGE, at: str | None = None
    ) -> dict[str, Any]:
        """Return a page of items as the page and programs read it.

        Parameters
        ----------
        kind
            Which round.
        emotion
            Only the items listed under it.
        page
            From 1; a number beyond the last page gives the last one.
        per_page
            Items of a page.
        at
            An item to show the page of, or `NEXT`; stands above `page`. An item that is not listed is left
            unheard.
        """
        items = self._read(kind)
        words = last_words(self.catalog, kind, self.reviewer)
        listed = [item for item in items if emotion in (None, item.listed_under)]
        pages = max(1, math.ceil(len(listed) / per_page))
        place = None if at is None else _place(listed, words, at)
        page = min(page, pages) if place is None else place // per_page + 1
        shown = listed[(page - 1) * per_page : page * per_page]
        found = emotions_found(self.catalog, kind, [item.item_id for item in shown if item.conflict])
        return {
            "items": [
                _item_json(item, kind, words.get(item.item_id), found.get(item.item_id, [])) for item in shown
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
            Read the list of items again, or take it as it was last read.
        """
        items = self._read(kind) if fresh or kind not in self._items else self._items[kind]
        words = last_words(self.catalog, kind, self.reviewer)
        counts = {emotion: {"items": 0, "decided": 0, "skipped": 0} for emotion in EMOTIONS}
        for item in items:
            count = counts[item.listed_under]
            count["items"] += 1
            if word := words.get(item.item_id):
                count["decided"] += 1
                count["skipped"] += word.decision.verdict == "skip"
        total = {name: sum(count[name] for count in counts.values()) for name in counts[EMOTIONS[0]]}
        latest = latest_decision(self.catalog, kind, self.reviewer)
        return {
            "round": kind + "s",
            **_with_left(total),
            "per_emotion": {emotion: _with_left(count) for emotion, count in counts.items()},
            "latest": latest and {"decision_id": latest.decision_id, "item_id": latest.decision.item_id},
        }

    def _read(self, kind: Kind) -> list[ReviewItem]:
        self._items[kind] = review_items(self.catalog, kind)
        return self._items[kind]


def word_json(word: Word | None) -> dict[str, Any] | None:
    """Return a reviewer's word as the page and programs read it."""
    if word is None:
        return None
    decision = word.decision
    return {"verdict": decision.verdict, "emotion": decision.emotion, "reason": decision.reason}


def _item_json(item: ReviewItem, kind: Kind, word: Word | None, found: Sequence[str]) -> dict[str, Any]:
    labelled = word is not None and word.decision.emotion is not None
    return {
        "item_id": item.item_id,
        "kind": kind,
        "emotion": item.proposed,
        "listed_under": item.listed_under,
        "conflict": item.conflict and not labelled,
        "found_under": list(found) or [item.listed_under],
        "query": item.query,
        "license": item.license,
        "confidence": item.confidence,
        "my": word_json(word),
    }


def _place(listed: Sequence[ReviewItem], words: Mapping[str, Word], at: str) -> int | None:
    """Return where an item stands; for `NEXT` the first undecided one, or else the first that was skipped."""
    skipped = None
    for place, item in enumerate(listed):
        if at != NEXT:
            if item.item_id == at:
                return place
            continue
        word = words.get(item.item_id)
        if word is None:
            return place
        if skipped is None and word.decision.verdict == "skip":
            skipped = place
    return skipped


def _with_left(count: dict[str, int]) -> dict[str, int]:
    return {**count, "left": count["items"] - count["decided"]}
