"""RepVGG: the authors' network of that name, and the true one (Ding et al. 2021) with its `deploy()`."""

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.networks.heads import scores
from btfer_builder.networks.layers import StopHalfGradient

#: RepVGG-A0 (Ding et al. 2021, Tables 2 and 3): blocks and filters of its five stages, each halving the map.
A0_STAGES = ((1, 48), (2, 48), (4, 96), (14, 192), (1, 1280))

Array = NDArray[np.float32]


def repvgg(size: int, classes: int) -> keras.Model:
    """Build what the authors call RepVGG: eleven residual blocks, half of the gradient stopped before each.

    A block is two 3×3 convolutions with normalisation and a shortcut, which is a 1×1 convolution if the map is halved.
    It cannot be re-parameterised; `repvgg-true` is the network of the article.
    """
    x = inputs = layers.Input((size, size, 3))
    x = layers.Conv2D(64, 3, strides=2, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.ReLU()(x)
    for blocks, filters in ((1, 64), (2, 128), (3, 256), (5, 512)):
        for block in range(blocks):
            strides = 2 if block == 0 and filters > 64 else 1
            x = StopHalfGradient()(x)
            shortcut = x if strides == 1 else layers.Conv2D(filters, 1, strides=2, use_bias=False)(x)
            x = layers.Conv2D(filters, 3, strides=strides, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.ReLU()(x)
            x = layers.Conv2D(filters, 3, padding="same", use_bias=False)(x)
            x = layers.BatchNormalization()(x)
            x = layers.Add()([x, shortcut])
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, scores(x, classes), name="repvgg")


def repvgg_true(size: int, classes: int) -> keras.Model:
    """Build RepVGG-A0 for training: a 3×3, a 1×1 and, if the shapes match, an identity branch in each block."""
    x = inputs = layers.Input((size, size, 3))
    for name, filters, strides in _blocks():
        x = _training_block(x, name, filters, strides)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, scores(x, classes), name="repvgg_true")


def deploy(model: keras.Model) -> keras.Model:
    """Merge the branches of a trained RepVGG-A0 into one 3×3 convolution a block (Ding et al. 2021, §3.3).

    Parameters
    ----------
    model
        Built by `repvgg_true`, at any size and for any number of classes.

    Returns
    -------
    keras.Model
        A network of plain Keras layers with the same outputs up to rounding.

    Raises
    ------
    BtferError
        If it is another network.
    """
    if model.name != "repvgg_true":
        raise BtferError(f"{model.name}: only repvgg-true has branches to merge")
    size, classes = model.input_shape[1], model.output_shape[-1]
    x = inputs = layers.Input((size, size, 3))
    for name, filters, strides in _blocks():
        padded = layers.ZeroPadding2D(1)(x) if strides == 2 else x
        padding = "valid" if strides == 2 else "same"
        x = layers.Conv2D(
            filters, 3, strides=strides, padding=padding, activation="relu", name=f"{name}_merged"
        )(padded)
    x = layers.GlobalAveragePooling2D()(x)
    merged = keras.Model(inputs, scores(x, classes), name="repvgg_deployed")
    for name, _, _ in _blocks():
        merged.get_layer(f"{name}_merged").set_weights(_merge(model, name))
    merged.get_layer("scores").set_weights(model.get_layer("scores").get_weights())
    return merged


def _blocks() -> list[tuple[str, int, int]]:
    """Return the name, filters and strides of every block."""
    return [
        (f"stage{stage}_block{block}", filters, 1 if block else 2)
        for stage, (blocks, filters) in enumerate(A0_STAGES)
        for block in range(blocks)
    ]


def _training_block(x: keras.KerasTensor, name: str, filters: int, strides: int) -> keras.KerasTensor:
    # With stride 2, Keras's "same" pads below and to the right only: the centre of the 3×3 filter is then one
    # pixel beside the 1×1 filter, and the two cannot be merged.
    padded = layers.ZeroPadding2D(1)(x) if strides == 2 else x
    padding = "valid" if strides == 2 else "same"
    wide = layers.Conv2D(filters, 3, strides=strides, padding=padding, use_bias=False, name=f"{name}_wide")(
        padded
    )
    point = layers.Conv2D(filters, 1, strides=strides, use_bias=False, name=f"{name}_point")(x)
    branches = [
        layers.BatchNormalization(epsilon=1e-5, name=f"{name}_wide_norm")(wide),
        layers.BatchNormalization(epsilon=1e-5, name=f"{name}_point_norm")(point),
    ]
    if strides == 1 and x.shape[-1] == filters:
        branches.append(layers.BatchNormalization(epsilon=1e-5, name=f"{name}_skip_norm")(x))
    return layers.ReLU()(layers.Add()(branches))


def _merge(model: keras.Model, name: str) -> list[Array]:
    """Return kernel (3, 3, in, out) and bias (out,) of the convolution that equals the sum of the branches."""
    norms = {layer.name: layer for layer in model.layers}
    wide = model.get_layer(f"{name}_wide").get_weights()[0]
    point = np.zeros_like(wide)
    point[1, 1] = model.get_layer(f"{name}_point").get_weights()[0][0, 0]
    branches = [(wide, f"{name}_wide_norm"), (point, f"{name}_point_norm")]
    if f"{name}_skip_norm" in norms:
        skip = np.zeros_like(wide)
        skip[1, 1] = np.eye(wide.shape[2], dtype=wide.dtype)
        branches.append((skip, f"{name}_skip_norm"))
    kernel = np.zeros_like(wide)
    bias = np.zeros(wide.shape[-1], wide.dtype)
    for branch, norm in branches:
        gamma, beta, mean, variance = norms[norm].get_weights()
        factor = gamma / np.sqrt(variance + norms[norm].epsilon)
        kernel += branch * factor
        bias += beta - mean * factor
    return [kernel, bias]
