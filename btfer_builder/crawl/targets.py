"""When a crawl has enough: a number of images for each cell, or what a sample still needs of each emotion."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.fetches import images_in_cell
from btfer_builder.catalog.forecast import EmotionProgress
from btfer_builder.catalog.search_yield import PhraseYield, phrase_yields
from btfer_builder.catalog.searches import QueryCell
from btfer_builder.queries.phrases import Query
from btfer_builder.queries.plan import interleaved

#: A rate is pulled towards that of its emotion as if so many requests had had that one.
PRIOR_REQUESTS = 20.0


@dataclass(frozen=True)
class Targets:
    """Images at which searches and downloads stop.

    Parameters
    ----------
    per_cell
        Images for each cell; 0: not limited.
    per_emotion
        Images for each emotion, in all its cells; then `per_cell` does not count.
    """

    per_cell: int = 0
    per_emotion: Mapping[str, int] | None = None

    def __bool__(self) -> bool:
        """Return whether there is any limit."""
        return bool(self.per_cell) or self.per_emotion is not None

    def unit(self, cell: QueryCell) -> QueryCell:
        """Return what is counted for a cell: itself, or all cells of its emotion."""
        return cell if self.per_emotion is None else QueryCell(cell.emotion, None, None, None)

    def of(self, unit: QueryCell) -> int:
        """Return the images at which a unit has enough."""
        return self.per_cell if self.per_emotion is None else self.per_emotion.get(unit.emotion, 0)


def sample_targets(catalog: Catalog, progress: Iterable[EmotionProgress], per_class: int) -> Targets:
    """Return the images of each emotion with which a sample is likely to be filled.

    Faces that wait for a review count as accepted at the rate of those that were reviewed.
    """
    targets = {}
    for item in progress:
        present = len(images_in_cell(catalog, QueryCell(item.emotion, None, None, None)))
        missing = item.missing_images(per_class)
        targets[str(item.emotion)] = present + missing if missing else 0
    return Targets(per_emotion=targets)


def most_fruitful_first(catalog: Catalog, queries: Sequence[Query]) -> list[Query]:
    """Return the queries with those first, within each emotion, whose words and cell brought most faces per request.

    Faces are accepted ones; before a review, images that were kept. Without any yield the order stays.
    """
    yields = phrase_yields(catalog)
    column = "accepted" if any(line.accepted for line in yields) else "kept"
    found: Counter[tuple[str, ...]] = Counter()
    asked: Counter[tuple[str, ...]] = Counter()
    for line in yields:
        for key in _keys(line):
            found[key] += getattr(line, column)
            asked[key] += line.requests

    def rate(query: Query) -> float:
        emotion, word, cell = _keys(query)
        base = found[emotion] / asked[emotion] if asked[emotion] else 0.0
        rates = [(found[key] + PRIOR_REQUESTS * base) / (asked[key] + PRIOR_REQUESTS) for key in (word, cell)]
        return rates[0] * rates[1]

    return interleaved(sorted(queries, key=rate, reverse=True), in_turn=False)


def _keys(row: Query | PhraseYield) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    """Return what rates are told by: the emotion, its word, and its cell."""
    return (
        (row.emotion,),
        (row.emotion, row.language, row.expression),
        (row.emotion, row.query_ethnicity, row.query_gender, row.query_age),
    )
