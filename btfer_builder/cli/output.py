"""Print the result of a command: tables for people, one JSON object for programs."""

import shutil
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import click

from btfer_builder.io.json import json_text
from btfer_builder.io.text import for_terminal, printable

#: Columns of the terminal between two columns of a table, and the longest text that stays on one line in any case.
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
        click.echo(_broken(line))


def _broken(line: str) -> str:
    """Return a line broken between words where it does not fit the terminal."""
    return textwrap.fill(line, _width(), break_long_words=False, break_on_hyphens=False)


def _width() -> int:
    """Return the columns of the terminal; 80 for a file."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else 80


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a short table on stdout; columns of numbers are aligned to the right.

    Columns of text are wrapped between words; a word, such as an id or an address, is never broken, so that it can be
    copied. Columns for which the terminal has no room follow below, after those again that tell the rows apart, long
    ones shortened.
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
    names = _names(cells)
    again = _shortened(cells, names)
    blocks = _blocks(heads, cells, again, names, _width())
    widest = max(sum(block.values()) + _GAP * len(block) for block in blocks)
    # A table with a word that is wider than the terminal is, too: the terminal breaks it, and copies it whole. With a
    # height, a terminal that says little of itself is not taken for one of 80 columns.
    console = Console(file=sys.stdout, highlight=False, width=max(_width(), widest), height=len(cells) + 1)
    console.print()
    # `Text`, so that its brackets are not read as markup
    console.print(Text(_broken(for_terminal(title)), "bold"), no_wrap=True, overflow="ignore", crop=False)
    for place, block in enumerate(blocks):
        shown = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
        for index, width in block.items():
            numeric = bool(rows) and all(
                isinstance(row[index], int | float) or row[index] == "–" for row in rows
            )
            justify: Literal["left", "right"] = "right" if numeric else "left"
            shown.add_column(heads[index], justify=justify, header_style="dim", overflow="fold", width=width)
        for row in again if place else cells:
            shown.add_row(*(Text(row[index]) for index in block))
        if place:
            console.print()
        console.print(shown)


def _names(cells: Sequence[Sequence[str]]) -> int:
    """Return how many of the first columns tell the rows apart; 1 if none do."""
    counts = range(1, len(cells[0]) if cells else 1)
    return next((count for count in counts if len({tuple(row[:count]) for row in cells}) == len(cells)), 1)


def _shortened(cells: Sequence[Sequence[str]], names: int) -> Sequence[Sequence[str]]:
    """Return the rows as they follow below, with long names cut in the middle if they still tell the rows apart."""
    kept = _TEXT // 2
    short = [
        [f"{text[:kept]}…{text[1 - kept :]}" if len(text) > _TEXT else text for text in row[:names]]
        + list(row[names:])
        for row in cells
    ]
    return short if len({tuple(row[:names]) for row in short}) == len(cells) else cells


def _needed(column: Sequence[str]) -> int:
    """Return the width that a column needs: of its longest word, and of its texts unless they are long."""
    from rich.cells import cell_len

    words = max((cell_len(word) for text in column for word in text.split()), default=1)
    return max(1, words, min(_TEXT, max(map(cell_len, column[1:]), default=1)))


def _blocks(
    heads: Sequence[str],
    cells: Sequence[Sequence[str]],
    again: Sequence[Sequence[str]],
    names: int,
    width: int,
) -> list[dict[int, int]]:
    """Return the columns that stand beside each other with their widths.

    Blocks after the first begin with the columns that tell the rows apart, as they are in `again`.
    """
    from rich.cells import cell_len

    first, later = (
        [[head, *(row[i] for row in rows)] for i, head in enumerate(heads)] for rows in (cells, again)
    )
    needed, needed_again = [list(map(_needed, columns)) for columns in (first, later)]
    blocks: list[list[int]] = [[]]
    for index in range(len(heads)):
        beside = sum((needed if len(blocks) == 1 else needed_again)[each] + _GAP for each in blocks[-1])
        if beside + needed[index] > width and len(blocks[-1]) > names:
            blocks.append(list(range(names)))
        blocks[-1].append(index)
    shown = []
    for place, block in enumerate(blocks):
        columns, least = (later, needed_again) if place else (first, needed)
        longest = {each: max(map(cell_len, columns[each])) for each in block}
        spare = max(0, width - sum(least[each] + _GAP for each in block) + _GAP)
        widths = {}
        for each in sorted(block, key=lambda each: longest[each] - least[each]):
            more = min(spare, longest[each] - least[each])
            widths[each] = least[each] + more
            spare -= more
        shown.append({each: widths[each] for each in block})
    return shown
