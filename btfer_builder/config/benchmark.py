"""The grid of runs: `benchmark.toml`."""

from typing import Annotated

import msgspec
from msgspec import Meta

from btfer_builder.config.base import Pretraining, Scheduler, Section
from btfer_builder.config.models import Balancing, EvalRecipe, TrainRecipe

DatasetName = Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9._-]{0,39}$")]
Size = Annotated[int, Meta(ge=8, le=2048)]
Seed = Annotated[int, Meta(ge=0, lt=2**31)]


class BenchmarkRecipe(Section, frozen=True, kw_only=True):
    """Networks × sizes × pretrainings × balancings × datasets × seeds, and how each is trained and scored (§4).

    Combinations that a network does not support (size, weights) are left out of the grid and reported.
    """

    networks: Annotated[
        tuple[str, ...], Meta(min_length=1, description="Names of the networks, as listed by btfer networks.")
    ] = (
        "resnet18",
        "vgg16",
        "sequential-4-conv",
    )
    sizes: Annotated[tuple[Size, ...], Meta(min_length=1, description="Input sides in pixels.")] = (48,)
    pretrainings: Annotated[tuple[Pretraining, ...], Meta(min_length=1, description="Initial weights.")] = (
        "scratch",
    )
    balancings: Annotated[
        tuple[Balancing, ...], Meta(min_length=1, description="Methods of class balancing.")
    ] = ("simple", "conservative")
    seeds: Annotated[
        tuple[Seed, ...],
        Meta(min_length=1, description="Random seeds; every combination is run with each of them."),
    ] = (0,)
    datasets: Annotated[
        dict[DatasetName, str],
        Meta(description="Folders with train, val and test, by name of the data set."),
    ] = msgspec.field(default_factory=dict)
    weights: Annotated[
        dict[str, str],
        Meta(
            description='Files of pretrained weights by name, such as "vgg16-vggface"; others are downloaded.'
        ),
    ] = msgspec.field(default_factory=dict)
    btfer: Annotated[
        str,
        Meta(
            description="Folder of class folders for the cross-domain accuracy. Empty: the sample of the workspace."
        ),
    ] = ""
    out: Annotated[str, Meta(min_length=1, description="Output folder of runs, tables and figures.")] = (
        "benchmark"
    )
    workers: Annotated[
        int,
        Meta(ge=1, le=64, description="Concurrent runs on this machine; with several, each has its own GPU."),
    ] = 1
    scheduler: Scheduler = ""
    train: Annotated[TrainRecipe, Meta(description="Settings of btfer train for every run.")] = TrainRecipe()
    eval: Annotated[EvalRecipe, Meta(description="Settings of btfer eval for every model.")] = EvalRecipe()
