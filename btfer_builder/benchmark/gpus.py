"""Assign each worker process its own GPU, also among several commands on one machine."""

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder.io.locks import try_lock

if TYPE_CHECKING:
    from filelock import FileLock

#: Lock of the GPU of this process, held until it ends: TensorFlow never releases a GPU.
_held: "list[FileLock]" = []

_DRIVER = Path("/proc/driver/nvidia/gpus")


def visible_gpus() -> list[str]:
    """Return the names of this machine's GPUs in CUDA; those of `CUDA_VISIBLE_DEVICES` if it is set."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in {"", "-1"}]
    try:
        return [str(number) for number, _ in enumerate(sorted(_DRIVER.iterdir()))]
    except OSError:
        return []


def acquire_gpu() -> str | None:
    """Make one free GPU visible to this process. Call it before TensorFlow is imported.

    Returns
    -------
    str or None
        The GPU. None if there is none, all are in use (this process then runs on the CPU), or TensorFlow was
        already imported.
    """
    if _held or "tensorflow" in sys.modules:
        return os.environ.get("CUDA_VISIBLE_DEVICES") if _held else None
    gpus = visible_gpus()
    for gpu in gpus:
        lock = try_lock(Path(tempfile.gettempdir()) / f"btfer-card-{os.getuid()}-{gpu}.lock")
        if lock is None:
            continue
        _held.append(lock)
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
        return gpu
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    return None
