"""Show progress and messages on stderr."""

import io
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from tqdm import tqdm

from btfer_builder.io.text import for_terminal, printable

Item = TypeVar("Item")

_SHOWN = ContextVar("progress", default=True)
_silent = False
_WORDS: ContextVar[Callable[[str], str]] = ContextVar("words", default=str)


@contextmanager
def show_progress(shown: bool) -> Iterator[None]:
    """Show progress bars and status lines inside the `with` block, or hide them; messages are always shown."""
    token = _SHOWN.set(shown)
    try:
        yield
    finally:
        _SHOWN.reset(token)


@contextmanager
def reworded(words: Callable[[str], str]) -> Iterator[None]:
    """Change the words of messages inside the `with` block: those of Python name arguments instead of options."""
    token = _WORDS.set(words)
    try:
        yield
    finally:
        _WORDS.reset(token)


@contextmanager
def silent(on: bool) -> Iterator[None]:
    """Hide progress and messages inside the `with` block, in all threads; errors are raised, not printed."""
    global _silent  # noqa: PLW0603 - new threads do not inherit a ContextVar
    before, _silent = _silent, on or _silent
    try:
        with show_progress(progress_shown() and not on):
            yield
    finally:
        _silent = before


def messages_shown() -> bool:
    """Whether messages are shown here."""
    return not _silent


def progress_shown() -> bool:
    """Whether progress is shown here."""
    return _SHOWN.get()


def bar(total: int | None, description: str, unit: str) -> "tqdm[Any]":
    """Return a progress bar on stderr; a file or a pipe gets a line of text every 30 seconds instead.

    With a `total` of 0 or inside `show_progress(False)` nothing is shown.
    """
    from tqdm import tqdm

    class Lines(tqdm):  # type: ignore[type-arg]
        """Lines without a bar, and none of a short work."""

        def display(self, msg: str | None = None, pos: int | None = None) -> None:
            del pos
            if msg is None and self.n:
                of = f" of {self.total:,}" if self.total else ""
                print(f"{description}: {self.n:,}{of} {unit}", file=sys.stderr, flush=True)

    hidden = total == 0 or not _SHOWN.get()
    if not sys.stderr.isatty():
        every = StatusLine.SECONDS
        # What tqdm itself writes, such as the return at the end, goes nowhere.
        return Lines(
            total=total, file=io.StringIO(), mininterval=every, maxinterval=every, leave=False, disable=hidden
        )
    return tqdm(
        total=total, desc=f"{description:<8}", unit=f" {unit}", file=sys.stderr, maxinterval=1, dynamic_ncols=True,
        leave=True, disable=hidden,
    )  # fmt: skip


def track(items: Sequence[Item], description: str, unit: str) -> Iterator[Item]:
    """Yield the items and show a progress bar."""
    with bar(len(items), description, unit) as progress:
        for item in items:
            yield item
            progress.update()


def echo_stderr(text: str) -> None:
    """Print a message on stderr: stdout is for the result."""
    if _silent:
        return
    from tqdm import tqdm

    tqdm.write(for_terminal(_WORDS.get()(text)), file=sys.stderr)


class StatusLine:
    """A line of counts on stderr, updated in place on a terminal and printed every `every` seconds in a log file."""

    #: Seconds between two lines in a log file.
    SECONDS = 30.0

    def __init__(self, every: float = SECONDS) -> None:
        self.every = every
        self._bar: tqdm[Any] | None = None
        self._text = self._printed = ""
        self._at = time.monotonic()

    def __enter__(self) -> "StatusLine":
        if _SHOWN.get() and sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(file=sys.stderr, bar_format="{desc} [{elapsed}]", leave=True)
        return self

    def show(self, text: str) -> None:
        """Show the current counts."""
        self._text = text = printable(text)
        if self._bar is not None:
            self._bar.set_description_str(text)
        elif time.monotonic() - self._at >= self.every:
            self._print()

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
        else:
            self._print()

    def _print(self) -> None:
        if _SHOWN.get() and self._text != self._printed:
            print(self._text, file=sys.stderr, flush=True)
            self._printed, self._at = self._text, time.monotonic()
