"""Which items a page shows: the filter by emotion and state, and the cut into pages."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from btfer_builder.catalog.review import CurrentDecision, ReviewItem
from btfer_builder.labels import Emotion
from btfer_builder.records import Verdict

#: In place of an item id: the first item that is undecided, or else skipped.
NEXT = "next"


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter of the review page.

    Attributes
    ----------
    name
        How addresses name it (`show=`).
    key
        The letter that chooses it on the page, after `f`.
    meaning
        What it keeps, in words.
    keeps
        Whether it keeps an item on which this reviewer's verdict is the second argument.
    blind
        Whether it tells nothing of the search, so that blind reviewers may use it.
    """

    name: str
    key: str
    meaning: str
    keeps: Callable[[ReviewItem, Verdict | None], bool]
    blind: bool = True


#: All filters by name, in the order of the page; a new one is one line here.
FILTERS: dict[str, Filter] = {
    each.name: each
    for each in (
        Filter("all", "a", "everything", lambda item, verdict: True),
        Filter("undecided", "u", "what you have not decided", lambda item, verdict: verdict is None),
        Filter(
            "decided", "d", "what you have accepted or rejected",
            lambda item, verdict: verdict in ("accept", "reject"),
        ),
        Filter("skipped", "s", "what you have skipped", lambda item, verdict: verdict == "skip"),
        Filter(
            "conflict", "c", "what was found under two emotions", lambda item, verdict: item.conflict > 0,
            blind=False,
        ),
        Filter(
            "duplicates", "n", "what has dropped near duplicates", lambda item, verdict: item.duplicates > 0,
            blind=False,
        ),
    )
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ItemQuery:
    """A request for a page of items.

    Attributes
    ----------
    emotion
        Only the items listed under it; for blind reviewers, those they labelled so.
    show, sort
        The filter and the order, by name.
    page
        From 1; a number beyond the last page gives the last one.
    per_page
        Items on a page.
    at
        An item whose page to show, or `NEXT`; takes precedence over `page`. An item that is not listed is ignored.
    keep
        Go on in the list as it was first shown: an item decided since keeps its place, so that the next page begins
        where this one ends.
    """

    emotion: Emotion | None = None
    show: str = "all"
    sort: str = "found"
    page: int = 1
    per_page: int = 60
    at: str | None = None
    keep: bool = False


def group_of(item: ReviewItem, decision: CurrentDecision | None, blind: bool) -> Emotion | None:
    """Return the emotion an item is listed and counted under."""
    if blind:
        return None if decision is None else decision.decision.emotion
    return item.listed_under


def keeps(show: str, item: ReviewItem, decision: CurrentDecision | None) -> bool:
    """Whether a filter keeps an item."""
    return FILTERS[show].keeps(item, None if decision is None else decision.decision.verdict)


def page_of(
    items: Sequence[ReviewItem], decisions: Mapping[str, CurrentDecision], query: ItemQuery
) -> tuple[Sequence[ReviewItem], int, int]:
    """Return the items of the requested page, its number, and how many pages there are."""
    pages = max(1, math.ceil(len(items) / query.per_page))
    index = None if query.at is None else _index_of(items, decisions, query.at)
    page = min(query.page, pages) if index is None else index // query.per_page + 1
    return items[(page - 1) * query.per_page : page * query.per_page], page, pages


def _index_of(items: Sequence[ReviewItem], decisions: Mapping[str, CurrentDecision], at: str) -> int | None:
    """Return the index of an item; for `NEXT`, of the first undecided one, or else of the first skipped one."""
    skipped = None
    for index, item in enumerate(items):
        if at != NEXT:
            if item.item_id == at:
                return index
            continue
        decision = decisions.get(item.item_id)
        if decision is None:
            return index
        if skipped is None and decision.decision.verdict == "skip":
            skipped = index
    return skipped
