"""RQ1–RQ3: effects that are there are found, those that are not are not, and the numbers are SciPy's."""

import json

import msgspec
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from btfer_builder.benchmark.paired_tests import over_networks, sign_flip, signed_rank
from btfer_builder.benchmark.published import published_grid, published_results
from btfer_builder.benchmark.questions import (
    QUESTIONS,
    answer_questions,
    to_dict,
)
from btfer_builder.benchmark.questions_markdown import questions_markdown
from tests.benchmark.benchmark_grid import result, with_predictions

NETWORKS = (
    "alexnet",
    "zfnet",
    "vgg16",
    "vgg19",
    "mobilenet",
    "mobilenetv2",
    "densenet121",
    "resnet50",
    "lenet5",
    "vggnet",
)


def test_the_numbers_are_those_of_scipy_and_statsmodels():
    results = published_grid()
    contrasts = answer_questions(results, resamples=0)
    (contrast,) = [c for c in contrasts if c.question == "RQ1" and c.measure == "own"]
    pairs = {}
    for run in (entry for entry in reversed(results) if entry.note != "frozen base only"):
        key = (run.dataset, run.network, run.pretraining, run.balancing)
        pairs.setdefault(key, {})[run.size] = run.own.accuracy
    both = pd.DataFrame(
        [
            {"network": key[1], "change": sizes[224] - sizes[48]}
            for key, sizes in pairs.items()
            if len(sizes) == 2
        ]
    )
    change = both.groupby("network")["change"].mean()
    assert (contrast.pairs, contrast.networks) == (len(both), len(change))
    assert contrast.difference == pytest.approx(change.mean())
    assert contrast.effect == pytest.approx(change.mean() / change.std(ddof=1))
    assert contrast.p_value == pytest.approx(stats.wilcoxon(change).pvalue)
    of_measure = [c for c in contrasts if c.measure == "own"]
    corrected = multipletests([c.p_value for c in of_measure], method="holm")[1]
    assert [c.p_holm for c in of_measure] == pytest.approx(corrected)


def test_the_interval_over_networks_is_students():
    results = [
        result(own=0.5 + 0.01 * n + change, network=name, balancing=way)
        for n, name in enumerate(NETWORKS)
        for way, change in (("simple", 0.0), ("conservative", 0.02 * (n % 4)))
    ]
    (contrast,) = [c for c in answer_questions(results, resamples=0) if c.measure == "own"]
    change = np.array([0.02 * (n % 4) for n in range(len(NETWORKS))])
    theirs = stats.ttest_1samp(change, 0).confidence_interval(0.95)
    assert contrast.interval == pytest.approx(tuple(theirs))
    assert "Student's t" in questions_markdown([contrast])
    (few,) = [c for c in answer_questions(results[:4], resamples=0) if c.measure == "own"]
    assert (few.pairs, few.interval) == (2, None)


@pytest.mark.parametrize("networks", [3, 5, 9])
def test_the_interval_over_few_networks_covers_as_often_as_it_says(networks):
    drawn = np.random.default_rng(networks).normal(0.03, 0.05, (3000, networks))
    covered = np.mean([low <= 0.03 <= high for low, high in map(over_networks, drawn)])
    assert 0.93 <= covered <= 0.97


def test_a_difference_over_many_networks_is_an_answer():
    results = [
        result(btfer=0.4 + 0.01 * n + (0.1 if size == 224 else 0), network=name, size=size)
        for n, name in enumerate(NETWORKS)
        for size in (48, 224)
    ]
    (contrast,) = [c for c in answer_questions(results, resamples=500) if c.measure == "btfer"]
    assert (contrast.first, contrast.second, contrast.pairs) == ("224 px", "48 px", 10)
    assert contrast.difference == pytest.approx(0.1)
    assert contrast.p_holm < 0.05
    assert contrast.answer == "224 px is better than 48 px by 0.100, over the 10 networks that were run"


def test_noise_is_no_answer_and_says_how_few_networks_there_are():
    values = np.random.default_rng(3).normal(0.5, 0.02, (2, 5))
    results = [
        result(own=float(values[way, n]), network=name, balancing=("simple", "conservative")[way])
        for way in (0, 1)
        for n, name in enumerate(NETWORKS[:5])
    ]
    for contrast in answer_questions(results, resamples=500):
        assert "over 5 networks (significance needs at least six)" in contrast.answer


def grid_of_noise(rng, networks, datasets, seeds):
    """Draw a grid in which balancing changes each network in a way of its own, and on average nothing."""
    of_network = rng.normal(0, 0.03, networks)
    of_dataset = rng.normal(0, 0.01, (networks, datasets))
    of_run = rng.normal(0, 0.01, (networks, datasets, seeds))
    change = of_network[:, None, None] + of_dataset[:, :, None] + of_run
    return [
        result(
            own=0.6 + (float(change[n, d, s]) if way == "conservative" else 0.0),
            btfer=None, network=f"network-{n}", dataset=f"set-{d}", seed=s, balancing=way,
        )
        for n, d, s in np.ndindex(change.shape)
        for way in ("simple", "conservative")
    ]  # fmt: skip


def rejections(grids, networks, datasets, seeds):
    rng = np.random.default_rng(networks)
    drawn = (grid_of_noise(rng, networks, datasets, seeds) for _ in range(grids))
    answers = [answer_questions(results, resamples=0)[0] for results in drawn]
    assert {(a.networks, a.pairs) for a in answers} == {(networks, networks * datasets * seeds)}
    return np.mean([a.p_holm < 0.05 for a in answers]), np.mean(
        ["that were run" in a.answer for a in answers]
    )


@pytest.mark.parametrize(("networks", "datasets", "seeds"), [(1, 1, 6), (2, 1, 12), (5, 3, 2)])
def test_seeds_and_datasets_are_no_networks(networks, datasets, seeds):
    assert rejections(30, networks, datasets, seeds) == (0, 0)


@pytest.mark.parametrize(("networks", "datasets", "seeds"), [(10, 1, 4), (12, 2, 2)])
def test_chance_is_called_a_finding_in_5_percent_of_grids(networks, datasets, seeds):
    found, said = rejections(600, networks, datasets, seeds)
    assert found == said
    assert 0.02 <= found <= 0.07  # 5 % ± 2.3 standard errors; the exact test has 4.9 and 4.2 %


def test_a_network_with_many_runs_counts_as_one_with_few():
    rng = np.random.default_rng(5)
    runs = [(name, n, seed) for n, name in enumerate(NETWORKS) for seed in range(1 + 5 * (n == 0))]
    results = [
        result(own=0.5 + change, network=name, seed=seed, balancing=way)
        for name, n, seed in runs
        for way, change in (("simple", 0.0), ("conservative", 0.01 * n + 0.001 * float(rng.random())))
    ]
    (contrast,) = [c for c in answer_questions(results, resamples=0) if c.measure == "own"]
    assert (contrast.networks, contrast.pairs) == (10, 15)
    assert contrast.difference == pytest.approx(0.01 * np.mean(range(10)), abs=0.001)
    assert contrast.first_mean - contrast.second_mean == pytest.approx(contrast.difference)
    # A dataset with many seeds counts as one with few, too.
    several = [
        result(
            own=0.5 + 0.1 * (dataset == "a" and way == "conservative"), dataset=dataset, seed=s, balancing=way
        )
        for dataset, seeds in (("a", 9), ("b", 1))
        for s in range(seeds)
        for way in ("simple", "conservative")
    ]
    (contrast,) = [c for c in answer_questions(several, resamples=0) if c.measure == "own"]
    assert (contrast.networks, contrast.pairs) == (1, 10)
    assert contrast.difference == pytest.approx(0.05)


def test_few_networks_that_differ_among_many_equal_ones_are_no_finding():
    assert signed_rank(np.array([0.1] * 5 + [1e-17] * 20)) > 0.05
    assert signed_rank(np.zeros(20)) == signed_rank(np.full(20, 1e-16)) == 1
    results = [
        result(network=f"network-{n}", balancing=way) for n in range(40) for way in ("simple", "conservative")
    ]
    for contrast in answer_questions(results, resamples=0):
        assert (contrast.p_value, contrast.effect, contrast.interval) == (1, None, (0, 0))
        assert contrast.answer == "no significant difference of conservative and simple over 40 networks"


def test_only_settings_that_differ_in_nothing_else_are_pairs():
    results = [
        result(pretraining="imagenet", network="vgg16"),
        result(pretraining="scratch", network="vgg19"),
        result(pretraining="scratch", network="vgg16", balancing="none"),
        result(pretraining="scratch", network="vgg16", size=224),
        result(pretraining="scratch", network="vgg16", dataset="fer2013"),
        result(pretraining="scratch", network="vgg16", seed=1),
    ]
    assert answer_questions(results, resamples=0) == []
    contrasts = answer_questions([*results, result(pretraining="scratch", network="vgg16")], resamples=0)
    assert {(c.question, c.pairs) for c in contrasts} == {(name, 1) for name in QUESTIONS}


def test_accuracies_on_different_own_splits_are_never_compared():
    results = [result(dataset=name) for name in ("raf-db", "fer2013")]
    assert {c.measure for c in answer_questions(results, resamples=0)} == {"btfer"}


def test_faces_tell_of_these_networks_what_pairs_cannot(tmp_path):
    rng = np.random.default_rng(0)
    ability = rng.random(700)
    results, rights = [], []
    for network in ("vgg16", "vgg19"):
        for way, level in (("conservative", 0.6), ("simple", 0.5)):
            right = ability + rng.normal(0, 0.05, 700) < level
            rights.append(right)
            results.append(with_predictions(tmp_path, result(network=network, balancing=way), right))
    (contrast,) = [c for c in answer_questions(results, tmp_path, resamples=2000) if c.measure == "btfer"]
    change = (rights[0].astype(float) - rights[1] + rights[2] - rights[3]) / 2
    theirs = stats.bootstrap(
        (change,), np.mean, n_resamples=2000, method="percentile", rng=np.random.default_rng(1)
    )
    assert contrast.faces == pytest.approx(tuple(theirs.confidence_interval), abs=0.004)
    tests = [
        mcnemar([[0, int((a & ~b).sum())], [int((b & ~a).sum()), 0]], exact=True).pvalue
        for a, b in ((rights[0], rights[1]), (rights[2], rights[3]))
    ]
    assert contrast.better == sum(p < 0.05 for p in multipletests(tests, method="holm")[1]) == 2
    assert contrast.worse == 0
    assert contrast.faces_p_value == contrast.faces_p_holm == pytest.approx(1 / 2001)
    assert "for these runs; over 2 networks the difference is not significant" in contrast.answer
    assert "[+0.0" in questions_markdown([contrast])
    # Scored on other faces, answers are no pairs.
    other = with_predictions(tmp_path, result(network="vgg16", balancing="none"), ability[:70] < 0.5)
    apart = [c for c in answer_questions([*results, other], tmp_path, resamples=100) if c.second == "none"]
    assert all(c.faces is None and c.better is None for c in apart)


def test_the_sign_flip_test_is_that_of_all_flips():
    values = np.random.default_rng(0).normal(0.3, 1, 12)
    exact = stats.permutation_test(
        (values,), np.sum, permutation_type="samples", n_resamples=np.inf, alternative="two-sided"
    ).pvalue
    assert sign_flip(values, 20_000, 0) == pytest.approx(exact, abs=0.012)
    sources = np.repeat(np.arange(12), 3)
    assert sign_flip(np.repeat(values / 3, 3), 20_000, 0, sources) == pytest.approx(exact, abs=0.012)
    assert sign_flip(np.zeros(9), 100, 0) == 1


def test_of_many_comparisons_of_chance_hardly_any_is_said_to_be_better(tmp_path):
    said = 0
    for seed in range(4):
        rng, results = np.random.default_rng(seed), []
        for way in ("conservative", "simple", "oversample", "undersample", "none"):
            item = result(network="vgg16", balancing=way)
            results.append(with_predictions(tmp_path / str(seed), item, rng.random(400) < 0.5))
        contrasts = [
            c for c in answer_questions(results, tmp_path / str(seed), resamples=500) if c.measure == "btfer"
        ]
        assert len(contrasts) == 10
        said += any("for these runs" in c.answer for c in contrasts)
        for c in contrasts:
            assert ("for these runs" in c.answer) == (c.faces_p_holm < 0.05)
            assert c.faces_p_holm >= c.faces_p_value
    assert said <= 1, "5 % of the grids, not of the rows"


def test_a_run_with_damaged_predictions_is_compared_without_them(tmp_path, capsys):
    right = np.random.default_rng(0).random(70) < 0.5
    results = [
        with_predictions(tmp_path, result(network="vgg16", balancing=way), right)
        for way in ("simple", "none")
    ]
    next(tmp_path.rglob("predictions.csv")).write_text("face_id\n\0")
    (contrast,) = [c for c in answer_questions(results, tmp_path, resamples=100) if c.measure == "btfer"]
    assert (contrast.faces, contrast.faces_p_holm, contrast.better) == (None, None, None)
    assert "without predictions: " in capsys.readouterr().err


def own_split(out, result, right, set_hash):
    """Move the predictions that `with_predictions` writes to the own split, of the set with this hash."""
    written = with_predictions(out, result, right)
    own = msgspec.structs.replace(written.btfer, name="test", set_hash=set_hash)
    return msgspec.structs.replace(written, own=own, btfer=None)


@pytest.mark.parametrize("differing", ["dataset", "seed"])
def test_pairs_of_different_faces_have_no_interval_over_faces(tmp_path, differing):
    rng = np.random.default_rng(0)
    sets = {"dataset": ("raf-db", "fer2013"), "seed": (0, 1)}[differing]
    for shared in (True, False):  # as many faces and the same ids, but other pictures
        out = tmp_path / str(shared)
        results = [
            own_split(
                out,
                result(balancing=way, **{differing: value}),
                rng.random(700) < level,
                "same" if shared else str(value),
            )
            for value in sets
            for way, level in (("conservative", 0.7), ("simple", 0.5))
        ]
        (contrast,) = answer_questions(results, out, resamples=100)
        assert contrast.pairs == contrast.better == 2  # within a pair the faces are the same
        assert (contrast.faces is not None) is shared


def test_the_authors_numbers_say_what_else_differs():
    theirs = answer_questions(published_grid(), resamples=0)
    text = questions_markdown(theirs)
    assert "differ in nothing else" not in text
    for remark in ("another copy", "MobileNet", "Learning rates", "repetitions", "frozen base"):
        assert remark in text
    assert all(entry.authors for entry in theirs)
    ours = answer_questions([result(size=48), result(size=224)], resamples=0)
    assert not any(entry.authors for entry in ours)
    assert "settings that differ in nothing else" in questions_markdown(ours)


def test_a_base_that_stayed_frozen_is_paired_with_nothing():
    (frozen,) = [entry for entry in published_results() if entry.note.startswith("frozen base only")]
    tuned = [
        entry
        for entry in published_results()
        if (entry.network, entry.size) == ("densenet121", 48) and entry != frozen
    ]
    assert answer_questions([*tuned, frozen], resamples=0) == answer_questions(tuned, resamples=0)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=12))
def test_the_signed_rank_test_is_symmetric_and_never_fails(differences):
    values = np.array(differences)
    p = signed_rank(values)
    assert 0 <= p <= 1
    assert p == pytest.approx(signed_rank(-values))
    if len(values) < 6:
        assert p > 0.05


def test_json_and_markdown_name_every_question():
    contrasts = answer_questions([result(size=48), result(size=224)], resamples=0)
    answer = json.loads(json.dumps(to_dict(contrasts)))
    assert [question["name"] for question in answer["questions"]] == list(QUESTIONS)
    assert [len(question["contrasts"]) for question in answer["questions"]] == [2, 0, 0, 0]
    text = questions_markdown(contrasts)
    assert all(question in text for question in QUESTIONS.values())
    assert text.count("no two settings that differ in this only") == 3
