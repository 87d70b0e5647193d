"""Which items are looked at first: the order by what makes an item suspicious."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from btfer_builder.catalog.review import ReviewItem
from btfer_builder.labels import EMOTIONS, Emotion

Sort = Literal["found", "suspicion", "confidence", "sharpness", "upscale", "duplicates", "model"]

#: What each order puts first; `suspicion` is the mean place in all the others that know anything.
SORTS: dict[Sort, str] = {
    "found": "as found",
    "suspicion": "most suspicious first, all signs taken together",
    "confidence": "where the detector was least sure",
    "sharpness": "the most blurred",
    "upscale": "the most enlarged",
    "duplicates": "where something rather different was dropped as a near duplicate",
    "model": "where the model doubts the label most",
}


@dataclass(frozen=True)
class ReviewSignals:
    """What is known beyond the items themselves.

    Attributes
    ----------
    sharpness
        Variance of the Laplacian of a photo's thumbnail or a face's crop, by item.
    predictions
        What the model of `--suspect` says, by item: a probability an emotion, None where it has no such class.
        Empty without a model.
    """

    sharpness: Mapping[str, float] = field(default_factory=dict)
    predictions: Mapping[str, Sequence[float | None]] = field(default_factory=dict)

    def doubt(self, item: ReviewItem) -> float | None:
        """Return how little the model believes in the proposed label: 1 minus its probability, 0 to 1.

        An item found under two emotions is believed as far as the likelier of all labels; a class that the
        model does not have is not doubted.
        """
        row = self.predictions.get(item.item_id)
        if row is None:
            return None
        share = _most(row) if item.proposed is None else row[EMOTIONS.index(item.proposed)]
        return None if share is None else 1 - share

    def opinion(self, item: ReviewItem) -> tuple[Emotion, float] | None:
        """Return the label the model would give, and how sure it is."""
        row = self.predictions.get(item.item_id)
        if row is None or (share := _most(row)) is None:
            return None
        return EMOTIONS[list(row).index(share)], share


def order(items: Sequence[ReviewItem], sort: Sort, signs: ReviewSignals) -> list[int]:
    """Return the places of the items, the most suspicious first; those nothing is known of come last.

    Items as suspicious as each other stay in their order.
    """
    if sort == "found" or not items:
        return list(range(len(items)))
    if sort == "suspicion":
        places = [_places(_column(items, sign, signs)) for sign in _SIGNS]
        known = [place for place in places if place is not None]
        score = np.mean(known, axis=0) if known else np.zeros(len(items))
    else:
        score = _column(items, sort, signs)
        score[np.isnan(score)] = -np.inf
    return [int(place) for place in np.argsort(-score, kind="stable")]


def _places(column: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return where each value stands among all, 0 (harmless) to 1; one half where nothing is known."""
    known = ~np.isnan(column)
    if known.sum() < 2:
        return None
    places = np.full(len(column), 0.5)
    _, value, times = np.unique(column[known], return_inverse=True, return_counts=True)
    # Equal values share the mean of their places.
    places[known] = (np.cumsum(times) - (times + 1) / 2)[value] / (known.sum() - 1)
    return places


def _column(items: Sequence[ReviewItem], sort: Sort, signs: ReviewSignals) -> NDArray[np.float64]:
    """Return how suspicious each item is by one sign: the larger the worse, NaN where it is not known."""
    values = [_SIGNS[sort](item, signs) for item in items]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


_SIGNS: dict[Sort, Callable[[ReviewItem, ReviewSignals], float | None]] = {
    "confidence": lambda item, _: _negative(item.confidence),
    "sharpness": lambda item, signs: _negative(signs.sharpness.get(item.item_id)),
    "upscale": lambda item, _: item.upscale,
    "duplicates": lambda item, _: -1 if item.distance is None else item.distance,
    "model": lambda item, signs: signs.doubt(item),
}


def _most(row: Sequence[float | None]) -> float | None:
    return max((share for share in row if share is not None), default=None)
