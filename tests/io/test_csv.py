"""A CSV cell is read back as it was written, and no spreadsheet runs it."""

import csv
import os
import subprocess
import sys

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from btfer_builder.errors import BtferError
from btfer_builder.io.csv import FORMULA_STARTS, as_mapping, read_csv, unescape_cell, write_csv


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
@example(["＝1+1", "＋1", "－1", "＠SUM(1)", "\n=1", "\r=1", "\t=1"])
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


def rows_of(path):
    columns, rows = read_csv(path)
    return columns, list(rows)


@pytest.mark.parametrize(
    "content",
    [
        b"a,b\n1,x\n",
        b"a;b\r\n1;x\r\n",
        b"a\tb\r1\tx\r",
        b"a|b\n1|x",
        b" a , b \n1,x\n",
        b"\xef\xbb\xbfa,b\n1,x\n",
        "a,b\n1,x\n".encode("utf-16"),
        "a;b\n1;x\n".encode("utf-16"),
        b"\xfe\xff" + "a,b\n1,x\n".encode("utf-16-be"),
        b'"a","b"\n"1","x"\n',
        b"A;B\n1;x\n",
        "a,b\n1,x\n".encode("utf-16-le"),
        "a\tb\n1\tx\n".encode("utf-16-be"),
    ],
)
def test_a_table_is_read_as_spreadsheets_save_it(tmp_path, content):
    (tmp_path / "t.csv").write_bytes(content)
    assert rows_of(tmp_path / "t.csv") == (["a", "b"], [(2, ["1", "x"])])


@pytest.mark.parametrize(
    ("content", "rows"),
    [
        (b"\r\n;;\r\na;b;\r\n1;x;\r\n;;\r\n;;\r\n", [(4, ["1", "x", ""])]),
        (b"\xef\xbb\xbf\n a;b;\n;;\n1;x;\n", [(4, ["1", "x", ""])]),
        (b'"sep=;"\r\n;;\r\na;b;\r\n1;x;\r\n', [(4, ["1", "x", ""])]),
        (b"sep=; \r\na;b;\r\n1;x;\r\n", [(3, ["1", "x", ""])]),
        (b"sep=\t\na\tb\t\n1\tx\t\n", [(3, ["1", "x", ""])]),
        (b"\t\t\ra\tb\t\r\t\t\r1\tx\t\r", [(4, ["1", "x", ""])]),
    ],
)
def test_empty_rows_and_columns_are_left_out(tmp_path, content, rows):
    (tmp_path / "t.csv").write_bytes(content)
    assert rows_of(tmp_path / "t.csv") == (["a", "b", ""], rows)


def test_a_table_of_one_column_may_have_empty_cells(tmp_path):
    write_csv(tmp_path / "t.csv", ["a"], [{"a": ""}, {"a": "x"}])
    assert rows_of(tmp_path / "t.csv") == (["a"], [(2, [""]), (3, ["x"])])


def test_the_first_line_may_name_the_delimiter(tmp_path):
    (tmp_path / "t.csv").write_text("sep=;\na;b,c\n\n1;2\n3\n", encoding="utf-8")
    columns, rows = rows_of(tmp_path / "t.csv")
    assert (columns, rows) == (["a", "b,c"], [(4, ["1", "2"]), (5, ["3"])])
    assert as_mapping(columns, ["3"]) == {"a": "3", "b,c": ""}
    assert as_mapping(columns, ["3", "4", "5"]) == {"a": "3", "b,c": "4"}
    (tmp_path / "t.csv").write_text('"size, weight, colour";b\n1;2\n', encoding="utf-8")
    assert rows_of(tmp_path / "t.csv") == (["size, weight, colour", "b"], [(2, ["1", "2"])])
    (tmp_path / "t.csv").write_bytes(b"")
    assert rows_of(tmp_path / "t.csv") == ([], [])


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'a,b\n1,"x\ny', "line 2: not a CSV file"),
        (b'a,b\n1,x\n2,"x"y\n', "line 3: not a CSV file"),
        (b"a,b\n1,x\n2,caf\xe9\n", "line 3: not UTF-8"),
        ("a,b\n1,".encode("utf-16") + b"\x00", "line 2: not UTF-16"),
        (b"a\n" + b'"' + b"x\n" * 100_000, "line 2: not a CSV file: field larger"),
    ],
)
def test_what_is_no_table_is_said_with_its_line(tmp_path, content, said):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(BtferError, match=said):
        rows_of(tmp_path / "t.csv")


@settings(deadline=None, max_examples=100)
@given(st.lists(st.one_of(text, nasty), min_size=1, max_size=6))
def test_what_was_written_is_read(scratch, cells):
    write_csv(scratch, ["n", "cell"], [{"n": n, "cell": cell} for n, cell in enumerate(cells)])
    columns, rows = read_csv(scratch)
    assert [unescape_cell(as_mapping(columns, row)["cell"]) for _, row in rows] == cells
