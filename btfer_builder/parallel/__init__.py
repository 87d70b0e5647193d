"""Map a function over items in shards: in this process, in a pool of processes, or on a Dask cluster."""

from btfer_builder.parallel.base import CRASHED, Crashed
from btfer_builder.parallel.runner import Runner

__all__ = ["CRASHED", "Crashed", "Runner"]
