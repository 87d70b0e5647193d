"""Files that belong to nobody are deleted, and no file that btfer did not make."""

import pytest

from btfer_builder.catalog.intentions import intend, intentions
from btfer_builder.io.locks import try_lock
from btfer_builder.reconcile import STAGES, reconcile, writing
from btfer_builder.workspace import Workspace, create_workspace

IMAGE = "data/images/ab/" + "ab" * 32 + ".jpg"
OTHER = "data/images/cd/" + "cd" * 32 + ".png"
FACE = "data/faces/ab/abababababababab.png"
THUMB = "data/thumbs/images/ab/" + "ab" * 32 + ".jpg"
#: Names that a person may have given, or another program.
OWN = ("data/images/mine.jpg", "data/images/ab/abab.jpg", "data/faces/notes.txt", "data/faces/ab/face.png",
       "data/sample/readme.md", "data/images/.hidden", "data/other/" + "ab" * 32 + ".jpg")  # fmt: skip


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return create_workspace(tmp_path / "faces")


def put(workspace, *names):
    for name in names:
        (workspace.root / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / name).write_bytes(b"x")


def left(workspace):
    return {
        path.relative_to(workspace.root).as_posix() for path in workspace.data.rglob("*") if path.is_file()
    }


def name_image(workspace, path):
    with workspace.catalog.transaction() as db:
        db.execute("INSERT INTO images VALUES (?, ?, 'JPEG', 1)", (path.split("/")[-1][:64], path))


def test_only_files_of_our_names_are_deleted_and_the_others_counted(workspace, capsys):
    name_image(workspace, OTHER)
    put(workspace, *OWN, IMAGE, OTHER, THUMB, "data/images/.12ab.part")
    found = reconcile(workspace, *STAGES)
    assert left(workspace) == {*OWN, OTHER}
    assert len(found.deleted) == 3
    assert found.passed_over == {"data/images": 3, "data/faces": 2, "data/sample": 1}
    assert "left as they are: data/images 3, data/faces 2, data/sample 1" in capsys.readouterr().err


def test_files_of_another_catalog_stay_also_after_a_killed_command(workspace):
    workspace.catalog  # noqa: B018 - made before there are files
    put(workspace, IMAGE, THUMB, FACE)
    for _ in range(2):  # the first was killed
        with pytest.raises(SystemExit), writing(workspace, "crawl", "data/images"):
            raise SystemExit
    assert left(workspace) == {IMAGE, THUMB, FACE}


def test_what_a_killed_command_was_writing_is_deleted_by_the_next_of_any_stage(workspace):
    intend(workspace.catalog, "crawl", "data/images")
    put(workspace, IMAGE)
    lock = try_lock(workspace.lock_path("crawl"))  # it is not dead
    reconcile(workspace, "sample")
    assert left(workspace) == {IMAGE}
    assert intentions(workspace.catalog)
    lock.release()
    reconcile(workspace, "sample")
    assert left(workspace) == set()
    assert intentions(workspace.catalog) == []


def test_no_kept_file_is_asked_for(workspace, monkeypatch):
    """A million files are listed in seconds; asking for each takes minutes, and a request each on other storage."""
    name_image(workspace, OTHER)
    put(workspace, OTHER, *(f"data/images/ab/{number:064x}.jpg" for number in range(20)))
    asked = []
    stat = type(workspace.root).stat
    monkeypatch.setattr(type(workspace.root), "stat", lambda path, **o: asked.append(path) or stat(path, **o))
    found = reconcile(workspace, "crawl")
    assert len(found.deleted) == 20
    assert [path for path in asked if path.name.endswith((".jpg", ".png")) and "images" in str(path)] == []
