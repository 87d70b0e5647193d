"""The last line of defence of every command: one line for an error, and a log of the run."""

import errno
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from btfer_builder.cli.output import echo
from btfer_builder.cli.run_log import RunLog
from btfer_builder.errors import BtferError
from btfer_builder.io.text import one_line

#: Exit code of an error of the program itself (EX_SOFTWARE of sysexits.h).
UNEXPECTED = 70

_RESTORE = "restore it from a backup with btfer catalog restore BACKUP"

#: What SQLite says of a file that is cut short or overwritten.
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FORMAT}


@contextmanager
def guard(directory: Path | None) -> Iterator[None]:
    """Turn an error within a command into one line and an exit code, and write the log of the run.

    Parameters
    ----------
    directory
        The workspace that was named, if any.
    """
    log = RunLog(directory)
    try:
        yield
    except (KeyboardInterrupt, click.exceptions.Exit, click.Abort, click.ClickException, SystemExit) as end:
        log.end(type(end).__name__)
        raise
    except Exception as error:
        line, code = _line(error), 1
        place = log.end(line or "unexpected error", error)
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            raise  # the reader of the output has gone; click ends quietly
        if line is None:
            code = UNEXPECTED
            said = f"unexpected {type(error).__name__}: {one_line(str(error))}"[:300]
            line = f"{said}. Nothing that was saved is lost" + (f"; details: {place}" if place else "")
        echo(f"Error: {line}", err=True)
        sys.exit(code)
    else:
        log.end("done")


def _line(error: Exception) -> str | None:
    """Return an error of a user, a file or the machine as one line; None for any other one."""
    match error:
        case BtferError():
            line = str(error)
        case sqlite3.Error():
            line = _line_of_sqlite(error)
        case OSError() if error.errno is not None:
            line = f"{error.filename}: {error.strerror}" if error.filename else f"{error.strerror}"
        case UnicodeEncodeError(reason="surrogates not allowed"):
            line = f"{error.object[:200]}: a name that is not UTF-8; rename the file or folder"
        case MemoryError():
            line = "not enough memory; close other programs, or use fewer --workers"
        case _:
            line = None
    return line


def _line_of_sqlite(error: sqlite3.Error) -> str | None:
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:
        return None
    if code & 0xFF == sqlite3.SQLITE_FULL:
        return "the disk is full; free space and run the command again. Nothing that was saved is lost"
    if code & 0xFF in _DAMAGED:
        return f"the catalog is damaged ({error}); {_RESTORE}"
    if isinstance(error, sqlite3.ProgrammingError):
        return None
    return f"the catalog cannot be used: {error}; run the command again, or {_RESTORE}"
