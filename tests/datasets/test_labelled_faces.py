"""`--data DIR`: a folder of class folders."""

import json

import pytest
from PIL import Image

from btfer_builder.errors import BtferError
from btfer_builder.evaluate import faces_in_folder


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
    with pytest.raises(BtferError, match=r"contempt: 'contempt' is not an emotion.*rename"):
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
