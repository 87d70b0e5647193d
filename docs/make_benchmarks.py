"""Write the tables of docs/benchmarks.md out of benchmarks/results.csv: `make docs`."""

import csv
import operator
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from benchmarks.record import FILE

PAGE = Path(__file__).with_name("benchmarks.md")

Row = Mapping[str, str]

_TABLES = re.compile(r"(?<=<!-- results -->\n).*(?=<!-- end of results -->\n)", re.DOTALL)
_HEAD = "| what | peer | asked for | measured | on |\n|---|---|---|---|---|\n"
_COMPARE = {"≥": operator.ge, "≤": operator.le, "<": operator.lt, ">": operator.gt}


def read_results(file: Path = FILE) -> list[dict[str, str]]:
    """Return the rows of the file of results."""
    with file.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def with_results(page: str, rows: Iterable[Row]) -> str:
    """Return the page with a table for each machine: the newest figures of every subject there."""
    subjects: dict[str, dict[tuple[str, ...], list[Row]]] = {}
    for row in rows:
        subject = (row["benchmark"], row["figure"], row["peer"])
        subjects.setdefault(row["machine"], {}).setdefault(subject, []).append(row)
    tables = [
        f"Machine: {machine or 'not recorded'}.\n\n{_HEAD}{''.join(map(_line, of_machine.values()))}"
        for machine, of_machine in subjects.items()
    ]
    text, count = _TABLES.subn(lambda _: "\n" + "\n".join(tables) + "\n", page)
    if count != 1:
        raise ValueError(f"{PAGE.name} has {count} places for results; expected 1")
    return text


def _line(rows: list[Row]) -> str:
    """Return the line of one subject: every value of its newest day, those that miss the goal in bold."""
    day = max(row["date"] for row in rows)
    newest = [row for row in rows if row["date"] == day]
    last = newest[-1]
    unit = last["unit"]
    values = ", ".join(_value(row) for row in newest if row["value"])
    bounds = sorted((row[bound] for row in newest for bound in ("low", "high") if row[bound]), key=float)
    spread = f"{_number(bounds[0])}–{_number(bounds[-1])}" if bounds else ""
    measured = f"{values} ({spread})" if values and spread else values or _with_unit(spread, unit)
    goal = _with_unit(last["goal"], unit) if last["goal"] else ""
    return f"| {last['figure']} | {last['peer']} | {goal} | {measured} | {day} |\n"


def _value(row: Row) -> str:
    sign, _, limit = row["goal"].partition(" ")
    text = _with_unit(_number(row["value"]), row["unit"])
    return text if not sign or _COMPARE[sign](float(row["value"]), float(limit)) else f"**{text}**"


def _with_unit(text: str, unit: str) -> str:
    return f"{text}{unit}" if unit == "×" else f"{text} {unit}"


def _number(written: str) -> str:
    """Return the number as it was written, with commas from a thousand on."""
    return f"{float(written):,.0f}" if float(written) >= 1000 else written


if __name__ == "__main__":
    PAGE.write_text(with_results(PAGE.read_text(encoding="utf-8"), read_results()), encoding="utf-8")
