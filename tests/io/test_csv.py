"""A CSV cell is read back as it was written, and no spreadsheet runs it."""

import csv
import os
import subprocess
import sys

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from btfer_builder.io.csv import FORMULA_STARTS, unescape_cell, write_csv


def test_rows_that_fail_leave_the_earlier_table(tmp_path):
    path = tmp_path / "table.csv"
    write_csv(path, ["a"], [{"a": 1}])

    def rows():
        yield {"a": 2}
        raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_csv(path, ["a"], rows())
    assert [entry.name for entry in tmp_path.iterdir()] == ["table.csv"]
    assert path.read_text() == "a\n1\n"


#: SQLite, where every text comes from, takes no lone surrogates.
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
nasty = st.text(
    st.sampled_from([*FORMULA_STARTS, "'", '"', ",", "\n", "\r", "\0", " ", "ñ", "1", "A"]), max_size=8
)


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    return tmp_path_factory.mktemp("files") / "table.csv"


@settings(deadline=None, max_examples=250)
@given(st.lists(st.one_of(text, nasty), min_size=1, max_size=6))
@example(["=1+1", "'=1+1", "''=1+1", "'", "''", "'a", "-", "@x", "\t", "\r", "'\r"])
def test_any_text_is_read_back_and_no_spreadsheet_runs_it(scratch, cells):
    assert write_csv(scratch, ["n", "cell"], [{"n": n, "cell": cell} for n, cell in enumerate(cells)]) == len(
        cells
    )
    with scratch.open(encoding="utf-8", newline="") as file:
        read = [row["cell"] for row in csv.DictReader(file)]
    assert [unescape_cell(cell) for cell in read] == cells
    assert not any(cell.startswith(FORMULA_STARTS) for cell in read)
    for cell, shown in zip(cells, read, strict=True):
        if not cell.lstrip("'").startswith(FORMULA_STARTS):
            assert shown == cell  # nothing else is touched


@settings(deadline=None, max_examples=150)
@given(st.lists(st.one_of(text, nasty).filter(lambda cell: "\0" not in cell), min_size=1, max_size=6))
def test_any_text_is_read_back_by_pandas(scratch, cells):
    """Except NUL, at which pandas ends a cell."""
    write_csv(scratch, ["n", "cell"], [{"n": n, "cell": cell} for n, cell in enumerate(cells)])
    frame = pd.read_csv(scratch, dtype=str, keep_default_na=False)
    assert [unescape_cell(cell) for cell in frame["cell"]] == cells


def test_nothing_is_an_empty_cell_and_numbers_stay_numbers(tmp_path):
    write_csv(tmp_path / "t.csv", ["a", "b", "c"], [{"a": None, "b": -1, "c": 0.5}])
    assert (tmp_path / "t.csv").read_bytes() == b"a,b,c\r\n,-1,0.5\r\n"


def test_nothing_of_ours_depends_on_the_locale(tmp_path):
    script = f"""
from pathlib import Path
from btfer_builder.io.csv import write_csv
write_csv(Path({str(tmp_path / "t.csv")!r}), ["a"], [{{"a": "ni\\xf1a"}}])
"""
    subprocess.run(
        [sys.executable, "-X", "utf8=0", "-c", script], check=True, env=os.environ | {"LC_ALL": "C"}
    )
    assert (tmp_path / "t.csv").read_bytes() == "a\r\nniña\r\n".encode()
