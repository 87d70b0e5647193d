"""The paper's questions (RQ1–RQ3), answered with effect sizes, intervals and paired tests."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.benchmark.published import FROZEN, published_results
from btfer_builder.benchmark.results import Result, Score
from btfer_builder.evaluate.metrics.bootstrap import draws
from btfer_builder.evaluate.metrics.scores import Interval
from btfer_builder.evaluate.metrics.significance import holm, mcnemar
from btfer_builder.evaluate.report.compare import ALPHA, read_report

Values = NDArray[np.float64]
Right = NDArray[np.bool_]

QUESTIONS = {
    "RQ1": "Does the resolution change the accuracy?",
    "RQ2": "Do pretrained weights raise the accuracy?",
    "RQ3": "Does balancing the classes raise the accuracy?",
    "RQ3, datasets": "Does the training set change the accuracy on BTFER?",
}

MEASURES = {"btfer": "BTFER", "own": "own split"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PairedComparison:
    """One thing against another over all pairs of settings that differ in nothing else: first minus second.

    Attributes
    ----------
    question
        A key of `QUESTIONS`.
    first, second, within
        What is compared, and among which settings.
    measure
        `btfer` or `own`.
    pairs
        Pairs of settings.
    first_mean, second_mean, difference
        Mean accuracies, and their difference.
    interval
        95 % interval of the mean difference over pairs (Student's t); None of fewer than three.
    effect
        Cohen's d of paired values, difference ÷ its standard deviation; None of fewer than two pairs.
    p_value, p_holm
        Wilcoxon's signed-rank test over pairs (exact up to 50), and corrected for all contrasts of the measure.
    faces
        95 % bootstrap interval of the same difference over the faces, the networks being these; None where no
        predictions are there or the faces are not the same in all pairs.
    better, worse
        Pairs of which McNemar's exact test, corrected by Holm, says so; None where predictions are missing or
        those of a pair are of different faces.
    authors
        Whether these are the authors' published numbers, whose settings differ in more than is compared.
    answer
        In words.
    """

    question: str
    first: str
    second: str
    within: str
    measure: str
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


def answer_questions(
    results: Sequence[Result], out: Path | None = None, *, resamples: int = 10_000, seed: int = 0
) -> list[PairedComparison]:
    """Compare all settings of a grid that differ in one thing only.

    Parameters
    ----------
    results
        Of the runs; those of one setting but for the seed are different pairs. Published results of a base
        that stayed frozen are left out: no other run is like them.
    out
        The benchmark's folder, where the predictions are; None leaves out what needs them.
    resamples, seed
        Of the bootstrap over faces.

    Returns
    -------
    list of Contrast
        By question, measure, and what is compared. Pairs share networks and sets, so they are not independent of
        each other: the tests over pairs speak of the networks that were run, those over faces of this set.
    """
    results = [one for one in results if not one.note.startswith(FROZEN)]
    authors = not set(results).isdisjoint(published_results())
    predictions = _Predictions(out)
    found: list[PairedComparison] = []
    for measure in MEASURES:
        contrasts = [
            _contrast(pairs, labels, measure, predictions, resamples, seed)
            for labels, pairs in _comparisons(results, measure)
            if pairs
        ]
        corrected = holm([one.p_value for one in contrasts])
        found += [
            replace(one, p_holm=p, authors=authors, answer=_answer(one, p))
            for one, p in zip(contrasts, corrected, strict=True)
        ]
    order = list(QUESTIONS)
    return sorted(found, key=lambda one: order.index(one.question))


def to_dict(contrasts: Sequence[PairedComparison]) -> dict[str, Any]:
    """Return the form of `btfer benchmark --questions --json`."""
    return {
        "questions": [
            {
                "name": name,
                "question": text,
                "contrasts": [asdict(c) for c in contrasts if c.question == name],
            }
            for name, text in QUESTIONS.items()
        ]
    }


Labels = tuple[str, str, str, str]
Pairs = list[tuple[Result, Result]]


def _comparisons(results: Sequence[Result], measure: str) -> Iterable[tuple[Labels, Pairs]]:
    """Yield what is compared (question, first, second, within) and its pairs of results."""
    known = [one for one in results if _score(one, measure) is not None]
    sizes = sorted({one.size for one in known})
    for high, low in ((b, a) for a, b in combinations(sizes, 2)):
        pairs = _pairs(known, "size", high, low)
        yield ("RQ1", f"{high} px", f"{low} px", "all settings"), pairs
    for size in sizes:
        part = [one for one in known if one.size == size]
        kinds = [
            kind for kind in ("vggface", "imagenet", "scratch") if any(o.pretraining == kind for o in part)
        ]
        for first, second in combinations(kinds, 2):
            yield ("RQ2", first, second, f"{size} px"), _pairs(part, "pretraining", first, second)
        order = ("conservative", "simple", "oversample", "undersample", "none")
        ways = [way for way in order if any(one.balancing == way for one in part)]
        for first, second in combinations(ways, 2):
            pairs = _pairs(part, "balancing", first, second)
            for scratch, words in ((True, "from scratch"), (False, "pretrained")):
                chosen = [pair for pair in pairs if (pair[0].pretraining == "scratch") == scratch]
                yield ("RQ3", first, second, f"{size} px, {words}"), chosen
        if measure == "btfer":  # accuracies on different own splits are no pair
            datasets = list(dict.fromkeys(one.dataset for one in part))
            for first, second in combinations(datasets, 2):
                yield ("RQ3, datasets", first, second, f"{size} px"), _pairs(part, "dataset", first, second)


def _pairs(results: Sequence[Result], field: str, first: object, second: object) -> Pairs:
    """Return the results with these two values of a field that agree in all others, several runs in their order."""
    fields = [
        name for name in ("dataset", "size", "network", "pretraining", "balancing", "seed") if name != field
    ]

    def by_setting(value: object) -> dict[tuple[Any, ...], Result]:
        return {
            tuple(getattr(one, name) for name in fields): one
            for one in reversed(results)  # the first of several
            if getattr(one, field) == value
        }

    ours, theirs = by_setting(first), by_setting(second)
    return [(ours[key], theirs[key]) for key in sorted(ours) if key in theirs]


def _contrast(
    pairs: Pairs,
    labels: Labels,
    measure: str,
    predictions: "_Predictions",
    resamples: int,
    seed: int,
) -> PairedComparison:
    first, second = (
        np.array([score.accuracy for pair in pairs if (score := _score(pair[place], measure)) is not None])
        for place in (0, 1)
    )
    differences = first - second
    mean, n = float(differences.mean()), len(pairs)
    deviation = float(differences.std(ddof=1)) if n > 1 else 0.0
    faces, rights = predictions.pairs(pairs, measure)
    p_values = holm([mcnemar(one, other) for one, other in rights]) if rights else []
    signs = [one.mean() - other.mean() for one, other in rights]
    return PairedComparison(
        question=labels[0],
        first=labels[1],
        second=labels[2],
        within=labels[3],
        measure=measure,
        pairs=n,
        first_mean=float(first.mean()),
        second_mean=float(second.mean()),
        difference=mean,
        interval=_over_pairs(differences) if n > 2 else None,
        effect=mean / deviation if deviation > 0 else None,
        p_value=signed_rank(differences),
        p_holm=1.0,
        faces=_over_faces(rights, resamples, seed) if faces and resamples else None,
        better=sum(p < ALPHA and s > 0 for p, s in zip(p_values, signs, strict=True)) if rights else None,
        worse=sum(p < ALPHA and s < 0 for p, s in zip(p_values, signs, strict=True)) if rights else None,
    )


def signed_rank(differences: Values) -> float:
    """Return the two-sided p-value of Wilcoxon's signed-rank test; 1 where there is no difference at all."""
    from scipy.stats import wilcoxon

    if not np.any(differences):
        return 1.0
    return float(wilcoxon(differences, method="auto").pvalue)


def _over_pairs(differences: Values) -> Interval:
    """Return Student's interval of the mean: of so few pairs a bootstrap's is far too narrow."""
    from scipy.stats import t

    n = len(differences)
    mean, error = float(differences.mean()), float(differences.std(ddof=1)) / math.sqrt(n)
    half = float(t.ppf(0.975, n - 1)) * error
    return mean - half, mean + half


def _over_faces(rights: Sequence[tuple[Right, Right]], resamples: int, seed: int) -> Interval:
    """Return the percentile interval of the mean difference when faces are drawn again, for all pairs the same."""
    change = np.mean([one.astype(np.float32) - other for one, other in rights], axis=0)
    n = len(change)
    drawn = np.concatenate([counts @ change / n for counts in draws(n, resamples, seed)])
    low, high = np.quantile(drawn, (0.025, 0.975))
    return float(low), float(high)


def _answer(one: PairedComparison, p_holm: float) -> str:
    """Say what can be told: by the pairs where there are enough of them, else by the faces."""
    more, less = f"{one.first} is better than {one.second}", f"{one.first} is worse than {one.second}"
    by = f"by {abs(one.difference):.3f}"
    if p_holm < ALPHA:
        return f"{more if one.difference > 0 else less} {by}, over the networks that were run"
    if one.faces is not None and (one.faces[0] > 0 or one.faces[1] < 0):
        return (
            f"{more if one.difference > 0 else less} {by} for these very networks; {one.pairs} "
            f"pair{'s' if one.pairs > 1 else ''} cannot tell whether for others, too"
        )
    few = " (fewer than six pairs never can)" if one.pairs < 6 else ""
    return f"{one.first} and {one.second} cannot be told apart by {one.pairs} pair{'s' if one.pairs > 1 else ''}{few}"


def _score(result: Result, measure: str) -> Score | None:
    return result.btfer if measure == "btfer" else result.own


class _Predictions:
    """Which faces each run got right, read once."""

    def __init__(self, out: Path | None) -> None:
        self.out = out
        self.read: dict[tuple[str, str], tuple[tuple[str, ...], Right]] = {}

    def pairs(self, pairs: Pairs, measure: str) -> tuple[tuple[str, ...] | None, list[tuple[Right, Right]]]:
        """Return the set and faces that all pairs share (None if they differ), and each pair's right answers.

        Of these there are none if any run has no predictions or a pair is of different faces.
        """
        shared, found = set(), []
        for first, second in pairs:
            one, other = self._right(first, measure), self._right(second, measure)
            if one is None or other is None or one[0] != other[0]:
                return None, []
            shared.add(one[0])
            found.append((one[1], other[1]))
        return (shared.pop() if len(shared) == 1 else None), found

    def _right(self, result: Result, measure: str) -> tuple[tuple[str, ...], Right] | None:
        score = _score(result, measure)
        if self.out is None or score is None or not score.report:
            return None
        key = (result.run_id, measure)
        if key not in self.read:
            answers = read_report(self.out / "runs" / result.run_id / score.report)
            self.read[key] = ((score.set_hash, *answers.faces), answers.true == answers.predicted)
        return self.read[key]
