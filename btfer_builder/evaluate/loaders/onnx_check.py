"""Check an ONNX file before ONNX Runtime opens it: operators of ONNX only, no data outside its folder."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError, UnsafeFile

#: ONNX Runtime's own operators that its quantisation and fusion tools write; they compute with their inputs only.
_MICROSOFT_TEXT = """
Attention BiasGelu BiasSoftmax BiasSplitGelu DequantizeLinear DynamicQuantizeLSTM DynamicQuantizeMatMul
EmbedLayerNormalization FastGelu FusedConv FusedGemm FusedMatMul Gelu GroupNorm MatMulInteger16
MatMulIntegerToFloat MatMulNBits MultiHeadAttention NhwcConv NhwcMaxPool QAttention QGemm QLinearAdd
QLinearAveragePool QLinearConcat QLinearConv QLinearGlobalAveragePool QLinearLeakyRelu QLinearMul
QLinearReduceMean QLinearSigmoid QLinearSoftmax QLinearWhere QuantizeLinear QuickGelu SkipGroupNorm
SkipLayerNormalization
"""
MICROSOFT = frozenset(_MICROSOFT_TEXT.split())

#: The domains of ONNX's own operators; the first one is the default.
STANDARD = {"": "", "ai.onnx": "", "ai.onnx.ml": "ai.onnx.ml"}

#: Beginnings of the domains of the operators that are built into ONNX Runtime.
_BUILT_IN = ("ai.onnx", "com.microsoft", "com.ms.", "org.pytorch.")


def check_onnx(path: Path) -> Any:  # noqa: ANN401 - a ModelProto
    """Refuse a file with operators outside ONNX, or with weights outside its folder.

    Every node and every tensor is checked, including those of branches, loops, functions and attributes.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    onnx.ModelProto
        The model, without external data.

    Raises
    ------
    UnsafeFile
        If it has such operators or weights.
    BtferError
        If it is not an ONNX file, or is damaged.
    """
    import onnx
    from google.protobuf.message import DecodeError

    try:
        model = onnx.ModelProto.FromString(path.read_bytes())
    except (DecodeError, OSError) as error:
        raise BtferError(f"{path}: not an ONNX model, or damaged ({error}); convert it again") from None
    functions = {(function.domain, function.name) for function in model.functions}
    for domain, name in sorted(functions):
        if not domain or domain.startswith(_BUILT_IN):  # an operator of this name would run instead
            raise UnsafeFile(
                f"{path}: has a function {name!a} among the operators of {domain or 'ai.onnx'}; export the model again"
            )
    for message in _messages(model):
        if isinstance(message, onnx.NodeProto):
            if (message.domain, message.op_type) not in functions and not _is_known(message, onnx.defs):
                raise UnsafeFile(
                    f"{path}: has the operator {message.domain or 'ai.onnx'}:{message.op_type}, which is not part of "
                    "ONNX; export the model with ONNX's own operators"
                )
        elif isinstance(message, onnx.TensorProto) and (
            message.external_data or message.data_location == onnx.TensorProto.EXTERNAL
        ):
            _check_external(path, message)
    return model


def external_files(path: Path, model: Any) -> tuple[Path, ...]:  # noqa: ANN401 - a ModelProto
    """Return the files in which a checked model keeps weights, besides its own."""
    import onnx

    locations = {
        entry.value
        for message in _messages(model)
        if isinstance(message, onnx.TensorProto)
        for entry in message.external_data
        if entry.key == "location"
    }
    return tuple(path.parent / location for location in sorted(locations))


def _messages(model: Any) -> Iterator[Any]:  # noqa: ANN401 - any message of protobuf
    """Yield every message inside a message, at any depth."""
    todo = [model]
    while todo:
        message = todo.pop()
        yield message
        for field, value in message.ListFields():
            if field.message_type is not None:
                todo += [value] if hasattr(value, "ListFields") else value


def _is_known(node: Any, schemas: Any) -> bool:  # noqa: ANN401 - a NodeProto, and onnx.defs
    if node.domain == "com.microsoft":
        return node.op_type in MICROSOFT
    return node.domain in STANDARD and bool(schemas.has(node.op_type, STANDARD[node.domain]))


def _check_external(path: Path, tensor: Any) -> None:  # noqa: ANN401 - a TensorProto
    """Refuse external data other than plain files in the folder of the model or below it."""
    locations = [entry.value for entry in tensor.external_data if entry.key == "location"]
    folder = path.parent.resolve()
    for location in locations or [""]:
        file = Path(location)
        inside = (
            bool(location)
            and not {"\\", "*"} & set(location)
            and not file.is_absolute()
            and ".." not in file.parts
        )
        if not inside or (folder / file).resolve() != folder / file or not (folder / file).is_file():
            raise UnsafeFile(
                f"{path}: keeps {tensor.name or 'a tensor'!r} in {location!a}, which is not a plain file in the "
                "folder of the model; save it with all its weights in one file"
            )
