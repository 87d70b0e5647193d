"""The order of the rooms: no module imports from a later one, and there is no circle."""

import ast
import re
from graphlib import TopologicalSorter
from pathlib import Path

import btfer_builder

PACKAGE = Path(btfer_builder.__file__).parent

#: The rooms, ground first; those of one line may use each other as long as there is no circle.
ORDER = (
    {"errors", "reasons", "labels", "records"},
    {"io", "parallel", "images"},
    {"config"},
    {"queries"},
    {"catalog"},
    {"workspace"},
    {"reconcile", "recovery", "next_step"},
    {"crawl", "dedupe", "crop", "leakage", "review", "sample"},
    {"release", "build"},
    {"datasets", "networks"},
    {"evaluate", "training"},
    {"benchmark", "doctor"},
    {"api"},
    {"cli"},
    {"__main__"},
)
LEVEL = {room: level for level, rooms in enumerate(ORDER) for room in rooms}


def _modules() -> dict[str, Path]:
    paths = {path.relative_to(PACKAGE).with_suffix(""): path for path in PACKAGE.rglob("*.py")}
    return {".".join(name.parts).removesuffix(".__init__"): path for name, path in paths.items()}


def _imports() -> dict[str, set[str]]:
    """Return what each module imports of the package; lazy imports and those for types count."""
    modules = _modules()
    found: dict[str, set[str]] = {name: set() for name in modules}
    for name, path in modules.items():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("btfer_builder."):
                module = str(node.module).removeprefix("btfer_builder.")
                below = {f"{module}.{alias.name}" for alias in node.names} & modules.keys()
                found[name] |= below or {module}
    return found


def test_every_room_has_a_place_in_the_order():
    assert {name.split(".")[0] for name in _modules()} - {"__init__"} == set(LEVEL)


def test_no_module_imports_from_a_later_room():
    wrong = [
        f"{name} imports {other}"
        for name, others in _imports().items()
        if name != "__init__"
        for other in others
        if LEVEL[other.split(".")[0]] > LEVEL[name.split(".")[0]]
    ]
    assert wrong == []


def test_there_is_no_circle_of_rooms():
    rooms: dict[str, set[str]] = {}
    for name, others in _imports().items():
        room = name.split(".")[0]
        rooms.setdefault(room, set()).update({other.split(".")[0] for other in others} - {room})
    list(TopologicalSorter(rooms).static_order())


def test_there_is_no_circle_of_modules():
    list(TopologicalSorter(_imports()).static_order())


def test_the_page_of_the_architecture_names_files_that_exist():
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("## Where a new thing goes")[2].partition("## ")[0]
    named = re.findall(r"`([a-z_]+/[\w/.]*)`", table)
    assert len(named) > 5
    missing = [
        name for name in named if not any((root / name).exists() for root in (PACKAGE, PACKAGE.parent))
    ]
    assert missing == []
