"""Scores on degraded faces: eight corruptions in five severities, and smaller faces."""

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.evaluate.inference.kept_faces import View
from btfer_builder.evaluate.metrics.bootstrap import bca, draws, tails
from btfer_builder.evaluate.metrics.scores import Interval, Table, score

Pixels = NDArray[np.uint8]
Corruption = Callable[[Pixels, int, np.random.Generator], Pixels]

SEVERITIES = (1, 2, 3, 4, 5)

#: Longer side in pixels to which every face is scaled before it is corrupted (§2, stage 3), so that the same severity
#: means the same to faces of all sizes.
REFERENCE_SIDE = 256


@dataclass(frozen=True, slots=True)
class CorruptionScore:
    """Scores of a model on faces with one corruption.

    Attributes
    ----------
    name
        A key of `CORRUPTIONS`.
    accuracy, intervals
        At severities 1 to 5, with 95 % intervals, see `share_interval`.
    macro_f1
        At severities 1 to 5.
    mean_drop
        Accuracy on the original faces minus the mean over the severities.
    drop_interval
        95 % paired bootstrap interval of the mean drop; None without resamples, or for one
        source.
    """

    name: str
    accuracy: tuple[float, ...]
    intervals: tuple[Interval, ...]
    macro_f1: tuple[float, ...]
    mean_drop: float
    drop_interval: Interval | None


@dataclass(frozen=True, slots=True)
class ResolutionScore:
    """Scores on faces scaled down to `side` pixels (RQ1, §4.3)."""

    side: int
    accuracy: float
    interval: Interval
    macro_f1: float


def _blur(image: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    import cv2

    sigma = (1, 2, 3, 4.5, 6)[severity - 1]
    return _pixels(cv2.GaussianBlur(image, (0, 0), sigma))


def _noise(image: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    spread = (8, 16, 26, 38, 52)[severity - 1]
    return _pixels(image + rng.standard_normal(image.shape, np.float32) * np.float32(spread))


def _jpeg(image: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    import cv2

    quality = (40, 25, 15, 10, 5)[severity - 1]
    _, file = cv2.imencode(
        ".jpg", np.ascontiguousarray(image[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    decoded: Pixels = cv2.imdecode(file, cv2.IMREAD_COLOR)  # type: ignore[assignment]  # it was encoded above
    return decoded[..., ::-1]


def _brightness(image: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    shift = (20, 40, 60, 80, 100)[severity - 1] * (1 if rng.random() < 0.5 else -1)
    return _pixels(image.astype(np.float32) + shift)


def _contrast(image: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    factor = np.float32((0.75, 0.55, 0.4, 0.25, 0.15)[severity - 1])
    mean = image.mean(dtype=np.float32)
    return _pixels((image - mean) * factor + mean)


def _occlusion(image: Pixels, severity: int, rng: np.random.Generator) -> Pixels:
    share = (0.15, 0.25, 0.35, 0.45, 0.55)[severity - 1]
    height, width = image.shape[:2]
    tall, wide = round(height * share), round(width * share)
    top, left = round(rng.random() * (height - tall)), round(rng.random() * (width - wide))
    covered = image.copy()
    covered[top : top + tall, left : left + wide] = 128
    return covered


def _downscale(image: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    import cv2

    side = (128, 96, 64, 48, 24)[severity - 1]
    height, width = image.shape[:2]
    small = shrink(image, side)
    return _pixels(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC))


def _grey(image: Pixels, severity: int, _rng: np.random.Generator) -> Pixels:
    import cv2

    share = np.float32(severity / 5)
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)[..., np.newaxis]
    return _pixels(image + (grey.astype(np.float32) - image) * share)


#: Each corruption takes uint8 RGB of shape (h, w, 3) whose longer side is `REFERENCE_SIDE`, a severity of 1 to 5 and
#: the generator of the face; it keeps the shape.
CORRUPTIONS: dict[str, Corruption] = {
    "blur": _blur,
    "noise": _noise,
    "jpeg": _jpeg,
    "brightness": _brightness,
    "contrast": _contrast,
    "occlusion": _occlusion,
    "downscale": _downscale,
    "grey": _grey,
}

#: Description of severities 1 to 5 of each.
MEANINGS = {
    "blur": "Gaussian blur of σ 1, 2, 3, 4.5, 6 pixels of 256",
    "noise": "Gaussian noise of deviation 8, 16, 26, 38, 52 of 255",
    "jpeg": "JPEG of quality 40, 25, 15, 10, 5",
    "brightness": "brightness ± 20, 40, 60, 80, 100 of 255",
    "contrast": "contrast times 0.75, 0.55, 0.4, 0.25, 0.15",
    "occlusion": "a grey square over 15, 25, 35, 45, 55 % of the side",
    "downscale": "scaled down to 128, 96, 64, 48, 24 pixels and up again",
    "grey": "20, 40, 60, 80, 100 % of the colour removed",
}


def corruption_view(name: str, severity: int, seed: int) -> View:
    """Return a view that corrupts each face at the reference size.

    What is random is drawn once a face, from its id: it is the same for every severity, model, order and batch size.
    """
    corrupt = CORRUPTIONS[name]

    def view(image: Pixels, face: LabelledFace) -> Pixels:
        face_seed = zlib.crc32(face.face_id.encode("utf-8", "surrogateescape"))
        rng = np.random.default_rng([seed, zlib.crc32(name.encode()), face_seed])
        return corrupt(at_reference_size(image), severity, rng)

    return View(f"{name} {severity}, seed {seed}", view)


def at_reference_size(image: Pixels) -> Pixels:
    """Scale an image so that its longer side is `REFERENCE_SIDE`: averaging areas to shrink, bicubic to enlarge."""
    import cv2

    height, width = image.shape[:2]
    factor = REFERENCE_SIDE / max(height, width)
    if factor <= 1:
        return shrink(image, REFERENCE_SIDE)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return _pixels(cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_CUBIC))


def resolution_view(side: int) -> View:
    """Return a view that scales faces down to `side` pixels; smaller faces are not scaled."""
    return View(f"{side} pixels", lambda image, _face: shrink(image, side))


def shrink(image: Pixels, side: int) -> Pixels:
    """Scale an image down so that its longer side is `side` pixels, averaging areas."""
    import cv2

    height, width = image.shape[:2]
    factor = side / max(height, width)
    if factor >= 1:
        return image
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return _pixels(cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA))


def corruption_views(seed: int) -> list[View]:
    """Return the views of all corruptions and severities, in the order `corruption_scores` expects."""
    return [corruption_view(name, severity, seed) for name in CORRUPTIONS for severity in SEVERITIES]


def corruption_scores(
    true: NDArray[np.int64],
    clean: NDArray[np.int64],
    corrupted: Sequence[NDArray[np.int64]],
    *,
    resamples: int,
    seed: int,
    sources: NDArray[np.int64] | None = None,
) -> tuple[CorruptionScore, ...]:
    """Score the predictions of corrupted faces.

    Parameters
    ----------
    true, clean
        Positions in `EMOTIONS`: the labels, and the predictions of the original faces, shape (n,).
    corrupted
        The predictions of every view of `corruption_views`.
    resamples, seed
        Of the interval of the drop.
    sources
        Of `source_groups`; None for independent faces.
    """
    steps = len(SEVERITIES)
    correct = np.array([predicted == true for predicted in corrupted]).reshape(len(CORRUPTIONS), steps, -1)
    drops: Table = (clean == true)[np.newaxis] - correct.mean(axis=1)  # (corruptions, n)
    drawn = [
        (counts @ drops.T) / counts.sum(axis=1, keepdims=True)
        for counts in draws(len(true), resamples, seed, sources)
    ]
    single = sources is not None and len(np.unique(sources)) < 2  # all of its draws are equal
    spread = np.concatenate(drawn) if drawn and not single else None
    results = []
    for row, name in enumerate(CORRUPTIONS):
        scores = [score(true, corrupted[row * steps + step], sources) for step in range(steps)]
        drop = float(drops[row].mean())
        results.append(
            CorruptionScore(
                name,
                tuple(item.accuracy for item in scores),
                tuple(item.accuracy_interval for item in scores),
                tuple(item.macro_f1 for item in scores),
                drop,
                None if spread is None else bca(spread[:, row], None, drop, tails(sources)),
            )
        )
    return tuple(results)


def resolution_scores(
    true: NDArray[np.int64],
    sides: Sequence[int],
    smaller: Sequence[NDArray[np.int64]],
    sources: NDArray[np.int64] | None = None,
) -> tuple[ResolutionScore, ...]:
    """Score the predictions of smaller faces, one array for each side."""
    results = []
    for side, predicted in zip(sides, smaller, strict=True):
        scores = score(true, predicted, sources)
        results.append(ResolutionScore(side, scores.accuracy, scores.accuracy_interval, scores.macro_f1))
    return tuple(results)


def _pixels(values: NDArray[np.generic]) -> Pixels:
    if values.dtype == np.uint8:
        return values  # type: ignore[return-value]  # the test above says so
    rounded: Pixels = np.rint(values).clip(0, 255).astype(np.uint8)
    return rounded
