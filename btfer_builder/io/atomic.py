"""Write files and folders whole or not at all, and digest them."""

import fcntl
import filecmp
import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from btfer_builder.errors import BtferError
from btfer_builder.io.locks import lock_file, try_lock
from btfer_builder.io.storage import File, RemoteFile

#: Suffixes of the folder that is being built, and of the earlier one while it is replaced.
_BUILDING = ".building"
_EARLIER = ".old.building"

#: The lock in a temporary folder, held by the process that made it.
_IN_USE = ".lock"

#: SQLite makes a file of this size beside a catalog to open it.
_LOG_BYTES = 32 << 10

#: Files that are synced at the same time: their file system writes its journal once for all of them.
_SYNCED_AT_ONCE = 8


def file_digest(path: Path) -> str:
    """Return the SHA-256 in hex of a file, or of all files of a folder with their names."""
    if path.is_dir():
        digest = hashlib.sha256()
        for file in sorted(file for file in path.rglob("*") if file.is_file()):
            digest.update(f"{file.relative_to(path).as_posix()}\0{file_digest(file)}\n".encode())
        return digest.hexdigest()
    with path.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def is_disk_full(folder: Path) -> bool:
    """Return whether the file system of a folder has no room for the smallest log of SQLite."""
    return shutil.disk_usage(folder).free < _LOG_BYTES


def setting_digest(path: str) -> str:
    """Return the digest of the file that a setting names, or the setting itself if there is no such file.

    A setting is then the same wherever the same file is, and another one when the file changes.
    """
    return file_digest(Path(path)) if Path(path).is_file() else path


@contextmanager
def open_atomic(path: Path, *, keep_equal: bool = False) -> Iterator[IO[bytes]]:
    """Open a temporary file that replaces `path` on success and is deleted on failure.

    Parameters
    ----------
    path
        The file to write.
    keep_equal
        Leave an earlier file that has the same bytes as it is, with its time of change.

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
    os.close(handle)
    try:
        with Path(name).open("wb") as file, replace_on_success(Path(name), path, keep_equal=keep_equal):
            _mark_in_use(file.fileno())
            yield file
            file.flush()  # no fsync: see `sync_files`
    except OSError as error:  # closing a file writes what it buffers, and fails once more
        raise BtferError(f"{path}: cannot be written: {error.strerror}") from None


@contextmanager
def replace_on_success(temporary: Path, path: Path, *, keep_equal: bool = False) -> Iterator[None]:
    """Rename `temporary`, which the block writes, to `path` on success, and delete it on failure.

    With `keep_equal`, an earlier file with the same bytes is left as it is.

    Raises
    ------
    BtferError
        If the block fails with an `OSError`, as for a full disk, the file cannot be renamed, or `path` is a device or a
        pipe.
    """
    try:
        if path.absolute().parent == Path("/dev") or (
            path.exists() and not (path.is_file() or path.is_dir())
        ):
            raise BtferError(f"{path}: a device or a pipe; name a file")  # a rename would remove it
        yield
        if keep_equal and path.is_file() and filecmp.cmp(temporary, path, shallow=False):
            temporary.unlink()
            return
        temporary.chmod(0o644)  # mkstemp creates files that only their owner may read
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        reason = error.strerror or str(error).partition("\n")[0]
        raise BtferError(f"{path}: cannot be written: {reason}") from None
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextmanager
def build_folder(target: Path, *, overwrite: bool = False, leftovers: Sequence[str] = ()) -> Iterator[Path]:
    """Build a folder beside `target` and rename it to `target` when the block ends without an error.

    If the block fails, `target` is what it was before. See `restore_folder` for a process that is killed. One process
    at a time builds a target.

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
        If the disk is full, the folder cannot be written, or another process is building it.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        restore_folder(target, leftovers)
        if any(not path.name.endswith(_EARLIER) for path in _unfinished(target)):
            raise BtferError(f"{target}: another command is writing it; wait for it, or name another folder")
        building = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=_BUILDING))
        with _in_use(building):
            yield building
            building.chmod(0o755)  # mkdtemp makes folders only their owner may read
            if overwrite and target.exists():
                target.rename(building.with_suffix(_EARLIER))
            building.rename(target)
    except OSError as error:
        raise BtferError(f"{target}: cannot be written: {error.strerror or error}") from None
    finally:
        restore_folder(target, leftovers)


def restore_folder(target: Path, leftovers: Sequence[str] = ()) -> list[Path]:
    """Put the earlier `target` back if no new one replaced it, and delete what a killed `build_folder` left.

    What another process is building is left alone.

    Parameters
    ----------
    target
        The folder.
    leftovers
        Glob patterns of more temporary folders beside it, as earlier versions named them.

    Returns
    -------
    list of Path
        The folders that were deleted.
    """
    found = _unfinished(target)
    found.update(path for pattern in leftovers for path in target.parent.glob(pattern))
    deleted = []
    for path in sorted(found):
        if path.name.endswith((_EARLIER, ".old")) and not target.exists():
            path.rename(target)
        elif not _is_in_use(path):
            shutil.rmtree(path, ignore_errors=True)
            deleted.append(path)
    return deleted


def _unfinished(target: Path) -> set[Path]:
    name = re.compile(rf"\.{re.escape(target.name)}\.[a-z0-9_]{{8}}(\.old)?{re.escape(_BUILDING)}")
    return {path for path in target.parent.glob(f".*{_BUILDING}") if name.fullmatch(path.name)}


@contextmanager
def _in_use(folder: Path) -> Iterator[None]:
    """Lock a folder for the duration of a block, without a file that would become a part of it."""
    with _opened(folder) as handle:
        _mark_in_use(handle)
        yield


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield handle
    finally:
        os.close(handle)


def _is_in_use(folder: Path) -> bool:
    try:
        with _opened(folder) as handle:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:  # gone, or on a file system without locks
        return False
    return False


def _mark_in_use(handle: int) -> None:
    """Lock a temporary file until it is closed, so that nobody takes it for that of a killed process."""
    with suppress(OSError):  # some network file systems have no locks
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def delete_left_parts(folder: Path) -> list[Path]:
    """Delete the temporary files of killed processes in a folder, and return them."""
    left = []
    for path in sorted(folder.glob(".*.part")):
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # fails while its writer lives
            path.unlink()
            left.append(path)
    return left


def sync_files(paths: Iterable[File]) -> None:
    """Wait until files and their names are on the disk, so that a row which names one holds after a power cut."""
    local = [path for path in paths if isinstance(path, Path)]  # other storage has them when it answers
    if not local:
        return
    with ThreadPoolExecutor(
        _SYNCED_AT_ONCE
    ) as threads:  # the order does not matter: none counts before all are done
        list(threads.map(_sync, [*local, *{path.parent for path in local}]))


def _sync(path: Path) -> None:
    with _opened(path) as handle:
        os.fsync(handle)


@contextmanager
def temporary_folder(parent: Path, prefix: str) -> Iterator[Path]:
    """Make a folder that is deleted when the block ends, or by `delete_left_folders` if the process is killed."""
    delete_left_folders(parent, prefix)
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
    try:
        with lock_file(folder / _IN_USE, f"{folder} is in use"):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def delete_left_folders(parent: Path, prefix: str) -> list[Path]:
    """Delete the folders that killed processes left of `temporary_folder`, and return them."""
    left = []
    for folder in sorted(parent.glob(f"{prefix}????????")):
        if folder.is_dir() and (lock := try_lock(folder / _IN_USE)):
            shutil.rmtree(folder, ignore_errors=True)
            lock.release()
            left.append(folder)
    return left


def write_bytes(path: File, content: bytes) -> None:
    """Write a file atomically, on this machine or on other storage."""
    if isinstance(path, RemoteFile):
        path.write_bytes(content)
        return
    with open_atomic(path) as file:
        file.write(content)
