"""Read CSV tables as people and spreadsheets write them, and write tables whose cells no spreadsheet runs."""

import csv
import io
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import IO

from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import open_atomic
from btfer_builder.io.limits import MAX_LINE, read_lines

#: Spreadsheets take a cell that begins with one of these for a formula; the last four are full-width.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")

#: Between the cells of a row; a spreadsheet writes semicolons where the decimal separator is a comma.
_DELIMITERS = ",;\t|"

#: What a line of an empty row consists of.
_EMPTY = f"{_DELIMITERS} \r\n"

#: A line that names the delimiter; some programs quote it.
_SEP = re.compile(r"""(?i:sep)=([^\w\s"]|\t)\s*|"(?i:sep)=([^\w\s"]|\t)"\s*""")

#: A quoted cell, whose commas are not between cells.
_QUOTED = re.compile(r'"[^"]*"')

#: Only cells that begin with one of these may need an apostrophe.
_SUSPECT = frozenset((*FORMULA_STARTS, "'"))


class NotCsv(BtferError):
    """A file whose quotes or cells are not those of a CSV table."""


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
    with open_atomic(path, keep_equal=keep_equal) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
        count = _write_rows(text, columns, rows)
        text.detach()
    return count


def csv_text(columns: Sequence[str], rows: Iterable[Mapping[str, object] | sqlite3.Row]) -> str:
    """Return a table as `write_csv` writes it."""
    text = io.StringIO(newline="")
    _write_rows(text, columns, rows)
    return text.getvalue()


def _write_rows(
    text: IO[str], columns: Sequence[str], rows: Iterable[Mapping[str, object] | sqlite3.Row]
) -> int:
    writer = csv.writer(text)
    writer.writerow(columns)
    count = 0
    for row in rows:
        # Looking up each column by its name costs more than the query that finds the row.
        values = row if isinstance(row, sqlite3.Row) else [row[column] for column in columns]
        writer.writerow(map(_escape_cell, values))
        count += 1
    return count


def _escape_cell(value: object) -> object:
    # Cells that begin with apostrophes before a formula are escaped too: reading then returns what was written.
    if isinstance(value, str) and value[:1] in _SUSPECT and value.lstrip("'").startswith(FORMULA_STARTS):
        return f"'{value}"
    return value


def unescape_cell(cell: str) -> str:
    """Return the text that `write_csv` wrote as this cell."""
    return cell[1:] if cell[:1] == "'" and cell.lstrip("'").startswith(FORMULA_STARTS) else cell


def read_csv(path: Path, *, max_line: int = MAX_LINE) -> tuple[list[str], Iterator[tuple[int, list[str]]]]:
    """Return the columns of a CSV table, and an iterator over its rows, which holds one row at a time.

    Accepted are commas, semicolons, tabs and bars between cells (or what a first line `sep=;` names), all ends of
    lines, and UTF-8 and UTF-16 with or without byte-order mark. Empty rows are left out, those before the names, too.

    Parameters
    ----------
    path
        The file.
    max_line
        Longest line in characters. A cell has at most 131,072 characters (`csv.field_size_limit`).

    Returns
    -------
    columns : list of str
        The names in the first row in lower case, without spaces around them; empty for an empty file.
    rows : iterator of (int, list of str)
        The number of the line where a row begins, and its cells.

    Raises
    ------
    BtferError
        If the file is not a regular one, too large, in another encoding, or no CSV; the message names the line. The
        iterator raises it, too.
    OSError
        If the file cannot be read.
    """
    lines = read_lines(path, max_line=max_line)
    first, skipped = _first_row(lines)
    if named := _SEP.fullmatch(first):
        delimiter = named[1] or named[2]
        first, more = _first_row(lines)
        skipped += 1 + more
    else:
        delimiter = max(_DELIMITERS, key=_QUOTED.sub("", first).count)
    rows = _read_rows(path, csv.reader(chain([first], lines), delimiter=delimiter, strict=True), skipped)
    columns = next(rows, (1, []))[1]
    return [name.strip().lower() for name in columns], rows


def _first_row(lines: Iterator[str]) -> tuple[str, int]:
    """Return the first line that is not an empty row, and the number of lines before it."""
    return next(((line, number) for number, line in enumerate(lines) if line.strip(_EMPTY)), ("", 0))


def _read_rows(path: Path, reader: Iterator[list[str]], skipped: int) -> Iterator[tuple[int, list[str]]]:
    while True:
        line = reader.line_num + skipped + 1  # type: ignore[attr-defined]  # as a csv.reader has
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise NotCsv(f"{path}, line {line}: not a CSV file: {error}") from None
        if cells is None:
            return
        if any(cells) or len(cells) == 1:  # a table of one column may have empty cells
            yield line, cells


def refuse_repeated(path: Path, columns: Sequence[str], used: Iterable[str]) -> None:
    """Refuse a table that has a column twice that is read: nothing says which of them is meant.

    Raises
    ------
    BtferError
        If one of the `used` names is that of several columns.
    """
    if twice := [name for name in used if columns.count(name) > 1]:
        raise BtferError(f"{path}: the header has {', '.join(twice)} twice; remove or rename one")


def as_mapping(columns: Sequence[str], cells: Sequence[str]) -> dict[str, str]:
    """Return the cells of a row by column; missing cells are empty, further ones are left out."""
    return dict(zip(columns, chain(cells, [""] * (len(columns) - len(cells))), strict=False))
