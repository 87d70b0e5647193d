"""Temperatures equal those of scikit-learn and of a known model; accuracy at a coverage is that of all orders."""

import itertools

import numpy as np
import pytest

from btfer_builder.evaluate.metrics.bootstrap import bootstrap_intervals
from btfer_builder.evaluate.metrics.calibration import (
    covered_accuracy,
    fit_temperature,
    risk_coverage,
    scaled,
    with_temperature,
)
from btfer_builder.evaluate.metrics.outcomes import Outcomes
from btfer_builder.evaluate.metrics.registry import METRICS, metric_intervals
from btfer_builder.evaluate.report.sentences import temperature_sentence


def model_of(n, temperature, seed=0):
    """Return labels, logits and probabilities of a model that is too sure by a factor."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(n, 7)) * 1.5
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    true = (rng.random((n, 1)) > chances.cumsum(axis=1)).sum(axis=1).clip(0, 6)
    sure = np.exp(logits * temperature)
    return true, logits * temperature, sure / sure.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_is_that_of_scikit_learn(temperature):
    from sklearn.base import BaseEstimator, ClassifierMixin
    from sklearn.calibration import CalibratedClassifierCV
    from sklearn.frozen import FrozenEstimator

    class Given(ClassifierMixin, BaseEstimator):
        def decision_function(self, logits):
            return logits

        def predict(self, logits):
            return logits.argmax(axis=1)

        def fit(self, logits, true):
            self.classes_ = np.arange(7)
            return self

    true, logits, probabilities = model_of(1500, temperature)
    fitted = fit_temperature(true, probabilities)
    assert fitted == pytest.approx(temperature, rel=0.08)
    given = FrozenEstimator(Given().fit(logits, true))
    theirs = CalibratedClassifierCV(given, method="temperature").fit(logits, true)
    assert scaled(probabilities, fitted) == pytest.approx(theirs.predict_proba(logits), abs=2e-3)


def test_scaling_keeps_answers_and_what_is_impossible():
    table = np.array([[0.7, 0.3, 0, 0, 0, 0, 0], [0.1, 0.2, 0.7, 0, 0, 0, 0]])
    after = scaled(table, 3.0)
    assert after.sum(axis=1) == pytest.approx([1, 1])
    assert (after[table == 0] == 0).all()
    assert after.argmax(axis=1).tolist() == [0, 2]
    assert scaled(table, 1.0) == pytest.approx(table)


def test_a_model_that_is_too_sure_is_helped_and_another_is_not():
    true, _, probabilities = model_of(3000, 2.5, seed=1)
    outcomes = Outcomes(true, probabilities.argmax(axis=1), probabilities)
    after = with_temperature(outcomes, fit_temperature(*model_of(1000, 2.5, seed=2)[::2]), 1000)
    low, high = after.log_loss_change_interval_95
    assert low < after.log_loss_change < high < 0
    assert after.log_loss == pytest.approx(METRICS["log_loss"].function(outcomes) + after.log_loss_change)
    assert after.ece < 0.04 < METRICS["ece"].function(outcomes)
    assert after.brier < METRICS["brier"].function(outcomes)
    assert temperature_sentence(after).endswith(": it helps.")
    true, _, probabilities = model_of(300, 1.0, seed=4)
    same = with_temperature(Outcomes(true, probabilities.argmax(axis=1), probabilities), 1.02, 50)
    assert temperature_sentence(same).endswith(": no evidence of a change.")


def test_accuracy_at_a_coverage_is_the_mean_over_the_orders_of_equal_faces():
    confidence = np.array([0.9, 0.5, 0.5, 0.5, 0.3])
    correct = np.array([True, True, False, False, True])
    for taken in range(1, 6):
        orders = [
            order
            for order in itertools.permutations(range(5))
            if (np.diff(confidence[list(order)]) <= 0).all()
        ]
        expected = np.mean([correct[list(order[:taken])].mean() for order in orders])
        assert covered_accuracy(correct, confidence, taken / 5)[0] == pytest.approx(expected)
    counts = np.array([[2.0, 0, 0, 1, 2], [1, 1, 1, 1, 1]])
    drawn = covered_accuracy(correct, confidence, 0.8, counts)
    assert drawn == pytest.approx([(2 + 0 + 1) / 4, (1 + 1) / 4])


def test_the_interval_of_the_accuracy_at_80_percent_holds_it():
    probability = model_of(200_000, 1.0, seed=9)
    whole = Outcomes(probability[0], probability[2].argmax(axis=1), probability[2])
    expected = METRICS["accuracy_at_80"].function(whole)
    assert [item.coverage for item in risk_coverage(whole)][-1] == 1
    assert risk_coverage(whole)[-1].accuracy == pytest.approx(whole.scores.accuracy)
    assert risk_coverage(whole)[15].accuracy == pytest.approx(expected)
    holds = 0
    for seed in range(100):
        true, _, table = model_of(200, 1.0, seed=100 + seed)
        correct, confidence = table.argmax(axis=1) == true, table.max(axis=1)
        (low, high) = bootstrap_intervals(
            lambda counts, c=correct, p=confidence: {"a": covered_accuracy(c, p, 0.8, counts)},
            200,
            resamples=400,
            seed=seed,
        )["a"]
        holds += low <= expected <= high
    assert holds >= 89, "95 % is 95 of 100, less two and a half standard deviations"


def test_the_registry_has_both_coverages():
    true, _, table = model_of(120, 1.0)
    outcomes = Outcomes(true, table.argmax(axis=1), table)
    intervals = metric_intervals(outcomes, resamples=100, seed=0)
    for name, share in (("accuracy_at_80", 0.8), ("accuracy_at_90", 0.9)):
        value = METRICS[name].function(outcomes)
        order = np.argsort(-table.max(axis=1))[: round(120 * share)]
        assert value == pytest.approx((outcomes.predicted == true)[order].mean())
        low, high = intervals[name]
        assert low < value < high
