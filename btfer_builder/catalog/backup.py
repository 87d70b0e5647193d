"""Copies of the catalog: taken while it is in use, checked, and decisions read back from their CSV view."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import open_atomic, sync_files
from btfer_builder.io.csv import as_mapping, read_csv, unescape_cell
from btfer_builder.io.text import printable
from btfer_builder.labels import EMOTIONS
from btfer_builder.reasons import REASONS

#: Backups in the workspace's folder; the oldest makes room for a new one.
KEEP = 5

#: Longest number of a decision; SQLite's integers have 19 digits.
_DIGITS = 18

#: The columns of `decisions.csv`, as its view writes them.
_DECISION = (
    "decision_id", "item_id", "kind", "emotion", "verdict", "reason", "reviewer", "undoes", "decided_at", "adjudicates",
)  # fmt: skip
_NUMBERS = {"decision_id", "undoes", "adjudicates"}


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


def connect_read_only(path: Path) -> sqlite3.Connection:
    """Connect to a catalog on a read-only file system, where SQLite cannot make the files of its lock."""
    log = path.with_name(f"{path.name}-wal")
    if not log.is_file() or not log.stat().st_size:
        # Nobody can write the file, so it needs no lock.
        uri = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        return sqlite3.connect(uri, uri=True, isolation_level=None)
    # What is still in the log is read from a copy: SQLite would have to write beside it.
    with tempfile.TemporaryDirectory(prefix="btfer-") as folder:
        for file in (path, log):
            shutil.copyfile(file, Path(folder) / file.name)
        with closing(sqlite3.connect(Path(folder) / path.name)) as copy:
            connection = sqlite3.connect(":memory:", isolation_level=None)
            copy.backup(connection)
    return connection


def _reader(path: Path) -> sqlite3.Connection:
    if not os.access(path.parent, os.W_OK):
        return connect_read_only(path)
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)


def problems_of(path: Path) -> list[str]:
    """Return what is wrong with a catalog's file: nothing, or SQLite's words. The file is only read."""
    try:
        with closing(_reader(path)) as db:
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
    line = 1
    try:
        columns, rows = read_csv(path)
        for line, cells in rows:  # noqa: B007 - for the message
            yield _decision(as_mapping(columns, cells))
    except OSError as error:
        raise BtferError(f"{path}: cannot be read: {error.strerror}") from None
    except (KeyError, ValueError) as error:
        what = f"no column {error}" if isinstance(error, KeyError) else error
        raise BtferError(f"{path}, line {line}: not a table of decisions that btfer writes: {what}") from None


def _decision(row: Mapping[str, str]) -> dict[str, object]:
    cells: dict[str, str | None] = {name: unescape_cell(row[name]) or None for name in _DECISION}
    if cells["emotion"] not in {None, *EMOTIONS} or cells["reason"] not in {None, *REASONS["review"]}:
        raise ValueError(f"decision {cells['decision_id']}: {cells['emotion']!r}, {cells['reason']!r}")
    return {
        name: _decision_number(cell) if cell and name in {"decision_id", "undoes", "adjudicates"} else cell
        for name, cell in cells.items()
    }


def _decision_number(cell: str) -> int:
    if not cell.isascii() or not cell.isdigit() or len(cell) > _DIGITS:
        raise ValueError(f"{printable(cell[:30])!r} is not the number of a decision")
    return int(cell)


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
