"""The real `btfer crawl`: killed, interrupted, on a full disk; afterwards it goes on as if nothing had been."""

import hashlib
import json
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from btfer_builder.catalog.funnel import funnel
from btfer_builder.workspace import Workspace, create_workspace
from tests.crawl.crawl_web import Web, serve

BTFER = [sys.executable, "-m", "btfer_builder"]
#: Three searches.
ASK = [
    "--language", "en", "--emotion", "happy", "--ethnicity", "latino", "--gender", "female",
    "--age", "adult", "--per-query", "30", "--query-delay", "0", "--allow-private-hosts",
]  # fmt: skip


def found_for(query: str) -> list[str]:
    """Give every phrase 25 results: its own, some that all phrases share, one gone, and one picture twice."""
    own = hashlib.sha256(query.encode()).hexdigest()[:4]
    paths = [f"/{own}-{n}.{suffix}" for n in range(5) for suffix in ("jpg", "png", "webp")]
    return [*paths, f"{paths[0]}?again", f"/404/{own}", "/page", *(f"/shared-{n}.png" for n in range(7))]


@pytest.fixture(scope="module")
def whole_web() -> Iterator[Web]:
    with serve() as web:
        yield web


def behave(web: Web) -> None:
    web.release = threading.Event()
    web.found_for, web.on_picture, web.engine_fault = found_for, lambda _number: None, {}


@pytest.fixture
def web(whole_web) -> Iterator[Web]:
    """Have the module's web behave; its address, which is in every catalog, stays the same."""
    behave(whole_web)
    yield whole_web
    whole_web.release.set()


def command(web: Web, workspace: Workspace, *more: str) -> list[str]:
    return [
        *BTFER,
        "crawl",
        "-w",
        str(workspace.root),
        "--engine",
        "bing",
        "--engine-url",
        f"bing={web.search_url}",
        *ASK,
        *more,
    ]


def start(web: Web, workspace: Workspace, *more: str, **options) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command(web, workspace, *more), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )


def crawl(web: Web, workspace: Workspace, *more: str, **options) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(web, workspace, *more), capture_output=True, text=True, check=False, **options
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """Return the one line that says what is wrong."""
    lines = [line for line in done.stderr.splitlines() if "Error" in line]
    assert len(lines) == 1, done.stderr
    return lines[0]


def everything(workspace: Workspace) -> dict[str, object]:
    """Return what a crawl leaves behind, but for the moments at which it happened."""
    tables = {
        table: [tuple(row[name] for name in dict(row) if name != "fetched_at") for row in
                workspace.catalog.rows(f"SELECT * FROM {table} ORDER BY 1")]
        for table in ("searches", "candidates", "images", "fetches")
    }  # fmt: skip
    images = workspace.data / "images"
    tables["files"] = {
        str(path.relative_to(images)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(images.rglob("*"))
        if path.is_file()
    }
    assert all(Path(name).stem == digest for name, digest in tables["files"].items()), "no half of a file"
    return tables


def parts(workspace: Workspace) -> list[Path]:
    return list((workspace.data / "images").glob(".*.part"))


@pytest.fixture(scope="module")
def undisturbed(whole_web, tmp_path_factory) -> dict[str, object]:
    """Return what a crawl leaves that nobody disturbs."""
    behave(whole_web)  # it may be made after a test that had the web misbehave
    workspace = create_workspace(tmp_path_factory.mktemp("crawl") / "undisturbed")
    done = crawl(whole_web, workspace, "--json")
    assert done.returncode == 0
    return {"catalog": everything(workspace), "stdout": done.stdout}


def hold(web: Web, number: int) -> threading.Event:
    """Hold back the picture of this number, counted from now; return what is set when it is asked for."""
    reached, release, base = threading.Event(), web.release, web.pictures

    def wait(picture: int) -> None:
        if picture - base == number:
            reached.set()
            release.wait(20)

    web.on_picture = wait
    return reached


@pytest.mark.parametrize("number", [1, 30])
def test_a_killed_crawl_goes_on_as_if_it_had_not_been(web, workspace, undisturbed, number):
    reached = hold(web, number)
    process = start(web, workspace)
    assert reached.wait(20)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    web.on_picture = lambda _number: None
    assert crawl(web, workspace).returncode == 0
    assert everything(workspace) == undisturbed["catalog"]
    assert parts(workspace) == []


@pytest.mark.parametrize("hanging", ["pictures", "engine"])
def test_an_interrupted_crawl_ends_at_once_and_keeps_what_it_has(web, workspace, undisturbed, hanging):
    searched = len(web.searched)
    if hanging == "pictures":
        reached: Callable[[], bool] = hold(web, 30).is_set
    else:
        web.found_for = lambda query: found_for(query) if len(web.searched) < searched + 3 else _hang(web)
        reached = lambda: len(web.searched) >= searched + 3  # noqa: E731
    # A shell that runs the tests in the background has its programs ignore SIGINT.
    process = start(web, workspace, preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    _wait_for(reached)
    time.sleep(0.8)  # what was fetched is committed twice a second
    interrupted = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=20)
    assert time.monotonic() - interrupted < 4
    assert process.returncode not in {0, -signal.SIGINT}
    assert "Traceback" not in stderr, stderr
    assert "Aborted!" in stderr
    assert len(workspace.catalog.rows("SELECT * FROM fetches")) >= 20
    assert workspace.catalog.value("SELECT outcome FROM runs") == "interrupted"
    assert workspace.catalog.rows("SELECT * FROM searches WHERE error IS NOT NULL") == []
    assert parts(workspace) == []
    web.found_for, web.on_picture = found_for, lambda _number: None
    assert crawl(web, workspace).returncode == 0
    assert everything(workspace) == undisturbed["catalog"]


def _hang(web: Web) -> list[str]:
    web.release.wait(20)
    return []


def _wait_for(reached: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not reached():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_file_that_does_not_fit_on_the_disk_is_one_line_and_loses_nothing(web, workspace):
    """A limit on file sizes stands for the full disk: the same call fails, and only for the large picture."""
    web.found_for = lambda query: [*found_for(query), "/sized/4000000.png"]
    limited = crawl(
        web, workspace, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (3_000_000, 3_000_000))
    )
    assert limited.returncode == 1
    assert "data/images: cannot be written: File too large" in one_line(limited)
    assert "crawl again to continue" in one_line(limited)
    assert parts(workspace) == []
    assert workspace.catalog.value("SELECT outcome FROM runs") == "failed"
    assert crawl(web, workspace).returncode == 0
    stage = funnel(workspace.catalog)[0]
    assert (stage.kept, stage.waiting) == (3 * 15 + 7 + 1, 0)
    assert len(everything(workspace)["files"]) == stage.kept


@pytest.fixture
def small_disk(tmp_path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Return a function that runs a shell script whose folder `disk` is a small file system of its own."""
    (tmp_path / "disk").mkdir()

    def run(script: str) -> subprocess.CompletedProcess[str]:
        mount = "mount -t tmpfs -o size=6m none disk"
        return subprocess.run(
            ["unshare", "--map-root-user", "--mount", "sh", "-euc", f"{mount}; {script}"],
            cwd=tmp_path, capture_output=True, text=True, check=False,
        )  # fmt: skip

    if not shutil.which("unshare") or run("true").returncode:
        pytest.skip("this system gives no file systems to tests")
    return run


def test_a_full_disk_is_one_line_and_loses_nothing(web, tmp_path, undisturbed, small_disk):
    web.found_for = lambda query: [*found_for(query), *(f"/sized/{60_000 + 999 * n}.png" for n in range(60))]
    workspace = create_workspace(tmp_path / "disk-copy")
    shell = " ".join(command(web, Workspace(tmp_path / "disk"), "--per-query", "90"))
    done = small_disk(f"""
        cp -r disk-copy/. disk
        {shell} >out1 2>err1 && exit 9 || echo $? >code1
        cp -r disk disk-full
        mount -o remount,size=100m none disk
        {shell} >out2 2>err2
        cp -r disk/. disk-copy
        """)
    assert done.returncode == 0, done.stderr
    first = subprocess.CompletedProcess(
        "", int((tmp_path / "code1").read_text()), "", (tmp_path / "err1").read_text()
    )
    assert first.returncode == 1
    assert "Traceback" not in first.stderr, first.stderr
    assert "space" in one_line(first) or "full" in one_line(first)
    full = Workspace(tmp_path / "disk-full")
    assert parts(full) == []
    before, after = everything(full), everything(workspace)
    assert before["files"].items() <= after["files"].items()
    assert set(before["fetches"]) <= set(after["fetches"]), "what was committed stays as it was"
    assert len(before["fetches"]) > 0
    assert funnel(workspace.catalog)[0].waiting == 0


def test_files_without_a_place_are_deleted_and_fetched_again(web, workspace):
    assert crawl(web, workspace, "--per-query", "1").returncode == 0
    shards = [workspace.data / "images" / f"{number:02x}" for number in range(256)]
    blocked = [path for path in shards if not path.exists()]
    for path in blocked:
        path.write_bytes(b"")  # where the folder of new images belongs
    done = crawl(web, workspace)
    assert done.returncode == 1
    assert "crawl again to continue" in one_line(done)
    assert parts(workspace) == []
    for path in blocked:
        path.unlink(missing_ok=True)
    assert crawl(web, workspace).returncode == 0
    assert funnel(workspace.catalog)[0].kept == 3 * 15 + 7


def test_an_engine_in_another_form_is_one_line_and_exit_1(web, workspace):
    web.engine_fault = {None: "form"}
    done = crawl(web, workspace, "--json")
    assert done.returncode == 1
    assert "no result could be parsed" in one_line(done)
    (stage,) = json.loads(done.stdout)["stages"]
    assert (stage["in"], stage["kept"], stage["waiting"]) == (0, 0, 0)


def test_json_is_all_of_stdout(undisturbed):
    (stage,) = json.loads(undisturbed["stdout"])["stages"]
    assert stage["in"] == stage["kept"] + sum(stage["dropped"].values()) == 3 * 25
    assert stage["kept"] == 3 * 15 + 7
    assert stage["dropped"] == {"same_url": 2 * 8, "not_found": 3, "same_bytes": 3, "not_an_image": 1}
