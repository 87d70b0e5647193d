"""From `benchmark.toml` to the runs it asks for, each with an id that says what it is."""

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import TypeVar

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
from btfer_builder.networks.registry import NETWORKS, find_network

Value = TypeVar("Value")

#: Settings of the training that the grid gives each run.
_OF_THE_GRID = {
    "network": "networks", "size": "sizes", "pretraining": "pretrainings", "balancing": "balancings",
    "seed": "seeds", "weights": "[weights]",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class RunSetting:
    """What tells two runs of a grid apart."""

    dataset: str
    size: int
    network: str
    pretraining: Pretraining
    balancing: Balancing
    seed: int

    @property
    def words(self) -> str:
        """The setting as it is called in ids and messages."""
        return f"{self.dataset}-{self.size}-{self.network}-{self.pretraining}-{self.balancing}-s{self.seed}"


@dataclass(frozen=True, slots=True)
class PlannedRun:
    """A run of the grid.

    Attributes
    ----------
    run_id
        Its setting in words and eight digits of the hash over everything that changes its result: the same for
        the same recipe and data, on every machine.
    setting
        Its place in the grid.
    train
        How it is trained.
    data
        The folder it is trained on.
    """

    run_id: str
    setting: RunSetting
    train: TrainRecipe
    data: Path


@dataclass(frozen=True, slots=True)
class GridPlan:
    """The runs of a grid, in the order in which they are worked on, and what cannot be run (setting, why)."""

    runs: tuple[PlannedRun, ...]
    impossible: tuple[tuple[RunSetting, str], ...]


def load_benchmark(path: Path) -> BenchmarkRecipe:
    """Read and check a `benchmark.toml`; paths in it are relative to its folder.

    Raises
    ------
    BtferError
        If the file is missing, no TOML, or says something unknown or out of range; the text names the setting.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
        recipe = convert_settings(said, BenchmarkRecipe, path)
    except FileNotFoundError:
        raise BtferError(f"{path}: no such file; write one (btfer benchmark --example shows it)") from None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BtferError(f"{path}: not valid TOML: {error}") from None
    for name in said.get("train", {}):
        if name in _OF_THE_GRID:
            raise BtferError(f"{path}: train.{name}: the grid says that; give it as {_OF_THE_GRID[name]}")
    for name in recipe.networks:
        try:
            find_network(name)
        except BtferError as error:
            raise BtferError(f"{path}: networks: {error}") from None
    for name in recipe.weights:
        network, _, pretraining = name.rpartition("-")
        known = find_network(network).pretrainings if network in NETWORKS else ()
        if pretraining not in known or pretraining == "scratch":
            raise BtferError(
                f"{path}: weights.{name}: no network of that name has such weights; as vgg16-vggface"
            )
    home = path.absolute().parent
    return msgspec.structs.replace(
        recipe,
        datasets={name: str(home / folder) for name, folder in recipe.datasets.items()},
        weights={name: str(home / file) for name, file in recipe.weights.items()},
        btfer=str(home / recipe.btfer) if recipe.btfer else "",
        out=str(home / recipe.out),
    )


def plan_runs(recipe: BenchmarkRecipe, digests: Mapping[str, str]) -> GridPlan:
    """Return the runs a recipe asks for: datasets, sizes, networks, pretrainings, balancings, seeds.

    Parameters
    ----------
    recipe
        The grid.
    digests
        Of each dataset's pictures and splits: other data is another run.
    """
    runs, impossible = [], []
    for dataset, size, network, pretraining, balancing, seed in product(
        recipe.datasets,
        _once(recipe.sizes),
        _once(recipe.networks),
        _once(recipe.pretrainings),
        _once(recipe.balancings),
        _once(recipe.seeds),
    ):
        setting = RunSetting(dataset, size, network, pretraining, balancing, seed)
        spec = find_network(network)
        if pretraining not in spec.pretrainings:
            impossible.append((setting, f"there are no {pretraining} weights of {network}"))
        elif size_error := spec.size_error(size):
            impossible.append((setting, f"{network} {size_error}"))
        elif recipe.train.paper and spec.origin != "paper":
            impossible.append((setting, f"{network} is none of the authors' networks (train.paper)"))
        else:
            train = _train_recipe(recipe, setting)
            run_id = f"{setting.words}-{_digest(train, digests[dataset])}"
            runs.append(PlannedRun(run_id, setting, train, Path(recipe.datasets[dataset])))
    return GridPlan(tuple(runs), tuple(impossible))


def _train_recipe(recipe: BenchmarkRecipe, setting: RunSetting) -> TrainRecipe:
    spec = find_network(setting.network)
    ours = recipe.train
    # A head or hidden layers that a network cannot have are left to it: the grid goes over many networks.
    return msgspec.structs.replace(
        ours,
        network=setting.network,
        size=setting.size,
        pretraining=setting.pretraining,
        balancing=setting.balancing,
        seed=setting.seed,
        weights=recipe.weights.get(f"{setting.network}-{setting.pretraining}", ""),
        head=ours.head if ours.head in spec.heads else "auto",
        units=ours.units if ours.units in spec.units else "auto",
    )


def _digest(train: TrainRecipe, data: str) -> str:
    settings = id_settings(train) | {"weights": setting_digest(train.weights)}
    return hashlib.sha256(msgspec.json.encode([settings, data], order="deterministic")).hexdigest()[:8]


def _once(values: tuple[Value, ...]) -> tuple[Value, ...]:
    return tuple(dict.fromkeys(values))
