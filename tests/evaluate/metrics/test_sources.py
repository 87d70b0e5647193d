"""Faces that share a photo or a creator: tests and intervals keep their level, by simulation."""

import numpy as np
import pytest
from scipy import stats
from statsmodels.stats.contingency_tables import cochrans_q

from btfer_builder.evaluate import LabelledFace
from btfer_builder.evaluate.metrics.bootstrap import bootstrap_intervals, draws, leave_one_out, tails
from btfer_builder.evaluate.metrics.calibration import with_temperature
from btfer_builder.evaluate.metrics.groups import group_scores
from btfer_builder.evaluate.metrics.outcomes import Outcomes
from btfer_builder.evaluate.metrics.power import ALPHA, between_models
from btfer_builder.evaluate.metrics.scores import score, share_interval, wilson
from btfer_builder.evaluate.metrics.significance import cochran_q, mcnemar
from btfer_builder.evaluate.metrics.sources import design_effect, effective_counts

SETS = 400


def clustered(rng, shares, sources, correlation):
    """Return whether models with these true accuracies are right, (models, n): each alike on faces of a source."""
    spread = (1 - correlation) / correlation
    of_source = [rng.beta(p * spread, (1 - p) * spread, sources.max() + 1)[sources] for p in shares]
    return rng.random((len(shares), len(sources))) < np.array(of_source)


@pytest.mark.parametrize(("sources", "each", "correlation"), [(100, 4, 0.4), (30, 10, 0.3), (12, 20, 0.3)])
def test_equal_models_are_distinguished_in_five_percent_of_the_sets(sources, each, correlation):
    rng, groups = np.random.default_rng(0), np.repeat(np.arange(sources), each)
    sets = [clustered(rng, (0.7, 0.7), groups, correlation) for _ in range(SETS)]
    rate = np.mean([mcnemar(*one, groups) < ALPHA for one in sets])
    assert 0.02 <= rate <= 0.08
    assert np.mean([mcnemar(*one) < ALPHA for one in sets]) > 2 * rate, "without sources it finds too much"


@pytest.mark.parametrize(
    ("sources", "each", "correlation", "share", "least"),
    [(100, 4, 0.4, 0.7, 0.93), (30, 10, 0.3, 0.5, 0.93), (300, 3, 0.01, 0.9, 0.93), (12, 20, 0.3, 0.9, 0.93)],
)
def test_intervals_of_shares_hold_the_true_one(sources, each, correlation, share, least):
    rng, groups = np.random.default_rng(1), np.repeat(np.arange(sources), each)
    ends = [share_interval(clustered(rng, (share,), groups, correlation)[0], groups) for _ in range(SETS)]
    covered = np.mean([low <= share <= high for low, high in ends])
    assert least <= covered <= 0.99


@pytest.mark.parametrize("sources", [10, 20, 30])
@pytest.mark.parametrize(("share", "correlation"), [(0.5, 0.2), (0.7, 0.4), (0.9, 0.4)])
def test_intervals_of_shares_hold_the_true_one_where_sizes_differ_much(sources, share, correlation):
    rng, inside, of_faces = np.random.default_rng(sources), 0, 0
    for _ in range(SETS):
        sizes = np.minimum(np.ceil(2 * (1 + rng.pareto(1.1, sources))), 200).astype(int)
        groups = np.repeat(np.arange(sources), sizes)
        right = clustered(rng, (share,), groups, correlation)[0]
        low, high = share_interval(right, groups)
        assert low <= right.mean() <= high
        inside += low <= share <= high
        low, high = share_interval(right)
        of_faces += low <= share <= high
    assert 0.93 <= inside / SETS <= 0.995
    assert of_faces / SETS < 0.8


def test_an_interval_of_shares_has_the_shares_that_the_score_test_does_not_reject():
    rng = np.random.default_rng(8)
    for share in (0.02, 0.5, 0.95):
        groups = np.repeat(np.arange(40), rng.integers(1, 9, 40))
        right, n = clustered(rng, (share,), groups, 0.2)[0], len(groups)
        right[:2] = True, False
        for end in share_interval(right, groups):
            residuals = right - end
            effect = (np.bincount(groups, residuals) ** 2).sum() / (residuals**2).sum()
            error = np.sqrt(end * (1 - end) * max(1, effect) / n)
            assert abs(right.mean() - end) / error == pytest.approx(stats.norm.ppf(0.975), rel=1e-6)
    assert share_interval(right, np.append(np.arange(n - 1), 0)) != wilson(int(right.sum()), n)
    many = rng.permutation(np.append(np.arange(9999), 0))
    assert share_interval(np.arange(10000) < 6000, many) == pytest.approx(wilson(6000, 10000), abs=1e-3)


def test_bootstrap_intervals_of_few_sources_are_wider():
    assert tails() == tails(np.arange(9)) == pytest.approx((0.025, 0.975))
    equal, unequal = np.repeat(np.arange(10), 5), np.repeat(np.arange(10), [25, 9, *[2] * 8])
    expected = stats.norm.cdf(np.sqrt(10 / 9) * stats.t.ppf(0.025, 9))
    assert tails(equal) == pytest.approx((expected, 1 - expected))
    assert tails(unequal)[0] < expected < 0.025
    assert tails(np.zeros(5, int))[0] < 0.001


def test_the_difference_that_is_said_to_be_detectable_is_found_in_80_percent_of_the_sets():
    rng, groups = np.random.default_rng(2), np.repeat(np.arange(150), 4)
    first, second = 0.75, 0.646
    sets = [clustered(rng, (first, second), groups, 0.3) for _ in range(SETS)]
    effects = [design_effect(one[0].astype(float) - one[1], groups) for one in sets]
    discordant = np.mean([(one[0] != one[1]).mean() for one in sets])
    difference = between_models(float(discordant), 600 / float(np.mean(effects)))
    assert difference == pytest.approx(first - second, abs=0.005), "the simulated difference is that one"
    assert np.mean([mcnemar(*one, groups) < ALPHA for one in sets]) == pytest.approx(0.8, abs=0.06)


def test_the_test_of_sources_is_that_of_all_sign_flips():
    sums = np.array([3, 1, -1, 2, -2, 4, 1])
    flips = np.array(np.meshgrid(*[[-1, 1]] * len(sums))).reshape(len(sums), -1)
    expected = np.mean(np.abs(sums @ flips) >= abs(sums.sum()))
    groups = np.repeat(np.arange(len(sums)), np.abs(sums))
    first = np.repeat(sums > 0, np.abs(sums))
    assert mcnemar(first, ~first, groups) == pytest.approx(float(expected))
    assert mcnemar(first, ~first, np.zeros(len(first), int)) == 1, "one source says nothing"
    shuffled = np.random.default_rng(0).permutation(len(first))
    assert mcnemar(first[shuffled], ~first[shuffled], 7 * groups[shuffled]) == pytest.approx(float(expected))


def test_faces_of_their_own_sources_give_the_numbers_of_independent_faces():
    rng, own = np.random.default_rng(3), np.arange(200)[::-1].copy()
    table = rng.random((3, 200)) < 0.6
    assert mcnemar(*table[:2], own) == mcnemar(*table[:2])
    assert share_interval(table[0], own) == share_interval(table[0]) == wilson(int(table[0].sum()), 200)
    assert cochran_q(table, own) == pytest.approx(cochran_q(table))
    assert cochran_q(table) == pytest.approx(cochrans_q(table.T).pvalue)
    assert all((a == b).all() for a, b in zip(draws(200, 9, 4), draws(200, 9, 4, own), strict=True))
    assert design_effect(table[0].astype(float), own) == 1


def test_cochrans_q_keeps_its_level():
    rng, groups = np.random.default_rng(4), np.repeat(np.arange(60), 5)
    sets = [clustered(rng, (0.7, 0.7, 0.7), groups, 0.3) for _ in range(SETS)]
    assert np.mean([cochran_q(one, groups) < ALPHA for one in sets]) == pytest.approx(0.05, abs=0.03)
    assert np.mean([cochran_q(one) < ALPHA for one in sets]) > 0.12


def test_resamples_draw_sources_with_all_of_their_faces():
    groups = np.array([2, 0, 2, 5, 0, 2])
    (counts,) = draws(6, 50, 1, groups)
    for value in (0, 2, 5):
        assert (counts[:, groups == value][:, 0] == counts[:, groups == value].T).all()
    assert (counts[:, [0, 1, 3]].sum(axis=1) == 3).all(), "as many sources as there are"
    (left,) = leave_one_out(6, groups)
    assert left.tolist() == [[1, 0, 1, 1, 0, 1], [0, 1, 0, 1, 1, 0], [1, 1, 1, 0, 1, 1]]


def test_bootstrap_intervals_hold_the_true_mean():
    rng, groups = np.random.default_rng(5), np.repeat(np.arange(50), 6)
    inside, narrow = 0, 0
    for trial in range(150):
        right = clustered(rng, (0.7,), groups, 0.4)[0].astype(np.float32)

        def mean(counts, right=right):
            return {"mean": (counts @ right / counts.sum(axis=1)).astype(float)}

        known = bootstrap_intervals(mean, 300, resamples=300, seed=trial, sources=groups)["mean"]
        faces = bootstrap_intervals(mean, 300, resamples=300, seed=trial)["mean"]
        inside += known[0] <= 0.7 <= known[1]
        narrow += faces[0] <= 0.7 <= faces[1]
    assert inside / 150 >= 0.88
    assert narrow / 150 < 0.8
    single = np.zeros(300, int)
    assert bootstrap_intervals(mean, 300, resamples=300, seed=0, sources=single) == {}


def test_groups_of_equal_accuracy_rarely_differ(tmp_path):
    sources = np.repeat(np.arange(80), 5)
    faces = [
        LabelledFace(
            tmp_path, "happy", str(k), {"query_gender": "man" if s % 2 else "woman"}, {}, f"photo {s}"
        )
        for k, s in enumerate(sources)
    ]
    alone = [LabelledFace(face.path, face.emotion, face.face_id, face.attributes) for face in faces]
    rng, true, odd = np.random.default_rng(6), np.full(400, 3), sources % 2 == 1
    sets = [clustered(rng, (0.7,), sources, 0.4)[0] for _ in range(SETS)]
    counts = [effective_counts([one[odd], one[~odd]], [sources[odd], sources[~odd]]) for one in sets]
    p_values = [stats.chi2_contingency([hits, sizes - hits]).pvalue for hits, sizes in counts]
    assert np.mean(np.array(p_values) < ALPHA) == pytest.approx(0.05, abs=0.03)
    predicted = np.where(sets[0], 3, 5)
    found = [group_scores(each, true, predicted, resamples=200, seed=0)[0] for each in (faces, alone)]
    assert found[0].p_value == pytest.approx(p_values[0])
    assert found[0].gap == found[1].gap
    assert np.ptp(found[0].gap_interval) > np.ptp(found[1].gap_interval)


def test_effective_counts_keep_the_shares():
    right = np.repeat([True, False, True], [4, 4, 2])
    hits, sizes = effective_counts([right, right], [np.repeat([0, 1, 2], [4, 4, 2]), None])
    assert hits / sizes == pytest.approx([0.6, 0.6])
    assert sizes[0] < sizes[1] == 10


def test_equal_answers_count_once_for_each_source():
    groups = np.repeat(np.arange(5), 20)
    low, high = share_interval(np.ones(100, bool), groups)
    assert high == 1
    assert low == pytest.approx(wilson(5, 5)[0])
    assert share_interval(np.ones(100, bool), np.zeros(100, int)) == (0, 1), "one source says nothing"
    scores = score(np.full(100, 3), np.full(100, 3), groups)
    assert scores.accuracy_interval == scores.per_class["happy"].recall_interval == (low, high)


def test_the_change_of_the_log_loss_counts_sources():
    rng, groups = np.random.default_rng(7), np.repeat(np.arange(20), 10)
    shares = rng.dirichlet(np.ones(7), 20)[groups]
    outcomes = Outcomes(np.full(200, 3), shares.argmax(axis=1), shares)
    of_sources = Outcomes(outcomes.true, outcomes.predicted, shares, sources=groups)
    narrow, wide = (
        with_temperature(item, 2, 9).log_loss_change_interval_95 for item in (outcomes, of_sources)
    )
    assert np.ptp(wide) > 2.5 * np.ptp(narrow)
