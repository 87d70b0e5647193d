"""The networks by name, with their options; this module does not import TensorFlow."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from btfer_builder.config import Pretraining
from btfer_builder.errors import BtferError

Head = Literal["gap", "flatten"]
Units = Literal["256-128", "256-256", "1024-1024-512"]
Origin = Literal["paper", "true", "modern"]
ImageNetInput = Literal["caffe", "tf", "torch", "raw"]

PRETRAININGS: tuple[Pretraining, ...] = get_args(Pretraining)
HEADS: tuple[Head, ...] = get_args(Head)
UNITS: tuple[Units, ...] = get_args(Units)

#: The two resolutions of the paper, in pixels (§4.3).
SIZES = (48, 224)


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """A network and its options.

    Attributes
    ----------
    name
        The name of a variant is that of the network with a suffix.
    family
        The module of `btfer_builder.networks` with its builder.
    line
        One line about it, with its source.
    origin
        `paper`: as the authors ran it; `true`: as its article or the text of the paper describes it, if that
        differs; `modern`: a newer baseline.
    pretrainings
        Weights it can start from (§3.5).
    heads
        How its last feature maps become a vector, the default first.
    units
        The hidden layers of the head on a base, the default first; empty if the network has no base.
    smallest
        The smallest side of the input in pixels.
    patches
        Whether it cuts the input into patches; the side must be a multiple of `patch_side`.
    channels
        Channels of its input: 3, or 1 for a grey image.
    imagenet_input
        Preprocessing of its ImageNet weights: a mode of keras.applications.
    rescales
        Whether its first layers scale pixels of 0–255.
    """

    name: str
    family: str
    line: str
    origin: Origin = "paper"
    pretrainings: tuple[Pretraining, ...] = ("scratch",)
    heads: tuple[Head, ...] = ("gap",)
    units: tuple[Units, ...] = ()
    smallest: int = 48
    patches: bool = False
    channels: Literal[1, 3] = 3
    imagenet_input: ImageNetInput | None = None
    rescales: bool = False

    @property
    def sizes(self) -> tuple[int, ...]:
        """The resolutions of the paper that it supports."""
        return tuple(size for size in SIZES if not self.size_error(size))

    def size_error(self, size: int) -> str:
        """Return why a size is not supported; empty if it is."""
        if size < self.smallest:
            return f"needs images of at least {self.smallest} pixels, not {size}"
        if self.patches and size % patch_side(size):
            return f"cuts images into patches of {patch_side(size)} pixels; {size} is not a multiple of it"
        return ""

    @property
    def has_base(self) -> bool:
        """Whether it is a base with a new head, which is trained in two phases (§4.2)."""
        return bool(self.units)


def patch_side(size: int) -> int:
    """Return the side of the patches of a transformer; small and large faces get about as many patches."""
    return 16 if size >= 128 else 4


def _base(
    name: str,
    line: str,
    imagenet_input: ImageNetInput,
    *,
    family: str = "applications",
    origin: Origin = "paper",
    more: Sequence[Pretraining] = (),
    smallest: int = 48,
) -> NetworkSpec:
    """Describe a network of keras.applications with the head of §3.5."""
    return NetworkSpec(
        name=name,
        family=family,
        line=line,
        origin=origin,
        pretrainings=("scratch", "imagenet", *more),
        heads=("gap", "flatten"),
        units=UNITS,
        smallest=smallest,
        imagenet_input=imagenet_input,
        rescales=imagenet_input == "raw",
    )


_ALL = (
    NetworkSpec(
        name="lenet5",
        family="classic",
        line="LeNet5 with ReLU and max pooling (LeCun et al. 1998; §3.2)",
        heads=("flatten",),
    ),
    NetworkSpec(
        name="alexnet",
        family="classic",
        line="AlexNet with batch normalisation and global pooling (Krizhevsky et al. 2012; §3.2)",
    ),
    NetworkSpec(
        name="zfnet", family="classic", line="ZFNet (Zeiler and Fergus 2014; §3.2)", heads=("flatten",)
    ),
    NetworkSpec(
        name="vggnet",
        family="vgg",
        line="VGG16 with its two layers of 4096 units, no dropout (Simonyan and Zisserman 2015; §3.2)",
        heads=("flatten",),
    ),
    _base("vgg16", "VGG16 (Simonyan and Zisserman 2015; §3.2)", "caffe", more=["vggface"]),
    _base("vgg19", "VGG19 (Simonyan and Zisserman 2015; §3.2)", "caffe"),
    NetworkSpec(
        name="repvgg",
        family="repvgg",
        line="The authors' RepVGG: residual blocks, half of the gradient stopped at each (§3.2)",
    ),
    NetworkSpec(
        name="repvgg-true",
        family="repvgg",
        origin="true",
        line="RepVGG-A0, whose branches deploy() merges into plain convolutions (Ding et al. 2021)",
    ),
    _base("mobilenet", "MobileNet (Howard et al. 2017; §3.2)", "tf"),
    _base("mobilenetv2", "MobileNetV2 (Sandler et al. 2018; §3.2)", "tf"),
    _base("efficientnetv2b0", "EfficientNetV2-B0 (Tan and Le 2021; §3.2)", "raw"),
    _base("efficientnetb0", "EfficientNet-B0, which two of the authors' runs used (Tan and Le 2019)", "raw"),
    NetworkSpec(
        name="resnet18",
        family="resnet",
        line="ResNet18 with a layer of 1024 units and two dropouts added (He et al. 2016; §3.2)",
    ),
    NetworkSpec(
        name="resnet18-plain",
        family="resnet",
        origin="true",
        line="ResNet18 without the added layers (He et al. 2016)",
    ),
    _base("resnet50", "ResNet50 (He et al. 2016; §3.2)", "caffe", more=["vggface"]),
    _base("nasnetmobile", "NASNet-A Mobile (Zoph et al. 2018; §3.2)", "tf"),
    _base("densenet121", "DenseNet121 (Huang et al. 2017; §3.2)", "torch"),
    NetworkSpec(
        name="googlenet",
        family="googlenet",
        line="The authors' GoogLeNet: Szegedy's widths in other towers, one classifier (§3.2)",
    ),
    NetworkSpec(
        name="googlenet-true",
        family="googlenet",
        origin="true",
        line="GoogLeNet without its auxiliary classifiers (Szegedy et al. 2015)",
    ),
    _base("inceptionv3", "InceptionV3 (Szegedy et al. 2016; §3.2)", "tf", smallest=75),
    _base("xception", "Xception (Chollet 2017; §3.2)", "tf", smallest=71),
    NetworkSpec(
        name="senet50",
        family="vggface",
        line="SE-ResNet50 in the layout of Keras-VGGFace (Hu et al. 2020; §3.2)",
        pretrainings=("scratch", "vggface"),
        heads=("gap", "flatten"),
        units=UNITS,
    ),
    NetworkSpec(
        name="mnist-net",
        family="vgg",
        line="The authors' MNIST_NET: 3×3 and 1×1 convolutions, two layers of 1024 units (not in the text)",
        heads=("flatten",),
    ),
    NetworkSpec(
        name="mediapipe-vggnet",
        family="vgg",
        line="The network of MediaPipe+VGGNet, for grey faces (Table 2)",
        heads=("flatten",),
        channels=1,
        rescales=True,
    ),
    NetworkSpec(
        name="sequential-3-conv",
        family="sequential",
        line="Sequential 3 Conv as the authors' code has it (§3.3)",
        heads=("gap", "flatten"),
    ),
    NetworkSpec(
        name="sequential-3-conv-text",
        family="sequential",
        origin="true",
        line="Sequential 3 Conv as the paper's text has it (§3.3)",
        heads=("gap", "flatten"),
    ),
    NetworkSpec(
        name="sequential-4-conv",
        family="sequential",
        line="Sequential 4 Conv as the authors' code has it; their Flatten is GAP at 48 pixels (§3.3)",
        heads=("gap", "flatten"),
    ),
    NetworkSpec(
        name="sequential-4-conv-text",
        family="sequential",
        origin="true",
        line="Sequential 4 Conv as the paper's text has it (§3.3)",
        heads=("gap", "flatten"),
    ),
    NetworkSpec(
        name="sequential-simple",
        family="sequential",
        line="Sequential Simple as the authors' code has it (§3.3)",
        heads=("flatten",),
    ),
    NetworkSpec(
        name="sequential-simple-text",
        family="sequential",
        origin="true",
        line="Sequential Simple as the paper's text has it (§3.3)",
        heads=("flatten",),
    ),
    NetworkSpec(
        name="ensemble",
        family="multibranch",
        line="Three networks trained together, their answers averaged (§3.3)",
    ),
    NetworkSpec(
        name="modular",
        family="multibranch",
        line="A branch of small and one of large filters, concatenated (§3.3)",
        heads=("flatten",),
    ),
    NetworkSpec(
        name="smmb",
        family="multibranch",
        line="Single model, multi-branch, with self-attention in one branch (§3.3)",
        heads=("flatten",),
    ),
    _base("convnext-tiny", "ConvNeXt-Tiny (Liu et al. 2022)", "raw", origin="modern"),
    NetworkSpec(
        name="vit-s",
        family="vit",
        origin="modern",
        line="Vision Transformer, small (Dosovitskiy et al. 2021; Touvron et al. 2021)",
        patches=True,
    ),
    _base("efficientnetv2-s", "EfficientNetV2-S (Tan and Le 2021)", "raw", origin="modern"),
)

#: All networks by name, in the order of the paper; a variant follows the network it varies.
NETWORKS: dict[str, NetworkSpec] = {spec.name: spec for spec in _ALL}


def find_network(name: str) -> NetworkSpec:
    """Return the network of this name.

    Raises
    ------
    BtferError
        If there is none; the error lists the names.
    """
    try:
        return NETWORKS[name]
    except KeyError:
        raise BtferError(f"{name!r} is not a network; choose one of {', '.join(NETWORKS)}") from None
