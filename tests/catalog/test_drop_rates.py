"""Drop rates per emotion are compared with chance, corrected for the number of stages."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chi2_contingency
from statsmodels.stats.multitest import multipletests

from btfer_builder.catalog.drop_rates import drop_rates
from btfer_builder.catalog.funnel import StageCount
from btfer_builder.labels import EMOTIONS


def stage(name, dropped, kept):
    dropped, kept = dict(zip(EMOTIONS, dropped, strict=False)), dict(zip(EMOTIONS, kept, strict=False))
    total = sum(dropped.values())
    return StageCount(name, "images", total + sum(kept.values()), sum(kept.values()), {"x": total} if total else {}, 0,
                      kept, dropped)  # fmt: skip


def by_scipy(dropped, kept):
    return chi2_contingency([dropped, kept], correction=False).pvalue


def test_the_values_are_those_of_pearson_and_holm():
    crop, crawl = (
        ([10, 83, 12, 9, 11, 14, 10], [300, 119, 290, 310, 305, 299, 301]),
        ([50] * 7, [100, 99, 103, 98, 100, 97, 110]),
    )
    review = ([20, 31, 22, 19, 25, 18, 24], [100] * 7)
    lines = drop_rates([stage("crawl", *crawl), stage("crop", *crop), stage("review-faces", *review)])
    raw = [by_scipy(*crawl), by_scipy(*crop), by_scipy(*review)]
    assert [line.p for line in lines] == pytest.approx(list(multipletests(raw, method="holm")[1]))
    assert [line.differs for line in lines] == [False, True, False]
    assert lines[1].highest == "disgust"
    assert lines[1].rates["disgust"] == pytest.approx(83 / 202)
    assert lines[1].sentence == (
        "crop drops emotions differently, beyond chance (p < 0.001, chi-square, Holm): disgust 41 %, all 7 %"
    )


@settings(max_examples=25)
@given(
    st.lists(st.tuples(*[st.lists(st.integers(60, 400), min_size=7, max_size=7)] * 2), min_size=1, max_size=6)
)
def test_any_counts_have_the_values_of_scipy_and_statsmodels(tables):
    names = ("crawl", "dedupe", "review-images", "crop", "dedupe-faces", "review-faces")
    lines = drop_rates([stage(name, *table) for name, table in zip(names, tables, strict=False)])
    raw = [by_scipy(*table) for table in tables]
    assert [line.p for line in lines] == pytest.approx(
        list(multipletests(raw, method="holm")[1]), rel=1e-9, abs=1e-300
    )


@pytest.mark.parametrize(
    ("dropped", "kept"),
    [([1, 0], [3, 4]), ([9], [20]), ([5, 6, 4], [0, 0, 0]), ([40, 0], [0, 1])],
)
def test_few_items_are_not_tested(dropped, kept):
    (line,) = drop_rates([stage("crop", dropped, kept)])
    assert line.p is None
    assert not line.differs


def test_a_stage_without_drops_and_the_sample_have_no_line():
    assert drop_rates([stage("crawl", [0, 0], [5, 5]), stage("sample", [50, 1], [50, 50])]) == []
    assert drop_rates([]) == []
