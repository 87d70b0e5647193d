"""What a command is about to write: recorded before it begins, forgotten when the rows that name it are committed."""

import sqlite3
from dataclasses import dataclass

from btfer_builder.catalog.catalog import Catalog, now

#: Stands for the views and the log of the catalog while they may still have what was erased from its tables.
ERASED = "manifests"


@dataclass(frozen=True, slots=True)
class Intention:
    """A file or folder that a command began to write: its path, and the stage whose lock the writer held."""

    path: str
    stage: str


def intend(catalog: Catalog, stage: str, *paths: str) -> None:
    """Commit that the holder of a stage's lock is about to write files or folders."""
    with catalog.transaction() as db:
        record(db, stage, *paths)


def record(db: sqlite3.Connection, stage: str, *paths: str) -> None:
    """Record intentions in a transaction."""
    db.executemany(
        "INSERT OR REPLACE INTO intentions VALUES (?, ?, ?)", [(path, stage, now()) for path in paths]
    )


def fulfil(db: sqlite3.Connection, *paths: str) -> None:
    """Forget intentions, in the transaction that commits what they led to."""
    db.executemany("DELETE FROM intentions WHERE path = ?", [(path,) for path in paths])


def is_intended(catalog: Catalog, path: str) -> bool:
    """Return whether a command began to write this and has not recorded it."""
    return bool(catalog.value("SELECT 1 FROM intentions WHERE path = ?", path))


def intentions(catalog: Catalog) -> list[Intention]:
    """Return what commands began to write and have not recorded."""
    return [Intention(*row) for row in catalog.rows("SELECT path, stage FROM intentions ORDER BY path")]
