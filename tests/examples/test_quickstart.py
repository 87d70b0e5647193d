"""The notebook runs from its first cell to its last, as in Jupyter: inside an event loop, and each result is shown."""

import ast
import asyncio
import json
from pathlib import Path

import pytest

from demo.pictures import LOOKS_LIKE

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "quickstart.ipynb"


@pytest.fixture(scope="module")
def cells() -> list[dict]:
    return json.loads(NOTEBOOK.read_text(encoding="utf-8"))["cells"]


def run_cell(source: str, names: dict) -> str:
    """Run a cell and return how its last expression is shown."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, str(NOTEBOOK), "exec"), names)
    if last is None:
        return ""
    value = eval(compile(ast.Expression(last.value), str(NOTEBOOK), "eval"), names)
    return value._repr_html_() if hasattr(value, "_repr_html_") else repr(value)


def test_the_notebook_runs(cells, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict = {"__name__": "__main__"}

    async def run() -> list[str]:
        return [run_cell("".join(cell["source"]), names) for cell in cells if cell["cell_type"] == "code"]

    shown = asyncio.run(run())
    assert names["ws"].funnel().loc["sample", ["in", "kept"]].tolist() == [14, 14]
    assert names["report"].n == 14
    assert names["comparison"].to_frame()["model"].tolist() == ["best_template", "always_happy"]
    assert any("accuracy" in text and "best_template" in text for text in shown)
    assert (tmp_path / "reports" / "best_template" / "report.html").is_file()


def test_nobody_is_in_the_set_and_in_the_templates(cells):
    names: dict = {}
    for cell in cells:
        source = "".join(cell["source"])
        if "people = {" in source or "others = {" in source:
            tree = ast.parse(source)
            assignments = [
                node
                for node in tree.body
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
            ]
            names |= {node.targets[0].id: ast.literal_eval(node.value) for node in assignments}
    for faces in names.values():
        assert all(set(numbers) <= set(LOOKS_LIKE[emotion]) for emotion, numbers in faces.items())
    in_set, in_templates = (
        {number for numbers in names[name].values() for number in numbers} for name in ("people", "others")
    )
    assert not in_set & in_templates


def test_the_notebook_holds_no_results_and_reads_well(cells):
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
    assert len(cells) - len(code) >= 8
    assert len({cell["id"] for cell in cells}) == len(cells)
