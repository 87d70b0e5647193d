"""Serve the review page until it is stopped."""

import errno
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from urllib.parse import urlencode

import uvicorn

from btfer_builder.config import ReviewRecipe
from btfer_builder.errors import BtferError
from btfer_builder.records import Kind
from btfer_builder.review.app import create_app
from btfer_builder.review.assignment import check_assigned
from btfer_builder.review.prepare_thumbnails import thumbnails_in_background
from btfer_builder.review.reviewers import reviewer_name, settle_names
from btfer_builder.review.session import RoundName
from btfer_builder.workspace import Workspace

#: Addresses that only this computer can reach; other computers need an SSH tunnel.
LOOPBACK = ("127.0.0.1", "localhost", "::1")

#: How long open requests may take after Ctrl-C; a decision takes milliseconds.
_LAST_SECONDS = 0.2

#: Wildcard addresses: all addresses of this computer.
_ANY = ("0.0.0.0", "::")  # noqa: S104 - named to warn about them


def serve(
    workspace: Workspace,
    recipe: ReviewRecipe,
    *,
    round_name: RoundName,
    on_ready: Callable[[str], None],
    adjudicate: bool = False,
    model: str | None = None,
    wanted: int = 0,
    stop: threading.Event | None = None,
) -> int | None:
    """Serve the review page until Ctrl-C or SIGTERM, whose number is returned, or until `stop` is set.

    Parameters
    ----------
    workspace
        The workspace whose items are reviewed.
    recipe
        Settings of the review; port 0 selects a free port.
    round_name
        The round shown first.
    on_ready
        Called with the address to open, including the token, as soon as the server answers.
    adjudicate
        Show what reviewers disagree on, and record adjudications.
    model
        The name under which the catalog holds a model's predictions, for the order by doubt.
    wanted
        Faces of each emotion that the sample is to have; 0 for those of `btfer.toml`.
    stop
        Ends the server from another thread.

    Raises
    ------
    BtferError
        If the address or port is not available, or no items are assigned to the reviewer.
    """
    recipe = settle_names(workspace.catalog, recipe)
    reviewer, token = reviewer_name(recipe), secrets.token_urlsafe(24)
    check_assigned(reviewer, recipe)
    listener = _listen(recipe.host, recipe.port)
    with listener:
        port = listener.getsockname()[1]
        # A wildcard address is opened by host name; `AuthMiddleware` accepts its IP addresses, too.
        name = socket.gethostname() if recipe.host in _ANY else recipe.host
        app = create_app(
            workspace,
            reviewer,
            token,
            [f"{name}:{port}", f"127.0.0.1:{port}", "localhost"],
            recipe=recipe,
            adjudicate=adjudicate,
            model=model,
            wanted=wanted,
        )
        config = uvicorn.Config(
            app,
            access_log=False,  # it would log the token
            log_level="critical",  # errors are told by the page, never as a traceback
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=_LAST_SECONDS,  # type: ignore[arg-type]  # asyncio takes parts of seconds
        )
        shown = f"[{name}]" if ":" in name else name
        url = f"http://{shown}:{port}/?{urlencode({'token': token, 'round': round_name})}"
        kinds: list[Kind] = ["image", "face"] if round_name == "images" else ["face", "image"]
        with _recorded_signals() as received, thumbnails_in_background(workspace, kinds):
            _Server(config, lambda: on_ready(url), stop).run(sockets=[listener])
        return received[-1] if received else None


class _Server(uvicorn.Server):
    """A server that reports when it is listening, and that another thread can stop."""

    def __init__(
        self, config: uvicorn.Config, on_ready: Callable[[], None], stop: threading.Event | None
    ) -> None:
        super().__init__(config)
        self.on_ready = on_ready
        self.stop = stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.on_ready()

    async def on_tick(self, counter: int) -> bool:
        ends: bool = await super().on_tick(counter)
        return ends or (self.stop is not None and self.stop.is_set())


def _listen(host: str, port: int) -> socket.socket:
    try:
        # With an explicit protocol asyncio sets TCP_NODELAY, and answers are not delayed by 40 ms.
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP
        )[0]
        listener = socket.socket(family, kind, protocol)
    except OSError as problem:
        raise BtferError(
            f"{host}: {problem.strerror}; give an address of this computer with --host"
        ) from None
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a restart can reuse the port at once
    try:
        listener.bind(address)
        listener.listen(128)  # bind here, since uvicorn reports a taken port too late
    except OSError as problem:
        listener.close()
        if problem.errno == errno.EADDRNOTAVAIL:
            raise BtferError(f"{host} is not an address of this computer; give one with --host") from None
        reason = "taken by another program" if problem.errno == errno.EADDRINUSE else problem.strerror
        raise BtferError(f"port {port} of {host}: {reason}; use --port 0 for a free port") from None
    return listener


@contextmanager
def _recorded_signals() -> Iterator[list[int]]:
    """Only record the signal that uvicorn raises again when it ends, so that `serve` returns normally."""
    received: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield received
        return
    before = {
        number: signal.signal(number, lambda number, _: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
