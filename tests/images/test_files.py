"""A folder's images are found by content, and every other file is counted."""

import io
import os

import numpy as np
import pytest
from PIL import Image

from btfer_builder.errors import BtferError
from btfer_builder.images.files import LEFT_OUT, in_total, list_images, report_left_out


def picture(kind):
    buffer = io.BytesIO()
    Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(buffer, kind)
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path):
    """Return a folder as people have them: 9 images, 9 other files."""
    files = {
        "a.jfif": picture("JPEG"), "b.jpe": picture("JPEG"), "c.tiff": picture("TIFF"), "d.gif": picture("GIF"),
        "e.ppm": picture("PPM"), "none": picture("PNG"), "g.dat": picture("WEBP"), "sub/h.JPG": picture("JPEG"),
        "broken.jpg": b"<html>", "notes.txt": b"hello", "labels.csv": b"a,b\n", ".hidden.jpg": picture("JPEG"),
        "Thumbs.db": b"\xd0\xcf\x11\xe0", "__MACOSX/._a.jpg": b"\0\5\x16\7", ".cache/x.png": picture("PNG"),
    }  # fmt: skip
    for name, content in files.items():
        path = tmp_path / "pictures" / name
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content)
    (tmp_path / "pictures/gone.jpg").symlink_to("nowhere.jpg")
    (tmp_path / "pictures/circle").symlink_to("circle")
    (tmp_path / "pictures/sub/again").symlink_to(tmp_path / "pictures")
    os.mkfifo(tmp_path / "pictures/pipe.jpg")
    return tmp_path / "pictures"


def test_a_link_up_takes_no_pictures_of_the_folders_beside(folder):
    (folder / "sub/up").symlink_to("..")
    (folder / "sub/far").symlink_to(folder.parent)
    assert {path.parent for path in list_images(folder / "sub").images} == {folder / "sub"}


def test_every_file_is_an_image_or_counted(folder, capsys):
    files = list_images(folder)
    assert [path.relative_to(folder).as_posix() for path in files.images] == [
        "a.jfif", "b.jpe", "broken.jpg", "c.tiff", "d.gif", "e.ppm", "g.dat", "none", "sub/h.JPG",
    ]  # fmt: skip
    assert files.left_out == {"hidden": 2, "system": 2, "broken_link": 2, "not_an_image": 3}
    assert sum(files.left_out.values()) + len(files.images) == sum(
        len(names) for *_, names in os.walk(folder)
    )
    report_left_out(folder, in_total([files.left_out, {"unlisted": 1}]))
    assert "left out 2 hidden files, 2 files of the system" in capsys.readouterr().err
    assert set(files.left_out) < set(LEFT_OUT)


def test_a_folder_that_cannot_be_read_is_an_error(folder, monkeypatch):
    def walk(top, onerror, **_):
        onerror(PermissionError(13, "Permission denied", str(top)))
        return iter(())

    monkeypatch.setattr(os, "walk", walk)
    with pytest.raises(BtferError, match="cannot be read: Permission denied"):
        list_images(folder)
