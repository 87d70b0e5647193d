"""The commands of the paper's protocol: train."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from btfer_builder.options import common_options, recipe_options, with_flags
from btfer_builder.progress import emit_json, track
from btfer_builder.recipe import TrainRecipe
from btfer_builder.workspace import recipe_of


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DATA")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the results."
)
@click.option("--restart", is_flag=True, help="Begin anew, whatever lies in the folder.")
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
    """Train a network on DATA.

    DATA holds a folder for each emotion, or folders train, val and test with those in them.

    \b
    Examples:
      btfer train raf-db --network resnet18 --balancing conservative --out runs/resnet18
    """
    from btfer_builder.protocol.splits import read_splits, select
    from btfer_builder.quiet import import_tensorflow

    import_tensorflow()
    from btfer_builder.protocol.training import train as run_training

    recipe = with_flags(recipe_of(directory).train, options)
    chosen = select(read_splits(data), share=recipe.validation_share, seed=recipe.seed, paper=recipe.paper)
    run = run_training(
        chosen.train,
        chosen.validation,
        recipe,
        out,
        selection=chosen.name,
        restart=restart,
        progress=partial(track, description="decode", unit="faces"),
    )
    if as_json:
        emit_json({"run": run.to_dict()})
