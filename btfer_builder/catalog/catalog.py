"""Open the catalog, migrate its schema, and run transactions."""

import dataclasses
import os
import random
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from importlib.resources import files
from itertools import islice
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btfer_builder import __version__
from btfer_builder.catalog.backup import back_up, connect_read_only
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import is_disk_full
from btfer_builder.io.json import json_text
from btfer_builder.reasons import REASONS

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

#: One script for each schema version, applied in order; `user_version` of a catalog counts those it has had.
MIGRATIONS = tuple(
    sorted(f.name for f in (files(__package__) / "migrations").iterdir() if f.name.endswith(".sql"))
)

#: Seconds to wait for another process that writes.
BUSY_SECONDS = 60

#: Seconds that a takedown waits for programs that read the catalog, which keep its log from being emptied.
CHECKPOINT_SECONDS = 10.0
#: Errors that say nothing about the file: another process keeps it locked, or the disk is full.
_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL}

#: Maximum cache of a connection: room for the indexes that joins in a large catalog use.
CACHE_KIB = 65536

#: Tables that a catalog without data may have rows in.
_NO_FACTS = {"consensus", "runs", "engine_requests", "item_counts", "csv_views"}

#: Tables whose rows may have a reason, and the stage whose reasons these are.
_STAGE_OF = {
    "fetches": "crawl",
    "hashes": "dedupe",
    "dedupes": "dedupe",
    "face_hashes": "dedupe",
    "face_dedupes": "dedupe",
    "crops": "crop",
    "faces": "crop",
    "decisions": "review",
    "undrawn": "sample",
}


class Catalog:
    """The SQLite file of a workspace, in WAL mode: readers never block, and `kill -9` loses nothing committed.

    It can be shared between threads: each has its own connection.

    Parameters
    ----------
    path
        The file; it is created if it does not exist.

    Raises
    ------
    BtferError
        If the file is not a catalog, or was written by a newer version.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._local = threading.local()
        #: Whether the file system is read-only: then nothing can be recorded, and all that is there can be read.
        self.read_only = path.is_file() and not os.access(path.parent, os.W_OK)
        try:
            self._check_kind()
            self._migrate()
        except sqlite3.DatabaseError as error:
            if is_disk_full(path.parent):  # SQLite calls it an I/O error
                raise BtferError(f"{path}: the disk is full; free space and run the command again") from None
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_READONLY:
                raise BtferError(f"{path} or its folder is write-protected; make both writable") from None
            if error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_CANTOPEN:
                raise BtferError(
                    f"{path} cannot be opened or made; it must be a file you may read, in a folder you may write"
                ) from None
            if error.sqlite_errorcode & 0xFF in _PASSING:
                raise BtferError(f"{path}: {error}; nothing was changed, run the command again") from None
            raise BtferError(
                f"{path}: not a usable catalog: {error}; restore it from a backup with btfer catalog restore BACKUP"
            ) from None

    @property
    def connection(self) -> sqlite3.Connection:
        """The connection of this thread, in autocommit mode; write only in a `transaction`."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            if self.read_only:
                connection = connect_read_only(self.path)
            else:
                connection = sqlite3.connect(self.path, isolation_level=None, timeout=BUSY_SECONDS)
                # While another program makes the catalog, it fails at once.
                _execute_with_retries(connection, "PRAGMA journal_mode = WAL")
            connection.row_factory = sqlite3.Row
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA recursive_triggers = ON")  # REPLACE then fires the DELETE triggers
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(
                "PRAGMA secure_delete = ON"
            )  # what is deleted is overwritten: it may be a person's
            connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
            self._local.connection = connection
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Commit everything in the block or nothing; other writers wait.

        Raises
        ------
        BtferError
            If the disk is full or another process keeps the catalog locked.
        """
        if self.read_only:
            raise BtferError(
                f"{self.path}: the folder is read-only, nothing can be recorded; make it writable"
            )
        connection = self.connection
        try:
            _execute_with_retries(connection, "BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                if connection.in_transaction:  # a full disk ends it
                    connection.execute("ROLLBACK")
                raise
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise BtferError(
                f"{self._full(error) or self.path}: {error}; nothing of this step was recorded, run it again"
            ) from None

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let all questions in the block see the same state, whatever others commit meanwhile.

        What the block wrote with `keep` is committed if nobody else has written since it began.
        """
        connection = self.connection
        if connection.in_transaction:
            yield
            return
        connection.execute("BEGIN")
        try:
            yield
        finally:
            try:
                if connection.in_transaction:  # a full disk ends it
                    connection.execute("COMMIT")
            except sqlite3.OperationalError:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")

    def keep(self, sql: str, rows: Iterable[Sequence[object]]) -> None:
        """Write what can be derived again, all or none of it; call it in the `snapshot` that it is derived from.

        SQLite refuses to write on an older state than the present one. The disk may also be full, or the catalog
        write-protected.
        """
        connection = self.connection
        connection.execute("SAVEPOINT kept")
        try:
            connection.executemany(sql, rows)
        except sqlite3.OperationalError:
            if connection.in_transaction:
                connection.execute("ROLLBACK TO kept")
        if connection.in_transaction:
            connection.execute("RELEASE kept")

    def _full(self, error: sqlite3.OperationalError) -> str:
        """Return the folder that is full if it is not the catalog's: SQLite sorts in temporary files."""
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL:
            return ""
        here, temporary = self.path.parent, Path(os.environ.get("SQLITE_TMPDIR") or tempfile.gettempdir())
        free = [shutil.disk_usage(folder).free for folder in (here, temporary)]
        return f"{temporary} (temporary files)" if free[0] > free[1] else ""

    def rows(self, sql: str, *parameters: object) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        return self.connection.execute(sql, parameters).fetchall()

    def value(self, sql: str, *parameters: object) -> Any:  # noqa: ANN401 - any column
        """Return the first column of the first row, or None."""
        row = self.connection.execute(sql, parameters).fetchone()
        return None if row is None else row[0]

    @contextmanager
    def run(self, command: str, recipe: object) -> Iterator[dict[str, Any]]:
        """Record the run of a stage: command, recipe, and how it ended.

        Yields
        ------
        dict
            The counts, which the stage fills in.
        """
        import msgspec

        counts: dict[str, Any] = {}
        settings = json_text(msgspec.to_builtins(recipe), sort_keys=True)
        with self.transaction() as db:
            run_id = db.execute(
                "INSERT INTO runs (command, recipe, version, started_at) VALUES (?, ?, ?, ?)",
                (command, settings, __version__, now()),
            ).lastrowid
        outcome = "failed"
        try:
            yield counts
            outcome = "done"
        except KeyboardInterrupt:
            outcome = "interrupted"
            raise
        finally:
            with self.transaction() as db:
                db.execute(
                    "UPDATE runs SET ended_at = ?, outcome = ?, counts = ? WHERE run_id = ?",
                    (now(), outcome, json_text(counts, sort_keys=True), run_id),
                )

    def _check_kind(self) -> None:
        """Refuse the database of another program before anything is written to it."""
        if self.read_only or not self.path.is_file():
            return
        uri = f"{self.path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)) as db:
            # One statement: another process may be creating the catalog.
            version, tables = db.execute(
                "SELECT user_version, (SELECT count(*) FROM sqlite_master) FROM pragma_user_version"
            ).fetchone()
        if tables and version <= 0:
            raise BtferError(
                f"{self.path} is not a catalog of btfer; restore it from a backup with btfer catalog restore BACKUP"
            )

    def empty_log(self) -> bool:
        """Write the log into the file and cut it to nothing, so that no old page of it is left.

        Returns
        -------
        bool
            False if another program was reading the catalog for `CHECKPOINT_SECONDS`, so that the log had to stay.
        """
        deadline = time.monotonic() + CHECKPOINT_SECONDS
        self.connection.execute("PRAGMA busy_timeout = 0")
        try:
            while self.value("PRAGMA wal_checkpoint(TRUNCATE)"):  # its first column: whether it was refused
                if time.monotonic() > deadline:
                    return False
                time.sleep(0.05)
            return True
        finally:
            self.connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")

    def _migrate(self) -> None:
        version = self.value("PRAGMA user_version")
        if version > len(MIGRATIONS):
            raise BtferError(
                f"{self.path} was written by a newer btfer (schema {version}, this one knows "
                f"{len(MIGRATIONS)}); update btfer-builder"
            )
        if version == len(MIGRATIONS):
            return
        if self.read_only:
            raise BtferError(
                f"{self.path}: the folder is read-only, and the catalog is of an older btfer; make it writable"
            )
        if version:
            back_up(self.connection, self.path.parent / "backups")
        views = self.rows("SELECT name FROM sqlite_master WHERE type = 'view'")
        folder = files(__package__)
        scripts = [folder / "migrations" / name for name in MIGRATIONS[version:]] + [folder / "views.sql"]
        statements = [f"DROP VIEW {view['name']};" for view in views]
        statements += [script.read_text(encoding="utf-8") for script in scripts]
        # executescript commits by itself, so the migration is one explicit transaction. A second process that
        # migrates at the same time finds the version already there.
        try:
            self.connection.executescript(
                f"BEGIN IMMEDIATE; {' '.join(statements)} PRAGMA user_version = {len(MIGRATIONS)}; COMMIT;"
            )
        except sqlite3.OperationalError:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            if self.value("PRAGMA user_version") < len(MIGRATIONS):
                raise


def holds_rows(path: Path) -> bool:
    """Return whether a file is a catalog with data. It is only read, and may be missing.

    The consensus rule and the runs of stages do not count: a new catalog may have them before any data.
    """
    if not path.is_file() or not path.stat().st_size:
        return False
    try:
        with closing(
            sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=BUSY_SECONDS)
        ) as db:
            tables = [row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
            facts = [name for name in tables if name not in _NO_FACTS and not name.startswith("sqlite_")]
            return any(db.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone() for name in facts)
    except sqlite3.DatabaseError:
        return True  # opening it reports what is wrong


def _execute_with_retries(connection: sqlite3.Connection, statement: str) -> None:
    """Execute a statement that needs a lock, retrying every few milliseconds; SQLite itself would soon wait 100 ms."""
    deadline = time.monotonic() + BUSY_SECONDS
    connection.execute("PRAGMA busy_timeout = 0")
    try:
        while True:
            try:
                connection.execute(statement)
            except sqlite3.OperationalError as error:
                busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                if not busy or time.monotonic() > deadline:
                    raise
                time.sleep(random.uniform(0.0005, 0.003))  # noqa: S311 - random, so that two processes do not retry in step
            else:
                return
    finally:
        connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")


def now() -> str:
    """Return the current time as ISO 8601 in UTC, in milliseconds."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def insert(
    db: sqlite3.Connection,
    table: str,
    rows: "Iterable[DataclassInstance]",
    *,
    verb: str = "INSERT",
    **extra: object,
) -> None:
    """Insert dataclass rows into a table whose columns are their fields.

    Parameters
    ----------
    db
        A connection inside a transaction.
    table
        The table. Fields that hold a tuple belong to another table and are left out.
    rows
        Dataclass instances of one type.
    verb
        `INSERT`, `INSERT OR IGNORE` or `INSERT OR REPLACE`.
    extra
        Further columns, the same for all rows.
    """
    rows = list(rows)
    if not rows:
        return
    if table in _STAGE_OF:
        given = {row.reason for row in rows}  # type: ignore[attr-defined]  # as the rows of these tables do
        if unknown := given - {None, *REASONS[_STAGE_OF[table]]}:
            raise ValueError(f"{table}: {sorted(unknown)} are not reasons of the stage {_STAGE_OF[table]}")
    fields = [f.name for f in dataclasses.fields(rows[0]) if not isinstance(getattr(rows[0], f.name), tuple)]
    columns = [*fields, *extra]
    sql = f"{verb} INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    db.executemany(sql, [(*(getattr(row, name) for name in fields), *extra.values()) for row in rows])


def replace_rows(
    db: sqlite3.Connection,
    table: str,
    key: str,
    rows: "Iterable[DataclassInstance]",
    where: str = "TRUE",
    *values: object,
) -> None:
    """Make rows the only ones of a table; those that are there already are not written again.

    Parameters
    ----------
    db
        A connection inside a transaction.
    table, key
        The table, and its column that tells rows apart.
    rows
        Dataclass instances of one type, whose fields are the columns.
    where, values
        Which rows of the table are replaced, and the values in this condition.
    """
    wanted = {getattr(row, key): row for row in rows}
    columns = [key, *(f.name for row in islice(wanted.values(), 1) for f in dataclasses.fields(row))]
    cells_of = attrgetter(*columns)
    there = db.cursor()
    there.row_factory = None
    gone = []
    for cells in there.execute(f"SELECT {', '.join(columns)} FROM {table} WHERE {where}", values):
        row = wanted.get(cells[0])
        if row is not None and cells == cells_of(row):
            del wanted[cells[0]]
        else:
            gone.append(cells[:1])
    db.executemany(f"DELETE FROM {table} WHERE {key} = ? AND {where}", [(*cells, *values) for cells in gone])
    insert(db, table, wanted.values())


def json_list(values: Iterable[str]) -> str:
    """Return values as the JSON list of a question that looks each of them up."""
    return json_text(sorted(set(values)))


def placeholders(values: Collection[object]) -> str:
    """Return the placeholders of an SQL list: `?, ?, ?` for three values."""
    return ", ".join("?" * len(values)) or "NULL"  # for `IN ()` SQLite scans the table
