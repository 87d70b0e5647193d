"""Write files atomically, and digest them."""

import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from btfer_builder.errors import BtferError
from btfer_builder.io.storage import File, RemoteFile


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
    """Return the digest of the file that a setting names, or the setting itself if there is no such file.

    A setting is then the same wherever the same file is, and another one when the file changes.
    """
    return file_digest(Path(path)) if Path(path).is_file() else path


@contextmanager
def open_atomic(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces `path` on success and is deleted on failure.

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
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file  # no fsync: after a power cut the catalog, which has one, says what to write again
        temporary.chmod(0o644)  # mkstemp creates files that only their owner may read
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise BtferError(f"{path}: cannot be written: {error.strerror or error}") from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_bytes(path: File, content: bytes) -> None:
    """Write a file atomically, on this machine or on other storage."""
    if isinstance(path, RemoteFile):
        path.write_bytes(content)
        return
    with open_atomic(path) as file:
        file.write(content)
