"""A picture is found wherever it lies below the workspace or in a release, and what a person wrote is only named."""

import base64
import shutil
import sqlite3
from urllib.parse import quote

import pytest

from btfer_builder.catalog import catalog as catalog_module
from btfer_builder.config import ReleaseRecipe
from btfer_builder.errors import BtferError
from btfer_builder.release.diff import faces_in
from btfer_builder.release.stage import release
from btfer_builder.release.takedown.stage import take_down
from tests.release.small_set import btfer
from tests.release.takedown.test_takedown import sampled


def test_reports_tables_and_runs_that_name_it_go_and_own_files_are_named(workspace):
    person, other = sampled(workspace), sampled(workspace, 7)
    crop = (workspace.root / person["path"]).read_bytes()
    go = {
        "reports/recheck.csv": f"url\n{person['url']}\n",
        "reports/page/report.html": f"data:image/png;base64,{base64.b64encode(crop).decode()}",
        "reports/copy/a.png": crop,
        "study/runs/x/test/model/predictions.csv": f"face_id\n{person['face_id']}\n",
        "study/leaderboard.md": person["image_id"],
        "study/pair-0123456789ab.html": f'title="{person["face_id"]}"',
        "reports/sentence/a.html": f"It is at {person['url']}.",
        "reports/quoted/a.html": f"/proxy?of={quote(person['url'], safe='')}",
        "logs/20260101T000000-crop-1.log": f"data/faces/{person['face_id']}.png is broken",
        "manifests/backups/btfer-20260101T000000000000Z.sqlite": person["url"],
    }
    stay = {
        "reports/other.csv": f"{person['url']}0\n{other['face_id']}",
        "study/runs/x/model.keras": "weights",
        "study/runs/x/result.json": "{}",
        "study/runs/x/files.csv": f"path\nhappy/{person['face_id']}.png\n",
        "notes.txt": person["url"],
        "mine/a.png": crop,
    }
    for name, content in (go | stay | {"study/runs/x/test/model/metrics.json": "{}"}).items():
        (workspace.root / name).parent.mkdir(parents=True, exist_ok=True)
        (workspace.root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    done = take_down(workspace, person["face_id"])
    assert [name for name in go if (workspace.root / name).exists()] == []
    assert [name for name in stay if not (workspace.root / name).exists()] == []
    assert {
        str(workspace.root / name) for name in ("notes.txt", "mine/a.png", "study/runs/x/files.csv")
    } == set(done.matches.own_files)
    assert len(list(workspace.backups.iterdir())) == 1, "a new backup in the place of the one that named it"


def test_a_folder_that_is_a_link_to_another_disk_is_searched(workspace, tmp_path):
    person = sampled(workspace)
    (tmp_path / "disk" / "model").mkdir(parents=True)
    (tmp_path / "disk" / "model" / "predictions.csv").write_text(f"face_id\n{person['face_id']}\n")
    (tmp_path / "disk" / "again").symlink_to(tmp_path / "disk")
    shutil.rmtree(workspace.reports, ignore_errors=True)
    workspace.reports.symlink_to(tmp_path / "disk")
    take_down(workspace, person["face_id"])
    assert not (tmp_path / "disk" / "model").exists()


def test_an_address_that_has_no_image_yet_goes_with_its_title(workspace):
    catalog = workspace.catalog
    url = catalog.value("SELECT url FROM candidates ORDER BY url DESC LIMIT 1")
    with catalog.transaction() as db:
        db.execute("PRAGMA defer_foreign_keys = ON")
        db.execute(
            "UPDATE candidates SET url = 'http://a.example/new.jpg', title = 'Ana Ruiz' WHERE url = ?", (url,)
        )
    done = take_down(workspace, "http://a.example/new.jpg")
    assert (done.matches.reasons, done.matches.urls) == ({}, ["http://a.example/new.jpg"])
    assert catalog.rows("SELECT 1 FROM candidates WHERE title = 'Ana Ruiz'") == []
    for path in workspace.manifests.rglob("*"):
        assert path.is_dir() or b"a.example/new" not in path.read_bytes(), path


def test_a_copy_of_a_release_that_nobody_recorded_is_written_again(workspace, tmp_path):
    person = sampled(workspace)
    out = release(workspace, tmp_path / "out", ReleaseRecipe(webdataset=True)).path
    copy = workspace.root / "given" / "copy"
    shutil.copytree(out, copy)
    stray = out / "test" / "stray.png"  # of a rebuild by another version, say
    shutil.copyfile(workspace.root / person["photo"], stray)
    take_down(workspace, person["face_id"])
    for folder in (out, copy):
        assert person["face_id"] not in faces_in(folder)
        assert (folder / "shards").is_dir()
    assert not stray.exists()


def test_photos_without_a_row_are_found_by_any_name(workspace, tmp_path):
    person = sampled(workspace)
    content = (workspace.root / person["photo"]).read_bytes()
    with workspace.catalog.transaction() as db:
        db.execute(
            "DELETE FROM hashes WHERE image_id = ?", (person["image_id"],)
        )  # no dedupe since it was crawled
    given = tmp_path / "given.png"
    given.write_bytes(content)
    left = workspace.data / "images" / "ab" / f"{'ab' * 32}.png"
    left.parent.mkdir()
    left.write_bytes(content)
    assert set(take_down(workspace, str(given)).matches.reasons) == {person["image_id"]}
    assert not left.exists()


def test_another_program_that_reads_is_waited_for_and_then_named(workspace, monkeypatch):
    person = sampled(workspace)
    monkeypatch.setattr(catalog_module, "CHECKPOINT_SECONDS", 0.2)
    path = workspace.manifests / "btfer.sqlite"
    with sqlite3.connect(path, isolation_level=None) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM candidates").fetchone()
        refused = btfer(workspace, "takedown", person["face_id"])
        assert refused.exit_code == 1
        assert "btfer.sqlite-wal still has deleted rows" in refused.stderr
        reader.execute("COMMIT")
    reader.close()
    assert btfer(workspace, "takedown", person["face_id"]).exit_code == 0
    for file in workspace.manifests.glob("btfer.sqlite*"):
        assert person["url"].encode() not in file.read_bytes(), file


def test_an_unknown_id_is_still_refused(workspace):
    with pytest.raises(BtferError, match="is not a known face id"):
        take_down(workspace, "0123456789abcdef")
