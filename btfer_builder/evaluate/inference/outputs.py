"""Map the outputs of a model to emotions: labels by name, probabilities or logits."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from btfer_builder.config import Activation
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.io.text import counted
from btfer_builder.labels import EMOTIONS, Emotion, parse_emotion
from btfer_builder.networks.resizing import Interpolation

#: How far a row of probabilities may be from 1: float16 models are off by a few thousandths …
SUM_TOLERANCE = 0.01

#: … and quantised ones by half a step of 1/256 in every class.
STEP_TOLERANCE = 1 / 512

#: Share of rows that are probabilities, from which on a model's outputs are.
PROBABLE = 0.95


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
        float64 of shape (n, 7) in the order of `EMOTIONS`; NaN where the model has no such class, and everywhere if the
        outputs are no probabilities. A row sums to less than 1 where the model has classes outside the seven.
    predicted
        int64 of shape (n,): column of the largest output, of equal ones the model's own first.
    activation
        What the outputs are: `softmax`, `logits`, `sigmoid` or `none`.
    interpolations
        The interpolations used, sorted.
    scores
        float64 of shape (n, 7): the outputs themselves in the order of `EMOTIONS`; −∞ where the model lacks the class.
    outputs
        float32 of shape (n, classes): what the model gave, in its own order.
    """

    probabilities: NDArray[np.float64]
    predicted: NDArray[np.int64]
    activation: Activation
    interpolations: tuple[Interpolation, ...]
    scores: NDArray[np.float64]
    outputs: NDArray[np.float32]

    @property
    def probabilistic(self) -> bool:
        """Whether the outputs mean probabilities."""
        return self.activation != "none"

    @property
    def confidence(self) -> NDArray[np.float64]:
        """The probability of each prediction, or its score where there is none, shape (n,)."""
        table = self.probabilities if self.probabilistic else self.scores
        return table[np.arange(len(table)), self.predicted]


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
            f"{model.where}: none of the labels ({', '.join(names)}) is one of {', '.join(EMOTIONS)}; name its classes "
            "in the order of its outputs with --labels"
        )
    return Labels(tuple(outputs), tuple(names))


def map_outputs(
    model: Model,
    labels: Labels,
    faces: Sequence[LabelledFace],
    outputs: NDArray[np.float32],
    ways: set[Interpolation],
    activation: Activation = "auto",
) -> Predictions:
    """Put the outputs of a model, float32 of shape (n, classes), in the order of the emotions.

    Parameters
    ----------
    activation
        What the outputs are; `auto` decides by `is_probability`.

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
    if activation == "auto":
        activation = "softmax" if is_probability(raw) else "none"
    known = [column for column, emotion in enumerate(labels.outputs) if emotion]
    places = np.array([EMOTIONS.index(emotion) for emotion in labels.outputs if emotion])
    table, scores = (np.full((len(raw), len(EMOTIONS)), missing) for missing in (np.nan, -np.inf))
    scores[:, places] = raw[:, known]
    if activation != "none":
        table[:, places] = _probabilities(raw, activation)[:, known]
    predicted = places[raw[:, known].argmax(axis=1)]
    return Predictions(table, predicted, activation, tuple(sorted(ways)), scores, outputs)


def _probabilities(raw: NDArray[np.float64], activation: Activation) -> NDArray[np.float64]:
    """Return probabilities of shape (n, classes)."""
    if activation == "logits":
        return softmax(raw)
    if activation == "sigmoid":
        shares = raw.clip(0, 1)
        sums = shares.sum(axis=1, keepdims=True)
        divided: NDArray[np.float64] = np.divide(shares, sums, out=np.zeros_like(shares), where=sums > 0)
        return divided
    return raw


def check_activation(model: Model, outputs: NDArray[np.float32], activation: Activation) -> None:
    """Check that outputs of shape (n, classes) can be what is declared.

    Raises
    ------
    BtferError
        If a `softmax` does not sum to 1, or a `sigmoid` leaves 0 to 1.
    """
    raw = outputs.astype(np.float64)
    if activation == "sigmoid" and ((raw < -STEP_TOLERANCE) | (raw > 1 + STEP_TOLERANCE)).any():
        raise BtferError(
            f"{model.where}: its outputs are declared as sigmoid, but reach from {raw.min():.3g} to {raw.max():.3g}; "
            "declare --activation logits or none"
        )
    if activation == "softmax" and not is_probability(raw):
        sums = raw.sum(axis=1)
        raise BtferError(
            f"{model.where}: its outputs are declared as softmax, but rows sum to {sums.min():.3g} to "
            f"{sums.max():.3g}; declare --activation logits, sigmoid or none"
        )


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
    """Whether outputs of shape (n, k) are probabilities: nearly all rows are non-negative and sum to 1.

    A few rows that are not, such as one of zeros, do not make another model of it.
    """
    tolerance = SUM_TOLERANCE + rows.shape[1] * STEP_TOLERANCE
    alike = (rows >= -STEP_TOLERANCE).all(axis=1) & (np.abs(rows.sum(axis=1) - 1) <= tolerance)
    return bool(alike.mean() >= PROBABLE)


def softmax(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn logits of shape (n, k) into probabilities; each row is shifted first, which avoids overflow."""
    powers: NDArray[np.float64] = np.exp(rows - rows.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = powers / powers.sum(axis=1, keepdims=True)
    return shares


def check_count(model: Model, names: Sequence[str], outputs: int) -> None:
    """Raise a `BtferError` unless there is one name for each output."""
    if len(names) != outputs:
        raise BtferError(
            f"{model.where}: has {outputs} outputs but {counted(len(names), 'label')} "
            f"({', '.join(names)}); give its classes in the order of its outputs with --labels"
        )
