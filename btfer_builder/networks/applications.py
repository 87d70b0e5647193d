"""The bases of keras.applications, without their classifiers."""

import keras

#: The class of keras.applications for each network.
CLASSES = {
    "vgg16": "VGG16",
    "vgg19": "VGG19",
    "mobilenet": "MobileNet",
    "mobilenetv2": "MobileNetV2",
    "efficientnetv2b0": "EfficientNetV2B0",
    "efficientnetb0": "EfficientNetB0",
    "resnet50": "ResNet50",
    "nasnetmobile": "NASNetMobile",
    "densenet121": "DenseNet121",
    "inceptionv3": "InceptionV3",
    "xception": "Xception",
    "convnext-tiny": "ConvNeXtTiny",
    "efficientnetv2-s": "EfficientNetV2S",
}


def base(name: str, size: int, weights: str | None = None) -> keras.Model:
    """Build a base for RGB images of this size.

    Parameters
    ----------
    name
        A key of `CLASSES`.
    size
        Side of the input in pixels.
    weights
        None for random weights, `imagenet`, or the path of an HDF5 file, as in keras.applications.

    Returns
    -------
    keras.Model
        From (batch, size, size, 3) to feature maps (batch, height, width, channels).
    """
    return getattr(keras.applications, CLASSES[name])(
        include_top=False, weights=weights, input_shape=(size, size, 3)
    )
