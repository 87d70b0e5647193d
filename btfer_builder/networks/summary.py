"""The table of `btfer networks`: parameters, operations and options of every network."""

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from btfer_builder.config import Pretraining
from btfer_builder.errors import BtferError
from btfer_builder.io.tensorflow_import import import_tensorflow
from btfer_builder.networks import (
    NETWORKS,
    SIZES,
    Head,
    NetworkSpec,
    Units,
    assemble_network,
    find_network,
)

Progress = Callable[[Sequence[tuple[NetworkSpec, int]]], Iterable[tuple[NetworkSpec, int]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkInfo:
    """The counts of a network built with certain options.

    Attributes
    ----------
    name, family, origin, line, pretrainings, heads
        As in `NetworkSpec`.
    size
        Side of the input in pixels.
    pretraining, head, units
        The options it was built with; units is None if the network has no base.
    params, trainable
        All weights, and those that learn when no layer is frozen.
    trainable_phase1
        Those that learn while the base is frozen (§4.2); None without a base.
    flops
        Operations of one image, as `networks.flops` counts them.
    """

    name: str
    family: str
    origin: str
    line: str
    size: int
    pretraining: Pretraining
    head: Head
    units: Units | None
    params: int
    trainable: int
    trainable_phase1: int | None
    flops: int
    pretrainings: tuple[Pretraining, ...]
    heads: tuple[Head, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the row of `btfer networks --json`."""
        return asdict(self)

    def to_cells(self) -> tuple[str | float, ...]:
        """Return the row of the table for people."""
        return (
            self.name,
            f"{self.head} {self.units}" if self.units else self.head,
            f"{self.params:>11,}",
            f"{self.trainable:>11,}",
            f"{self.trainable_phase1:>10,}" if self.trainable_phase1 else "",
            self.flops / 1e9,
            ", ".join(self.pretrainings),
            self.line,
        )


def list_networks(
    names: Sequence[str] = (),
    *,
    sizes: Sequence[int] = SIZES,
    pretraining: Pretraining | None = None,
    head: Head | None = None,
    units: Units | None = None,
    progress: Progress,
) -> list[NetworkInfo]:
    """Build networks without weights and count them.

    Parameters
    ----------
    names
        Networks to count; all if empty.
    sizes
        Sides of the input in pixels; networks that do not support a side are left out.
    pretraining, head, units
        Only networks that have these options; None takes the default of each network.
    progress
        Wraps the networks, in order, like `tqdm`.

    Raises
    ------
    BtferError
        If a name is unknown, or no network has all of the options.
    """
    specs = [find_network(name) for name in names] or list(NETWORKS.values())
    chosen = [
        (spec, size)
        for spec in specs
        for size in sizes
        if not spec.size_error(size)
        and (pretraining is None or pretraining in spec.pretrainings)
        and (head is None or head in spec.heads)
        and (units is None or units in spec.units)
    ]
    if not chosen:
        raise BtferError("no network has all of these options; give fewer of them")
    return [describe(spec, size, pretraining, head, units) for spec, size in progress(chosen)]


def describe(
    spec: NetworkSpec,
    size: int,
    pretraining: Pretraining | None = None,
    head: Head | None = None,
    units: Units | None = None,
) -> NetworkInfo:
    """Build a network without weights and count it; None takes its defaults."""
    pretraining = pretraining or spec.pretrainings[0]
    # Keras keeps a list of variables without values for each thread and allocates them when that thread next builds
    # a network. In a separate thread they are never allocated.
    with ThreadPoolExecutor(max_workers=1) as thread:
        params, trainable, trainable_phase1, operations = thread.submit(
            _count, spec, size, pretraining, head, units
        ).result()
    return NetworkInfo(
        name=spec.name,
        family=spec.family,
        origin=spec.origin,
        line=spec.line,
        size=size,
        pretraining=pretraining,
        head=head or spec.heads[0],
        units=(units or spec.units[0]) if spec.has_base else None,
        params=params,
        trainable=trainable,
        trainable_phase1=trainable_phase1,
        flops=operations,
        pretrainings=spec.pretrainings,
        heads=spec.heads,
    )


def _count(
    spec: NetworkSpec, size: int, pretraining: Pretraining, head: Head | None, units: Units | None
) -> tuple[int, int, int | None, int]:
    """Return the number of weights, of those that learn, of those that learn in phase 1, and of operations."""
    import_tensorflow()
    import keras

    from btfer_builder.networks.flops import count_parameters, network_flops
    from btfer_builder.networks.heads import freeze_base

    with keras.StatelessScope(initialize_variables=False):  # shapes without values take no memory and no time
        model = assemble_network(spec.name, size, pretraining=pretraining, head=head, units=units)
    params, trainable = count_parameters(model)
    trainable_phase1 = None
    if spec.has_base:
        freeze_base(model)
        trainable_phase1 = count_parameters(model)[1]
    return params, trainable, trainable_phase1, network_flops(model)
