"""Lock files, so that one process at a time works on a stage, a folder or a graphics card."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder.errors import BtferError

if TYPE_CHECKING:
    from filelock import FileLock


def try_lock(path: Path) -> "FileLock | None":
    """Lock a file without waiting; the lock ends with the process that holds it.

    Returns
    -------
    FileLock or None
        The lock, released by `release()`; None if another process holds it.

    Raises
    ------
    BtferError
        If the file's folder cannot be made or written.
    """
    from filelock import FileLock, Timeout

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path, timeout=0)
        lock.acquire()
    except Timeout:
        return None
    except OSError as error:
        raise BtferError(f"{path.parent}: cannot be written: {error.strerror or error}") from None
    return lock


@contextmanager
def wait_for_lock(path: Path) -> Iterator[None]:
    """Hold the lock of a file for the duration of a block, after those who hold it for a moment.

    Raises
    ------
    BtferError
        If the file's folder cannot be made or written.
    """
    from filelock import FileLock

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path)
        lock.acquire()
    except OSError as error:
        raise BtferError(f"{path.parent}: cannot be written: {error.strerror or error}") from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def lock_file(path: Path, busy: str) -> Iterator[None]:
    """Hold the lock of a file for the duration of a block.

    Parameters
    ----------
    path
        The lock file; its folder is made if it is missing.
    busy
        The message of the error if another process holds the lock.

    Raises
    ------
    BtferError
        If another process holds the lock, or the folder cannot be written.
    """
    lock = try_lock(path)
    if lock is None:
        raise BtferError(busy)
    try:
        yield
    finally:
        lock.release()
