"""How two models differ, against an independent library and values computed by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btfer_builder.evaluate.metrics.agreement import agreement, confusion_difference, kappa

answers = st.lists(st.tuples(*[st.integers(0, 6)] * 3), min_size=1, max_size=60)


def test_kappa_of_a_table_computed_by_hand():
    # 20 yes/yes, 5 yes/no, 10 no/yes, 15 no/no: observed 0.7, by chance 0.5.
    first = np.repeat([0, 0, 1, 1], [20, 5, 10, 15])
    second = np.repeat([0, 1, 0, 1], [20, 5, 10, 15])
    assert agreement(first, second) == 0.7
    assert kappa(first, second) == pytest.approx(0.4)
    assert kappa(np.zeros(5, np.int64), np.zeros(5, np.int64)) is None, "all agreement is by chance"
    assert kappa(np.array([0, 1, 2]), np.array([0, 1, 2])) == 1
    assert kappa(np.zeros(0, np.int64), np.zeros(0, np.int64)) is None


@settings(deadline=None, max_examples=30)
@given(answers)
def test_kappa_is_that_of_statsmodels(rows):
    from statsmodels.stats.inter_rater import cohens_kappa

    _, first, second = np.array(rows).T
    table = np.bincount(first * 7 + second, minlength=49).reshape(7, 7)
    value = kappa(first, second)
    if value is None:
        assert len(set(first) | set(second)) == 1
    else:
        assert value == pytest.approx(cohens_kappa(table, return_results=False), abs=1e-12)


@settings(deadline=None, max_examples=30)
@given(answers)
def test_the_difference_of_the_matrices_is_that_of_scikit_learn(rows):
    from sklearn.metrics import confusion_matrix

    true, first, second = np.array(rows).T
    labels = range(7)
    expected = confusion_matrix(true, first, labels=labels) - confusion_matrix(true, second, labels=labels)
    difference = confusion_difference(true, first, second)
    assert difference == expected.tolist()
    assert all(sum(row) == 0 for row in difference)
