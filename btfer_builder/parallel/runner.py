"""Run a function over many items in this process, in a pool of processes or on a Dask cluster."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from btfer_builder.io.storage import Root
from btfer_builder.parallel.base import Crashed
from btfer_builder.parallel.local import map_in_pool

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Runner(Generic[Item, Result]):
    """Runs CPU-bound functions in parallel.

    Parameters
    ----------
    workers
        Number of processes; 0 works in this process, where a crash of a decoder ends the command.
    shard_size
        Number of items that a worker gets, and that are committed, at a time.
    scheduler
        Address of a Dask cluster to use instead of processes; empty for none.
    root
        The folder or storage of the files, which the workers of a cluster must see; None skips the check.
    """

    workers: int
    shard_size: int = 16
    scheduler: str = ""
    root: Root | None = None

    def map(
        self,
        function: Callable[[Sequence[Item]], list[Result]],
        items: Sequence[Item],
        *,
        stop: threading.Event | None = None,
    ) -> Iterator[list[tuple[Item, Result | Crashed]]]:
        """Yield the results of each shard as it is done, in no particular order.

        If a worker dies, the unfinished shards are run again one by one. A shard that kills its worker again is halved
        until a single item is left, whose result is `CRASHED`.

        Parameters
        ----------
        function
            An importable function that takes a shard of items and returns one result for each. It may write files
            atomically but has no other side effects.
        items
            Picklable items.
        stop
            Ends the work early when it is set, also from another thread; only in a pool of processes.

        Raises
        ------
        BtferError
            If no worker can be started, or the cluster cannot be used.
        """
        shards = [items[i : i + self.shard_size] for i in range(0, len(items), self.shard_size)]
        if self.scheduler:
            from btfer_builder.parallel.dask import map_on_cluster

            yield from map_on_cluster(self.scheduler, function, shards, self.root)
            return
        if self.workers == 0:
            for shard in shards:
                yield list(zip(shard, function(shard), strict=True))
            return
        yield from map_in_pool(self.workers, function, shards, stop)
