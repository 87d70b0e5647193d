"""Print the result of a command: tables for people, one JSON object for programs."""

import sys
from collections.abc import Iterable, Mapping, Sequence

import click

from btfer_builder.io.json import json_text
from btfer_builder.io.text import for_terminal, printable


def echo(text: str, *, err: bool = False) -> None:
    """Print a text on stdout or stderr, without characters that a terminal would obey."""
    click.echo(for_terminal(text), err=err)


def emit_json(result: Mapping[str, object]) -> None:
    """Print a result as one JSON object on stdout, controls escaped that JSON itself would leave."""
    text = json_text(result, ensure_ascii=False)
    escaped = (char if char == for_terminal(char) else json_text(char)[1:-1] for char in text)
    sys.stdout.write((text if text.isprintable() else "".join(escaped)) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a short table on stdout; columns of numbers are aligned to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [list(row) for row in rows]
    shown = Table(
        # `Text`, so that brackets in a title are not read as markup.
        title=Text(for_terminal(title), "bold"),
        title_justify="left",
        box=None,
        pad_edge=False,
        padding=(0, 2, 0, 0),
    )
    for index, column in enumerate(columns):
        numeric = bool(rows) and all(isinstance(row[index], int | float) or row[index] == "–" for row in rows)
        shown.add_column(
            printable(column), justify="right" if numeric else "left", header_style="dim", overflow="fold"
        )
    for row in rows:
        shown.add_row(
            *(Text(f"{cell:.3f}" if isinstance(cell, float) else for_terminal(f"{cell}")) for cell in row)
        )
    console = Console(file=sys.stdout, highlight=False)
    if not console.is_terminal:
        console.width = 160  # a file has no width of its own; wrap long lines only
    console.print()
    console.print(shown)
