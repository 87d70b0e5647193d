"""The one way to show progress and to print a result: text for people, one JSON object for programs."""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from btfer_builder.io.atomic import json_text

if TYPE_CHECKING:
    from tqdm import tqdm

Item = TypeVar("Item")


def bar(total: int | None, description: str, unit: str) -> "tqdm[Any]":
    """Return a progress bar with its rate, on stderr; a log file gets a line now and then instead of a flood.

    Nothing to do shows nothing.
    """
    from tqdm import tqdm

    terminal = sys.stderr.isatty()
    return tqdm(
        total=total,
        desc=f"{description:<8}",
        unit=f" {unit}",
        file=sys.stderr,
        mininterval=0.1 if terminal else 10,
        maxinterval=1 if terminal else 30,
        dynamic_ncols=terminal,
        ncols=None if terminal else 90,
        leave=True,
        disable=total == 0,
    )


def track(items: Sequence[Item], description: str, unit: str) -> Iterator[Item]:
    """Yield the items while a bar moves."""
    with bar(len(items), description, unit) as progress:
        for item in items:
            yield item
            progress.update()


def echo_stderr(text: str) -> None:
    """Tell a person something; never on stdout, which belongs to the result."""
    from tqdm import tqdm

    tqdm.write(text, file=sys.stderr)


def emit_json(result: Mapping[str, object]) -> None:
    """Print the result for a program: one JSON object on stdout."""
    sys.stdout.write(json_text(result, ensure_ascii=False) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a short table on stdout; columns of numbers are aligned to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [list(row) for row in rows]
    shown = Table(
        # A title is text: brackets in it are no markup.
        title=Text(title, "bold"),
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) or row[index] == "–" for row in rows)
        shown.add_column(column, justify="right" if numeric else "left", header_style="dim", overflow="fold")
    for row in rows:
        shown.add_row(*(Text(f"{cell:.3f}" if isinstance(cell, float) else f"{cell}") for cell in row))
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = 160  # a file has no width: nothing is folded in it that need not be
    console.print()
    console.print(shown)


class StatusLine:
    """One line of changing counts on stderr: in its place on a terminal, now and then a new one in a log file."""

    def __init__(self, every: float = 30.0) -> None:
        self.every = every
        self._bar: tqdm[Any] | None = None
        self._text = self._printed = ""
        self._at = time.monotonic()

    def __enter__(self) -> "StatusLine":
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(file=sys.stderr, bar_format="{desc} [{elapsed}]", leave=True)
        return self

    def show(self, text: str) -> None:
        """Show the counts as they are now."""
        self._text = text
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
        if self._text != self._printed:
            print(self._text, file=sys.stderr, flush=True)
            self._printed, self._at = self._text, time.monotonic()
