"""The classic networks of §3.2, as the authors built them: LeNet5, AlexNet and ZFNet."""

import keras
from keras import layers

from btfer_builder.networks.heads import scores


def lenet5(size: int, classes: int) -> keras.Model:
    """Build LeNet5 (LeCun et al. 1998) with ReLU instead of tanh and max pooling instead of trained averages."""
    x = inputs = layers.Input((size, size, 3))
    for filters in (6, 16):
        x = layers.Conv2D(filters, 5, activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(120, activation="relu")(x)
    x = layers.Dense(84, activation="relu")(x)
    return keras.Model(inputs, scores(x, classes), name="lenet5")


def alexnet(size: int, classes: int) -> keras.Model:
    """Build AlexNet (Krizhevsky et al. 2012) with batch normalisation after each pool, and global pooling.

    At 48 pixels the feature map is a single pixel after the second pool, so the last pool is padded.
    """
    x = inputs = layers.Input((size, size, 3))
    x = layers.Conv2D(96, 11, strides=4, activation="relu")(x)
    x = layers.MaxPooling2D(3, strides=2)(x)
    x = layers.BatchNormalization()(x)
    x = layers.Conv2D(256, 5, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(3, strides=2)(x)
    x = layers.BatchNormalization()(x)
    for filters in (384, 384, 256):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, _two_wide_layers(x, classes), name="alexnet")


def zfnet(size: int, classes: int) -> keras.Model:
    """Build ZFNet (Zeiler and Fergus 2014) without its contrast normalisation."""
    x = inputs = layers.Input((size, size, 3))
    x = layers.Conv2D(96, 7, strides=2, activation="relu")(x)
    x = layers.MaxPooling2D(3, strides=2)(x)
    x = layers.Conv2D(256, 5, strides=2, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(3, strides=2)(x)
    for filters in (384, 384, 256):
        x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(2)(x)  # 2×2, the size of the map at 48 pixels
    x = layers.Flatten()(x)
    return keras.Model(inputs, _two_wide_layers(x, classes), name="zfnet")


def _two_wide_layers(x: keras.KerasTensor, classes: int) -> keras.KerasTensor:
    for _ in range(2):
        x = layers.Dense(4096, activation="relu")(x)
        x = layers.Dropout(0.5)(x)
    return scores(x, classes)
