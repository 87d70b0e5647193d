"""The page of benchmarks is made from the file of results, and every benchmark appends to it in one way."""

import ast
import csv
import datetime
import re
from pathlib import Path

import pytest

from benchmarks import record
from benchmarks.record import COLUMNS, FILE, Figure
from docs.make_benchmarks import PAGE, read_results, with_results

EMPTY = "# Page\n\n<!-- results -->\n<!-- end of results -->\n\nText.\n"
#: Modules of `benchmarks/` that others use and that measure nothing themselves.
SHARED = {"compose", "peers", "record"}


def row(**values: str) -> dict[str, str]:
    usual = {"date": "2026-11-23", "machine": "M", "commit": "abc", "benchmark": "hash", "figure": "hashing"}
    return dict.fromkeys(COLUMNS, "") | usual | {"unit": "×"} | values


def lines(*rows: dict[str, str]) -> list[str]:
    return [line for line in with_results(EMPTY, rows).splitlines() if line.startswith("| ")][1:]


def test_the_page_is_made_from_the_results():
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_results(page, read_results()), "run: make docs"


def test_every_row_states_when_where_and_what():
    rows = read_results()
    assert tuple(rows[0]) == COLUMNS
    for item in rows:
        assert datetime.date.fromisoformat(item["date"])
        assert re.fullmatch(r"([0-9a-f]{8}\+?)?", item["commit"])
        assert item["figure"]
        assert item["unit"]
        assert float(item["value"] or item["low"])
        assert re.fullmatch(r"([≥≤<>] [0-9.]+)?", item["goal"])
        assert (FILE.parent / f"{item['benchmark']}.py").is_file()


def test_several_runs_of_the_newest_day_are_side_by_side_and_misses_bold():
    old = row(date="2026-01-01", value="9.99")
    first = row(goal="≥ 3.5", value="3.57", low="3.0", high="4.0")
    second = row(goal="≥ 3.5", value="3.4", low="2.30", high="3.9", commit="def")
    (line,) = lines(first, old, second)
    assert line == "| hashing |  | ≥ 3.5× | 3.57×, **3.4×** (2.30–4.0) | 2026-11-23 |"


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ({"unit": "s", "value": "", "low": "0.2", "high": "0.4"}, "0.2–0.4 s"),
        ({"unit": "MB", "value": "1240", "goal": "≤ 1000"}, "**1,240 MB**"),
        ({"unit": "s", "value": "40", "goal": "≤ 40"}, "40 s"),
        ({"unit": "ms", "value": "20", "goal": "< 20"}, "**20 ms**"),
    ],
)
def test_a_figure_keeps_its_digits_and_unit(values, shown):
    assert lines(row(**values))[0].split(" | ")[3] == shown


def test_each_machine_has_a_table_of_its_own():
    page = with_results(
        EMPTY, [row(value="1"), row(machine="N", date="2027-01-01", value="2"), row(peer="p", value="3")]
    )
    first, second = page.split("Machine: ")[1:]
    assert first.startswith("M.\n")
    assert first.count("2026-11-23") == 2
    assert second.startswith("N.\n")
    assert "Text." in second


def test_figures_are_appended_with_date_machine_and_commit(tmp_path, monkeypatch):
    file = tmp_path / "results.csv"
    record.record("hash", [Figure(figure="a", value=3.5671, unit="×", peer="p", goal="≥ 3.5", low=2.0)], file)
    record.record(
        "hash", [Figure(figure="b", value=12345.6, unit="s"), Figure(figure="c", value=0.1, unit="s")], file
    )
    with file.open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(item["figure"], item["value"], item["low"], item["unit"]) for item in rows] == [
        ("a", "3.57", "2", "×"), ("b", "12346", "", "s"), ("c", "0.1", "", "s"),
    ]  # fmt: skip
    assert {item["date"] for item in rows} <= {str(datetime.datetime.now(datetime.UTC).date())}
    assert {item["machine"] for item in rows} == {record.machine()}
    assert {item["commit"] for item in rows} == {record.commit()}
    assert lines(*rows)[0].startswith("| a | p | ≥ 3.5× | 3.57× (2–2) |")


def test_outside_a_repository_the_commit_is_empty(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "FILE", tmp_path / "benchmarks" / "results.csv")
    (tmp_path / "benchmarks").mkdir()
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert record.commit() == ""


@pytest.mark.parametrize("path", sorted(FILE.parent.glob("*.py")), ids=lambda path: path.stem)
def test_every_benchmark_records_under_its_own_name(path: Path):
    if path.stem in SHARED:
        return
    calls = [
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    ]
    named = {getattr(call.func, "id", ""): call for call in calls}
    assert "add_option" in named
    assert ast.literal_eval(named["record"].args[0]) == path.stem
