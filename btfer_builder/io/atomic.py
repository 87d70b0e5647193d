"""Write files and folders whole or not at all, JSON that every parser accepts, and CSV without formulas."""

import csv
import hashlib
import io
import json
import math
import os
import re
import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from btfer_builder.errors import BtferError
from btfer_builder.io.storage import File, RemoteFile

#: Spreadsheets take a cell that begins with one of these for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

#: First characters of cells that may need an apostrophe.
_SUSPECT = frozenset((*FORMULA_STARTS, "'"))

#: Suffixes of the folder that is being built, and of the earlier one while it is replaced.
_BUILDING = ".building"
_EARLIER = ".old.building"


def file_digest(path: Path) -> str:
    """Return the SHA-256 in hex of a file, or of all files of a folder with their names."""
    if path.is_dir():
        digest = hashlib.sha256()
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            digest.update(f"{file.relative_to(path).as_posix()}\0{file_digest(file)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def setting_digest(path: str) -> str:
    """Return the digest of the file a setting names, or the setting where there is no such file.

    So a setting is the same wherever the same file lies, and another one when the file is.
    """
    return file_digest(Path(path)) if Path(path).is_file() else path


@contextmanager
def write_aside(path: Path) -> Iterator[IO[bytes]]:
    """Open a new file that takes the place of `path` when it is whole, and is gone if it never becomes so.

    Raises
    ------
    BtferError
        If the disk is full or the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    except OSError as error:
        raise BtferError(f"{path}: cannot be written: {error.strerror}") from None
    aside = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file  # no fsync: after a power cut the catalog, which has one, says what to make again
        aside.chmod(0o644)  # mkstemp makes files only their owner may read
        aside.replace(path)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise BtferError(f"{path}: cannot be written: {error.strerror or error}") from None
    except BaseException:
        aside.unlink(missing_ok=True)
        raise


@contextmanager
def build_folder(target: Path, *, overwrite: bool = False, leftovers: Sequence[str] = ()) -> Iterator[Path]:
    """Build a folder beside `target` and rename it to `target` when the block ends without an error.

    If the block fails, `target` is what it was before. See `restore_folder` for a process that is killed.

    Parameters
    ----------
    target
        The folder to build.
    overwrite
        Replace an earlier `target`. Otherwise a `target` that is not empty is an error.
    leftovers
        As in `restore_folder`.

    Yields
    ------
    Path
        The empty folder to build in.

    Raises
    ------
    BtferError
        If the disk is full or the folder cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        restore_folder(target, leftovers)
        building = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=_BUILDING))
        yield building
        building.chmod(0o755)  # mkdtemp makes folders only their owner may read
        if overwrite and target.exists():
            target.rename(building.with_suffix(_EARLIER))
        building.rename(target)
    except OSError as error:
        raise BtferError(f"{target}: cannot be written: {error.strerror or error}") from None
    finally:
        restore_folder(target, leftovers)


def restore_folder(target: Path, leftovers: Sequence[str] = ()) -> None:
    """Put the earlier `target` back if no new one replaced it, and delete what a killed `build_folder` left.

    Parameters
    ----------
    target
        The folder.
    leftovers
        Glob patterns of more temporary folders beside it, as earlier versions named them.
    """
    name = re.compile(rf"\.{re.escape(target.name)}\.[a-z0-9_]{{8}}(\.old)?{re.escape(_BUILDING)}")
    found = {path for path in target.parent.glob(f".*{_BUILDING}") if name.fullmatch(path.name)}
    found.update(path for pattern in leftovers for path in target.parent.glob(pattern))
    for path in sorted(found):
        if path.name.endswith((_EARLIER, ".old")) and not target.exists():
            path.rename(target)
        else:
            shutil.rmtree(path, ignore_errors=True)


def write_bytes(path: File, content: bytes) -> None:
    """Put `content` in the place of the file, all at once."""
    if isinstance(path, RemoteFile):
        path.write_bytes(content)
        return
    with write_aside(path) as file:
        file.write(content)


def json_text(
    value: object, *, indent: int | None = None, ensure_ascii: bool = True, sort_keys: bool = False
) -> str:
    """Return a value as strict JSON (RFC 8259); all JSON of the package is written by it.

    A number that is not finite, as a score that is not defined, becomes null: JSON has no other word for it, and many
    parsers refuse a file with NaN in it.
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
    """Write a file of JSON for people and programs, all at once; see `json_text`."""
    write_bytes(path, json_text(value, indent=2, ensure_ascii=ensure_ascii).encode() + b"\n")


def write_csv(path: Path, columns: Sequence[str], rows: Iterable[Mapping[str, object] | sqlite3.Row]) -> int:
    """Write a table for people and pandas, all at once, and return how many rows it has.

    Text that a spreadsheet would run as a formula gets an apostrophe before it; `None` becomes an empty cell.
    The rows of a query have these columns, in this order.
    """
    count = 0
    with write_aside(path) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow(columns)
        for row in rows:
            # Looking up each column by its name costs more than the query that finds the row.
            values = row if isinstance(row, sqlite3.Row) else [row[column] for column in columns]
            writer.writerow(map(_cell, values))
            count += 1
        text.detach()
    return count


def _cell(value: object) -> object:
    # After apostrophes of its own, too: what is read back is then always what was written.
    if isinstance(value, str) and value[:1] in _SUSPECT and value.lstrip("'").startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def unescape_cell(cell: str) -> str:
    """Undo what `write_csv` did to a cell."""
    return cell[1:] if cell[:1] == "'" and cell.lstrip("'").startswith(FORMULA_STARTS) else cell
