"""Give each worker process a graphics card of its own, whoever else works on this machine."""

import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder.io.locks import try_lock

if TYPE_CHECKING:
    from filelock import FileLock

#: The card this process has taken, held until it dies: TensorFlow never gives one back.
_held: "list[FileLock]" = []

_DRIVER = Path("/proc/driver/nvidia/gpus")


def cards_here() -> list[str]:
    """Return the graphics cards of this machine as CUDA names them; those of `CUDA_VISIBLE_DEVICES` if it is set."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [name.strip() for name in visible.split(",") if name.strip() not in {"", "-1"}]
    try:
        return [str(number) for number, _ in enumerate(sorted(_DRIVER.iterdir()))]
    except OSError:
        return []


def acquire_gpu() -> str | None:
    """Let this process see one graphics card that no other worker has taken, before it imports TensorFlow.

    Returns
    -------
    str or None
        The card, or None: there is none, all are taken (this process then works on the processor), or TensorFlow
        was imported already and has what it has.
    """
    if _held or "tensorflow" in sys.modules:
        return os.environ.get("CUDA_VISIBLE_DEVICES") if _held else None
    cards = cards_here()
    for card in cards:
        lock = try_lock(Path(tempfile.gettempdir()) / f"btfer-card-{os.getuid()}-{card}.lock")
        if lock is None:
            continue
        _held.append(lock)
        os.environ["CUDA_VISIBLE_DEVICES"] = card
        return card
    if cards:
        os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    return None
