"""How a face becomes the input of a network: it belongs to the weights the network starts from (§3.5)."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from btfer_builder.config import Pretraining
from btfer_builder.errors import BtferError
from btfer_builder.networks.registry import ImageNetInput, find_network

Color = Literal["rgb", "bgr", "grey"]
Scale = Literal["0,1", "-1,1", "0,255"]
Channels = tuple[float, float, float]

#: Means of ImageNet in the order blue, green, red, as Caffe's models subtract them.
CAFFE_MEAN = (103.939, 116.779, 123.68)

#: Means and deviations of ImageNet in the order red, green, blue, for pixels of 0–1.
TORCH_MEAN = (0.485, 0.456, 0.406)
TORCH_STD = (0.229, 0.224, 0.225)

#: What keras.applications does in its words: colour, scale, mean and std.
IMAGENET: dict[ImageNetInput, tuple[Color, Scale, Channels | None, Channels | None]] = {
    "caffe": ("bgr", "0,255", CAFFE_MEAN, None),
    "tf": ("rgb", "-1,1", None, None),
    "torch": ("rgb", "0,1", TORCH_MEAN, TORCH_STD),
    "raw": ("rgb", "0,255", None, None),
}

#: Means in the order blue, green, red that Keras-VGGFace subtracts: its version 1 (VGG16) and 2 (the others).
VGGFACE_MEAN = (93.5940, 104.7624, 129.1863)
VGGFACE2_MEAN = (91.4953, 103.8827, 131.0912)


@dataclass(frozen=True, slots=True)
class Preprocessing:
    """What is done to a face of 0–255, in this order: resize, colour, scale, minus mean, divided by std.

    Attributes
    ----------
    size
        Side of the square input, in pixels.
    color
        Order of the channels; `grey` is a single one.
    scale
        Range the pixels are brought to.
    mean, std
        For each channel in the order of `color`, in units of `scale`; None where nothing is done.
    """

    size: int
    color: Color = "rgb"
    scale: Scale = "0,1"
    mean: Channels | None = None
    std: Channels | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return what a sidecar says."""
        return asdict(self)

    def apply(self, pixels: NDArray[Any]) -> NDArray[np.float32]:
        """Bring pixels to what the network expects.

        Parameters
        ----------
        pixels
            Of shape (…, size, size, 3), RGB, 0–255, resized already.

        Returns
        -------
        array
            float32 of the same shape, or with one channel for `grey` (ITU-R BT.601).
        """
        values: NDArray[np.float32] = np.array(pixels, np.float32)
        if self.color == "grey":
            values = np.asarray(values @ np.array([[0.299], [0.587], [0.114]]), np.float32)
        elif self.color == "bgr":
            values = values[..., ::-1]
        if self.scale != "0,255":
            values /= np.float32(255)
        if self.scale == "-1,1":
            values = (values - np.float32(0.5)) * np.float32(2)
        if self.mean is not None:
            values -= np.array(self.mean, np.float32)
        if self.std is not None:
            values /= np.array(self.std, np.float32)
        return values


def preprocessing_of(
    name: str, pretraining: Pretraining = "scratch", paper: bool = False, *, size: int
) -> Preprocessing:
    """Return how faces are fed to a network.

    Parameters
    ----------
    name
        A network.
    pretraining
        What it starts from.
    paper
        As the authors: RGB divided by 255, whatever the weights were trained with (§4.2). Their MediaPipe
        network gets grey pixels of 0–255 all the same, for it divides them itself.
    size
        Side of its input, in pixels.

    Raises
    ------
    BtferError
        If there is no such network, or none with such weights.
    """
    spec = find_network(name)
    if pretraining not in spec.pretrainings:
        raise BtferError(
            f"{name}: there are no {pretraining} weights; choose {' or '.join(spec.pretrainings)}"
        )
    if spec.channels == 1:
        return Preprocessing(size, "grey", "0,255")
    if spec.rescales and not paper:
        return Preprocessing(size, scale="0,255")
    if paper:
        return Preprocessing(size)
    if pretraining == "vggface":
        return Preprocessing(size, "bgr", "0,255", VGGFACE_MEAN if name == "vgg16" else VGGFACE2_MEAN)
    if pretraining == "imagenet" and spec.imagenet_input:
        return Preprocessing(size, *IMAGENET[spec.imagenet_input])
    return Preprocessing(size)
