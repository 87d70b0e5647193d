"""Load a trained Keras model out of an untrusted file, without ever running code the file brings along."""

import hashlib
import importlib
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.quiet import import_tensorflow

Loader = Literal["keras", "tf_keras"]

#: Layers that run code out of the file, or open other files, when they are rebuilt or called.
CODE_LAYERS = frozenset(
    {"Lambda", "__lambda__", "TensorFlowOpLayer", "ClassMethod", "InstanceMethod", "TFSMLayer"}
    | {"TorchModuleWrapper", "JaxLayer", "FlaxLayer", "StringLookup", "IntegerLookup", "TextVectorization"}
)

#: TensorFlow functions that legacy models may name; the rest of TensorFlow can also write files.
SAFE_OPERATIONS: tuple[str, ...] = ("math.", "nn.", "linalg.", "__operators__.", "image.resize", "reshape")
SAFE_OPERATIONS += ("cast", "concat", "split", "stack", "transpose", "compat.v1.transpose", "expand_dims")
SAFE_OPERATIONS += ("squeeze", "clip_by_value")

#: Our own networks register layers of their own; no other package is imported for a model's sake.
OWN_LAYERS = "btfer_builder.protocol"

MAX_CONFIG_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model and what it wants to be fed.

    Attributes
    ----------
    path
        The file it is from.
    height, width, channels
        Of its input, in pixels; channels is 1 or 3.
    outputs
        Number of classes it tells apart.
    loader
        The library that understood the file.
    predict
        Takes float32 of shape (batch, height, width, channels), returns float32 of shape (batch, outputs).
    """

    path: Path
    height: int
    width: int
    channels: int
    outputs: int
    loader: Loader
    predict: Callable[[NDArray[np.float32]], NDArray[np.float32]]


def load_model(path: Path) -> Model:
    """Load a `.keras` file, or a legacy `.h5` or `.hdf5` file.

    The network's description is read and judged before any of it is built. Legacy files go to Keras 3 first
    and to tf_keras where Keras 3 refuses them.

    Raises
    ------
    BtferError
        If the file is missing, no model, damaged, holds code, or has other inputs or outputs than one image
        in and one list of scores out.
    """
    if path.is_dir():
        raise BtferError(f"{path}: a folder; save the model into one file with model.save('name.keras')")
    if not path.is_file():
        raise BtferError(f"{path}: no such file; expected a model saved as .keras, .h5 or .hdf5")
    suffix = path.suffix.lower()
    if suffix == ".keras":
        config = _config_of_keras(path)
    elif suffix in {".h5", ".hdf5"}:
        config = _config_of_h5(path)
    else:
        raise BtferError(
            f"{path}: a model's name ends in .keras, .h5 or .hdf5; save it with model.save('name.keras')"
        )
    legacy_safe = check_config(path, config)
    network, loader = _build(path, config, fall_back=suffix != ".keras" and legacy_safe)
    height, width, channels = _input_shape(path, network)
    return Model(
        path, height, width, channels, _output_size(path, network), loader, _predictor(path, network)
    )


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_config(path: Path, config: object) -> bool:
    """Refuse a network's description that would run code when it is built.

    Parameters
    ----------
    path
        Named in the error.
    config
        The parsed JSON.

    Returns
    -------
    bool
        Whether it is also safe for tf_keras, which imports any module a description names.

    Raises
    ------
    BtferError
        If a layer runs code of its own, or belongs to a package other than Keras.
    """
    legacy_safe = True
    for part in _dicts(config):
        name = str(part.get("class_name", "")).rpartition(">")[2].rpartition(".")[2]
        settings = part.get("config")
        if name in CODE_LAYERS:
            what = "Lambda" if name == "__lambda__" else name
            raise BtferError(
                f"{path}: has a {what} layer, which could run any code and is never executed; "
                "replace it by ordinary Keras layers and save the model again"
            )
        if name in {"TFOpLambda", "SlicingOpLambda"}:
            function = str(settings.get("function")) if isinstance(settings, dict) else ""
            if not function.startswith(SAFE_OPERATIONS):
                raise BtferError(
                    f"{path}: calls tf.{function}, which a classifier of images has no need of; refused"
                )
        module = part.get("module")
        if module is None or "class_name" not in part:
            continue
        if str(module).split(".")[0] not in {"keras", "tf_keras", "builtins"} and not _is_own(module):
            raise BtferError(
                f"{path}: needs {module}.{name}, which is no part of Keras; use only Keras's own layers"
            )
        # tf_keras would look these up in whatever module the file names.
        legacy_safe = (
            legacy_safe and str(module).split(".")[0] in {"keras", "tf_keras"} and name != "function"
        )
    return legacy_safe


def _is_own(module: object) -> bool:
    return f"{module}.".startswith(f"{OWN_LAYERS}.")


def _dicts(config: object) -> Iterator[dict[str, Any]]:
    """Yield every object of a JSON document; without recursion, which a deep document would exhaust."""
    stack = [config]
    while stack:
        part = stack.pop()
        if isinstance(part, dict):
            yield part
            stack.extend(part.values())
        elif isinstance(part, list):
            stack.extend(part)


def _config_of_keras(path: Path) -> object:
    try:
        with zipfile.ZipFile(path) as archive:
            if archive.getinfo("config.json").file_size > MAX_CONFIG_BYTES:
                raise BtferError(f"{path}: the description of its network is too large to be one; refused")
            text = archive.read("config.json")
    except (zipfile.BadZipFile, KeyError, OSError, RuntimeError, EOFError, NotImplementedError):
        raise BtferError(
            f"{path}: not a Keras model (or damaged); save it with model.save(), "
            "and give it the suffix .h5 if it was saved in the older HDF5 format"
        ) from None
    return _parse(path, text)


def _config_of_h5(path: Path) -> object:
    import h5py  # type: ignore[import-untyped]

    try:
        with h5py.File(path, "r") as file:
            text = file.attrs.get("model_config")
    except OSError:
        raise BtferError(
            f"{path}: not an HDF5 file (or damaged); save the model again with model.save()"
        ) from None
    if text is None:
        raise BtferError(f"{path}: holds no network, only weights; save the whole model with model.save()")
    return _parse(path, text)


def _parse(path: Path, text: bytes | str) -> object:
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError):
        raise BtferError(f"{path}: the description of its network is damaged; save the model again") from None


def _build(path: Path, config: object, *, fall_back: bool) -> tuple[Any, Loader]:
    for part in _dicts(config):
        if _is_own(part.get("module")):
            importlib.import_module(OWN_LAYERS)
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import_tensorflow()
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=True), "keras"
    except Exception as error:  # Keras raises anything at all on a file it does not understand
        reason = _first_line(error)
    if fall_back:
        import tf_keras

        try:
            return tf_keras.models.load_model(path, compile=False, safe_mode=True), "tf_keras"
        except Exception as error:
            reason = f"{reason}; tf_keras: {_first_line(error)}"
    raise BtferError(f"{path}: Keras cannot rebuild the model ({reason}); save it again with a recent Keras")


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".: ")


def _input_shape(path: Path, network: Any) -> tuple[int, int, int]:  # noqa: ANN401 - either library's model
    shapes = [tuple(tensor.shape) for tensor in getattr(network, "inputs", None) or ()]
    if len(shapes) != 1:
        raise BtferError(
            f"{path}: takes {len(shapes) or 'no known'} inputs; expected a model that takes one image"
        )
    shape = shapes[0]
    if len(shape) != 4 or not all(isinstance(side, int) for side in shape[1:]) or shape[3] not in {1, 3}:
        raise BtferError(
            f"{path}: its input has the shape {shape}; "
            "expected (None, height, width, channels) with a fixed size and 1 or 3 channels last"
        )
    return shape[1], shape[2], shape[3]


def _output_size(path: Path, network: Any) -> int:  # noqa: ANN401 - either library's model
    shapes = [tuple(tensor.shape) for tensor in getattr(network, "outputs", None) or ()]
    if len(shapes) != 1 or len(shapes[0]) != 2 or not isinstance(shapes[0][1], int) or shapes[0][1] < 2:
        raise BtferError(
            f"{path}: its outputs have the shapes {shapes}; "
            "expected one list of scores, (None, number of classes)"
        )
    return shapes[0][1]


def _predictor(path: Path, network: Any) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:  # noqa: ANN401
    def predict(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            return np.asarray(network.predict_on_batch(batch), dtype=np.float32)
        except Exception as error:
            raise BtferError(
                f"{path}: the model fails on a batch of {len(batch)}: {_first_line(error)}"
            ) from error

    return predict
