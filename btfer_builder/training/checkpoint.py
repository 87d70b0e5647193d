"""Write what a run leaves after every epoch (best model, history, checkpoint), and read it to resume a run."""

import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import msgspec
import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import open_atomic, replace_on_success, write_bytes
from btfer_builder.io.json import json_text
from btfer_builder.training.curves import curves_png
from btfer_builder.training.prepare import TrainingPlan, graphics_cards
from btfer_builder.training.results import (
    CURVES,
    MODEL,
    Epoch,
    PhaseResult,
    Run,
    describe_model,
    library_versions,
    write_history,
    write_run,
)

CHECKPOINT = ".state.npz"


@dataclass(frozen=True, slots=True)
class CallbackState:
    """State of a Keras callback that waits for a better validation loss."""

    best: float | None = None
    wait: int = 0
    cooldown: int = 0


@dataclass(frozen=True, slots=True)
class TrainingState:
    """A run after its last finished epoch.

    Attributes
    ----------
    key
        What must not change before the run is resumed: the recipe and the faces.
    phase
        Current phase, 1 or 2.
    history
        Epochs of both phases.
    best
        Epoch of `model.keras`; None before the first epoch.
    ended
        Finished phases.
    plateau, stopping
        State of the callbacks that lower the learning rate and that stop early.
    """

    key: dict[str, Any]
    phase: int
    history: tuple[Epoch, ...] = ()
    best: Epoch | None = None
    ended: tuple[PhaseResult, ...] = ()
    plateau: CallbackState = field(default_factory=CallbackState)
    stopping: CallbackState = field(default_factory=CallbackState)

    def epochs_in(self, phase: int) -> list[Epoch]:
        """Return the epochs of a phase."""
        return [row for row in self.history if row.phase == phase]

    def begin(self, phase: int) -> "TrainingState":
        """Return the state at the beginning of a phase."""
        return replace(self, phase=phase, plateau=CallbackState(), stopping=CallbackState())


def save_epoch(
    plan: TrainingPlan,
    network: keras.Model,
    state: TrainingState,
    arrays: Sequence[NDArray[Any]],
    *,
    best: bool,
) -> None:
    """Write the files that an epoch changes: the model if it is the best so far, the history, the checkpoint.

    The model is written before the checkpoint: a run that is killed in between repeats the epoch.

    Raises
    ------
    BtferError
        If a file cannot be written.
    """
    if best:
        save_model(network, plan.out / MODEL)
        describe_model(plan.out, plan.recipe, plan.preprocessing)
    write_history(plan.out, state.history)
    save_checkpoint(plan.out, state, arrays)


def save_model(network: keras.Model, path: Path) -> None:
    """Write a network in Keras's format to a temporary file, and rename it when it is complete.

    Raises
    ------
    BtferError
        If it cannot be written.
    """
    temporary = path.with_name(f".{path.stem}.part{path.suffix}")  # Keras requires the suffix
    with replace_on_success(temporary, path):
        try:
            network.save(temporary)
        except (RuntimeError, ValueError) as error:  # HDF5 reports a full disk in its own way
            reason = str(error).partition("\n")[0]
            raise BtferError(f"{path}: cannot be written: {reason}") from None


def save_checkpoint(folder: Path, state: TrainingState, arrays: Sequence[NDArray[Any]]) -> None:
    """Write the state and all variables of network and optimizer.

    Raises
    ------
    BtferError
        If it cannot be written.
    """
    encoded = np.frombuffer(json_text(asdict(state)).encode(), np.uint8)
    with open_atomic(folder / CHECKPOINT) as file:
        named = {f"v{number:05d}": array for number, array in enumerate(arrays)}
        np.savez(file, allow_pickle=False, state=encoded, **named)


def load_checkpoint(folder: Path) -> tuple[TrainingState, list[NDArray[Any]]] | None:
    """Read the checkpoint; None if there is none.

    Raises
    ------
    BtferError
        If it is damaged.
    """
    path = folder / CHECKPOINT
    try:
        with np.load(path, allow_pickle=False) as file:
            state = msgspec.json.decode(file["state"].tobytes(), type=TrainingState)
            return state, [file[name] for name in sorted(file.files) if name != "state"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, msgspec.DecodeError) as error:
        raise BtferError(f"{path}: damaged ({error}); train again with --restart") from None


def remove_checkpoint(folder: Path) -> None:
    """Remove the checkpoint of a finished run."""
    (folder / CHECKPOINT).unlink(missing_ok=True)


def write_results(
    plan: TrainingPlan, state: TrainingState, params: int, *, finished: bool, stopped: str = ""
) -> Run:
    """Write `curves.png` and then `run.json`, whose `finished` marks a complete folder.

    Raises
    ------
    BtferError
        If they cannot be written.
    """
    best = state.best
    if best is None:
        raise BtferError(f"{plan.out}: no epoch is finished")
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
        train=plan.summaries[0],
        validation=plan.summaries[1],
        class_weights=plan.weights,
        params=params,
        seconds=round(sum(row.seconds for row in state.history), 3),
        devices=plan.replicas,
        versions=library_versions(),
        device="cuda" if graphics_cards(plan.recipe.device) else "cpu",
    )
    write_bytes(plan.out / CURVES, curves_png(state.history, best, plan.selection))
    write_run(run)
    return run
