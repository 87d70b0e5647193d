"""Paired tests, against published examples and values computed by hand."""

from math import comb, exp

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btfer_builder.evaluate.metrics.significance import (
    cliques,
    cochran_q,
    holm,
    mcnemar,
    mean_ranks,
    shared_ranks,
)

tables = st.integers(2, 5).flatmap(
    lambda models: st.lists(
        st.lists(st.booleans(), min_size=models, max_size=models), min_size=2, max_size=60
    )
)


def models_of(only_first: int, only_second: int, both: int = 3, neither: int = 2):
    first = [True] * only_first + [False] * only_second + [True] * both + [False] * neither
    second = [False] * only_first + [True] * only_second + [True] * both + [False] * neither
    return np.array(first), np.array(second)


@pytest.mark.parametrize(
    ("only_first", "only_second", "p_value"),
    [
        (0, 0, 1.0),
        (3, 3, 1.0),
        (0, 5, 2 / 2**5),
        (5, 0, 2 / 2**5),
        (1, 9, 2 * (1 + 10) / 2**10),
        (10, 2, 2 * (1 + 12 + 66) / 2**12),
        (6, 16, 2 * sum(comb(22, k) for k in range(7)) / 2**22),
    ],
)
def test_mcnemar_is_the_two_sided_binomial_test(only_first, only_second, p_value):
    assert mcnemar(*models_of(only_first, only_second)) == pytest.approx(p_value)


def test_cochran_q_of_a_published_table():
    # Conover, Practical Nonparametric Statistics (3rd ed.), §4.6: three sportsmen predict twelve games, Q = 2.8.
    games = [
        *((1, 1, 1), (1, 1, 1), (0, 1, 0), (1, 1, 0), (0, 0, 0), (1, 1, 1)),
        *((1, 1, 1), (1, 1, 0), (0, 0, 1), (0, 1, 0), (1, 1, 1), (1, 1, 1)),
    ]
    # Chi-squared with two degrees of freedom: P(X > q) = exp(-q / 2).
    assert cochran_q(list(np.array(games, bool).T)) == pytest.approx(exp(-2.8 / 2), abs=1e-9)


def test_cochran_q_without_differences():
    correct = np.array([True, False, True])
    assert cochran_q([correct, correct, correct]) == 1.0
    assert cochran_q([correct]) == 1.0


def test_holm_of_values_computed_by_hand():
    # Sorted: 0.005·4, 0.01·3, 0.03·2, 0.04·1, each at least the one before.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@settings(deadline=None)
@given(tables)
def test_mean_ranks_are_those_of_the_answers(rows):
    from scipy.stats import rankdata

    correct = np.array(rows).T
    expected = rankdata(~correct, axis=0).mean(axis=1)
    assert mean_ranks(list(correct)) == pytest.approx(list(expected))


def test_ranks_are_shared_where_models_do_not_differ():
    different = np.zeros((4, 4), bool)
    different[0, 2] = different[2, 0] = different[0, 3] = different[3, 0] = True
    different[1, 3] = different[3, 1] = True
    assert shared_ranks([0.9, 0.8, 0.7, 0.6], different) == [1, 1, 2, 3]
    assert cliques(different) == [(0, 1), (1, 2), (2, 3)]
    assert cliques(np.zeros((3, 3), bool)) == [(0, 1, 2)]
    assert cliques(~np.eye(3, dtype=bool)) == []
