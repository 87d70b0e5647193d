"""The measures of agreement, against published examples, the libraries and a plain bootstrap."""

import json
import math
from collections import Counter

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import cohens_kappa, fleiss_kappa, to_table

from btfer_builder.catalog.agreement import ConsensusRule, consensus, set_rule
from btfer_builder.catalog.review import add_decisions
from btfer_builder.cli.main import main
from btfer_builder.config import AgreementRecipe, ReviewRecipe
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Decision
from btfer_builder.review.agreement import ANSWERS, measure
from btfer_builder.review.kappa import cohen, fleiss, krippendorff
from tests.factories import fill_catalog

#: The example of Fleiss (1971), table 1: 30 patients, 6 psychiatrists, 5 diagnoses; κ = 0.430.
PSYCHIATRISTS = np.array(
    [[0, 0, 0, 6, 0], [0, 3, 0, 0, 3], [0, 1, 4, 0, 1], [0, 0, 0, 0, 6], [0, 3, 0, 3, 0], [2, 0, 4, 0, 0],
     [0, 0, 4, 0, 2], [2, 0, 3, 1, 0], [2, 0, 0, 4, 0], [0, 0, 0, 0, 6], [1, 0, 0, 5, 0], [1, 1, 0, 4, 0],
     [0, 3, 3, 0, 0], [1, 0, 0, 5, 0], [0, 2, 0, 3, 1], [0, 0, 5, 0, 1], [3, 0, 0, 1, 2], [5, 1, 0, 0, 0],
     [0, 2, 0, 4, 0], [1, 0, 2, 0, 3], [0, 0, 0, 0, 6], [0, 1, 0, 5, 0], [0, 2, 0, 1, 3], [2, 0, 0, 4, 0],
     [1, 0, 0, 4, 1], [0, 5, 0, 1, 0], [4, 0, 0, 0, 2], [0, 2, 0, 4, 0], [1, 0, 5, 0, 0], [0, 0, 0, 0, 6]]
)  # fmt: skip


def boot(resamples=4000, confidence=0.95, seed=0):
    return resamples, confidence, np.random.default_rng(seed)


def test_the_example_of_fleiss():
    assert fleiss(PSYCHIATRISTS, *boot()).value == pytest.approx(0.430, abs=0.001)
    # His κ of each diagnosis (p. 381).
    for column, value in enumerate([0.248, 0.248, 0.517, 0.470, 0.565]):
        one = np.stack([PSYCHIATRISTS[:, column], 6 - PSYCHIATRISTS[:, column]], axis=1)
        assert fleiss(one, *boot()).value == pytest.approx(value, abs=0.005)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=2, max_size=60))
def test_cohen_is_what_statsmodels_says(pairs):
    first, second = np.array(pairs).T
    ours = cohen(first, second, 4, *boot(100)).value
    with np.errstate(all="ignore"):
        theirs = cohens_kappa(to_table(np.array(pairs), bins=np.arange(5) - 0.5)[0], return_results=False)
    assert ours == pytest.approx(theirs, nan_ok=True)


def test_the_intervals_are_those_of_a_plain_bootstrap():
    rng = np.random.default_rng(3)
    first = rng.integers(0, 4, 80)
    second = np.where(rng.random(80) < 0.6, first, rng.integers(0, 4, 80))
    third = np.where(rng.random(80) < 0.6, first, rng.integers(0, 4, 80))
    counts = np.stack([(np.stack([first, second, third]) == code).sum(axis=0) for code in range(4)], axis=1)
    draws = [rng.integers(0, 80, 80) for _ in range(800)]
    plain = [cohen_kappa_score(first[draw], second[draw]) for draw in draws]
    ours = cohen(first, second, 4, *boot(confidence=0.9))
    assert (ours.low, ours.high) == pytest.approx(np.quantile(plain, [0.05, 0.95]), abs=0.025)
    plain = [fleiss_kappa(counts[draw]) for draw in draws]
    ours = fleiss(counts, *boot(confidence=0.9))
    assert (ours.low, ours.high) == pytest.approx(np.quantile(plain, [0.05, 0.95]), abs=0.025)


#: The example of Krippendorff (2011), part C: four observers, twelve units, 0 is no answer; α = 0.743.
OBSERVERS = (
    [1, 2, 3, 3, 2, 1, 4, 1, 2, 0, 0, 0],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, 0, 3],
    [0, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, 0],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, 0],
)
#: His part A: two observers, ten units, two answers; α = 0.095.
BINARY = ([1, 2, 1, 1, 1, 1, 1, 1, 2, 1], [2, 2, 2, 1, 1, 2, 1, 1, 1, 1])


def counted(observers, classes=5):
    table = np.array(observers)
    return np.stack([(table == answer).sum(axis=0) for answer in range(1, classes + 1)], axis=1)


def test_the_examples_of_krippendorff():
    assert krippendorff(counted(OBSERVERS), *boot()).value == pytest.approx(0.743, abs=0.0005)
    assert krippendorff(counted(BINARY), *boot()).value == pytest.approx(0.095, abs=0.0005)
    same = np.array([[3, 0], [2, 0]])
    assert math.isnan(krippendorff(same, *boot()).value)
    assert math.isnan(krippendorff(np.array([[1, 0], [0, 1]]), *boot()).value), "no item has two answers"


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=2, max_size=30))
def test_alpha_is_one_minus_the_disagreement(units):
    """By his definition, from pairs of answers: observed over expected disagreement; 0 is no answer."""
    answered = [[answer for answer in unit if answer] for unit in units if np.count_nonzero(unit) > 1]
    values = [answer for unit in answered for answer in unit]
    n = len(values)
    expected = sum(a != b for a in values for b in values) / (n * (n - 1)) if n else 0
    found = krippendorff(counted(np.array(units).T, 3), *boot(20)).value
    if not expected:
        assert math.isnan(found)
    else:
        observed = sum(sum(a != b for a in unit for b in unit) / (len(unit) - 1) for unit in answered) / n
        assert found == pytest.approx(1 - observed / expected)


@pytest.mark.parametrize("min_votes", [1, 3])
def test_the_rule_is_that_of_the_catalog(workspace, min_votes):
    rng = np.random.default_rng(min_votes)
    filled, words = fill_catalog(workspace, per_emotion=6), ("happy", "sad", "reject")
    given = {face: rng.choice(words, rng.integers(1, 7)).tolist() for face in filled.face_ids}
    said = [
        Decision(face, "face", "reject", None, "minor", f"r{n}")
        if answer == "reject"
        else Decision(face, "face", "accept", answer, None, f"r{n}")
        for face, answers in given.items()
        for n, answer in enumerate(answers)
    ]
    add_decisions(workspace.catalog, said)
    current = ConsensusRule(min_votes, 0.6)
    set_rule(workspace.catalog, current)
    verdicts = consensus(workspace.catalog, "face")
    assert {face: current.verdict(Counter(answers)) for face, answers in given.items()} == {
        face: verdicts.get(face) for face in given
    }
    assert 0 < len(verdicts) < len(given)


def test_a_kappa_that_is_not_defined_is_none():
    same = np.zeros(5, dtype=np.int64)
    assert math.isnan(cohen(same, same, 4, *boot()).value)
    assert cohen(same[:0], same[:0], 4, *boot()).to_dict() == {"kappa": None, "interval": [None, None]}
    assert fleiss(np.array([[3, 0], [3, 0]]), *boot()).to_dict()["kappa"] is None
    assert fleiss(np.zeros((0, 2), dtype=np.int64), *boot()).to_dict()["kappa"] is None


@pytest.fixture
def reviewed(workspace):
    """Three reviewers: ana and bo answer all 28 faces, cy all but the last; ana is the consensus but for one."""
    filled = fill_catalog(workspace, per_emotion=4)
    decisions = []
    for number, face in enumerate(filled.face_ids):
        emotion = EMOTIONS[number // 4]
        decisions.append(Decision(face, "face", "accept", emotion, None, "ana"))
        swapped = "surprise" if emotion == "fear" and number % 2 else emotion
        decisions.append(Decision(face, "face", "accept", swapped, None, "bo"))
        if number == 0:
            decisions.append(Decision(face, "face", "reject", None, "minor", "cy"))
        elif number < 27:
            decisions.append(
                Decision(face, "face", "accept", swapped if number == 9 else emotion, None, "cy")
            )
    decisions.append(Decision(filled.face_ids[27], "face", "skip", None, None, "cy"))
    decisions.append(Decision(filled.face_ids[3], "face", "reject", None, "minor", "ana", adjudicates=True))
    add_decisions(workspace.catalog, decisions)
    return filled


def test_reviewers_are_measured_against_each_other_and_the_consensus(workspace, reviewed):
    found = measure(workspace.catalog, "face", AgreementRecipe(), ReviewRecipe()).to_dict()
    assert found["reviewers"] == {"ana": 28, "bo": 28, "cy": 27}
    assert found["items"] == {"shared": 28, "disputed": 3, "open": 0}
    assert (found["fleiss"]["items"], found["fleiss"]["reviewers"]) == (27, ["ana", "bo", "cy"])
    assert [pair["items"] for pair in found["cohen"]] == [28, 27, 27]
    first = found["cohen"][0]
    assert first["reviewers"] == ["ana", "bo"]
    fear, surprise = ANSWERS.index("fear"), ANSWERS.index("surprise")
    assert first["confusion_matrix"][fear][surprise] == 2
    assert first["confusion_matrix"][surprise][fear] == 0
    assert sum(map(sum, first["confusion_matrix"])) == 28
    decisions = {"ana": [], "bo": []}
    for number in range(28):
        emotion = EMOTIONS[number // 4]
        decisions["ana"].append(emotion)
        decisions["bo"].append("surprise" if emotion == "fear" and number % 2 else emotion)
    assert first["kappa"] == pytest.approx(cohen_kappa_score(decisions["ana"], decisions["bo"]))
    fears = [[word == "fear" for word in decisions[name]] for name in ("ana", "bo")]
    assert first["per_class"]["fear"]["kappa"] == pytest.approx(cohen_kappa_score(*fears))
    assert first["per_class"]["happy"]["kappa"] == 1
    low, high = first["interval"]
    assert low < first["kappa"] <= high
    against = {one["reviewer"]: one for one in found["consensus"]}
    # The adjudication of item 3 is against all three. Where the two others differ, they have no consensus.
    assert (against["ana"]["items"], against["ana"]["agreement"]) == (26, pytest.approx(24 / 26))
    assert (against["bo"]["items"], against["bo"]["agreement"]) == (26, pytest.approx(24 / 26))
    assert (against["cy"]["items"], against["cy"]["agreement"]) == (25, pytest.approx(23 / 25))
    assert found["krippendorff"]["items"] == 28
    low, high = found["krippendorff"]["interval"]
    assert low < found["krippendorff"]["alpha"] < high
    whole = np.array(found["confusion_matrix"])
    assert (whole == whole.T).all()
    assert whole.sum() == 2 * (28 + 27 + 27)


def test_only_the_named_reviewers_are_compared(workspace, reviewed):
    found = measure(workspace.catalog, "face", AgreementRecipe(), ReviewRecipe(reviewers=("bo", "cy")))
    assert list(found.answered) == ["bo", "cy"]
    assert len(found.pairs) == 1


def test_without_two_answers_there_is_nothing_to_measure(workspace):
    filled = fill_catalog(workspace, ["fear"], per_emotion=1)
    add_decisions(workspace.catalog, [Decision(filled.face_ids[0], "face", "skip", None, None, "ana")])
    add_decisions(workspace.catalog, [Decision(filled.face_ids[0], "face", "accept", "sad", None, "bo")])
    with pytest.raises(BtferError, match="no two reviewers"):
        measure(workspace.catalog, "face", AgreementRecipe(), ReviewRecipe())


def run(*arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["agreement", *arguments], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done.output


def test_the_command_prints_tables_or_json_and_puts_the_rule_in_force(workspace, reviewed):
    place = ("-w", str(workspace.root))
    text = run(*place, "--min-votes", "3", "--agreement", "0.6", "--resamples", "200")
    assert "28 with two answers or more, 3 of them answered differently; 1 without a verdict" in text
    assert "at least 3 answers, 60% of them alike" in text
    assert "ana and bo" in text
    first = run(*place, "--json", "--resamples", "200", "--min-votes", "2")
    assert first == run(*place, "--json", "--resamples", "200", "--min-votes", "2")
    assert json.loads(first)["rule"] == {"min_votes": 2, "agreement": 0.5}
    assert workspace.catalog.value("SELECT min_votes FROM consensus") == 2
    assert "no two reviewers" in run(*place, "--round", "images", code=1)
