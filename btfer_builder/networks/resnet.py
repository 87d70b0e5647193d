"""ResNet18 (He et al. 2016), with the layers the authors added and without."""

import keras
from keras import layers

from btfer_builder.networks.heads import scores

#: Side up to which inputs keep their resolution in the first convolution, as the authors' 48 pixels do.
SMALL_INPUT = 64


def resnet18(size: int, classes: int) -> keras.Model:
    """Build the authors' ResNet18: dropout 0.2, a layer of 1024 units and dropout 0.5 before the end (§3.2)."""
    inputs, x = _features(size)
    x = layers.Dropout(0.2)(x)
    x = layers.Dense(1024, activation="relu")(x)
    x = layers.Dropout(0.5)(x)
    return keras.Model(inputs, scores(x, classes), name="resnet18")


def resnet18_plain(size: int, classes: int) -> keras.Model:
    """Build ResNet18 as in its article: the classes follow the pooled features directly."""
    inputs, x = _features(size)
    return keras.Model(inputs, scores(x, classes), name="resnet18_plain")


def _features(size: int) -> tuple[keras.KerasTensor, keras.KerasTensor]:
    x = inputs = layers.Input((size, size, 3))
    if size <= SMALL_INPUT:
        x = _convolution(x, 64, 3, 1)
        x = layers.ReLU()(x)
    else:
        x = _convolution(x, 64, 7, 2)
        x = layers.ReLU()(x)
        x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    for stage, filters in enumerate((64, 128, 256, 512)):
        x = _block(x, filters, strides=2 if stage else 1)
        x = _block(x, filters, strides=1)
    return inputs, layers.GlobalAveragePooling2D()(x)


def _block(x: keras.KerasTensor, filters: int, strides: int) -> keras.KerasTensor:
    """Add a basic block; where it halves the map, a 1×1 convolution with normalisation is the shortcut."""
    shortcut = x if strides == 1 else _convolution(x, filters, 1, strides)
    x = _convolution(x, filters, 3, strides)
    x = layers.ReLU()(x)
    x = _convolution(x, filters, 3, 1)
    x = layers.Add()([x, shortcut])
    return layers.ReLU()(x)


def _convolution(x: keras.KerasTensor, filters: int, kernel: int, strides: int) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False)(x)
    return layers.BatchNormalization()(x)
