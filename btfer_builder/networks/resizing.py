"""The kernels that resize faces, equal to those of the libraries whose names they have."""

from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from btfer_builder.config.models import Kernel

Interpolation = Literal[Kernel, "none"]


def resize(pixels: NDArray[np.uint8], target: tuple[int, int], kernel: Interpolation) -> NDArray[np.uint8]:
    """Resize contiguous pixels to (height, width); those of `skimage` and `tf-bilinear` are float64 of 0–255."""
    height, width = target
    if kernel == "skimage":
        return _as_skimage(pixels, target)
    if kernel == "tf-bilinear":
        return _as_tensorflow_js(pixels, target)
    if kernel.startswith("pil-"):
        from PIL import Image

        filters = {"cubic": "bicubic"}
        name = kernel.removeprefix("pil-")
        resample = Image.Resampling[filters.get(name, name).upper()]
        return np.asarray(Image.fromarray(pixels).resize((width, height), resample))
    import cv2

    kernels = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}
    kernels |= {"lanczos": cv2.INTER_LANCZOS4, "nearest": cv2.INTER_NEAREST}
    resized: NDArray[np.uint8] = cv2.resize(pixels, (width, height), interpolation=kernels[kernel])
    return resized


def _as_skimage(pixels: NDArray[np.uint8], target: tuple[int, int]) -> NDArray[Any]:
    """Resize as `skimage.transform.resize` does by default: Gaussian blur where it shrinks, then bilinear."""
    from scipy import ndimage

    factors = np.divide(pixels.shape[:2], target)
    more = (1.0,) * (pixels.ndim - 2)
    image = pixels * (
        1 / 255
    )  # rounded as there: a network with integers inside shows one unit in the last place
    if (factors > 1).any():
        sigma = (*np.maximum(0, (factors - 1) / 2), *(0.0 for _ in more))
        image = ndimage.gaussian_filter(image, sigma, mode="mirror")
    resized = ndimage.zoom(image, (*(1 / factors), *more), order=1, mode="mirror", grid_mode=True)
    scaled: NDArray[np.float64] = resized * 255
    return scaled


def _as_tensorflow_js(pixels: NDArray[np.uint8], target: tuple[int, int]) -> NDArray[Any]:
    """Resize as `tf.image.resizeBilinear` does by default: pixel i of n is at i · side / n."""
    resized: NDArray[np.float64] = pixels.astype(np.float64)
    for axis, length in enumerate(target):
        side = resized.shape[axis]
        places = np.arange(length) * (side / length)
        before = np.floor(places).astype(np.int64)
        share = (places - before).reshape(-1, *(1,) * (resized.ndim - 1 - axis))
        low, high = (resized.take(each, axis) for each in (before, np.minimum(before + 1, side - 1)))
        resized = low + (high - low) * share
    return resized
