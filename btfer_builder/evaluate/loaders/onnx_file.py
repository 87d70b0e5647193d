"""ONNX models through ONNX Runtime, images first or channels first."""

from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import (
    Model,
    Predict,
    check_image_shape,
    check_scores_shape,
    first_line,
)
from btfer_builder.evaluate.loaders.onnx_check import check_onnx

#: Stands for a side that is left open.
_OPEN = -1

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
}


def load_onnx(path: Path) -> Model:
    """Load a `.onnx` file; it runs on the processor.

    Raises
    ------
    UnsafeFile
        If the file has operators that are no part of ONNX, or weights outside its folder.
    BtferError
        If ONNX Runtime is not installed, the file is damaged, or it does not take one image.
    """
    try:
        import onnxruntime
    except ImportError:
        raise BtferError(
            f"{path}: ONNX models need ONNX Runtime: pip install 'btfer-builder[onnx]'"
        ) from None
    checked = check_onnx(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's own exceptions have no common base
        raise BtferError(
            f"{path}: not an ONNX model, or damaged ({first_line(error)}); convert it again"
        ) from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1:
        raise BtferError(f"{path}: takes {len(inputs)} inputs; expected a model that takes one image")
    dtype = _DTYPES.get(inputs[0].type)
    if dtype is None:
        raise BtferError(f"{path}: takes {inputs[0].type}; expected an image of numbers")
    shape = tuple(inputs[0].shape)
    channels_first = len(shape) == 4 and shape[1] in {1, 3} and shape[3] not in {1, 3}
    if channels_first:
        shape = (shape[0], shape[2], shape[3], shape[1])
    height, width, channels = check_image_shape(path, shape)
    classes = check_scores_shape(path, [tuple(one.shape) for one in outputs])
    parameters, flops = _count(checked)
    one_by_one = isinstance(shape[0], int)
    return Model(
        path,
        height,
        width,
        channels,
        classes,
        "onnxruntime",
        _predictor(path, session, dtype, channels_first=channels_first, one_by_one=one_by_one),
        takes="uint8" if dtype is np.uint8 else "float32",
        parameters=parameters,
        flops=lambda *_: flops,
    )


def _predictor(
    path: Path,
    session: Any,  # noqa: ANN401 - an InferenceSession
    dtype: type[Any],
    *,
    channels_first: bool,
    one_by_one: bool,
) -> Predict:
    name = session.get_inputs()[0].name
    fixed = session.get_inputs()[0].shape[0] if one_by_one else 0

    def predict(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        values = batch.transpose(0, 3, 1, 2) if channels_first else batch
        values = np.ascontiguousarray(np.rint(values) if dtype is np.uint8 else values, dtype=dtype)
        try:
            if not fixed:
                return np.asarray(session.run(None, {name: values})[0], dtype=np.float32)
            parts = []
            for start in range(0, len(values), fixed):
                part = values[start : start + fixed]
                padded = np.concatenate([part, np.repeat(part[-1:], fixed - len(part), axis=0)])
                parts.append(np.asarray(session.run(None, {name: padded})[0], np.float32)[: len(part)])
            return np.concatenate(parts)
        except Exception as error:  # ONNX Runtime's own exceptions have no common base
            raise BtferError(
                f"{path}: the model fails on a batch of {len(batch)}: {first_line(error)}"
            ) from error

    return predict


def _count(model: Any) -> tuple[int | None, int | None]:  # noqa: ANN401 - a ModelProto
    """Return the weights and the operations of one image, as far as the package onnx can tell."""
    import onnx

    try:
        weights = {one.name: list(one.dims) for one in model.graph.initializer}
        floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE}
        floats |= {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
        parameters = sum(
            prod(one.dims) for one in model.graph.initializer if one.data_type in floats and one.dims
        )
        for one in [*model.graph.input, *model.graph.output]:
            if one.name not in weights and one.type.tensor_type.shape.dim:
                one.type.tensor_type.shape.dim[0].dim_value = 1
        shapes = {one.name: _sides(one) for one in onnx.shape_inference.infer_shapes(model).graph.value_info}
        shapes |= {one.name: _sides(one) for one in [*model.graph.output, *model.graph.input]}
        shapes |= weights
    except Exception:  # the counts are no reason not to score a model that runs
        return None, None
    try:
        return parameters, 2 * sum(_products(node, shapes) for node in model.graph.node)
    except KeyError:
        return parameters, None


def _sides(value: Any) -> list[int]:  # noqa: ANN401 - a ValueInfoProto
    """Return the shape; the batch is one, and any other side left open makes the count unknown."""
    sides = value.type.tensor_type.shape.dim
    return [one.dim_value or (1 if place == 0 else _OPEN) for place, one in enumerate(sides)]


def _products(node: Any, shapes: dict[str, list[int]]) -> int:  # noqa: ANN401 - a NodeProto
    if node.op_type == "Conv":
        kernel = shapes[node.input[1]]  # (outputs, inputs of a group, height, width)
        used = [*shapes[node.output[0]], *kernel[1:]]
    elif node.op_type in {"MatMul", "Gemm"}:
        left = shapes[node.input[0]]
        turned = any(one.name == "transA" and one.i for one in node.attribute)
        used = [*shapes[node.output[0]], left[-2 if turned else -1]]
    else:
        return 0
    if _OPEN in used:
        raise KeyError(node.name)
    return prod(used)
