"""Write strict JSON (RFC 8259), and read JSON from outside: every JSON text of the package is written here."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.limits import check_depth, read_bytes, too_deep
from btfer_builder.io.storage import File


def json_text(
    value: object, *, indent: int | None = None, ensure_ascii: bool = True, sort_keys: bool = False
) -> str:
    """Return a value as strict JSON.

    A number that is not finite, such as an undefined score, becomes null: JSON has no NaN, and many parsers refuse a
    file that contains one.
    """
    options: dict[str, Any] = {"indent": indent, "ensure_ascii": ensure_ascii, "sort_keys": sort_keys}
    try:
        return json.dumps(value, allow_nan=False, **options)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, **options)


def _finite(value: Any) -> Any:  # noqa: ANN401 - any part of a JSON value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(part) for key, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value


def write_json(path: File, value: object, *, ensure_ascii: bool = True) -> None:
    """Write an indented JSON file atomically; see `json_text`."""
    write_bytes(path, json_text(value, indent=2, ensure_ascii=ensure_ascii).encode() + b"\n")


def parse_json(text: str | bytes, *, strict: bool = True) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a JSON text; without `strict`, strings may contain control characters.

    Raises
    ------
    ValueError
        If it is not JSON, or nested too deeply.
    """
    try:
        value = json.loads(text, strict=strict)
    except RecursionError:
        raise too_deep() from None
    check_depth(value)
    return value


def read_json(path: Path) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a JSON file.

    Raises
    ------
    BtferError
        If it is not a regular file, or too large.
    OSError
        If it cannot be read.
    ValueError
        If it is not JSON, or nested too deeply.
    """
    return parse_json(read_bytes(path))
