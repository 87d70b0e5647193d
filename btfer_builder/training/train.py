"""Train a network in its phases, resume an interrupted run, and stop with a clear message."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import msgspec
import tensorflow as tf
from numpy.typing import NDArray

from btfer_builder.config import TrainRecipe, stored_settings
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.io.locks import lock_file
from btfer_builder.networks.flops import count_parameters
from btfer_builder.networks.heads import freeze_base, unfreeze
from btfer_builder.training.checkpoint import (
    CHECKPOINT,
    TrainingState,
    load_checkpoint,
    remove_checkpoint,
    save_epoch,
    write_results,
)
from btfer_builder.training.loop import NotFinite, OnProgress, fit_phase, is_over
from btfer_builder.training.pipeline import FaceStore, Progress
from btfer_builder.training.precision import Precision, choose_precision
from btfer_builder.training.prepare import (
    TrainingPlan,
    build,
    decode_faces,
    make_batches,
    make_plan,
    precision,
    run_key,
)
from btfer_builder.training.results import MODEL, RESULT_FILES, PhaseResult, Run, read_run

Arrays = Sequence[NDArray[Any]]


def _in_order(faces: Sequence[LabelledFace]) -> Iterable[LabelledFace]:
    return faces


def _ignore(_progress: object) -> None:
    pass


def train(
    train: Sequence[LabelledFace],
    validation: Sequence[LabelledFace],
    recipe: TrainRecipe,
    out: Path,
    *,
    selection: str = "val",
    devices: Sequence[str] = (),
    restart: bool = False,
    progress: Progress = _in_order,
    watch: OnProgress = _ignore,
) -> Run:
    """Train a network in two phases, or resume an interrupted run (§4.2).

    Phase 1 trains the new head on a frozen, pretrained base. Phase 2 trains all layers and starts at the best epoch
    of phase 1. A network from scratch has only phase 2.

    Parameters
    ----------
    train, validation
        Training faces, and validation faces, which select the best epoch, lower the learning rate and stop early.
    recipe
        All settings. With precision `auto`, a step is measured in both, and the faster one becomes the setting.
    out
        Folder for `model.keras` (the best epoch), `model.btfer.toml`, `history.csv`, `curves.png` and `run.json`. A
        run of the same recipe and faces in it is resumed after its last finished epoch, with the same result as
        without the interruption; a finished run is returned without training.
    selection
        Origin of the validation faces in words; it is stored in the result.
    devices
        TensorFlow's names of the devices that share each batch; empty: all GPUs, or the CPU.
    restart
        Delete the run in `out` and start from the beginning.
    progress
        Wraps faces while they are decoded, like `tqdm`.
    watch
        Called with the progress after every step.

    Returns
    -------
    Run
        The content of `run.json`.

    Raises
    ------
    BtferError
        If the recipe is not possible, a face cannot be decoded, `out` contains another run, is in use or cannot be
        written, or the loss is NaN or infinite. The best epoch so far is kept in `out`.
    """
    recipe = msgspec.structs.replace(recipe, precision=_precision_of(recipe, out, restart=restart))
    plan = make_plan(train, validation, recipe, out, selection, devices)
    busy = f"{out}: another process is training there; choose another --out"
    with lock_file(out / ".lock", busy):
        if restart:
            _remove_run(out)
        done = read_run(out)
        if done is not None and done.finished:
            _check_same(out, run_key(done.recipe, (done.train, done.validation), done.devices), plan.key)
            remove_checkpoint(out)
            return done
        state, arrays = load_checkpoint(out) or (TrainingState(plan.key, plan.first_phase), [])
        _check_same(out, stored_settings(TrainRecipe, state.key), plan.key)
        stores = decode_faces(plan, progress)
        with precision(recipe.precision, recipe.device), plan.strategy.scope():
            network = build(plan)
            state = _run_phases(plan, network, stores, state, arrays, watch)
            run = write_results(plan, state, count_parameters(network)[0], finished=True)
        remove_checkpoint(out)
    return run


def _precision_of(recipe: TrainRecipe, out: Path, *, restart: bool) -> Precision:
    """Return the precision of a run: that of the run in `out`, which is resumed, else `choose_precision`."""
    if recipe.precision == "auto" and not restart:
        if (done := read_run(out)) is not None and done.recipe.precision != "auto":
            return done.recipe.precision
        if (saved := load_checkpoint(out)) is not None:
            key = stored_settings(TrainRecipe, saved[0].key)
            return "mixed" if key["precision"] == "mixed" else "float32"
    return choose_precision(recipe)


def _run_phases(
    plan: TrainingPlan,
    network: keras.Model,
    stores: tuple[FaceStore, FaceStore],
    state: TrainingState,
    arrays: Arrays,
    watch: OnProgress,
) -> TrainingState:
    """Run the remaining phases and return the state after them."""
    while True:
        (freeze_base if state.phase == 1 else unfreeze)(network)
        begun = bool(state.epochs_in(state.phase))
        if state.best is not None and not begun:
            network.load_weights(plan.out / MODEL)
        if not is_over(state, plan.recipe):
            state = _run_phase(plan, network, stores, state, arrays if begun else [], watch)
        elif begun:  # killed between two phases: restore the states of the random layers
            for variable, array in zip(network.variables, arrays, strict=False):
                variable.assign(array)
        state = replace(state, ended=(*state.ended, _phase_result(plan, network, state)))
        if state.phase == 2:
            return state
        state, arrays = state.begin(2), []


def _run_phase(
    plan: TrainingPlan,
    network: keras.Model,
    stores: tuple[FaceStore, FaceStore],
    state: TrainingState,
    arrays: Arrays,
    watch: OnProgress,
) -> TrainingState:
    """Train one phase. If it fails, the best model and its results are kept, and the error says so."""
    reached = state

    def save(current: TrainingState, best: bool, values: Arrays) -> None:
        nonlocal reached
        save_epoch(plan, network, current, values, best=best)
        reached = current

    def stop(reason: str, hint: str) -> BtferError:
        stopped = replace(reached, ended=(*reached.ended, _phase_result(plan, network, reached, reason)))
        if reached.best is None:
            return BtferError(f"{reason}, before the first epoch was finished; {hint}")
        with contextlib.suppress(BtferError):  # the disk may be full
            write_results(plan, stopped, count_parameters(network)[0], finished=False, stopped=reason)
        kept = f"{plan.out / MODEL} is the best so far, of epoch {reached.best.epoch}"
        return BtferError(f"{reason}; {kept}; {hint}")

    batches = make_batches(plan, stores, len(state.history))
    try:
        return fit_phase(network, batches, plan.recipe, state, arrays, on_epoch=save, on_progress=watch)
    except NotFinite:
        reason = f"the loss is NaN or infinite in epoch {len(reached.history) + 1}"
        rate = plan.recipe.learning_rate
        raise stop(reason, f"try a --learning-rate below {rate:g} and another --out") from None
    except tf.errors.OpError as error:
        failed = [failure for store in stores for failure in store.failed]
        if not failed:
            raise stop(
                f"TensorFlow failed: {_first_line(error)}", "the same command resumes the run"
            ) from error
        raise stop(str(failed[0]), "then train again") from None
    except BtferError as error:
        raise stop(str(error), "free some space and run the same command again to resume") from None


def _phase_result(
    plan: TrainingPlan, network: keras.Model, state: TrainingState, reason: str = ""
) -> PhaseResult:
    rows = state.epochs_in(state.phase)
    seconds = round(sum(row.seconds for row in rows), 3)
    trainable = count_parameters(network)[1]
    return PhaseResult(state.phase, len(rows), reason or is_over(state, plan.recipe), trainable, seconds)


def _remove_run(out: Path) -> None:
    for name in (CHECKPOINT, *RESULT_FILES):
        (out / name).unlink(missing_ok=True)


def _check_same(out: Path, existing: dict[str, Any], wanted: dict[str, Any]) -> None:
    different = [name for name, value in wanted.items() if existing.get(name) != value]
    if different:
        settings = ", ".join(f"{name} {existing.get(name)}" for name in different)
        raise BtferError(
            f"{out}: contains a run with {settings[:200]}; choose another --out, or --restart to delete that run"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
