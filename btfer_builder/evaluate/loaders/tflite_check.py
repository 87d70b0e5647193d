"""Check a TensorFlow Lite file before an interpreter opens it: built-in operations only, no external data."""

import struct
from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError, UnsafeFile
from btfer_builder.io.tensorflow_import import import_tensorflow

#: Built-in operators that call code outside TensorFlow Lite.
OUTSIDE = frozenset(
    {"CALL", "CUSTOM", "DELEGATE", "PLACEHOLDER_FOR_GREATER_OP_CODES", "STABLEHLO_CUSTOM_CALL"}
)


def check_tflite(path: Path) -> None:
    """Refuse a file with custom operations, those of TensorFlow (Flex) included, or with external buffers.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    UnsafeFile
        If it has such operations or buffers.
    BtferError
        If it is not a TensorFlow Lite model, or is damaged.
    """
    schema = _schema()
    content = path.read_bytes()
    try:
        if not schema.Model.ModelBufferHasIdentifier(content, 0):
            raise ValueError("no identifier")
        _check_model(path, schema, schema.Model.GetRootAs(content, 0), len(content))
    except (struct.error, ValueError, TypeError, AttributeError, IndexError, OverflowError) as error:
        raise BtferError(
            f"{path}: not a TensorFlow Lite model, or damaged ({error}); convert it again"
        ) from None


def _check_model(path: Path, schema: Any, model: Any, size: int) -> None:  # noqa: ANN401 - generated classes
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if isinstance(value, int)}
    for number in range(model.OperatorCodesLength()):
        code = model.OperatorCodes(number)
        # Old files have the code in a byte, new ones in both or in the second.
        builtin = names.get(max(code.DeprecatedBuiltinCode(), code.BuiltinCode()), "an unknown operation")
        custom = code.CustomCode()
        if custom is not None or builtin in OUTSIDE or builtin not in names.values():
            name = builtin if custom is None else custom.decode(errors="replace")
            raise UnsafeFile(
                f"{path}: needs {name!a}, which is outside TensorFlow Lite; convert with built-in operations"
            )
    # Older versions of the schema have no external buffers, nor do their interpreters.
    if any(getattr(model, name, int)() for name in ("ExternalBufferGroupsLength", "ExternalBuffersLength")):
        raise UnsafeFile(f"{path}: keeps weights in other files; convert it with all of them in one file")
    for number in range(model.BuffersLength()):
        buffer = model.Buffers(number)
        if buffer.Offset() + buffer.Size() > size:
            raise UnsafeFile(f"{path}: has a buffer beyond the end of the file; convert it again")


def _schema() -> Any:  # noqa: ANN401 - either library's generated module
    try:
        from ai_edge_litert import schema_py_generated
    except ImportError:
        import_tensorflow()
        from tensorflow.lite.python import schema_py_generated
    return schema_py_generated
