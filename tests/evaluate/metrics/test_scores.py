"""The numbers, against formulas written out here."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btfer_builder.evaluate.metrics.outcomes import Outcomes
from btfer_builder.evaluate.metrics.registry import METRICS
from btfer_builder.evaluate.metrics.scores import score, score_votes, wilson
from btfer_builder.labels import EMOTIONS

pairs = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=80)


def ratio(above: int, below: int) -> float:
    return above / below if below else 0.0


@settings(deadline=None)  # the first call imports scikit-learn
@given(pairs)
def test_agrees_with_counting_by_hand(answers):
    scores = score(*zip(*answers, strict=True))
    macro = []
    for k, emotion in enumerate(EMOTIONS):
        hits = sum(t == k == p for t, p in answers)
        support, called = sum(t == k for t, _ in answers), sum(p == k for _, p in answers)
        precision, recall = ratio(hits, called), ratio(hits, support)
        f1 = ratio(2 * hits, support + called)
        one = scores.per_class[emotion]
        assert (one.precision, one.recall, one.f1, one.support) == pytest.approx(
            (precision, recall, f1, support)
        )
        if support:
            macro.append((precision, recall, f1))
    assert (scores.macro_precision, scores.macro_recall, scores.macro_f1) == pytest.approx(
        np.mean(macro, axis=0)
    )
    assert scores.accuracy == pytest.approx(sum(t == p for t, p in answers) / len(answers))
    table = np.zeros((7, 7), int)
    for t, p in answers:
        table[t, p] += 1
    assert np.array_equal(scores.confusion, table)
    assert scores.n == len(answers)


def test_a_class_without_faces_is_left_out_of_the_macro_means():
    scores = score([0, 0, 3], [0, 1, 3])
    assert scores.macro_recall == pytest.approx((0.5 + 1) / 2)
    assert scores.per_class["disgust"].support == 0
    assert len(scores.confusion) == 7


def test_wilson_interval():
    z, n, p = 1.959963984540054, 10, 0.8
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    assert score([1] * 10, [1] * 8 + [2] * 2).accuracy_interval == pytest.approx(
        (middle - half, middle + half)
    )


def answers_of(seed: int, n: int = 60, classes: int = 7):
    """Return labels and probabilities; every third row is tied between two emotions."""
    rng = np.random.default_rng(seed)
    true = rng.integers(0, classes, n)
    shares = rng.dirichlet(np.ones(7), n)
    shares[np.arange(n), true] += 0.3
    shares[::3] = shares[::3].round(1)
    shares += 1e-6
    return true, shares / shares.sum(axis=1, keepdims=True)


def value(name: str, true, shares) -> float | None:
    return METRICS[name].function(Outcomes(true, shares.argmax(axis=1), shares))


@pytest.mark.parametrize("seed", range(5))
def test_scores_of_probabilities_agree_with_scikit_learn(seed):
    from sklearn import metrics as reference

    true, shares = answers_of(seed)
    labels = list(range(7))
    assert value("roc_auc", true, shares) == pytest.approx(
        reference.roc_auc_score(true, shares, multi_class="ovr", labels=labels)
    )
    assert value("log_loss", true, shares) == pytest.approx(reference.log_loss(true, shares, labels=labels))
    assert value("brier", true, shares) == pytest.approx(
        reference.brier_score_loss(true, shares, labels=labels, scale_by_half=False)
    )
    untied = shares + np.random.default_rng(9).uniform(0, 1e-9, shares.shape)
    assert value("top2_accuracy", true, untied) == pytest.approx(
        reference.top_k_accuracy_score(true, untied, k=2, labels=labels)
    )
    scores = score(true, shares.argmax(axis=1))
    assert scores.macro_recall == pytest.approx(
        reference.balanced_accuracy_score(true, shares.argmax(axis=1))
    )


def test_a_share_of_nothing_is_not_within_two():
    sure = np.eye(7)[[3, 3]]
    assert value("top2_accuracy", np.array([0, 3]), sure) == 0.5, "the first is tied with five others"


def test_the_calibration_error_is_the_mean_gap_of_the_bins():
    true, shares = answers_of(1, 200)
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == true
    expected = 0.0
    for k in range(15):
        inside = (sure > k / 15) & (sure <= (k + 1) / 15)
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - sure[inside].mean())
    outcomes = Outcomes(true, shares.argmax(axis=1), shares)
    assert METRICS["ece"].function(outcomes) == pytest.approx(expected)
    assert sum(item.count for item in outcomes.reliability) == 200
    honest = np.full((100, 7), 0.4 / 6)
    honest[:, 0] = 0.6
    assert value("ece", np.array([0] * 60 + [1] * 40), honest) == pytest.approx(0, abs=1e-12)


def test_scores_without_some_emotions():
    true, shares = answers_of(2, 40, classes=2)
    areas = Outcomes(true, shares.argmax(axis=1), shares).roc_auc_per_class
    assert areas["sad"] is None
    assert value("roc_auc", true, shares) == pytest.approx((areas["angry"] + areas["disgust"]) / 2)
    assert value("roc_auc", np.array([3]), shares[:1]) is None


@settings(deadline=None)
@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_intervals_agree_with_statsmodels(counts):
    from statsmodels.stats.proportion import proportion_confint

    assert wilson(*counts) == pytest.approx(proportion_confint(*counts, method="wilson"), abs=1e-9)


def test_votes():
    from scipy.stats import entropy

    shares = np.array([[0.7, 0.3, 0, 0, 0, 0, 0], [0, 0, 0, 0.6, 0.4, 0, 0], [1.0, 0, 0, 0, 0, 0, 0]])
    votes = np.array([[3, 1, 0, 0, 0, 0, 0], [0, 0, 0, 0, 2, 0, 0], [1, 0, 0, 0, 0, 0, 0]], float)
    soft = score_votes(shares, votes, shares.argmax(axis=1))
    assert soft.n == 2, "one vote is no spread of votes"
    assert soft.agreed == pytest.approx((0.75 + 0) / 2)
    first = -(0.75 * np.log(0.7) + 0.25 * np.log(0.3))
    assert soft.cross_entropy == pytest.approx((first - np.log(0.4)) / 2)
    assert soft.brier == pytest.approx((2 * 0.05**2 + 2 * 0.6**2) / 2)
    halves = [
        (entropy(p, (p + q) / 2, base=2) + entropy(q, (p + q) / 2, base=2)) / 2
        for p, q in zip(shares[:2], votes[:2] / votes[:2].sum(axis=1, keepdims=True), strict=True)
    ]
    assert soft.jensen_shannon == pytest.approx(np.mean(halves))
    assert score_votes(shares, np.zeros((3, 7)), shares.argmax(axis=1)) is None
