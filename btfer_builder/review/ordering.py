"""The order in which items are reviewed: the most suspicious first, by one signal or by all."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from btfer_builder.catalog.review import ReviewItem
from btfer_builder.labels import EMOTIONS, Emotion


@dataclass(frozen=True)
class ReviewSignals:
    """What is known beyond the items themselves.

    Attributes
    ----------
    sharpness
        Variance of the Laplacian of a photo's thumbnail or a face's crop, by item.
    predictions
        Predictions of the model of `--model`, by item: a probability for each emotion, None where the model has no
        such class. Empty without a model.
    disagreement
        Share of answers other than the most frequent one, 0 to below 1, by item with two answers or more.
    """

    sharpness: Mapping[str, float] = field(default_factory=dict)
    predictions: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    disagreement: Mapping[str, float] = field(default_factory=dict)

    def doubt(self, item: ReviewItem) -> float | None:
        """Return 1 minus the model's probability of the proposed label, 0 to 1.

        For an item found under two emotions, the highest probability of all labels counts. A class that the model does
        not have is not doubted.
        """
        row = self.predictions.get(item.item_id)
        if row is None:
            return None
        probability = _highest(row) if item.proposed is None else row[EMOTIONS.index(item.proposed)]
        return None if probability is None else 1 - probability

    def opinion(self, item: ReviewItem) -> tuple[Emotion, float] | None:
        """Return the label the model predicts, and its probability."""
        row = self.predictions.get(item.item_id)
        if row is None or (probability := _highest(row)) is None:
            return None
        return EMOTIONS[list(row).index(probability)], probability


@dataclass(frozen=True, slots=True)
class Order:
    """An order of the review page.

    Attributes
    ----------
    name
        How addresses name it (`sort=`).
    key
        The letter that chooses it on the page, after `o`.
    meaning
        What comes first, in words.
    signal
        How suspicious an item is, the larger the worse; None where it is not known. The order `suspicion` combines the
        orders that have one.
    """

    name: str
    key: str
    meaning: str
    signal: Callable[[ReviewItem, ReviewSignals], float | None] | None = None


def _negative(value: float | None) -> float | None:
    return None if value is None else -value


#: All orders by name, in the order of the page; a new one is one line here.
ORDERS: dict[str, Order] = {
    each.name: each
    for each in (
        Order("found", "f", "as found"),
        Order("suspicion", "s", "most suspicious first, by all signals together"),
        Order(
            "confidence", "c", "where the detector was least confident",
            lambda item, _: _negative(item.confidence),
        ),
        Order(
            "sharpness", "b", "the most blurred",
            lambda item, signals: _negative(signals.sharpness.get(item.item_id)),
        ),
        Order("upscale", "e", "the most enlarged", lambda item, _: item.upscale),
        Order("padding", "p", "the most padded", lambda item, _: item.padding),
        Order(
            "bordered", "d", "found only with a border around the photo",
            lambda item, _: None if item.confidence is None else float(item.found_by == "bordered"),
        ),
        Order(
            "duplicates", "n", "where the dropped near duplicates differ most",
            lambda item, _: -1 if item.distance is None else item.distance,
        ),
        Order(
            "model", "m", "where the model doubts the label most", lambda item, signals: signals.doubt(item)
        ),
        Order(
            "disagreement", "r", "where reviewers disagree most",
            lambda item, signals: signals.disagreement.get(item.item_id),
        ),
    )
}  # fmt: skip


def order(items: Sequence[ReviewItem], sort: str, signals: ReviewSignals) -> list[int]:
    """Return the indices of the items, the most suspicious first; unknown ones come last.

    Equally suspicious items keep their order.
    """
    if sort == "found" or not items:
        return list(range(len(items)))
    signal = ORDERS[sort].signal
    if signal is None:
        columns = [_column(items, each.signal, signals) for each in ORDERS.values() if each.signal]
        ranks = [rank for column in columns if (rank := _ranks(column)) is not None]
        score = np.mean(ranks, axis=0) if ranks else np.zeros(len(items))
    else:
        score = _column(items, signal, signals)
        score[np.isnan(score)] = -np.inf
    return [int(index) for index in np.argsort(-score, kind="stable")]


def _ranks(column: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the rank of each value, 0 (harmless) to 1; one half where the value is not known."""
    known = ~np.isnan(column)
    if known.sum() < 2:
        return None
    ranks = np.full(len(column), 0.5)
    _, value, counts = np.unique(column[known], return_inverse=True, return_counts=True)
    # Equal values share the mean of their ranks.
    ranks[known] = (np.cumsum(counts) - (counts + 1) / 2)[value] / (known.sum() - 1)
    return ranks


def _column(
    items: Sequence[ReviewItem],
    signal: Callable[[ReviewItem, ReviewSignals], float | None],
    signals: ReviewSignals,
) -> NDArray[np.float64]:
    """Return how suspicious each item is by one signal: the larger the worse, NaN where it is not known."""
    values = [signal(item, signals) for item in items]
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _highest(row: Sequence[float | None]) -> float | None:
    return max((probability for probability in row if probability is not None), default=None)
