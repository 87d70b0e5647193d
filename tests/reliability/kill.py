"""Run a command in a forked process, and kill it before any step by which it changes a disk."""

import os
import signal
import sqlite3
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

#: What the interpreter reports before it changes something on the disk.
_CHANGES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.symlink", "os.link"}


def run_forked(action: Callable[[], object]) -> None:
    """Run something in a process of its own, so that nothing of it stays; its error is this one's."""
    status, _ = _fork(action, lambda _: None)
    assert status == 0, "it failed in the process: see its traceback above"


def steps_of(action: Callable[[], object]) -> list[str]:
    """Run something in a process of its own, and return the steps by which it changed the disk."""
    seen, name = os.pipe()

    def record(step: str) -> None:
        os.write(name, step.encode() + b"\n")

    def close() -> None:
        os.close(name)

    status, _ = _fork(action, record, close)
    with os.fdopen(seen, "rb") as file:
        steps = file.read().decode().splitlines()
    assert status == 0, "undisturbed, it failed"
    return steps


def kill_before(number: int, action: Callable[[], object]) -> bool:
    """Run something in a process of its own that dies before its step of this number; return whether it died."""
    left = number

    def count(_: str) -> None:
        nonlocal left
        if not left:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1

    status, died = _fork(action, count)
    assert died or status == 0, "it failed before the step"
    return died


def _fork(
    action: Callable[[], object], step: Callable[[str], None], after: Callable[[], None] = lambda: None
) -> tuple[int, bool]:
    pid = os.fork()
    if not pid:
        status = 1
        try:
            with _watched(step):
                action()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    after()
    _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status), os.WIFSIGNALED(status)


@contextmanager
def _watched(step: Callable[[str], None]) -> Iterator[None]:
    active = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if not active:
            return
        if event == "open":
            path, _, flags = arguments
            if isinstance(path, (str, os.PathLike)) and flags & (os.O_WRONLY | os.O_RDWR) and _counts(path):
                step(f"open {os.fspath(path)}")
        elif event in _CHANGES and _counts(arguments[0]):
            step(f"{event} {arguments[0]}")

    connect = sqlite3.connect

    def watched(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(lambda sql: step("COMMIT") if sql == "COMMIT" else None)
        return connection

    sys.addaudithook(hook)
    sqlite3.connect = watched  # this process ends with the command
    try:
        yield
    finally:
        active = False


def _counts(path: Any) -> bool:
    """Whether a path is the command's: locks, devices and Python's own caches are not."""
    name = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
    device = name.startswith(("/dev/", "/proc/")) and not name.startswith("/dev/shm/")  # files in memory
    return bool(name) and not device and Path(name).suffix not in {".lock", ".pyc"}
