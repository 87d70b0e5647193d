"""TensorFlow Lite models, quantised ones too, through LiteRT or TensorFlow's own interpreter."""

import os
import warnings
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model, check_image_shape, check_scores_shape, first_line
from btfer_builder.evaluate.loaders.tflite_check import check_tflite
from btfer_builder.io.tensorflow_import import import_tensorflow, silent_stderr


def load_tflite(path: Path) -> Model:
    """Load a `.tflite` file.

    Integer inputs are quantised, and integer outputs turned back into numbers, with the scale and zero point
    the file states. Where it fixes a batch of one and cannot be resized, images are asked about one by one.

    Raises
    ------
    UnsafeFile
        If the file needs operations outside TensorFlow Lite, or other files.
    BtferError
        If it is damaged, or does not take one image.
    """
    check_tflite(path)
    try:
        with silent_stderr():
            interpreter = _interpreter(path)
            interpreter.allocate_tensors()
    except (ValueError, RuntimeError, OSError) as error:
        raise BtferError(
            f"{path}: not a TensorFlow Lite model, or damaged ({first_line(error)}); convert it again"
        ) from None
    inputs, outputs = interpreter.get_input_details(), interpreter.get_output_details()
    if len(inputs) != 1:
        raise BtferError(f"{path}: takes {len(inputs)} inputs; expected a model that takes one image")
    height, width, channels = check_image_shape(path, _shape(inputs[0]))
    classes = check_scores_shape(path, [_shape(one) for one in outputs])
    sides = (height or 0, width or 0)
    details = {one["index"]: one for one in interpreter.get_tensor_details()}
    kind, (scale, _) = inputs[0]["dtype"], inputs[0]["quantization"]
    return Model(
        path,
        height,
        width,
        channels,
        classes,
        "tflite",
        _Session(path, interpreter),
        takes="uint8" if np.issubdtype(kind, np.integer) and not scale else "float32",
        parameters=_parameters(interpreter, details),
        flops=lambda h, w: _flops(interpreter, details) if (h, w) == sides else None,
    )


class _Session:
    """The predict function; it remembers the batch size the interpreter is set up for."""

    def __init__(self, path: Path, interpreter: Any) -> None:  # noqa: ANN401 - either library's interpreter
        self.path, self.interpreter = path, interpreter
        self.input, self.output = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
        self.batch, self.fixed = int(self.input["shape"][0]), False

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        values = _quantise(batch, self.input)
        try:
            if not self.fixed:
                try:
                    return self._invoke(values)
                except (ValueError, RuntimeError):
                    self.fixed = True  # the graph reshapes to the batch it was converted for
            return np.concatenate([self._invoke(values[i : i + 1]) for i in range(len(values))])
        except (ValueError, RuntimeError) as error:
            raise BtferError(
                f"{self.path}: the model fails on a batch of {len(batch)}: {first_line(error)}"
            ) from error

    def _invoke(self, values: NDArray[Any]) -> NDArray[np.float32]:
        if self.batch != len(values) or tuple(self.input["shape"][1:]) != values.shape[1:]:
            self.interpreter.resize_tensor_input(self.input["index"], values.shape)
            self.interpreter.allocate_tensors()
            self.batch = len(values)
        self.interpreter.set_tensor(self.input["index"], values)
        self.interpreter.invoke()
        answers = self.interpreter.get_tensor(self.output["index"])
        if len(answers) != len(values):
            raise ValueError(f"{len(answers)} answers to {len(values)} images")
        return _dequantise(answers, self.output)


def _interpreter(path: Path) -> Any:  # noqa: ANN401 - either library's interpreter
    threads = os.cpu_count() or 1
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        Interpreter = import_tensorflow().lite.Interpreter
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TensorFlow's says to use LiteRT, which may not be installed
        return Interpreter(model_path=str(path), num_threads=threads)


def _shape(detail: dict[str, Any]) -> tuple[int | None, ...]:
    signature = detail.get("shape_signature")
    sides = signature if signature is not None and len(signature) else detail["shape"]
    return tuple(int(side) if side >= 0 else None for side in sides)


def _quantise(batch: NDArray[np.float32], detail: dict[str, Any]) -> NDArray[Any]:
    kind, (scale, zero) = detail["dtype"], detail["quantization"]
    if not np.issubdtype(kind, np.integer):
        return batch.astype(kind, copy=False)
    limits = np.iinfo(kind)
    steps = np.rint(batch / scale + zero) if scale else np.rint(batch)
    return steps.clip(limits.min, limits.max).astype(kind)


def _dequantise(answers: NDArray[Any], detail: dict[str, Any]) -> NDArray[np.float32]:
    scale, zero = detail["quantization"]
    values: NDArray[np.float32] = answers.astype(np.float32)
    if np.issubdtype(answers.dtype, np.integer) and scale:
        values = (values - np.float32(zero)) * np.float32(scale)
    return values


def _parameters(interpreter: Any, details: dict[int, dict[str, Any]]) -> int:  # noqa: ANN401
    """Count the constants that the operations take: weights and biases, not shapes and axes."""
    operations = interpreter._get_ops_details()
    computed = {int(index) for one in operations for index in one["outputs"]}
    computed |= {int(one["index"]) for one in interpreter.get_input_details()}
    weights = {int(index) for one in operations for index in one["inputs"] if index >= 0} - computed
    return sum(prod(map(int, details[index]["shape"])) for index in weights if _is_weight(details, index))


def _is_weight(details: dict[int, dict[str, Any]], index: int) -> bool:
    detail = details.get(index)
    if detail is None or not len(detail["shape"]):
        return False
    # Shapes and axes are plain int32; quantised biases are int32 with a scale.
    quantised = len(detail["quantization_parameters"]["scales"]) > 0
    return detail["dtype"] is not np.int32 or quantised


def _flops(interpreter: Any, details: dict[int, dict[str, Any]]) -> int | None:  # noqa: ANN401
    """Count two operations for every product in convolutions and dense layers, for one image."""
    products = 0
    for one in interpreter._get_ops_details():
        if one["op_name"] not in {"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"}:
            continue
        kernel = [int(side) for side in details[int(one["inputs"][1])]["shape"]]
        # Of the signature, in which the batch may be open: the interpreter may be set up for more than one.
        output = [int(side) for side in details[int(one["outputs"][0])]["shape"][1:]]
        each = prod(kernel[1:3]) if one["op_name"] == "DEPTHWISE_CONV_2D" else prod(kernel[1:])
        products += prod(output) * each
    return 2 * products
