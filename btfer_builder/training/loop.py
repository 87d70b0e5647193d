"""Fit a network for one phase: Keras's loop and callbacks, with a state that is kept after every epoch."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from btfer_builder.config import TrainRecipe
from btfer_builder.training.results import Epoch
from btfer_builder.training.state import CallbackState, State

#: Exponent of the focal loss (Lin et al. 2017, §3.2). Their α, one factor for all classes here, is left out.
FOCUS = 2.0


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Where a run is, for those who watch it.

    Attributes
    ----------
    phase, epoch, last_epoch
        1 or 2; the epoch under way, counted from 1 through both phases; the last one if nothing stops it.
    done, total
        Faces of the epoch.
    loss, accuracy
        So far in the epoch.
    finished
        The epoch's numbers when it is over.
    best
        Whether it is the best so far.
    """

    phase: int
    epoch: int
    last_epoch: int
    done: int
    total: int
    loss: float
    accuracy: float
    finished: Epoch | None = None
    best: bool = False


@dataclass(frozen=True, slots=True)
class Batches:
    """What a phase is fed with: endless training batches, and how many faces and steps make an epoch."""

    training: tf.data.Dataset
    validation: tf.data.Dataset
    faces: int
    steps: int
    class_weights: dict[int, float] | None


class NotFinite(Exception):
    """The loss is no number any more."""


#: Told the state after each epoch, whether it is the best one, and all variables.
Keep = Callable[[State, bool, Sequence[NDArray[Any]]], None]
Watch = Callable[[TrainingProgress], None]


def loss_of(recipe: TrainRecipe) -> keras.losses.Loss:
    """Return the loss for probabilities and one-hot labels."""
    if recipe.loss == "focal":
        return keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=FOCUS)
    return keras.losses.CategoricalCrossentropy()


def epochs_of(phase: int, recipe: TrainRecipe) -> int:
    """Return the most epochs a phase may have."""
    return recipe.head_epochs if phase == 1 else recipe.finetune_epochs


def is_over(state: State, recipe: TrainRecipe) -> str:
    """Say what has ended the phase a state is in; empty if it goes on."""
    if state.stopping.wait >= recipe.early_stopping_patience:
        return f"no better validation loss for {recipe.early_stopping_patience} epochs"
    if len(state.epochs_in(state.phase)) >= epochs_of(state.phase, recipe):
        return "all epochs done"
    return ""


def is_better(epoch: Epoch, best: Epoch | None, recipe: TrainRecipe) -> bool:
    """Whether an epoch is the best so far: by the loss, or by the accuracy as the authors' checkpoint."""
    if best is None:
        return True
    return epoch.val_accuracy > best.val_accuracy if recipe.paper else bool(epoch.val_loss < best.val_loss)


def fit_phase(
    network: keras.Model,
    batches: Batches,
    recipe: TrainRecipe,
    state: State,
    saved: Sequence[NDArray[Any]],
    *,
    keep: Keep,
    watch: Watch,
) -> State:
    """Train until the phase is over.

    Parameters
    ----------
    network
        Its layers are frozen as the phase wants them. It is left uncompiled, so that it is saved without its
        optimizer.
    batches
        Beginning with the epoch after the state's last.
    recipe
        The settings.
    state
        After the last finished epoch of the phase, or at its beginning.
    saved
        What `keep` was given with this state; empty at the beginning.
    keep
        Called after each epoch.
    watch
        Called after each step.

    Returns
    -------
    State
        After the last epoch.

    Raises
    ------
    NotFinite
        If the loss is no number any more.
    """
    trainer = keras.Model(network.input, network.output)
    optimizer = keras.optimizers.Adam(recipe.learning_rate)
    trainer.compile(optimizer=optimizer, loss=loss_of(recipe), metrics=["accuracy"])
    trainer.optimizer.build(trainer.trainable_variables)
    if saved:
        for variable, array in zip(_variables(network, trainer), saved, strict=True):
            variable.assign(array)
    plateau = keras.callbacks.ReduceLROnPlateau(
        "val_loss",
        factor=recipe.lr_factor,
        patience=recipe.lr_patience,
        min_lr=recipe.min_learning_rate,
    )
    stopping = keras.callbacks.EarlyStopping("val_loss", patience=recipe.early_stopping_patience)
    begun = len(state.history)
    last = begun - len(state.epochs_in(state.phase)) + epochs_of(state.phase, recipe)
    started = time.monotonic()

    def take_up(_logs: object = None) -> None:
        """Put the callbacks where they were: they forget everything when training begins."""
        plateau.best, plateau.wait = state.plateau.best, state.plateau.wait
        plateau.cooldown_counter = state.plateau.cooldown
        stopping.best, stopping.wait = state.stopping.best, state.stopping.wait

    def epoch_begins(_epoch: int, _logs: object = None) -> None:
        nonlocal started
        started = time.monotonic()

    def step_ends(step: int, logs: dict[str, float]) -> None:
        if not math.isfinite(logs["loss"]):
            raise NotFinite
        done = min(round((step + 1) * batches.faces / batches.steps), batches.faces)
        watch(
            TrainingProgress(
                state.phase,
                len(state.history) + 1,
                last,
                done,
                batches.faces,
                float(logs["loss"]),
                float(logs["accuracy"]),
            )
        )

    def epoch_ends(_epoch: int, logs: dict[str, float]) -> None:
        nonlocal state
        names = ("loss", "accuracy", "val_loss", "val_accuracy", "learning_rate")
        numbers = {name: _shortest(logs[name]) for name in names}
        if not all(math.isfinite(number) for number in numbers.values()):
            raise NotFinite
        number = len(state.history) + 1
        epoch = Epoch(state.phase, number, **numbers, seconds=round(time.monotonic() - started, 3))
        better = is_better(epoch, state.best, recipe)
        state = replace(
            state,
            history=(*state.history, epoch),
            best=epoch if better else state.best,
            plateau=CallbackState(_number(plateau.best), plateau.wait, plateau.cooldown_counter),
            stopping=CallbackState(_number(stopping.best), stopping.wait),
        )
        keep(state, better, [variable.numpy() for variable in _variables(network, trainer)])
        faces = batches.faces
        watch(
            TrainingProgress(
                state.phase, number, last, faces, faces, epoch.loss, epoch.accuracy, epoch, better
            )
        )

    ours = keras.callbacks.LambdaCallback(
        on_train_begin=take_up,
        on_epoch_begin=epoch_begins,
        on_train_batch_end=step_ends,
        on_epoch_end=epoch_ends,
    )
    trainer.fit(
        batches.training,
        steps_per_epoch=batches.steps,
        epochs=last,
        initial_epoch=begun,
        validation_data=batches.validation,
        class_weight=batches.class_weights,
        callbacks=[plateau, stopping, ours],
        shuffle=False,
        verbose=0,
    )
    return state


def _variables(network: keras.Model, trainer: keras.Model) -> list[Any]:
    """Return everything that training changes: weights, the state of random layers, and the optimizer's."""
    return [*network.variables, *trainer.optimizer.variables]


def _number(value: Any) -> float | None:  # noqa: ANN401 - what a callback holds
    return None if value is None else float(np.asarray(value))


def _shortest(value: float) -> float:
    """Return the shortest number that is the same in single precision: 0.0001, not 0.00009999999747."""
    return float(str(np.float32(value)))
