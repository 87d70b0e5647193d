"""Scores by what was searched for."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from btfer_builder.evaluate import LabelledFace, faces_in_sample
from btfer_builder.evaluate.metrics.groups import MIN_FACES, group_scores
from btfer_builder.evaluate.metrics.scores import score
from btfer_builder.evaluate.report.sentences import groups_sentence


def faces_of(counts: dict[str, int], attribute: str = "query_gender") -> list[LabelledFace]:
    return [
        LabelledFace(Path(f"{value}{k}.png"), "happy", f"{value}{k}", {attribute: value, "engine": "bing"})
        for value, n in counts.items()
        for k in range(n)
    ]


def test_groups_have_their_own_scores_and_a_gap():
    faces = faces_of({"female": 60, "male": 40})
    true = np.full(100, 3)
    predicted = np.array([3] * 48 + [0] * 12 + [3] * 16 + [5] * 24)
    (grouping,) = group_scores(faces, true, predicted, resamples=2000, seed=0)
    assert grouping.attribute == "query_gender", "an attribute with one word is no grouping"
    women, men = grouping.groups
    assert (women.value, women.n, women.accuracy) == ("female", 60, 0.8)
    assert men.accuracy == pytest.approx(0.4)
    assert women.interval == score(true[:60], predicted[:60]).accuracy_interval
    assert women.macro_f1 == pytest.approx(score(true[:60], predicted[:60]).macro_f1)
    assert grouping.gap == pytest.approx(0.4)
    low, high = grouping.gap_interval
    se = (0.8 * 0.2 / 60 + 0.4 * 0.6 / 40) ** 0.5
    assert (low, high) == pytest.approx((0.4 - 1.96 * se, 0.4 + 1.96 * se), abs=0.03)
    assert grouping.p_value < 0.001
    assert grouping.differ


def test_small_groups_are_hidden():
    faces = faces_of({"female": MIN_FACES, "male": MIN_FACES - 1})
    (grouping,) = group_scores(faces, np.full(59, 3), np.full(59, 3), resamples=100, seed=0)
    assert [one.accuracy for one in grouping.groups] == [1.0, None]
    assert grouping.groups[1].interval is None
    assert grouping.gap is None


def test_groups_without_a_difference_are_no_evidence():
    faces = faces_of({"a": 100, "b": 100}, "language")
    predicted = np.tile([3, 0], 100)
    (grouping,) = group_scores(faces, np.full(200, 3), predicted, resamples=0, seed=0)
    assert grouping.p_value == pytest.approx(1)
    assert (grouping.gap, grouping.gap_interval) == (0, None)
    (grouping,) = group_scores(faces, np.full(200, 3), predicted, resamples=500, seed=0)
    low, high = grouping.gap_interval
    assert low == grouping.gap < high, "what was measured is in the interval"
    assert grouping.differ is False


def test_the_tests_of_several_attributes_are_corrected():
    faces = [
        replace(face, attributes=face.attributes | {"language": "en" if k % 4 < 2 else "es"})
        for k, face in enumerate(faces_of({"a": 100, "b": 100}))
    ]
    predicted = np.array([3] * 87 + [0] * 13 + [3] * 74 + [0] * 26)
    groupings = group_scores(faces, np.full(200, 3), predicted, resamples=200, seed=0)
    gender, language = groupings
    assert gender.p_value < 0.05 <= 2 * gender.p_value == pytest.approx(gender.p_holm)
    assert language.p_holm == pytest.approx(language.p_value)
    assert groups_sentence(gender).startswith(
        "The groups cannot be distinguished (χ² test of all groups, Holm"
    )
    assert groups_sentence(replace(gender, p_holm=gender.p_value)).startswith("The groups differ (χ² test")
    assert groups_sentence(replace(gender, gap=0.0)) == "The groups have the same accuracy."
    assert groups_sentence(replace(gender, gap=None)) == ""


def test_the_sample_knows_how_its_faces_were_searched_for(tmp_path):
    from btfer_builder.catalog.leakage import leaked_sample
    from btfer_builder.catalog.review import add_decisions
    from btfer_builder.config import SampleRecipe
    from btfer_builder.records import Decision
    from btfer_builder.sample.stage import sample
    from btfer_builder.workspace import create_workspace
    from tests.factories import fill_catalog

    workspace = create_workspace(tmp_path / "w")
    filled = fill_catalog(workspace, per_emotion=2)
    for reviewer in ("ana", "ben"):
        add_decisions(
            workspace.catalog,
            [
                Decision(face_id, "face", "accept", emotion, reviewer=reviewer)
                for emotion, ids in filled.faces.items()
                for face_id in ids
            ],
        )
    sample(workspace, SampleRecipe(per_class=2))
    faces = faces_in_sample(workspace)
    assert len(faces) == 14
    for face in faces:
        assert face.attributes["query_age"] == "adult"
        assert face.attributes["engine"] == "folder"
        assert face.votes == {face.emotion: 2}
    assert len({face.photo for face in faces}) > 1, "each face knows its photo"
    assert leaked_sample(workspace.catalog) is None
