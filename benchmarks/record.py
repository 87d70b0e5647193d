"""Append figures to `benchmarks/results.csv`, with the date, the machine and the commit they were measured on."""

import argparse
import csv
import os
import platform
import subprocess
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

FILE = Path(__file__).with_name("results.csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure.

    Attributes
    ----------
    figure
        What was measured; the same words in every run.
    peer
        What it is compared with; the value is then a ratio.
    goal
        What was asked for, as `≥ 3.5` or `≤ 40`; empty if nothing was.
    value, low, high
        The value (the median of the rounds), and the least and the greatest of the rounds. A value may be missing
        where only these are known.
    unit
        `×` for a ratio, else that of the three numbers.
    note
        What else one has to know.
    """

    figure: str
    peer: str = ""
    goal: str = ""
    value: float | str
    unit: str
    low: float | str = ""
    high: float | str = ""
    note: str = ""


#: The first columns of the file; those of `Figure` follow.
CONTEXT = ("date", "machine", "commit", "benchmark")
COLUMNS = (*CONTEXT, *(field.name for field in fields(Figure)))


def add_option(parser: argparse.ArgumentParser) -> None:
    """Add the option `--record`, for runs at full size on a machine that does nothing else."""
    parser.add_argument("--record", action="store_true", help="append the figures to benchmarks/results.csv")


def record(benchmark: str, figures: Iterable[Figure], file: Path = FILE) -> None:
    """Append figures; then `make docs` shows them in docs/benchmarks.md."""
    context = (datetime.now(UTC).date().isoformat(), machine(), commit(), benchmark)
    new = not file.exists()
    with file.open("a", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if new:
            writer.writerow(COLUMNS)
        for figure in figures:
            writer.writerow((*context, *map(_plain, astuple(figure))))


def machine() -> str:
    """Return processors, memory and system of this machine."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return f"{os.cpu_count()} × {_processor()}, {memory:.0f} GB, {platform.system()}"


def commit() -> str:
    """Return the commit of the working tree, with a `+` if files differ from it; empty outside a repository."""
    head = _git("rev-parse", "--short=8", "HEAD")
    changed = _git(
        "status", "--porcelain", "--untracked-files=no", "--", ".", f":!{FILE.parent.name}/{FILE.name}"
    )
    return f"{head}+" if head and changed else head


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _git(*arguments: str) -> str:
    done = subprocess.run(
        ["git", *arguments], cwd=FILE.parents[1], capture_output=True, text=True, check=False
    )
    return done.stdout.strip() if done.returncode == 0 else ""


def _plain(value: float | str) -> str:
    """Return a number with three significant digits."""
    if isinstance(value, str):
        return value
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.3g}"
