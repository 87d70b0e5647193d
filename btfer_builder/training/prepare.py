"""Prepare a run: plan it, decode the faces, choose the devices, build the network and the batches."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from btfer_builder.config import TrainRecipe, outcome_settings
from btfer_builder.datasets.class_weights import class_counts, class_weights, epoch_length
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import setting_digest
from btfer_builder.io.device import Device, tensorflow_device
from btfer_builder.labels import EMOTIONS
from btfer_builder.networks import build_network, find_network
from btfer_builder.networks.preprocessing import Preprocessing, training_preprocessing
from btfer_builder.training.pipeline import (
    Batches,
    FaceStore,
    Progress,
    store_faces,
    training_batches,
    validation_batches,
)
from btfer_builder.training.results import DatasetSummary, summarize_dataset


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A run before faces are decoded and the network is built.

    Attributes
    ----------
    recipe, out, selection
        Arguments of `train`.
    preprocessing
        How the network is fed.
    faces, summaries
        Training and validation faces, and their summaries.
    weights
        Class weights of the loss.
    strategy
        Distribution strategy over the devices.
    key
        What must be equal to resume a run: settings, faces, number of devices.
    """

    recipe: TrainRecipe
    out: Path
    selection: str
    preprocessing: Preprocessing
    faces: tuple[Sequence[LabelledFace], Sequence[LabelledFace]]
    summaries: tuple[DatasetSummary, DatasetSummary]
    weights: dict[Any, float]
    strategy: tf.distribute.Strategy
    key: dict[str, Any]

    @property
    def replicas(self) -> int:
        """Number of devices that share each batch."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def first_phase(self) -> int:
        """Return 1 if a pretrained base is frozen at first, else 2; the authors also froze random bases."""
        recipe = self.recipe
        frozen = find_network(recipe.network).has_base and (recipe.pretraining != "scratch" or recipe.paper)
        return 1 if frozen and recipe.head_epochs else 2


def make_plan(
    train: Sequence[LabelledFace],
    validation: Sequence[LabelledFace],
    recipe: TrainRecipe,
    out: Path,
    selection: str,
    devices: Sequence[str],
) -> TrainingPlan:
    """Check the recipe, read the files of the faces and choose the devices.

    Raises
    ------
    BtferError
        If there are no faces, a file cannot be read, or the recipe does not fit the network.
    """
    if not train or not validation:
        raise BtferError("training needs training faces and validation faces; name both")
    preprocessing = training_preprocessing(recipe)
    summaries = summarize_dataset(train, recipe.workers), summarize_dataset(validation, recipe.workers)
    strategy = _strategy(devices, recipe.device)
    return TrainingPlan(
        recipe,
        out,
        selection,
        preprocessing,
        (train, validation),
        summaries,
        class_weights(class_counts(train), recipe.balancing),
        strategy,
        run_key(recipe, summaries, strategy.num_replicas_in_sync),
    )


def run_key(
    recipe: TrainRecipe, facts: tuple[DatasetSummary, DatasetSummary], replicas: int
) -> dict[str, Any]:
    """Return what makes a run the one it is, by name."""
    settings = outcome_settings(recipe) | {"weights": setting_digest(recipe.weights)}
    return settings | {"train": facts[0].sha256, "validation": facts[1].sha256, "devices": replicas}


def decode_faces(plan: TrainingPlan, progress: Progress) -> tuple[FaceStore, FaceStore]:
    """Decode training and validation faces at the network's size.

    Raises
    ------
    BtferError
        If a face cannot be decoded.
    """
    recipe = plan.recipe
    # Both sets share the memory: the training faces get what the validation faces leave.
    free = recipe.memory * 1_000_000
    stores = []
    for faces in reversed(plan.faces):
        store = store_faces(faces, plan.preprocessing, memory=free, workers=recipe.workers, progress=progress)
        free -= store.nbytes
        stores.append(store)
    return stores[1], stores[0]


def build(plan: TrainingPlan) -> keras.Model:
    """Build the network with its initial weights.

    Raises
    ------
    BtferError
        If the recipe does not fit the network, or its weights are not available.
    """
    recipe = plan.recipe
    if recipe.deterministic:
        tf.random.set_seed(recipe.seed)
        tf.config.experimental.enable_op_determinism()
    return build_network(
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


def make_batches(plan: TrainingPlan, stores: tuple[FaceStore, FaceStore], first_epoch: int) -> Batches:
    """Return the batches from `first_epoch` on, counted from 0."""
    recipe = plan.recipe
    size = recipe.batch_size * plan.replicas
    faces = epoch_length(stores[0].labels, recipe.balancing)
    training = training_batches(
        stores[0],
        batch_size=size,
        balancing=recipe.balancing,
        augment=recipe.augment,
        seed=recipe.seed,
        first_epoch=first_epoch,
    )
    weighted = recipe.balancing in {"simple", "conservative"}
    weights = dict(enumerate(plan.weights.values())) if weighted else None
    steps = math.ceil(faces / size)
    return Batches(training, validation_batches(stores[1], size), faces, steps, weights)


@contextlib.contextmanager
def precision(chosen: str, device: Device = "auto") -> Iterator[None]:
    """Set Keras's precision, `float32` or `mixed`, and restore it afterwards."""
    before = keras.config.dtype_policy()
    if chosen == "mixed":
        half = "mixed_float16" if graphics_cards(device) else "mixed_bfloat16"
        keras.config.set_dtype_policy(half)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def graphics_cards(device: Device) -> list[str]:
    """Return TensorFlow's names of the graphics cards that a device means."""
    if tensorflow_device(device) == "cpu":
        return []
    return [card.name for card in tf.config.list_logical_devices("GPU")]


def _strategy(devices: Sequence[str], device: Device) -> tf.distribute.Strategy:
    names = list(devices) or graphics_cards(device)
    if device == "cpu" and not devices and tf.config.list_logical_devices("GPU"):
        return tf.distribute.OneDeviceStrategy("/cpu:0")
    return tf.distribute.MirroredStrategy(names) if len(names) > 1 else tf.distribute.get_strategy()
