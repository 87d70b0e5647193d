"""A command ends with one line, a log and an exit code, whatever happens in it."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys

import pytest
from click.testing import CliRunner

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.funnel import funnel
from btfer_builder.cli.main import main
from btfer_builder.cli.run_log import KEPT
from btfer_builder.errors import BtferError
from btfer_builder.workspace import create_workspace
from tests.factories import fill_catalog


@pytest.fixture
def workspace(tmp_path):
    return create_workspace(tmp_path / "faces")


def invoke(workspace, *arguments):
    return CliRunner().invoke(main, [*arguments, "-w", str(workspace.root)])


def test_an_unexpected_error_is_one_line_and_a_log(workspace, monkeypatch):
    monkeypatch.setenv("FLICKR_API_KEY", "secret-key-1")

    def fail(*_):
        raise ValueError("secret-key-1 of ana@mail.example at https://a.example/ana.jpg")

    monkeypatch.setattr("btfer_builder.catalog.funnel.funnel", fail)
    done = invoke(workspace, "status", "--json")
    assert done.exit_code == 70
    assert len(done.stderr.splitlines()) == 1
    (log,) = (workspace.root / "logs").glob("*.log")
    assert str(log) in done.stderr
    text = log.read_text()
    assert "Traceback" in text
    assert "ValueError: <secret> of <address> at <address>" in text
    assert "command: status (as_json, directory)" in text
    assert str(workspace.root.parent) not in text.partition("Traceback")[0]


def test_logs_are_bounded_and_not_needed(workspace):
    (workspace.root / "logs").mkdir()
    for number in range(KEPT + 5):
        (workspace.root / "logs" / f"2020-{number:03}.log").write_text("old")
    assert invoke(workspace, "status").exit_code == 0
    logs = sorted(path.name for path in (workspace.root / "logs").iterdir())
    assert len(logs) == KEPT
    assert "-status-" in logs[-1]
    shutil.rmtree(workspace.root / "logs")
    (workspace.root / "logs").write_text("a file in its place")
    assert invoke(workspace, "status").exit_code == 0


def test_a_log_says_nothing_of_who_is_taken_down(workspace, tmp_path):
    picture = tmp_path / "ana-rossi.jpg"
    picture.write_bytes(b"no picture")
    face = "0123456789abcdef"
    for target in (str(picture), face, "https://a.example/ana rossi.jpg", "Ana Rossi"):
        invoke(workspace, "takedown", target)
    logs = "".join(path.read_text() for path in (workspace.root / "logs").iterdir())
    assert "takedown (directory, target)" in logs
    assert "<target> cannot be read as an image" in logs
    assert not [word for word in ("rossi", "Rossi", face, "a.example") if word in logs]


@pytest.mark.parametrize("share", [0.05, 0.4, 0.9])
@pytest.mark.parametrize(
    "command", [["status"], ["status", "--yield"], ["sample"], ["agreement"], ["dedupe"]]
)
def test_a_catalog_cut_short_is_one_line(workspace, command, share):
    fill_catalog(workspace, per_emotion=1)
    workspace.catalog.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    path = workspace.catalog.path
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    done = invoke(workspace, *command)
    assert done.exit_code == 1, done.output
    assert "catalog" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.output


@pytest.mark.parametrize("logged", [False, True])
def test_a_catalog_on_a_read_only_file_system_is_read(workspace, monkeypatch, logged):
    fill_catalog(workspace, per_emotion=1)
    if not logged:
        workspace.catalog.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != workspace.manifests and access(path, mode))
    catalog = Catalog(workspace.catalog.path)
    assert catalog.value("SELECT count(*) FROM images") == 7
    with pytest.raises(BtferError, match="the folder is read-only"), catalog.transaction():
        pass
    assert funnel(catalog)[0].kept == 7
    out = workspace.root.parent / "items.csv"
    assert invoke(workspace, "review", "--reviewer", "ana", "--export", str(out)).exit_code == 0
    assert len(out.read_text().splitlines()) == 1 + 7
    done = invoke(workspace, "agreement", "--min-votes", "2")
    assert "the folder is read-only" in done.stderr
    assert invoke(workspace, "catalog", "check").exit_code == 0
    assert not list(workspace.manifests.glob("*.csv"))


def test_a_full_disk_is_blamed_on_the_folder_that_is_full(workspace, monkeypatch, tmp_path):
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    free = {str(workspace.manifests): 10**9}
    usage = lambda folder: shutil._ntuple_diskusage(10**9, 0, free.get(str(folder), 0))  # noqa: E731
    monkeypatch.setattr("btfer_builder.catalog.catalog.shutil.disk_usage", usage)
    monkeypatch.setenv("SQLITE_TMPDIR", str(tmp_path))
    with pytest.raises(BtferError, match=rf"{tmp_path} \(temporary files\)"), workspace.catalog.transaction():
        raise error


def test_controls_do_not_reach_the_terminal(workspace):
    fill_catalog(workspace, per_emotion=1, query="\x1b[2J{emotion}\x9b\u202e")
    for arguments in (
        ["status", "--yield"],
        ["status", "--yield", "--json"],
        ["takedown", "\x1b[2J"],
        ["\x1b[31m"],
    ):
        done = CliRunner().invoke(main, [*arguments, *(["-w", str(workspace.root)] if arguments[1:] else [])])
        assert not {"\x1b", "\x9b", "\u202e"} & set(done.output)


SLEEPER = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)
import btfer_builder.catalog.funnel as funnel
def wait(*_):
    print("ready", flush=True)
    time.sleep(60)
funnel.funnel = wait
from btfer_builder.__main__ import run
sys.argv = ["btfer", "status", "-w", sys.argv[1]]
run()
"""


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_signals_end_a_command_with_one_word(workspace, number, code):
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, str(workspace.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors.split()) == (code, ["Aborted!"])


def test_a_name_that_is_not_utf8_is_a_line(workspace, tmp_path):
    fill_catalog(workspace, ("happy",))
    for arguments in (
        ["takedown", "\udcff.jpg"],
        ["release", str(tmp_path / "\udcff"), "--include-unlicensed"],
    ):
        done = invoke(workspace, *arguments)
        assert done.exit_code == 1, done.stderr
        assert done.stderr.splitlines()[-1].endswith("a name that is not UTF-8; rename the file or folder")
        assert "Traceback" not in done.stderr
    missing = CliRunner().invoke(main, ["status", "-w", str(tmp_path / "\udcff")])
    assert missing.exit_code == 1
    assert "Traceback" not in missing.stderr
