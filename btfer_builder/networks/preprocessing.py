"""How a face becomes the input of a model, in training and in evaluation alike."""

import math
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from btfer_builder.config import Pretraining, ResizeKernel, Scale, TrainRecipe
from btfer_builder.config.models import Color
from btfer_builder.errors import BtferError
from btfer_builder.networks.registry import ImageNetInput, NetworkSpec, find_network
from btfer_builder.networks.resizing import Interpolation, resize

ChannelOrder = Literal["rgb", "bgr", "grey", "grey-bgr"]

#: Means of ImageNet in the order blue, green, red, as Caffe's models subtract them.
CAFFE_MEAN = (103.939, 116.779, 123.68)

#: Means and deviations of ImageNet in the order red, green, blue, for pixels of 0–1, as torchvision gives them.
TORCH_MEAN = (0.485, 0.456, 0.406)
TORCH_STD = (0.229, 0.224, 0.225)

#: Means in the order blue, green, red that Keras-VGGFace subtracts: its version 1 (VGG16) and 2 (the others).
VGGFACE_MEAN = (93.5940, 104.7624, 129.1863)
VGGFACE2_MEAN = (91.4953, 103.8827, 131.0912)

#: Shares of red, green and blue in grey (ITU-R BT.601).
GREY = np.array([0.299, 0.587, 0.114])

#: Channel order, scale, mean and std.
_Pixels = tuple[ChannelOrder, Scale, tuple[float, ...], tuple[float, ...]]

#: The modes of keras.applications.
_IMAGENET: dict[ImageNetInput, _Pixels] = {
    "caffe": ("bgr", "0,255", CAFFE_MEAN, ()),
    "tf": ("rgb", "-1,1", (), ()),
    "torch": ("rgb", "0,1", TORCH_MEAN, TORCH_STD),
    "raw": ("rgb", "0,255", (), ()),
}


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """The steps from a face to the input of a model: crop, colour, resize, scale, − mean, ÷ std, in this order.

    Attributes
    ----------
    height, width, channels
        Shape of the input: pixels, and 1 or 3 channels.
    color
        Channel order; `grey` with three channels repeats the grey image in each. `grey-bgr` takes red for blue and blue
        for red, as libraries do that were given the other order.
    scale
        Range of the scaled pixels.
    mean, std
        Subtracted and divided by, in units of `scale`: empty, one value, or one a channel in the order of `color`.
    resize
        Interpolation; `auto` is `area` to shrink and `cubic` to enlarge. Those of OpenCV sample the pixels; those of
        Pillow (`pil-…`) average when they shrink, as torchvision and transformers do. `skimage` is the resize of
        scikit-image: blurred and bilinear, in floating point. `tf-bilinear` is that of TensorFlow.js and TensorFlow 1:
        it samples, in floating point, and the corners of both images lie on each other at the upper left only.
    crop
        Side of the central square that is kept, as a share of the face's side.
    raw
        Whether the model takes RGB of 0–255 as uint8 and does the rest itself.
    resize_to
        Side to which the shorter side of the face is resized, before the central part of the size of the input is cut
        out; 0 to resize to the size of the input.
    """

    height: int
    width: int
    channels: int
    color: ChannelOrder
    scale: Scale
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    resize: ResizeKernel = "auto"
    crop: float = 1.0
    raw: bool = False
    resize_to: int = 0

    def describe(self) -> str:
        """Return one line for people: `64×64 grey; −1 to 1; area to shrink, cubic to enlarge`."""
        size = f"{self.width}×{self.height}"
        if self.raw:
            return f"{size} rgb as uint8, the function does the rest"
        grey = self.color.startswith("grey") and self.channels == 3
        color = f"{self.color} in three channels" if grey else self.color
        low, high = self.scale.split(",")
        steps = [f"{size} {color}", f"{low.replace('-', '−')} to {high}"]
        if self.mean:
            steps.append("minus " + ", ".join(f"{value:g}" for value in self.mean))
        if self.std:
            steps.append("divided by " + ", ".join(f"{value:g}" for value in self.std))
        steps.append(
            "area to shrink, cubic to enlarge" if self.resize == "auto" else f"{self.resize} to resize"
        )
        if self.crop < 1:
            steps.append(f"central {self.crop:.0%}")
        if self.resize_to:
            steps.append(f"resized to {self.resize_to}, central {size} cut out")
        return "; ".join(steps)


def preprocessing_of(
    name: str, pretraining: Pretraining = "scratch", paper: bool = False, *, size: int
) -> Preprocessing:
    """Return the preprocessing of a network, which depends on the weights it starts from (§3.5).

    Parameters
    ----------
    name
        Name of the network.
    pretraining
        Weights it starts from.
    paper
        As the authors: nearest-neighbour resizing and RGB divided by 255, whatever the weights were trained with
        (§4.2). Their MediaPipe network takes grey pixels of 0–255 in any case, because it divides them itself.
    size
        Side of its input in pixels.

    Raises
    ------
    BtferError
        If there is no such network, or it has no such weights.
    """
    spec = find_network(name)
    if pretraining not in spec.pretrainings:
        raise BtferError(
            f"{name}: there are no {pretraining} weights; choose {' or '.join(spec.pretrainings)}"
        )
    pixels: _Pixels = ("rgb", "0,1", (), ())
    if spec.channels == 1:
        pixels = ("grey", "0,255", (), ())
    elif not paper:
        pixels = _pixels_of_weights(spec, pretraining) or pixels
    return Preprocessing(size, size, spec.channels, *pixels, resize="nearest" if paper else "auto")


def training_preprocessing(recipe: TrainRecipe) -> Preprocessing:
    """Return how a training feeds its network: as its weights expect (`preprocessing_of`), or as the recipe says.

    A given scale leaves out the mean and the deviation of the published weights, which are in units of another scale.

    Raises
    ------
    BtferError
        If there is no such network, it has no such weights, or what is given does not fit it.
    """
    name = recipe.network
    published = preprocessing_of(name, recipe.pretraining, recipe.paper, size=recipe.size)
    spec = find_network(name)
    scaling = [option for option in ("scale", "mean", "std") if getattr(recipe, option) not in ("auto", ())]
    if spec.rescales and scaling:
        raise BtferError(f"{name}: scales pixels of 0 to 255 in its first layers; leave out --{scaling[0]}")
    check_mean_and_std(recipe.mean, recipe.std, spec.channels, name)
    if recipe.color != "auto":
        published = replace(published, color=channel_order(recipe.color, spec.channels, name))
    if recipe.scale != "auto":
        published = replace(published, scale=recipe.scale, mean=(), std=())
    return replace(published, mean=recipe.mean or published.mean, std=recipe.std or published.std)


def channel_order(color: Color, channels: int, where: str) -> ChannelOrder:
    """Return the channel order of a model's input; `auto` is grey for one channel, else RGB.

    Raises
    ------
    BtferError
        If a model with one channel is to get colours; `where` names it.
    """
    if color == "auto":
        return "grey" if channels == 1 else "rgb"
    if channels == 1 and not color.startswith("grey"):
        raise BtferError(f"{where}: takes one channel, so color cannot be {color}; use grey or auto")
    return color


def check_mean_and_std(mean: tuple[float, ...], std: tuple[float, ...], channels: int, where: str) -> None:
    """Check that mean and deviation have a value for all channels or one for each, and can be divided by.

    Raises
    ------
    BtferError
        If not; `where` names the model.
    """
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in {0, 1, channels}:
            raise BtferError(
                f"{where}: {name} has {len(values)} values, but its images have {channels} channels; "
                "give one value, or one a channel"
            )
    if not all(math.isfinite(value) for value in (*mean, *std)):
        raise BtferError(f"{where}: mean and std must be finite numbers")
    if any(value <= 0 for value in std):
        raise BtferError(f"{where}: std must be above 0")


def _pixels_of_weights(spec: NetworkSpec, pretraining: Pretraining) -> _Pixels | None:
    """Return what the weights were trained with; None if the network has no requirement."""
    if spec.rescales:
        return _IMAGENET["raw"]
    if pretraining == "vggface":
        return "bgr", "0,255", VGGFACE_MEAN if spec.name == "vgg16" else VGGFACE2_MEAN, ()
    if pretraining == "imagenet" and spec.imagenet_input:
        return _IMAGENET[spec.imagenet_input]
    return None


def resize_face(
    image: NDArray[np.uint8], preprocessing: Preprocessing
) -> tuple[NDArray[np.uint8], Interpolation]:
    """Crop a decoded face and bring it to the size, channel order and channels of a model.

    Parameters
    ----------
    image
        uint8 of shape (h, w, 3), RGB.
    preprocessing
        The steps; those after resizing are left to `normalise`.

    Returns
    -------
    array
        uint8 of shape (height, width, channels); float64 of 0–255 after `skimage` and `tf-bilinear`.
    interpolation
        The interpolation used; `none` if the face already has the size.

    Notes
    -----
    Grey is ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B.
    """
    import cv2

    pixels = image
    if preprocessing.crop < 1:
        height, width = image.shape[:2]
        top, left = (round(side * (1 - preprocessing.crop) / 2) for side in (height, width))
        pixels = image[top : height - top, left : width - left]
    if preprocessing.color in {"grey", "grey-bgr"}:
        if preprocessing.resize == "tf-bilinear":  # which computes in floating point throughout
            pixels = pixels @ (GREY if preprocessing.color == "grey" else GREY[::-1])
        else:
            weights = cv2.COLOR_RGB2GRAY if preprocessing.color == "grey" else cv2.COLOR_BGR2GRAY
            pixels = cv2.cvtColor(np.ascontiguousarray(pixels), weights)
    elif preprocessing.color == "bgr":
        pixels = pixels[..., ::-1]
    height, width = pixels.shape[:2]
    target = preprocessing.height, preprocessing.width
    if preprocessing.resize_to:
        shorter = min(height, width)
        target = height * preprocessing.resize_to // shorter, width * preprocessing.resize_to // shorter
    used: Interpolation = "none"
    if (height, width) != target:
        # Area averages the pixels it drops; nearest neighbour aliases, and cubic does when it shrinks.
        shrinks = target[0] * target[1] < height * width
        used = preprocessing.resize if preprocessing.resize != "auto" else "area" if shrinks else "cubic"
        pixels = resize(np.ascontiguousarray(pixels), target, used)
    if preprocessing.resize_to:
        top, left = (target[0] - preprocessing.height) // 2, (target[1] - preprocessing.width) // 2
        pixels = pixels[top : top + preprocessing.height, left : left + preprocessing.width]
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., np.newaxis], preprocessing.channels, axis=2)
    return pixels, used


def normalise(pixels: NDArray[np.uint8], preprocessing: Preprocessing) -> NDArray[Any]:
    """Scale resized pixels, of a face or of a batch, then subtract the mean and divide by the deviation.

    Returns
    -------
    array
        float32 of the same shape, or the same uint8 if the preprocessing is raw.

    Notes
    -----
    The range is exact: x/255 and (x/255 − 0.5)·2.
    """
    if preprocessing.raw:
        return pixels if pixels.dtype == np.uint8 else np.rint(pixels).astype(np.uint8)
    exact = pixels.dtype == np.float64
    values = pixels.astype(np.float32)
    if preprocessing.scale != "0,255":
        values = (pixels / 255).astype(np.float32) if exact else values / np.float32(255)
    if preprocessing.scale == "-1,1":
        values -= np.float32(0.5)
        values *= np.float32(2)
    if preprocessing.mean:
        values -= np.array(preprocessing.mean, np.float32)
    if preprocessing.std:
        values /= np.array(preprocessing.std, np.float32)
    return values


def preprocess(image: NDArray[np.uint8], preprocessing: Preprocessing) -> tuple[NDArray[Any], Interpolation]:
    """Turn a decoded face, uint8 (h, w, 3) RGB, into the input of a model: `resize_face`, then `normalise`."""
    pixels, used = resize_face(image, preprocessing)
    return normalise(pixels, preprocessing), used
