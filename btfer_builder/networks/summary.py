"""The table of `btfer networks`: parameters, operations and options of every network."""

import csv
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

from btfer_builder.config import Pretraining
from btfer_builder.errors import BtferError
from btfer_builder.io.tensorflow_import import import_tensorflow
from btfer_builder.labels import EMOTIONS
from btfer_builder.networks import (
    NETWORKS,
    SIZES,
    Head,
    NetworkSpec,
    Units,
    assemble_base,
    assemble_network,
    find_network,
)

if TYPE_CHECKING:
    import keras

#: The counts of every network at the sizes of the paper with all of its options, as `docs/make_counts.py` writes them.
COUNTS = Path(__file__).with_name("counts.csv")

Result = TypeVar("Result")
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
    known = all(_options(spec, size, pretraining, head, units) in known_counts() for spec, size in chosen)
    return [
        describe(spec, size, pretraining, head, units)
        for spec, size in (chosen if known else progress(chosen))
    ]


def describe(
    spec: NetworkSpec,
    size: int,
    pretraining: Pretraining | None = None,
    head: Head | None = None,
    units: Units | None = None,
) -> NetworkInfo:
    """Return a network with its counts; None takes its defaults. One that the table does not have is built."""
    options = _options(spec, size, pretraining, head, units)
    counts = known_counts().get(options) or _in_thread(lambda: _count_built(options))
    return NetworkInfo(
        **asdict(options),
        **asdict(counts),
        family=spec.family,
        origin=spec.origin,
        line=spec.line,
        pretrainings=spec.pretrainings,
        heads=spec.heads,
    )


@dataclass(frozen=True, slots=True)
class Options:
    """A network with the options it is built with; see `NetworkInfo`."""

    name: str
    size: int
    pretraining: Pretraining
    head: Head
    units: Units | None


@dataclass(frozen=True, slots=True)
class Counts:
    """Parameters and operations of a network; see `NetworkInfo`."""

    params: int
    trainable: int
    trainable_phase1: int | None
    flops: int


@cache
def known_counts() -> dict[Options, Counts]:
    """Read the table of counts."""
    with COUNTS.open(encoding="utf-8", newline="") as file:
        return dict(_read_row(row) for row in csv.DictReader(file))


def _read_row(row: dict[str, str]) -> tuple[Options, Counts]:
    options = Options(
        row["name"],
        int(row["size"]),
        cast("Pretraining", row["pretraining"]),
        cast("Head", row["head"]),
        cast("Units", row["units"]) if row["units"] else None,
    )
    phase1 = int(row["trainable_phase1"]) if row["trainable_phase1"] else None
    return options, Counts(int(row["params"]), int(row["trainable"]), phase1, int(row["flops"]))


def count_all(spec: NetworkSpec, size: int) -> dict[Options, Counts]:
    """Count a network with all of its options; each base is built once."""
    return _in_thread(lambda: dict(_each_option(spec, size)))


def _options(
    spec: NetworkSpec,
    size: int,
    pretraining: Pretraining | None,
    head: Head | None,
    units: Units | None,
) -> Options:
    return Options(
        spec.name,
        size,
        pretraining or spec.pretrainings[0],
        head or spec.heads[0],
        units or (spec.units[0] if spec.has_base else None),
    )


def _in_thread(function: Callable[[], Result]) -> Result:
    """Call a function that builds networks in a thread of its own.

    Keras keeps a list of variables without values for each thread and allocates them when that thread next builds a
    network. In a separate thread they are never allocated.
    """
    with ThreadPoolExecutor(max_workers=1) as thread:
        return thread.submit(function).result()


def _count_built(options: Options) -> Counts:
    import_tensorflow()
    import keras

    with keras.StatelessScope(initialize_variables=False):  # shapes without values take no memory and no time
        return _count(
            assemble_network(
                options.name,
                options.size,
                pretraining=options.pretraining,
                head=options.head,
                units=options.units,
            )
        )


def _each_option(spec: NetworkSpec, size: int) -> Iterator[tuple[Options, Counts]]:
    import_tensorflow()
    import keras

    from btfer_builder.networks.heads import add_head

    with keras.StatelessScope(initialize_variables=False):
        for pretraining in spec.pretrainings:
            base = assemble_base(spec.name, size, pretraining) if spec.has_base else None
            for head in spec.heads:
                for units in spec.units or (None,):
                    if base is None:
                        model = assemble_network(spec.name, size, head=head)
                    else:
                        model = add_head(base, spec.name, len(EMOTIONS), head, units or "")
                    yield Options(spec.name, size, pretraining, head, units), _count(model)


def _count(model: "keras.Model") -> Counts:
    from btfer_builder.networks.flops import count_parameters, network_flops
    from btfer_builder.networks.heads import freeze_base, has_base, unfreeze

    params, trainable = count_parameters(model)
    trainable_phase1 = None
    if has_base(model):
        freeze_base(model)
        trainable_phase1 = count_parameters(model)[1]
        unfreeze(model)
    return Counts(params, trainable, trainable_phase1, network_flops(model))
