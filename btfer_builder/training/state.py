"""What a run needs to go on after it was killed: one file, written after every epoch."""

import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import open_atomic
from btfer_builder.io.json import json_text
from btfer_builder.training.results import Epoch, PhaseResult

STATE = ".state.npz"


@dataclass(frozen=True, slots=True)
class CallbackState:
    """How long a callback of Keras has waited for a better validation loss."""

    best: float | None = None
    wait: int = 0
    cooldown: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """A run after its last finished epoch.

    Attributes
    ----------
    key
        What must not change meanwhile: the recipe and the faces.
    phase
        The phase it is in, 1 or 2.
    history
        Epochs of all phases.
    best
        The epoch that `model.keras` is from; None before the first.
    ended
        Phases that are over.
    plateau, stopping
        The patience of lowering the rate and of stopping.
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

    def begin(self, phase: int) -> "State":
        """Return the state at the beginning of a phase."""
        return replace(self, phase=phase, plateau=CallbackState(), stopping=CallbackState())


def save_state(folder: Path, state: State, arrays: Sequence[NDArray[Any]]) -> None:
    """Write the state and every variable of network and optimizer, all at once.

    Raises
    ------
    BtferError
        If it cannot be written.
    """
    said = np.frombuffer(json_text(asdict(state)).encode(), np.uint8)
    with open_atomic(folder / STATE) as file:
        named = {f"v{number:05d}": array for number, array in enumerate(arrays)}
        np.savez(file, allow_pickle=False, state=said, **named)


def load_state(folder: Path) -> tuple[State, list[NDArray[Any]]] | None:
    """Read the state; None if there is none.

    Raises
    ------
    BtferError
        If it is damaged.
    """
    path = folder / STATE
    try:
        with np.load(path, allow_pickle=False) as file:
            state = msgspec.json.decode(file["state"].tobytes(), type=State)
            return state, [file[name] for name in sorted(file.files) if name != "state"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, zipfile.BadZipFile, msgspec.DecodeError) as error:
        raise BtferError(f"{path}: damaged ({error}); train again with --restart") from None


def forget_state(folder: Path) -> None:
    """Remove the state of a run that is finished."""
    (folder / STATE).unlink(missing_ok=True)
