"""Run a function over shards in a pool of processes, and recover from workers that die."""

import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from types import FrameType
from typing import Any, TypeVar

from btfer_builder.errors import BtferError
from btfer_builder.parallel.base import CRASHED, Crashed

Item = TypeVar("Item")
Result = TypeVar("Result")
Value = TypeVar("Value")

#: Seconds in which a worker may finish its items when the command is interrupted.
GRACE = 0.5

#: Seconds in which a worker that is ended removes its temporary files.
_CLEAN_UP = 1.0

#: Seconds between looks at the event that stops the work.
_POLL = 0.1


class _Stopped(Exception):
    """The event that stops the work is set."""


def map_in_pool(
    workers: int,
    function: Callable[[Sequence[Item]], list[Result]],
    shards: Sequence[Sequence[Item]],
    stop: threading.Event | None = None,
) -> Iterator[list[tuple[Item, Result | Crashed]]]:
    """Yield the results of each shard as it is done, in no particular order.

    If a worker dies, the unfinished shards are run again one by one. A shard that kills its worker again is halved
    until a single item is left, whose result is `CRASHED`.

    Parameters
    ----------
    workers
        Number of processes, at least 1.
    function
        As in `Runner.map`.
    shards
        The items that a worker gets at a time.
    stop
        As in `Runner.map`.

    Raises
    ------
    BtferError
        If no worker can be started.
    """
    queue = deque(shards)
    while queue:
        running: dict[Future[list[Result]], Sequence[Item]] = {}
        broken = False
        with _pool(workers) as pool:
            try:
                while queue or running:
                    while queue and len(running) < workers * 2:
                        running[_submit(pool, function, queue[0])] = queue[0]
                        queue.popleft()  # after `submit`, which raises if the pool has broken
                    for future in wait(running, _POLL if stop else None, FIRST_COMPLETED).done:
                        results = future.result()
                        yield list(zip(running.pop(future), results, strict=True))
                    if stop and stop.is_set():
                        raise _Stopped
            except BrokenProcessPool:
                broken = True
            except _Stopped:
                _end(pool)
                return
        if broken:
            for suspect in running.values():
                yield from _narrow_down(function, suspect)


def _narrow_down(
    function: Callable[[Sequence[Item]], list[Result]], shard: Sequence[Item]
) -> Iterator[list[tuple[Item, Result | Crashed]]]:
    """Run a shard alone; if it kills its worker, halve it until a single item is left."""
    with _pool(1) as pool:
        try:
            _submit(pool, os.getpid).result()
        except BrokenProcessPool:
            raise BtferError(
                "worker processes die at startup, perhaps for lack of memory; set workers = 0"
            ) from None
        try:
            results = _submit(pool, function, shard).result()
        except BrokenProcessPool:
            results = None
    if results is not None:
        yield list(zip(shard, results, strict=True))
    elif len(shard) == 1:
        yield [(shard[0], CRASHED)]
    else:
        half = len(shard) // 2
        yield from _narrow_down(function, shard[:half])
        yield from _narrow_down(function, shard[half:])


#: Held while the main module is without its name: two threads may start workers at once.
_HIDING = threading.Lock()


class _Worker(SpawnProcess):
    """A process that does not import the script of its parent, whose functions it does not need.

    Otherwise a script without `if __name__ == "__main__":` would run again in every worker.
    """

    @staticmethod
    def _Popen(process_obj: BaseProcess) -> Any:  # noqa: ANN401 - the name and the type of multiprocessing
        main = sys.modules["__main__"].__dict__
        with _HIDING:
            hidden: dict[str, Any] = {
                name: main.pop(name) for name in ("__file__", "__spec__") if name in main
            }
            main["__spec__"] = None  # of a module without a name, as in an interactive session
            try:
                return SpawnProcess._Popen(process_obj)
            finally:
                main.update(hidden)


class _Context(SpawnContext):
    # Not fork: a forked copy of a process with threads (SQLite, progress bars) can hang.
    Process = _Worker


@contextmanager
def _pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """Start a pool; if the block is left by an exception, workers get `GRACE` seconds to finish and are then ended."""
    with _signals_later():
        pool = ProcessPoolExecutor(workers, mp_context=_Context(), initializer=_start_worker)
    try:
        yield pool
    except BaseException:
        _end(pool)
        raise
    finally:
        pool.shutdown(cancel_futures=True)


def _end(pool: ProcessPoolExecutor) -> None:
    """Give the workers `GRACE` seconds to finish their items, then end them."""
    processes = list((pool._processes or {}).values())  # there is no public way to them before Python 3.14
    pool.shutdown(wait=False, cancel_futures=True)
    deadline = time.monotonic() + GRACE
    for process in processes:
        process.join(max(0.0, deadline - time.monotonic()))
        if process.is_alive():
            process.terminate()


def _submit(pool: ProcessPoolExecutor, function: Callable[..., Value], *arguments: object) -> "Future[Value]":
    with _signals_later():  # a worker is started here
        return pool.submit(function, *arguments)


@contextmanager
def _signals_later() -> Iterator[None]:
    """Deliver Ctrl-C and SIGTERM after the block: interrupted half-way, a start would leave semaphores behind.

    Workers inherit that, so that Ctrl-C, which a terminal sends to all, ends none of them while it starts.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _start_worker() -> None:
    """Ignore Ctrl-C, which the parent handles, and exit with the parent: a worker would otherwise wait forever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if "fork" in multiprocessing.get_all_start_methods():
        # Locks that libraries make (tqdm, Keras) then have no name, which a worker that is ended would leave behind.
        multiprocessing.set_start_method("fork", force=True)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGTERM})  # there is nothing to clean up yet
    parent = multiprocessing.parent_process()

    def die_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=die_with_parent, daemon=True).start()
    signal.signal(signal.SIGTERM, _end_worker)


def _end_worker(number: int, _frame: FrameType | None) -> None:
    """Leave whatever the worker does by an exception, which removes temporary files, and exit in any case."""
    timer = threading.Timer(_CLEAN_UP, os._exit, (128 + number,))
    timer.daemon = True
    timer.start()
    sys.exit(128 + number)
