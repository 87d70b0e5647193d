"""The self-designed networks of §3.3 with branches, as in the authors' code: Ensemble, Modular and SMMB.

These have no variant as in the text. The text does not define two of the Ensemble's three networks and gives Modular a
second Flatten without effect. Without the pool that its text lacks, SMMB compares 12,544 positions at 224 pixels.
"""

import keras
from keras import layers

from btfer_builder.networks.heads import scores


def ensemble(size: int, classes: int) -> keras.Model:
    """Build three networks of six convolutions that are trained together and whose probabilities are averaged.

    The first two have the same layers (32, 64, 128 filters) and other random weights; the third is twice as wide.
    """
    inputs = layers.Input((size, size, 3))
    outputs: list[keras.KerasTensor] = []
    for widths in ((32, 64, 128), (32, 64, 128), (64, 128, 256)):
        x = inputs
        for filters in widths:
            for _ in range(2):
                x = layers.Conv2D(filters, 3, padding="same")(x)
                x = layers.BatchNormalization()(x)
                x = layers.Activation("relu")(x)
            x = layers.MaxPooling2D()(x)
            x = layers.Dropout(0.25)(x)
        x = layers.GlobalAveragePooling2D()(x)
        x = layers.Dense(512, activation="relu")(x)
        x = layers.Dropout(0.5)(x)
        outputs.append(scores(x, classes, name=f"scores_{len(outputs) + 1}"))
    return keras.Model(inputs, layers.Average(dtype="float32", name="scores")(outputs), name="ensemble")


def modular(size: int, classes: int) -> keras.Model:
    """Build a local (3×3) and a global (5×5) branch, concatenated before the end."""
    inputs = layers.Input((size, size, 3))
    branches = []
    for kernel in (3, 5):
        x = inputs
        for filters in (32, 64, 128):
            x = layers.Conv2D(filters, kernel, padding="same", activation="relu")(x)
            x = layers.MaxPooling2D()(x)
        x = layers.Flatten()(x)
        for units in (512, 256):
            x = layers.Dense(units, activation="relu")(x)
            x = layers.Dropout(0.5)(x)
        branches.append(x)
    return keras.Model(inputs, scores(layers.Concatenate()(branches), classes), name="modular")


def smmb(size: int, classes: int) -> keras.Model:
    """Build SMMB: a shared trunk, a branch with self-attention for the emotion, and a second branch.

    The second one is meant for face detection but has no target: one loss trains both.
    """
    x = inputs = layers.Input((size, size, 3))
    for filters in (32, 64, 64):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)

    face = layers.MaxPooling2D()(x)
    face = layers.Conv2D(128, 3, padding="same", activation="relu")(face)
    face = layers.Dense(64, activation="relu")(layers.Flatten()(face))

    for filters in (128, 256):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.MultiHeadAttention(num_heads=4, key_dim=32)(x, x)  # over all positions of the map
    x = layers.LayerNormalization()(x)
    x = layers.Dense(128, activation="relu")(x)
    x = layers.Flatten()(layers.Dropout(0.5)(x))
    return keras.Model(inputs, scores(layers.Concatenate()([face, x]), classes), name="smmb")
