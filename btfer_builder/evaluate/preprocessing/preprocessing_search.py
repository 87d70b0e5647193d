"""Is a model fed as it was trained? Score the usual ways of feeding it on faces of its training domain."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.evaluate.inference.predict import ModelRun, Progress, predict_jobs
from btfer_builder.evaluate.metrics.scores import Interval, wilson
from btfer_builder.evaluate.metrics.significance import holm, mcnemar
from btfer_builder.evaluate.preprocessing.resolve import describe, usual_feedings
from btfer_builder.labels import EMOTIONS

#: Faces of each emotion that are tried: enough to see a wrong scale, few enough to take seconds.
PER_CLASS = 50

DECLARED = "as declared"


@dataclass(frozen=True, slots=True)
class Tried:
    """How well a model does when it is fed in one way.

    Attributes
    ----------
    name
        `as declared`, or what is different.
    feeding
        The whole of it in words.
    accuracy, interval
        On the tried faces, with its 95 % Wilson interval.
    p_value
        Of McNemar's exact test against the declared way, Holm-corrected over all ways; None for that itself.
    """

    name: str
    feeding: str
    accuracy: float
    interval: Interval
    p_value: float | None = None


def try_feedings(
    job: ModelRun,
    faces: Sequence[LabelledFace],
    *,
    batch_size: int,
    workers: int,
    seed: int,
    progress: Progress = iter,
) -> tuple[Tried, ...]:
    """Score the declared way of feeding a model and the usual others on a part of the faces.

    Parameters
    ----------
    job
        The model as it is declared.
    faces
        Of the domain it was trained on; up to 50 of each emotion are taken.
    batch_size, workers, progress
        As in `predict_jobs`.
    seed
        Of the choice of faces.

    Returns
    -------
    tuple of Tried
        The declared way first, then the best first.
    """
    chosen = _some(faces, seed)
    ways = {DECLARED: job.feeding} | usual_feedings(job.feeding)
    # A wrong scale may well make a network overflow: that way is then as good as no answer at all.
    model = replace(
        job.model, predict=lambda batch: np.nan_to_num(job.model.predict(batch), posinf=0, neginf=0)
    )
    jobs = [ModelRun(model, job.labels, feeding) for feeding in ways.values()]
    (answers,) = predict_jobs(jobs, chosen, batch_size=batch_size, workers=workers, progress=progress)
    true = np.array([EMOTIONS.index(face.emotion) for face in chosen])
    right = [one.predicted == true for one in answers]
    p_values = holm([mcnemar(right[0], other) for other in right[1:]])
    tried = [
        Tried(
            name,
            describe(feeding),
            float(hits.mean()),
            wilson(int(hits.sum()), len(hits)),
            p_value,
        )
        for (name, feeding), hits, p_value in zip(ways.items(), right, [None, *p_values], strict=True)
    ]
    return (tried[0], *sorted(tried[1:], key=lambda one: -one.accuracy))


def warning(tried: Sequence[Tried]) -> str | None:
    """Say so if another way of feeding is better than the declared one beyond chance; None if none is."""
    declared = tried[0]
    better = [
        one
        for one in tried[1:]
        if one.p_value is not None and one.p_value < 0.05 and one.accuracy > declared.accuracy
    ]
    if not better:
        return None
    best = better[0]
    return (
        f"The declared preprocessing looks wrong: on faces of the training domain the model gets "
        f"{declared.accuracy:.1%} as declared and {best.accuracy:.1%} with {best.name} ({best.feeding}; "
        f"p = {best.p_value:.1g})."
    )


def _some(faces: Sequence[LabelledFace], seed: int) -> list[LabelledFace]:
    """Take up to 50 faces of each emotion, at random, in their order."""
    rng = np.random.default_rng(seed)
    rows: list[int] = []
    for emotion in EMOTIONS:
        members = [row for row, face in enumerate(faces) if face.emotion == emotion]
        rows += rng.permutation(members)[:PER_CLASS].tolist() if members else []
    return [faces[row] for row in sorted(rows)]
