"""Write CSV tables whose cells no spreadsheet runs as formulas, and read such cells back."""

import csv
import io
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from btfer_builder.io.atomic import open_atomic

#: Spreadsheets take a cell that begins with one of these for a formula.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")

#: Only cells that begin with one of these may need an apostrophe.
_SUSPECT = frozenset((*FORMULA_STARTS, "'"))


def write_csv(
    path: Path,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, object] | sqlite3.Row],
    *,
    keep_equal: bool = False,
) -> int:
    """Write a CSV table atomically and return the number of its rows.

    Parameters
    ----------
    path
        The file.
    columns
        Names of the columns.
    rows
        Mappings with these keys, or rows of a query with these columns in this order. `None` becomes an empty cell,
        and text that a spreadsheet would run as a formula gets an apostrophe before it.
    keep_equal
        Leave an earlier file with the same bytes as it is.
    """
    count = 0
    with open_atomic(path, keep_equal=keep_equal) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        writer = csv.writer(text)
        writer.writerow(columns)
        for row in rows:
            # Looking up each column by its name costs more than the query that finds the row.
            values = row if isinstance(row, sqlite3.Row) else [row[column] for column in columns]
            writer.writerow(map(_escape_cell, values))
            count += 1
        text.detach()
    return count


def _escape_cell(value: object) -> object:
    # Cells that begin with apostrophes before a formula are escaped too: reading then returns what was written.
    if isinstance(value, str) and value[:1] in _SUSPECT and value.lstrip("'").startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def unescape_cell(cell: str) -> str:
    """Return the text that `write_csv` wrote as this cell."""
    return cell[1:] if cell[:1] == "'" and cell.lstrip("'").startswith(FORMULA_STARTS) else cell
