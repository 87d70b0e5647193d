"""The paper's questions (RQ1–RQ3), answered with effect sizes, intervals and paired tests."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.benchmark.paired_tests import (
    FEWEST,
    effect_size,
    mean_by_network,
    network_weights,
    of_faces,
    over_faces,
    over_networks,
    sign_flip,
    signed_rank,
)
from btfer_builder.benchmark.published import FROZEN, published_results
from btfer_builder.benchmark.results import Result, Score
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.metrics.scores import Interval
from btfer_builder.evaluate.metrics.significance import Correct, holm, mcnemar
from btfer_builder.evaluate.report.board import ALPHA
from btfer_builder.evaluate.report.read_report import read_report
from btfer_builder.io.terminal import echo_stderr

QUESTIONS = {
    "RQ1": "Does the resolution change the accuracy?",
    "RQ2": "Do pretrained weights raise the accuracy?",
    "RQ3": "Does balancing the classes raise the accuracy?",
    "RQ3, datasets": "Does the training set change the accuracy on BTFER?",
}

MEASURES = {"btfer": "BTFER", "own": "own split"}

#: In what runs of a grid differ.
_FIELDS = ("network", "dataset", "size", "pretraining", "balancing", "seed")


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """A comparison over all pairs of settings that differ in one thing only. Differences are first minus second.

    The unit is the network: each counts once, with the mean of its settings, and a setting with the mean of its seeds.

    Attributes
    ----------
    question
        A key of `QUESTIONS`.
    first, second, within
        What is compared, and among which settings.
    measure
        `btfer` or `own`.
    networks, pairs
        Distinct networks, and pairs of runs.
    first_mean, second_mean, difference
        Mean accuracies over networks, and their difference.
    interval
        95 % interval of the mean difference over networks (Student's t); None for fewer than three networks.
    effect
        Cohen's d over networks, difference ÷ its standard deviation; None for fewer than two networks.
    p_value, p_holm
        P-value of Wilcoxon's signed-rank test over networks, and corrected for all comparisons of the measure.
    faces
        95 % bootstrap interval of the same difference over the faces, for these runs; None where predictions are
        missing or the faces differ between pairs. Not corrected for the number of comparisons.
    faces_p_value, faces_p_holm
        P-value of the sign-flip test of that difference, and corrected for all comparisons of the measure; None as
        `faces`. Where faces share a photo or creator, interval and test count these sources.
    better, worse
        Number of pairs in which the first is significantly better or worse by McNemar's exact test with Holm's
        correction; None where predictions are missing or the faces of a pair differ.
    authors
        Whether these are the authors' published numbers, whose settings also differ in other things.
    answer
        The result as a sentence.
    """

    question: str
    first: str
    second: str
    within: str
    measure: str
    networks: int
    pairs: int
    first_mean: float
    second_mean: float
    difference: float
    interval: Interval | None
    effect: float | None
    p_value: float
    p_holm: float
    faces: Interval | None
    better: int | None
    worse: int | None
    authors: bool = False
    answer: str = ""
    faces_p_value: float | None = None
    faces_p_holm: float | None = None


def answer_questions(
    results: Sequence[Result], out: Path | None = None, *, resamples: int = 10_000, seed: int = 0
) -> list[PairedComparison]:
    """Compare all settings of a grid that differ in one thing only.

    Parameters
    ----------
    results
        Results of the runs; each seed makes pairs. Published results with a frozen base are left out, because no
        other run is comparable.
    out
        The benchmark's folder with the predictions; None leaves out what needs them.
    resamples, seed
        Of the bootstrap over faces.

    Returns
    -------
    list of PairedComparison
        By question, measure and comparison. Tests over networks are about networks like those that were run, on
        these datasets; intervals over faces are about these runs.
    """
    results = [result for result in results if not result.note.startswith(FROZEN)]
    authors = not set(results).isdisjoint(published_results())
    predictions = _Predictions(out)
    comparisons: list[PairedComparison] = []
    for measure in MEASURES:
        of_measure = [
            _compare(pairs, labels, measure, predictions, resamples, seed)
            for labels, pairs in _comparisons(results, measure)
            if pairs
        ]
        corrected = holm([item.p_value for item in of_measure])
        tested = [item.faces_p_value for item in of_measure if item.faces_p_value is not None]
        of_faces_holm = iter(holm(tested))
        for item, p in zip(of_measure, corrected, strict=True):
            p_faces = None if item.faces_p_value is None else next(of_faces_holm)
            done = replace(item, p_holm=p, faces_p_holm=p_faces, authors=authors)
            comparisons.append(replace(done, answer=_answer(done)))
    order = list(QUESTIONS)
    return sorted(comparisons, key=lambda item: order.index(item.question))


def to_dict(comparisons: Sequence[PairedComparison]) -> dict[str, Any]:
    """Return the JSON form of `btfer benchmark --questions --json`."""
    return {
        "questions": [
            {
                "name": name,
                "question": text,
                "contrasts": [asdict(item) for item in comparisons if item.question == name],
            }
            for name, text in QUESTIONS.items()
        ]
    }


Labels = tuple[str, str, str, str]
Pairs = list[tuple[Result, Result]]


def _comparisons(results: Sequence[Result], measure: str) -> Iterable[tuple[Labels, Pairs]]:
    """Yield each comparison (question, first, second, within) and its pairs of results."""
    scored = [result for result in results if _score(result, measure) is not None]
    sizes = sorted({result.size for result in scored})
    for high, low in ((b, a) for a, b in combinations(sizes, 2)):
        pairs = _pairs(scored, "size", high, low)
        yield ("RQ1", f"{high} px", f"{low} px", "all settings"), pairs
    for size in sizes:
        part = [result for result in scored if result.size == size]
        pretrainings: set[str] = {result.pretraining for result in part}
        kinds: list[str] = [kind for kind in ("vggface", "imagenet", "scratch") if kind in pretrainings]
        for first, second in combinations(kinds, 2):
            yield ("RQ2", first, second, f"{size} px"), _pairs(part, "pretraining", first, second)
        order = ("conservative", "simple", "oversample", "undersample", "none")
        balancings = {result.balancing for result in part}
        for first, second in combinations([kind for kind in order if kind in balancings], 2):
            pairs = _pairs(part, "balancing", first, second)
            for scratch, words in ((True, "from scratch"), (False, "pretrained")):
                chosen = [pair for pair in pairs if (pair[0].pretraining == "scratch") == scratch]
                yield ("RQ3", first, second, f"{size} px, {words}"), chosen
        if measure == "btfer":  # own splits of different datasets are not comparable
            datasets = list(dict.fromkeys(result.dataset for result in part))
            for first, second in combinations(datasets, 2):
                yield ("RQ3, datasets", first, second, f"{size} px"), _pairs(part, "dataset", first, second)


def _pairs(results: Sequence[Result], field: str, first: object, second: object) -> Pairs:
    """Return the pairs of results with these two values of a field that agree in all other fields."""
    fields = [name for name in _FIELDS if name != field]

    def by_setting(value: object) -> dict[tuple[Any, ...], Result]:
        return {
            tuple(getattr(result, name) for name in fields): result
            for result in reversed(results)  # keeps the first of several
            if getattr(result, field) == value
        }

    of_first, of_second = by_setting(first), by_setting(second)
    return [(of_first[key], of_second[key]) for key in sorted(of_first) if key in of_second]


def _compare(
    pairs: Pairs,
    labels: Labels,
    measure: str,
    predictions: "_Predictions",
    resamples: int,
    seed: int,
) -> PairedComparison:
    accuracies = np.array([[_accuracy(result, measure) for result in pair] for pair in pairs])
    networks = [pair[0].network for pair in pairs]
    weights = network_weights(networks, [_setting(pair[0]) for pair in pairs])
    first_mean, second_mean = (float(mean) for mean in weights @ accuracies)
    differences = mean_by_network(networks, accuracies[:, 0] - accuracies[:, 1], weights)
    faces, correct, sources = predictions.pairs(pairs, measure)
    p_values = holm([mcnemar(*pair, own) for pair, own in zip(correct, sources, strict=True)])
    of_each = of_faces(correct, weights) if faces and resamples else None
    of_all = min(sources, key=lambda own: len(np.unique(own)), default=None)
    signs = [of_first.mean() - of_second.mean() for of_first, of_second in correct]
    return PairedComparison(
        question=labels[0],
        first=labels[1],
        second=labels[2],
        within=labels[3],
        measure=measure,
        networks=len(differences),
        pairs=len(pairs),
        first_mean=first_mean,
        second_mean=second_mean,
        difference=float(differences.mean()),
        interval=over_networks(differences),
        effect=effect_size(differences),
        p_value=signed_rank(differences),
        p_holm=1.0,
        faces=None if of_each is None else over_faces(of_each, resamples, seed, of_all),
        faces_p_value=None if of_each is None else sign_flip(of_each, resamples, seed, of_all),
        better=sum(bool(p < ALPHA and s > 0) for p, s in zip(p_values, signs, strict=True))
        if correct
        else None,
        worse=sum(bool(p < ALPHA and s < 0) for p, s in zip(p_values, signs, strict=True))
        if correct
        else None,
    )


def _answer(comparison: PairedComparison) -> str:
    """Return the result as a sentence: over the networks if significant, else over the faces; by corrected tests."""
    first, second, n = comparison.first, comparison.second, comparison.networks
    counted = f"{n} network{'' if n == 1 else 's'}"
    better = f"{first} is {'better' if comparison.difference > 0 else 'worse'} than {second}"
    by = f"by {abs(comparison.difference):.3f}"
    few = " (significance needs at least six)" if n < FEWEST else ""
    if comparison.p_holm < ALPHA and n >= FEWEST:
        return f"{better} {by}, over the {counted} that were run"
    if comparison.faces_p_holm is not None and comparison.faces_p_holm < ALPHA:
        return f"{better} {by} for these runs; over {counted} the difference is not significant{few}"
    return f"no significant difference of {first} and {second} over {counted}{few}"


def _setting(result: Result) -> tuple[Any, ...]:
    return tuple(getattr(result, name) for name in _FIELDS if name != "seed")


def _accuracy(result: Result, measure: str) -> float:
    score = _score(result, measure)
    return math.nan if score is None else score.accuracy  # only scored results are paired


def _score(result: Result, measure: str) -> Score | None:
    return result.btfer if measure == "btfer" else result.own


@dataclass(frozen=True, slots=True)
class _Answers:
    """The set and its faces, whether a run predicts each correctly, and their sources."""

    faces: tuple[str, ...]
    correct: Correct
    sources: NDArray[np.int64]


class _Predictions:
    """Whether each run predicts each face correctly; every report is read once."""

    def __init__(self, out: Path | None) -> None:
        self.out = out
        self.cache: dict[tuple[str, str], _Answers | None] = {}

    def pairs(
        self, pairs: Pairs, measure: str
    ) -> tuple[tuple[str, ...] | None, list[tuple[Correct, Correct]], list[NDArray[np.int64]]]:
        """Return the faces that all pairs share (None if they differ), and the correct predictions and sources of each.

        The lists are empty if a run has no predictions or the faces of a pair differ.
        """
        shared, correct, sources = set(), [], []
        for pair in pairs:
            first, second = (self._answers(result, measure) for result in pair)
            if first is None or second is None or first.faces != second.faces:
                return None, [], []
            shared.add(first.faces)
            correct.append((first.correct, second.correct))
            sources.append(first.sources)
        return (shared.pop() if len(shared) == 1 else None), correct, sources

    def _answers(self, result: Result, measure: str) -> "_Answers | None":
        score = _score(result, measure)
        if self.out is None or score is None or not score.report:
            return None
        key = (result.run_id, measure)
        if key not in self.cache:
            try:
                report = read_report(self.out / "runs" / result.run_id / score.report)
            except BtferError as error:
                echo_stderr(f"without predictions: {error}")
                self.cache[key] = None
            else:
                right = report.true == report.predicted
                self.cache[key] = _Answers((score.set_hash, *report.faces), right, report.sources)
        return self.cache[key]
