"""Images and faces on a real S3-compatible server: the results are the same, locally and on a cluster."""

import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from btfer_builder.catalog.review import add_decisions
from btfer_builder.config import CropRecipe, DedupeRecipe, SampleRecipe
from btfer_builder.crop.stage import crop
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.errors import BtferError
from btfer_builder.images.thumbnails import preview, thumbnail
from btfer_builder.io.storage import RemoteFile, Storage
from btfer_builder.records import Decision
from btfer_builder.sample.stage import sample
from btfer_builder.workspace import Workspace, create_workspace
from tests.parallel.dask_cluster import cluster
from tests.photos import btfer, crawl_files, some_photos, table

# One server for all of them.
pytestmark = pytest.mark.xdist_group("s3")

#: The contents of the tables, without times.
TABLES = ("images", "hashes", "dedupes", "duplicate_groups", "crops", "faces", "sample")


@pytest.fixture(scope="module")
def bucket(tmp_path_factory):
    """Start a server in a separate process, and yield the address of an empty bucket."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with (tmp_path_factory.mktemp("s3") / "log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], stdout=log, stderr=log
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "testing")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        end = time.monotonic() + 60
        while time.monotonic() < end:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                time.sleep(0.1)
        import fsspec

        fsspec.filesystem("s3").mkdir("faces")
        yield "s3://faces"
    process.terminate()
    process.wait()


def workspace_on(root: Path, data: str) -> Workspace:
    workspace = create_workspace(root)
    recipe = workspace.root / "btfer.toml"
    recipe.write_text(recipe.read_text().replace('data = ""', f'data = "{data}"'))
    workspace = Workspace(root)
    assert workspace.recipe.storage.data == data
    return workspace


def whole_way(workspace: Workspace, scheduler: str = "") -> Workspace:
    crawl_files(workspace, some_photos())
    dedupe(workspace, DedupeRecipe(workers=0, scheduler=scheduler))
    crop(workspace, CropRecipe(workers=0, size=64, scheduler=scheduler))
    rows = workspace.catalog.rows("SELECT face_id FROM faces WHERE state = 'kept' ORDER BY face_id")
    add_decisions(
        workspace.catalog,
        [Decision(row["face_id"], "face", "accept", "happy", reviewer="ana") for row in rows],
    )
    sample(workspace, SampleRecipe(per_class=2, allow_short=True))
    return workspace


def contents(workspace: Workspace) -> dict[str, object]:
    rows = {name: table(workspace, name) for name in TABLES}
    paths = [
        row["path"]
        for name in ("images", "faces")
        for row in workspace.catalog.rows(f"SELECT path FROM {name}")
        if row["path"]
    ]
    return rows | {"files": {path: (workspace.files / path).read_bytes() for path in paths}}


def without_places(contents: dict[str, object], *roots: object) -> str:
    text = repr(contents)
    for root in roots:
        text = text.replace(str(root), "")
    return text


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Workspace:
    return whole_way(create_workspace(tmp_path_factory.mktemp("here")))


def test_a_set_on_s3_is_the_set_on_the_disk(bucket, here, tmp_path):
    there = whole_way(workspace_on(tmp_path / "there", f"{bucket}/one"))
    assert contents(there) == contents(here)
    assert len(contents(there)["files"]) >= 9
    assert not [path for name in ("images", "faces") for path in (there.data / name).rglob("*.*")]
    sampled = {path.name: path.read_bytes() for path in (there.data / "sample").rglob("*.png")}
    assert sampled == {path.name: path.read_bytes() for path in (here.data / "sample").rglob("*.png")} != {}


def test_the_commands_on_a_cluster_with_s3(bucket, here, tmp_path):
    there = workspace_on(tmp_path / "there", f"{bucket}/two")
    with cluster(tmp_path) as address:
        crawl_files(there, some_photos())
        for command in (["dedupe"], ["crop", "--size", "64"]):
            done = btfer(there, *command, "--scheduler", address)
            assert done.returncode == 0, done.stderr
    left = {name: rows for name, rows in contents(there).items() if name != "sample"}
    assert left == {name: rows for name, rows in contents(here).items() if name != "sample"}
    import fsspec

    assert not [name for name in fsspec.filesystem("s3").find("faces/two") if ".cluster" in name]


def test_running_again_makes_what_is_gone(bucket, tmp_path):
    there = whole_way(workspace_on(tmp_path / "there", f"{bucket}/three"))
    before = contents(there)
    path = there.catalog.value("SELECT f.path FROM faces f JOIN sample USING (face_id) LIMIT 1")
    file = there.files / path
    file.unlink()
    assert not file.is_file()
    with pytest.raises(FileNotFoundError):
        file.read_bytes()
    with pytest.raises(FileNotFoundError):
        file.unlink()
    file.write_bytes(b"")
    crop(there, CropRecipe(workers=0, size=64))
    assert contents(there) == before
    file.write_bytes(b"")
    sample(there, SampleRecipe(per_class=2, allow_short=True))
    assert contents(there) == before


def test_no_file_of_what_is_done_is_asked_for(bucket, tmp_path, monkeypatch):
    import s3fs

    there = whole_way(workspace_on(tmp_path / "there", f"{bucket}/eight"))
    kept = there.catalog.value("SELECT count(*) FROM faces WHERE state = 'kept'")
    call, asked = s3fs.S3FileSystem._call_s3, []

    async def counted(self, method, *arguments, **options):
        asked.append(method)
        return await call(self, method, *arguments, **options)

    monkeypatch.setattr(s3fs.S3FileSystem, "_call_s3", counted)
    dedupe(there, DedupeRecipe(workers=0))
    crop(there, CropRecipe(workers=0, size=64))
    assert asked
    assert not [method for method in asked if not method.startswith("list_")]
    asked.clear()
    sample(there, SampleRecipe(per_class=1, allow_short=True))
    assert asked.count("get_object") == 1  # the one that is drawn
    assert len([method for method in asked if not method.startswith("list_")]) < kept


def test_the_review_shows_them(bucket, tmp_path):
    there = whole_way(workspace_on(tmp_path / "there", f"{bucket}/four"))
    face_id, path = there.catalog.rows("SELECT face_id, path FROM faces WHERE state = 'kept'")[0]
    assert thumbnail(there.files, "face", face_id, path)[:3] == b"\xff\xd8\xff"
    assert [file.stem for file in (there.data / "thumbs").rglob("*.jpg")] == [face_id]
    assert preview(there.files, path) is not None
    assert preview(there.files, "data/images/../../btfer.toml") is None
    assert preview(there.files, "data/images/00/none.png") is None


def test_a_takedown_deletes_there_too(bucket, tmp_path):
    there = whole_way(workspace_on(tmp_path / "there", f"{bucket}/five"))
    face_id, path = there.catalog.rows("SELECT face_id, path FROM faces WHERE state = 'kept'")[0]
    photo = there.catalog.value(
        "SELECT i.path FROM images i JOIN faces USING (image_id) WHERE face_id = ?", face_id
    )
    done = btfer(there, "takedown", face_id)
    assert done.returncode == 0, done.stderr
    assert not (there.files / path).is_file()
    assert not (there.files / photo).is_file()


def test_storage_that_is_not_there_drops_nothing(bucket, tmp_path, monkeypatch):
    there = workspace_on(tmp_path / "there", f"{bucket}/six")
    crawl_files(there, some_photos())
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        done = btfer(there, "dedupe", "--workers", "0")
    assert done.returncode == 1
    assert "check that it is running and that the credentials" in done.stderr
    assert "Traceback" not in done.stderr
    assert table(there, "hashes") == []
    assert btfer(there, "dedupe", "--workers", "2").returncode == 0
    assert len(table(there, "hashes")) == 9


def test_another_folder_needs_no_package(tmp_path, here, monkeypatch):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    there = whole_way(workspace_on(tmp_path / "there", str(tmp_path / "shared")))
    assert contents(there) == contents(here)
    assert not (there.data / "images").exists() or not list((there.data / "images").rglob("*.*"))
    assert len(list((tmp_path / "shared").rglob("*.png"))) >= 3


def test_the_package_is_asked_for(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(BtferError, match=r"\.\[s3\]"):
        RemoteFile("s3://faces/none").is_file()


@pytest.mark.parametrize("url", ["nonsense://faces/x", "s4://x/y"])
def test_an_unknown_kind_of_storage_is_said(url):
    with pytest.raises(BtferError, match="fsspec"):
        RemoteFile(url).is_file()


def test_only_images_and_faces_are_elsewhere(tmp_path):
    storage = Storage(tmp_path, "s3://bucket/set/")
    assert storage / "data/images/ab/x.jpg" == RemoteFile("s3://bucket/set/images/ab/x.jpg")
    assert storage / "data/faces/ab/x.png" == RemoteFile("s3://bucket/set/faces/ab/x.png")
    assert Storage(tmp_path, "shared") / "data/images/ab/x.jpg" == tmp_path / "shared/images/ab/x.jpg"
    assert Storage(tmp_path, "/mnt/set") / "data/images/ab/x.jpg" == Path("/mnt/set/images/ab/x.jpg")
    for path in ("data/sample/happy/x.png", "manifests/x", "data", "data/images/../../x", "faces/x"):
        assert storage / path == tmp_path / path
