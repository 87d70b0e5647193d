"""The page of all files agrees with the code, and its links with the pages."""

import ast
import re
from pathlib import Path

from btfer_builder.evaluate.conversions import Conversion, _csv
from btfer_builder.evaluate.metrics.power import from_model
from btfer_builder.evaluate.metrics.scores import wilson
from docs.make_files import CONVERSIONS, HISTORY, PAGE, areas, files_page

ROOT = Path(__file__).resolve().parents[2]


def test_the_page_is_made_from_the_code():
    assert PAGE.read_text(encoding="utf-8") == files_page(), "run: python -m docs.make_files"


def test_columns_that_are_listed_by_hand_are_those_that_are_written():
    assert tuple(_csv(Conversion(name="a"))) == CONVERSIONS
    tree = ast.parse((ROOT / "btfer_builder" / "training" / "results.py").read_text(encoding="utf-8"))
    epoch = next(node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == "Epoch")
    named = [node.target.id for node in epoch.body if isinstance(node, ast.AnnAssign)]
    assert tuple(named) == HISTORY


def test_a_path_is_matched_by_its_form():
    (workspace,) = [area for area in areas() if area.title == "A workspace"]
    (face,) = [file for file in workspace.files if file.path.startswith("data/faces")]
    assert face.matches("data/faces/ab/abcdef0123456789.png")
    assert not face.matches("data/faces/abcdef0123456789.png")
    assert not face.matches("data/faces/ab/abcdef0123456789.jpg")


def test_every_page_is_on_the_index_and_every_link_of_it_leads_to_a_page():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    linked = re.findall(r"\]\(([\w-]+)\.md(?:#[\w-]+)?\)", index)
    assert set(linked) == {path.stem for path in (ROOT / "docs").glob("*.md")} - {"index"}


def test_the_table_of_intervals_is_computed():
    page = (ROOT / "docs" / "why-intervals.md").read_text(encoding="utf-8")
    rows = re.findall(
        r"^\| ([\d,]+) \| (\d+) \| ([\d.]+)–([\d.]+) % \| ([\d.]+) points \|$", page, re.MULTILINE
    )
    assert len(rows) == 4
    for faces, each, low, high, points in rows:
        n = int(faces.replace(",", ""))
        interval, smallest = wilson(round(0.6 * n), n), from_model(0.6, n)
        assert n == 7 * int(each)
        assert smallest is not None
        assert [low, high] == [f"{100 * bound:.1f}" for bound in interval]
        assert points == f"{100 * smallest:.1f}"
