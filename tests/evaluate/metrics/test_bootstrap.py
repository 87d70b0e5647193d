"""The bootstrap, against SciPy's, and its statistics, against scikit-learn with the counts as weights."""

import numpy as np
import pytest
from scipy import stats
from sklearn import metrics as reference

from btfer_builder.evaluate.metrics import bootstrap
from btfer_builder.evaluate.metrics.bootstrap import bca, bootstrap_intervals, draws
from btfer_builder.evaluate.metrics.outcomes import Outcomes, Resamples
from btfer_builder.evaluate.metrics.registry import metric_statistics
from btfer_builder.evaluate.metrics.scores import confusion_statistics, one_hot
from btfer_builder.labels import EMOTIONS

LABELS = list(range(7))


@pytest.fixture
def answers():
    rng = np.random.default_rng(4)
    true = np.repeat(np.arange(7), 12)
    shares = rng.dirichlet(np.ones(7) * 0.7, len(true)).round(2) + 0.01
    shares[np.arange(len(true)), true] += 0.2
    shares /= shares.sum(axis=1, keepdims=True)
    return true, shares.argmax(axis=1), shares


def test_every_statistic_of_a_draw_is_that_of_the_drawn_faces(answers):
    true, predicted, shares = answers
    statistics = metric_statistics(Outcomes(*answers))
    counts = next(draws(len(true), 5, seed=1))
    found = statistics(counts)
    for row, drawn in enumerate(counts.astype(int)):
        rows = np.repeat(np.arange(len(true)), drawn)
        t, p, s = true[rows], predicted[rows], shares[rows]
        assert len(rows) == len(true)
        precision, recall, f1, support = reference.precision_recall_fscore_support(
            t, p, labels=LABELS, zero_division=0
        )
        there = support > 0
        expected = {
            "macro_precision": precision[there].mean(),
            "macro_recall": recall[there].mean(),
            "macro_f1": f1[there].mean(),
            "roc_auc": np.mean([reference.roc_auc_score(t == k, s[:, k]) for k in LABELS if there[k]]),
            "log_loss": reference.log_loss(t, s, labels=LABELS),
            "brier": ((s - np.eye(7)[t]) ** 2).sum(axis=1).mean(),
            "f1_happy": f1[EMOTIONS.index("happy")],
        }
        for name, value in expected.items():
            assert found[name][row] == pytest.approx(value, abs=1e-6), name
    assert found["ece"].shape == (5,)
    confusion = Resamples(counts, one_hot(true * 7 + predicted, 49)).confusion_statistics
    assert confusion["accuracy"] == pytest.approx(counts @ (true == predicted) / len(true))


def test_the_area_of_large_sets_is_close_to_that_of_all_pairs(answers, monkeypatch):
    true, predicted, shares = (np.concatenate([part] * 10) for part in answers)
    counts = next(draws(len(true), 200, seed=2))
    expansion = metric_statistics(Outcomes(true, predicted, shares))(counts)["roc_auc"]
    monkeypatch.setattr(bootstrap, "PAIRS_LIMIT", 10_000)
    exact = metric_statistics(Outcomes(true, predicted, shares))(counts)["roc_auc"]
    assert np.abs(expansion - exact).max() < 2e-3
    assert expansion.std() == pytest.approx(exact.std(), rel=0.02)


def test_the_interval_is_scipys_bca():
    values = np.random.default_rng(0).lognormal(size=40)
    drawn = np.concatenate([counts @ values / 40 for counts in draws(40, 3000, seed=7)])
    left = np.array([np.delete(values, row).mean() for row in range(40)])

    class Earlier:
        """What SciPy calls the result of an earlier bootstrap: its draws are reused."""

        bootstrap_distribution = drawn

    expected = stats.bootstrap(
        (values,), np.mean, n_resamples=0, method="BCa", bootstrap_result=Earlier()
    ).confidence_interval
    assert bca(drawn, left, values.mean()) == pytest.approx((expected.low, expected.high))
    plain = stats.bootstrap(
        (values,), np.mean, n_resamples=0, method="percentile", bootstrap_result=Earlier()
    )
    assert bca(drawn, None, values.mean()) == pytest.approx(tuple(plain.confidence_interval))


def test_intervals_hold_the_value_and_depend_on_the_seed_only(answers):
    statistics = metric_statistics(Outcomes(*answers))
    first = bootstrap_intervals(statistics, len(answers[0]), resamples=600, seed=3)
    assert first == bootstrap_intervals(statistics, len(answers[0]), resamples=600, seed=3)
    assert first != bootstrap_intervals(statistics, len(answers[0]), resamples=600, seed=4)
    whole = statistics(np.ones((1, len(answers[0])), np.float32))
    assert set(first) == set(whole)
    for name, (low, high) in first.items():
        assert low <= whole[name][0] <= high, name
    assert bootstrap_intervals(statistics, len(answers[0]), resamples=0, seed=3) == {}


def test_intervals_cover_the_truth_about_as_often_as_they_say():
    rng = np.random.default_rng(5)
    inside = 0
    for trial in range(100):
        true, said = np.zeros(150, int), (rng.random(150) > 0.7).astype(int)
        matrix_of = np.zeros((150, 49), np.float32)
        matrix_of[np.arange(150), true * 7 + said] = 1

        def accuracy(counts, cells=matrix_of):
            return {"accuracy": confusion_statistics((counts @ cells).reshape(-1, 7, 7))["accuracy"]}

        low, high = bootstrap_intervals(accuracy, 150, resamples=250, seed=trial)["accuracy"]
        inside += low <= 0.7 <= high
    assert 88 <= inside <= 99


def test_draws_are_n_faces_each_and_bounded_in_memory():
    parts = list(draws(30, 600, seed=0))
    assert [part.shape for part in parts] == [(250, 30), (250, 30), (100, 30)]
    assert (np.concatenate(parts).sum(axis=1) == 30).all()


def test_a_number_that_cannot_vary_has_no_width():
    true = np.array([1, 1, 1])
    shares = np.eye(7)[true]
    found = bootstrap_intervals(metric_statistics(Outcomes(true, true, shares)), 3, resamples=50, seed=0)
    assert found["macro_f1"] == (1.0, 1.0)
    assert "roc_auc" not in found
