"""Map the outputs of a model to emotions: labels by name, probabilities or logits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.labels import EMOTIONS, Emotion, parse_emotion
from btfer_builder.networks.preprocessing import Interpolation

#: How far a row of probabilities may be from 1: float16 models are off by a few thousandths …
SUM_TOLERANCE = 0.01

#: … and quantised ones by half a step of 1/256 in every class.
STEP_TOLERANCE = 1 / 512


@dataclass(frozen=True, slots=True)
class Labels:
    """The meaning of the outputs of a model.

    Attributes
    ----------
    outputs
        The emotion of each output, or None for a class outside the seven.
    names
        The declared names of the classes.
    """

    outputs: tuple[Emotion | None, ...]
    names: tuple[str, ...]

    @property
    def dropped(self) -> tuple[str, ...]:
        """The names of the classes outside the seven emotions."""
        return tuple(name for name, emotion in zip(self.names, self.outputs, strict=True) if not emotion)

    @property
    def missing(self) -> tuple[Emotion, ...]:
        """The emotions for which the model has no class."""
        return tuple(emotion for emotion in EMOTIONS if emotion not in self.outputs)


@dataclass(frozen=True, slots=True)
class Predictions:
    """The predictions of a model, in the order of the faces.

    Attributes
    ----------
    probabilities
        float64 of shape (n, 7) in the order of `EMOTIONS`; NaN where the model has no such class. A row sums to
        less than 1 where the model has classes outside the seven.
    predicted
        int64 of shape (n,): column of the largest probability, the first one of equal ones.
    softmaxed
        Whether the outputs are not probabilities and a softmax was applied.
    interpolations
        The interpolations used, sorted.
    """

    probabilities: NDArray[np.float64]
    predicted: NDArray[np.int64]
    softmaxed: bool
    interpolations: tuple[Interpolation, ...]


def read_labels(names: Sequence[str], model: Model) -> Labels:
    """Return the emotion of each output of the model.

    Raises
    ------
    BtferError
        If there are more or fewer names than outputs, two names mean the same emotion, or no name is an emotion.
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
                f"{model.where}: two of the labels ({', '.join(names)}) mean {emotion}; name each class once"
            )
    if not known:
        raise BtferError(
            f"{model.where}: none of the labels ({', '.join(names)}) is one of {', '.join(EMOTIONS)}"
        )
    return Labels(tuple(outputs), tuple(names))


def map_outputs(
    model: Model,
    labels: Labels,
    faces: Sequence[LabelledFace],
    outputs: NDArray[np.float32],
    ways: set[Interpolation],
) -> Predictions:
    """Put the outputs of a model, float32 of shape (n, classes), in the order of the emotions.

    Raises
    ------
    BtferError
        If an output is not finite.
    """
    raw = outputs.astype(np.float64)
    broken = np.flatnonzero(~np.isfinite(raw).all(axis=1))
    if broken.size:
        raise BtferError(
            f"{model.where}: gives NaN or infinite outputs for {broken.size} of {len(raw)} faces, first for "
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
    """Return probabilities over the seven emotions with rows that sum to 1.

    Missing classes get 0, and the share of classes outside the seven is distributed in proportion. A row without any
    share on the seven is uniform.
    """
    table = np.nan_to_num(predictions.probabilities, nan=0.0).clip(0, None)
    sums = table.sum(axis=1, keepdims=True)
    uniform = np.full_like(table, 1 / len(EMOTIONS))
    shares: NDArray[np.float64] = np.divide(table, sums, out=uniform, where=sums > 0)
    return shares


def is_probability(rows: NDArray[np.float64]) -> bool:
    """Whether all values are non-negative and every row of (n, k) sums to 1, which logits do not."""
    tolerance = SUM_TOLERANCE + rows.shape[1] * STEP_TOLERANCE
    return bool((rows >= -1e-6).all() and (np.abs(rows.sum(axis=1) - 1) <= tolerance).all())


def softmax(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn logits of shape (n, k) into probabilities; each row is shifted first, which avoids overflow."""
    powers: NDArray[np.float64] = np.exp(rows - rows.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def check_count(model: Model, names: Sequence[str], outputs: int) -> None:
    """Raise a `BtferError` unless there is one name for each output."""
    if len(names) != outputs:
        raise BtferError(
            f"{model.where}: has {outputs} outputs but {len(names)} labels are given "
            f"({', '.join(names)}); give its classes in the order of its outputs with --labels"
        )
