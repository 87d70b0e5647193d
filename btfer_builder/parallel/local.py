"""Run a function over shards in a pool of processes, and recover from workers that die."""

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.context import SpawnContext, SpawnProcess
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from btfer_builder.errors import BtferError
from btfer_builder.parallel.base import CRASHED, Crashed

Item = TypeVar("Item")
Result = TypeVar("Result")


def map_in_pool(
    workers: int, function: Callable[[Sequence[Item]], list[Result]], shards: Sequence[Sequence[Item]]
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

    Raises
    ------
    BtferError
        If no worker can be started.
    """
    queue = deque(shards)
    while queue:
        running: dict[Future[list[Result]], Sequence[Item]] = {}
        pool = _pool(workers)
        try:
            while queue or running:
                while queue and len(running) < workers * 2:
                    running[pool.submit(function, queue[0])] = queue[0]
                    queue.popleft()  # after `submit`, which raises if the pool has broken
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    results = future.result()
                    yield list(zip(running.pop(future), results, strict=True))
        except BrokenProcessPool:
            for suspect in running.values():
                yield from _narrow_down(function, suspect)
        finally:
            pool.shutdown(cancel_futures=True)


def _narrow_down(
    function: Callable[[Sequence[Item]], list[Result]], shard: Sequence[Item]
) -> Iterator[list[tuple[Item, Result | Crashed]]]:
    """Run a shard alone; if it kills its worker, halve it until a single item is left."""
    with _pool(1) as pool:
        try:
            pool.submit(os.getpid).result()
        except BrokenProcessPool:
            raise BtferError(
                "worker processes die at startup, perhaps for lack of memory; set workers = 0"
            ) from None
        try:
            results = pool.submit(function, shard).result()
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


def _pool(workers: int) -> ProcessPoolExecutor:
    return ProcessPoolExecutor(workers, mp_context=_Context(), initializer=_start_worker)


def _start_worker() -> None:
    """Ignore Ctrl-C, which the parent handles, and exit with the parent: a worker would otherwise wait forever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def die_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=die_with_parent, daemon=True).start()
