"""Everything a run needs before its first step: the faces in memory, the devices, the network, how it is fed."""

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from btfer_builder.config import TrainRecipe, outcome_settings
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import setting_digest
from btfer_builder.labels import EMOTIONS
from btfer_builder.networks import build_network, find_network
from btfer_builder.networks.preprocessing import Preprocessing, preprocessing_of
from btfer_builder.training.class_weights import class_counts, class_weights, epoch_length
from btfer_builder.training.loop import Batches
from btfer_builder.training.pipeline import (
    FaceStore,
    Progress,
    store_faces,
    training_batches,
    validation_batches,
)
from btfer_builder.training.results import SetFacts, set_facts


@dataclass(frozen=True, slots=True)
class TrainingPlan:
    """A run before anything is decoded or built.

    Attributes
    ----------
    recipe, out, selection
        As `train` was given them.
    feeding
        How the network is fed.
    faces, facts
        Training and validation faces, and what is known of them.
    weights
        Of the classes in the loss.
    strategy
        The devices.
    key
        What must be the same for a run to be taken up: settings, faces, number of devices.
    """

    recipe: TrainRecipe
    out: Path
    selection: str
    feeding: Preprocessing
    faces: tuple[Sequence[LabelledFace], Sequence[LabelledFace]]
    facts: tuple[SetFacts, SetFacts]
    weights: dict[Any, float]
    strategy: tf.distribute.Strategy
    key: dict[str, Any]

    @property
    def replicas(self) -> int:
        """Devices that share each batch."""
        return int(self.strategy.num_replicas_in_sync)

    @property
    def first_phase(self) -> int:
        """1 where a pretrained base is frozen at first; the authors also froze random ones."""
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
    """Check the recipe, look at the faces' files and choose the devices.

    Raises
    ------
    BtferError
        If there are no faces, a file cannot be read, or the network cannot be had so.
    """
    if not train or not validation:
        raise BtferError("training needs faces to learn from and others to choose the best epoch; name both")
    feeding = preprocessing_of(recipe.network, recipe.pretraining, recipe.paper, size=recipe.size)
    facts = set_facts(train, recipe.workers), set_facts(validation, recipe.workers)
    strategy = _strategy(devices)
    return TrainingPlan(
        recipe,
        out,
        selection,
        feeding,
        (train, validation),
        facts,
        class_weights(class_counts(train), recipe.balancing),
        strategy,
        run_key(recipe, facts, strategy.num_replicas_in_sync),
    )


def run_key(recipe: TrainRecipe, facts: tuple[SetFacts, SetFacts], replicas: int) -> dict[str, Any]:
    """Return what makes a run the one it is, by name."""
    settings = outcome_settings(recipe) | {"weights": setting_digest(recipe.weights)}
    return settings | {"train": facts[0].sha256, "validation": facts[1].sha256, "devices": replicas}


def decode_faces(plan: TrainingPlan, progress: Progress) -> tuple[FaceStore, FaceStore]:
    """Decode training and validation faces into the network's size.

    Raises
    ------
    BtferError
        If a face cannot be decoded.
    """
    recipe = plan.recipe
    # Both together have to fit, so the training faces get what the others leave.
    free = recipe.memory * 1_000_000
    stores = []
    for faces in reversed(plan.faces):
        store = store_faces(faces, plan.feeding, memory=free, workers=recipe.workers, progress=progress)
        free -= store.nbytes
        stores.append(store)
    return stores[1], stores[0]


def build(plan: TrainingPlan) -> keras.Model:
    """Build the network with the weights it starts from.

    Raises
    ------
    BtferError
        If it cannot be built so, or its weights cannot be had.
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


def feed(plan: TrainingPlan, stores: tuple[FaceStore, FaceStore], first_epoch: int) -> Batches:
    """Return the batches from an epoch on, counted from 0."""
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
def precision(recipe: TrainRecipe) -> Iterator[None]:
    """Have Keras compute as the recipe says, and afterwards as before."""
    before = keras.config.dtype_policy()
    if recipe.mixed_precision:
        half = "mixed_float16" if tf.config.list_logical_devices("GPU") else "mixed_bfloat16"
        keras.config.set_dtype_policy(half)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _strategy(devices: Sequence[str]) -> tf.distribute.Strategy:
    names = list(devices) or [device.name for device in tf.config.list_logical_devices("GPU")]
    return tf.distribute.MirroredStrategy(names) if len(names) > 1 else tf.distribute.get_strategy()
