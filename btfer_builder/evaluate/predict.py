"""Feed faces to a model the way it was trained to be fed, and put its answers in the emotions' order."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from btfer_builder.decode import Undecodable, decode_image
from btfer_builder.emotions import EMOTIONS, Emotion, parse_emotion
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.faces import LabelledFace
from btfer_builder.evaluate.models import Model
from btfer_builder.recipe import EvalRecipe

Color = Literal["rgb", "bgr", "grey"]
Interpolation = Literal["area", "cubic", "none"]
Progress = Callable[[Sequence[LabelledFace]], Iterable[LabelledFace]]

#: How far a row of probabilities may be from 1; float16 models are off by a few thousandths.
SUM_TOLERANCE = 0.01


@dataclass(frozen=True, slots=True)
class Labels:
    """What the outputs of a model mean.

    Attributes
    ----------
    outputs
        For every output of the model its emotion, or None if that class is none of the seven.
    dropped
        The names of the classes that are none of the seven.
    """

    outputs: tuple[Emotion | None, ...]
    dropped: tuple[str, ...]

    @property
    def missing(self) -> tuple[Emotion, ...]:
        """The emotions the model cannot answer with."""
        return tuple(emotion for emotion in EMOTIONS if emotion not in self.outputs)


@dataclass(frozen=True, slots=True)
class Feeding:
    """How a face becomes the input of a model: size in pixels, colour, channels and range of values."""

    height: int
    width: int
    channels: int
    color: Color
    scale: Literal["0,1", "-1,1", "0,255"]


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model said of every face, in the order of the faces.

    Attributes
    ----------
    probabilities
        float64 of shape (n, 7) in the order of `EMOTIONS`; NaN where the model has no such class.
    predicted
        int64 of shape (n,): column of the largest probability, the first one if several are equal.
    softmaxed
        Whether the model gave no probabilities and a softmax made some.
    interpolations
        The ways of resizing that were needed, sorted.
    """

    probabilities: NDArray[np.float64]
    predicted: NDArray[np.int64]
    softmaxed: bool
    interpolations: tuple[Interpolation, ...]


def read_labels(names: Sequence[str], model: Model) -> Labels:
    """Say which emotion every output of the model stands for.

    Raises
    ------
    BtferError
        If there are more or fewer names than outputs, two mean the same emotion, or none means any.
    """
    if len(names) != model.outputs:
        raise BtferError(
            f"{model.path}: has {model.outputs} outputs but {len(names)} labels are given "
            f"({', '.join(names)}); name its classes in the order of its outputs with labels"
        )
    outputs: list[Emotion | None] = []
    for name in names:
        try:
            outputs.append(parse_emotion(name))
        except BtferError:
            outputs.append(None)
    known = [emotion for emotion in outputs if emotion]
    for emotion in known:
        if known.count(emotion) > 1:
            raise BtferError(
                f"{model.path}: two of the labels ({', '.join(names)}) mean {emotion}; name each class once"
            )
    if not known:
        raise BtferError(
            f"{model.path}: none of the labels ({', '.join(names)}) is one of {', '.join(EMOTIONS)}"
        )
    return Labels(
        tuple(outputs), tuple(name for name, is_one in zip(names, outputs, strict=True) if not is_one)
    )


def plan_feeding(recipe: EvalRecipe, model: Model) -> Feeding:
    """Take size and channels from the model and the rest from the recipe.

    Raises
    ------
    BtferError
        If colour is asked for and the model takes a single channel.
    """
    color: Color
    if recipe.color == "auto":
        color = "grey" if model.channels == 1 else "rgb"
    elif recipe.color == "grey" or model.channels == 3:
        color = recipe.color
    else:
        raise BtferError(
            f"{model.path}: takes one channel, so color cannot be {recipe.color}; use grey or auto"
        )
    return Feeding(model.height, model.width, model.channels, color, recipe.scale)


def prepare(image: NDArray[np.uint8], feeding: Feeding) -> tuple[NDArray[np.float32], Interpolation]:
    """Turn a decoded face into the input of a model.

    Parameters
    ----------
    image
        uint8 of shape (h, w, 3), RGB.
    feeding
        What the model wants.

    Returns
    -------
    array
        float32 of shape (height, width, channels) in the range of `feeding.scale`.
    interpolation
        `area` where the image was shrunk, `cubic` where enlarged, `none` where it had the size already.

    Notes
    -----
    Grey is ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B. The range is exact: x/255 and (x/255 − 0.5)·2.
    """
    import cv2

    pixels = image
    if feeding.color == "grey":
        pixels = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    elif feeding.color == "bgr":
        pixels = image[..., ::-1]
    height, width = pixels.shape[:2]
    interpolation: Interpolation = "none"
    if (height, width) != (feeding.height, feeding.width):
        # Area averages what it leaves out; nearest neighbour would alias, and cubic does when it shrinks.
        interpolation = "area" if feeding.height * feeding.width < height * width else "cubic"
        how = cv2.INTER_AREA if interpolation == "area" else cv2.INTER_CUBIC
        pixels = cv2.resize(np.ascontiguousarray(pixels), (feeding.width, feeding.height), interpolation=how)
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., np.newaxis], feeding.channels, axis=2)
    values = pixels.astype(np.float32)
    if feeding.scale != "0,255":
        values /= np.float32(255)
    if feeding.scale == "-1,1":
        values = (values - np.float32(0.5)) * np.float32(2)
    return values, interpolation


def predict_faces(
    model: Model,
    faces: Sequence[LabelledFace],
    labels: Labels,
    feeding: Feeding,
    *,
    batch_size: int,
    progress: Progress,
) -> Predictions:
    """Ask the model about every face, in order, holding no more than one batch of images.

    Parameters
    ----------
    model, labels, feeding
        The model, the meaning of its outputs and how it is fed.
    faces
        All of them are predicted, the last batch being smaller if need be.
    batch_size
        Images predicted at a time.
    progress
        Wraps the faces and yields them in order, like `tqdm`.

    Raises
    ------
    BtferError
        If a file cannot be decoded, or the model answers with something that is not finite.
    """
    outputs, interpolations = [], set()
    for batch, ways in _batches(progress(faces), feeding, batch_size):
        outputs.append(model.predict(batch))
        interpolations |= ways
    raw = np.concatenate(outputs).astype(np.float64)
    broken = np.flatnonzero(~np.isfinite(raw).all(axis=1))
    if broken.size:
        raise BtferError(
            f"{model.path}: gives NaN or infinite outputs for {broken.size} of {len(raw)} faces, first for "
            f"{faces[broken[0]].path}; check the scale, or whether its training diverged"
        )
    softmaxed = not is_probability(raw)
    table = np.full((len(raw), len(EMOTIONS)), np.nan)
    shares = softmax(raw) if softmaxed else raw
    for column, emotion in enumerate(labels.outputs):
        if emotion is not None:
            table[:, EMOTIONS.index(emotion)] = shares[:, column]
    return Predictions(table, np.nanargmax(table, axis=1), softmaxed, tuple(sorted(interpolations)))


def is_probability(rows: NDArray[np.float64]) -> bool:
    """Whether no value is negative and every row of (n, k) sums to 1, so that no logits are among them."""
    return bool((rows >= -1e-6).all() and (np.abs(rows.sum(axis=1) - 1) <= SUM_TOLERANCE).all())


def softmax(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn logits of shape (n, k) into probabilities; each row is shifted first, so nothing overflows."""
    powers: NDArray[np.float64] = np.exp(rows - rows.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def _batches(
    faces: Iterable[LabelledFace], feeding: Feeding, batch_size: int
) -> Iterator[tuple[NDArray[np.float32], set[Interpolation]]]:
    batch: list[NDArray[np.float32]] = []
    ways: set[Interpolation] = set()
    for face in faces:
        try:
            image = decode_image(face.path)
        except Undecodable as error:
            raise BtferError(
                f"{face.path}: not a readable face image ({error}); replace or remove it"
            ) from None
        values, way = prepare(image, feeding)
        batch.append(values)
        ways.add(way)
        if len(batch) == batch_size:
            yield np.stack(batch), ways
            batch, ways = [], set()
    if batch:
        yield np.stack(batch), ways
