"""The numbers, against formulas written out here."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btfer_builder.emotions import EMOTIONS
from btfer_builder.evaluate.metrics import score

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
