"""`--data DIR`: a folder of class folders."""

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
