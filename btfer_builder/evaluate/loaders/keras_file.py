"""Load Keras models, `.keras` and legacy `.h5`; the file is checked before a layer is built."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import (
    Model,
    check_image_shape,
    check_scores_shape,
    first_line,
)
from btfer_builder.evaluate.loaders.keras_check import (
    OWN_MODULE,
    check_config,
    check_keras_archive,
    check_keras_h5,
    is_own,
    parts_of,
)
from btfer_builder.evaluate.loaders.tensorflow_graph import graph_flops, graph_predictor
from btfer_builder.io.tensorflow_import import import_tensorflow

#: Parts of the errors of Keras for layers that could run code or read files; tf_keras does not try these.
_REFUSALS = ("Not allowed:", "disallowed")


def load_keras(path: Path, *, trust_model: bool = False) -> Model:
    """Load a `.keras` file, or a legacy `.h5` or `.hdf5` file; see `load_network`."""
    return load_network(path, trust_model=trust_model)[1]


def load_network(path: Path, *, trust_model: bool = False) -> tuple[Any, Model]:
    """Load a `.keras` file, or a legacy `.h5` or `.hdf5` file, as a Keras model and as a `Model`.

    The file and its network configuration are checked before a layer is built. Keras 3 reads legacy files first, and
    tf_keras those that Keras 3 cannot read; a refused file is read by neither.

    Parameters
    ----------
    path
        The file.
    trust_model
        Build all layers of the configuration, Lambda layers included.

    Raises
    ------
    UnsafeFile
        If the file holds code, reads other files, or has unknown layers.
    BtferError
        If the file is not a model, is damaged, or if its input is not one image or its output not one list of
        scores.
    """
    modern = path.suffix.lower() == ".keras"
    config = check_keras_archive(path) if modern else check_keras_h5(path)
    legacy_safe = trust_model or check_config(path, config)
    network, loader = _build(path, config, fall_back=not modern and legacy_safe, trust_model=trust_model)
    return network, wrap_network(network, path, loader)


def wrap_network(network: Any, path: Path | None, loader: str, name: str = "") -> Model:  # noqa: ANN401 - Keras
    """Return a Keras model of either library as a `Model`.

    Parameters
    ----------
    network
        The Keras model; it takes one image of shape (batch, height, width, channels).
    path
        Its file; None for a model in memory.
    loader
        `keras` or `tf_keras`.
    name
        Name in reports and errors of a model in memory.

    Raises
    ------
    BtferError
        If its input is not one image or its output not one list of scores.
    """
    where = path or Path(name)
    height, width, channels = _input_shape(where, network)
    shapes = [tuple(tensor.shape) for tensor in getattr(network, "outputs", None) or ()]
    outputs = check_scores_shape(where, shapes)

    def call(batch: Any) -> Any:  # noqa: ANN401 - tensors
        return network(batch, training=False)

    return Model(
        path,
        height,
        width,
        channels,
        outputs,
        loader,
        graph_predictor(where, call, (height, width), channels),
        name=name,
        parameters=int(network.count_params()),
        flops=lambda height, width: graph_flops(call, height, width, channels),
    )


def keras_library(model: object) -> str:
    """Return the library of a Keras model in memory, `keras` or `tf_keras`; empty for anything else.

    A model in memory has imported its library, so nothing is imported here.
    """
    for name in ("keras", "tf_keras"):
        kind = getattr(sys.modules.get(name), "Model", None)
        if kind is not None and isinstance(model, kind):
            return name
    return ""


def _build(path: Path, config: object, *, fall_back: bool, trust_model: bool) -> tuple[Any, str]:
    if any(is_own(part) for part in parts_of(config)):
        importlib.import_module(OWN_MODULE)
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import_tensorflow()
    import keras

    try:
        return keras.models.load_model(path, compile=False, safe_mode=not trust_model), "keras"
    except Exception as error:  # Keras raises any exception on a file it cannot read
        reason = first_line(error)
        fall_back = fall_back and not any(word in str(error) for word in _REFUSALS)
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
            + ("; give it an Input, or give a function that calls it" if not shapes else "")
        )
    return check_image_shape(path, shapes[0])
