"""The domain shift as measured (§5.1): what networks lose from their own split to the cross-domain set, by class."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from btfer_builder.benchmark.paired_tests import mean_by_network, network_weights, over_networks
from btfer_builder.benchmark.results import Result, Score
from btfer_builder.benchmark.table import Table
from btfer_builder.labels import EMOTIONS

_Read = Callable[[Score], float | None]


def domain_shift_tables(results: Sequence[Result]) -> list[Table]:
    """Return the table of the domain shift; none without results on both sets.

    A row is the mean over the networks that were scored on both sets, each with the mean of its settings and seeds. The
    accuracy of an own split also depends on how frequent its classes are; the mean of the classes does not.
    """
    rows, facts = [], []
    both = [result for result in results if result.btfer is not None]
    for dataset, size in dict.fromkeys((result.dataset, result.size) for result in both):
        part = [result for result in both if (result.dataset, result.size) == (dataset, size)]
        for name, read in _measures():
            row = _row(part, read)
            if row["own"] is None and row["btfer"] is None:
                continue
            facts.append({"dataset": dataset, "size": size, "class": name} | row)
            rows.append(
                (
                    dataset,
                    f"{size}×{size}",
                    name,
                    _share(row["own"]),
                    _share(row["btfer"]),
                    _difference(row["difference"], row["low"], row["high"]),
                    f"{row['networks']}",
                )
            )
    if not rows:
        return []
    return [
        Table(
            "domain-shift",
            "Domain shift, by class",
            ("trained on", "pixels", "faces", "own split", "BTFER", "BTFER – own [95 %]", "networks"),
            tuple(rows),
            tuple(facts),
            (
                "All faces: accuracy; mean of classes: macro recall; a class: recall. Means over networks, each with "
                "the mean of its settings and seeds; the interval is Student's over networks, from three networks on.",
            ),
        )
    ]


def _measures() -> Iterator[tuple[str, _Read]]:
    yield "all faces", lambda score: score.accuracy
    yield "mean of classes", lambda score: score.recall
    for emotion in EMOTIONS:
        yield emotion, _recall_of(emotion)


def _recall_of(emotion: str) -> _Read:
    return lambda score: next((item.recall for item in score.per_class if item.emotion == emotion), None)


def _row(results: Sequence[Result], read: _Read) -> dict[str, float | None]:
    """Return the means over the networks that have both values; without any, what is known of one side."""
    pairs = [(result, read(result.own), read(result.btfer)) for result in results if result.btfer]
    known = [(result, own, btfer) for result, own, btfer in pairs if own is not None and btfer is not None]
    if not known:
        sides = ([own for _, own, _ in pairs], [btfer for _, _, btfer in pairs])
        own, btfer = (_mean([value for value in side if value is not None]) for side in sides)
        return {"own": own, "btfer": btfer, "difference": None, "low": None, "high": None, "networks": 0}
    networks = [result.network for result, *_ in known]
    weights = network_weights(networks, [_setting(result) for result, *_ in known])
    values = np.array([(own, btfer) for _, own, btfer in known], dtype=np.float64)
    own, btfer = (float(value) for value in weights @ values)
    differences = mean_by_network(networks, values[:, 1] - values[:, 0], weights)
    low, high = over_networks(differences) or (None, None)
    return {
        "own": own, "btfer": btfer, "difference": btfer - own, "low": low, "high": high, "networks": len(differences),
    }  # fmt: skip


def _setting(result: Result) -> tuple[str, str, str]:
    return result.network, result.pretraining, result.balancing


def _mean(values: Sequence[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _share(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"


def _difference(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:+.3f}" + ("" if low is None or high is None else f" [{low:+.3f}, {high:+.3f}]")
