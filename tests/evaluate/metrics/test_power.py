"""What a set can tell, by simulation: tests find the stated differences in 80 % of the sets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from btfer_builder.evaluate import LabelledFace
from btfer_builder.evaluate.metrics.power import (
    ALPHA,
    _chances,
    _quantiles,
    between_models,
    detectable_differences,
    from_model,
    from_value,
    mcnemar_power,
)
from btfer_builder.evaluate.metrics.significance import mcnemar
from btfer_builder.evaluate.metrics.sources import design_effect

SETS = 4000


def found(only_first: int, only_second: int, cache: dict) -> bool:
    """Return whether the test of the leaderboard finds a difference of so many discordant faces."""
    key = only_first, only_second
    if key not in cache:
        first = np.repeat([True, False], [only_first, only_second])
        cache[key] = mcnemar(first, ~first) < ALPHA
    return cache[key]


def power_of(n: int, only_first: float, only_second: float, cache: dict) -> float:
    chances = [only_first, only_second, 1 - only_first - only_second]
    sets = np.random.default_rng(0).multinomial(n, chances, SETS)
    return float(np.mean([found(int(b), int(c), cache) for b, c, _ in sets]))


@pytest.mark.parametrize(
    ("n", "discordant"), [(100, 0.3), (300, 0.2), (300, 0.02), (2100, 0.15), (2100, 0.0)]
)
def test_mcnemars_test_finds_the_difference_of_a_pair_in_80_percent_of_the_sets(n, discordant):
    difference = between_models(discordant, n)
    share = max(discordant, difference)
    cells = (share + difference) / 2, (share - difference) / 2
    cache = {}
    assert power_of(n, *cells, cache) == pytest.approx(0.8, abs=0.025)
    smaller = 0.6 * difference
    share = max(discordant, smaller)
    assert power_of(n, (share + smaller) / 2, (share - smaller) / 2, cache) < 0.6


@pytest.mark.parametrize(("n", "accuracy"), [(150, 0.9), (300, 0.6), (2100, 0.3)])
def test_of_models_with_independent_errors_it_finds_it_too(n, accuracy):
    share = max(accuracy, 1 - accuracy)
    other = share - from_model(accuracy, n)
    assert power_of(n, share * (1 - other), other * (1 - share), {}) == pytest.approx(0.8, abs=0.025)


@pytest.mark.parametrize(("n", "accuracy"), [(100, 0.5), (300, 0.7), (300, 0.9), (2100, 0.3)])
def test_the_score_test_of_one_model_finds_the_difference_in_80_percent_of_the_sets(n, accuracy):
    difference = from_value(accuracy, n)
    true = accuracy - difference if accuracy >= 0.5 else accuracy + difference
    shares = np.random.default_rng(1).binomial(n, true, SETS) / n
    z = (shares - accuracy) / np.sqrt(accuracy * (1 - accuracy) / n)
    assert np.mean(np.abs(z) > 1.96) == pytest.approx(0.8, abs=0.035)  # shares are discrete


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 5000), st.floats(1e-4, 1))
def test_binomial_numbers_are_those_of_scipy(n, share):
    levels = np.array([1e-6, 1 - 1e-6])
    low, high = _quantiles(n, share, levels)
    assert [low, high] == binom.ppf(levels, n, share).tolist()
    counts = np.arange(low, high + 1)
    np.testing.assert_allclose(_chances(counts, n, share), binom.pmf(counts, n, share), rtol=1e-8, atol=1e-11)


def test_power_is_that_of_all_outcomes_of_a_small_set():
    n, first, second = 12, 0.5, 0.05
    by_hand = sum(
        np.exp(
            np.log(np.arange(1, n + 1)).sum()
            - sum(np.log(np.arange(1, k + 1)).sum() for k in (b, c, n - b - c))
        )
        * first**b
        * second**c
        * (1 - first - second) ** (n - b - c)
        for b in range(n + 1)
        for c in range(n + 1 - b)
        if found(b, c, {})
    )
    assert mcnemar_power(n, first, second) == pytest.approx(by_hand, abs=1e-5)
    assert mcnemar_power(5, 1.0, 0.0) == 0, "five faces cannot be significant"
    assert between_models(0.3, 5) is None


def clustered(rng, accuracy, *, sources, each, correlation):
    """Return correct predictions of shape (SETS // 4, sources · each): faces of a source are right together."""
    spread = (1 - correlation) / correlation
    chances = rng.beta(accuracy * spread, (1 - accuracy) * spread, (SETS // 4, sources, 1))
    return (rng.random((SETS // 4, sources, each)) < chances).reshape(SETS // 4, -1)


def test_faces_of_one_source_count_as_fewer_faces():
    rng = np.random.default_rng(2)
    sources, each, correlation = 100, 4, 0.4
    groups = np.repeat(np.arange(sources), each)
    expected = 1 + (each - 1) * correlation  # Kish
    accuracy = 0.7
    difference = from_value(accuracy, sources * each / expected)
    sets = clustered(rng, accuracy - difference, sources=sources, each=each, correlation=correlation)
    means = sets.reshape(len(sets), sources, each).mean(axis=2)
    z = (means.mean(axis=1) - accuracy) / (means.std(axis=1, ddof=1) / sources**0.5)
    # Its standard error is that of the alternative: the score test's power differs by the ratio of both.
    assert np.mean(np.abs(z) > 1.96) == pytest.approx(0.8, abs=0.04)
    effects = [design_effect(one.astype(float), groups) for one in sets[:200]]
    assert np.mean(effects) == pytest.approx(expected, rel=0.05)
    alone = rng.random((200, 400)) < accuracy
    assert np.mean([design_effect(one.astype(float), groups) for one in alone]) < 1.1
    assert design_effect(alone[0].astype(float), np.arange(400)) == pytest.approx(1)


def test_what_is_listed_and_what_is_not(tmp_path):
    def face(k: int) -> LabelledFace:
        word = "woman" if k % 2 else "man"
        emotion = "happy" if k < 70 else "sad"
        attributes = {"query_gender": word, "language": "en" if k < 90 else "es"}
        photo = f"photo {k // 2}" if k < 20 else ""
        creator = {90: "A", 92: "A", 93: "A", 94: "Unknown", 95: "unknown"}.get(k, "")
        return LabelledFace(tmp_path, emotion, str(k), attributes, {}, photo, creator)

    faces = [face(k) for k in range(100)]
    true = np.array([3 if k < 70 else 5 for k in range(100)])
    rows = detectable_differences(faces, true, np.full(100, 3))
    assert [(row.attribute, row.value, row.n, row.sources) for row in rows] == [
        ("all", "", 100, 88),
        ("emotion", "happy", 70, 60),
        ("emotion", "sad", 30, 28),
        ("query_gender", "man", 50, 49),
        ("query_gender", "woman", 50, 50),
        ("language", "en", 90, 80),
    ]
    assert all(0 < row.model < row.pair < 1 for row in rows)
    assert rows[0].model < rows[1].model or rows[0].pair < rows[2].pair
    few = [LabelledFace(tmp_path, "happy", str(k), {}, {}, f"photo {k % 9}") for k in range(60)]
    (row, _) = detectable_differences(few, np.full(60, 3), np.arange(60) % 7)
    assert (row.sources, row.model, row.pair) == (9, None, None)
