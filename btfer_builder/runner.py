"""Map a function over items in shards: here, in a pool that survives a worker's death, or on a cluster."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Generic, TypeVar

from btfer_builder.errors import BtferError
from btfer_builder.storage import Root

Item = TypeVar("Item")
Result = TypeVar("Result")


class Crashed:
    """What stands in the place of a result when working on the item killed the worker."""


CRASHED = Crashed()


@dataclass(frozen=True)
class Runner(Generic[Item, Result]):
    """The only concurrency for CPU work.

    Parameters
    ----------
    workers
        Processes; 0 works in this process (a decoder that crashes then takes the command with it).
    shard_size
        Items a worker gets at a time, and so what is committed at a time.
    scheduler
        Address of a Dask cluster that works in the place of this machine's processes; empty for none.
    root
        What the paths in the items are relative to, which a cluster must see, too; None leaves that to the items.
    """

    workers: int
    shard_size: int = 16
    scheduler: str = ""
    root: Root | None = None

    def map(
        self, function: Callable[[Sequence[Item]], list[Result]], items: Sequence[Item]
    ) -> Iterator[list[tuple[Item, Result | Crashed]]]:
        """Yield the results of each shard as it is done, in no particular order.

        A worker that dies takes nothing along: the shards then under way are worked on again one by one, the one
        that kills again is halved down to the guilty item, and that item's result is `CRASHED`.

        Parameters
        ----------
        function
            Importable and pure: a shard of items in, one result for each out; files may be written, atomically.
        items
            Picklable items.

        Raises
        ------
        BtferError
            If no worker can be started at all, or the cluster cannot be used.
        """
        shards = [items[i : i + self.shard_size] for i in range(0, len(items), self.shard_size)]
        if self.scheduler:
            from btfer_builder.cluster import map_on_cluster

            yield from map_on_cluster(self.scheduler, function, shards, self.root)
            return
        if self.workers == 0:
            for shard in shards:
                yield list(zip(shard, function(shard), strict=True))
            return
        queue = deque(shards)
        while queue:
            under_way: dict[Future[list[Result]], Sequence[Item]] = {}
            pool = _pool(self.workers)
            try:
                while queue or under_way:
                    while queue and len(under_way) < self.workers * 2:
                        under_way[pool.submit(function, queue[0])] = queue[0]
                        queue.popleft()  # only now: a pool that broke meanwhile refuses the shard
                    for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                        results = future.result()
                        yield list(zip(under_way.pop(future), results, strict=True))
            except BrokenProcessPool:
                for suspect in under_way.values():
                    yield from self._narrow_down(function, suspect)
            finally:
                pool.shutdown(cancel_futures=True)

    def _narrow_down(
        self, function: Callable[[Sequence[Item]], list[Result]], shard: Sequence[Item]
    ) -> Iterator[list[tuple[Item, Result | Crashed]]]:
        """Work on a shard alone; if it kills its worker, halve it until only the guilty item is left."""
        with _pool(1) as pool:
            try:
                pool.submit(os.getpid).result()
            except BrokenProcessPool:
                raise BtferError(
                    "worker processes die as they start; a script that calls this needs "
                    '`if __name__ == "__main__":`, or work without them: workers = 0'
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
            yield from self._narrow_down(function, shard[:half])
            yield from self._narrow_down(function, shard[half:])


def _pool(workers: int) -> ProcessPoolExecutor:
    # spawn: a forked copy of a process with threads (SQLite, progress bars) can hang.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker)


def _start_worker() -> None:
    """Leave Ctrl-C to the parent, and die with it: a worker whose parent was killed would wait for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()

    def die_with_parent() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=die_with_parent, daemon=True).start()
