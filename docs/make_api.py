"""Write docs/api.md out of the docstrings of the public API: `make docs`."""

import ast
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import btfer_builder

PAGE = Path(__file__).with_name("api.md")

_START = """# Python API

What `import btfer_builder as bt` offers, made from the docstrings by `make docs`. The API does what the commands do,
returns tables as pandas DataFrames, and raises `bt.BtferError` for every problem that a user can solve. It
changes as [Semantic Versioning](https://semver.org/) says. The notebook `examples/quickstart.ipynb` shows it in use.

Keyword arguments are the settings of `btfer.toml`. One that is not given, or is `None`, keeps the value that the
workspace has; functions without a workspace take the default. A single value is a list of one, so `engine="folder"`
will do, and NumPy and pandas values are taken. An unknown setting is an error with the nearest name.
Messages and progress bars go to stderr; `progress=False` hides the bars.
"""

#: The parts of the page: their names, and what is said first.
_PARTS = {
    "Workspaces": ("create_workspace", "open_workspace", "Workspace", "ReviewPage"),
    "Faces and models": (
        "load_faces", "FaceSet", "evaluate", "Report", "compare", "Comparison", "recommend",
        "train", "convert", "compare_conversions", "list_networks", "list_layers",
    ),
    "Data sets and releases": (
        "import_dataset", "audit_datasets", "hash_images", "scan_release", "rebuild_release", "diff_releases",
    ),
    "The benchmark of the paper": (
        "benchmark", "plan_benchmark", "report_benchmark", "answer_questions", "published_results",
    ),
    "Errors and constants": ("BtferError", "EMOTIONS"),
}  # fmt: skip


#: The result of a function that is neither a DataFrame nor has a public name: its module and class.
RESULTS = {
    "Workspace.build": "build:BuildResult",
    "Workspace.next_step": "next_step:NextStep",
    "Workspace.leakage": "leakage.stage:LeakageResult",
    "Workspace.sample": "sample.stage:SampleResult",
    "Workspace.import_decisions": "review.decisions:ImportResult",
    "Workspace.agreement": "review.agreement:Agreement",
    "Workspace.release": "release.stage:ReleaseResult",
    "Workspace.takedown": "release.takedown.stage:Takedown",
    "Workspace.purge": "release.purge:Purge",
    "Workspace.recheck": "release.recheck:RecheckResult",
    "recommend": "evaluate.recommend:Recommendation",
    "compare_conversions": "evaluate.conversions:Conversions",
    "train": "training.results:Run",
    "audit_datasets": "datasets.audit:DatasetAudit",
    "import_dataset": "datasets.import_dataset:ImportResult",
    "hash_images": "leakage.hash_manifest:HashManifest",
    "scan_release": "release.audit:AuditResult",
    "rebuild_release": "release.rebuild:RebuildResult",
    "diff_releases": "release.diff:ReleaseDiff",
    "benchmark": "benchmark.outcome:Benchmark",
    "answer_questions": "benchmark.outcome:Answers",
}


def documented() -> Iterator[tuple[str, Any]]:
    """Yield every public name and every public method of a class, as `Workspace.crawl`, with its object."""
    for name in (name for names in _PARTS.values() for name in names):
        item = getattr(btfer_builder, name)
        yield name, item
        if inspect.isclass(item) and not issubclass(item, Exception):
            yield from ((f"{name}.{method}", value) for method, value in _methods(item))


def _methods(kind: type) -> Iterator[tuple[str, Any]]:
    """Yield the methods and properties of a class, in the order in which they are written, those of its bases first."""
    for base in reversed(kind.__mro__):
        if base.__module__.startswith("btfer_builder."):
            for name, value in vars(base).items():
                if not name.startswith("_") and (callable(value) or isinstance(value, property)):
                    yield name, value


def api_page() -> str:
    """Return the page."""
    parts = [_START]
    part_of = {names[0]: title for title, names in _PARTS.items()}
    for name, item in documented():
        if name in part_of:
            parts.append(f"## {part_of[name]}\n")
        parts.append(f"{'####' if '.' in name else '###'} `{name}`\n")
        if callable(item) and not inspect.isclass(item):
            parts.append(f"```python\n{name.rpartition('.')[2]}{_signature(item)}\n```\n")
        parts.append(_markdown(inspect.getdoc(item) or "") if name != "EMOTIONS" else _EMOTIONS)
    parts.append(_RESULTS)
    for function, place in RESULTS.items():
        parts += [f"### `{place.partition(':')[2]}`, of `{function}`\n", _result(place)]
    return "\n".join(parts)


_RESULTS = """## Results

What functions return beside DataFrames. `to_dict()` is what the command prints with `--json`.
"""


def _result(place: str) -> str:
    """Return the docstring of a class, then its other fields, properties and methods; read, since imports take long."""
    module, _, name = place.partition(":")
    path = Path(btfer_builder.__file__).parent / f"{module.replace('.', '/')}.py"
    kind = next(
        item
        for item in ast.parse(path.read_bytes()).body
        if isinstance(item, ast.ClassDef) and item.name == name
    )
    text = inspect.cleandoc(ast.get_docstring(kind) or "")
    _, _, attributes = text.partition("Attributes\n----------\n")
    names = [line for line in attributes.splitlines() if re.fullmatch(r"[\w, ]+", line) and line[0] != " "]
    explained = set(", ".join(names).split(", "))
    lines = []
    for item in kind.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            if item.target.id not in explained:
                lines.append(f"* `{item.target.id}` ({ast.unparse(item.annotation)})")
        elif isinstance(item, ast.FunctionDef) and not item.name.startswith("_"):
            call = "" if item.decorator_list else "()"  # a property has a decorator
            lines.append(f"* `{item.name}{call}`: {(ast.get_docstring(item) or '').splitlines()[0]}")
    end = "\n" if attributes else "\n\n"  # the list of attributes goes on
    return _markdown(text).rstrip() + end + "\n".join(lines) + "\n"


_EMOTIONS = f"The seven classes in alphabetical order, as everywhere: `{btfer_builder.EMOTIONS!r}`.\n"


def _signature(function: Any) -> str:  # noqa: ANN401 - any callable
    """Return the signature of a function, with its settings as `**settings`."""
    signature = inspect.signature(function)
    shown, settings, by_keyword = [], "", False
    for parameter in signature.parameters.values():
        keyword = parameter.kind is inspect.Parameter.KEYWORD_ONLY
        if keyword and parameter.annotation is inspect.Parameter.empty:
            settings = "**settings"
        elif parameter.name != "self":
            if keyword and not by_keyword:
                if not any(text.startswith("*") for text in shown):
                    shown.append("*")
                by_keyword = True
            shown.append(_parameter(parameter))
    returns = signature.return_annotation
    result = "" if returns in {inspect.Signature.empty, None} else f" -> {_annotation(returns)}"
    shown += [settings] if settings else []
    line = f"({', '.join(shown)}){result}"
    return line if len(line) <= 90 else "(\n    " + ",\n    ".join(shown) + f",\n){result}"


def _parameter(parameter: inspect.Parameter) -> str:
    star = "*" if parameter.kind is inspect.Parameter.VAR_POSITIONAL else ""
    default = "" if parameter.default is inspect.Parameter.empty else f" = {parameter.default!r}"
    return f"{star}{parameter.name}: {_annotation(parameter.annotation)}{default}"


def _annotation(annotation: Any) -> str:  # noqa: ANN401 - a type or its text
    """Return a type without the modules that its names are from."""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return re.sub(r"\b(?:\w+\.)+(?=[A-Z])", "", text)


def _markdown(text: str) -> str:
    """Return a numpydoc docstring as Markdown."""
    blocks = re.split(r"^(\w[\w ]*)\n-{3,}\n", text, flags=re.MULTILINE)
    lines = [blocks[0].strip(), ""]
    for title, body in zip(blocks[1::2], blocks[2::2], strict=True):
        lines.append(f"**{'Settings' if title == 'Other Parameters' else title}**\n")
        if title == "Examples":
            lines.append(f"```python\n{body.strip()}\n```\n")
        else:
            lines.append(_items(body) + "\n")
    return "\n".join(lines)


def _items(body: str) -> str:
    """Return the entries of a section as a list."""
    entries: list[str] = []
    for line in body.strip().splitlines():
        if line.startswith("    "):
            entries[-1] += f" {line.strip()}"
        elif line:
            name, _, kind = line.partition(" : ")
            names = ", ".join(f"`{part}`" for part in name.split(", "))
            entries.append(f"* {names}" + (f" ({kind})" if kind else "") + ":")
    return "\n".join(entries)


if __name__ == "__main__":
    PAGE.write_text(api_page(), encoding="utf-8")
