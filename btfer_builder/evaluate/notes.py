"""Remarks on the numbers of a model, as sentences of its report."""

import numpy as np

from btfer_builder.evaluate.inference.outputs import Labels, Predictions
from btfer_builder.evaluate.metrics.scores import SMALLEST, Scores
from btfer_builder.evaluate.preprocessing.resolve import ResolvedPreprocessing
from btfer_builder.networks.preprocessing import Preprocessing

#: Why metrics of probabilities are null.
NO_PROBABILITIES = (
    "The outputs are not probabilities, and nothing declares what they are, or they are declared as scores: log loss, "
    "Brier score, calibration and AUC are left out. Declare --activation logits or sigmoid if that is what they are."
)


def notes_of(
    scores: Scores,
    labels: Labels,
    predictions: Predictions,
    preprocessing: Preprocessing,
    declaration: ResolvedPreprocessing,
    begins: str = "",
) -> tuple[str, ...]:
    """Return remarks on the classes, the outputs and the preprocessing of a model.

    `begins` is the scaling with which its network begins, in words.
    """
    notes = []
    absent = [emotion for emotion, item in scores.per_class.items() if not item.support]
    if absent:
        notes.append(f"The set has no faces of {', '.join(absent)}; the macro averages leave them out.")
    notes += _about_classes(scores, labels, predictions)
    if not predictions.probabilistic:
        notes.append(NO_PROBABILITIES)
    elif predictions.activation == "logits":
        notes.append(
            "The outputs are declared as logits: a softmax makes probabilities of them. It changes the confidences, "
            "not the predictions."
        )
    elif predictions.activation == "sigmoid":
        notes.append(
            "The outputs are declared as sigmoid, one probability a class; each is divided by their sum."
        )
    if not declaration.labels_declared:
        notes.append(
            f"Nothing names the model's classes; they are taken to be {', '.join(labels.names)}, in this order. "
            "Declare them with --labels or a sidecar."
        )
    if begins:
        low, high = preprocessing.scale.split(",")
        fed = f"it gets pixels of {low} to {high}"
        doubt = (
            "" if preprocessing.scale == "0,255" else "; if it was trained on 0 to 255, give --scale 0,255"
        )
        notes.append(f"The network begins with a layer that scales its input: {begins}; {fed}{doubt}.")
    if preprocessing.color.startswith("grey") and preprocessing.channels == 3:
        notes.append("The model takes three channels; each got the same grey image.")
    if declaration.source == "recipe" and not preprocessing.raw:
        notes.append(
            "The preprocessing of this model is not declared (no sidecar, no preset, no --scale, --mean or --std), so "
            "the recipe's values were used; check them with --check-preprocessing."
        )
    notes += [f"{sentence}." for sentence in declaration.overridden]
    return tuple(notes)


def lacking_faces(scores: Scores, labels: Labels) -> dict[str, int]:
    """Return how many faces the set has of each emotion for which the model has no class."""
    return {emotion: scores.per_class[emotion].support for emotion in labels.missing}


def _about_classes(scores: Scores, labels: Labels, predictions: Predictions) -> list[str]:
    notes = []
    if labels.missing:
        classes = "class" if len(labels.missing) == 1 else "classes"
        notes.append(
            f"The model has no {classes} {', '.join(labels.missing)}; every such face counts as an error."
        )
        faces = sum(lacking_faces(scores, labels).values())
        if faces and predictions.probabilistic:
            share = -np.log(SMALLEST) * faces / scores.n
            notes.append(
                f"AUC leaves out {', '.join(labels.missing)}; {share:.2f} nats of the log loss come from their faces, "
                f"each with −ln {SMALLEST:.0e}."
            )
    if labels.dropped:
        names = ", ".join(labels.dropped)
        notes.append(
            f"The model's class {names} is not one of the seven emotions; its probability was ignored."
            if len(labels.dropped) == 1
            else f"The model's classes {names} are not among the seven emotions; their probabilities were ignored."
        )
    return notes
