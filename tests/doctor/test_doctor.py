"""The doctor: what is found of a computer, of servers that answer or not, and of a workspace with faults."""

import json
import os
import socket
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from click.testing import CliRunner

import btfer_builder as bt
from btfer_builder.catalog.dedupe_faces import replace_face_dedupes
from btfer_builder.catalog.review import add_decisions
from btfer_builder.cli.main import main
from btfer_builder.config import CrawlRecipe, SampleRecipe
from btfer_builder.doctor import machine
from btfer_builder.doctor.findings import Finding
from btfer_builder.doctor.machine import card_findings, disk_finding, machine_findings, package_findings
from btfer_builder.doctor.network import network_findings
from btfer_builder.doctor.workspace_health import words_finding, workspace_findings
from btfer_builder.records import Decision, FaceDedupe
from btfer_builder.sample.stage import sample
from btfer_builder.workspace import Workspace, create_workspace
from tests.factories import fill_catalog


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(self.server.status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def engine() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.status = 404  # the root of an API need not exist
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def refused() -> Iterator[str]:
    """Yield an address at which nobody listens, and that nobody else takes meanwhile."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path / "faces")


@pytest.fixture
def no_libraries(monkeypatch):
    monkeypatch.setattr(machine, "_CARDS", {})


def address(server: ThreadingHTTPServer) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def by_subject(findings) -> dict[str, Finding]:
    return {finding.subject: finding for finding in findings}


def doctor(*arguments: str) -> tuple[int, dict[str, dict[str, str]], str]:
    done = CliRunner().invoke(main, ["doctor", "--json", *arguments], catch_exceptions=False)
    answer = json.loads(done.stdout)
    assert answer["problems"] == sum(finding["state"] == "problem" for finding in answer["findings"])
    return done.exit_code, {finding["subject"]: finding for finding in answer["findings"]}, done.stderr


def with_engine(workspace: Workspace, url: str) -> None:
    (workspace.root / "btfer.toml").write_text(f'[crawl]\nengine_url = {{ openverse = "{url}/v1/" }}\n')


# --- This computer ------------------------------------------------------------------------------------------


def test_this_computer_is_described(no_libraries, tmp_path):
    found = by_subject(machine_findings(tmp_path))
    assert f"{sys.version_info.major}.{sys.version_info.minor}." in found["Python"].found
    assert f"{len(os.sched_getaffinity(0))} cores" in found["processor"].found
    assert {"packages", "memory", "driver", "disk", "[torch]", "[hf]", "[s3]"} <= found.keys()


def test_a_processor_without_avx_is_a_problem(monkeypatch):
    monkeypatch.setattr(machine, "_flags", lambda: {"sse2"})
    monkeypatch.setattr(machine.platform, "machine", lambda: "x86_64")
    assert machine._processor().state == "problem"


def test_missing_and_old_packages_are_named(monkeypatch):
    lines = [
        "numpy>=99",
        "click>=8",
        "no-such-package>=1",
        'torch>=99; extra == "torch"',
        'x; sys_platform == "none"',
    ]
    monkeypatch.setattr(machine, "requires", lambda name: lines)
    found = by_subject(package_findings())
    assert found["packages"].state == "problem"
    assert found["packages"].found.startswith("numpy ")
    assert found["packages"].found.endswith(" is not >=99, no-such-package is missing")
    assert "pip install '.[torch]'" in found["[torch]"].found


def test_little_space_is_a_problem(tmp_path, monkeypatch):
    free = {"full": 0.2, "scarce": 5.0, "free": 100.0}
    states = []
    for gigabytes in free.values():
        usage = type("Usage", (), {"free": gigabytes * 1e9})
        monkeypatch.setattr(machine.shutil, "disk_usage", lambda _, usage=usage: usage)
        states.append(disk_finding(tmp_path).state)
    assert states == ["problem", "note", "ok"]


def test_each_library_says_which_cards_it_sees(tmp_path, monkeypatch):
    """Libraries that see a card, see none, end their process, and are not there; a driver that sees one."""
    for name, code in {
        "sees": "",
        "blind": "",
        "dies": "import os; os.abort()",
        "fails": "raise OSError('libfoo.so')",
    }.items():
        (tmp_path / f"{name}_lib.py").write_text(code)
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho NVIDIA H100\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    asked = {
        f"{name}_lib": f"\nimport {name}_lib\ncards = {cards}"
        for name, cards in {"sees": ["H100"], "blind": [], "dies": [], "fails": [], "absent": []}.items()
    }
    monkeypatch.setattr(machine, "_CARDS", asked)
    monkeypatch.setattr(machine, "_ADVICE", {"blind_lib": "install another one"})
    found = by_subject(card_findings())
    assert found["driver"].found == "NVIDIA H100"
    assert found["sees_lib"].found.endswith("sees H100")
    assert (found["blind_lib"].state, found["blind_lib"].advice) == ("note", "install another one")
    assert (found["dies_lib"].state, found["fails_lib"].state) == ("problem", "problem")
    assert "libfoo.so" in found["fails_lib"].found
    assert found["absent_lib"].found == "not installed"
    assert not {name for name in sys.modules if name.endswith("_lib") and name in asked}


def test_the_code_for_onnxruntime_runs():
    assert isinstance(machine._cards("onnxruntime"), list)


# --- The network --------------------------------------------------------------------------------------------


def test_an_engine_that_answers_is_reached(engine):
    (found,) = network_findings(CrawlRecipe(engine=("openverse",), engine_url={"openverse": address(engine)}))
    assert (found.state, found.found) == ("ok", f"{address(engine)}/ answers")
    engine.status = 503
    (found,) = network_findings(CrawlRecipe(engine=("openverse",), engine_url={"openverse": address(engine)}))
    assert (found.state, "503" in found.found) == ("note", True)


def test_offline_is_one_line(engine, refused):
    urls = {"openverse": refused, "wikimedia": refused}
    (found,) = network_findings(CrawlRecipe(engine=("openverse", "wikimedia"), engine_url=urls))
    assert (found.subject, found.state) == ("network", "problem")
    assert "HTTPS_PROXY" in found.advice
    urls["wikimedia"] = address(engine)
    states = [each.state for each in network_findings(CrawlRecipe(engine=tuple(urls), engine_url=urls))]
    assert states == ["problem", "ok"]


def test_a_missing_key_is_a_problem(engine, monkeypatch):
    monkeypatch.delenv("FLICKR_API_KEY", raising=False)
    recipe = CrawlRecipe(engine=("flickr",), engine_url={"flickr": address(engine)})
    assert [each.state for each in network_findings(recipe)] == ["ok", "problem"]


# --- A workspace --------------------------------------------------------------------------------------------


def test_a_sound_workspace_has_no_problem(workspace):
    fill_catalog(workspace, per_emotion=1)
    found = by_subject(workspace_findings(workspace))
    assert {each.state for each in found.values()} == {"ok"}
    assert found["next step"].advice == "btfer dedupe --faces"


def test_orphans_a_stale_sample_and_decisions_without_a_backup(workspace):
    filled = fill_catalog(workspace, per_emotion=1)
    replace_face_dedupes(workspace.catalog, [FaceDedupe(face, "kept") for face in filled.face_ids], [])
    accept = [
        Decision(face, "face", "accept", emotion, reviewer="ana") for emotion, (face,) in filled.faces.items()
    ]
    add_decisions(workspace.catalog, accept)
    sample(workspace, SampleRecipe(per_class=1))
    reject = Decision(filled.face_ids[0], "face", "reject", reason="non_human", reviewer="ana")
    add_decisions(workspace.catalog, [reject])
    orphan = workspace.data / "faces" / "ab" / ("ab" * 8 + ".png")
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"")
    found = by_subject(workspace_findings(workspace))
    assert found["sample"].advice == "btfer sample"
    assert (found["orphans"].state, "1 file in data/faces" in found["orphans"].found) == ("note", True)
    assert found["backups"].advice == "btfer catalog backup"


@pytest.mark.usefixtures("no_libraries")
def test_faults_are_found_named_and_exit_with_1(workspace, engine):
    where = ("-w", str(workspace.root))
    with_engine(workspace, address(engine))
    code, found, error = doctor(*where)
    assert (code, error) == (0, "")
    assert found["engine openverse"]["state"] == "ok"
    fill_catalog(workspace, ["fear"], per_emotion=1)
    workspace.catalog.empty_log()
    workspace.catalog.connection.close()
    database = workspace.manifests / "btfer.sqlite"
    database.write_bytes(database.read_bytes()[:9000])
    code, found, error = doctor(*where)
    assert (code, found["catalog"]["state"]) == (1, "problem")
    assert error.startswith("Error: catalog: ")
    assert "btfer catalog restore" in found["catalog"]["found"] + found["catalog"]["advice"]
    database.unlink()
    code, found, _ = doctor(*where)
    assert "is missing, but" in found["catalog"]["found"]
    (workspace.root / "btfer.toml").write_text("[crop]\nsiz = 3\n")
    code, found, error = doctor(*where)
    assert (code, "did you mean `size`" in found["settings"]["found"]) == (1, True)


def test_missing_files_and_broken_words_come_with_what_helps(workspace):
    fill_catalog(workspace, ["fear"], per_emotion=1)
    assert "files" not in by_subject(workspace_findings(workspace))
    for (path,) in workspace.catalog.rows("SELECT path FROM images UNION SELECT path FROM faces"):
        (workspace.root / path).unlink()
    found = [finding for finding in workspace_findings(workspace) if finding.subject == "files"]
    assert [(finding.state, finding.advice.split(":")[0]) for finding in found] == [
        ("problem", "copy them back from a copy of data/"),
        ("problem", "btfer crop"),
    ]
    assert words_finding(workspace) == Finding("queries", "ok", "en, es, fr, pt")
    spanish = workspace.root / "queries" / "es.yaml"
    spanish.write_text("phrase: [")
    assert (words_finding(workspace).state, str(spanish) in words_finding(workspace).found) == (
        "problem",
        True,
    )
    for file in workspace.root.glob("queries/*.yaml"):
        file.unlink()
    assert words_finding(workspace).state == "note"


@pytest.mark.usefixtures("no_libraries")
def test_python_gets_the_findings_as_a_table(workspace, engine):
    with_engine(workspace, address(engine))
    found = bt.open_workspace(workspace.root).doctor().set_index("subject")
    assert found.loc["engine openverse", "state"] == "ok"
    assert set(found["state"]) <= {"ok", "note"}


@pytest.mark.usefixtures("no_libraries")
def test_without_a_workspace_only_the_computer_is_looked_at(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("BTFER_WORKSPACE", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")  # nothing leaves this machine
    _, found, _ = doctor()
    assert "disk" in found
    assert not {"settings", "catalog"} & found.keys()
    assert list(tmp_path.iterdir()) == []
    done = CliRunner().invoke(main, ["doctor", "-w", "nowhere"])
    assert (done.exit_code, "is not a workspace" in done.stderr) == (1, True)
    shown = CliRunner().invoke(main, ["doctor"]).stdout
    assert "\n                           → check the connection" in shown
