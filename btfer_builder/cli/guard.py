"""The last line of defence of every command: one line for an error, and a log of the run."""

import errno
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import click

from btfer_builder.cli.next_line import from_here
from btfer_builder.cli.output import echo
from btfer_builder.cli.run_log import RunLog
from btfer_builder.errors import line_of
from btfer_builder.io.terminal import reworded, silent
from btfer_builder.io.text import one_line
from btfer_builder.workspace import absolute

#: Exit code of an error of the program itself (EX_SOFTWARE of sysexits.h).
UNEXPECTED = 70


@contextmanager
def guard(directory: Path | None, *, quiet: bool = False, verbose: bool = False) -> Iterator[None]:
    """Turn an error within a command into one line and an exit code, and write the log of the run.

    Parameters
    ----------
    directory
        The workspace that was named, if any.
    quiet
        Show only results and errors.
    verbose
        Show versions, the traceback of an error, and where the log is.
    """
    log = RunLog(directory)
    here = partial(from_here, absolute(directory)) if directory else str
    if verbose:
        echo(f"{log.versions}; workspace {log.root}", err=True)
    try:
        with silent(quiet), reworded(here):
            yield
    except (KeyboardInterrupt, click.exceptions.Exit, click.Abort, click.ClickException, SystemExit) as end:
        log.end(type(end).__name__)
        raise
    except Exception as error:
        line, code = line_of(error), 1
        place = log.end(line or "unexpected error", error)
        if isinstance(error, OSError) and error.errno == errno.EPIPE:
            raise  # the reader of the output has gone; click ends quietly
        if line is None:
            code = UNEXPECTED
            said = f"unexpected {type(error).__name__}: {one_line(str(error))}"[:300]
            line = f"{said}. Nothing that was saved is lost" + (f"; details: {place}" if place else "")
        if verbose:
            echo("".join(traceback.format_exception(error)), err=True)
            _show_place(place)
        echo(f"Error: {here(line)}", err=True)
        sys.exit(code)
    else:
        place = log.end("done")
        if verbose:
            _show_place(place)


def _show_place(place: Path | None) -> None:
    if place is not None:
        echo(f"log: {place}", err=True)
