"""The self-designed stacks of §3.3, as in the code and as in the text: Sequential 3 Conv, 4 Conv and Simple."""

from typing import Any

import keras
from keras import layers

from btfer_builder.networks.heads import pool, scores


def sequential_3_conv(size: int, classes: int, head: str) -> keras.Model:
    """Build Sequential 3 Conv as in the authors' code.

    The pool of the second block is between the convolutions instead of after them, and there are two dropouts that
    the text does not mention.
    """
    x = inputs = layers.Input((size, size, 3))
    x = _first_block(x)
    x = _convolutions(x, 128)
    x = layers.MaxPooling2D()(x)
    x = _convolutions(x, 128)
    x = layers.Dropout(0.25)(x)
    x = _convolutions(x, 512, padding="same")
    x = layers.BatchNormalization()(x)
    x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(inputs, _end(x, classes, head), name="sequential_3_conv")


def sequential_3_conv_text(size: int, classes: int, head: str) -> keras.Model:
    """Build Sequential 3 Conv as in the text of §3.3; without padding where it mentions none."""
    x = inputs = layers.Input((size, size, 3))
    x = _first_block(x)
    x = _convolutions(x, 128, 128)
    x = layers.MaxPooling2D()(x)
    x = _convolutions(x, 512)
    x = layers.BatchNormalization()(x)
    x = layers.MaxPooling2D()(x)
    return keras.Model(inputs, _end(x, classes, head), name="sequential_3_conv_text")


def sequential_4_conv(size: int, classes: int, head: str) -> keras.Model:
    """Build Sequential 4 Conv as in the authors' code.

    The code flattens where the text pools. At 48 pixels, the only size they ran, the map is 1×1 and both are the
    same. The default is GAP, because Flatten needs 280 million parameters at 224 pixels.
    """
    x = inputs = layers.Input((size, size, 3))
    x = _first_block(x)
    for filters in (128, 256):
        x = _convolutions(x, filters)
        x = layers.MaxPooling2D()(x)
        x = _convolutions(x, filters)
        x = layers.Dropout(0.25)(x)
    x = _convolutions(x, 512, padding="same")
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(inputs, _end(x, classes, head), name="sequential_4_conv")


def sequential_4_conv_text(size: int, classes: int, head: str) -> keras.Model:
    """Build Sequential 4 Conv as in the text of §3.3.

    The text mentions no padding for the last convolution, which needs it at 48 pixels.
    """
    x = inputs = layers.Input((size, size, 3))
    x = _first_block(x)
    for filters in (128, 256):
        x = _convolutions(x, filters, filters)
        x = layers.MaxPooling2D()(x)
    x = _convolutions(x, 512, padding="same")
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(inputs, _end(x, classes, head), name="sequential_4_conv_text")


def sequential_simple(size: int, classes: int) -> keras.Model:
    """Build Sequential Simple as in the authors' code: 256 filters in the last convolution."""
    x = inputs = layers.Input((size, size, 3))
    for filters in ((32, 64), (128,), (256,)):
        x = _convolutions(x, *filters)
        x = layers.MaxPooling2D()(x)
        x = layers.Dropout(0.1)(x)
    return keras.Model(inputs, _simple_end(x, classes), name="sequential_simple")


def sequential_simple_text(size: int, classes: int) -> keras.Model:
    """Build Sequential Simple as in the text of §3.3: 64 filters in the last convolution, one dropout of 0.1."""
    x = inputs = layers.Input((size, size, 3))
    x = _convolutions(x, 32, 64)
    x = layers.MaxPooling2D()(x)
    x = layers.Dropout(0.1)(x)
    for filters in (128, 64):
        x = _convolutions(x, filters)
        x = layers.MaxPooling2D()(x)
    return keras.Model(inputs, _simple_end(x, classes), name="sequential_simple_text")


def _first_block(x: keras.KerasTensor) -> keras.KerasTensor:
    x = _convolutions(x, 32, padding="same")
    x = _convolutions(x, 64)
    x = layers.MaxPooling2D()(x)
    return layers.Dropout(0.25)(x)


def _convolutions(x: keras.KerasTensor, *filters: int, **options: Any) -> keras.KerasTensor:  # noqa: ANN401
    for number in filters:
        x = layers.Conv2D(number, 3, activation="relu", **options)(x)
    return x


def _end(x: keras.KerasTensor, classes: int, head: str) -> keras.KerasTensor:
    x = layers.Dense(1024, activation="relu")(pool(x, head))
    return scores(layers.Dropout(0.5)(x), classes)


def _simple_end(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    x = layers.Dense(512, activation="relu")(layers.Flatten()(x))
    return scores(layers.Dropout(0.2)(x), classes)
