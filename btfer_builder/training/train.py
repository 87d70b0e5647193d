"""Train a network: go through the phases, take up what was interrupted, stop with a clear word."""

import contextlib
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf
from numpy.typing import NDArray

from btfer_builder.config import TrainRecipe, stored_settings
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.io.locks import lock_file
from btfer_builder.networks.flops import count_parameters
from btfer_builder.networks.heads import freeze_base, unfreeze
from btfer_builder.training.checkpoint import keep_epoch, write_results
from btfer_builder.training.loop import NotFinite, Watch, fit_phase, is_over
from btfer_builder.training.pipeline import FaceStore, Progress
from btfer_builder.training.prepare import (
    TrainingPlan,
    build,
    decode_faces,
    feed,
    make_plan,
    precision,
    run_key,
)
from btfer_builder.training.results import LEFT, MODEL, PhaseResult, Run, read_run
from btfer_builder.training.state import STATE, State, forget_state, load_state

Arrays = Sequence[NDArray[Any]]


def _in_order(faces: Sequence[LabelledFace]) -> Iterable[LabelledFace]:
    return faces


def _unwatched(_moment: object) -> None:
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
    watch: Watch = _unwatched,
) -> Run:
    """Train a network in its two phases, or go on with a run that was interrupted (§4.2).

    Phase 1 trains the new head on a pretrained, frozen base; phase 2 trains all layers, from the best epoch of
    phase 1 on. A network from scratch has phase 2 only.

    Parameters
    ----------
    train, validation
        The faces to learn from, and those that choose the best epoch, lower the learning rate and stop.
    recipe
        Every setting.
    out
        Folder for `model.keras` (the best epoch), `model.btfer.toml`, `history.csv`, `curves.png` and
        `run.json`. If a run of the same recipe and faces lies there, it is taken up after its last finished
        epoch, with the same result as if it had never stopped; a finished one is returned as it is.
    selection
        Where the validation faces are from, in words; goes into the result.
    devices
        TensorFlow's names of the devices that share each batch; none: all graphics cards, or the processor.
    restart
        Forget what lies in `out`.
    progress
        Wraps faces while they are decoded, like `tqdm`.
    watch
        Told where the run is, after every step.

    Returns
    -------
    Run
        What `run.json` says.

    Raises
    ------
    BtferError
        If the recipe cannot be, a face cannot be decoded, `out` holds another run, is in use or cannot be
        written, or the loss is no number any more. The best epoch so far is then kept in `out`.
    """
    plan = make_plan(train, validation, recipe, out, selection, devices)
    busy = f"{out}: another process is training there; choose another --out"
    with lock_file(out / ".lock", busy):
        if restart:
            _forget(out)
        done = read_run(out)
        if done is not None and done.finished:
            _check_same(out, run_key(done.recipe, (done.train, done.validation), done.devices), plan.key)
            forget_state(out)
            return done
        state, arrays = load_state(out) or (State(plan.key, plan.first_phase), [])
        _check_same(out, stored_settings(TrainRecipe, state.key), plan.key)
        stores = decode_faces(plan, progress)
        with precision(recipe), plan.strategy.scope():
            network = build(plan)
            state = _run_phases(plan, network, stores, state, arrays, watch)
            run = write_results(plan, state, count_parameters(network)[0], finished=True)
        forget_state(out)
    return run


def _run_phases(
    plan: TrainingPlan,
    network: keras.Model,
    stores: tuple[FaceStore, FaceStore],
    state: State,
    arrays: Arrays,
    watch: Watch,
) -> State:
    """Go through what is left of the phases and return the state after them."""
    while True:
        (freeze_base if state.phase == 1 else unfreeze)(network)
        begun = bool(state.epochs_in(state.phase))
        if state.best is not None and not begun:
            network.load_weights(plan.out / MODEL)
        if not is_over(state, plan.recipe):
            state = _run_phase(plan, network, stores, state, arrays if begun else [], watch)
        elif begun:  # killed just then: the next phase goes on with the random layers' state
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
    state: State,
    arrays: Arrays,
    watch: Watch,
) -> State:
    """Train one phase; what stops it leaves the best model and its results behind, and says so."""
    reached = state

    def keep(now: State, better: bool, values: Arrays) -> None:
        nonlocal reached
        keep_epoch(plan, network, now, better, values)
        reached = now

    def stop(why: str, hint: str) -> BtferError:
        stopped = replace(reached, ended=(*reached.ended, _phase_result(plan, network, reached, why)))
        if reached.best is None:
            return BtferError(f"{why}, before any epoch was over; {hint}")
        with contextlib.suppress(BtferError):  # the disk may be full
            write_results(plan, stopped, count_parameters(network)[0], finished=False, stopped=why)
        kept = f"{plan.out / MODEL} is the best so far, of epoch {reached.best.epoch}"
        return BtferError(f"{why}; {kept}; {hint}")

    batches = feed(plan, stores, len(state.history))
    try:
        return fit_phase(network, batches, plan.recipe, state, arrays, keep=keep, watch=watch)
    except NotFinite:
        why = f"the loss is no number any more in epoch {len(reached.history) + 1}"
        rate = plan.recipe.learning_rate
        raise stop(why, f"try a --learning-rate below {rate:g} and another --out") from None
    except tf.errors.OpError as error:
        failed = [one for store in stores for one in store.failed]
        if not failed:
            raise stop(f"TensorFlow gave up: {_first_line(error)}", "the same command goes on") from error
        raise stop(str(failed[0]), "then train again") from None
    except BtferError as error:
        raise stop(str(error), "make room and give the same command again: it goes on") from None


def _phase_result(plan: TrainingPlan, network: keras.Model, state: State, why: str = "") -> PhaseResult:
    rows = state.epochs_in(state.phase)
    seconds = round(sum(row.seconds for row in rows), 3)
    trainable = count_parameters(network)[1]
    return PhaseResult(state.phase, len(rows), why or is_over(state, plan.recipe), trainable, seconds)


def _forget(out: Path) -> None:
    for name in (STATE, *LEFT):
        (out / name).unlink(missing_ok=True)


def _check_same(out: Path, there: dict[str, Any], wanted: dict[str, Any]) -> None:
    different = [name for name, value in wanted.items() if there.get(name) != value]
    if different:
        said = ", ".join(f"{name} {there.get(name)}" for name in different)
        raise BtferError(
            f"{out}: holds a run with {said[:200]}; choose another --out, or --restart to forget that run"
        )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
