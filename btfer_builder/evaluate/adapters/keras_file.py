"""Keras models, `.keras` and legacy `.h5`: their description is judged before anything of it is built."""

import importlib
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.adapters.tensorflow_graph import graph_flops, graph_predictor
from btfer_builder.evaluate.models import Loader, Model, check_image_shape, check_scores_shape, first_line
from btfer_builder.quiet import import_tensorflow

#: Layers that run code out of the file, or open other files, when they are rebuilt or called.
CODE_LAYERS = frozenset(
    {"Lambda", "__lambda__", "TensorFlowOpLayer", "ClassMethod", "InstanceMethod", "TFSMLayer"}
    | {"TorchModuleWrapper", "JaxLayer", "FlaxLayer", "StringLookup", "IntegerLookup", "TextVectorization"}
)

#: TensorFlow functions that legacy models may name; the rest of TensorFlow can also write files.
SAFE_OPERATIONS: tuple[str, ...] = ("math.", "nn.", "linalg.", "__operators__.", "image.resize", "reshape")
SAFE_OPERATIONS += ("cast", "concat", "split", "stack", "transpose", "compat.v1.transpose", "expand_dims")
SAFE_OPERATIONS += ("squeeze", "clip_by_value")

#: Rooms of Keras that fetch files or switch its safety off; no layer lives there.
UNSAFE_ROOMS = frozenset({"utils", "config", "saving", "callbacks", "datasets", "export", "backend"})

#: Our own networks register layers of their own; no other package is imported for a model's sake.
OWN_LAYERS = "btfer_builder.protocol"

MAX_CONFIG_BYTES = 64 * 1024 * 1024


def load_keras(path: Path, *, trust_model: bool = False) -> Model:
    """Load a `.keras` file, or a legacy `.h5` or `.hdf5` file; see `load_network`."""
    return load_network(path, trust_model=trust_model)[1]


def load_network(path: Path, *, trust_model: bool = False) -> tuple[Any, Model]:
    """Load a `.keras` file, or a legacy `.h5` or `.hdf5` file: Keras's own model, and ours.

    The network's description is read and judged before any of it is built. Legacy files go to Keras 3 first
    and to tf_keras where Keras 3 refuses them.

    Parameters
    ----------
    path
        The file.
    trust_model
        Build it whatever its description says, Lambda layers included.

    Raises
    ------
    BtferError
        If the file is no model, damaged, holds code, or has other inputs or outputs than one image in and one
        list of scores out.
    """
    modern = path.suffix.lower() == ".keras"
    config = _config_of_keras(path) if modern else _config_of_h5(path)
    legacy_safe = trust_model or check_config(path, config)
    network, loader = _build(path, config, fall_back=not modern and legacy_safe, trust_model=trust_model)
    height, width, channels = _input_shape(path, network)
    shapes = [tuple(tensor.shape) for tensor in getattr(network, "outputs", None) or ()]
    outputs = check_scores_shape(path, shapes)

    def call(batch: Any) -> Any:  # noqa: ANN401 - tensors
        return network(batch, training=False)

    return network, Model(
        path,
        height,
        width,
        channels,
        outputs,
        loader,
        graph_predictor(path, call, (height, width), channels),
        parameters=int(network.count_params()),
        flops=lambda height, width: graph_flops(call, height, width, channels),
    )


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
                "replace it by ordinary Keras layers, or say --trust-model if you made the file yourself"
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
        package, *rooms = str(module).split(".")
        if package not in {"keras", "tf_keras", "builtins"} and not _is_own(module):
            raise BtferError(
                f"{path}: needs {module}.{name}, which is no part of Keras; use only Keras's own layers"
            )
        if not UNSAFE_ROOMS.isdisjoint(rooms[:2]):  # keras.utils, keras.src.utils
            raise BtferError(f"{path}: names {module}.{name}, which is no layer; refused")
        # tf_keras would look these up in whatever module the file names.
        legacy_safe = legacy_safe and package in {"keras", "tf_keras"} and name != "function"
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
            size = archive.getinfo("config.json").file_size
            text = archive.read("config.json") if size <= MAX_CONFIG_BYTES else None
    except Exception:  # zipfile and the decompressors raise anything at all on a damaged archive
        raise BtferError(
            f"{path}: not a Keras model (or damaged); save it with model.save(), "
            "and give it the suffix .h5 if it was saved in the older HDF5 format"
        ) from None
    if text is None:
        raise BtferError(f"{path}: the description of its network is too large to be one; refused")
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


def _build(path: Path, config: object, *, fall_back: bool, trust_model: bool) -> tuple[Any, Loader]:
    for part in _dicts(config):
        if _is_own(part.get("module")):
            importlib.import_module(f"{OWN_LAYERS}.layers")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import_tensorflow()
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=not trust_model), "keras"
    except Exception as error:  # Keras raises anything at all on a file it does not understand
        reason = first_line(error)
    if fall_back:
        import tf_keras

        try:
            return tf_keras.models.load_model(path, compile=False, safe_mode=not trust_model), "tf_keras"
        except Exception as error:
            reason = f"{reason}; tf_keras: {first_line(error)}"
    raise BtferError(f"{path}: Keras cannot rebuild the model ({reason}); save it again with a recent Keras")


def _input_shape(path: Path, network: Any) -> tuple[int | None, int | None, int]:  # noqa: ANN401
    shapes = [tuple(tensor.shape) for tensor in getattr(network, "inputs", None) or ()]
    if len(shapes) != 1:
        raise BtferError(
            f"{path}: takes {len(shapes) or 'no known'} inputs; expected a model that takes one image"
        )
    return check_image_shape(path, shapes[0])
