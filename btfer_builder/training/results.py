"""Result files of a training run: `run.json`, `history.csv` and the sidecar of the model."""

import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from btfer_builder import __version__
from btfer_builder.config import TrainRecipe, with_new_names
from btfer_builder.datasets.class_weights import class_counts
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.preprocessing.declaration import Sidecar, SidecarInput, SidecarLabels
from btfer_builder.evaluate.preprocessing.sidecar import write_sidecar
from btfer_builder.evaluate.signature import content_digests, set_digest
from btfer_builder.io.csv import write_csv
from btfer_builder.io.json import read_json, write_json
from btfer_builder.io.text import counted
from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.networks.preprocessing import Preprocessing

if TYPE_CHECKING:
    import pandas as pd

#: Version of `run.json`; raised when a field changes its meaning.
SCHEMA = 1

MODEL, RUN, HISTORY, CURVES = "model.keras", "run.json", "history.csv", "curves.png"
SIDECAR = "model.btfer.toml"
#: All files of a finished run.
RESULT_FILES = (MODEL, SIDECAR, HISTORY, CURVES, RUN)


@dataclass(frozen=True, slots=True)
class Epoch:
    """Results of one epoch, a row of `history.csv`.

    Attributes
    ----------
    phase, epoch
        Phase 1 or 2; number of the epoch, counted from 1 across both phases.
    loss, accuracy
        On training faces, with class weights, augmentation and dropout.
    val_loss, val_accuracy
        On validation faces, unweighted.
    learning_rate
        Learning rate of the epoch.
    seconds
        Duration.
    """

    phase: int
    epoch: int
    loss: float
    accuracy: float
    val_loss: float
    val_accuracy: float
    learning_rate: float
    seconds: float


@dataclass(frozen=True, slots=True)
class PhaseResult:
    """One phase: its number (1: frozen base, 2: all layers are trained), its epochs, and why it ended."""

    phase: int
    epochs: int
    ended: str
    trainable: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DatasetSummary:
    """A set of faces: their number, the number per class, and the SHA-256 over ids, labels and contents."""

    n: int
    per_class: dict[Emotion, int]
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """A training run, the content of `run.json`.

    Attributes
    ----------
    path
        Folder with `model.keras`, its sidecar, `history.csv`, `curves.png` and `run.json`.
    recipe
        All settings.
    finished
        Whether the run is finished; if not, the same command resumes it.
    stopped
        Why it is not finished; empty if it is.
    phases
        Phases that have begun.
    best_epoch, best_phase
        Epoch and phase of `model.keras`.
    validation_accuracy, validation_loss
        Results of that epoch on the selection split.
    selection
        Faces that selected the epoch: `val`, `10 % of train`, or `test, as the authors`.
    train, validation
        Summaries of the faces.
    class_weights
        Class weights of the loss.
    params
        Number of parameters of the network.
    seconds
        Duration of all epochs.
    devices
        Number of devices that share each batch.
    versions
        Versions of the libraries.
    device
        `cpu` or `cuda`, on which it trained last; `unknown` in a run of an earlier version.
    """

    path: Path
    recipe: TrainRecipe
    finished: bool
    stopped: str
    phases: tuple[PhaseResult, ...]
    best_epoch: int
    best_phase: int
    validation_accuracy: float
    validation_loss: float
    selection: str
    train: DatasetSummary
    validation: DatasetSummary
    class_weights: dict[Emotion, float]
    params: int
    seconds: float
    devices: int
    versions: dict[str, str]
    device: str = "unknown"

    @property
    def model(self) -> Path:
        """The network of the best epoch."""
        return self.path / MODEL

    def __fspath__(self) -> str:
        """Return the path of the network, so that a run can be given where a model is expected."""
        return str(self.model)

    @property
    def epochs(self) -> int:
        """Epochs of all phases."""
        return sum(phase.epochs for phase in self.phases)

    def to_frame(self) -> "pd.DataFrame":
        """Return the history of the run, a row for each epoch, as in `history.csv`."""
        import pandas as pd

        return pd.read_csv(self.path / HISTORY)

    def _repr_html_(self) -> str:
        """Show the network, its best epoch and the phases in a notebook."""
        import pandas as pd

        state = "finished" if self.finished else f"not finished: {self.stopped}"
        best = (
            f"best epoch {self.best_epoch}: accuracy {self.validation_accuracy:.3f}, loss {self.validation_loss:.3f} "
            f"on {counted(self.validation.n, 'face')} ({self.selection})"
        )
        phases = pd.DataFrame([asdict(phase) for phase in self.phases]).to_html(index=False, border=0)
        heading = (
            f"<b>{escape(self.recipe.network)}</b> <code>{escape(str(self.path))}</code>, {escape(state)}"
        )
        return f"<p>{heading}</p><p>{escape(best)}</p>{phases}"

    def to_dict(self) -> dict[str, Any]:
        """Return the content of `run.json`."""
        fields = asdict(self) | {
            "recipe": msgspec.to_builtins(self.recipe),
            "path": str(self.path),
            "model": str(self.model),
            "epochs": self.epochs,
        }
        return {"schema": SCHEMA, **fields}


def read_run(folder: Path) -> Run | None:
    """Read the `run.json` of a run; None if there is none.

    Raises
    ------
    BtferError
        If it is damaged or of another version.
    """
    path = folder / RUN
    try:
        stored = read_json(path)
        known = {name: stored[name] for name in Run.__dataclass_fields__ if name not in {"path", "device"}}
        known["device"] = stored.get("device", "unknown")
        known["recipe"] = with_new_names(TrainRecipe, known["recipe"])
        return msgspec.convert({**known, "path": folder}, Run, dec_hook=_as_it_is)
    except FileNotFoundError:
        return None
    except (
        OSError,
        ValueError,
        KeyError,
        TypeError,
        AttributeError,
        msgspec.ValidationError,
        BtferError,
    ) as error:
        raise BtferError(f"{path}: not a readable run ({error}); remove the folder and train again") from None


def _as_it_is(_kind: type, value: Any) -> Any:  # noqa: ANN401 - a path, which msgspec does not know
    return value


def summarize_dataset(faces: Sequence[LabelledFace], workers: int) -> DatasetSummary:
    """Count the faces of a set and hash their contents.

    Raises
    ------
    BtferError
        If a file cannot be read.
    """
    return DatasetSummary(len(faces), class_counts(faces), set_digest(faces, content_digests(faces, workers)))


def library_versions() -> dict[str, str]:
    """Return the versions of Python and of the libraries that affect a run."""
    names = ("tensorflow", "keras", "numpy", "opencv-python-headless", "pillow")
    return {"btfer-builder": __version__, "python": platform.python_version()} | {
        name: version(name) for name in names
    }


def write_run(run: Run) -> None:
    """Write `run.json`.

    Raises
    ------
    BtferError
        If it cannot be written.
    """
    write_json(run.path / RUN, run.to_dict())


def write_history(folder: Path, history: Sequence[Epoch]) -> None:
    """Write `history.csv`, one row per epoch.

    Raises
    ------
    BtferError
        If it cannot be written.
    """
    write_csv(folder / HISTORY, list(Epoch.__dataclass_fields__), [asdict(row) for row in history])


def describe_model(folder: Path, recipe: TrainRecipe, preprocessing: Preprocessing) -> None:
    """Write the sidecar of `model.keras`: its preprocessing and the labels of its outputs.

    Raises
    ------
    BtferError
        If it cannot be written.
    """
    about: dict[str, str | int | float | bool] = {
        "network": recipe.network,
        "pretraining": recipe.pretraining,
        "balancing": recipe.balancing,
        "seed": recipe.seed,
        "trained_by": f"btfer-builder {__version__}",
    }
    stored = SidecarInput(
        size=preprocessing.height,
        color=preprocessing.color,
        scale=preprocessing.scale,
        mean=preprocessing.mean or None,
        std=preprocessing.std or None,
        resize=preprocessing.resize,
    )
    write_sidecar(folder / MODEL, Sidecar(input=stored, labels=SidecarLabels(outputs=EMOTIONS), about=about))
