"""Lay two pictures over one another and measure where they differ: the same one, or another moment or person."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: Side of the grey images that are compared: coarse enough for strong compression to agree, fine enough for a mouth.
SIDE = 64

#: Steps of the alignment; a shift of a twentieth of the crop needs some 20.
_STEPS = 40

#: Blur before comparing, and the size of the places that are compared, in pixels of the grey image.
_FINE, _PLACE = 1.0, 2.0

#: What is wider than this many pixels of the grey image is light and shade, and no structure.
_BROAD = 4.0


@dataclass(frozen=True, slots=True)
class Overlay:
    """How alike two crops are once one is laid over the other.

    Attributes
    ----------
    distance
        Hamming distance of their 64-bit pHashes then.
    difference
        Root mean square difference at the place where they differ most, a sixteenth of the crop wide, in standard
        deviations of the grey values of the crop.
    """

    distance: int
    difference: float


def grey(pixels: "NDArray[np.uint8]") -> "NDArray[np.float32]":
    """Return RGB pixels as the small grey image that is compared, float32, 0–255, shape (SIDE, SIDE)."""
    import numpy as np
    from PIL import Image

    small = Image.fromarray(pixels).convert("L").resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    return np.asarray(small, dtype=np.float32)


def overlay(one: "NDArray[np.float32]", other: "NDArray[np.float32]") -> Overlay | None:
    """Compare two crops, whatever their brightness, contrast and tone curve, and a few percent of shift and zoom.

    An affine alignment by the correlation coefficient (Evangelidis and Psarakis 2008) undoes shift, zoom and
    turn, and a polynomial of third degree the tone curve. Neither can undo that a mouth opens.

    Parameters
    ----------
    one, other
        From `grey`.

    Returns
    -------
    Overlay or None
        None where no alignment was found: different pictures.
    """
    laid = _lay(one, other)
    if laid is None:
        return None
    picture, inside = laid
    return Overlay(_hash_distance(one, picture), _largest_difference(one, picture, inside))


def likeness(one: "NDArray[np.float32]", other: "NDArray[np.float32]") -> float:
    """Return how alike the fine structure of two pictures is once one is laid over the other.

    A border, a watermark, light, contrast and a crop of some percent hardly change it. Different people have
    eyes and mouths at the same places, but never the same ones.

    Parameters
    ----------
    one, other
        From `grey`.

    Returns
    -------
    float
        A correlation coefficient, at most 1; 0 where no alignment was found, or one of them is empty.
    """
    import cv2
    import numpy as np

    laid = _lay(one, other)
    if laid is None:
        return 0.0
    picture, inside = laid
    fine = []
    for image in (one, picture):
        smooth = cv2.GaussianBlur(image, (0, 0), _FINE)
        fine.append((smooth - cv2.GaussianBlur(smooth, (0, 0), _BROAD))[inside])
    if min(float(values.std()) for values in fine) < 1e-3:
        return 0.0
    return float(np.corrcoef(fine[0], fine[1])[0, 1])


def _lay(
    one: "NDArray[np.float32]", other: "NDArray[np.float32]"
) -> "tuple[NDArray[np.float32], NDArray[np.bool_]] | None":
    """Return the other picture laid over the first and where both are, or None where no alignment was found."""
    import cv2
    import numpy as np

    warp = np.eye(2, 3, dtype=np.float32)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, _STEPS, 1e-4)
    try:
        _, warp = cv2.findTransformECC(one, other, warp, cv2.MOTION_AFFINE, stop, None, 3)
    except cv2.error:
        return None
    size = (SIDE, SIDE)
    laid = cv2.warpAffine(
        other, warp, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE
    )
    common = cv2.warpAffine(
        np.ones(size, np.float32), warp, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
    )
    edge = SIDE // 16  # what lies there is repeated pixels of the border, or blurred with them
    inside = common > 0
    inside[:edge] = inside[-edge:] = inside[:, :edge] = inside[:, -edge:] = False
    return (laid, inside) if inside.sum() >= SIDE * SIDE / 2 else None


def _largest_difference(
    one: "NDArray[np.float32]", laid: "NDArray[np.float32]", inside: "NDArray[np.bool_]"
) -> float:
    import cv2
    import numpy as np

    one, laid = cv2.GaussianBlur(one, (0, 0), _FINE), cv2.GaussianBlur(laid, (0, 0), _FINE)
    values, target = laid[inside], one[inside]
    spread = float(target.std())
    if spread < 1:  # an empty crop; nothing can be seen in it
        return float("inf")
    mean, scale = float(values.mean()), max(float(values.std()), 1e-3)
    curve = np.polynomial.Polynomial.fit((values - mean) / scale, target, 3)
    difference = np.where(inside, one - curve((laid - mean) / scale), 0).astype(np.float32)
    return float(np.sqrt(cv2.GaussianBlur(difference * difference, (0, 0), _PLACE).max())) / spread


def _hash_distance(one: "NDArray[np.float32]", other: "NDArray[np.float32]") -> int:
    import imagehash
    import numpy as np
    from PIL import Image

    hashes = [imagehash.phash(Image.fromarray(image.clip(0, 255).astype(np.uint8))) for image in (one, other)]
    return int(hashes[0] - hashes[1])
