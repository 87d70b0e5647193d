"""Serve the review page on this computer until somebody stops it."""

import errno
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import uvicorn

from btfer_builder.errors import BtferError
from btfer_builder.recipe import ReviewRecipe
from btfer_builder.review.app import create_app
from btfer_builder.review.decisions import reviewer_name
from btfer_builder.review.rounds import RoundName
from btfer_builder.workspace import Workspace

#: Only this computer can reach the page; from another one, through an SSH tunnel.
HOST = "127.0.0.1"


def serve(
    workspace: Workspace, recipe: ReviewRecipe, *, round_name: RoundName, on_ready: Callable[[str], None]
) -> None:
    """Serve the review page until Ctrl-C or SIGTERM.

    Parameters
    ----------
    workspace
        Whose items are reviewed.
    recipe
        Who reviews, and the port; 0 takes a free one.
    round_name
        The round the page opens with.
    on_ready
        Called with the address to open, token included, as soon as it answers.

    Raises
    ------
    BtferError
        If the port cannot be had.
    """
    token = secrets.token_urlsafe(24)
    listener = _listen(recipe.port)
    with listener:
        port = listener.getsockname()[1]
        app = create_app(workspace, reviewer_name(recipe), token, [f"{HOST}:{port}", "localhost"])
        config = uvicorn.Config(
            app,
            access_log=False,  # its lines would show the token
            log_level="error",
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=5,
        )
        url = f"http://{HOST}:{port}/?{urlencode({'token': token, 'round': round_name})}"
        with _quiet_signals():
            _Server(config, lambda: on_ready(url)).run(sockets=[listener])


class _Server(uvicorn.Server):
    """A server that tells when it listens."""

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.on_ready = on_ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_ready()


def _listen(port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart need not wait for the old port
    try:
        listener.bind((HOST, port))
        listener.listen(128)  # from here on the port is ours: uvicorn itself would find out too late
    except OSError as problem:
        listener.close()
        why = "taken by another program" if problem.errno == errno.EADDRINUSE else problem.strerror
        raise BtferError(f"port {port} of {HOST}: {why}; use --port 0 for a free one") from None
    return listener


@contextmanager
def _quiet_signals() -> Iterator[None]:
    """Let a stop be an ordinary return: uvicorn ends by raising again the signal that stopped it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, _ignore) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _ignore(*_: object) -> None:
    pass
