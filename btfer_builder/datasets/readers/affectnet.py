"""AffectNet (Mollahosseini et al. 2019): as its owners hand it out, or as class folders by number or name."""

import io
import math
from collections.abc import Iterator, Mapping
from itertools import chain
from pathlib import Path

import numpy as np
from numpy.lib import format as npy

from btfer_builder.datasets.readers.base import (
    Item,
    by_name,
    child,
    class_emotion,
    class_folders,
    find_file,
    inner_folder,
    name_key,
    plain_number,
    split_folders,
)
from btfer_builder.errors import BtferError
from btfer_builder.images.files import list_images
from btfer_builder.io.csv import as_mapping, read_csv
from btfer_builder.io.limits import read_bytes
from btfer_builder.labels import Emotion, SplitName

#: Class numbers of the dataset's readme; 7 to 10 (contempt, none, uncertain, no face) are not of the seven.
CLASSES: Mapping[str, Emotion | None] = {
    "0": "neutral",
    "1": "happy",
    "2": "sad",
    "3": "surprise",
    "4": "fear",
    "5": "disgust",
    "6": "angry",
    "7": None,
    "8": None,
    "9": None,
    "10": None,
}

#: The tables of the manually annotated set, and the splits that they list.
TABLES: dict[str, SplitName] = {"training.csv": "train", "validation.csv": "val"}

#: Columns of these tables in lower case; some copies lack the line with their names.
COLUMNS = (
    "subdirectory_filepath", "face_x", "face_y", "face_width", "face_height",
    "facial_landmarks", "expression", "valence", "arousal",
)  # fmt: skip

#: An annotation is one short text or number, with NumPy's header of 128 bytes.
_LARGEST_ANNOTATION = 1 << 16

#: Readers of the headers of NumPy's files, by version.
_HEADERS = {(1, 0): npy.read_array_header_1_0, (2, 0): npy.read_array_header_2_0}


def read(source: Path) -> Iterator[Item]:
    """Yield the pictures of AffectNet in any of its forms.

    Parameters
    ----------
    source
        A folder with `train_set` and `val_set`, each with `images/1.jpg` and `annotations/1_exp.npy`; one with
        `training.csv` and `validation.csv` and the manually annotated pictures, from which faces are cut by the
        boxes of the tables; or one with `train` and `val`, each with class folders 0 … 7 or by name.

    Raises
    ------
    BtferError
        If the folder has none of these forms, or a table is damaged.
    """
    root = inner_folder(source)
    splits = split_folders(root) if root.is_dir() else {}
    annotated = {folder: split for folder, split in splits.items() if child(folder, "annotations").is_dir()}
    if annotated:
        return chain.from_iterable(_annotated(folder, source, split) for folder, split in annotated.items())
    tables = {path: split for name, split in TABLES.items() if (path := find_file(source, name))}
    tables = {path: split for path, split in tables.items() if _is_table(path)}
    if tables:
        return _tabulated(source, tables)
    if not any(class_emotion(entry.name, CLASSES) for folder in splits for entry in folder.iterdir()):
        raise BtferError(
            f"{source}: has no train_set/annotations, training.csv or train/0 … train/7; "
            "name the folder that contains AffectNet's train and val"
        )
    return (
        item for folder, split in splits.items() for item in class_folders(folder, source, split, CLASSES)
    )


def _annotated(folder: Path, source: Path, split: SplitName) -> Iterator[Item]:
    annotations = by_name(child(folder, "annotations").iterdir())
    for path in list_images(child(folder, "images")).images:
        name = path.relative_to(source).as_posix()
        yield _labelled(name, split, _annotation(annotations.get(name_key(f"{path.stem}_exp.npy"))), path)


def _annotation(path: Path | None) -> str | None:
    """Return the class number in a file of NumPy; None if there is no such file, empty if it has no number.

    `numpy.load` is not used: it allocates what the header states, and also opens archives and pickles.
    """
    if path is None:
        return None
    try:
        file = io.BytesIO(read_bytes(path, _LARGEST_ANNOTATION))
        shape, _, dtype = _HEADERS[npy.read_magic(file)](file)
        if dtype.kind not in "iufU" or math.prod(shape) != 1:
            return ""
        return str(np.frombuffer(file.read(), dtype, count=1)[0])
    except OSError:
        return None
    except Exception:  # of a damaged header, whatever its parser raises
        return ""


def _tabulated(source: Path, tables: Mapping[Path, SplitName]) -> Iterator[Item]:
    # Paths are looked up among the files found, so one that leads out of the folder matches nothing.
    # They are hashes, and `read_csv` lowers the first line, which need not have names of columns.
    files = {"/".join(path.parts[-2:]).lower(): path for path in list_images(source).images}
    seen: set[tuple[SplitName, str]] = set()
    for table, split in tables.items():
        columns, rows = read_csv(table)
        if _is_path(columns[0]):
            rows, columns = chain([(1, columns)], rows), list(COLUMNS)
        for line, cells in rows:
            row = as_mapping(columns, cells)
            name = row[COLUMNS[0]].strip().replace("\\", "/")
            if (split, name) in seen:
                raise BtferError(f"{table}, line {line}: {name[:80]} is listed twice; keep one of the lines")
            seen.add((split, name))
            yield _labelled(
                name, split, row["expression"], files.get("/".join(name.lower().split("/")[-2:])), _box(row)
            )


def _is_table(path: Path) -> bool:
    try:
        columns, _ = read_csv(path)
    except (BtferError, OSError):
        return False
    return {COLUMNS[0], "expression"} <= set(columns) or (
        len(columns) == len(COLUMNS) and _is_path(columns[0])
    )


def _is_path(cell: str) -> bool:
    return "/" in cell or "\\" in cell


def _box(row: Mapping[str, str]) -> tuple[int, int, int, int] | None:
    texts = [row.get(column, "").strip().removesuffix(".0") for column in COLUMNS[1:5]]
    if not all(text.isascii() and text.isdecimal() and len(text) < 8 for text in texts):
        return None  # NULL: pictures in which no face was found
    left, top, width, height = map(int, texts)
    return (left, top, left + width, top + height) if width and height else None


def _labelled(
    name: str,
    split: SplitName,
    label: str | None,
    path: Path | None,
    box: tuple[int, int, int, int] | None = None,
) -> Item:
    number = plain_number(label or "")
    emotion = CLASSES.get(number)
    reason = (
        "missing_file" if label is None or path is None
        else None if emotion
        else "other_class" if number in CLASSES
        else "unknown_label"
    )  # fmt: skip
    return Item(name, split, number[:40], emotion, path or Path(), reason, box)
