"""Train a network: prepare faces and network, go through the phases, keep the best, leave a folder of results."""

import contextlib
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import msgspec
import tensorflow as tf
from numpy.typing import NDArray

from btfer_builder.emotions import EMOTIONS
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.faces import LabelledFace
from btfer_builder.evaluate.preprocessing import Feeding
from btfer_builder.protocol.counting import count_parameters
from btfer_builder.protocol.heads import freeze_base, unfreeze
from btfer_builder.protocol.networks import build_network, find_network
from btfer_builder.protocol.preprocessing import preprocessing_of
from btfer_builder.protocol.training.balance import class_counts, class_weights, epoch_length
from btfer_builder.protocol.training.fitting import (
    Batches,
    Watch,
    fit_phase,
    is_over,
)
from btfer_builder.protocol.training.pipeline import (
    FaceStore,
    Progress,
    store_faces,
    training_batches,
    validation_batches,
)
from btfer_builder.protocol.training.results import (
    MODEL,
    PhaseResult,
    Run,
    SetFacts,
    describe_model,
    kernel_of,
    library_versions,
    read_run,
    set_facts,
    write_history,
    write_run,
)
from btfer_builder.protocol.training.state import State, forget_state, load_state, save_state
from btfer_builder.recipe import TrainRecipe


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
        If the recipe cannot be, a face cannot be decoded, `out` holds another run or cannot be written, or the
        loss is no number any more. The best epoch so far is then kept in `out`.
    """
    spec = find_network(recipe.network)
    feeding = preprocessing_of(recipe.network, recipe.pretraining, recipe.paper, size=recipe.size)
    if not train or not validation:
        raise BtferError(
            "there are no faces to train on or to choose the best epoch with; name a folder of them"
        )
    facts = set_facts(train, recipe.workers), set_facts(validation, recipe.workers)
    _make_folder(out)
    strategy = _strategy(devices)
    replicas = strategy.num_replicas_in_sync
    key = _key(recipe, facts, replicas)
    state, saved = _take_up(out, key, restart=restart)
    done = read_run(out) if not restart else None
    if done is not None and done.finished:
        if _key(done.recipe, (done.train, done.validation), done.devices) != key:
            raise _another(out, "the finished run")
        return done
    kernel = Feeding(
        recipe.size,
        recipe.size,
        spec.channels,
        feeding.color,
        feeding.scale,
        feeding.mean or (),
        feeding.std or (),
        resize=kernel_of(recipe),
    )
    stores = [
        store_faces(
            faces, kernel, memory=recipe.memory * 1_000_000, workers=recipe.workers, progress=progress
        )
        for faces in (train, validation)
    ]
    weights = class_weights(class_counts(train), recipe.balancing)
    with _precision(recipe), strategy.scope():
        network = build_network(
            recipe.network,
            recipe.size,
            pretraining=recipe.pretraining,
            classes=len(EMOTIONS),
            head=None if recipe.head == "auto" else recipe.head,
            units=None if recipe.units == "auto" else recipe.units,
            weights_path=Path(recipe.weights) if recipe.weights else None,
            seed=recipe.seed,
            paper=recipe.paper,
        )
        two = spec.has_base and recipe.phase1_epochs and (recipe.pretraining != "scratch" or recipe.paper)
        state = state or State(key, 1 if two else 2)

        def result(state: State, *, finished: bool, stopped: str = "") -> Run:
            best = state.best
            assert best is not None  # noqa: S101 - an epoch is over
            return Run(
                path=out,
                recipe=recipe,
                finished=finished,
                stopped=stopped,
                phases=state.ended,
                best_epoch=best.epoch,
                best_phase=best.phase,
                validation_accuracy=best.val_accuracy,
                validation_loss=best.val_loss,
                selection=selection,
                train=facts[0],
                validation=facts[1],
                class_weights=weights,
                params=count_parameters(network)[0],
                seconds=round(sum(row.seconds for row in state.history), 3),
                devices=replicas,
                versions=library_versions(),
            )

        def keep(state: State, better: bool, arrays: Sequence[NDArray[Any]]) -> None:
            if better:
                _save_model(network, out / MODEL)
                describe_model(out, recipe, feeding)
            write_history(out, state.history)
            save_state(out, state, arrays)

        while True:
            phase = state.phase
            if phase == 1:
                freeze_base(network)
            else:
                unfreeze(network)
            if not state.epochs_in(phase) and state.best is not None:
                network.load_weights(out / MODEL)
            if not is_over(state, recipe):
                batches = _batches(stores, recipe, weights, replicas, len(state.history))
                state = fit_phase(network, batches, recipe, state, saved, keep=keep, watch=watch)
            rows = state.epochs_in(phase)
            ended = PhaseResult(
                phase,
                len(rows),
                is_over(state, recipe),
                count_parameters(network)[1],
                round(sum(row.seconds for row in rows), 3),
            )
            state = replace(state, ended=(*state.ended, ended))
            saved = []
            if phase == 2:
                break
            state = state.begin(2)
        run = result(state, finished=True)
        write_run(run)
        forget_state(out)
    return run


def _make_folder(out: Path) -> None:
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BtferError(f"{out}: cannot be made ({error.strerror}); choose another --out") from None


def _strategy(devices: Sequence[str]) -> tf.distribute.Strategy:
    names = list(devices) or [device.name for device in tf.config.list_logical_devices("GPU")]
    return tf.distribute.MirroredStrategy(names) if len(names) > 1 else tf.distribute.get_strategy()


@contextlib.contextmanager
def _precision(recipe: TrainRecipe) -> Iterator[None]:
    before = keras.config.dtype_policy()
    if recipe.mixed_precision:
        gpus = tf.config.list_logical_devices("GPU")
        keras.config.set_dtype_policy("mixed_float16" if gpus else "mixed_bfloat16")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _batches(
    stores: Sequence[FaceStore], recipe: TrainRecipe, weights: dict[Any, float], replicas: int, epoch: int
) -> Batches:
    size = recipe.batch_size * replicas
    faces = epoch_length(stores[0].labels, recipe.balancing)
    return Batches(
        training_batches(
            stores[0],
            batch_size=size,
            balancing=recipe.balancing,
            augment=recipe.augment,
            seed=recipe.seed,
            first_epoch=epoch,
        ),
        validation_batches(stores[1], size),
        faces,
        math.ceil(faces / size),
        dict(enumerate(weights.values())) if recipe.balancing in {"simple", "conservative"} else None,
    )


def _key(recipe: TrainRecipe, facts: tuple[SetFacts, SetFacts], replicas: int) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(recipe)
    for name in ("workers", "memory"):
        del said[name]
    return said | {"train": facts[0].sha256, "validation": facts[1].sha256, "devices": replicas}


def _take_up(out: Path, key: dict[str, Any], *, restart: bool) -> tuple[State | None, list[NDArray[Any]]]:
    found = None if restart else load_state(out)
    if found is None:
        return None, []
    state, arrays = found
    different = [name for name, value in key.items() if state.key.get(name) != value]
    if different:
        raise _another(out, ", ".join(different))
    return state, arrays if state.epochs_in(state.phase) else []


def _another(out: Path, what: str) -> BtferError:
    return BtferError(
        f"{out}: holds a run with another {what}; choose another --out, or --restart to forget it"
    )


def _save_model(network: keras.Model, path: Path) -> None:
    aside = path.with_name(f".{path.stem}.part.keras")
    network.save(aside)
    aside.replace(path)
