"""Print the result of a command: tables for people, one JSON object for programs."""

import sys
from collections.abc import Iterable, Mapping, Sequence

from btfer_builder.io.json import json_text


def emit_json(result: Mapping[str, object]) -> None:
    """Print a result as one JSON object on stdout."""
    sys.stdout.write(json_text(result, ensure_ascii=False) + "\n")


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a short table on stdout; columns of numbers are aligned to the right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    rows = [list(row) for row in rows]
    shown = Table(
        # `Text`, so that brackets in a title are not read as markup.
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
        console.width = 160  # a file has no width of its own; wrap long lines only
    console.print()
    console.print(shown)
