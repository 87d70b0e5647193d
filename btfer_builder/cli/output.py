"""Print the result of a command: tables for people, one JSON object for programs."""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

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
        for index, width in block.items():
            numeric = bool(rows) and all(
                isinstance(row[index], int | float) or row[index] == "–" for row in rows
            )
            justify: Literal["left", "right"] = "right" if numeric else "left"
            shown.add_column(heads[index], justify=justify, header_style="dim", overflow="fold", width=width)
        for row in cells:
            shown.add_row(*(Text(row[index]) for index in block))
        if place:
            console.print()
        console.print(shown)


def _blocks(heads: Sequence[str], cells: Sequence[Sequence[str]], width: int) -> list[dict[int, int]]:
    """Return the columns that stand beside each other with their widths.

    Blocks after the first begin with the columns that tell the rows apart.
    """
    from rich.cells import cell_len

    columns = [[head, *(row[index] for row in cells)] for index, head in enumerate(heads)]
    longest = [max(map(cell_len, column)) for column in columns]
    words = [
        max((cell_len(word) for text in column for word in text.split()), default=1) for column in columns
    ]
    values = [max(map(cell_len, column[1:]), default=1) for column in columns]
    needed = [max(1, min(_TEXT, max(pair))) for pair in zip(words, values, strict=True)]
    names = next(
        (count for count in range(1, len(heads)) if len({tuple(row[:count]) for row in cells}) == len(cells)),
        1,
    )
    blocks: list[list[int]] = [[]]
    for index in range(len(heads)):
        beside = sum(needed[each] + _GAP for each in blocks[-1])
        if beside + needed[index] > width and len(blocks[-1]) > (names if len(blocks) > 1 else 0):
            blocks.append(list(range(names)))
        blocks[-1].append(index)
    shown = []
    for block in blocks:
        spare = max(0, width - sum(needed[each] + _GAP for each in block) + _GAP)
        widths = {}
        for each in sorted(block, key=lambda each: longest[each] - needed[each]):
            more = min(spare, longest[each] - needed[each])
            widths[each] = needed[each] + more
            spare -= more
        shown.append({each: widths[each] for each in block})
    return shown
