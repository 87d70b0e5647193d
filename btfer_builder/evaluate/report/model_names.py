"""What models are called where several stand together, and the folders their reports go to."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.io.text import printable

#: Folder among the reports that the comparison of all of them is written to; no model's report goes there.
COMPARISON = "comparison"

#: Characters of a model's name that its folder keeps where digits are added: no file system takes long names.
KEPT = 60


def place_of(model: Model) -> Path:
    """Return where a model lies, in full and under its own name; a function's name as it is."""
    return Path(model.name) if model.name else model.path.parent.resolve() / model.path.name


def identity(model: Model) -> str:
    """Return what tells a model from all others: its file, links followed, or the function's name."""
    return model.name or str(model.path.resolve())


def distinct_names(places: Sequence[Path]) -> list[str]:
    """Name files after their paths' shortest ends that no other one shares.

    Parameters
    ----------
    places
        Full paths; the same one twice has the same name twice.

    Returns
    -------
    list of str
        `model.keras`; or `a/model.keras` where there is a `b/model.keras`. Unprintable characters are escaped.
    """
    names = []
    for place in places:
        others = {other.parts for other in places if other.name == place.name} - {place.parts}
        length = 1
        while any(other[-length:] == place.parts[-length:] for other in others):
            length += 1
        names.append(printable(Path(*place.parts[-length:]).as_posix()))
    return names


def report_folder(output: Path, model: Model) -> Path:
    """Make and return the folder of a model's report.

    It is named after the model. Where another model of that name has its report already, or the name is not to
    be had, eight digits of the path's hash are added, so a model evaluated again finds its own folder and never
    another's.
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
        return str(json.loads((folder / "metrics.json").read_bytes())["model_path"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError):
        return ""  # somebody's, though not to be told whose
