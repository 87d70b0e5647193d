"""The options of `btfer sample` against a catalog: licences, agreement, cells, splits, caps, reserve."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from btfer_builder.catalog.funnel import funnel
from btfer_builder.catalog.review import add_decisions
from btfer_builder.catalog.sample import accepted_faces, reserved_faces, sampled_faces
from btfer_builder.cli.main import main
from btfer_builder.config import SampleRecipe
from btfer_builder.datasets.labelled_faces import faces_in_sample
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Decision
from btfer_builder.sample.choose import by_rank
from btfer_builder.sample.source_limits import Eligible
from btfer_builder.sample.stage import sample
from btfer_builder.workspace import create_workspace
from tests.factories import fill_catalog
from tests.photos import btfer


@pytest.fixture
def filled(tmp_path):
    """Six accepted faces of each emotion."""
    workspace = create_workspace(tmp_path)
    filled = fill_catalog(workspace, per_emotion=6)
    review(workspace, "ana", {face: emotion for emotion, faces in filled.faces.items() for face in faces})
    return workspace, filled


def review(workspace, reviewer, answers, adjudicates=False):
    add_decisions(
        workspace.catalog,
        [
            Decision(face, "face", "accept", emotion, reviewer=reviewer, adjudicates=adjudicates)
            for face, emotion in answers.items()
        ],
    )


def update(workspace, sql, *parameters):
    with workspace.catalog.transaction() as db:
        db.execute(sql, parameters)


def reasons(workspace):
    (stage,) = (stage for stage in funnel(workspace.catalog) if stage.stage == "sample")
    assert stage.came_in == stage.kept + sum(stage.dropped.values())
    return stage.dropped


def test_the_reserve_is_on_record(filled):
    workspace, _ = filled
    result = sample(workspace, SampleRecipe(per_class=3, reserve=2))
    assert result.reserve == dict.fromkeys(EMOTIONS, 2)
    drawn = {row["face_id"] for row in sampled_faces(workspace.catalog)}
    order = {emotion: [] for emotion in EMOTIONS}
    accepted = [Eligible(face.face_id, face.emotion) for face in accepted_faces(workspace.catalog)]
    for face in by_rank(accepted, 0):
        if face.face_id not in drawn:
            order[face.emotion].append(face.face_id)
    assert reserved_faces(workspace.catalog) == [
        (face, emotion) for emotion in EMOTIONS for face in order[emotion][:2]
    ]
    assert reasons(workspace) == {"reserve": 14, "not_drawn": 7}


def test_only_labels_that_enough_reviewers_gave(filled):
    workspace, faces = filled
    happy = faces.faces["happy"]
    for reviewer in ("bo", "cy", "di"):
        review(workspace, reviewer, dict.fromkeys(happy, "happy"))
    review(workspace, "ed", dict.fromkeys(happy[:2], "sad"))  # 4 of 5
    review(workspace, "flo", dict.fromkeys(happy[:1], "sad"))  # 4 of 6
    share = {face.face_id: face.agreement for face in accepted_faces(workspace.catalog)}
    assert [round(share[face], 3) for face in happy[:3]] == [0.667, 0.8, 1.0]
    for agreement, there in ((0.0, 6), (0.8, 5), (0.81, 4)):
        result = sample(workspace, SampleRecipe(per_class=6, agreement=agreement, allow_short=True))
        assert result.per_class["happy"] == there
    assert reasons(workspace) == {"low_agreement": 2}
    review(workspace, "judge", {happy[0]: "happy"}, adjudicates=True)
    result = sample(workspace, SampleRecipe(per_class=6, agreement=0.81, allow_short=True))
    assert result.per_class["happy"] == 5


def test_only_faces_under_the_licences_asked_for(filled):
    workspace, _ = filled
    for rank, license in enumerate(["cc0", "CC BY-NC 2.0", "unknown"], start=1):
        update(workspace, "UPDATE candidates SET license = ? WHERE rank = ?", license, rank)
    result = sample(workspace, SampleRecipe(per_class=4, license=("cc0", "by")))
    assert set(result.per_class.values()) == {4}
    assert reasons(workspace) == {"license": 14}
    assert sample(workspace, SampleRecipe(per_class=2, license=("unknown", "by-nc"))).short == {}


def test_caps_by_host_and_creator(filled):
    workspace, _ = filled
    update(
        workspace,
        "UPDATE candidates SET creator = 'c' || rank, page_url = 'https://h' || (rank % 3) || '.example/x'",
    )
    assert sample(workspace, SampleRecipe(per_class=1, per_host=2)).short  # 3 hosts, 7 faces
    result = sample(workspace, SampleRecipe(per_class=1, per_host=3))
    assert result.short == {}
    drawn = workspace.catalog.rows("SELECT f.page_url FROM sample s JOIN face_rows f USING (face_id)")
    assert max(pd.Series([row["page_url"] for row in drawn]).value_counts()) <= 3
    assert sample(workspace, SampleRecipe(per_class=2, per_creator=2)).short  # 6 creators, 14 faces
    assert sample(workspace, SampleRecipe(per_class=2, per_creator=3)).short == {}


def test_cells_that_were_searched_for_and_gave_nothing_are_in_the_table(filled):
    workspace, _ = filled
    update(workspace, "UPDATE searches SET query_gender = 'male' WHERE emotion = 'sad'")
    command = btfer(workspace, "sample", "--per-class", "4", "--stratify", "query_gender,query_age", "--json")
    assert command.returncode == 0, command.stderr
    cells = json.loads(command.stdout)["cells"]
    assert len(cells) == 14
    happy = {cell["query_gender"]: cell for cell in cells if cell["emotion"] == "happy"}
    assert happy["male"] == {
        "emotion": "happy", "query_gender": "male", "query_age": "adult", "asked": 2, "got": 0, "short": 2,
    }  # fmt: skip
    assert happy["female"]["got"] == 4
    text = btfer(workspace, "sample", "--per-class", "4", "--stratify", "query_gender").stdout
    (heading,) = (line.split() for line in text.splitlines() if line.startswith("emotion   query_gender"))
    assert heading == ["emotion", "query_gender", "requested", "drawn", "missing"]


def test_splits_on_disk_and_in_the_catalog(filled):
    workspace, _ = filled
    update(workspace, "UPDATE candidates SET creator = ''")
    command = btfer(workspace, "sample", "--splits", "train=3,test=2", "--json")
    assert command.returncode == 0, command.stderr
    assert json.loads(command.stdout)["splits"] == {"train": 21, "test": 14}
    for row in sampled_faces(workspace.catalog):
        assert row["path"] == f"data/sample/{row['split']}/{row['emotion']}/{row['face_id']}.png"
        assert (workspace.root / row["path"]).is_file()
    table = pd.read_csv(workspace.manifests / "sample.csv")
    assert dict(table["split"].value_counts()) == {"train": 21, "test": 14}
    tested = faces_in_sample(workspace)
    assert len(tested) == 14
    assert all("/sample/test/" in str(face.path) for face in tested)
    command = btfer(workspace, "sample", "--splits", "test=2")
    assert command.returncode == 0
    assert sorted(path.name for path in (workspace.data / "sample").iterdir()) == sorted(EMOTIONS)


@pytest.mark.parametrize(
    "arguments",
    [
        ("--splits", "train"),
        ("--splits", "dev=3"),
        ("--splits", "test=0"),
        ("--stratify", "gender"),
        ("--license", "mine"),
        ("--agreement", "1.5"),
        ("--per-photo", "-1"),
    ],
)
def test_wrong_values_are_wrong_usage(filled, arguments):
    done = CliRunner().invoke(main, ["sample", "-w", str(filled[0].root), *arguments])
    assert done.exit_code == 2
    assert arguments[0] in done.stderr
