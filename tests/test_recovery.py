"""Backups of the catalog: taken in use and before a migration, restored without losing decisions or tombstones."""

import os
import sqlite3
from contextlib import closing

import pytest

from btfer_builder.catalog.backup import KEEP, back_up
from btfer_builder.catalog.manifests import MANIFESTS, write_manifests
from btfer_builder.catalog.review import add_decisions
from btfer_builder.errors import BtferError
from btfer_builder.records import Decision
from btfer_builder.recovery import check_catalog, restore_catalog
from btfer_builder.release.takedown.stage import take_down
from btfer_builder.workspace import Workspace, create_workspace
from tests.factories import fill_catalog
from tests.release.small_set import btfer
from tests.upgrade.upgrade_archive import unpack


@pytest.fixture
def workspace(tmp_path):
    workspace = create_workspace(tmp_path / "faces")
    filled = fill_catalog(workspace, ("happy", "sad"), per_emotion=2)
    decide(workspace, filled.faces["happy"][0])
    write_manifests(workspace.catalog, workspace.manifests, *MANIFESTS)
    return workspace


def decide(workspace, face, emotion="happy", reviewer="ana"):
    add_decisions(workspace.catalog, [Decision(face, "face", "accept", emotion, None, reviewer)])


def decisions(workspace):
    return [tuple(row) for row in workspace.catalog.rows("SELECT * FROM decisions ORDER BY decision_id")]


def lose_catalog(workspace):
    workspace.catalog.connection.close()
    for path in workspace.manifests.glob("btfer.sqlite*"):
        path.unlink()
    return Workspace(workspace.root)


def test_decisions_made_after_a_backup_come_back_from_their_table(workspace):
    backup = back_up(workspace.catalog.connection, workspace.backups)
    face = workspace.catalog.value("SELECT max(face_id) FROM faces")
    decide(workspace, face, "sad", "bo, =1")
    before = decisions(workspace)
    write_manifests(workspace.catalog, workspace.manifests, "decisions")
    workspace = lose_catalog(workspace)
    done = restore_catalog(workspace, backup)
    assert (done.decisions, done.replaced) == (1, None)
    assert decisions(Workspace(workspace.root)) == before


def test_decisions_come_back_without_any_backup(workspace):
    before = decisions(workspace)
    workspace = lose_catalog(workspace)
    assert restore_catalog(workspace, None).decisions == 1
    assert decisions(Workspace(workspace.root)) == before


def test_nobody_who_was_taken_down_comes_back_with_a_backup(workspace, tmp_path):
    person = workspace.catalog.rows(
        "SELECT f.face_id, i.image_id, c.url FROM faces f JOIN images i USING (image_id) JOIN fetches USING (image_id) "
        "JOIN candidates c USING (url) LIMIT 1"
    )[0]
    elsewhere = tmp_path / "elsewhere.sqlite"
    assert btfer(workspace, "catalog", "backup", str(elsewhere)).exit_code == 0
    inside = back_up(workspace.catalog.connection, workspace.backups)
    take_down(workspace, person["face_id"])
    assert not inside.exists(), "a backup in the workspace names who was taken down"
    assert [person["url"].encode() in path.read_bytes() for path in workspace.backups.iterdir()] == [False]
    done = restore_catalog(Workspace(workspace.root), elsewhere)
    assert done.erased == 1
    assert done.tombstones > 0
    left = Workspace(workspace.root).catalog
    assert left.rows("SELECT * FROM images WHERE image_id = ?", person["image_id"]) == []
    assert left.rows("SELECT * FROM candidates WHERE url = ?", person["url"]) == []
    assert left.value("SELECT count(*) FROM tombstones WHERE face_id = ?", person["face_id"]) == 1
    assert left.value("PRAGMA integrity_check") == "ok"


@pytest.mark.parametrize("damage", ["cut", "text", "other", "missing"])
def test_a_damaged_backup_changes_nothing(workspace, tmp_path, damage):
    backup = tmp_path / "backup.sqlite"
    content = back_up(workspace.catalog.connection, workspace.backups).read_bytes()
    if damage == "other":
        with sqlite3.connect(backup) as db:
            db.execute("CREATE TABLE t (x)")
    elif damage != "missing":
        backup.write_bytes(content[: len(content) // 2] if damage == "cut" else b"no database at all")
    before = decisions(workspace)
    with pytest.raises(BtferError, match=r"cannot be restored: .*Nothing was changed"):
        restore_catalog(workspace, backup)
    assert decisions(Workspace(workspace.root)) == before


def test_a_table_of_another_workspace_is_refused(workspace, tmp_path):
    view = workspace.manifests / "decisions.csv"
    strange = tmp_path / "decisions.csv"
    strange.write_text(view.read_text().replace("ana", "eve"))
    with pytest.raises(BtferError, match="decision 1 is another one in the catalog"):
        restore_catalog(workspace, None, strange)
    strange.write_text(view.read_text().replace("happy", "glad"))
    with pytest.raises(BtferError, match="not a table of decisions"):
        restore_catalog(workspace, None, strange)


def test_a_table_of_decisions_is_read_within_limits(workspace, tmp_path):
    pipe, table = tmp_path / "pipe.csv", tmp_path / "decisions.csv"
    os.mkfifo(pipe)
    with pytest.raises(BtferError, match="a device or a pipe"):
        restore_catalog(workspace, None, pipe)
    lines = (workspace.manifests / "decisions.csv").read_text().splitlines()
    for number in (str(2**70), "9" * 5000, "-1", "1e3"):
        table.write_text(f"{lines[0]}\n{number}{lines[1][1:]}\n")
        with pytest.raises(
            BtferError, match=r"line 2: not a table of decisions.*is not the number of a decision"
        ):
            restore_catalog(workspace, None, table)


def test_a_lost_catalog_comes_back_with_the_command_of_the_message(workspace):
    back_up(workspace.catalog.connection, workspace.backups)
    latest = back_up(workspace.catalog.connection, workspace.backups)
    before = decisions(workspace)
    lose_catalog(workspace)
    lost = btfer(workspace, "status")
    assert (lost.exit_code, len(lost.stderr.splitlines())) == (1, 1)
    assert f"btfer -w {workspace.root} catalog restore {latest}," in lost.stderr
    assert btfer(workspace, "catalog", "restore", str(latest)).exit_code == 0
    assert decisions(Workspace(workspace.root)) == before


def test_the_latest_backups_are_kept(workspace):
    made = [back_up(workspace.catalog.connection, workspace.backups) for _ in range(KEEP + 2)]
    assert sorted(workspace.backups.iterdir()) == made[2:]


def test_a_migration_is_preceded_by_a_backup(tmp_path):
    unpack(tmp_path)
    path = tmp_path / "manifests" / "btfer.sqlite"
    with closing(sqlite3.connect(path)) as db:
        before = (
            db.execute("PRAGMA user_version").fetchone(),
            db.execute("SELECT * FROM decisions").fetchall(),
        )
    assert before[1]
    workspace = Workspace(tmp_path)
    migrated = workspace.catalog.value("SELECT count(*) FROM decisions")
    (backup,) = workspace.backups.iterdir()
    with closing(sqlite3.connect(backup)) as db:
        after = db.execute("PRAGMA user_version").fetchone(), db.execute("SELECT * FROM decisions").fetchall()
    assert after == before
    assert migrated == len(before[1])


def test_check_says_what_is_wrong_and_changes_nothing(workspace):
    assert check_catalog(workspace).problems == []
    path = workspace.catalog.value("SELECT path FROM images")
    (workspace.root / path).unlink()
    done = btfer(workspace, "catalog", "check")
    assert done.exit_code == 1
    assert f"1 file is missing, such as {path}" in done.stderr
    with sqlite3.connect(workspace.manifests / "btfer.sqlite") as db:
        db.execute("PRAGMA foreign_keys = OFF")
        db.execute("DELETE FROM images WHERE path = ?", (path,))
    assert "refer to rows that do not exist" in check_catalog(Workspace(workspace.root)).problems[0]


@pytest.mark.parametrize("number", ["9223372036854775808", "-1", "9" * 5000, "x"])
def test_a_number_that_no_decision_can_have_is_one_line(workspace, tmp_path, number):
    table = tmp_path / "decisions.csv"
    columns = "decision_id,item_id,kind,emotion,verdict,reason,reviewer,undoes,decided_at,adjudicates"
    table.write_text(f"{columns}\n{number},a,face,happy,accept,,ana,,2026,0\n")
    done = btfer(workspace, "catalog", "restore", "--decisions", str(table))
    assert done.exit_code == 1
    assert len(done.stderr.splitlines()) == 1
    assert "not a table of decisions" in done.stderr
