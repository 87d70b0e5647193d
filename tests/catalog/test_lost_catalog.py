"""A catalog that is gone, empty, damaged or another workspace's is no new one: nothing is made from it or deleted."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from click.testing import CliRunner

from btfer_builder.catalog.catalog import Catalog
from btfer_builder.catalog.manifests import MANIFESTS, write_manifests
from btfer_builder.catalog.review import add_decisions
from btfer_builder.cli.main import main
from btfer_builder.config import SampleRecipe
from btfer_builder.labels import EMOTIONS
from btfer_builder.reconcile import STAGES, reconcile
from btfer_builder.records import Decision
from btfer_builder.sample.stage import sample
from btfer_builder.workspace import Workspace, create_workspace
from tests.factories import fill_catalog

#: Every command that opens the catalog and ends by itself.
COMMANDS = {
    "crawl": ["crawl", "--engine", "folder", "--path", "."],
    "dedupe": ["dedupe"],
    "dedupe --faces": ["dedupe", "--faces"],
    "crop": ["crop"],
    "export": ["review", "--export", "out.csv"],
    "agreement": ["agreement"],
    "sample": ["sample", "--allow-short"],
    "leakage": ["leakage"],
    "release": ["release", "out"],
    "takedown": ["takedown", "0" * 16],
    "recheck": ["recheck"],
    "status": ["status"],
    "yield": ["status", "--yield"],
}


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory):
    """A workspace with reviewed faces, a sample and all its views; not to be changed."""
    return make(tmp_path_factory.mktemp("reviewed") / "faces", seed=0)


def make(folder, seed):
    workspace = create_workspace(folder)
    filled = fill_catalog(workspace, per_emotion=2, seed=seed)
    words = [Decision(face, "face", "accept", e, None, "ana") for e in EMOTIONS for face in filled.faces[e]]
    add_decisions(workspace.catalog, words)
    sample(workspace, SampleRecipe(per_class=1))
    write_manifests(workspace.catalog, workspace.manifests, *MANIFESTS)
    workspace.catalog.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return workspace


@pytest.fixture
def root(reviewed, tmp_path, monkeypatch):
    """A copy of that workspace, in which the commands run."""
    root = tmp_path / "faces"
    shutil.copytree(reviewed.root, root)
    monkeypatch.chdir(root)
    return root


def files(root: Path) -> dict[str, bytes]:
    """Return every file but locks, and SQLite's own index of its log."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file()
        and path.parent.name != "logs"
        and path.suffix != ".lock"
        and not path.name.endswith(("-shm", "-wal"))
    }


def run(root: Path, name: str) -> tuple[int, str]:
    done = CliRunner().invoke(main, [*COMMANDS[name], "-w", str(root)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.stderr


def gone(path: Path) -> None:
    path.unlink()


def with_its_log(path: Path) -> None:
    path.unlink()
    path.with_name(f"{path.name}-wal").write_bytes(b"what was not written back yet")


def but_for_its_log(path: Path) -> None:
    """The log is the only trace of the decisions made last."""
    with_its_log(path)
    for name in ("data", "manifests"):
        for left in (path.parents[1] / name).glob("*"):
            if left.is_dir():
                shutil.rmtree(left)
            elif not left.name.endswith("-wal"):
                left.unlink()


def of_no_bytes(path: Path) -> None:
    path.write_bytes(b"")


def without_tables(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 0")
        db.execute("CREATE TABLE t (x)")
        db.execute("DROP TABLE t")


def without_rows(path: Path) -> None:
    path.unlink()
    Catalog(path).connection.close()


@pytest.mark.parametrize(
    "lose", [gone, with_its_log, but_for_its_log, of_no_bytes, without_tables, without_rows]
)
def test_a_lost_catalog_is_named_and_nothing_is_touched(root, lose):
    lose(root / "manifests" / "btfer.sqlite")
    before = files(root)
    for name in COMMANDS:
        code, message = run(root, name)
        assert code == 1, name
        assert len(message.splitlines()) == 1, message
        assert "btfer.sqlite" in message
        assert "restore the catalog from a backup" in message
        assert files(root) == before, name


def of_another_program(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE bookmarks (url)")
        db.execute("INSERT INTO bookmarks VALUES ('https://example.org')")


def without_its_version(path: Path) -> None:
    """As `sqlite3 old .dump | sqlite3 new` leaves it."""
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 0")


@pytest.mark.parametrize("views", [True, False])
@pytest.mark.parametrize("exchange", [of_another_program, without_its_version])
def test_the_database_of_another_program_is_not_written_to(root, exchange, views):
    exchange(root / "manifests" / "btfer.sqlite")
    if not views:
        for view in (root / "manifests").glob("*.csv"):
            view.unlink()
    before = files(root)
    for name in COMMANDS:
        code, message = run(root, name)
        assert (code, len(message.splitlines())) == (1, 1), message
        assert "btfer.sqlite is not a catalog of btfer" in message
        assert files(root) == before, name


def test_a_catalog_without_a_table_is_named_in_one_line(root):
    with sqlite3.connect(root / "manifests" / "btfer.sqlite") as db:
        db.execute("DROP TABLE decisions")
    for name in ("status", "crop", "export"):
        code, message = run(root, name)
        assert code == 1
        assert "no such table: main.decisions" in message or "no such table: decisions" in message
        assert "backup" in message


@pytest.mark.parametrize("left", ["data/images", "data/faces", "data/sample", "manifests/faces.csv"])
def test_any_trace_of_earlier_work_is_enough(root, left):
    shutil.move(root / left, root / "left")
    shutil.rmtree(root / "data")
    shutil.rmtree(root / "manifests")
    (root / left).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(root / "left", root / left)
    code, message = run(root, "status")
    assert code == 1
    assert left.rpartition("/")[2] in message
    assert not (root / "manifests" / "btfer.sqlite").exists()


def test_storage_elsewhere_counts_too(root):
    shutil.rmtree(root / "manifests")
    shutil.move(root / "data", root.parent / "elsewhere")
    (root / "data").mkdir()
    recipe = (root / "btfer.toml").read_text()
    (root / "btfer.toml").write_text(recipe.replace('data = ""', f'data = "{root.parent / "elsewhere"}"'))
    code, message = run(root, "crop")
    assert code == 1
    assert "elsewhere/images holds images" in message


def test_a_new_workspace_and_one_with_headers_only_begin(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    root = tmp_path / "new"
    workspace = create_workspace(root)
    (root / "data" / ".gitkeep").touch()
    (root / "manifests" / ".gitkeep").touch()
    assert run(root, "status")[0] == 0
    write_manifests(workspace.catalog, workspace.manifests, *MANIFESTS)
    assert run(root, "status")[0] == 0
    (root / "manifests" / "btfer.sqlite").unlink()
    for log in (root / "manifests").glob("btfer.sqlite-*"):
        log.unlink()
    assert run(root, "status")[0] == 0


def test_a_catalog_cut_short_is_said_in_one_line(root):
    path = root / "manifests" / "btfer.sqlite"
    for size in (path.stat().st_size // 2, 4096, 1000, 50):
        path.write_bytes(path.read_bytes()[:size])
        before = files(root)
        for name in COMMANDS:
            code, message = run(root, name)
            assert (code, len(message.splitlines())) == (1, 1), message
            assert "btfer.sqlite" in message
            assert "restore it from a backup" in message
        assert files(root) == before


def test_pages_that_are_damaged_are_said_in_one_line(root):
    path = root / "manifests" / "btfer.sqlite"
    content = bytearray(path.read_bytes())
    content[8192:-4096] = b"\xff" * (len(content) - 12288)
    path.write_bytes(content)
    code, message = run(root, "status")
    assert code == 1
    assert "restore it from a backup" in message


@pytest.mark.parametrize("name", COMMANDS)
def test_the_catalog_of_another_workspace_replaces_no_view(root, name, tmp_path):
    other = make(tmp_path / "other", seed=1)
    shutil.copyfile(other.manifests / "btfer.sqlite", root / "manifests" / "btfer.sqlite")
    before = files(root)
    code, message = run(root, name)
    assert code == 1
    assert "which has none of its rows" in message
    assert files(root) == before


def test_without_views_the_files_of_another_workspace_stay(root, tmp_path):
    other = make(tmp_path / "other", seed=1)
    shutil.copyfile(other.manifests / "btfer.sqlite", root / "manifests" / "btfer.sqlite")
    for view in (root / "manifests").glob("*.csv"):
        view.unlink()
    pictures = {name: content for name, content in files(root).items() if name.startswith("data/")}
    for name in ("dedupe", "crop"):
        code, message = run(root, name)
        assert code == 1
        assert "none of the first 14 images" in message
    reconcile(Workspace(root), *STAGES)
    assert {name: content for name, content in files(root).items() if name.startswith("data/")} == pictures


def test_nothing_is_swept_where_the_catalog_names_no_face(tmp_path):
    workspace = create_workspace(tmp_path / "faces")
    fill_catalog(workspace, per_emotion=1, faces=False)
    left = workspace.data / "faces" / "ab" / "ab00000000000000.png"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    reconcile(workspace, *STAGES)
    assert left.exists()


def test_an_older_copy_of_the_catalog_replaces_no_newer_decisions(root):
    workspace = Workspace(root)
    shutil.copyfile(root / "manifests" / "btfer.sqlite", root / "older")
    face = workspace.catalog.value("SELECT face_id FROM faces")
    add_decisions(workspace.catalog, [Decision(face, "face", "reject", None, "other", "bo")])
    assert run(root, "export")[0] == 0
    workspace.catalog.connection.close()
    for log in (root / "manifests").glob("btfer.sqlite-*"):
        log.unlink()
    shutil.move(root / "older", root / "manifests" / "btfer.sqlite")
    before = (root / "manifests" / "decisions.csv").read_bytes()
    code, message = run(root, "export")
    assert code == 1
    assert "decisions up to number 15" in message
    assert (root / "manifests" / "decisions.csv").read_bytes() == before
    (root / "manifests" / "decisions.csv").rename(root / "saved.csv")
    assert run(root, "export")[0] == 0
