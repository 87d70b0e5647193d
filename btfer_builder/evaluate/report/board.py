"""A leaderboard: the models that were scored on one set, and the tests of each pair."""

from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

from btfer_builder.evaluate.metrics.human import HumanCeiling
from btfer_builder.evaluate.metrics.power import Detectable
from btfer_builder.evaluate.metrics.scores import Interval
from btfer_builder.evaluate.report.read_report import ReadReport

#: Level of significance, after Holm's correction.
ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Row:
    """A model of the leaderboard.

    Attributes
    ----------
    rank, tied
        The rank, and whether another model shares it; None for a model whose predictions are not known.
    scores
        Values of the metrics of the leaderboard, by name.
    accuracy_lost
        Difference to the best accuracy of the ranked models, which is at least 0 for these.
    mean_rank
        Mean rank over the faces; None as `rank`.
    """

    rank: int | None
    tied: bool
    model: str
    scores: dict[str, float | None]
    accuracy_interval_95: Interval
    accuracy_lost: float
    file_bytes: int | None
    parameters: int | None
    latency_p50_ms: float | None
    images_per_second: float | None
    mean_rank: float | None
    signature: str
    path: str

    @property
    def accuracy(self) -> float:
        """Accuracy, which every report has."""
        return self.scores["accuracy"] or 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form, in which each score is a key."""
        result: dict[str, Any] = {}
        for item in fields(self):
            value = getattr(self, item.name)
            result |= value if item.name == "scores" else {item.name: value}
        return result


@dataclass(frozen=True, slots=True)
class ModelPair:
    """Two models on the same faces. Differences are first minus second.

    Attributes
    ----------
    first, second
        The model of the higher accuracy first, significant or not.
    only_first, only_second
        Number of faces that only this model predicts correctly.
    accuracy_difference, accuracy_interval_95, macro_f1_difference, macro_f1_interval_95
        Differences and their paired bootstrap intervals; None without resamples.
    p_value, p_holm
        P-value of McNemar's exact test (`mcnemar`), and corrected for the number of pairs.
    detectable
        Smallest difference in accuracy of two models that disagree as often as these, which the test detects with
        80 % power at the level of the first step of Holm's correction; None if no difference is enough.
    identical
        Whether both give the same answer for every face.
    agreement, kappa
        Share of faces with the same prediction, and Cohen's κ of the predictions; None where it is undefined.
    """

    first: str
    second: str
    only_first: int
    only_second: int
    accuracy_difference: float
    accuracy_interval_95: Interval | None
    macro_f1_difference: float
    macro_f1_interval_95: Interval | None
    p_value: float
    p_holm: float
    detectable: float | None = None
    identical: bool = False
    agreement: float | None = None
    kappa: float | None = None


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """The models that were scored on one set of faces.

    Attributes
    ----------
    set_name, set_hash, n
        The set.
    rows
        By accuracy; a rank is 1 plus the number of models that are significantly better.
    pairs
        All pairs.
    tied
        Runs of models, as positions in `rows`, no two of which differ significantly.
    p_any
        P-value of Cochran's Q.
    notes
        Differences of the signatures.
    detectable
        What the set detects at the accuracy of the first model; empty for reports without it.
    human
        How well people do on the set; None where it is not known.
    unpaired
        By accuracy, the models whose predictions are not known, so that no test compares them.
    sources
        Number of the photos and creators that the faces are of, as far as known; None where no model is ranked.
    reports
        The reports behind the rows, in their order; no part of the JSON form.
    """

    set_name: str
    set_hash: str
    n: int
    rows: tuple[Row, ...]
    pairs: tuple[ModelPair, ...]
    tied: tuple[tuple[int, ...], ...]
    p_any: float
    notes: tuple[str, ...]
    detectable: tuple[Detectable, ...] = ()
    human: HumanCeiling | None = None
    unpaired: tuple[Row, ...] = ()
    sources: int | None = None
    reports: tuple[ReadReport, ...] = field(default=(), repr=False, compare=False)

    @property
    def clustered(self) -> bool:
        """Whether faces share sources, which tests and intervals then count instead of faces."""
        return self.sources is not None and self.sources < self.n

    @property
    def test(self) -> str:
        """Name of the test of a pair."""
        return f"McNemar's exact test{' over sources' if self.clustered else ''}"

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        result = asdict(replace(self, reports=()))
        result |= {name: [row.to_dict() for row in getattr(self, name)] for name in ("rows", "unpaired")}
        del result["reports"]
        return result
