"""Print the result of a command: tables for people, one JSON object for programs."""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence

import click

from btfer_builder.io.json import json_text
from btfer_builder.io.text import for_terminal, printable

#: Columns of the terminal between two columns of a table, and those that a column of text needs at least.
_GAP, _TEXT = 2, 24


def echo(text: str, *, err: bool = False) -> None:
    """Print a text on stdout or stderr, without characters that a terminal would obey."""
    click.echo(for_terminal(text), err=err)


def emit_json(result: Mapping[str, object]) -> None:
    """Print a result as one JSON object on stdout, controls escaped that JSON itself would leave."""
    text = json_text(result, ensure_ascii=False)
    escaped = (char if char == for_terminal(char) else json_text(char)[1:-1] for char in text)
    sys.stdout.write((text if text.isprintable() else "".join(escaped)) + "\n")


def paragraph(text: str) -> None:
    """Print sentences on stdout, each line broken between words where it does not fit the terminal."""
    for line in for_terminal(text).split("\n"):
        click.echo(textwrap.fill(line, _width(), break_long_words=False, break_on_hyphens=False))


def _width() -> int:
    """Return the columns of the terminal; 80 for a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 80


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a short table on stdout; columns of numbers are aligned to the right.

    Words are wrapped in columns of text. Columns for which the terminal has no room follow below, after those again
    that tell the rows apart.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [list(row) for row in rows]
    heads = [printable(column) for column in columns]
    cells = [
        [f"{cell:.3f}" if isinstance(cell, float) else for_terminal(f"{cell}") for cell in row]
        for row in rows
    ]
    console = Console(file=sys.stdout, highlight=False, width=_width())
    console.print()
    console.print(Text(for_terminal(title), "bold"))  # `Text`, so that its brackets are not read as markup
    for place, block in enumerate(_blocks(heads, cells, console.width)):
        shown = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
        for index in block:
            numeric = bool(rows) and all(
                isinstance(row[index], int | float) or row[index] == "–" for row in rows
            )
            shown.add_column(
                heads[index],
                justify="right" if numeric else "left",
                header_style="dim",
                overflow="fold",
                min_width=_needed(heads[index], [row[index] for row in cells]),
            )
        for row in cells:
            shown.add_row(*(Text(row[index]) for index in block))
        if place:
            console.print()
        console.print(shown)


def _needed(head: str, cells: Sequence[str]) -> int:
    """Return the columns that a column of a table needs: its longest cell if that is short, and its longest word."""
    from rich.cells import cell_len

    longest = max(map(cell_len, cells), default=0)
    words = [word for text in (head, *cells) for word in text.split()]
    return min(_TEXT, max(longest, *map(cell_len, words), 1)) if words else 1


def _blocks(heads: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> list[list[int]]:
    """Return which columns stand beside each other; blocks after the first begin with the columns that name a row."""
    needed = [_needed(head, [row[index] for row in cells]) for index, head in enumerate(heads)]
    named = next(
        (
            list(range(count))
            for count in range(1, len(heads))
            if len({tuple(row[:count]) for row in cells}) == len(cells)
        ),
        [0],
    )
    blocks: list[list[int]] = [[]]
    for index in range(len(heads)):
        beside = [*blocks[-1], index]
        if sum(needed[each] + _GAP for each in beside) - _GAP > width and set(blocks[-1]) - set(named):
            beside = [*named, index]
            blocks.append(beside)
        blocks[-1] = beside
    return blocks
