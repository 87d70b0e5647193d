"""Import the user's own code, `package.module:name`, and find the files it consists of."""

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import first_line

#: Folders of installed packages: their code is named by its version, and the user did not write it.
_INSTALLED = frozenset({"site-packages", "dist-packages"})


def import_target(text: str) -> tuple[Any, Path]:
    """Import what `package.module:name` names, the user's own code; the current folder is on the import path.

    Returns
    -------
    target
        The object.
    source
        The file of its module.

    Raises
    ------
    BtferError
        If there is no such module or name, or its import fails.
    """
    module_name, _, name = text.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        target: Any = importlib.import_module(module_name)
        source = Path(getattr(target, "__file__", None) or f"{module_name}.py")
        for part in name.split("."):
            target = getattr(target, part)
    except (ImportError, AttributeError) as error:
        raise BtferError(
            f"{text}: cannot be imported ({first_line(error)}); expected package.module:callable, importable "
            "from here"
        ) from None
    except (Exception, SystemExit) as error:  # the module's own code runs
        raise BtferError(f"{text}: importing {module_name} fails: {first_line(error)}") from error
    return target, source


def source_files(module: str, source: Path) -> tuple[Path, ...]:
    """Return the files of a module: its own, those of its packages, and all that these import from the same place.

    Files are found by the names in their import statements, so the answer does not depend on what is loaded. Installed
    packages are left out.

    Parameters
    ----------
    module
        Its dotted name.
    source
        Its file.
    """
    depth = module.count(".") + (source.name == "__init__.py")
    folders = source.absolute().parents
    root = folders[min(depth, len(folders) - 1)]
    if _INSTALLED & set(root.parts):
        return (source.absolute(),)
    found: list[Path] = []
    todo = [module]
    while todo:
        name = todo.pop()
        for file in _files_of(root, name):
            if file not in found:
                found.append(file)
                package = ".".join(file.relative_to(root).parent.parts)
                todo += _imports(file, package)
    return tuple(sorted(found))


def _files_of(root: Path, name: str) -> Iterator[Path]:
    """Yield the files that an import of a dotted name runs, as far as they lie below the root."""
    parts = name.split(".")
    for end in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:end])
        for file in (place / "__init__.py", place.with_name(f"{place.name}.py")):
            if file.is_file():
                yield file


def _imports(file: Path, package: str) -> Iterator[str]:
    """Yield the dotted names in the import statements of a file, with those that may be modules of a package."""
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError):  # it counts, whatever it imports
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            outer = package.split(".") if package and node.level else []
            outer = outer[: len(outer) - node.level + 1] if node.level else outer
            base = ".".join([*outer, *filter(None, [node.module])])
            yield from filter(None, [base])
            yield from (f"{base}.{each.name}".lstrip(".") for each in node.names if each.name != "*")
