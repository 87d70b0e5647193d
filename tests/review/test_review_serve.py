"""The server as a process: it tells its address, stops quietly, and survives being killed."""

import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import httpx
import pytest

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.review import last_words
from btfer_builder.errors import BtferError
from btfer_builder.recipe import ReviewRecipe
from btfer_builder.review.serve import serve

PROGRAM = """
import sys
from pathlib import Path
from btfer_builder.recipe import ReviewRecipe
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
        word = last_words(Catalog(workspace.catalog.path), "face", "ana")[face_id]
        assert (word.decision_id, word.decision.emotion) == (answer.json()["decision_id"], "sad")


def test_a_taken_port_is_named(workspace):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(BtferError, match=rf"port {port} .*taken.*--port 0"):
            serve(workspace, ReviewRecipe(reviewer="ana", port=port), round_name="faces", on_ready=print)


def test_only_this_computer_is_listened_to(workspace, filled):
    with served(workspace) as (_, url):
        port = httpx.URL(url).port
        with pytest.raises(OSError, match="refused"):
            socket.create_connection(("127.0.0.2", port), timeout=5)
