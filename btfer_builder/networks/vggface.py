"""The bases of Keras-VGGFace, for its published weights: VGG16, ResNet50 and SENet50.

VGG16 was trained on VGGFace (Parkhi et al. 2015), the other two on VGGFace2 (Cao et al. 2018). The names of the layers
are those of the published files, with `_` for `/`, which Keras no longer allows.
"""

import keras
from keras import layers

#: Blocks and inner filters of the four stages of a ResNet50 (He et al. 2016, Table 1).
STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))


def base(name: str, size: int) -> keras.Model:
    """Build the base of `vgg16`, `resnet50` or `senet50` with random weights.

    Returns
    -------
    keras.Model
        From (batch, size, size, 3) to feature maps: (batch, size // 32, size // 32, 512) for VGG16, and
        (batch, 1, 1, 2048) for the other two, which end in a global pool.
    """
    if name == "vgg16":
        return _vgg16(size)
    return _resnet(size, squeeze=name == "senet50", name=f"vggface_{name}")


def _vgg16(size: int) -> keras.Model:
    x = inputs = layers.Input((size, size, 3))
    for stage, (convolutions, filters) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512)), 1):
        for number in range(1, convolutions + 1):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu", name=f"conv{stage}_{number}")(x)
        x = layers.MaxPooling2D(name=f"pool{stage}")(x)
    return keras.Model(inputs, x, name="vggface_vgg16")


def _resnet(size: int, *, squeeze: bool, name: str) -> keras.Model:
    """Build a ResNet50 whose blocks have their stride in the first 1×1 convolution and no bias anywhere."""
    epsilon = 1e-4 if squeeze else 1e-3  # the values of the published weights
    x = inputs = layers.Input((size, size, 3))
    x = _convolution(x, 64, 7, "conv1_7x7_s2", epsilon=epsilon, strides=2)
    x = layers.ReLU()(x)
    x = layers.MaxPooling2D(3, strides=2)(x)
    for stage, (blocks, filters) in enumerate(STAGES, 2):
        for block in range(1, blocks + 1):
            x = _block(
                x,
                filters,
                name=f"conv{stage}_{block}",
                epsilon=epsilon,
                strides=2 if block == 1 and stage > 2 else 1,
                squeeze=squeeze,
                first=block == 1,
            )
    # Keras-VGGFace pools 7×7, the whole map at 224 pixels; a global pool also supports other sizes.
    x = layers.GlobalAveragePooling2D(keepdims=True, name="avg_pool")(x)
    return keras.Model(inputs, x, name=name)


def _block(
    x: keras.KerasTensor,
    filters: int,
    *,
    name: str,
    epsilon: float,
    strides: int,
    squeeze: bool,
    first: bool,
) -> keras.KerasTensor:
    shortcut = x
    x = layers.ReLU()(_convolution(x, filters, 1, f"{name}_1x1_reduce", epsilon=epsilon, strides=strides))
    x = layers.ReLU()(_convolution(x, filters, 3, f"{name}_3x3", epsilon=epsilon))
    x = _convolution(x, 4 * filters, 1, f"{name}_1x1_increase", epsilon=epsilon)
    if squeeze:
        x = _recalibrated(x, name)
    if first:
        shortcut = _convolution(
            shortcut, 4 * filters, 1, f"{name}_1x1_proj", epsilon=epsilon, strides=strides
        )
    return layers.ReLU()(layers.Add()([x, shortcut]))


def _convolution(
    x: keras.KerasTensor, filters: int, kernel: int, name: str, *, epsilon: float, strides: int = 1
) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False, name=name)(x)
    return layers.BatchNormalization(epsilon=epsilon, name=f"{name}_bn")(x)


def _recalibrated(x: keras.KerasTensor, name: str) -> keras.KerasTensor:
    """Weight the channels by the whole map (Hu et al. 2020), with a bottleneck of a sixteenth."""
    channels = x.shape[-1]
    weights = layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = layers.Conv2D(channels // 16, 1, activation="relu", name=f"{name}_1x1_down")(weights)
    weights = layers.Conv2D(channels, 1, activation="sigmoid", name=f"{name}_1x1_up")(weights)
    return layers.Multiply()([x, weights])
