"""Read `benchmark.toml` and plan its runs, each with an id derived from its settings."""

import hashlib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Literal, TypeVar

import msgspec

from btfer_builder.config import (
    Balancing,
    BenchmarkRecipe,
    Pretraining,
    TrainRecipe,
    convert_settings,
    id_settings,
)
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import setting_digest
from btfer_builder.io.limits import read_toml
from btfer_builder.networks.preprocessing import training_preprocessing
from btfer_builder.networks.registry import NETWORKS, find_network

Value = TypeVar("Value")

Precision = Literal["float32", "mixed"]

#: Settings of the training that the grid gives each run.
_OF_THE_GRID = {
    "network": "networks", "size": "sizes", "pretraining": "pretrainings", "balancing": "balancings",
    "seed": "seeds", "weights": "[weights]",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunSetting:
    """The settings in which runs of a grid differ."""

    dataset: str
    size: int
    network: str
    pretraining: Pretraining
    balancing: Balancing
    seed: int

    @property
    def words(self) -> str:
        """The setting in ids and messages."""
        return f"{self.dataset}-{self.size}-{self.network}-{self.pretraining}-{self.balancing}-s{self.seed}"


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run of the grid.

    Attributes
    ----------
    run_id
        Its setting and eight digits of the hash over everything that affects its result: equal for the same recipe
        and data on every machine.
    setting
        Its position in the grid.
    train
        Settings of the training.
    data
        Folder of the dataset.
    """

    run_id: str
    setting: RunSetting
    train: TrainRecipe
    data: Path


@dataclass(frozen=True, slots=True)
class GridPlan:
    """The runs of a grid in order, and the settings that cannot be run, each with the reason."""

    runs: tuple[PlannedRun, ...]
    impossible: tuple[tuple[RunSetting, str], ...]


@dataclass(frozen=True, slots=True)
class Shard:
    """One of `count` equal parts of a grid; `number` begins at 1."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def part_of(self, runs: Sequence[PlannedRun]) -> tuple[PlannedRun, ...]:
        """Return the runs of this shard in their order: the same on every machine, and a mixture of networks."""
        mixed = sorted(runs, key=lambda run: hashlib.sha256(run.run_id.encode()).digest())
        chosen = {run.run_id for run in mixed[self.number - 1 :: self.count]}
        return tuple(run for run in runs if run.run_id in chosen)


def parse_shard(text: str) -> Shard:
    """Read a shard as `3/8`.

    Raises
    ------
    BtferError
        If it is not one.
    """
    match = re.fullmatch("([0-9]{1,6})/([0-9]{1,6})", text)
    if not match or not 1 <= int(match[1]) <= int(match[2]):
        raise BtferError(f"shard {text!r}: expected a number and a count, as 3/8, counted from 1")
    return Shard(int(match[1]), int(match[2]))


def load_benchmark(path: Path) -> BenchmarkRecipe:
    """Read and check a `benchmark.toml`; paths in it are relative to its folder.

    Raises
    ------
    BtferError
        If the file is missing or not valid TOML, or a setting is unknown or out of range; the text names it.
    """
    try:
        stored = read_toml(path)
        recipe = convert_settings(stored, BenchmarkRecipe, path)
    except FileNotFoundError:
        raise BtferError(f"{path}: no such file; write one (btfer benchmark --example shows it)") from None
    except OSError as error:
        raise BtferError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BtferError(f"{path}: not valid TOML: {error}") from None
    check_benchmark(recipe, stored.get("train", {}), str(path))
    return with_absolute_paths(recipe, path.absolute().parent)


def check_benchmark(recipe: BenchmarkRecipe, train: Collection[str], where: str) -> None:
    """Check what a grid says about networks.

    Parameters
    ----------
    recipe
        The grid.
    train
        Names of the settings of the training that are given.
    where
        What an error begins with.

    Raises
    ------
    BtferError
        If a network or its weights are unknown, or a setting of the training is one that the grid sets.
    """
    for name in train:
        if name in _OF_THE_GRID:
            raise BtferError(f"{where}: train.{name}: the grid sets this; give it as {_OF_THE_GRID[name]}")
    for name in recipe.networks:
        try:
            find_network(name)
        except BtferError as error:
            raise BtferError(f"{where}: networks: {error}") from None
    for name in recipe.weights:
        network, _, pretraining = name.rpartition("-")
        known = find_network(network).pretrainings if network in NETWORKS else ()
        if pretraining not in known or pretraining == "scratch":
            raise BtferError(
                f"{where}: weights.{name}: no network of that name has such weights; expected a name like vgg16-vggface"
            )


def with_absolute_paths(recipe: BenchmarkRecipe, folder: Path) -> BenchmarkRecipe:
    """Return a grid whose paths are relative to a folder with absolute paths."""
    return msgspec.structs.replace(
        recipe,
        datasets={name: str(folder / data) for name, data in recipe.datasets.items()},
        weights={name: str(folder / file) for name, file in recipe.weights.items()},
        btfer=str(folder / recipe.btfer) if recipe.btfer else "",
        out=str(folder / recipe.out),
    )


def plan_runs(
    recipe: BenchmarkRecipe, digests: Mapping[str, str], precisions: Mapping[str, Precision] | None = None
) -> GridPlan:
    """Return the runs of a recipe: all datasets, sizes, networks, pretrainings, balancings and seeds.

    Parameters
    ----------
    recipe
        The grid.
    digests
        Hash of the pictures and splits of each dataset: other data is another run.
    precisions
        The precision of each network by `precision_key`, where the recipe says `auto`.
    """
    runs, impossible = [], []
    for dataset, size, network, pretraining, balancing, seed in product(
        recipe.datasets,
        _unique(recipe.sizes),
        _unique(recipe.networks),
        _unique(recipe.pretrainings),
        _unique(recipe.balancings),
        _unique(recipe.seeds),
    ):
        setting = RunSetting(dataset, size, network, pretraining, balancing, seed)
        spec = find_network(network)
        if pretraining not in spec.pretrainings:
            impossible.append((setting, f"there are no {pretraining} weights of {network}"))
        elif size_error := spec.size_error(size):
            impossible.append((setting, f"{network} {size_error}"))
        elif recipe.train.paper and spec.origin != "paper":
            impossible.append((setting, f"{network} is not one of the authors' networks (train.paper)"))
        elif feeding_error := _feeding_error(train := _train_recipe(recipe, setting)):
            impossible.append((setting, feeding_error))
        else:
            if precisions:
                train = msgspec.structs.replace(train, precision=precisions[precision_key(train)])
            run_id = f"{setting.words}-{_digest(train, digests[dataset])}"
            runs.append(PlannedRun(run_id, setting, train, Path(recipe.datasets[dataset])))
    return GridPlan(tuple(runs), tuple(impossible))


def _train_recipe(recipe: BenchmarkRecipe, setting: RunSetting) -> TrainRecipe:
    spec = find_network(setting.network)
    train = recipe.train
    # A network that cannot have the head or the hidden layers gets its own: a grid has many networks.
    return msgspec.structs.replace(
        train,
        network=setting.network,
        size=setting.size,
        pretraining=setting.pretraining,
        balancing=setting.balancing,
        seed=setting.seed,
        weights=recipe.weights.get(f"{setting.network}-{setting.pretraining}", ""),
        head=train.head if train.head in spec.heads else "auto",
        units=train.units if train.units in spec.units else "auto",
    )


def _feeding_error(train: TrainRecipe) -> str:
    """Return why a network cannot be fed as the recipe says; empty if it can."""
    try:
        training_preprocessing(train)
    except BtferError as error:
        return str(error)
    return ""


def precision_key(train: TrainRecipe) -> str:
    """Return the name of what decides which precision is faster: network, size and batch size."""
    return f"{train.network}-{train.size}-{train.batch_size}"


def _digest(train: TrainRecipe, data: str) -> str:
    settings = id_settings(train) | {"weights": setting_digest(train.weights)}
    return hashlib.sha256(msgspec.json.encode([settings, data], order="deterministic")).hexdigest()[:8]


def _unique(values: tuple[Value, ...]) -> tuple[Value, ...]:
    return tuple(dict.fromkeys(values))
