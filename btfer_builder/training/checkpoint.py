"""What is on disk after every epoch, each file whole: the best model, its sidecar, the history, the state."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import write_bytes
from btfer_builder.training.curves import curves_png
from btfer_builder.training.prepare import TrainingPlan
from btfer_builder.training.results import (
    CURVES,
    MODEL,
    Run,
    describe_model,
    library_versions,
    write_history,
    write_run,
)
from btfer_builder.training.state import State, save_state


def keep_epoch(
    plan: TrainingPlan, network: keras.Model, state: State, better: bool, arrays: Sequence[NDArray[Any]]
) -> None:
    """Write what an epoch has changed.

    The model comes before the state that counts it: a run that is killed in between does the epoch again.

    Raises
    ------
    BtferError
        If a file cannot be written.
    """
    if better:
        save_model(network, plan.out / MODEL)
        describe_model(plan.out, plan.recipe, plan.feeding)
    write_history(plan.out, state.history)
    save_state(plan.out, state, arrays)


def save_model(network: keras.Model, path: Path) -> None:
    """Write a network in Keras's format, all at once.

    Raises
    ------
    BtferError
        If it cannot be written.
    """
    aside = path.with_name(f".{path.stem}.part{path.suffix}")  # Keras looks at the suffix
    try:
        network.save(aside)
        aside.replace(path)
    except (OSError, RuntimeError, ValueError) as error:  # HDF5 has its own words for a full disk
        said = getattr(error, "strerror", None) or str(error).partition("\n")[0]
        raise BtferError(f"{path}: cannot be written: {said}") from None
    finally:
        with contextlib.suppress(OSError):
            aside.unlink(missing_ok=True)


def write_results(plan: TrainingPlan, state: State, params: int, *, finished: bool, stopped: str = "") -> Run:
    """Write `curves.png` and `run.json`, the latter last: a folder with a finished one is complete.

    Raises
    ------
    BtferError
        If they cannot be written.
    """
    best = state.best
    if best is None:
        raise BtferError(f"{plan.out}: no epoch is over yet")
    run = Run(
        path=plan.out,
        recipe=plan.recipe,
        finished=finished,
        stopped=stopped,
        phases=state.ended,
        best_epoch=best.epoch,
        best_phase=best.phase,
        validation_accuracy=best.val_accuracy,
        validation_loss=best.val_loss,
        selection=plan.selection,
        train=plan.facts[0],
        validation=plan.facts[1],
        class_weights=plan.weights,
        params=params,
        seconds=round(sum(row.seconds for row in state.history), 3),
        devices=plan.replicas,
        versions=library_versions(),
    )
    write_bytes(plan.out / CURVES, curves_png(state.history, best, plan.selection))
    write_run(run)
    return run
