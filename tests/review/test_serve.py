"""The server as a process: it tells its address, stops quietly, and survives being killed."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager

import httpx
import pytest

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.review import current_decisions
from btfer_builder.config import ReviewRecipe
from btfer_builder.errors import BtferError
from btfer_builder.review.serve import serve

PROGRAM = """
import sys
from pathlib import Path
from btfer_builder.config import ReviewRecipe
from btfer_builder.review.serve import serve
from btfer_builder.workspace import Workspace
serve(Workspace(Path(sys.argv[1])), ReviewRecipe(reviewer="ana", port=0), round_name="faces",
      on_ready=lambda url: print(url, flush=True))
print("stopped", flush=True)
"""


@contextmanager
def served(workspace):
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, str(workspace.root)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        url = process.stdout.readline().strip()
        assert url, process.stderr.read()
        yield process, url
    finally:
        process.kill()
        process.communicate()


def test_the_printed_address_opens_the_page(workspace, filled):
    with served(workspace) as (_, url), httpx.Client(follow_redirects=True, trust_env=False) as client:
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/\?token=[\w-]{32}&round=faces", url)
        page = client.get(url)
        assert page.status_code == 200
        assert "token" not in str(page.url)
        assert page.url.params["round"] == "faces"
        assert client.get(page.url.join("/static/review.js")).status_code == 200
        for name in re.findall(r'(?:src|href)="(/static/[^"]+)"', page.text):
            assert client.get(page.url.join(name)).status_code == 200


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_quietly(workspace, filled, stop):
    with served(workspace) as (process, url):
        httpx.get(url, trust_env=False)
        process.send_signal(stop)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "stopped\n", "")


@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_slow_and_vanished_clients_neither_hold_it_up_nor_show(workspace, filled, stop, code):
    process = subprocess.Popen(
        command(workspace, "--json", "--reviewer", "ana"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        url = httpx.URL(json.loads(process.stdout.readline())["url"])
        head = (
            f"POST /api/decisions HTTP/1.1\r\nHost: {url.host}:{url.port}\r\nContent-Length: 999\r\n"
            f"Authorization: Bearer {url.params['token']}\r\nContent-Type: application/json\r\n\r\n{{"
        ).encode()
        slow = [socket.create_connection((url.host, url.port)) for _ in range(4)]
        for client, said in zip(slow, (head, head, b"GET / HT", head), strict=True):
            client.sendall(said)
        slow.pop().close()
        assert httpx.get(url, trust_env=False).status_code == 303
        process.send_signal(stop)
        _, errors = process.communicate(
            timeout=120
        )  # without a limit it would wait for the slow ones for ever
        assert process.returncode == code
        assert "Traceback" not in errors
        assert "Aborted" not in errors  # it is how a review ends
    finally:
        process.kill()


def test_an_acknowledged_decision_survives_kill_9(workspace, filled):
    for face_id in filled.face_ids[:3]:
        with served(workspace) as (process, url):
            token = httpx.URL(url).params["token"]
            answer = httpx.post(
                httpx.URL(url).join("/api/decisions"),
                json={"item_id": face_id, "kind": "face", "verdict": "accept", "emotion": "sad"},
                headers={"Authorization": f"Bearer {token}"},
                trust_env=False,
            )
            process.send_signal(signal.SIGKILL)
            assert answer.status_code == 200
            process.wait()
        word = current_decisions(Catalog(workspace.catalog.path), "face", "ana")[face_id]
        assert (word.decision_id, word.decision.emotion) == (answer.json()["decision_id"], "sad")


def test_a_taken_port_is_named(workspace):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BtferError, match=rf"port {port} .*taken.*--port 0"):
            serve(workspace, ReviewRecipe(reviewer="ana", port=port), round_name="faces", on_ready=print)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "192.0.2.7"])
def test_an_address_that_is_not_this_computers_is_named(workspace, host):
    with pytest.raises(BtferError, match=rf"{host}.*--host"):
        serve(workspace, ReviewRecipe(reviewer="ana", host=host, port=0), round_name="faces", on_ready=print)


def test_who_has_no_share_gets_no_page(workspace):
    with pytest.raises(BtferError, match="not one of the reviewers"):
        serve(workspace, ReviewRecipe(reviewer="ana", reviewers=("bo",)), round_name="faces", on_ready=print)


def command(workspace, *options: str) -> list[str]:
    return [
        sys.executable,
        "-m",
        "btfer_builder",
        "review",
        "-w",
        str(workspace.root),
        "--port",
        "0",
        *options,
    ]


def test_an_open_address_is_warned_of_and_answers_to_numbers_and_its_own_name_only(workspace, filled):
    process = subprocess.Popen(
        command(workspace, "--host", "0.0.0.0", "--json", "--reviewer", "ana"),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        url = httpx.URL(json.loads(process.stdout.readline())["url"])
        assert url.host == socket.gethostname()
        bearer = {"Authorization": f"Bearer {url.params['token']}"}
        for address, host, status in (
            ("127.0.0.1", None, 200),
            ("127.0.0.2", None, 200),  # any number of this computer's
            ("127.0.0.2", f"{socket.gethostname()}:{url.port}", 200),
            ("127.0.0.2", f"rebound.example:{url.port}", 403),
            ("127.0.0.2", f"192.0.2.7:{url.port}", 403),
        ):
            headers = bearer | ({"Host": host} if host else {})
            answer = httpx.get(f"http://{address}:{url.port}/api/progress", headers=headers, trust_env=False)
            assert answer.status_code == status, (address, host)
    finally:
        process.terminate()
        told = process.communicate()[1]
    assert "Warning: 0.0.0.0 can be reached from other computers" in told


def test_blind_excludes_what_would_show_what_it_hides(workspace):
    done = subprocess.run(
        command(workspace, "--blind", "--adjudicate"), capture_output=True, text=True, check=False
    )
    assert (done.returncode, "--blind cannot be used with" in done.stderr) == (2, True)


def test_only_this_computer_is_listened_to(workspace, filled):
    with served(workspace) as (_, url):
        port = httpx.URL(url).port
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port), timeout=5)


@pytest.mark.parametrize("option", [[], ["--no-browser"]])
def test_the_command_opens_the_browser_of_a_terminal(workspace, filled, tmp_path, option):
    opened, browser = tmp_path / "opened", tmp_path / "browser"
    browser.write_text(
        f'#!/bin/sh\necho "$1" > {opened}.part && mv {opened}.part {opened}\n', encoding="utf-8"
    )
    browser.chmod(0o755)
    ours, theirs = pty.openpty()
    command = [
        sys.executable,
        "-m",
        "btfer_builder",
        "review",
        "-w",
        str(workspace.root),
        "--reviewer",
        "ana",
    ]
    process = subprocess.Popen(
        [*command, "--port", "0", *option],
        stdout=theirs, stderr=subprocess.DEVNULL, env=os.environ | {"BROWSER": f"{browser} %s"},
    )  # fmt: skip
    os.close(theirs)
    try:
        printed = b""
        while b"token=" not in printed or not printed.endswith(b"\n"):
            printed += os.read(ours, 1024)
        url = re.search(r"http://\S+", printed.decode())[0]
        if option:
            process.send_signal(signal.SIGINT)
            process.wait()
            assert not opened.exists()
        else:
            while not opened.exists():
                assert process.poll() is None
                time.sleep(0.02)
            assert opened.read_text("utf-8").strip() == url
    finally:
        process.kill()
        process.wait()
        os.close(ours)
