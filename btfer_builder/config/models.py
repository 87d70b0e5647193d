"""Sections about models: train, eval."""

from typing import Annotated, Literal

from msgspec import Meta

from btfer_builder.config.base import ComputeDevice, Pretraining, Scheduler, Section
from btfer_builder.labels import EMOTIONS

#: Largest rotation in degrees, shift as a share of the side, and zoom, each in both directions (§4.2); no settings.
ROTATION = 20.0
SHIFT = 0.2
ZOOM = 0.2

Scale = Literal["0,1", "-1,1", "0,255"]
Color = Literal["auto", "rgb", "bgr", "grey", "grey-bgr"]
Activation = Literal["auto", "softmax", "logits", "sigmoid", "none"]
Balancing = Literal["none", "simple", "conservative", "oversample", "undersample"]
Loss = Literal["crossentropy", "focal"]
#: Kernels that resize a face.
Kernel = Literal[
    "area",
    "bilinear",
    "cubic",
    "lanczos",
    "nearest",
    "pil-bilinear",
    "pil-cubic",
    "pil-lanczos",
    "pil-nearest",
    "pil-box",
    "pil-hamming",
    "skimage",
    "tf-bilinear",
]
ResizeKernel = Literal["auto", Kernel]
Preset = Literal[
    "none",
    "fer",
    "facex",
    "emotiefflib",
    "emotiefflib-7",
    "deepface",
    "emopy",
    "face-api",
    "human",
    "imagenet",
    "caffe",
    "vggface2",
]


class TrainRecipe(Section, frozen=True, kw_only=True):
    """How a network is trained (§3.4–3.5, §4.2)."""

    network: Annotated[
        str,
        Meta(min_length=1, max_length=40, description="Name of the network, as listed by btfer networks."),
    ] = "resnet18"
    size: Annotated[int, Meta(ge=8, le=2048, description="Side of the input in pixels.")] = 48
    pretraining: Annotated[Pretraining, Meta(description="Initial weights.")] = "scratch"
    weights: Annotated[
        str,
        Meta(max_length=4096, description="File with the pretrained weights. Empty: they are downloaded."),
    ] = ""
    color: Annotated[
        Color,
        Meta(description="Channel order that the weights expect; auto: that of the published weights."),
    ] = "auto"
    scale: Annotated[
        Literal["auto", Scale],
        Meta(
            description="Pixel range that the weights expect; auto: that of the published weights, with their mean and "
            "std."
        ),
    ] = "auto"
    mean: Annotated[
        tuple[float, ...],
        Meta(max_length=3, description="Mean that they expect subtracted, in units of the range."),
    ] = ()
    std: Annotated[
        tuple[float, ...],
        Meta(max_length=3, description="Standard deviation that they expect to be divided by."),
    ] = ()
    head: Annotated[
        Literal["auto", "gap", "flatten"],
        Meta(description="How feature maps are reduced to a vector; auto: as the network's definition does."),
    ] = "auto"
    units: Annotated[
        Literal["auto", "256-128", "256-256", "1024-1024-512"],
        Meta(description="Hidden layers of the new head on a base; auto: 256-128, as the authors."),
    ] = "auto"
    balancing: Annotated[
        Balancing,
        Meta(
            description="Class balancing: class weights (simple, or conservative: at most 3), oversampling or "
            "undersampling."
        ),
    ] = "none"
    loss: Annotated[Loss, Meta(description="Loss function.")] = "crossentropy"
    batch_size: Annotated[int, Meta(ge=1, le=4096, description="Batch size on each device.")] = 32
    learning_rate: Annotated[
        float, Meta(gt=0, le=1, description="Learning rate of Adam at the start of each phase.")
    ] = 1e-4
    head_epochs: Annotated[
        int,
        Meta(
            ge=0,
            le=10_000,
            description="Maximum epochs with the pretrained base frozen (phase 1); 0: skip this phase.",
        ),
    ] = 30
    finetune_epochs: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="Maximum epochs with all layers trainable (phase 2); the only phase without pretraining.",
        ),
    ] = 200
    lr_patience: Annotated[
        int,
        Meta(
            ge=1,
            le=10_000,
            description="Epochs without a lower validation loss before the learning rate is reduced.",
        ),
    ] = 10
    lr_factor: Annotated[
        float, Meta(gt=0, lt=1, description="Factor by which the learning rate is then multiplied.")
    ] = 0.5
    min_learning_rate: Annotated[float, Meta(ge=0, le=1, description="Lower bound of the learning rate.")] = (
        1e-10
    )
    early_stopping_patience: Annotated[
        int, Meta(ge=1, le=10_000, description="Epochs without a lower validation loss before a phase ends.")
    ] = 20
    augment: Annotated[bool, Meta(description="Rotate, shift, zoom and flip training faces at random.")] = (
        True
    )
    validation_share: Annotated[
        float,
        Meta(gt=0, lt=1, description="Fraction of train used for validation if there is no val split."),
    ] = 0.1
    seed: Annotated[
        int,
        Meta(ge=0, lt=2**31, description="Random seed of weights, order, augmentation and validation faces."),
    ] = 0
    precision: Annotated[
        Literal["float32", "mixed", "auto"],
        Meta(
            description="Single precision; mixed: float16 on GPUs, bfloat16 on CPUs; auto: what a measured step "
            "finds faster."
        ),
    ] = "float32"
    device: ComputeDevice = "auto"
    deterministic: Annotated[bool, Meta(description="Use deterministic operations only; slower on GPUs.")] = (
        False
    )
    memory: Annotated[
        int,
        Meta(
            ge=0,
            description="Maximum megabytes of decoded faces kept in memory; a larger set is decoded in every epoch.",
        ),
    ] = 4096
    workers: Annotated[int, Meta(ge=1, le=64, description="Number of threads that decode faces.")] = 2
    paper: Annotated[
        bool,
        Meta(
            description="Train as the authors: pixels/255, nearest-neighbour resizing, best epoch selected on test."
        ),
    ] = False


class EvalRecipe(Section, frozen=True, kw_only=True):
    """How faces are preprocessed and what is measured. Precedence: flag, preset, sidecar, this section."""

    labels: Annotated[
        tuple[str, ...], Meta(min_length=1, description="Classes of the model in the order of its outputs.")
    ] = EMOTIONS
    scale: Annotated[Scale, Meta(description="Pixel range that the model expects.")] = "0,1"
    color: Annotated[Color, Meta(description="Channel order; auto: grey for one channel, rgb for three.")] = (
        "auto"
    )
    size: Annotated[
        int, Meta(ge=0, le=2048, description="Side of the input in pixels; 0: as the model declares.")
    ] = 0
    mean: Annotated[
        tuple[float, ...],
        Meta(max_length=3, description="Mean subtracted after scaling: one value, or one per channel."),
    ] = ()
    std: Annotated[
        tuple[float, ...],
        Meta(max_length=3, description="Standard deviation to divide by: one value, or one per channel."),
    ] = ()
    resize: Annotated[
        ResizeKernel,
        Meta(
            description="Interpolation; auto: area for downscaling, bicubic for upscaling; pil-…: Pillow's filters, "
            "which average when they shrink."
        ),
    ] = "auto"
    resize_to: Annotated[
        int,
        Meta(
            ge=0,
            le=4096,
            description="Resize the shorter side to this, then cut out the central square of the input; 0: do not.",
        ),
    ] = 0
    crop: Annotated[
        float, Meta(gt=0, le=1, description="Fraction of the face's side to keep as a central crop.")
    ] = 1.0
    architecture: Annotated[
        str,
        Meta(
            max_length=1000,
            description="Function that returns the PyTorch network of a file of weights: package.module:function.",
        ),
    ] = ""
    activation: Annotated[
        Activation,
        Meta(
            description="What the outputs are: softmax probabilities, logits, sigmoid (one probability a class), none "
            "(scores); auto: softmax if they are probabilities, else none."
        ),
    ] = "auto"
    output: Annotated[
        str,
        Meta(
            max_length=200,
            description="Name of the output with the scores, for a model with several outputs.",
        ),
    ] = ""
    preset: Annotated[Preset, Meta(description="Use the preprocessing and labels of a public library.")] = (
        "none"
    )
    batch_size: Annotated[int, Meta(ge=1, le=4096, description="Batch size for prediction.")] = 64
    workers: Annotated[int, Meta(ge=1, le=64, description="Number of threads that decode and resize.")] = 2
    scheduler: Scheduler = ""
    device: ComputeDevice = "auto"
    memory: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Maximum megabytes of decoded, resized faces kept for another scoring of the set; 0: none.",
        ),
    ] = 1024
    corruptions: Annotated[
        bool, Meta(description="Also score corrupted faces (blur, noise, compression, …) at 5 severities.")
    ] = False
    resolutions: Annotated[
        tuple[int, ...],
        Meta(description="Also score faces downscaled to these sides first, for example 48,96."),
    ] = ()
    efficiency: Annotated[
        bool, Meta(description="Also measure latency and throughput, and count floating-point operations.")
    ] = False
    resamples: Annotated[
        int,
        Meta(
            ge=0,
            le=1_000_000,
            description="Number of bootstrap resamples for the intervals; 0: no intervals.",
        ),
    ] = 10_000
    seed: Annotated[int, Meta(ge=0, description="Random seed of the bootstrap and the corruptions.")] = 0
    set_hash: Annotated[
        str, Meta(max_length=64, description="Require the set hash of the signature to be this one.")
    ] = ""
    trust_model: Annotated[
        bool,
        Meta(description="Run code contained in the model file (Lambda layers). Such code can do anything."),
    ] = False
