"""Fit a network for one phase with Keras's loop and callbacks; the state is saved after every epoch."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from btfer_builder.config import TrainRecipe
from btfer_builder.training.checkpoint import CallbackState, TrainingState
from btfer_builder.training.pipeline import Batches
from btfer_builder.training.results import Epoch

#: Exponent of the focal loss (Lin et al. 2017, §3.2). Their α would be one factor for all classes and is omitted.
GAMMA = 2.0


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """Progress of a run.

    Attributes
    ----------
    phase, epoch, last_epoch
        Phase 1 or 2; current epoch, counted from 1 across both phases; last epoch of the phase without early stopping.
    done, total
        Faces of the epoch that are processed, and all its faces.
    loss, accuracy
        Averages over the epoch so far.
    finished
        Results of the epoch when it is finished.
    best
        Whether it is the best epoch so far.
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


class NotFinite(Exception):
    """The loss is NaN or infinite."""


#: Called after each epoch with the state, whether the epoch is the best so far, and all variables.
OnEpoch = Callable[[TrainingState, bool, Sequence[NDArray[Any]]], None]
OnProgress = Callable[[TrainingProgress], None]


def loss_of(recipe: TrainRecipe) -> keras.losses.Loss:
    """Return the loss function for probabilities and one-hot labels."""
    if recipe.loss == "focal":
        return keras.losses.CategoricalFocalCrossentropy(alpha=1.0, gamma=GAMMA)
    return keras.losses.CategoricalCrossentropy()


def epochs_of(phase: int, recipe: TrainRecipe) -> int:
    """Return the most epochs a phase may have."""
    return recipe.head_epochs if phase == 1 else recipe.finetune_epochs


def is_over(state: TrainingState, recipe: TrainRecipe) -> str:
    """Return why the current phase of a state has ended; empty if it has not."""
    if state.stopping.wait >= recipe.early_stopping_patience:
        return f"no better validation loss for {recipe.early_stopping_patience} epochs"
    if len(state.epochs_in(state.phase)) >= epochs_of(state.phase, recipe):
        return "all epochs done"
    return ""


def is_better(epoch: Epoch, best: Epoch | None, recipe: TrainRecipe) -> bool:
    """Return whether an epoch is the best so far: by its loss, or by its accuracy as in the authors' notebooks."""
    if best is None:
        return True
    return epoch.val_accuracy > best.val_accuracy if recipe.paper else bool(epoch.val_loss < best.val_loss)


def fit_phase(
    network: keras.Model,
    batches: Batches,
    recipe: TrainRecipe,
    state: TrainingState,
    saved: Sequence[NDArray[Any]],
    *,
    on_epoch: OnEpoch,
    on_progress: OnProgress,
) -> TrainingState:
    """Train until the phase ends.

    Parameters
    ----------
    network
        The network, with the layers frozen that the phase does not train. It is not compiled, so it is saved without
        an optimizer.
    batches
        Batches from the epoch after the last one of the state.
    recipe
        Settings.
    state
        State after the last finished epoch of the phase, or at its beginning.
    saved
        The variables that `on_epoch` got with this state; empty at the beginning.
    on_epoch
        Called after each epoch.
    on_progress
        Called after each step.

    Returns
    -------
    TrainingState
        State after the last epoch.

    Raises
    ------
    NotFinite
        If the loss is NaN or infinite.
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

    def restore_callbacks(_logs: object = None) -> None:
        """Restore the callbacks, which reset themselves when training begins."""
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
        on_progress(
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
        values = {name: _shortest(logs[name]) for name in names}
        if not all(math.isfinite(value) for value in values.values()):
            raise NotFinite
        number = len(state.history) + 1
        epoch = Epoch(state.phase, number, **values, seconds=round(time.monotonic() - started, 3))
        better = is_better(epoch, state.best, recipe)
        state = replace(
            state,
            history=(*state.history, epoch),
            best=epoch if better else state.best,
            plateau=CallbackState(_number(plateau.best), plateau.wait, plateau.cooldown_counter),
            stopping=CallbackState(_number(stopping.best), stopping.wait),
        )
        on_epoch(state, better, [variable.numpy() for variable in _variables(network, trainer)])
        faces = batches.faces
        on_progress(
            TrainingProgress(
                state.phase, number, last, faces, faces, epoch.loss, epoch.accuracy, epoch, better
            )
        )

    ours = keras.callbacks.LambdaCallback(
        on_train_begin=restore_callbacks,
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
    """Return all variables that training changes: weights, states of random layers, and the optimizer's."""
    return [*network.variables, *trainer.optimizer.variables]


def _number(value: Any) -> float | None:  # noqa: ANN401 - a value of a callback
    return None if value is None else float(np.asarray(value))


def _shortest(value: float) -> float:
    """Return the shortest decimal with the same single-precision value: 0.0001, not 0.00009999999747."""
    return float(str(np.float32(value)))
