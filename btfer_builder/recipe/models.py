"""Recipes of what is done with models and the sets they learn from: hashes, leakage, eval."""

from typing import Annotated, Literal

from msgspec import Meta

from btfer_builder.emotions import EMOTIONS
from btfer_builder.recipe.section import MaxPixels, Scheduler, Section, Workers

Scale = Literal["0,1", "-1,1", "0,255"]
Color = Literal["auto", "rgb", "bgr", "grey"]
ResizeKernel = Literal["auto", "area", "bilinear", "cubic", "lanczos", "nearest"]
Preset = Literal[
    "none",
    "fer",
    "facex",
    "emotiefflib",
    "emotiefflib-7",
    "deepface",
    "emopy",
    "imagenet",
    "caffe",
    "vggface2",
]


class HashesRecipe(Section, frozen=True, kw_only=True):
    """How other sets of faces are hashed."""

    max_pixels: MaxPixels = 100_000_000
    workers: Workers = 2


class LeakageRecipe(Section, frozen=True, kw_only=True):
    """When a face stands in a training set; both kinds of hashes must agree."""

    radius: Annotated[
        int, Meta(ge=0, le=16, description="Largest Hamming distance of two 64-bit pHashes.")
    ] = 8
    fine_radius: Annotated[
        int, Meta(ge=0, le=128, description="Largest Hamming distance of two 256-bit pHashes.")
    ] = 56


class EvalRecipe(Section, frozen=True, kw_only=True):
    """How a model is fed and what is measured; a model's sidecar says it better, a flag overrides both."""

    labels: Annotated[
        tuple[str, ...], Meta(description="The model's classes in the order of its outputs, comma-separated.")
    ] = EMOTIONS
    scale: Annotated[Scale, Meta(description="Range the model expects its pixels in.")] = "0,1"
    color: Annotated[
        Color, Meta(description="Channel order; auto takes grey for one channel and rgb for three.")
    ] = "auto"
    size: Annotated[
        int, Meta(ge=0, le=2048, description="Side of the model's input in pixels; 0 reads it off the model.")
    ] = 0
    mean: Annotated[
        tuple[float, ...],
        Meta(max_length=3, description="Subtracted after scaling: one value, or one a channel."),
    ] = ()
    std: Annotated[
        tuple[float, ...],
        Meta(max_length=3, description="Divided by after subtracting: one value, or one a channel."),
    ] = ()
    resize: Annotated[
        ResizeKernel,
        Meta(description="Kernel of the resizing; auto averages to shrink and is bicubic to enlarge."),
    ] = "auto"
    crop: Annotated[
        float, Meta(gt=0, le=1, description="Share of the face's central square that the model sees.")
    ] = 1.0
    preset: Annotated[
        Preset, Meta(description="Feed the model as a public library feeds its own, labels included.")
    ] = "none"
    batch_size: Annotated[int, Meta(ge=1, le=4096, description="Images predicted at a time.")] = 64
    workers: Annotated[int, Meta(ge=1, le=64, description="Threads that decode and resize.")] = 2
    scheduler: Scheduler = ""
    corruptions: Annotated[
        bool, Meta(description="Also score blurred, noisy, compressed, dark, … faces in 5 severities.")
    ] = False
    resolutions: Annotated[
        tuple[int, ...], Meta(description="Also score the faces scaled down to these sides first, as 48,96.")
    ] = ()
    efficiency: Annotated[
        bool, Meta(description="Also measure latency and images/s, and count floating-point operations.")
    ] = False
    resamples: Annotated[
        int, Meta(ge=0, le=1_000_000, description="Bootstrap resamples behind the intervals; 0 for none.")
    ] = 10_000
    seed: Annotated[int, Meta(ge=0, description="Of the bootstrap and the corruptions.")] = 0
    set_hash: Annotated[
        str, Meta(max_length=64, description="Refuse the set unless its signature has this hash.")
    ] = ""
    trust_model: Annotated[
        bool, Meta(description="Run code the model's file brings along (Lambda layers). It can do anything.")
    ] = False
