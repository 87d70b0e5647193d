"""Check a Keras file before it is loaded: its archive, its arrays and the configuration of its network."""

import io
import stat
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError, UnsafeFile
from btfer_builder.io.hdf5 import MAX_BYTES, MAX_EXPANSION, check_hdf5
from btfer_builder.io.json import parse_json

#: Layers of Keras 3 and Keras 2 that compute with their inputs and weights. Lambda, wrappers of other libraries, and
#: layers that read a vocabulary are excluded.
_LAYERS_TEXT = """
Activation ActivityRegularization AdaptiveAveragePooling1D AdaptiveAveragePooling2D AdaptiveAveragePooling3D
AdaptiveMaxPooling1D AdaptiveMaxPooling2D AdaptiveMaxPooling3D Add AdditiveAttention AlphaDropout Attention
AugMix AutoContrast Average AveragePooling1D AveragePooling2D AveragePooling3D AvgPool1D AvgPool2D AvgPool3D
BatchNormalization BatchNormalizationV1 BatchNormalizationV2 Bidirectional CategoryEncoding CenterCrop
Concatenate ContrastLimitedAdaptiveHistogramEqualization Conv1D Conv1DTranspose Conv2D Conv2DTranspose
Conv3D Conv3DTranspose ConvLSTM1D ConvLSTM2D ConvLSTM3D Convolution1D Convolution1DTranspose Convolution2D
Convolution2DTranspose Convolution3D Convolution3DTranspose Cropping1D Cropping2D Cropping3D CuDNNGRU
CuDNNLSTM CutMix Dense DepthwiseConv1D DepthwiseConv2D Discretization Dot Dropout ELU EinsumDense Embedding
Equalization Flatten GRU GRUCell GRUCellV2 GRUV1 GRUV2 GaussianDropout GaussianNoise GlobalAveragePooling1D
GlobalAveragePooling2D GlobalAveragePooling3D GlobalAvgPool1D GlobalAvgPool2D GlobalAvgPool3D
GlobalMaxPool1D GlobalMaxPool2D GlobalMaxPool3D GlobalMaxPooling1D GlobalMaxPooling2D GlobalMaxPooling3D
GroupNormalization GroupQueryAttention HashedCrossing Hashing Identity InputLayer InputSpec InstanceProperty
LSTM LSTMCell LSTMCellV2 LSTMV1 LSTMV2 LayerNormalization LayerScale LeakyReLU LocallyConnected1D
LocallyConnected2D Masking MaxNumBoundingBoxes MaxPool1D MaxPool2D MaxPool3D MaxPooling1D MaxPooling2D
MaxPooling3D Maximum MelSpectrogram Minimum MixUp MultiHeadAttention Multiply Normalization PReLU Permute
Pipeline RMSNormalization RNN RandAugment RandomBrightness RandomColorDegeneration RandomColorJitter
RandomContrast RandomCrop RandomElasticTransform RandomErasing RandomFlip RandomGaussianBlur RandomGrayscale
RandomHeight RandomHue RandomInvert RandomPerspective RandomPosterization RandomRotation RandomSaturation
RandomSharpness RandomShear RandomTranslation RandomWidth RandomZoom ReLU RepeatVector Rescaling Reshape
Resizing ReversibleEmbedding STFTSpectrogram SeparableConv1D SeparableConv2D SeparableConvolution1D
SeparableConvolution2D SimpleRNN SimpleRNNCell Softmax Solarization SpatialDropout1D SpatialDropout2D
SpatialDropout3D SpectralNormalization StackedRNNCells Subtract SyncBatchNormalization ThresholdedReLU
TimeDistributed UnitNormalization UpSampling1D UpSampling2D UpSampling3D ZeroPadding1D ZeroPadding2D
ZeroPadding3D
"""
LAYERS = frozenset(_LAYERS_TEXT.split())

#: Other parts of a configuration: models, initializers, regularizers, constraints and data types.
_PARTS_TEXT = """
Functional Model Sequential Constant GlorotNormal GlorotUniform HeNormal HeUniform IdentityInitializer
LecunNormal LecunUniform Ones Orthogonal OrthogonalInitializer RandomNormal RandomUniform STFT
STFTInitializer TruncatedNormal VarianceScaling Zeros L1 L1L2 L2 OrthogonalRegularizer MaxNorm MinMaxNorm
NonNeg RadialConstraint UnitNorm AWQDTypePolicy AbsMaxQuantizer DTypePolicy DTypePolicyMap
Float8QuantizationConfig FloatDTypePolicy GPTQDTypePolicy Int4DTypePolicy Int4QuantizationConfig
Int8QuantizationConfig Policy PolicyV1 QuantizedDTypePolicy QuantizedFloat8DTypePolicy SeedGenerator
TensorShape TypeSpec __ellipsis__ __keras_tensor__ __numpy__ __slice__ __tensor__ __tuple__
"""
PARTS = frozenset(_PARTS_TEXT.split())

#: Functions that a layer may name: activations.
_ACTIVATIONS_TEXT = """
celu elu exponential gelu glu hard_shrink hard_sigmoid hard_silu hard_swish hard_tanh leaky_relu linear
log_sigmoid log_softmax mish relu relu6 selu sigmoid silu soft_shrink softmax softplus softsign sparse_plus
sparse_sigmoid sparsemax squareplus swish tanh tanh_shrink threshold
"""
ACTIVATIONS = frozenset(_ACTIVATIONS_TEXT.split())

#: Modules of Keras, without `keras.` and `src.`: those used in training only, and those of operations.
_TRAINING = frozenset({"losses", "metrics", "optimizers"})
_OPERATIONS = frozenset({"ops.core", "ops.image", "ops.linalg", "ops.math", "ops.nn", "ops.numpy"})

#: Modules that contain the layers and parts above.
_HOMES_TEXT = """
applications constraints dtype_policies engine initializers layers mixed_precision models quantizers random regularizers
"""
_HOMES = frozenset(["", *_HOMES_TEXT.split()])

#: TensorFlow functions that legacy models may name; others can write files.
_TENSORFLOW = (
    "math.", "nn.", "linalg.", "__operators__.", "image.resize", "reshape", "cast", "concat", "split", "stack",
    "transpose", "compat.v1.transpose", "expand_dims", "squeeze", "clip_by_value",
)  # fmt: skip

#: The layers of our own networks and their module; no other package is imported for a model.
OWN_MODULE = "btfer_builder.networks.layers"
_OWN_MODULES = frozenset({OWN_MODULE, "btfer_builder.protocol.layers"})  # the second one is in files of 0.1
_OWN = frozenset({"AddPositions", "LocalResponseNormalization", "StopHalfGradient"})

#: Layers that run code from the file; their error explains that.
_CODE = frozenset({"Lambda", "__lambda__"})

_MEMBERS = frozenset({"config.json", "metadata.json", "model.weights.h5"})

MAX_CONFIG_BYTES = 64 * 1024 * 1024


def check_keras_archive(path: Path) -> object:
    """Refuse a `.keras` file with members or arrays that Keras does not write.

    Returns
    -------
    object
        The configuration of its network, parsed and not yet checked.

    Raises
    ------
    UnsafeFile
        If it has other members, links or external arrays, or is far larger than its bytes.
    BtferError
        If it is not a Keras file, or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            _check_members(path, members)
            config = archive.read("config.json")
            names = {member.filename for member in members}
            weights = archive.read("model.weights.h5") if "model.weights.h5" in names else None
    except UnsafeFile:
        raise
    except Exception:  # zipfile and the decompressors raise any exception on a damaged archive
        raise BtferError(
            f"{path}: not a Keras model (or damaged); save it with model.save(), "
            "and give it the suffix .h5 if it was saved in the older HDF5 format"
        ) from None
    if weights is not None:
        check_hdf5(io.BytesIO(weights), f"{path}: model.weights.h5")
    return _parse(path, config)


def _check_members(path: Path, members: list[zipfile.ZipInfo]) -> None:
    seen = set()
    for member in members:
        name = member.filename
        parts = name.split("/")
        asset = parts[0] == "assets" and "\\" not in name and not {"", ".", ".."} & set(parts[1:-1])
        asset = asset and len(parts) > 1 and parts[-1] not in {".", ".."}
        if name in seen or not (name in _MEMBERS or asset) or stat.S_ISLNK(member.external_attr >> 16):
            raise UnsafeFile(
                f"{path}: has the member {name!a} in a way Keras does not write; save it again with model.save()"
            )
        limit = max(MAX_BYTES, MAX_EXPANSION * member.compress_size)
        if member.file_size > (MAX_CONFIG_BYTES if name.endswith(".json") else limit):
            raise UnsafeFile(f"{path}: its {name} is too large; save it again with model.save()")
        seen.add(name)


def check_keras_h5(path: Path) -> object:
    """Refuse an `.h5` file with external arrays.

    Returns
    -------
    object
        The configuration of its network, parsed and not yet checked.

    Raises
    ------
    UnsafeFile
        If it refers to other files, or is far larger than its bytes.
    BtferError
        If it is not an HDF5 file, is damaged, or has no network.
    """
    import h5py  # type: ignore[import-untyped]

    check_hdf5(path, str(path))
    with h5py.File(path, "r") as file:
        text = file.attrs.get("model_config")
    if text is None:
        raise BtferError(f"{path}: holds no network, only weights; save the whole model with model.save()")
    return _parse(path, text)


def _parse(path: Path, text: bytes | str) -> object:
    try:
        return parse_json(text)
    except (ValueError, TypeError):
        raise BtferError(
            f"{path}: the configuration of its network is damaged; save the model again"
        ) from None


def check_config(path: Path, config: object) -> bool:
    """Refuse a configuration with anything but known layers.

    Parameters
    ----------
    path
        The file, for the error.
    config
        The parsed JSON.

    Returns
    -------
    bool
        Whether it is also safe for tf_keras, which imports any module that a configuration names.

    Raises
    ------
    UnsafeFile
        If a layer runs code, reads files, or is unknown.
    """
    if isinstance(config, dict):  # the training configuration is never used
        config = {key: value for key, value in config.items() if key != "compile_config"}
    legacy_safe = True
    for part in parts_of(config):
        if "class_name" not in part:
            continue
        name, settings = str(part["class_name"]), part.get("config")
        package, _, submodule = str(part.get("module") or "keras").partition(".")
        submodule = submodule.removeprefix("src.")
        short = name.rpartition(">")[2].rpartition(".")[2]
        if short in _CODE:
            raise UnsafeFile(
                f"{path}: has a Lambda layer, which can run any code and is never executed; replace it by ordinary "
                "Keras layers, or pass --trust-model if you made the file yourself"
            )
        if name in {"TFOpLambda", "SlicingOpLambda"}:
            _check_function(path, settings)
        elif not _is_known(part, name, package, submodule):
            full = f"{part['module']}.{name}" if part.get("module") else name
            raise UnsafeFile(
                f"{path}: has {full}, which is not one of the known layers of Keras and could run code or read "
                "files; replace it by ordinary Keras layers, or pass --trust-model if you made the file yourself"
            )
        # tf_keras would import the module that the file names.
        legacy_safe = legacy_safe and package in {"keras", "tf_keras"} and name != "function"
    return legacy_safe


def _is_known(part: dict[str, Any], name: str, package: str, submodule: str) -> bool:
    registered, home = part.get("registered_name"), submodule.partition(".")[0]
    if is_own(part):
        own = name.removeprefix("btfer>")
        return own in _OWN and registered in (None, own, f"btfer>{own}")
    if package not in {"keras", "tf_keras", "builtins"}:
        return False
    if name == "function":
        function = str(part.get("config"))
        known = home in _TRAINING or (
            function in ACTIVATIONS and (package == "builtins" or home == "activations")
        )
        return known and function.isidentifier() and registered in (None, name, function)
    if registered not in (None, name):
        return False
    if submodule in _OPERATIONS or home in _TRAINING:
        return name.isidentifier() and name[0].isupper()
    return name in LAYERS | PARTS and home in _HOMES


def is_own(part: dict[str, Any]) -> bool:
    """Whether a part of a configuration is a layer of our own networks."""
    return part.get("module") in _OWN_MODULES or str(part.get("class_name")).startswith("btfer>")


def _check_function(path: Path, settings: object) -> None:
    function = str(settings.get("function")) if isinstance(settings, dict) else ""
    if not function.startswith(_TENSORFLOW):
        raise UnsafeFile(
            f"{path}: calls tf.{function}, which an image classifier does not need; replace it by ordinary "
            "Keras layers, or pass --trust-model if you made the file yourself"
        )


def parts_of(config: object) -> Iterator[dict[str, Any]]:
    """Yield every object of a JSON document, without recursion, which fails on deep documents."""
    stack = [config]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            yield part
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)
