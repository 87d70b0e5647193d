"""Load TensorFlow Lite models, quantised ones too, with LiteRT or TensorFlow's own interpreter."""

import os
import warnings
from collections.abc import Iterator
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import (
    Model,
    check_image_shape,
    choose_shape,
    first_line,
    is_channels_first,
)
from btfer_builder.evaluate.loaders.tflite_check import check_tflite
from btfer_builder.io.tensorflow_import import import_tensorflow, silent_stderr
from btfer_builder.networks.flops import Products, count_operators


def load_tflite(path: Path, *, output: str = "") -> Model:
    """Load a `.tflite` file.

    Integer inputs are quantised, and integer outputs dequantised, with the scale and zero point of the file. Images
    are predicted one at a time if the file has a fixed batch of one and cannot be resized. `output` names the scores
    if there are several outputs.

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
    shapes = {each["name"]: _shape(each) for each in outputs}
    scores, classes = choose_shape(path, shapes, output)
    first = is_channels_first(_shape(inputs[0]))
    sides = (height or 0, width or 0)
    details = {detail["index"]: detail for detail in interpreter.get_tensor_details()}
    kind, (scale, _) = inputs[0]["dtype"], inputs[0]["quantization"]
    return Model(
        path,
        height,
        width,
        channels,
        classes,
        "tflite",
        _Session(path, interpreter, list(shapes).index(scores), channels_first=first),
        takes="uint8" if np.issubdtype(kind, np.integer) and not scale else "float32",
        parameters=_parameters(interpreter, details),
        flops=lambda h, w: count_operators(_operators(interpreter, details)) if (h, w) == sides else None,
    )


class _Session:
    """The predict function, with the batch size for which the interpreter is allocated."""

    def __init__(
        self,
        path: Path,
        interpreter: Any,  # noqa: ANN401 - either library's interpreter
        scores: int,
        *,
        channels_first: bool,
    ) -> None:
        self.path, self.interpreter, self.channels_first = path, interpreter, channels_first
        self.input, self.output = interpreter.get_input_details()[0], interpreter.get_output_details()[scores]
        self.batch, self.fixed = int(self.input["shape"][0]), False

    def __call__(self, batch: NDArray[np.float32]) -> NDArray[np.float32]:
        images = np.ascontiguousarray(batch.transpose(0, 3, 1, 2)) if self.channels_first else batch
        values = _quantise(images, self.input)
        try:
            if not self.fixed:
                try:
                    return self._invoke(values)
                except (ValueError, RuntimeError):
                    self.fixed = True  # the graph has a fixed batch size
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
        warnings.simplefilter("ignore")  # TensorFlow recommends LiteRT, which may not be installed
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
    """Count the constants of the operations: weights and biases, without shapes and axes."""
    operations = interpreter._get_ops_details()
    computed = {int(index) for operation in operations for index in operation["outputs"]}
    computed |= {int(detail["index"]) for detail in interpreter.get_input_details()}
    used = {int(index) for operation in operations for index in operation["inputs"] if index >= 0}
    weights = used - computed
    return sum(prod(map(int, details[index]["shape"])) for index in weights if _is_weight(details, index))


def _is_weight(details: dict[int, dict[str, Any]], index: int) -> bool:
    detail = details.get(index)
    if detail is None or not len(detail["shape"]):
        return False
    # Shapes and axes are plain int32; quantised biases are int32 with a scale.
    quantised = len(detail["quantization_parameters"]["scales"]) > 0
    return detail["dtype"] is not np.int32 or quantised


#: Operators that multiply with weights, and are not counted here.
_UNKNOWN_TEXT = """
BIDIRECTIONAL_SEQUENCE_LSTM BIDIRECTIONAL_SEQUENCE_RNN CONV_3D_TRANSPOSE IF LSTM RNN
STABLEHLO_CONVOLUTION STABLEHLO_DOT_GENERAL SVDF UNIDIRECTIONAL_SEQUENCE_LSTM UNIDIRECTIONAL_SEQUENCE_RNN
WHILE
"""
_UNKNOWN = frozenset(_UNKNOWN_TEXT.split())


def _operators(
    interpreter: Any,  # noqa: ANN401 - either library's
    details: dict[int, dict[str, Any]],
) -> Iterator[tuple[str, Products | None]]:
    for operation in interpreter._get_ops_details():
        kind = operation["op_name"]
        # The interpreter can be allocated for a batch of several images.
        inputs = [
            list(details[int(each)]["shape"]) if each in details else [] for each in operation["inputs"]
        ]
        output = list(details[int(operation["outputs"][0])]["shape"])[1:]
        if kind in {"CONV_2D", "FULLY_CONNECTED"}:
            yield kind, (output, inputs[1][1:])
        elif kind == "DEPTHWISE_CONV_2D":
            yield kind, (output, inputs[1][1:3])
        elif kind == "CONV_3D":
            yield kind, (output, inputs[1][:-1])
        elif (
            kind == "TRANSPOSE_CONV"
        ):  # each value of its input meets the whole kernel (outputs, height, width, inputs)
            yield kind, (inputs[2][1:], inputs[1][:3])
        elif kind == "BATCH_MATMUL":
            left = inputs[0]
            yield kind, (output, [left[-1] if left[-2] == output[-2] else left[-2]])
        elif kind in _UNKNOWN:
            yield kind, None
