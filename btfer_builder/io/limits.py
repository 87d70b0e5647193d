"""Read text from outside within limits of size, line length and nesting; only regular files are read."""

import errno
import os
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from btfer_builder.errors import BtferError

#: Largest document that is read at once (settings, words, a report), in bytes.
MAX_DOCUMENT = 64 << 20
#: Largest file that is read line by line (tables, lists), in bytes.
MAX_TABLE = 8 << 30
#: Longest line of such a file, in characters.
MAX_LINE = 1 << 20
#: Deepest nesting of lists and tables in TOML, YAML and JSON.
MAX_DEPTH = 100

#: Byte-order marks that spreadsheets write, and the encodings they stand for.
_MARKS = ((b"\xef\xbb\xbf", "utf-8-sig"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))


def open_regular(path: Path, max_bytes: int = MAX_DOCUMENT) -> BinaryIO:
    """Open a regular file of at most `max_bytes` for reading.

    Raises
    ------
    BtferError
        If it is a device, a pipe or a socket, or too large.
    OSError
        If it cannot be opened.
    """
    # Without O_NONBLOCK, opening a pipe would wait for its writer.
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        status = os.fstat(handle)
        if stat.S_ISDIR(status.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(status.st_mode):
            raise BtferError(f"{path}: a device or a pipe; save its content in a file and name that")
        if status.st_size > max_bytes:
            raise BtferError(f"{path}: {_size(status.st_size)}, expected at most {_size(max_bytes)}")
        return os.fdopen(handle, "rb")
    except BaseException:
        os.close(handle)
        raise


def read_bytes(path: Path, max_bytes: int = MAX_DOCUMENT) -> bytes:
    """Return the content of a regular file; see `open_regular` for the errors."""
    with open_regular(path, max_bytes) as file:
        content = file.read(max_bytes + 1)
    if len(content) > max_bytes:  # it grows, or is a file whose size the system does not state
        raise BtferError(f"{path}: more than {_size(max_bytes)}")
    return content


def read_text(path: Path, max_bytes: int = MAX_DOCUMENT) -> str:
    """Return the text of a regular file in UTF-8, with or without a byte-order mark.

    Raises
    ------
    BtferError, OSError
        As in `open_regular`.
    UnicodeDecodeError
        If it is not UTF-8.
    """
    return read_bytes(path, max_bytes).decode("utf-8-sig")


def read_lines(path: Path, *, max_line: int = MAX_LINE, max_bytes: int = MAX_TABLE) -> Iterator[str]:
    r"""Yield the lines of a regular file with their ends (`\n`, `\r` or `\r\n`), one in memory at a time.

    The file is UTF-8 or UTF-16, with or without byte-order mark.

    Raises
    ------
    BtferError
        As in `open_regular`; or if a line is longer than `max_line` characters, or not in its encoding. The message
        names the line.
    OSError
        If it cannot be read.
    """
    import io

    with open_regular(path, max_bytes) as binary:
        start = binary.read(3)
        binary.seek(0)
        encoding = _encoding(start)
        # Bytes that are not UTF-8 become surrogates, so that the line that has them is known.
        errors = "surrogateescape" if encoding.startswith("utf-8") else "strict"
        number = 1
        # newline="" keeps the ends of lines, which may be inside a quoted cell.
        text = io.TextIOWrapper(binary, encoding=encoding, errors=errors, newline="")
        try:
            while line := text.readline(max_line + 1):
                if len(line) > max_line:
                    raise BtferError(f"{path}, line {number}: longer than {max_line} characters")
                if not line.isascii():
                    line.encode()  # fails on surrogates
                yield line
                number += 1
        except UnicodeError:
            name = "UTF-8" if encoding.startswith("utf-8") else "UTF-16"
            raise BtferError(
                f"{path}, line {number}: not {name}; in a spreadsheet, save it as “CSV UTF-8”"
            ) from None


def _encoding(start: bytes) -> str:
    """Return the encoding of a text by its first three bytes: UTF-16 has a zero beside each ASCII character."""
    marked = next((name for mark, name in _MARKS if start.startswith(mark)), "")
    if marked or len(start) < 2 or bool(start[0]) == bool(start[1]):
        return marked or "utf-8"
    return "utf-16-le" if start[0] else "utf-16-be"


def read_toml(path: Path) -> dict[str, Any]:
    """Return the content of a TOML file in UTF-8; a byte-order mark, as editors of Windows write it, is skipped.

    Raises
    ------
    BtferError, OSError
        As in `open_regular`.
    ValueError
        If it is not valid TOML in UTF-8, or nested too deeply.
    """
    content = read_bytes(path)
    encoding = next((name for mark, name in _MARKS if content.startswith(mark)), "utf-8")
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise ValueError(f"line {line} is not UTF-8; save the file as UTF-8") from None
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise too_deep() from None
    check_depth(values)
    return values


def check_depth(value: object) -> None:
    """Raise a ValueError if lists and tables are nested more than `MAX_DEPTH` deep."""
    level = [value]
    for _ in range(MAX_DEPTH + 1):
        containers = [part for part in level if isinstance(part, dict | list)]
        if not containers:
            return
        level = [
            inner
            for part in containers
            for inner in (part.values() if isinstance(part, dict) else part)
            if isinstance(inner, dict | list)
        ]
    raise too_deep()


def too_deep() -> ValueError:
    """Return the error of a text that is nested too deeply."""
    return ValueError(f"nested more than {MAX_DEPTH} deep")


def _size(count: int) -> str:
    return f"{count / (1 << 20):.0f} MiB" if count >= 1 << 20 else f"{count} bytes"
