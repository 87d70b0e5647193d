"""A workspace with pictures to review, and real servers over it."""

import copy
import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from btfer_builder.review.app import create_app
from btfer_builder.workspace import Workspace, create_workspace
from tests.factories import Filled, fill_catalog
from tests.review.browser import Chromium

TOKEN = "correct-horse-battery-staple"


@dataclass
class Server:
    """A running review page."""

    url: str
    token: str
    client: httpx.Client

    def get(self, path: str, **params: object) -> dict:
        answer = self.client.get(path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def decide(self, item_id: str, verdict: str, kind: str = "face", **more: object) -> httpx.Response:
        body = {"item_id": item_id, "kind": kind, "verdict": verdict, **more}
        return self.client.post("/api/decisions", json=body)

    def undo(self, round_name: str = "faces", **more: object) -> dict:
        answer = self.client.post("/api/undo", json={"round": round_name, **more})
        assert answer.status_code == 200, answer.text
        return answer.json()

    def decisions(self, round_name: str = "faces") -> dict[str, dict | None]:
        return {item["item_id"]: item["my"] for item in self.get("/api/items", round=round_name)["items"]}


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    with Chromium(tmp_path_factory.mktemp("chromium") / "profile") as chromium:
        yield chromium


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path / "set")


@pytest.fixture(scope="session")
def fill(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Workspace, int], Filled]:
    """Fill an empty workspace; each size is made once and then copied."""
    made: dict[int, tuple[Path, Filled]] = {}

    def fill(workspace: Workspace, per_emotion: int) -> Filled:
        if per_emotion not in made:
            first = create_workspace(tmp_path_factory.mktemp("filled") / "set")
            made[per_emotion] = first.root, fill_catalog(first, per_emotion=per_emotion, conflicts=1)
            first.catalog.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            first.catalog.connection.close()
        root, filled = made[per_emotion]
        shutil.copytree(root, workspace.root, dirs_exist_ok=True)
        return copy.deepcopy(filled)

    return fill


@pytest.fixture
def filled(workspace: Workspace, fill: Callable[[Workspace, int], Filled]) -> Filled:
    return fill(workspace, 3)


@pytest.fixture
def start(workspace: Workspace) -> Iterator[Callable[..., Server]]:
    """Start a server for a reviewer on a free port."""
    with ExitStack() as stack:
        yield lambda reviewer="ana", **options: stack.enter_context(running(workspace, reviewer, **options))


@pytest.fixture
def server(start: Callable[..., Server], filled: Filled) -> Server:
    return start()


@contextmanager
def running(workspace: Workspace, reviewer: str, **options: object) -> Iterator[Server]:
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as serve() has it
    port = listener.getsockname()[1]
    app = create_app(workspace, reviewer, TOKEN, [f"127.0.0.1:{port}", "localhost"], **options)
    runner = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=runner.run, kwargs={"sockets": [listener]})
    thread.start()
    while not runner.started:
        time.sleep(0.005)
    url = f"http://127.0.0.1:{port}"
    try:
        with httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30, trust_env=False
        ) as client:
            yield Server(url, TOKEN, client)
    finally:
        runner.should_exit = True
        thread.join()
        listener.close()
