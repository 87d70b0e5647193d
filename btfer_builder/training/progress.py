"""Show the progress of a run on stderr."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from btfer_builder.io.terminal import bar, echo_stderr
from btfer_builder.training.loop import TrainingProgress


@contextmanager
def print_progress() -> Iterator[Callable[[TrainingProgress], None]]:
    """Yield a function that prints a line after each epoch and on a terminal shows a progress bar during it."""
    shown: Any = None
    phase = 0

    def watch(moment: TrainingProgress) -> None:
        nonlocal shown, phase
        if moment.phase != phase:
            phase = moment.phase
            what = "base frozen" if phase == 1 else "all layers trainable"
            echo_stderr(f"phase {phase}: {what}, until epoch {moment.last_epoch} at most")
        if moment.finished:
            if shown is not None:
                shown.close()
                shown = None
            echo_stderr(_line(moment))
        elif sys.stderr.isatty():
            if shown is None:
                shown = bar(moment.total, f"epoch {moment.epoch}", "faces")
                shown.leave = False
            shown.set_postfix_str(f"loss {moment.loss:.3f}, accuracy {moment.accuracy:.3f}", refresh=False)
            shown.update(moment.done - shown.n)

    try:
        yield watch
    finally:
        if shown is not None:
            shown.close()


def _line(moment: TrainingProgress) -> str:
    epoch = moment.finished
    assert epoch is not None  # noqa: S101 - checked by the caller
    return (
        f"epoch {epoch.epoch:>3}  loss {epoch.loss:.4f}  accuracy {epoch.accuracy:.4f}  "
        f"validation {epoch.val_loss:.4f} {epoch.val_accuracy:.4f}  rate {epoch.learning_rate:.2g}  "
        f"{epoch.seconds:.0f} s{'  best' if moment.best else ''}"
    )


def ignore_progress(_progress: TrainingProgress) -> None:
    """Show nothing."""
