"""The resized faces of a sample live in its workspace, as long as the sample has them and nobody is taken down."""

import errno
import os
import re

import numpy as np
import pytest

from btfer_builder.catalog.intentions import intentions
from btfer_builder.config import SampleRecipe
from btfer_builder.evaluate.face_set import faces_of_sample
from btfer_builder.evaluate.signature import content_digests
from btfer_builder.images.face_cache import MEMORY, ResizedFaces, set_key
from btfer_builder.io.locks import try_lock
from btfer_builder.reconcile import CACHE, STAGES, reconcile
from btfer_builder.release.purge import purge
from btfer_builder.release.takedown import stage as takedown_stage
from btfer_builder.release.takedown.stage import take_down
from btfer_builder.sample import cached_faces
from btfer_builder.sample.cached_faces import SampleCache
from btfer_builder.sample.stage import sample
from tests.release.conftest import made, workspace  # noqa: F401 - fixtures

GEOMETRIES = ("a" * 64, "b" * 64)
FACES = ResizedFaces(np.arange(2 * 8 * 8 * 3, dtype=np.uint8).reshape(2, 8, 8, 3), frozenset({"area"}))
LIMIT = 1_000_000
SHAPE = FACES.pixels.shape


@pytest.fixture
def key(workspace):  # noqa: F811
    """The set that the sample is."""
    faces = faces_of_sample(workspace).faces
    return set_key(zip((face.face_id for face in faces), content_digests(faces), strict=True))


def kept(workspace):  # noqa: F811
    return sorted(path.name for path in (workspace.root / CACHE).glob("*"))


def test_it_is_kept_in_the_workspace_and_only_for_the_sample(workspace, key):  # noqa: F811
    cache = faces_of_sample(workspace).cache
    assert isinstance(cache, SampleCache)
    assert cache.load(key, GEOMETRIES[0], SHAPE) is None
    cache.store(key, GEOMETRIES[0], FACES, LIMIT)
    found = cache.load(key, GEOMETRIES[0], SHAPE)
    np.testing.assert_array_equal(found.pixels, FACES.pixels)
    assert found.interpolations == {"area"}
    assert not found.pixels.flags.writeable
    assert cache.load(key, GEOMETRIES[1], SHAPE) is None
    cache.store("0" * 64, GEOMETRIES[1], FACES, LIMIT)
    assert len(kept(workspace)) == 1, "not the sample"
    assert faces_of_sample(workspace)[:3].cache is MEMORY


def test_a_damaged_file_is_not_used(workspace, key):  # noqa: F811
    cache = SampleCache(workspace)
    cache.store(key, GEOMETRIES[0], FACES, LIMIT)
    (path,) = (workspace.root / CACHE).glob("*.faces")
    content = path.read_bytes()
    at = content.find(FACES.pixels.tobytes())
    large = content.replace(b"[2, 8, 8, 3]", b"[2000000, 1000, 1000, 3]")
    deep = b"[" * 4000 + content[at - 1 :]
    for damaged in (
        b"",
        content[:90],
        content[:at] + b"\xff" + content[at + 1 :],
        content + b"0",
        large,
        deep,
        b"null\n" + content[at:],
        content.replace(b'["area"]', b'"area"'),
        content.replace(b"crc32", b"crc33"),
        np.lib.format.magic(1, 0) + content,
        b"PK\3\4" + content,
    ):
        path.write_bytes(damaged)
        assert cache.load(key, GEOMETRIES[0], SHAPE) is None, damaged[:99]
    path.unlink()
    os.mkfifo(path)
    assert cache.load(key, GEOMETRIES[0], SHAPE) is None
    path.unlink()
    cache.store(key, GEOMETRIES[0], FACES, LIMIT)
    assert cache.load(key, GEOMETRIES[0], SHAPE) is not None


def test_a_file_of_another_set_or_geometry_is_not_taken_for_it(workspace, key):  # noqa: F811
    cache = SampleCache(workspace)
    cache.store(key, GEOMETRIES[0], FACES, LIMIT)
    (path,) = (workspace.root / CACHE).glob("*.faces")
    content = path.read_bytes()
    others = {(key, GEOMETRIES[1], SHAPE), (key[:16] + "0" * 48, GEOMETRIES[0], SHAPE)}
    for set_name, geometry, shape in others | {(key, GEOMETRIES[0], (2, 3, 8, 8))}:
        path.with_name(f"{set_name[:16]}-{geometry[:16]}.faces").write_bytes(content)
        assert cache.load(set_name, geometry, shape) is None


def test_what_cannot_be_written_or_deleted_ends_no_scoring(workspace, key, monkeypatch):  # noqa: F811
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    cache = SampleCache(workspace)
    monkeypatch.setattr(cached_faces, "_write", full)
    cache.store(key, GEOMETRIES[0], FACES, LIMIT)
    assert kept(workspace) == []
    monkeypatch.undo()
    (workspace.root / CACHE / f"{'0' * 16}-{'0' * 16}.faces").mkdir()
    cache.store(key, GEOMETRIES[0], FACES, 1)
    cache.store(key, GEOMETRIES[0], FACES, LIMIT)
    monkeypatch.setattr(os, "utime", full)  # as on a disk that is only read
    assert cache.load(key, GEOMETRIES[0], SHAPE) is not None


def test_a_takedown_leaves_what_others_put_there_also_behind_a_link(workspace, key, tmp_path):  # noqa: F811
    folder, elsewhere = workspace.root / CACHE, tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "notes.txt").write_text("mine")
    folder.symlink_to(elsewhere, target_is_directory=True)
    SampleCache(workspace).store(key, GEOMETRIES[0], FACES, LIMIT)
    assert len(kept(workspace)) == 2
    person = workspace.catalog.value("SELECT face_id FROM sample ORDER BY face_id LIMIT 1")
    take_down(workspace, person)
    assert kept(workspace) == ["notes.txt"]


def test_what_was_used_longest_ago_makes_room(workspace, key):  # noqa: F811
    cache = SampleCache(workspace)
    for geometry in GEOMETRIES:
        cache.store(key, geometry, FACES, LIMIT)
    size = next((workspace.root / CACHE).glob("*.faces")).stat().st_size
    assert cache.load(key, GEOMETRIES[0], SHAPE) is not None
    cache.store(key, "c" * 64, FACES, 2 * size)
    assert cache.load(key, GEOMETRIES[1], SHAPE) is None
    assert cache.load(key, GEOMETRIES[0], SHAPE) is not None


def test_a_takedown_a_purge_and_another_draw_remove_it(workspace, key):  # noqa: F811
    cache = SampleCache(workspace)
    MEMORY.store(key, GEOMETRIES[0], FACES, LIMIT)
    cache.store(key, GEOMETRIES[0], FACES, LIMIT)
    purge(workspace, "sample", dry_run=True)
    assert kept(workspace)
    removed = purge(workspace, "sample", dry_run=False)
    assert removed.deleted["cached"].files == 1
    assert kept(workspace) == []
    assert MEMORY.load(key, GEOMETRIES[0], SHAPE) is None
    cache.store(key, GEOMETRIES[0], FACES, LIMIT)
    person = workspace.catalog.value("SELECT face_id FROM sample ORDER BY face_id LIMIT 1")
    take_down(workspace, person)
    assert kept(workspace) == []
    cache.store(key, GEOMETRIES[0], FACES, LIMIT)
    assert kept(workspace) == [], "an eval that began before the takedown keeps nobody"
    assert CACHE not in {intention.path for intention in intentions(workspace.catalog)}


def test_another_draw_removes_it(workspace, key):  # noqa: F811
    cache = SampleCache(workspace)
    cache.store(key, GEOMETRIES[0], FACES, LIMIT)
    sample(workspace, SampleRecipe(per_class=2), asked={"per_class"})
    assert kept(workspace) == []


def test_a_takedown_that_was_killed_leaves_nobody_to_the_next_command(workspace, key, monkeypatch):  # noqa: F811
    SampleCache(workspace).store(key, GEOMETRIES[0], FACES, LIMIT)
    (workspace.root / CACHE / f".{key[:16]}-{'c' * 16}.faces.x1.part").write_bytes(b"pixels")

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(takedown_stage, "delete_cached_faces", killed)
    person = workspace.catalog.value("SELECT face_id FROM sample ORDER BY face_id LIMIT 1")
    with pytest.raises(KeyboardInterrupt):
        take_down(workspace, person)
    monkeypatch.undo()
    reconcile(workspace, "crop")
    assert kept(workspace) == []


def test_reconcile_keeps_the_files_of_the_sample_and_others_names(workspace, key):  # noqa: F811
    SampleCache(workspace).store(key, GEOMETRIES[0], FACES, LIMIT)
    ours = kept(workspace)
    stale = workspace.root / CACHE / f"{'0' * 16}-{'a' * 16}.faces"
    mine = workspace.root / CACHE / "notes.txt"
    for path in (stale, mine):
        path.write_bytes(b"x")
    reconcile(workspace, *STAGES)
    assert kept(workspace) == sorted([*ours, "notes.txt"])
    assert re.fullmatch(r"[0-9a-f]{16}-a{16}\.faces", ours[0])


def test_nothing_is_kept_while_another_command_writes(workspace, key):  # noqa: F811
    lock = try_lock(workspace.lock_path("cache"))
    SampleCache(workspace).store(key, GEOMETRIES[0], FACES, LIMIT)
    lock.release()
    assert kept(workspace) == []
