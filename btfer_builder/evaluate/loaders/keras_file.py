"""Load Keras models, `.keras` and legacy `.h5`; the file is checked before a layer is built."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import (
    Model,
    check_image_shape,
    choose_shape,
    first_line,
    is_channels_first,
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


def load_keras(path: Path, *, trust_model: bool = False, output: str = "") -> Model:
    """Load a `.keras` file, or a legacy `.h5` or `.hdf5` file; see `load_network`."""
    return load_network(path, trust_model=trust_model, output=output)[1]


def load_network(path: Path, *, trust_model: bool = False, output: str = "") -> tuple[Any, Model]:
    """Load a `.keras` file, or a legacy `.h5` or `.hdf5` file, as a Keras model and as a `Model`.

    The file and its network configuration are checked before a layer is built. Keras 3 reads all files first, and
    tf_keras those of Keras 2 that Keras 3 cannot read; a refused file is read by neither.

    Parameters
    ----------
    path
        The file.
    trust_model
        Build all layers of the configuration, Lambda layers included.
    output
        Name of the output with the scores, if the network has several.

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
    network, loader = _build(path, config, fall_back=legacy_safe, trust_model=trust_model)
    return network, wrap_network(network, path, loader, output=output)


def wrap_network(
    network: Any,  # noqa: ANN401 - a model of either Keras
    path: Path | None,
    loader: str,
    name: str = "",
    *,
    output: str = "",
) -> Model:
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
    output
        Name of the output with the scores, if the network has several.

    Raises
    ------
    BtferError
        If its input is not one image or its output not one list of scores.
    """
    where = path or Path(name)
    tf = import_tensorflow()
    image = _image(where, network)
    height, width, channels = check_image_shape(where, tuple(image.shape))
    first, whole = is_channels_first(tuple(image.shape)), tf.as_dtype(image.dtype).is_integer
    symbolic = getattr(network, "output", None)  # a Sequential of Keras 3 has `outputs` only
    symbolic = list(getattr(network, "outputs", None) or ()) if symbolic is None else symbolic
    shapes = {key: tuple(tensor.shape) for key, tensor in _outputs(network, symbolic).items()}
    scores, outputs = choose_shape(where, shapes, output)

    def call(batch: Any) -> Any:  # noqa: ANN401 - tensors
        images = tf.cast(tf.round(batch), image.dtype) if whole else batch
        images = tf.transpose(images, (0, 3, 1, 2)) if first else images
        return _outputs(network, network(images, training=False))[scores]

    return Model(
        path,
        height,
        width,
        channels,
        outputs,
        loader,
        graph_predictor(where, call, (height, width), channels),
        takes="uint8" if whole else "float32",
        name=name,
        begins=_first_scaling(network),
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


def _image(where: Path, network: Any) -> Any:  # noqa: ANN401 - a symbolic tensor of either Keras
    inputs = list(getattr(network, "inputs", None) or ())
    if len(inputs) != 1:
        raise BtferError(
            f"{where}: takes {len(inputs) or 'no known'} inputs; expected a model that takes one image"
            + ("" if inputs else "; give it an Input, or give a function that calls it")
        )
    return inputs[0]


def _outputs(network: Any, answer: Any) -> dict[str, Any]:  # noqa: ANN401 - tensors, symbolic or not
    """Return the outputs of a network by name: the keys of a dictionary, or the names of the last layers."""
    if isinstance(answer, dict):
        return answer
    several = answer if isinstance(answer, list | tuple) else [answer]
    names = list(getattr(network, "output_names", None) or ())
    if len(set(names)) != len(several):
        names = [str(number) for number in range(len(several))]
    return dict(zip(names, several, strict=True))


#: Layers before a scaling that do not change the range of the pixels.
_KEEP_RANGE = (
    "InputLayer",
    "Resizing",
    "CenterCrop",
    "ZeroPadding2D",
    "RandomFlip",
    "RandomRotation",
    "RandomZoom",
)


def _first_scaling(network: Any) -> str:  # noqa: ANN401 - a model of either Keras
    """Return the scaling with which a network begins, in words; empty if it does not begin with one."""
    for layer in network.layers:
        kind = type(layer).__name__
        if hasattr(layer, "layers"):
            return _first_scaling(layer)
        if kind == "Rescaling" and not hasattr(layer.scale, "__len__"):
            return f"Rescaling (times {layer.scale:.4g}, plus {float(np.ravel(layer.offset)[0]):g})"
        if kind in {"Rescaling", "Normalization"}:
            return kind
        if kind not in _KEEP_RANGE:
            break
    return ""
