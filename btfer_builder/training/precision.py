"""The precision in which a network trains: single, or mixed where it is asked for or found to be faster."""

import re
import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import Literal

import keras
import numpy as np
import tensorflow as tf

from btfer_builder.config import TrainRecipe
from btfer_builder.labels import EMOTIONS
from btfer_builder.networks import assemble_network
from btfer_builder.networks.preprocessing import preprocessing_of
from btfer_builder.training.loop import loss_of
from btfer_builder.training.prepare import graphics_cards, precision

Precision = Literal["float32", "mixed"]

#: Mixed precision is taken if its step is shorter than this part of a step in single precision.
WORTH = 0.95

#: Steps that are timed of each precision, in turn, after one that traces the graph.
STEPS = 5

#: How processors name their units for bfloat16; without them it is computed in single precision, and slower.
_UNITS = re.compile(r"\b(?:avx512_bf16|amx_bf16|avx_ne_convert|bf16)\b")


def choose_precision(recipe: TrainRecipe) -> Precision:
    """Return the precision that a recipe asks for; `auto` measures a training step in both.

    Single precision is taken without measuring where neither a graphics card nor a processor with units for bfloat16
    is used.

    Raises
    ------
    BtferError
        If the network cannot be built as the recipe says.
    """
    if recipe.precision != "auto":
        return recipe.precision
    if not graphics_cards(recipe.device) and not has_bfloat16():
        return "float32"
    single, mixed = step_seconds(recipe)
    return "mixed" if mixed < WORTH * single else "float32"


def has_bfloat16(processors: Path = Path("/proc/cpuinfo")) -> bool:
    """Return whether the processor has units for bfloat16."""
    with suppress(OSError):
        return bool(_UNITS.search(processors.read_text(encoding="utf-8", errors="replace")))
    return False


def step_seconds(recipe: TrainRecipe) -> tuple[float, float]:
    """Return the median time of a training step in single and in mixed precision, on one batch in memory."""
    channels = preprocessing_of(recipe.network, recipe.pretraining, recipe.paper, size=recipe.size).channels
    random = np.random.default_rng(0)
    faces = tf.constant(
        random.random((recipe.batch_size, recipe.size, recipe.size, channels), dtype=np.float32)
    )
    labels = tf.one_hot(tf.range(recipe.batch_size) % len(EMOTIONS), len(EMOTIONS))
    trainers = [_trainer(recipe, each) for each in ("float32", "mixed")]
    seconds: list[list[float]] = [[], []]
    for step in range(STEPS + 1):
        for trainer, taken in zip(trainers, seconds, strict=True):
            start = time.perf_counter()
            trainer.train_on_batch(faces, labels)
            if step:
                taken.append(time.perf_counter() - start)
    return statistics.median(seconds[0]), statistics.median(seconds[1])


def _trainer(recipe: TrainRecipe, chosen: Precision) -> keras.Model:
    with precision(chosen, recipe.device):
        network = assemble_network(
            recipe.network,
            recipe.size,
            pretraining=recipe.pretraining,
            head=None if recipe.head == "auto" else recipe.head,
            units=None if recipe.units == "auto" else recipe.units,
        )
        trainer = keras.Model(network.input, network.output)
        optimizer = keras.optimizers.Adam(recipe.learning_rate)
        trainer.compile(optimizer=optimizer, loss=loss_of(recipe), metrics=["accuracy"])
    return trainer
