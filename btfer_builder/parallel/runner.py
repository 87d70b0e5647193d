"""The one way to work on many items: how many processes, which cluster, how many items at a time."""

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
            from btfer_builder.parallel.dask import map_on_cluster

            yield from map_on_cluster(self.scheduler, function, shards, self.root)
            return
        if self.workers == 0:
            for shard in shards:
                yield list(zip(shard, function(shard), strict=True))
            return
        yield from map_in_pool(self.workers, function, shards)
