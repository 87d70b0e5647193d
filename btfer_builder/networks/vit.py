"""A small Vision Transformer, the modern baseline without convolutions."""

import keras
from keras import layers

from btfer_builder.networks.heads import scores
from btfer_builder.networks.layers import AddPositions
from btfer_builder.networks.registry import patch_side

#: ViT-S (Touvron et al. 2021, Table 1): width, depth and heads; the layers between are four times as wide.
WIDTH, DEPTH, HEADS = 384, 12, 6


def vit_s(size: int, classes: int) -> keras.Model:
    """Build ViT-S with pooled tokens instead of the class token (Beyer et al. 2022).

    Patches are 16 pixels wide, as in the article, for inputs of 128 pixels and more, and 4 pixels for smaller
    ones. A face of 48 pixels has 144 tokens, and one of 224 pixels 196.
    """
    patch = patch_side(size)
    x = inputs = layers.Input((size, size, 3))
    x = layers.Conv2D(WIDTH, patch, strides=patch, name="patches")(x)
    x = layers.Reshape((-1, WIDTH))(x)
    x = AddPositions(name="positions")(x)
    for _ in range(DEPTH):
        normal = layers.LayerNormalization(epsilon=1e-6)(x)
        attended = layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(normal, normal)
        x = layers.Add()([x, attended])
        y = layers.LayerNormalization(epsilon=1e-6)(x)
        y = layers.Dense(4 * WIDTH, activation="gelu")(y)
        y = layers.Dense(WIDTH)(y)
        x = layers.Add()([x, y])
    x = layers.LayerNormalization(epsilon=1e-6)(x)
    x = layers.GlobalAveragePooling1D()(x)
    return keras.Model(inputs, scores(x, classes), name="vit_s")
