"""Run a function over shards on an existing Dask cluster, with the guarantees of the local pool."""

import logging
import re
import secrets
import socket
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

from btfer_builder import __version__
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.storage import File, Root
from btfer_builder.parallel.base import CRASHED, Crashed

if TYPE_CHECKING:
    from distributed import Client, Future

Item = TypeVar("Item")
Result = TypeVar("Result")

#: Seconds that a cluster may have no worker, so that workers that died can be restarted.
PATIENCE = 60.0

_GONE = "the connection to the Dask scheduler was lost; run it again, nothing done is lost"


def map_on_cluster(
    scheduler: str,
    function: Callable[[Sequence[Item]], list[Result]],
    shards: Sequence[Sequence[Item]],
    root: Root | None,
) -> Iterator[list[tuple[Item, Result | Crashed]]]:
    """Yield the results of each shard as it is done, in no particular order.

    Dask gives the tasks of a worker that died to another worker. A shard that exceeds Dask's `allowed-failures` is run
    alone after all others, and halved until a single item is left, whose result is `CRASHED`.

    Parameters
    ----------
    scheduler
        Address, `tcp://HOST:PORT`.
    function
        As in `Runner.map`; all workers need the same version of btfer.
    shards
        The items of each task.
    root
        The folder or storage of the images, which all workers must see; None skips the check.

    Raises
    ------
    BtferError
        If no scheduler answers, a worker has another version of btfer or does not see `root`, or there are no workers.
    """
    if not shards:
        return
    with _client(scheduler) as client, _token(root) as token:
        task = partial(_work, function, token, __version__)
        waiting, suspects = deque(shards), []
        running: dict[Future, Sequence[Item]] = {}
        finished: SimpleQueue[Future] = SimpleQueue()
        while waiting or running:
            room = 2 * max(1, sum(client.nthreads().values()))
            while waiting and len(running) < room:
                shard = waiting.popleft()
                running[_submit(client, task, shard, finished)] = shard
            future = _next(client, finished)
            shard = running.pop(future)
            results = _results(future)
            if results is None:
                suspects.append(shard)
            else:
                yield list(zip(shard, results, strict=True))
        for shard in suspects:
            yield from _narrow_down(client, task, shard)


def _narrow_down(
    client: "Client", task: Callable[[Sequence[Item]], list[Result]], shard: Sequence[Item]
) -> Iterator[list[tuple[Item, Result | Crashed]]]:
    """Run a shard alone; if it kills its workers, halve it until a single item is left."""
    finished: SimpleQueue[Future] = SimpleQueue()
    future = _submit(client, task, shard, finished)  # keep a reference: Dask drops tasks without futures
    _next(client, finished)
    results: list[Result] | None = _results(future)
    if results is not None:
        yield list(zip(shard, results, strict=True))
    elif len(shard) == 1:
        yield [(shard[0], CRASHED)]
    else:
        half = len(shard) // 2
        yield from _narrow_down(client, task, shard[:half])
        yield from _narrow_down(client, task, shard[half:])


def _work(
    function: Callable[[Sequence[Item]], list[Result]],
    token: File | None,
    version: str,
    shard: Sequence[Item],
) -> list[Result]:
    """Run the function on a worker, after checking its version of btfer and that it sees the images."""
    if version != __version__:
        raise BtferError(
            f"the worker on {socket.gethostname()} has btfer {__version__}, not {version}; install the same"
        )
    if token is not None and not token.is_file():
        raise BtferError(
            f"the worker on {socket.gethostname()} does not see {token}; a cluster needs the images "
            "on storage that all its machines see under the same path or address"
        )
    return function(shard)


def _submit(
    client: "Client",
    task: Callable[[Sequence[Item]], list[Result]],
    shard: Sequence[Item],
    finished: "SimpleQueue[Future]",
) -> "Future":
    future = client.submit(task, shard, pure=False)
    future.add_done_callback(finished.put)
    return future


def _next(client: "Client", finished: "SimpleQueue[Future]") -> "Future":
    """Wait until a task succeeds or fails, and return its future."""
    idle_since = None
    while True:
        try:
            return finished.get(timeout=2)
        except Empty:
            if client.status != "running":
                raise BtferError(_GONE) from None
            if client.nthreads():
                idle_since = None
            elif idle_since is None:
                idle_since = time.monotonic()
            elif time.monotonic() - idle_since > PATIENCE:
                raise BtferError(
                    f"the Dask cluster has had no worker for {PATIENCE:.0f} s; start workers (dask worker) and run it "
                    "again, nothing done is lost"
                ) from None


def _results(future: "Future") -> Any:  # noqa: ANN401 - whatever the function returns
    """Return a task's results, or None if it killed its workers."""
    from distributed import CancelledError, KilledWorker

    try:
        return future.result()
    except KilledWorker:
        return None
    except CancelledError:
        raise BtferError(_GONE) from None
    except ModuleNotFoundError as error:
        raise BtferError(
            f"a worker of the Dask cluster has no {error.name}; install btfer-builder there"
        ) from None


@contextmanager
def _client(scheduler: str) -> "Iterator[Client]":
    try:
        from distributed import Client
    except ModuleNotFoundError:
        raise BtferError("a Dask cluster needs more packages: pip install '.[dask]'") from None
    if not re.fullmatch(r"[a-z]+://\S+|[^\s/:]+:\d+", scheduler):
        raise BtferError(
            f"--scheduler {scheduler!r}: expected the address of a Dask scheduler, as tcp://HOST:8786"
        )
    # Dask logs every worker that dies; the results show what that means.
    logging.getLogger("distributed").setLevel(logging.CRITICAL)
    try:
        client = Client(scheduler, timeout=5, set_as_default=False)
    except (OSError, ValueError) as error:
        raise BtferError(
            f"{scheduler}: no Dask scheduler answers there ({error}); start one with: dask scheduler"
        ) from None
    try:
        yield client
    finally:
        client.close()  # cancels unfinished tasks


@contextmanager
def _token(root: Root | None) -> Iterator[File | None]:
    """Create a temporary file below `root`: a worker that sees the file sees the same folder."""
    if root is None:
        yield None
        return
    token = root / f"data/images/.cluster-{secrets.token_hex(8)}"
    write_bytes(token, b"")
    try:
        yield token
    finally:
        token.unlink(missing_ok=True)
