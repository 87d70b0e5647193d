"""Recipe of the grid of runs: `benchmark.toml`, or the part of it that is given on the command line."""

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

    What a network cannot be (48 pixels too small, no such weights) is left out of the grid and said.
    """

    networks: Annotated[tuple[str, ...], Meta(min_length=1, description="As btfer networks calls them.")] = (
        "resnet18",
        "vgg16",
        "sequential-4-conv",
    )
    sizes: Annotated[tuple[Size, ...], Meta(min_length=1, description="Sides of the input in pixels.")] = (
        48,
    )
    pretrainings: Annotated[
        tuple[Pretraining, ...], Meta(min_length=1, description="Weights to start from.")
    ] = ("scratch",)
    balancings: Annotated[
        tuple[Balancing, ...], Meta(min_length=1, description="Ways to balance the classes.")
    ] = ("simple", "conservative")
    seeds: Annotated[tuple[Seed, ...], Meta(min_length=1, description="Each setting is run with each.")] = (
        0,
    )
    datasets: Annotated[
        dict[DatasetName, str],
        Meta(description="Folders of splits of class folders, by what they are called."),
    ] = msgspec.field(default_factory=dict)
    weights: Annotated[
        dict[str, str],
        Meta(description='Files of pretrained weights, as "vgg16-vggface"; else they are fetched.'),
    ] = msgspec.field(default_factory=dict)
    btfer: Annotated[
        str,
        Meta(
            description="Folder of class folders for the cross-domain accuracy; else the workspace's sample."
        ),
    ] = ""
    out: Annotated[str, Meta(min_length=1, description="Folder of the runs, tables and figures.")] = (
        "benchmark"
    )
    workers: Annotated[
        int,
        Meta(
            ge=1, le=64, description="Runs at a time on this machine; of several, each has a graphics card."
        ),
    ] = 1
    scheduler: Scheduler = ""
    train: Annotated[TrainRecipe, Meta(description="How each is trained, as in btfer train.")] = TrainRecipe()
    eval: Annotated[EvalRecipe, Meta(description="What is measured, as in btfer eval.")] = EvalRecipe()
