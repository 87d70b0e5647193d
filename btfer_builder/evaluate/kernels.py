"""How much a model's answers depend on the interpolation, where nothing declares it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from btfer_builder.config import ResizeKernel
from btfer_builder.evaluate.inference.outputs import Predictions
from btfer_builder.evaluate.inference.predict import ModelRun
from btfer_builder.evaluate.metrics.scores import Interval, share_interval

#: What the field's libraries resize with: OpenCV, and Pillow and torchvision, which average when they shrink.
USUAL: tuple[ResizeKernel, ...] = ("area", "bilinear", "cubic", "pil-bilinear")


@dataclass(frozen=True, slots=True)
class KernelScore:
    """The accuracy with one interpolation.

    Attributes
    ----------
    kernel
        One of `USUAL`.
    accuracy, interval
        With its 95 % interval, see `share_interval`.
    changed
        Share of faces whose answer differs from that of the report.
    """

    kernel: ResizeKernel
    accuracy: float
    interval: Interval
    changed: float


def kernel_runs(job: ModelRun) -> list[ModelRun]:
    """Return the job with each usual interpolation, for the original faces only."""
    return [
        replace(job, preprocessing=replace(job.preprocessing, resize=kernel), variant_of=job)
        for kernel in USUAL
    ]


def kernel_scores(
    true: NDArray[np.int64],
    predicted: NDArray[np.int64],
    answers: Sequence[Predictions],
    sources: NDArray[np.int64] | None = None,
) -> tuple[KernelScore, ...]:
    """Score the answers under each usual interpolation.

    Parameters
    ----------
    true, predicted
        Positions in `EMOTIONS`, shape (n,): labels, and the answers of the report.
    answers
        Of `kernel_runs`, in their order; empty if the interpolation is declared.
    sources
        Of `source_groups`; None for independent faces.
    """
    return tuple(
        KernelScore(
            kernel,
            float((each.predicted == true).mean()),
            share_interval(each.predicted == true, sources),
            float((each.predicted != predicted).mean()),
        )
        for kernel, each in zip(USUAL if answers else (), answers, strict=True)
    )


def kernel_note(scores: Sequence[KernelScore]) -> str | None:
    """Return the sentence of the report; None without scores."""
    if not scores:
        return None
    changed = max(score.changed for score in scores)
    if not changed:
        return "Nothing declares the interpolation; under the usual ones no answer changes."
    low, high = (extreme(score.accuracy for score in scores) for extreme in (min, max))
    accuracy = f"is {low:.3f} to {high:.3f}" if low < high else f"remains {low:.3f}"
    return (
        f"Nothing declares the interpolation: under the usual ones up to {changed:.1%} of the answers change, and the "
        f"accuracy {accuracy}. Declare it with --resize or a sidecar."
    )
