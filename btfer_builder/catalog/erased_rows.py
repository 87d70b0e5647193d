"""Take erased rows out of the CSV views, without writing the other rows again: a million of them take a minute."""

import csv
import io
import sqlite3
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from btfer_builder.catalog.catalog import Catalog
from btfer_builder.catalog.manifests import (
    candidate_rows,
    decisions_written,
    manifest_columns,
    write_manifests,
)
from btfer_builder.io.atomic import open_atomic
from btfer_builder.io.csv import csv_text, unescape_cell
from btfer_builder.io.json import json_text

#: The views of all photos and faces, and the columns by which a row belongs to one.
_LARGE = {
    "images": ("image_id",),
    "duplicates": ("image_id", "duplicate_of"),
    "faces": ("image_id", "face_id"),
    "candidates": ("url", "image_id"),
}
#: Between two rows, unless it is within quotes.
_END = b"\r\n"


@dataclass(frozen=True, slots=True)
class ErasedRows:
    """What is about to be erased, and whether the other rows of the CSV views stay as they are.

    Attributes
    ----------
    ids
        Images and faces.
    candidates
        For each address, the candidates found at it, in their order.
    alone
        Whether the views are those of the catalog, and no other row refers to one of these.
    """

    ids: frozenset[str]
    candidates: dict[str, tuple[int, ...]]
    alone: bool


def about_to_erase(catalog: Catalog, folder: Path, ids: Collection[str], urls: Collection[str]) -> ErasedRows:
    """Return what the views have of images, faces and addresses, before these are erased and a run begins."""
    found: dict[str, list[int]] = {url: [] for url in urls}
    rows = catalog.rows(
        """SELECT c.url, c.candidate_id FROM json_each(?) wanted CROSS JOIN candidates c ON c.url = wanted.value
           ORDER BY c.candidate_id""",
        json_text(sorted(urls)),
    )
    for url, candidate_id in rows:
        found[url].append(candidate_id)
    return ErasedRows(
        frozenset(ids),
        {url: tuple(candidate_ids) for url, candidate_ids in found.items()},
        decisions_written(catalog, folder) and not _unfinished(catalog) and not _referred_to(catalog, ids),
    )


def write_without(catalog: Catalog, folder: Path, erased: ErasedRows, there: Sequence[str]) -> None:
    """Write the CSV views `there` again after rows were erased.

    The large ones lose the rows of what was erased, or where that is not certain to be all, are written anew.
    """
    anew = [
        name for name in there if not (erased.alone and _cut(catalog, folder / f"{name}.csv", name, erased))
    ]
    write_manifests(catalog, folder, *anew)


def _unfinished(catalog: Catalog) -> bool:
    """Return whether the last run of a command has not ended well, so that views may lack what it committed."""
    return bool(catalog.value(
        """SELECT 1 FROM (SELECT outcome, max(run_id) FROM runs GROUP BY command)
           WHERE outcome IS NOT 'done' LIMIT 1"""
    ))  # fmt: skip


def _referred_to(catalog: Catalog, ids: Collection[str]) -> bool:
    """Return whether dedupe dropped another image or face for one of these."""
    return any(
        catalog.value(
            f"""SELECT 1 FROM json_each(?1) wanted CROSS JOIN {table} d ON d.duplicate_of = wanted.value
                WHERE d.{key} NOT IN (SELECT value FROM json_each(?1)) LIMIT 1""",
            json_text(sorted(ids)),
        )
        for table, key in (("dedupes", "image_id"), ("face_dedupes", "face_id"))
    )


def _cut(catalog: Catalog, path: Path, name: str, erased: ErasedRows) -> bool:
    """Write a view without the rows; return whether that is all there is to change."""
    if name == "decisions":  # they are never erased
        return True
    if name not in _LARGE:
        return False
    content = path.read_bytes()
    columns = manifest_columns(catalog, name)
    if not content.startswith(csv_text(columns, []).encode()):
        return False
    words = erased.ids | erased.candidates.keys()
    keys = [columns.index(key) for key in _LARGE[name]]
    places, cells = [], []
    for start, end in _rows_with(content, words):
        row = next(csv.reader(io.StringIO(content[start:end].decode(), newline="")))
        named = [unescape_cell(row[key]) for key in keys]
        if words.intersection(named):  # otherwise another cell has the word
            places.append((start, end))
            cells.append(named)
    texts: list[bytes] | None = [b""] * len(places)
    if name == "candidates":
        texts = _forgotten(catalog, erased, [url for url, _ in cells])
    if texts is None:
        return False
    if places:
        with open_atomic(path) as file, memoryview(content) as view:
            done = 0
            for (start, end), text in zip(places, texts, strict=True):
                file.write(view[done:start])
                file.write(text)
                done = end
            file.write(view[done:])
    return True


def _forgotten(catalog: Catalog, erased: ErasedRows, urls: Sequence[str]) -> list[bytes] | None:
    """Return the new rows of the candidates that had these addresses; None if the view had others than the catalog."""
    waiting = {url: list(candidate_ids) for url, candidate_ids in erased.candidates.items()}
    order = [waiting[url].pop(0) if waiting.get(url) else None for url in urls]
    if None in order or any(waiting.values()):
        return None
    columns, rows = candidate_rows(
        catalog, [candidate_id for candidate_id in order if candidate_id is not None]
    )
    return [_row_text(columns, rows[candidate_id]) for candidate_id in order if candidate_id is not None]


def _row_text(columns: Sequence[str], row: sqlite3.Row) -> bytes:
    return csv_text(columns, [row]).split("\r\n", 1)[1].encode()


def _rows_with(content: bytes, words: Collection[str]) -> list[tuple[int, int]]:
    """Return where the rows begin and end that have one of the words; their line breaks may be within quotes."""
    hits: set[int] = set()
    for word in words:
        at = content.find(text := word.encode())
        while at >= 0:
            hits.add(at)
            at = content.find(text, at + 1)
    rows: list[tuple[int, int]] = []
    counted = 0  # where a row begins: an even number of quotes is before it
    for hit in sorted(hits):
        if rows and hit < rows[-1][1]:
            continue
        start = content.rfind(_END, 0, hit) + len(_END)
        while content.count(b'"', counted, start) % 2:  # this line break is within quotes
            start = content.rfind(_END, 0, start - len(_END)) + len(_END)
        counted = start
        end = content.find(_END, hit) + len(_END)
        while content.count(b'"', start, end) % 2:
            end = content.find(_END, end) + len(_END)
        rows.append((start, end))
    return rows
