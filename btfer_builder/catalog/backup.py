"""Copies of the catalog: taken while it is in use, checked, and decisions read back from their CSV view."""

import csv
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import open_atomic, sync_files
from btfer_builder.io.csv import unescape_cell
from btfer_builder.labels import EMOTIONS
from btfer_builder.reasons import REASONS

#: Backups in the workspace's folder; the oldest makes room for a new one.
KEEP = 5

#: The columns of `decisions.csv`, as its view writes them.
_DECISION = (
    "decision_id", "item_id", "kind", "emotion", "verdict", "reason", "reviewer", "undoes", "decided_at", "adjudicates",
)  # fmt: skip


def back_up(connection: sqlite3.Connection, folder: Path) -> Path:
    """Copy the catalog into a folder under the present time, delete the oldest backups there, and return the copy."""
    moment = datetime.now(UTC).strftime("%Y%m%dT%H%M%S%fZ")
    target = folder / f"btfer-{moment}.sqlite"
    copy_catalog(connection, target)
    for old in sorted(folder.glob("btfer-*Z.sqlite"))[:-KEEP]:
        old.unlink(missing_ok=True)
    return target


def copy_catalog(connection: sqlite3.Connection, target: Path) -> None:
    """Copy the catalog with what its log holds to a file, whole or not at all, while other programs go on.

    Raises
    ------
    BtferError
        If the disk is full or the folder cannot be written.
    """
    try:
        with open_atomic(target) as file, closing(sqlite3.connect(file.name)) as copy:
            connection.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")  # one file, without a log beside it
    except sqlite3.OperationalError as error:
        raise BtferError(f"{target}: the catalog cannot be copied there: {error}") from None
    sync_files([target])


def problems_of(path: Path) -> list[str]:
    """Return what is wrong with a catalog's file: nothing, or SQLite's words. The file is only read."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            found = [row[0] for row in db.execute("PRAGMA integrity_check(20)") if row[0] != "ok"]
            if not db.execute("SELECT 1 FROM sqlite_master WHERE name = 'candidates'").fetchone():
                found.append("it is not a catalog of btfer")
            elif orphans := len(db.execute("PRAGMA foreign_key_check").fetchall()):
                found.append(f"{orphans} rows refer to rows that do not exist")
            return found
    except sqlite3.DatabaseError as error:
        return [str(error)]


def has_items(path: Path, ids: Collection[str]) -> bool:
    """Return whether a copy of the catalog has rows of these images or faces; a damaged one may have them."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as db:
            known = db.execute("SELECT image_id FROM images UNION ALL SELECT face_id FROM faces")
            return any(row[0] in ids for row in known)
    except sqlite3.DatabaseError:
        return True


def read_decisions(path: Path) -> Iterator[dict[str, object]]:
    """Yield the rows of a `decisions.csv` as the catalog holds them.

    Raises
    ------
    BtferError
        If the file cannot be read, or a row is not one that btfer writes.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file):
                yield _decision(row)
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError, TypeError) as error:
        raise BtferError(f"{path}: not a table of decisions that btfer writes ({error!r})") from None


def _decision(row: Mapping[str, str]) -> dict[str, object]:
    cells: dict[str, str | None] = {name: unescape_cell(row[name]) or None for name in _DECISION}
    if cells["emotion"] not in {None, *EMOTIONS} or cells["reason"] not in {None, *REASONS["review"]}:
        raise ValueError(f"decision {cells['decision_id']}: {cells['emotion']!r}, {cells['reason']!r}")
    return {
        name: int(cell) if cell and name in {"decision_id", "undoes", "adjudicates"} else cell
        for name, cell in cells.items()
    }


def add_missing_decisions(db: sqlite3.Connection, rows: Iterator[dict[str, object]]) -> int:
    """Insert the decisions that the catalog lacks under their own numbers, and return how many they were.

    Raises
    ------
    BtferError
        If a number has another decision in the catalog.
    """
    known = {row["decision_id"]: row for row in db.execute("SELECT * FROM decisions")}
    added = 0
    for row in sorted(rows, key=lambda row: int(str(row["decision_id"]))):
        if mine := known.get(row["decision_id"]):
            if any(mine[name] != row[name] for name in ("item_id", "kind", "verdict", "reviewer")):
                raise BtferError(
                    f"decision {row['decision_id']} is another one in the catalog: the table is not from this workspace"
                )
            continue
        try:
            db.execute(
                f"INSERT INTO decisions ({', '.join(_DECISION)}) VALUES ({', '.join('?' * len(_DECISION))})",
                [row[name] for name in _DECISION],
            )
        except sqlite3.IntegrityError as error:
            raise BtferError(f"decision {row['decision_id']}: {error}") from None
        added += 1
    return added


#: The columns of a tombstone but its number.
_TOMBSTONE = ", ".join(
    (
        "url_sha256", "image_id", "face_id", "phash", "phash_mirrored", "phash_256", "phash_256_mirrored", "parts",
        "taken_down_at", "reason",
    )
)  # fmt: skip


def add_missing_tombstones(db: sqlite3.Connection, other: sqlite3.Connection) -> int:
    """Insert the tombstones of another catalog that this one lacks, and return how many they were."""
    known = {tuple(row) for row in db.execute(f"SELECT {_TOMBSTONE} FROM tombstones")}
    new = [
        row for row in map(tuple, other.execute(f"SELECT {_TOMBSTONE} FROM tombstones")) if row not in known
    ]
    db.executemany(f"INSERT INTO tombstones ({_TOMBSTONE}) VALUES ({', '.join('?' * 10)})", new)
    return len(new)


def add_missing_purged(db: sqlite3.Connection, other: sqlite3.Connection) -> None:
    """Insert what another catalog knows of files that `btfer purge` deleted."""
    rows = other.execute("SELECT kind, item_id, bytes, kept, purged_at FROM purged").fetchall()
    db.executemany("INSERT OR IGNORE INTO purged VALUES (?, ?, ?, ?, ?)", map(tuple, rows))
