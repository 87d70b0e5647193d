"""GoogLeNet (Szegedy et al. 2015), with the towers of its article and with those of the authors."""

import keras
from keras import layers

from btfer_builder.networks.heads import scores
from btfer_builder.networks.layers import LocalResponseNormalization

#: The widths of the nine modules (Szegedy et al. 2015, Table 1): 1×1; 3×3 reduce, 3×3; 5×5 reduce, 5×5; pool.
WIDTHS = {
    "3a": (64, 96, 128, 16, 32, 32),
    "3b": (128, 128, 192, 32, 96, 64),
    "4a": (192, 96, 208, 16, 48, 64),
    "4b": (160, 112, 224, 24, 64, 64),
    "4c": (128, 128, 256, 24, 64, 64),
    "4d": (112, 144, 288, 32, 64, 64),
    "4e": (256, 160, 320, 32, 128, 128),
    "5a": (256, 160, 320, 32, 128, 128),
    "5b": (384, 192, 384, 48, 128, 128),
}

#: Side up to which inputs keep their resolution in the first convolution, as the authors' 48 pixels do.
SMALL_INPUT = 64


def googlenet(size: int, classes: int) -> keras.Model:
    """Build the authors' GoogLeNet: the widths of the article in another order of the towers.

    Small inputs have a first convolution of 3×3 without stride, pools of 2×2, and an additional pool after the
    fourth module.
    """
    small = size <= SMALL_INPUT
    pool = 2 if small else 3
    x = inputs = layers.Input((size, size, 3))
    x = _convolution(x, 64, 3 if small else 7, 1 if small else 2)
    x = _pool(x, pool)
    x = _convolution(x, 64, 1)
    x = _convolution(x, 192, 3)
    x = _pool(x, pool)
    for name, (first, second, third, fourth, fifth, sixth) in WIDTHS.items():
        x = layers.Concatenate()(
            [
                _convolution(_convolution(x, first, 1), second, 3),
                _convolution(_convolution(x, third, 1), fourth, 5),
                _convolution(layers.MaxPooling2D(3, strides=1, padding="same")(x), fifth, 1),
                _convolution(x, sixth, 1),
            ]
        )
        if name in {"3b", "4e"} or (small and name == "4b"):
            x = _pool(x, pool)
    return keras.Model(inputs, _end(x, classes), name="googlenet")


def googlenet_true(size: int, classes: int) -> keras.Model:
    """Build GoogLeNet as in its article, at every size, without the auxiliary classifiers.

    Those need additional losses in training and are removed for inference.
    """
    x = inputs = layers.Input((size, size, 3))
    x = _pool(_convolution(x, 64, 7, 2), 3)
    x = LocalResponseNormalization()(x)
    x = _convolution(_convolution(x, 64, 1), 192, 3)
    x = _pool(LocalResponseNormalization()(x), 3)
    for name, (straight, reduce3, conv3, reduce5, conv5, pooled) in WIDTHS.items():
        x = layers.Concatenate()(
            [
                _convolution(x, straight, 1),
                _convolution(_convolution(x, reduce3, 1), conv3, 3),
                _convolution(_convolution(x, reduce5, 1), conv5, 5),
                _convolution(layers.MaxPooling2D(3, strides=1, padding="same")(x), pooled, 1),
            ]
        )
        if name in {"3b", "4e"}:
            x = _pool(x, 3)
    return keras.Model(inputs, _end(x, classes), name="googlenet_true")


def _convolution(x: keras.KerasTensor, filters: int, kernel: int, strides: int = 1) -> keras.KerasTensor:
    return layers.Conv2D(filters, kernel, strides=strides, padding="same", activation="relu")(x)


def _pool(x: keras.KerasTensor, window: int) -> keras.KerasTensor:
    return layers.MaxPooling2D(window, strides=2, padding="same")(x)


def _end(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    x = layers.GlobalAveragePooling2D()(x)
    return scores(layers.Dropout(0.4)(x), classes)
