"""The commands of the paper's protocol: train."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btfer_builder.cli.options import apply_cli_options, common_options, recipe_options
from btfer_builder.cli.output import emit_json, table
from btfer_builder.config import TrainRecipe
from btfer_builder.io.terminal import bar, echo_stderr, track
from btfer_builder.workspace import recipe_of

if TYPE_CHECKING:
    from btfer_builder.training import Run, TrainingProgress


@click.command()
@click.argument("data", type=click.Path(path_type=Path, exists=True, file_okay=False), metavar="DATA")
@click.option(
    "--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for the results."
)
@click.option("--restart", is_flag=True, help="Begin anew, whatever run lies in that folder.")
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

    DATA holds a folder for each emotion, or the folders train, val and test with those in them. The best epoch is
    chosen on val, or without it on a share of train, never on test. A run that was interrupted is taken up by the same
    command. The model comes with a sidecar, so that btfer eval feeds it rightly.

    \b
    Examples:
      btfer train raf-db --network resnet18 --balancing conservative --out runs/resnet18
      btfer train raf-db --network vgg16 --pretraining imagenet --size 224 --out runs/vgg16
      btfer eval runs/resnet18/model.keras --data raf-db/test
    """
    from btfer_builder.datasets.splits import read_splits, select
    from btfer_builder.io.tensorflow_import import import_tensorflow

    import_tensorflow()
    from btfer_builder.training import train as run_training

    recipe = apply_cli_options(recipe_of(directory).train, options)
    chosen = select(read_splits(data), share=recipe.validation_share, seed=recipe.seed, paper=recipe.paper)
    echo_stderr(
        f"{len(chosen.train):,} faces to learn from; {len(chosen.validation):,} choose the best epoch ({chosen.name})"
    )
    with _watching() as watch:
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
    if as_json:
        emit_json({"run": run.to_dict()})
    else:
        _show(run)


@contextmanager
def _watching() -> Iterator[Callable[["TrainingProgress"], None]]:
    """Show a line for each epoch that is over, and on a terminal a bar for the one under way."""
    shown: Any = None
    phase = 0

    def watch(moment: "TrainingProgress") -> None:
        nonlocal shown, phase
        if moment.phase != phase:
            phase = moment.phase
            what = "the base is frozen" if phase == 1 else "all layers learn"
            echo_stderr(f"phase {phase}: {what}, to epoch {moment.last_epoch} at most")
        if moment.finished:
            if shown is not None:
                shown.close()
                shown = None
            echo_stderr(_line(moment))
        elif sys.stderr.isatty():
            if shown is None:
                shown = bar(moment.total, f"epoch {moment.epoch}", "faces")
                shown.leave = False
            shown.set_postfix_str(f"loss {moment.loss:.3f}, accuracy {moment.accuracy:.3f}", refresh=False)
            shown.update(moment.done - shown.n)

    try:
        yield watch
    finally:
        if shown is not None:
            shown.close()


def _line(moment: "TrainingProgress") -> str:
    epoch = moment.finished
    assert epoch is not None  # noqa: S101 - the caller has looked
    return (
        f"epoch {epoch.epoch:>3}  loss {epoch.loss:.4f}  accuracy {epoch.accuracy:.4f}  "
        f"validation {epoch.val_loss:.4f} {epoch.val_accuracy:.4f}  rate {epoch.learning_rate:.2g}  "
        f"{epoch.seconds:.0f} s{'  best' if moment.best else ''}"
    )


def _show(run: "Run") -> None:
    rows = [
        (phase.phase, phase.epochs, f"{phase.trainable:,}", f"{phase.seconds:,.0f} s", phase.ended)
        for phase in run.phases
    ]
    table(run.recipe.network, ["phase", "epochs", "weights that learn", "took", "ended because"], rows)
    click.echo(
        f"best: epoch {run.best_epoch}, accuracy {run.validation_accuracy:.3f}, loss {run.validation_loss:.3f} "
        f"on {run.validation.n:,} validation faces ({run.selection})"
    )
    click.echo(f"{run.model}\nnext: btfer eval {run.model} --data FOLDER")
