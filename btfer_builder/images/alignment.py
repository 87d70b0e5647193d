"""Align two pictures and measure how they differ: the same picture, or another moment or person."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Side of the grey images that are compared: coarse enough to ignore compression, fine enough to see a mouth.
SIDE = 64

#: Iterations of the alignment; a shift of 5 % of the crop needs about 20.
_STEPS = 40

#: Standard deviations of the blur before comparing and of the window of local differences, in pixels.
_FINE, _LOCAL = 1.0, 2.0

#: Features wider than this many pixels are light and shade, not structure.
_BROAD = 4.0

#: Standard deviation of the window of a region, in pixels, and the least energy of a region with structure, as a
#: multiple of the mean.
_REGION, _STRUCTURE = 3.0, 0.25

#: Regions nearer to the edge than this, in pixels, are not compared.
_EDGE = 10

#: If the correlation of a region is below this, it shows something else.
OTHER_REGION = 0.45

#: Standard deviation of the window, in pixels, in which the difference of a watermark has one sign, and the largest
#: energy of the other sign, as a fraction.
_AROUND, _ONE_SIDED = 5.0, 0.005


@dataclass(frozen=True, slots=True)
class Overlay:
    """The differences between two crops after alignment.

    Attributes
    ----------
    distance
        Hamming distance of their 64-bit pHashes.
    difference
        Largest local root mean square difference, over a window of a sixteenth of the crop, in standard deviations of
        the grey values of the crop.
    """

    distance: int
    difference: float


def grey(pixels: "NDArray[np.uint8]") -> "NDArray[np.float32]":
    """Return RGB pixels as the small grey image that is compared: float32, 0–255, shape (SIDE, SIDE)."""
    import numpy as np
    from PIL import Image

    small = Image.fromarray(pixels).convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(small, dtype=np.float32)


def overlay(first: "NDArray[np.float32]", second: "NDArray[np.float32]") -> Overlay | None:
    """Compare two crops after alignment, independently of brightness, contrast, tone curve and slight shift and zoom.

    An affine alignment that maximizes the correlation coefficient (Evangelidis and Psarakis 2008) removes shift, zoom
    and rotation, and a cubic polynomial removes differences of the tone curve. Neither can remove an opening mouth.

    Parameters
    ----------
    first, second
        Images from `grey`.

    Returns
    -------
    Overlay or None
        None if no alignment was found: the pictures are different.
    """
    aligned = _align(first, second)
    if aligned is None:
        return None
    warped, inside = aligned
    return Overlay(_hash_distance(first, warped), _largest_difference(first, warped, inside))


def likeness(first: "NDArray[np.float32]", second: "NDArray[np.float32]") -> float | None:
    """Return the correlation of the fine structure of two pictures after alignment.

    Borders, watermarks, light, contrast and crops of a few percent hardly change it. Faces of different people have
    eyes and mouths in the same positions, but their fine structure differs. If a region, about a fifth of the picture
    wide, shows something else (another face in front of the same background), its correlation is returned. A region
    that is only lighter or only darker, as under a watermark, does not count.

    Parameters
    ----------
    first, second
        Images from `grey`.

    Returns
    -------
    float or None
        The correlation coefficient, at most 1; None if no alignment was found or one of the pictures is empty.
    """
    import cv2
    import numpy as np

    aligned = _align(first, second)
    if aligned is None:
        return None
    warped, inside = aligned
    smooth = [cv2.GaussianBlur(image, (0, 0), _FINE) for image in (first, warped)]
    fine = [image - cv2.GaussianBlur(image, (0, 0), _BROAD) for image in smooth]
    if min(float(image[inside].std()) for image in fine) < 1e-3:
        return None
    whole = float(np.corrcoef(fine[0][inside], fine[1][inside])[0, 1])
    middle = inside.copy()  # without what a border of the other picture reaches
    middle[:_EDGE] = middle[-_EDGE:] = middle[:, :_EDGE] = middle[:, -_EDGE:] = False
    region, place = _worst_region(fine[0] * middle, fine[1] * middle, middle)
    if region < OTHER_REGION and not _is_overlaid(smooth[0], smooth[1], inside, place):
        return min(whole, region)
    return whole


def _worst_region(
    first: "NDArray[np.float32]", second: "NDArray[np.float32]", inside: "NDArray[np.bool_]"
) -> tuple[float, tuple[int, int]]:
    """Return the smallest correlation of the fine structure in any region that has structure, and its middle."""
    import cv2
    import numpy as np

    def in_regions(values: "NDArray[np.float32]") -> "NDArray[np.float32]":
        return np.asarray(cv2.GaussianBlur(values, (0, 0), _REGION))

    energies = in_regions(first * first), in_regions(second * second)
    complete = in_regions(inside.astype(np.float32)) > 0.5
    least = _STRUCTURE * max(float(energy[complete].mean()) for energy in energies)
    structured = complete & (np.maximum(*energies) > least)
    scale = np.sqrt(energies[0] * energies[1]) + 1e-3 * least
    correlation = np.where(structured, in_regions(first * second) / scale, 1)
    row, column = np.unravel_index(int(correlation.argmin()), correlation.shape)
    return float(correlation[row, column]), (int(row), int(column))


def _is_overlaid(
    first: "NDArray[np.float32]",
    second: "NDArray[np.float32]",
    inside: "NDArray[np.bool_]",
    place: tuple[int, int],
) -> bool:
    """Return whether one picture is only lighter, or only darker, around a place: a watermark, not another face."""
    import cv2
    import numpy as np

    same = inside
    for _ in range(4):  # the tone curve, without the pixels that differ
        tone = np.polyfit(second[same], first[same], 1)
        difference = (first - np.polyval(tone, second)).astype(np.float32)
        same = inside & (np.abs(difference) < 4 * float(np.median(np.abs(difference[inside]))) + 1)
    window = np.zeros_like(difference)
    window[place] = 1
    window = cv2.GaussianBlur(window, (0, 0), _AROUND) * inside
    lighter, darker = (float((window * part.clip(0) ** 2).sum()) for part in (difference, -difference))
    return min(lighter, darker) < _ONE_SIDED * max(lighter, darker)


def _align(
    first: "NDArray[np.float32]", second: "NDArray[np.float32]"
) -> "tuple[NDArray[np.float32], NDArray[np.bool_]] | None":
    """Return the second picture warped onto the first and the mask of their overlap; None if no alignment was found."""
    import cv2
    import numpy as np

    warp = np.eye(2, 3, dtype=np.float32)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _STEPS, 1e-4)
    try:
        _, warp = cv2.findTransformECC(first, second, warp, cv2.MOTION_AFFINE, stop, None, 3)
    except cv2.error:
        return None
    size = (SIDE, SIDE)
    warped = cv2.warpAffine(
        second, warp, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    common = cv2.warpAffine(
        np.ones(size, np.float32), warp, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    edge = SIDE // 16  # repeated border pixels, or blurred with them
    inside = common > 0
    inside[:edge] = inside[-edge:] = inside[:, :edge] = inside[:, -edge:] = False
    return (warped, inside) if inside.sum() >= SIDE * SIDE / 2 else None


def _largest_difference(
    first: "NDArray[np.float32]", warped: "NDArray[np.float32]", inside: "NDArray[np.bool_]"
) -> float:
    import cv2
    import numpy as np

    first, warped = cv2.GaussianBlur(first, (0, 0), _FINE), cv2.GaussianBlur(warped, (0, 0), _FINE)
    values, target = warped[inside], first[inside]
    spread = float(target.std())
    if spread < 1:  # an empty crop: there is nothing to compare
        return float("inf")
    mean, scale = float(values.mean()), max(float(values.std()), 1e-3)
    curve = np.polynomial.Polynomial.fit((values - mean) / scale, target, 3)
    difference = np.where(inside, first - curve((warped - mean) / scale), 0).astype(np.float32)
    return float(np.sqrt(cv2.GaussianBlur(difference * difference, (0, 0), _LOCAL).max())) / spread


def _hash_distance(first: "NDArray[np.float32]", second: "NDArray[np.float32]") -> int:
    import imagehash
    import numpy as np
    from PIL import Image

    hashes = [
        imagehash.phash(Image.fromarray(image.clip(0, 255).astype(np.uint8))) for image in (first, second)
    ]
    return int(hashes[0] - hashes[1])
