"""Score the usual preprocessings of a model on faces of its training domain, to find a wrong declaration."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from btfer_builder.config import Scale
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.evaluate.inference.predict import ModelRun, Progress, predict_jobs
from btfer_builder.evaluate.metrics.scores import Interval, share_interval
from btfer_builder.evaluate.metrics.significance import holm, mcnemar
from btfer_builder.evaluate.metrics.sources import source_groups
from btfer_builder.evaluate.preprocessing.presets import PRESETS
from btfer_builder.evaluate.signature import content_digests
from btfer_builder.labels import EMOTIONS
from btfer_builder.networks.preprocessing import ChannelOrder, Preprocessing

#: Faces of each emotion that are scored: enough to show a wrong scale, few enough to take seconds.
PER_CLASS = 50

DECLARED = "as declared"


@dataclass(frozen=True, slots=True)
class PreprocessingScore:
    """The accuracy of a model with one preprocessing.

    Attributes
    ----------
    name
        `as declared`, or the setting that differs.
    feeding
        The preprocessing in words.
    accuracy, interval
        On the scored faces, with its 95 % interval.
    p_value
        Of McNemar's exact test against the declared preprocessing, Holm-corrected over all alternatives; None
        for the declared one.
    """

    name: str
    feeding: str  # the name in metrics.json
    accuracy: float
    interval: Interval
    p_value: float | None = None


def usual_preprocessings(declared: Preprocessing) -> dict[str, Preprocessing]:
    """Return the usual alternatives to a preprocessing by the setting that differs; never the declared one."""
    alternatives = {"resize nearest": replace(declared, resize="nearest")}
    alternatives["crop 0.8"] = replace(declared, crop=0.8 * declared.crop)
    if declared.raw:
        return alternatives
    plain = replace(declared, mean=(), std=())
    scales: tuple[Scale, ...] = ("0,1", "-1,1", "0,255")
    alternatives |= {f"scale {scale}": replace(plain, scale=scale) for scale in scales}
    if declared.channels == 3:
        for name in ("imagenet", "caffe", "vggface2"):
            preset = PRESETS[name].sidecar.input
            color: ChannelOrder = "bgr" if preset.color == "bgr" else "rgb"
            alternatives[f"preset {name}"] = replace(
                plain, color=color, scale=preset.scale or "0,1", mean=preset.mean or (), std=preset.std or ()
            )
        swapped: ChannelOrder = "bgr" if declared.color == "rgb" else "rgb"
        alternatives[f"color {swapped}"] = replace(declared, color=swapped)
        alternatives["color grey"] = replace(declared, color="grey")
    return {name: alternative for name, alternative in alternatives.items() if alternative != declared}


def search_preprocessing(
    job: ModelRun,
    faces: Sequence[LabelledFace],
    *,
    batch_size: int,
    workers: int,
    seed: int,
    progress: Progress = iter,
    memory: int = 0,
) -> tuple[PreprocessingScore, ...]:
    """Score the declared preprocessing of a model and the usual alternatives on a part of the faces.

    Parameters
    ----------
    job
        The model with its declared preprocessing.
    faces
        Of the domain it was trained on; up to 50 of each emotion are taken.
    batch_size, workers, progress, memory
        As in `predict_jobs`.
    seed
        Of the choice of faces.

    Returns
    -------
    tuple of PreprocessingScore
        The declared preprocessing, then the alternatives by decreasing accuracy.
    """
    chosen = _draw_faces(faces, seed)
    preprocessings = {DECLARED: job.preprocessing} | usual_preprocessings(job.preprocessing)
    # A wrong scale can make a network overflow: such an answer counts as wrong and is no error.
    model = replace(
        job.model, predict=lambda batch: np.nan_to_num(job.model.predict(batch), posinf=0, neginf=0)
    )
    jobs = [ModelRun(model, job.labels, preprocessing, "none") for preprocessing in preprocessings.values()]
    (answers,) = predict_jobs(
        jobs,
        chosen,
        batch_size=batch_size,
        workers=workers,
        progress=progress,
        digests=content_digests(chosen, workers),
        memory=memory,
    )
    true = np.array([EMOTIONS.index(face.emotion) for face in chosen])
    right = [predictions.predicted == true for predictions in answers]
    sources = source_groups(chosen)
    p_values = holm([mcnemar(right[0], alternative, sources) for alternative in right[1:]])
    scores = [
        PreprocessingScore(
            name,
            preprocessing.describe(),
            float(hits.mean()),
            share_interval(hits, sources),
            p_value,
        )
        for (name, preprocessing), hits, p_value in zip(
            preprocessings.items(), right, [None, *p_values], strict=True
        )
    ]
    return (scores[0], *sorted(scores[1:], key=lambda score: -score.accuracy))


def warning(scores: Sequence[PreprocessingScore]) -> str | None:
    """Return a warning if an alternative is better than the declared preprocessing beyond chance, else None."""
    declared = scores[0]
    better = [
        score
        for score in scores[1:]
        if score.p_value is not None and score.p_value < 0.05 and score.accuracy > declared.accuracy
    ]
    if not better:
        return None
    best = better[0]
    return (
        f"The declared preprocessing looks wrong: on faces of the training domain the model reaches "
        f"{declared.accuracy:.1%} as declared and {best.accuracy:.1%} with {best.name} ({best.feeding}; "
        f"p = {best.p_value:.1g})."
    )


def _draw_faces(faces: Sequence[LabelledFace], seed: int) -> list[LabelledFace]:
    """Draw up to 50 faces of each emotion at random and keep their order."""
    rng = np.random.default_rng(seed)
    rows: list[int] = []
    for emotion in EMOTIONS:
        members = [row for row, face in enumerate(faces) if face.emotion == emotion]
        rows += rng.permutation(members)[:PER_CLASS].tolist() if members else []
    return [faces[row] for row in sorted(rows)]
