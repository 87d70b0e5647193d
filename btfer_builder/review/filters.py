"""Which items a page shows: the filter by emotion and state, the order, and the cut into pages."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from btfer_builder.catalog.review import CurrentDecision, ReviewItem
from btfer_builder.labels import Emotion
from btfer_builder.review.ordering import Sort

Show = Literal["all", "undecided", "decided", "skipped", "conflict", "duplicates"]

#: What each filter keeps.
SHOWS: dict[Show, str] = {
    "all": "everything",
    "undecided": "what you have not decided",
    "decided": "what you have accepted or rejected",
    "skipped": "what you have skipped",
    "conflict": "what was found under two emotions",
    "duplicates": "what something was dropped for as a near duplicate",
}

#: What a reviewer may filter by who must not know what was searched for.
BLIND_SHOWS: tuple[Show, ...] = ("all", "undecided", "decided", "skipped")

#: The word for "the page with the first item that still needs one" where an item id may stand.
NEXT = "next"


@dataclass(frozen=True, slots=True)
class ItemQuery:
    """What a page of items is asked for.

    Attributes
    ----------
    emotion
        Only the items listed under it; for those who review blind, only those they labelled so.
    show, sort
        The filter and the order.
    page
        From 1; a number beyond the last page gives the last one.
    per_page
        Items of a page.
    at
        An item to show the page of, or `NEXT`; stands above `page`. An item that is not listed is left unheard.
    keep
        Go on in the list as it was when it was first asked for: what was decided since stays in its place, so
        that the next page begins where this one ends.
    """

    emotion: Emotion | None = None
    show: Show = "all"
    sort: Sort = "found"
    page: int = 1
    per_page: int = 60
    at: str | None = None
    keep: bool = False


def group_of(item: ReviewItem, word: CurrentDecision | None, blind: bool) -> Emotion | None:
    """Return the emotion an item is listed and counted under."""
    if blind:
        return None if word is None else word.decision.emotion
    return item.listed_under


def shown(item: ReviewItem, word: CurrentDecision | None, show: Show) -> bool:
    """Whether a filter keeps an item."""
    verdict = None if word is None else word.decision.verdict
    if show == "undecided":
        return verdict is None
    if show == "decided":
        return verdict in ("accept", "reject")
    if show == "skipped":
        return verdict == "skip"
    if show == "conflict":
        return item.conflict
    return show == "all" or item.duplicates > 0


def cut(
    listed: Sequence[ReviewItem], words: Mapping[str, CurrentDecision], asked: ItemQuery
) -> tuple[Sequence[ReviewItem], int, int]:
    """Return the items of the page that is asked for, its number, and how many pages there are."""
    pages = max(1, math.ceil(len(listed) / asked.per_page))
    place = None if asked.at is None else _place(listed, words, asked.at)
    page = min(asked.page, pages) if place is None else place // asked.per_page + 1
    return listed[(page - 1) * asked.per_page : page * asked.per_page], page, pages


def _place(listed: Sequence[ReviewItem], words: Mapping[str, CurrentDecision], at: str) -> int | None:
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
