"""The commands about networks: networks, train."""

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btfer_builder.cli.mistakes import Choice
from btfer_builder.cli.options import apply_cli_options, common_options, recipe_options
from btfer_builder.cli.output import echo, emit_json, table
from btfer_builder.config import TrainRecipe
from btfer_builder.io.terminal import echo_stderr, track
from btfer_builder.networks.registry import HEADS, PRETRAININGS, SIZES, UNITS
from btfer_builder.workspace import recipe_of

if TYPE_CHECKING:
    from btfer_builder.training.results import Run


@click.command()
@click.argument("names", nargs=-1, metavar="[NETWORK]...")
@click.option("--size", type=int, multiple=True, help="Side of the input in pixels. [default: 48 and 224]")
@click.option(
    "--pretraining",
    type=Choice(PRETRAININGS),
    help="Only networks with these pretrained weights.",
)
@click.option("--head", type=Choice(HEADS), help="Only networks that support this head, built with it.")
@click.option(
    "--units", type=Choice(UNITS), help="Only networks with a new head, built with these hidden layers."
)
@click.option("--layers", is_flag=True, help="List the layers of one network.")
@common_options
def networks(
    directory: Path | None,
    as_json: bool,
    names: tuple[str, ...],
    size: tuple[int, ...],
    layers: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """List the available networks.

    Parameters and operations at 48 and 224 pixels come from a table; for another size, each network is built.

    \b
    Examples:
      btfer networks --size 48
      btfer networks vgg16 resnet50 --pretraining vggface --head flatten
      btfer networks sequential-simple --size 48 --layers
    """
    if layers:
        if len(names) != 1 or len(size) > 1:
            raise click.UsageError("--layers needs one network and at most one --size")
        _show_layers(names[0], size[0] if size else SIZES[0], options, as_json=as_json)
        return
    from btfer_builder.networks.summary import list_networks

    wrap = partial(track, description="networks", unit="networks")
    rows = list_networks(names, sizes=size or SIZES, progress=wrap, **options)
    if as_json:
        emit_json({"networks": [row.to_dict() for row in rows]})
        return
    for side in dict.fromkeys(row.size for row in rows):
        columns = ["network", "head", "parameters", "trainable", "phase 1", "GFLOPs", "origin", "description"]
        table(f"{side}×{side} pixels", columns, [row.to_cells() for row in rows if row.size == side])


def _show_layers(name: str, size: int, options: dict[str, Any], *, as_json: bool) -> None:
    from btfer_builder.networks.layer_table import HEADS, list_layers

    rows = list_layers(name, size, **options)
    if as_json:
        emit_json({"network": name, "size": size, "layers": [row.to_dict() for row in rows]})
        return
    total = sum(row.params for row in rows)
    table(f"{name}, {size}×{size} pixels, {total:,} parameters", HEADS, [row.to_cells() for row in rows])


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DATA")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Output folder.")
@click.option("--restart", is_flag=True, help="Discard a run in the output folder and start again.")
@recipe_options(TrainRecipe)
@common_options
def train(
    directory: Path | None,
    as_json: bool,
    data: Path,
    out: Path,
    restart: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Train a network on labelled faces.

    DATA contains a folder for each emotion, or the folders train, val and test with such folders. The best epoch is
    selected on val, or on a fraction of train if there is no val, never on test. The same command continues an
    interrupted run. A sidecar tells btfer eval the preprocessing of the model.

    \b
    Examples:
      btfer train raf-db --network resnet18 --balancing conservative --out runs/r18
      btfer train raf-db --network vgg16 --pretraining imagenet --size 224 --out vgg16
      btfer eval runs/resnet18/model.keras --data raf-db/test
    """
    from btfer_builder.datasets.splits import read_splits, select
    from btfer_builder.io.tensorflow_import import import_tensorflow
    from btfer_builder.networks import check_recipe
    from btfer_builder.networks.preprocessing import training_preprocessing

    recipe = apply_cli_options(recipe_of(directory).train, options)
    check_recipe(recipe)
    chosen = select(read_splits(data), share=recipe.validation_share, seed=recipe.seed, paper=recipe.paper)
    echo_stderr(
        f"{len(chosen.train):,} training faces; {len(chosen.validation):,} validation faces ({chosen.name}); "
        f"fed as {training_preprocessing(recipe).describe()}"
    )
    import_tensorflow()  # takes seconds, so after everything that may be refused
    from btfer_builder.training.progress import print_progress
    from btfer_builder.training.train import train as run_training

    try:
        with print_progress() as watch:
            run = run_training(
                chosen.train,
                chosen.validation,
                recipe,
                out,
                selection=chosen.name,
                restart=restart,
                progress=partial(track, description="decode", unit="faces"),
                watch=watch,
            )
    except KeyboardInterrupt:
        echo_stderr(
            "interrupted: finished epochs are kept; to go on, run the same command again without --restart"
        )
        raise
    if as_json:
        emit_json({"run": run.to_dict()})
    else:
        _show(run)


def _show(run: "Run") -> None:
    rows = [
        (phase.phase, phase.epochs, f"{phase.trainable:,}", f"{phase.seconds:,.0f} s", phase.ended)
        for phase in run.phases
    ]
    table(run.recipe.network, ["phase", "epochs", "trainable", "time", "ended by"], rows)
    echo(
        f"best: epoch {run.best_epoch}, accuracy {run.validation_accuracy:.3f}, loss {run.validation_loss:.3f} "
        f"on {run.validation.n:,} validation faces ({run.selection})"
    )
    echo(f"{run.model}\nnext: btfer eval {shlex.quote(str(run.model))} --data FOLDER")
