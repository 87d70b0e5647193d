"""The exceptions shown to users: one line with the problem and the next step."""

import sqlite3

_RESTORE = "restore it from a backup with btfer catalog restore BACKUP"

#: What SQLite says of a file that is cut short or overwritten.
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FORMAT}


class BtferError(Exception):
    """An error that is shown as one line; the command exits with 1.

    The message names the file or row, what was expected, and the next step.
    """


class UnsafeFile(BtferError):
    """A third-party file that refers to anything outside itself; raised before a loader opens it."""


def line_of(error: Exception) -> str | None:
    """Return an error of a user, a file or the machine as one line; None for any other one."""
    if isinstance(error, BtferError):
        return str(error)
    if isinstance(error, sqlite3.Error):
        return _line_of_sqlite(error)
    if isinstance(error, OSError) and error.errno is not None:
        return f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror}"
    if isinstance(error, UnicodeEncodeError) and error.reason == "surrogates not allowed":
        return f"{error.object[:200]}: a name that is not UTF-8; rename the file or folder"
    if isinstance(error, MemoryError):
        return "not enough memory; close other programs, or use fewer --workers"
    return None


def _line_of_sqlite(error: sqlite3.Error) -> str | None:
    code = getattr(error, "sqlite_errorcode", None)
    lacks_table = str(error).startswith("no such table")
    if lacks_table or (code is not None and code & 0xFF in _DAMAGED):
        return f"the catalog is damaged ({error}); {_RESTORE}"
    if code is not None and not isinstance(error, sqlite3.ProgrammingError):
        return f"the catalog cannot be used: {error}; run the command again, or {_RESTORE}"
    return None
