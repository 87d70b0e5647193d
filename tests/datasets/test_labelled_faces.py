"""`--data DIR`: a folder of class folders."""

import json

import pytest
from PIL import Image

from btfer_builder.benchmark.labelled_sets import read_set
from btfer_builder.catalog.review import add_decisions
from btfer_builder.config import SampleRecipe
from btfer_builder.datasets.splits import read_splits
from btfer_builder.errors import BtferError
from btfer_builder.evaluate import faces_in_folder
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Decision
from btfer_builder.sample.stage import sample
from btfer_builder.workspace import create_workspace
from tests.factories import fill_catalog


def put(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (4, 4)).save(path)


def test_reads_synonyms_and_sorts(tmp_path):
    for name in ("Happiness/b.png", "Happiness/a.JPG", "anger/deep/c.webp", "surprise/d.bmp"):
        put(tmp_path / name)
    (tmp_path / "Happiness" / "notes.txt").write_text("no face")
    put(tmp_path / "Happiness" / ".hidden.png")
    put(tmp_path / ".cache" / "x.png")
    put(tmp_path / "contact-sheet.png")
    faces = faces_in_folder(tmp_path)
    assert [(face.face_id, face.emotion) for face in faces] == [
        ("Happiness/a.JPG", "happy"),
        ("Happiness/b.png", "happy"),
        ("anger/deep/c.webp", "angry"),
        ("surprise/d.bmp", "surprise"),
    ]
    assert all(face.path.is_file() for face in faces)


def test_names_what_is_wrong(tmp_path):
    with pytest.raises(BtferError, match="nowhere: no such folder"):
        faces_in_folder(tmp_path / "nowhere")
    put(tmp_path / "loose.png")
    with pytest.raises(BtferError, match="has no class folders"):
        faces_in_folder(tmp_path)
    put(tmp_path / "happy" / "a.png")
    (tmp_path / "sad").mkdir()
    with pytest.raises(BtferError, match=r"sad: has no images"):
        faces_in_folder(tmp_path)
    put(tmp_path / "sad" / "a.png")
    put(tmp_path / "contempt" / "a.png")
    with pytest.raises(BtferError, match=r"contempt: 'contempt' is not one of the seven emotions.*rename"):
        faces_in_folder(tmp_path)


def test_faces_of_a_release_know_their_photo_and_creator(tmp_path):
    for name in ("sad/a.png", "sad/b.png", "happy/c.png"):
        put(tmp_path / "test" / name)
    rows = [{"file_name": "sad/a.png", "face_id": "1"}, {"file_name": "happy/c.png", "face_id": "2"}]
    lines = "".join(f"{json.dumps(row)}\n" for row in rows)
    (tmp_path / "test" / "metadata.jsonl").write_text(lines)
    table = "face_id,file_name,creator,source\n1,test/sad/a.png,'=Ana,https://a.org/1\n2,test/happy/c.png,,\n"
    (tmp_path / "LICENSES.csv").write_text(table)
    faces = {face.face_id: (face.photo, face.creator) for face in faces_in_folder(tmp_path / "test")}
    assert faces == {"sad/a.png": ("https://a.org/1", "=Ana"), "sad/b.png": ("", ""), "happy/c.png": ("", "")}


@pytest.fixture
def short(tmp_path):
    """A workspace with four accepted faces of two emotions, and none of the other five."""
    workspace = create_workspace(tmp_path / "my faces")
    filled = fill_catalog(workspace, ("happy", "sad"), per_emotion=4)
    decisions = [
        Decision(face, "face", "accept", emotion, reviewer="ana")
        for emotion, faces in filled.faces.items()
        for face in faces
    ]
    add_decisions(workspace.catalog, decisions)
    return workspace


def remove_empty(folder):
    for path in folder.iterdir():
        if not any(path.iterdir()):
            path.rmdir()


MISSING = ", ".join(emotion for emotion in EMOTIONS if emotion not in {"happy", "sad"})


@pytest.mark.parametrize("removed", [False, True], ids=["as written", "without the empty folders"])
def test_a_short_sample_is_read_and_says_which_classes_it_lacks(short, removed, monkeypatch, capsys):
    folder = sample(short, SampleRecipe(per_class=2, allow_short=True)).path
    assert sorted(path.name for path in folder.iterdir()) == sorted(EMOTIONS)
    if removed:
        remove_empty(folder)
    assert [face.emotion for face in faces_in_folder(folder)] == ["happy", "happy", "sad", "sad"]
    assert capsys.readouterr().err == f"{folder}: the sample has no faces of {MISSING}\n"
    monkeypatch.chdir(folder.parent)
    assert list(read_splits(folder.relative_to(folder.parent))) == ["train"]


@pytest.mark.parametrize("removed", [False, True], ids=["as written", "without the empty folders"])
def test_a_sample_with_an_empty_split_is_read_and_never_scored_on_another_one(short, removed, capsys):
    """All photos of one creator are in one split."""
    recipe = SampleRecipe(splits={"train": 2, "val": 1, "test": 1}, allow_short=True)
    folder = sample(short, recipe).path
    for split in folder.iterdir() if removed else ():
        remove_empty(split)
    assert {split: len(faces) for split, faces in read_splits(folder).items()} == {"train": 4}
    assert capsys.readouterr().err.splitlines() == [
        f"{folder}/test: the sample has no faces here",
        f"{folder}/val: the sample has no faces here",
        f"{folder}/train: the sample has no faces of {MISSING}",
    ]
    assert list(read_set(folder).splits) == ["train"]
    with pytest.raises(BtferError, match="test: the sample was drawn without faces here"):
        faces_in_folder(folder / "test")
    with pytest.raises(BtferError, match=r"several splits \(test, train, val\); name one"):
        faces_in_folder(folder)


def test_a_class_of_a_sample_whose_files_are_lost_is_refused(short):
    folder = sample(short, SampleRecipe(per_class=2, allow_short=True)).path
    for path in (folder / "sad").iterdir():
        path.unlink()
    with pytest.raises(BtferError, match="sad: has no images"):
        faces_in_folder(folder)
    (short.manifests / "sample.csv").unlink()
    with pytest.raises(BtferError, match="angry: has no images"):
        faces_in_folder(folder)
