"""FER2013 (Goodfellow et al. 2013): a CSV file with the columns emotion, pixels, Usage; one 48×48 image a row."""

import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from btfer_builder.datasets.readers.base import (
    Item,
    class_emotion,
    class_folders,
    find_file,
    inner_folder,
    numbered_folders,
    plain_number,
    split_folders,
)
from btfer_builder.errors import BtferError
from btfer_builder.io.csv import read_csv
from btfer_builder.labels import Emotion, SplitName

#: Class numbers of the dataset's README.
CLASSES: dict[str, Emotion] = {
    "0": "angry",
    "1": "disgust",
    "2": "fear",
    "3": "happy",
    "4": "sad",
    "5": "surprise",
    "6": "neutral",
}

#: Values of the column Usage.
USAGES: dict[str, SplitName] = {"Training": "train", "PublicTest": "val", "PrivateTest": "test"}

SIDE = 48

#: A row has at most 2304 numbers of three digits and a space each; longer lines are refused.
LONGEST = 16 * SIDE * SIDE


def read(source: Path) -> Iterator[Item]:
    """Yield the rows of `fer2013.csv` (or `icml_face_data.csv`), given as the file or a folder that contains it.

    A row is named by its line number. A row whose pixels are not 2304 numbers of 0–255 is `unreadable`. Labels are
    numbers (`3`, `3.0`) or names; without the column `Usage`, all rows are train. A folder with the class folders
    0 … 6, in split folders or without, is accepted, too.

    Raises
    ------
    BtferError
        If the file is missing or not a CSV file, lacks one of the columns, or has an unknown `Usage`.
    """
    path = find_file(source, "fer2013.csv", "icml_face_data.csv") if source.is_dir() else source
    if path is not None:
        return _rows(path)
    root = inner_folder(source)
    splits = split_folders(root) or {root: "train"}
    if not numbered_folders(splits) & set(CLASSES):
        raise BtferError(f"{source}: has no fer2013.csv or icml_face_data.csv; name the CSV file itself")
    return (
        item for folder, split in splits.items() for item in class_folders(folder, source, split, CLASSES)
    )


def _rows(path: Path) -> Iterator[Item]:
    try:
        columns, rows = read_csv(path, max_line=LONGEST)
        if not {"emotion", "pixels"} <= set(columns):
            raise BtferError(
                f"{path}: has the columns {', '.join(columns)[:200] or '(none)'}; expected emotion, pixels, Usage"
            )
        label, pixels = columns.index("emotion"), columns.index("pixels")
        usage = columns.index("usage") if "usage" in columns else None
        for line, row in rows:
            if len(row) < len(columns):
                raise BtferError(
                    f"{path}, line {line}: has {len(row)} cells, expected {len(columns)}; "
                    "the file is incomplete or damaged, download it again"
                )
            named = "Training" if usage is None else row[usage].strip()
            yield _item(path, line, row[label].strip(), row[pixels].strip(), named)
    except OSError as error:
        raise BtferError(f"{path}: cannot be read as FER2013's CSV: {error}") from None


def _item(path: Path, line: int, label: str, pixels: str, usage: str) -> Item:
    split = split_of(usage)
    if split is None:
        raise BtferError(f"{path}, line {line}: Usage is {usage[:80]!r}, expected one of {', '.join(USAGES)}")
    emotion = class_emotion(plain_number(label), CLASSES)
    values = _values(pixels)
    reason = "unknown_label" if emotion is None else None if values else "unreadable"
    return Item(f"line {line}", split, label[:40], emotion, values, reason)


def split_of(usage: str) -> SplitName | None:
    """Return the split that a value of the column Usage means, or None; case is ignored."""
    return next(
        (split for name, split in USAGES.items() if name.casefold() == usage.strip().casefold()), None
    )


def _values(text: str) -> bytes:
    """Return the pixels, or empty bytes if the text is not an image of 48×48 pixels."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # NumPy only warns about text that it cannot parse
        try:
            values = np.fromstring(text, dtype=np.int64, sep=" ")
        except (ValueError, DeprecationWarning, OverflowError):
            return b""
    if values.size != SIDE * SIDE or values.min() < 0 or values.max() > 255:
        return b""
    return values.astype(np.uint8).tobytes()
