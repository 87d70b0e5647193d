"""Distinct names of models, and the folders of their reports."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.io.json import read_json
from btfer_builder.io.text import printable

#: Folder of the comparison of all reports; never the folder of a model's report.
COMPARISON = "comparison"

#: Characters of a model's name that its folder keeps where digits are added: file systems limit the length.
KEPT = 60


def place_of(model: Model) -> Path:
    """Return the absolute path of a model, links in its name not followed; for a function its name."""
    path = Path(model.where)
    return Path(model.name) if model.name else path.parent.resolve() / path.name


def identity(model: Model) -> str:
    """Return what identifies a model: its file, links followed, or the function's name."""
    return model.name or str(Path(model.where).resolve())


def distinct_names(places: Sequence[Path]) -> list[str]:
    """Name files by the shortest ends of their paths that are unique.

    Parameters
    ----------
    places
        Absolute paths; equal ones get equal names.

    Returns
    -------
    list of str
        `model.keras`; or `a/model.keras` where there is a `b/model.keras`. Unprintable characters are escaped.
    """
    names = []
    for path in places:
        others = {other.parts for other in places if other.name == path.name} - {path.parts}
        length = 1
        while any(other[-length:] == path.parts[-length:] for other in others):
            length += 1
        names.append(printable(Path(*path.parts[-length:]).as_posix()))
    return names


def report_folder(output: Path, model: Model) -> Path:
    """Create and return the folder of a model's report.

    It is named after the model. Where another model of that name has a report, or the name is reserved, eight digits
    of the path's hash are added, so a model that is evaluated again gets the same folder.
    """
    stem = model.stem
    folder = output / stem
    # A file called `...keras` has the stem `..`, which is a folder that exists.
    taken = stem.casefold() == COMPARISON or not stem.strip(".")
    if taken or _model_in(folder) not in {None, identity(model)}:
        digest = hashlib.sha256(identity(model).encode("utf-8", "surrogateescape")).hexdigest()[:8]
        folder = output / f"{stem[:KEPT].strip('.') or 'model'}-{digest}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _model_in(folder: Path) -> str | None:
    try:
        return str(read_json(folder / "metrics.json")["model_path"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (BtferError, ValueError, KeyError, TypeError):
        return ""  # of an unknown model
