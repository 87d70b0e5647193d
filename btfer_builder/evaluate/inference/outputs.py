"""What the outputs of a model mean: labels by name, probabilities or logits, in the order of the emotions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.preprocessing.resolve import Interpolation
from btfer_builder.labels import EMOTIONS, Emotion, parse_emotion

#: How far a row of probabilities may be from 1: float16 models are off by a few thousandths …
SUM_TOLERANCE = 0.01

#: … and quantised ones by half a step of 1/256 in every class.
STEP_TOLERANCE = 1 / 512


@dataclass(frozen=True, slots=True)
class Labels:
    """What the outputs of a model mean.

    Attributes
    ----------
    outputs
        For every output of the model its emotion, or None if that class is none of the seven.
    names
        What the classes are called, as they were declared.
    """

    outputs: tuple[Emotion | None, ...]
    names: tuple[str, ...]

    @property
    def dropped(self) -> tuple[str, ...]:
        """The names of the classes that are none of the seven."""
        return tuple(name for name, emotion in zip(self.names, self.outputs, strict=True) if not emotion)

    @property
    def missing(self) -> tuple[Emotion, ...]:
        """The emotions the model cannot answer with."""
        return tuple(emotion for emotion in EMOTIONS if emotion not in self.outputs)


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a model said of every face, in the order of the faces.

    Attributes
    ----------
    probabilities
        float64 of shape (n, 7) in the order of `EMOTIONS`; NaN where the model has no such class. A row sums to
        less than 1 where the model has classes that are none of the seven.
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
    if model.outputs is not None:
        check_count(model, names, model.outputs)
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
    return Labels(tuple(outputs), tuple(names))


def read_answers(
    model: Model,
    labels: Labels,
    faces: Sequence[LabelledFace],
    outputs: NDArray[np.float32],
    ways: set[Interpolation],
) -> Predictions:
    """Put what a model answered in the order of the emotions; outputs float32 of shape (n, classes).

    Raises
    ------
    BtferError
        If an output is not finite.
    """
    raw = outputs.astype(np.float64)
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
    return Predictions(table, np.nanargmax(table, axis=1), softmaxed, tuple(sorted(ways)))


def filled(predictions: Predictions) -> NDArray[np.float64]:
    """Return probabilities over the seven emotions, rows summing to 1: missing classes 0, foreign ones shared out.

    A row without any share on the seven is even over them.
    """
    table = np.nan_to_num(predictions.probabilities, nan=0.0).clip(0, None)
    sums = table.sum(axis=1, keepdims=True)
    even = np.full_like(table, 1 / len(EMOTIONS))
    shares: NDArray[np.float64] = np.divide(table, sums, out=even, where=sums > 0)
    return shares


def is_probability(rows: NDArray[np.float64]) -> bool:
    """Whether no value is negative and every row of (n, k) sums to 1, so that no logits are among them."""
    tolerance = SUM_TOLERANCE + rows.shape[1] * STEP_TOLERANCE
    return bool((rows >= -1e-6).all() and (np.abs(rows.sum(axis=1) - 1) <= tolerance).all())


def softmax(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn logits of shape (n, k) into probabilities; each row is shifted first, so nothing overflows."""
    powers: NDArray[np.float64] = np.exp(rows - rows.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def check_count(model: Model, names: Sequence[str], outputs: int) -> None:
    """Raise a `BtferError` unless there is one name for each output."""
    if len(names) != outputs:
        raise BtferError(
            f"{model.path}: has {outputs} outputs but {len(names)} labels are given "
            f"({', '.join(names)}); name its classes in the order of its outputs with labels"
        )
