"""From votes to a verdict: one rule, in the catalog, that every view and the sample follow."""

import csv
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btfer_builder.catalog.agreement import ConsensusRule, consensus, rule, set_rule, votes
from btfer_builder.catalog.review import add_decisions
from btfer_builder.config import SampleRecipe
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Decision
from btfer_builder.sample.stage import sample
from tests.factories import fill_catalog

FACE = "f" * 64
ANSWERS = ("happy", "sad", "reject", "skip")


def echo_stderr(workspace, answers, face=FACE, **more) -> None:
    add_decisions(
        workspace.catalog, [decision(face, f"r{n}", answer, **more) for n, answer in enumerate(answers)]
    )


def decision(face: str, reviewer: str, answer: str, **more) -> Decision:
    verdict = answer if answer in ("reject", "skip") else "accept"
    emotion = answer if answer in EMOTIONS else None
    return Decision(face, "face", verdict, emotion, "minor" if answer == "reject" else None, reviewer, **more)


def ballot(workspace, face=FACE) -> tuple[str | None, str | None]:
    rows = workspace.catalog.rows(
        "SELECT coalesce(emotion, verdict) AS answer, votes FROM vote_counts WHERE item_id = ?", face
    )
    return (rows[0]["answer"], rows[0]["votes"]) if rows else (None, None)


def expected(answers, min_votes: int, percent: int) -> str | None:
    counts = Counter(answer for answer in answers if answer != "skip").most_common()
    total = sum(n for _, n in counts)
    if not counts or total < min_votes or (len(counts) > 1 and counts[0][1] == counts[1][1]):
        return None
    return counts[0][0] if counts[0][1] * 100 >= percent * total else None


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from(ANSWERS), max_size=20),
    st.integers(1, 6),
    st.sampled_from([0, 50, 55, 60, 75, 100]),
)
def test_enough_alike_and_more_than_any_other(workspace, answers, min_votes, percent):
    face = f"{workspace.catalog.value('SELECT count(*) FROM decisions'):064x}"
    set_rule(workspace.catalog, ConsensusRule(min_votes, percent / 100))
    echo_stderr(workspace, answers, face)
    answer, spread = ballot(workspace, face)
    assert answer == expected(answers, min_votes, percent)
    counts = Counter(answer for answer in answers if answer != "skip")
    ranked = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    assert (spread or "") == ";".join(f"{name}:{n}" for name, n in ranked)


def test_a_share_is_reached_exactly(workspace):
    set_rule(workspace.catalog, ConsensusRule(1, 0.56))  # 0.56 × 25 is a little more than 14 for a computer
    echo_stderr(workspace, ["happy"] * 14 + ["sad"] * 11)
    assert ballot(workspace)[0] == "happy"
    set_rule(workspace.catalog, ConsensusRule(1, 0.57))
    assert ballot(workspace)[0] is None


def test_the_rule_is_kept_until_another_is_chosen(workspace):
    assert rule(workspace.catalog) == ConsensusRule(1, 0.5)
    set_rule(workspace.catalog, ConsensusRule(2, 0.75))
    assert rule(type(workspace.catalog)(workspace.catalog.path)) == ConsensusRule(2, 0.75)
    echo_stderr(workspace, ["happy"])
    assert ballot(workspace) == (None, "happy:1")
    set_rule(workspace.catalog, ConsensusRule(1, 0.75))
    assert ballot(workspace) == ("happy", "happy:1")


def test_an_adjudication_settles_and_is_no_vote(workspace):
    echo_stderr(workspace, ["happy", "happy", "happy", "sad"])
    assert ballot(workspace) == ("happy", "happy:3;sad:1")
    add_decisions(workspace.catalog, [decision(FACE, "r0", "sad", adjudicates=True)])
    assert ballot(workspace) == ("sad", "happy:3;sad:1")
    add_decisions(workspace.catalog, [decision(FACE, "chief", "reject", adjudicates=True)])
    assert ballot(workspace) == ("reject", "happy:3;sad:1")  # the last one, and an answer nobody voted for
    add_decisions(workspace.catalog, [decision(FACE, "chief", "skip", adjudicates=True)])
    assert ballot(workspace) == ("sad", "happy:3;sad:1")


def test_an_adjudication_stands_when_the_votes_are_gone(workspace):
    add_decisions(workspace.catalog, [decision(FACE, "chief", "sad", adjudicates=True)])
    assert ballot(workspace) == ("sad", None)


def test_votes_and_consensus_are_of_items_that_are_there(workspace, filled):
    face = filled.face_ids[1]
    echo_stderr(workspace, ["happy", "sad", "skip"], face)
    echo_stderr(workspace, ["happy", "happy"], FACE)
    add_decisions(workspace.catalog, [decision(face, "chief", "sad", adjudicates=True)])
    said = [(vote.item_id, vote.reviewer, vote.answer) for vote in votes(workspace.catalog, "face")]
    assert said == [(face, "r0", "happy"), (face, "r1", "sad")]
    assert votes(workspace.catalog, "face", disputed=True) == votes(workspace.catalog, "face")
    assert consensus(workspace.catalog, "face") == {face: "sad"}
    assert votes(workspace.catalog, "image") == []


def test_the_sample_follows_the_rule_and_carries_the_votes(workspace):
    filled = fill_catalog(workspace, per_emotion=2)
    for emotion, faces in filled.faces.items():
        other = "sad" if emotion != "sad" else "happy"
        echo_stderr(workspace, [emotion, emotion, other], faces[0])
        echo_stderr(workspace, [emotion, other], faces[1])
    set_rule(workspace.catalog, ConsensusRule(3, 0.9))
    assert sample(workspace, SampleRecipe(per_class=1)).path is None
    set_rule(workspace.catalog, ConsensusRule(3, 0.6))
    assert sample(workspace, SampleRecipe(per_class=1)).path is not None
    with (workspace.manifests / "sample.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["face_id"]: row for row in csv.DictReader(file)}
    assert set(rows) == {faces[0] for faces in filled.faces.values()}
    assert rows[filled.faces["fear"][0]]["votes"] == "fear:2;sad:1"
    assert rows[filled.faces["fear"][0]]["adjudicated"] == "0"
    with (workspace.manifests / "faces.csv").open(newline="", encoding="utf-8") as file:
        spreads = {row["face_id"]: row["votes"] for row in csv.DictReader(file)}
    assert spreads[filled.faces["fear"][1]] == "fear:1;sad:1"


@pytest.fixture
def disputed(workspace, filled):
    """One face two reviewers disagree on, one all agree on, one only one has answered."""
    faces = filled.faces["happy"]
    echo_stderr(workspace, ["happy", "sad", "sad"], faces[0])
    echo_stderr(workspace, ["happy", "happy"], faces[1])
    echo_stderr(workspace, ["happy"], faces[2])
    return faces


def test_the_queue_of_an_adjudicator_is_what_reviewers_disagree_on(start, workspace, disputed):
    chief = start("chief", adjudicate=True)
    (item,) = chief.get("/api/items", round="faces")["items"]
    assert (item["item_id"], item["emotion"]) == (disputed[0], "sad")
    assert [(vote["reviewer"], vote["answer"]) for vote in item["votes"]] == [
        ("r0", "happy"), ("r1", "sad"), ("r2", "sad"),
    ]  # fmt: skip
    assert chief.decide(disputed[0], "accept", emotion="happy").status_code == 200
    assert ballot(workspace, disputed[0]) == ("happy", "sad:2;happy:1")
    assert chief.get("/api/progress", round="faces")["left"] == 0
    assert chief.undo()["item_id"] == disputed[0]
    assert ballot(workspace, disputed[0]) == ("sad", "sad:2;happy:1")
    assert chief.decide(disputed[0], "accept").status_code == 200  # the leading answer is proposed
    assert ballot(workspace, disputed[0])[0] == "sad"


def test_what_was_said_as_an_adjudicator_is_not_the_reviewers_own_vote(start, workspace, disputed):
    chief, plain = start("r0", adjudicate=True), start("r0")
    assert chief.decisions()[disputed[0]] is None
    chief.decide(disputed[0], "reject", reason="minor")
    assert plain.decisions()[disputed[0]]["emotion"] == "happy"
    assert plain.undo()["item_id"] == disputed[2]
    assert chief.decisions()[disputed[0]]["verdict"] == "reject"


def test_a_new_dispute_comes_into_the_queue(start, workspace, disputed):
    chief = start("chief", adjudicate=True)
    assert chief.get("/api/items", round="faces")["total"] == 1
    echo_stderr(workspace, ["sad"], disputed[1])  # r0 has thought again
    assert chief.get("/api/items", round="faces")["total"] == 2
