"""Stacks of small convolutions by the authors: VGGNet, MNIST_NET, MediaPipe+VGGNet."""

import keras
from keras import layers

from btfer_builder.networks.heads import scores


def vggnet(size: int, classes: int) -> keras.Model:
    """Build VGG16 with its classifier (Simonyan and Zisserman 2015), without the dropout of its article."""
    x = inputs = layers.Input((size, size, 3))
    for convolutions, filters in ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)):
        for _ in range(convolutions):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    for _ in range(2):
        x = layers.Dense(4096, activation="relu")(x)
    return keras.Model(inputs, scores(x, classes), name="vggnet")


def mnist_net(size: int, classes: int) -> keras.Model:
    """Build MNIST_NET, which the text of the paper does not describe: 3×3 convolutions followed by 1×1 ones."""
    x = inputs = layers.Input((size, size, 3))
    stages = (((96, 3), (128, 3), (128, 1)), ((256, 3), (256, 1)), *[((512, 3), (512, 3), (256, 1))] * 2)
    for number, stage in enumerate(stages):
        if number:
            x = layers.MaxPooling2D()(x)
        for filters, kernel in stage:
            x = layers.Conv2D(filters, kernel, padding="same", activation="relu")(x)
    x = layers.Flatten()(x)
    for _ in range(2):
        x = layers.Dense(1024, activation="relu")(x)
        x = layers.Dropout(0.5)(x)
    return keras.Model(inputs, scores(x, classes), name="mnist_net")


def mediapipe_vggnet(size: int, classes: int) -> keras.Model:
    """Build the network of MediaPipe+VGGNet: grey pixels of 0–255, which it scales itself.

    MediaPipe is not part of it: the authors used it for face detection in a demonstration only.
    """
    x = inputs = layers.Input((size, size, 1))
    x = layers.Rescaling(1 / 255)(x)
    for number, (filters, dropout) in enumerate(((64, 0.5), (128, 0.4), (256, 0.5), (512, 0.4))):
        for padding in ("same" if number else "valid", "same"):  # only the first convolution is not padded
            x = layers.Conv2D(filters, 3, padding=padding, activation="relu", kernel_initializer="he_normal")(
                x
            )
            x = layers.BatchNormalization()(x)
        x = layers.MaxPooling2D()(x)
        x = layers.Dropout(dropout)(x)
    x = layers.Flatten()(x)
    x = layers.Dense(1024, activation="relu")(x)
    x = layers.Dropout(0.5)(x)
    x = layers.Dense(256, activation="relu")(x)
    return keras.Model(inputs, scores(x, classes), name="mediapipe_vggnet")
