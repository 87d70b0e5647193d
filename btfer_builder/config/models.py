"""Recipes of what is done with models and the sets they learn from: hashes, leakage, train, eval."""

from typing import Annotated, Literal

from msgspec import Meta

from btfer_builder.config.base import MaxPixels, Pretraining, Scheduler, Section, Workers
from btfer_builder.labels import EMOTIONS

Scale = Literal["0,1", "-1,1", "0,255"]
Color = Literal["auto", "rgb", "bgr", "grey"]
Balancing = Literal["none", "simple", "conservative", "oversample", "undersample"]
Loss = Literal["crossentropy", "focal"]
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


class TrainRecipe(Section, frozen=True, kw_only=True):
    """How a network is trained (§3.4–3.5, §4.2)."""

    network: Annotated[str, Meta(min_length=1, max_length=40, description="As btfer networks calls it.")] = (
        "resnet18"
    )
    size: Annotated[int, Meta(ge=8, le=2048, description="Side of its input in pixels.")] = 48
    pretraining: Annotated[Pretraining, Meta(description="Weights it starts from.")] = "scratch"
    weights: Annotated[
        str, Meta(max_length=4096, description="File of these weights; else they are fetched.")
    ] = ""
    head: Annotated[
        Literal["auto", "gap", "flatten"],
        Meta(description="How feature maps become a vector; auto is the network's own way."),
    ] = "auto"
    units: Annotated[
        Literal["auto", "256-128", "256-256", "1024-1024-512"],
        Meta(description="Hidden layers of a base's new head; auto is the authors' 256-128."),
    ] = "auto"
    balancing: Annotated[
        Balancing,
        Meta(
            description="Weights of the classes: simple or conservative (3 at most); or faces drawn again, or left out."
        ),
    ] = "none"
    loss: Annotated[Loss, Meta(description="What is minimised.")] = "crossentropy"
    batch_size: Annotated[int, Meta(ge=1, le=4096, description="Faces of a step on each device.")] = 32
    learning_rate: Annotated[float, Meta(gt=0, le=1, description="Of Adam, at the beginning of a phase.")] = (
        1e-4
    )
    phase1_epochs: Annotated[
        int,
        Meta(ge=0, le=10_000, description="Epochs at most while a pretrained base is frozen; 0 for none."),
    ] = 30
    phase2_epochs: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="Epochs at most while all layers learn; a scratch network's only ones.",
        ),
    ] = 200
    plateau_patience: Annotated[
        int, Meta(ge=1, le=10_000, description="Epochs without a better validation loss that lower the rate.")
    ] = 10
    plateau_factor: Annotated[float, Meta(gt=0, lt=1, description="What the rate is then multiplied by.")] = (
        0.5
    )
    min_learning_rate: Annotated[float, Meta(ge=0, le=1, description="Where lowering it ends.")] = 1e-10
    stop_patience: Annotated[
        int, Meta(ge=1, le=10_000, description="Epochs without a better validation loss that end a phase.")
    ] = 20
    augment: Annotated[bool, Meta(description="Turn, shift, zoom and flip the training faces at random.")] = (
        True
    )
    validation_share: Annotated[
        float,
        Meta(gt=0, lt=1, description="Share of train the best epoch is chosen on, if there is no val split."),
    ] = 0.1
    seed: Annotated[
        int, Meta(ge=0, lt=2**31, description="Of the weights, the order, the augmentation and the shares.")
    ] = 0
    mixed_precision: Annotated[
        bool, Meta(description="Compute in half precision: float16 on graphics cards, bfloat16 else.")
    ] = False
    deterministic: Annotated[
        bool, Meta(description="Take only operations that repeat bit by bit, slower on graphics cards.")
    ] = False
    memory: Annotated[
        int, Meta(ge=0, description="Megabytes of decoded faces kept; if there are more, none is kept.")
    ] = 4096
    workers: Annotated[int, Meta(ge=1, le=64, description="Threads that decode faces.")] = 2
    paper: Annotated[
        bool,
        Meta(description="As the authors: pixels/255, nearest neighbour, the best epoch chosen on test."),
    ] = False


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
