"""Paired tests, against statsmodels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.contingency_tables import cochrans_q
from statsmodels.stats.contingency_tables import mcnemar as reference_mcnemar
from statsmodels.stats.multitest import multipletests

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


@settings(deadline=None)
@given(tables)
def test_mcnemar_and_cochran_agree_with_statsmodels(rows):
    right = np.array(rows).T
    a, b = right[0], right[1]
    contingency = [[(a & b).sum(), (a & ~b).sum()], [(~a & b).sum(), (~a & ~b).sum()]]
    if (a != b).any():
        assert mcnemar(a, b) == pytest.approx(reference_mcnemar(contingency, exact=True).pvalue)
    else:
        assert mcnemar(a, b) == 1.0
    if not (right == right[0]).all():
        assert cochran_q(list(right)) == pytest.approx(cochrans_q(right.T.astype(int)).pvalue)
    else:
        assert cochran_q(list(right)) == 1.0


@settings(max_examples=12, deadline=None)  # multipletests takes a tenth of a second
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_agrees_with_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(list(multipletests(p_values, method="holm")[1]))


def test_no_pairs_no_p_values():
    assert holm([]) == []


@settings(deadline=None)
@given(tables)
def test_mean_ranks_are_those_of_the_answers(rows):
    from scipy.stats import rankdata

    right = np.array(rows).T
    expected = rankdata(~right, axis=0).mean(axis=1)
    assert mean_ranks(list(right)) == pytest.approx(list(expected))


def test_ranks_are_shared_where_nothing_tells_models_apart():
    different = np.zeros((4, 4), bool)
    different[0, 2] = different[2, 0] = different[0, 3] = different[3, 0] = True
    different[1, 3] = different[3, 1] = True
    assert shared_ranks([0.9, 0.8, 0.7, 0.6], different) == [1, 1, 2, 3]
    assert cliques(different) == [(0, 1), (1, 2), (2, 3)]
    assert cliques(np.zeros((3, 3), bool)) == [(0, 1, 2)]
    assert cliques(~np.eye(3, dtype=bool)) == []
