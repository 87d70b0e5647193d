"""Load ONNX models with ONNX Runtime, channels last or channels first."""

from collections.abc import Callable, Iterator
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
    choose_shape,
    first_line,
    is_channels_first,
)
from btfer_builder.evaluate.loaders.onnx_check import check_onnx, external_files
from btfer_builder.io.device import CUDA, Device, onnx_providers
from btfer_builder.networks.flops import Products, count_operators

_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(double)": np.float64,
    "tensor(float16)": np.float16,
    "tensor(uint8)": np.uint8,
    "tensor(uint16)": np.uint16,
    "tensor(int16)": np.int16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
}


def load_onnx(path: Path, *, output: str = "", device: Device = "auto") -> Model:
    """Load a `.onnx` file. `device` is what it runs on; `output` names the scores if it has several outputs.

    Raises
    ------
    UnsafeFile
        If the file has operators outside ONNX, or weights outside its folder.
    BtferError
        If ONNX Runtime is not installed, the file is damaged, or it does not take one image.
    """
    try:
        import onnxruntime
    except ImportError:
        raise BtferError(f"{path}: ONNX models need ONNX Runtime: pip install '.[onnx]'") from None
    checked = check_onnx(path)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=onnx_providers(device))
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        if any(word in str(error).lower() for word in ("opset", "ir version")):
            raise BtferError(
                f"{path}: of a newer form than ONNX Runtime {onnxruntime.__version__} knows; upgrade onnxruntime, or "
                "export it again with a smaller opset_version"
            ) from None
        raise BtferError(
            f"{path}: not an ONNX model, or damaged ({first_line(error)}); convert it again"
        ) from None
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1:
        raise BtferError(f"{path}: takes {len(inputs)} inputs; expected a model that takes one image")
    dtype = _DTYPES.get(inputs[0].type)
    if dtype is None:
        raise BtferError(
            f"{path}: takes {inputs[0].type}; expected an image of floating-point numbers, or of whole numbers of 0 to "
            "255; export it with such an input"
        )
    shape = tuple(inputs[0].shape)
    height, width, channels = check_image_shape(path, shape)
    scores, classes = choose_shape(path, {each.name: tuple(each.shape) for each in outputs}, output)
    parameters, flops = _count(checked)
    one_by_one = isinstance(shape[0], int)
    return Model(
        path,
        height,
        width,
        channels,
        classes,
        "onnxruntime",
        _predictor(
            path, session, dtype, scores, channels_first=is_channels_first(shape), one_by_one=one_by_one
        ),
        takes="uint8" if np.issubdtype(dtype, np.integer) else "float32",
        parameters=parameters,
        flops=flops,
        files=external_files(path, checked),
        device="cuda" if CUDA in session.get_providers() else "cpu",
    )


def _predictor(
    path: Path,
    session: Any,  # noqa: ANN401 - an InferenceSession
    dtype: type[Any],
    scores: str,
    *,
    channels_first: bool,
    one_by_one: bool,
) -> Predict:
    name = session.get_inputs()[0].name
    fixed = session.get_inputs()[0].shape[0] if one_by_one else 0

    def predict(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        values = batch.transpose(0, 3, 1, 2) if channels_first else batch
        values = np.ascontiguousarray(
            np.rint(values) if np.issubdtype(dtype, np.integer) else values, dtype=dtype
        )
        try:
            if not fixed:
                return np.asarray(session.run([scores], {name: values})[0], dtype=np.float32)
            parts = []
            for start in range(0, len(values), fixed):
                part = values[start : start + fixed]
                padded = np.concatenate([part, np.repeat(part[-1:], fixed - len(part), axis=0)])
                parts.append(np.asarray(session.run([scores], {name: padded})[0], np.float32)[: len(part)])
            return np.concatenate(parts)
        except Exception as error:  # ONNX Runtime's exceptions have no common base
            raise BtferError(
                f"{path}: the model fails on a batch of {len(batch)}: {first_line(error)}"
            ) from error

    return predict


#: Operators that multiply with weights or are attention, and are not counted here.
_UNKNOWN_TEXT = """
Attention DeformConv DynamicQuantizeLSTM EmbedLayerNormalization GRU If LSTM Loop MatMulNBits
MultiHeadAttention NhwcConv QAttention RNN Scan
"""
_UNKNOWN = frozenset(_UNKNOWN_TEXT.split())

#: Convolutions, with the position of their kernel among their inputs, and matrix products.
_CONVOLUTIONS = {"Conv": 1, "FusedConv": 1, "ConvInteger": 1, "QLinearConv": 3}
_PRODUCTS_TEXT = """
DynamicQuantizeMatMul FusedGemm FusedMatMul Gemm MatMul MatMulInteger MatMulInteger16
MatMulIntegerToFloat QGemm QLinearMatMul
"""
_PRODUCTS = frozenset(_PRODUCTS_TEXT.split())


def _count(model: Any) -> tuple[int | None, Callable[[int, int], int]]:  # noqa: ANN401 - a ModelProto
    """Return the weights, and what counts the operations of one image."""
    import onnx

    weights = {tensor.name: list(tensor.dims) for tensor in model.graph.initializer}
    floats = {onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.DOUBLE}
    floats |= {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
    parameters = sum(
        prod(tensor.dims) for tensor in model.graph.initializer if tensor.data_type in floats and tensor.dims
    )

    def flops(height: int, width: int) -> int:
        shapes = _shapes(model, height, width) | weights
        functions = {function.name for function in model.functions}
        return count_operators(_operators(model, shapes, functions))

    return parameters, flops


def _shapes(model: Any, height: int, width: int) -> dict[str, list[int | None]]:  # noqa: ANN401 - a ModelProto
    """Return the shapes of all values for one image; those that cannot be inferred are left out."""
    import onnx

    known = {tensor.name for tensor in model.graph.initializer}
    sized = onnx.ModelProto()
    sized.CopyFrom(model)
    for value in [*sized.graph.input, *sized.graph.output]:
        sides = value.type.tensor_type.shape.dim
        if value.name not in known and sides:
            sides[0].dim_value = 1
            if len(sides) == 4:
                first = is_channels_first(tuple(side.dim_value or None for side in sides))
                for side, size in zip(sides[2:] if first else sides[1:3], (height, width), strict=True):
                    side.dim_value = size
    try:
        inferred = onnx.shape_inference.infer_shapes(sized).graph.value_info
    except Exception:  # a model without counts can still be scored
        return {}
    return {value.name: _sides(value) for value in (*inferred, *sized.graph.output, *sized.graph.input)}


def _sides(value: Any) -> list[int | None]:  # noqa: ANN401 - a ValueInfoProto
    """Return the shape; an undefined batch is one, any other undefined side None."""
    sides = value.type.tensor_type.shape.dim
    return [side.dim_value or (None if axis else 1) for axis, side in enumerate(sides)]


def _operators(
    model: Any,  # noqa: ANN401 - a ModelProto
    shapes: dict[str, list[int | None]],
    functions: set[str],
) -> Iterator[tuple[str, Products | None]]:
    unknown: list[int | None] = [None, None]
    for node in model.graph.node:
        kind = node.op_type
        if kind in _CONVOLUTIONS:
            kernel = shapes.get(
                node.input[_CONVOLUTIONS[kind]], unknown
            )  # (outputs, inputs of a group, height, width)
            yield kind, (shapes.get(node.output[0], unknown), kernel[1:])
        elif kind == "ConvTranspose":  # each value of the input meets the kernels of its group
            kernel = shapes.get(node.input[1], unknown)  # (inputs, outputs of a group, height, width)
            yield kind, (shapes.get(node.input[0], unknown), kernel[1:])
        elif kind in _PRODUCTS:
            left = shapes.get(node.input[0], unknown)
            transposed = any(each.name == "transA" and each.i for each in node.attribute)
            yield kind, (shapes.get(node.output[0], unknown), [left[-2 if transposed else -1]])
        elif kind == "Einsum":
            yield kind, _of_einsum(node, shapes)
        elif kind in _UNKNOWN or kind in functions:
            yield kind, None


def _of_einsum(node: Any, shapes: dict[str, list[int | None]]) -> Products | None:  # noqa: ANN401 - a NodeProto
    equation = next(each.s.decode() for each in node.attribute if each.name == "equation").replace(" ", "")
    sides: dict[str, int | None] = {}
    for letters, name in zip(equation.partition("->")[0].split(","), node.input, strict=True):
        shape = shapes.get(name, [])
        if len(letters) != len(shape):  # an ellipsis, or an unknown shape
            return None
        sides |= dict(zip(letters, shape, strict=True))
    return list(sides.values()), []
