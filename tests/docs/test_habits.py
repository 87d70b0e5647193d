"""What developers and users read about the project agrees with the code."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

import btfer_builder

ROOT = Path(__file__).resolve().parents[2]
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
#: Parts of paths in CONTRIBUTING that stand for a name of the new thing.
PLACEHOLDERS = re.compile("NAME|FAMILY|TAG")


@pytest.mark.parametrize(
    "thing",
    [
        "search engine", "language", "dataset layout", "network", "model format", "metric", "review reason",
        "public column of a release",
    ],
)  # fmt: skip
def test_contributing_has_the_steps_to_add(thing):
    _, _, steps = CONTRIBUTING.partition(f"\n**A {thing}**\n\n")
    assert steps.startswith("1. `")
    assert "\nRun `pytest tests/" in steps.partition("\n**")[0]


def test_every_path_in_contributing_exists():
    named = re.findall(r"`((?:btfer_builder|tests|docs|queries|benchmarks)/[\w./-]*)`", CONTRIBUTING)
    named += [path for line in re.findall(r"`pytest ([^`]+)`", CONTRIBUTING) for path in line.split()]
    assert len(named) > 40
    missing = [path for path in named if not PLACEHOLDERS.search(path) and not (ROOT / path).exists()]
    assert missing == []
    folders = {str(Path(path).parent) for path in named if PLACEHOLDERS.search(path)}
    assert [folder for folder in folders if not (ROOT / folder).is_dir()] == []


def test_every_name_in_contributing_is_in_the_file_beside_it():
    steps = re.findall(r"^\d\. `([\w./]+\.py)`(.*(?:\n {3}.*)*)", CONTRIBUTING, re.MULTILINE)
    names = [(path, name) for path, text in steps for name in re.findall(r"`([A-Z]\w+)`", text)]
    assert ("btfer_builder/crawl/engines/__init__.py", "SEARCH_ENGINES") in names
    for path, name in names:
        if not PLACEHOLDERS.search(path):
            assert name in (ROOT / path).read_text(encoding="utf-8"), f"{path}: {name}"


def test_one_version_everywhere():
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["version"] == btfer_builder.__version__
    assert f"\n## [{btfer_builder.__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_supported_python_is_tested():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "ci.yml").read_text(encoding="utf-8"))
    tested = workflow["jobs"]["test"]["strategy"]["matrix"]["python"]
    assert project["requires-python"] == f">={tested[0]}"
    assert [step.get("run") for step in workflow["jobs"]["test"]["steps"]][-1] == "bash .ci/run"
    stated = [item.rpartition(" ")[2] for item in project["classifiers"] if "Python :: 3." in item]
    assert stated == tested


def test_every_import_in_the_docs_names_what_exists():
    imports = []
    for page in [*(ROOT / "docs").glob("*.md"), ROOT / "README.md"]:
        lines = re.findall(
            r"^from (btfer_builder[\w.]*) import (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE
        )
        imports += [
            (page.name, module, name) for module, names in lines for name in re.findall(r"\w+", names)
        ]
    assert len(imports) > 8
    missing = []
    for page_name, module, name in imports:
        folder = ROOT / module.replace(".", "/")
        file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
        if not file.is_file() or not re.search(rf"\b{name}\b", file.read_text(encoding="utf-8")):
            missing.append((page_name, module, name))
    assert missing == []
