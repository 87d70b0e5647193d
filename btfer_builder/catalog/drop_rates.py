"""Whether a stage drops some emotions more often than others: drop rates per emotion, compared with chance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from btfer_builder.catalog.funnel import StageCount
from btfer_builder.labels import EMOTIONS

#: Stages whose drops are compared; the sample takes the same number of each class on purpose.
_COMPARED = ("crawl", "dedupe", "review-images", "crop", "dedupe-faces", "review-faces")
#: Largest p-value, after Holm's correction, of a difference beyond chance.
_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class DropRates:
    """The drop rates of a stage.

    Attributes
    ----------
    stage
        The stage.
    rates
        Share of the items of each emotion that were dropped, 0 to 1; emotions without items are left out.
    total
        Share of all items.
    p
        p-value of Pearson's chi-square test that all emotions are dropped alike, with Holm's correction over the
        stages; None where there are too few items for the test.
    """

    stage: str
    rates: dict[str, float]
    total: float
    p: float | None

    @property
    def differs(self) -> bool:
        """Whether the rates differ beyond chance."""
        return self.p is not None and self.p < _LEVEL

    @property
    def highest(self) -> str:
        """The emotion that is dropped most often."""
        return max(self.rates, key=lambda emotion: self.rates[emotion])

    @property
    def sentence(self) -> str:
        """What the test says, in words."""
        p = "p < 0.001" if self.p is not None and self.p < 0.001 else f"p = {self.p:.3f}"
        return (
            f"{self.stage} drops emotions differently, beyond chance ({p}, chi-square, Holm): {self.highest} "
            f"{self.rates[self.highest]:.0%}, all {self.total:.0%}"
        ).replace("%", " %")

    def to_dict(self) -> dict[str, Any]:
        """Return the line as in `btfer status --json`."""
        return {
            "stage": self.stage,
            "rates": {emotion: round(rate, 4) for emotion, rate in self.rates.items()},
            "total": round(self.total, 4),
            "p": self.p,
            "differs": self.differs,
        }


def drop_rates(stages: Sequence[StageCount]) -> list[DropRates]:
    """Return the drop rates of the stages that have dropped anything, in their order."""
    lines = [stage for stage in stages if stage.stage in _COMPARED and stage.dropped]
    counts = [
        {
            emotion: (stage.dropped_per_emotion.get(emotion, 0), stage.per_emotion.get(emotion, 0))
            for emotion in EMOTIONS
            if stage.dropped_per_emotion.get(emotion, 0) + stage.per_emotion.get(emotion, 0)
        }
        for stage in lines
    ]
    values = _corrected([_p_value(list(each.values())) for each in counts])
    return [
        DropRates(
            stage.stage,
            {emotion: dropped / (dropped + kept) for emotion, (dropped, kept) in each.items()},
            sum(dropped for dropped, _ in each.values()) / sum(map(sum, each.values())),
            p,
        )
        for stage, each, p in zip(lines, counts, values, strict=True)
    ]


def _p_value(table: list[tuple[int, int]]) -> float | None:
    """Return the p-value of a table of (dropped, kept); None if Cochran's rule says that the test is not valid."""
    import numpy as np
    from scipy.special import chdtrc  # scipy.stats takes longer to import than the funnel to count

    counts = np.array(table, dtype=float)
    if len(counts) < 2 or not counts[:, 1].sum():
        return None
    expected = np.outer(counts.sum(axis=1), counts.sum(axis=0)) / counts.sum()
    if expected.min() < 1 or (expected >= 5).mean() < 0.8:
        return None
    return float(chdtrc(len(counts) - 1, ((counts - expected) ** 2 / expected).sum()))


def _corrected(values: list[float | None]) -> list[float | None]:
    """Return p-values with Holm's correction."""
    order = sorted((value, index) for index, value in enumerate(values) if value is not None)
    corrected: list[float | None] = [None] * len(values)
    largest = 0.0
    for rank, (value, index) in enumerate(order):
        largest = max(largest, min(1.0, value * (len(order) - rank)))
        corrected[index] = largest
    return corrected
