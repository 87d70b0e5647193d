"""A real Dask cluster on loopback: a scheduler and workers in separate processes."""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    "PYTHONPATH": str(ROOT),
    "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "0",
    "DASK_DISTRIBUTED__ADMIN__LOG_FORMAT": "%(message)s",
}


@contextmanager
def cluster(folder: Path, workers: int = 2, environment: Mapping[str, str] = ENVIRONMENT) -> Iterator[str]:
    """Start a scheduler and workers with one thread each, and yield the scheduler's address."""
    with scheduler(folder, environment) as address:
        started = [start_worker(address, folder, environment) for _ in range(workers)]
        try:
            yield address
        finally:
            for worker in started:
                stop(worker)


@contextmanager
def scheduler(folder: Path, environment: Mapping[str, str] = ENVIRONMENT) -> Iterator[str]:
    """Start a scheduler on a free port and yield its address."""
    command = ["dask", "scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
    log = folder / "scheduler.log"
    process = _start(command, log, environment)
    try:
        yield _address(log, process)
    finally:
        stop(process)


def start_worker(
    address: str, folder: Path, environment: Mapping[str, str] = ENVIRONMENT
) -> "subprocess.Popen[bytes]":
    """Start a worker of one thread; a nanny starts it again when it dies."""
    command = ["dask", "worker", address, "--nthreads", "1", "--no-dashboard", "--memory-limit", "0"]
    command += ["--local-directory", str(folder), "--host", "127.0.0.1"]
    return _start(command, folder / f"worker-{time.monotonic_ns()}.log", environment)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End a process that the test has started."""
    process.terminate()
    try:
        process.wait(20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _start(command: list[str], log: Path, environment: Mapping[str, str]) -> "subprocess.Popen[bytes]":
    with log.open("wb") as file:
        return subprocess.Popen(
            [sys.executable, "-m", *command],
            stdout=file,
            stderr=file,
            env=os.environ | environment,
            cwd=log.parent,
        )


def _address(log: Path, process: "subprocess.Popen[bytes]") -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end and process.poll() is None:
        if address := re.search(r"tcp://127\.0\.0\.1:\d+", log.read_text()):
            return address[0]
        time.sleep(0.05)
    raise AssertionError(f"no scheduler: {log.read_text()}")
