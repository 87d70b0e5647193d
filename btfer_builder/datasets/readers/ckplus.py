"""CK+ (Lucey et al. 2010): sequences of frames from neutral to a peak, and CK+48, a copy in class folders."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from btfer_builder.datasets.readers.base import Item, child, class_folders, plain_number
from btfer_builder.errors import BtferError
from btfer_builder.images.files import list_images
from btfer_builder.io.limits import read_text
from btfer_builder.labels import Emotion

#: Class numbers of the dataset's readme; contempt (2) is not one of the seven emotions.
CLASSES: dict[str, Emotion | None] = {
    "0": "neutral",
    "1": "angry",
    "2": None,
    "3": "disgust",
    "4": "fear",
    "5": "happy",
    "6": "sad",
    "7": "surprise",
}

#: Frames at the end of a sequence that show its emotion: CK+48 has as many, and most authors use three.
PEAK_FRAMES = 3

_FRAME = re.compile(r"(S\d{3})_(\d{3})_\d{8}(?:_emotion)?", re.IGNORECASE)


def read(source: Path) -> Iterator[Item]:
    """Yield the last three frames of each labelled sequence, and its first one as neutral; all are train.

    Parameters
    ----------
    source
        Folder with `Emotion/S005/001/S005_001_00000011_emotion.txt` and `cohn-kanade-images/S005/001/….png`; or
        the class folders of CK+48 (`anger/S010_004_00000017.png`). Sequences without a label file have no emotion
        according to the readme, and are not listed.

    Raises
    ------
    BtferError
        If it has neither, or a sequence has two label files that differ.
    """
    labels = sorted(
        path
        for path in source.rglob("*")
        if path.name.casefold().endswith("_emotion.txt") and _FRAME.fullmatch(path.stem) and path.is_file()
    )
    if labels:
        folders = _folders(source)
        return (item for label in _one_each(labels) for item in _sequence(source, label, folders))
    small = [source, *sorted(path for path in source.rglob("*48") if path.name.casefold().startswith("ck"))]
    for root in small if source.is_dir() else []:
        if any(_FRAME.fullmatch(path.stem) for path in root.glob("*/*.*")):
            return (
                replace(item, person=Path(item.name).stem.partition("_")[0].upper())
                for item in class_folders(root, source, "train")
            )
    raise BtferError(
        f"{source}: has no Emotion/…/*_emotion.txt (nor anger/S010_004_00000017.png of CK+48); "
        "name the folder with CK+'s Emotion and cohn-kanade-images"
    )


def _one_each(labels: list[Path]) -> Iterator[Path]:
    """Yield one label file of each sequence: the archive of labels may be unpacked twice."""
    seen: dict[str, Path] = {}
    for path in labels:
        sequence = path.stem[:8].upper()
        if sequence not in seen:
            seen[sequence] = path
            yield path
        elif _label(path) != _label(seen[sequence]):
            raise BtferError(f"{path}: has another label than {seen[sequence]}; keep one of them")


def _folders(source: Path) -> list[Path]:
    found = (path for path in source.rglob("*") if path.name.casefold().startswith("cohn-kanade-images"))
    return sorted(path for path in found if path.is_dir())


def _sequence(source: Path, label_file: Path, roots: list[Path]) -> Iterator[Item]:
    person, sequence = label_file.stem.split("_")[:2]
    folders = [folder for root in roots if (folder := child(child(root, person), sequence)).is_dir()]
    frames = [frame for folder in folders for frame in list_images(folder).images]
    text = _label(label_file)
    label = plain_number(text)
    emotion = CLASSES.get(label)
    reason = None if emotion else "other_class" if label in CLASSES else "unknown_label"
    if not frames:
        name = label_file.relative_to(source).as_posix()
        yield Item(name, "train", label[:40], emotion, Path(), reason or "missing_file")
        return
    first = frames[0].relative_to(source).as_posix()
    yield Item(first, "train", "first frame", "neutral", frames[0], person=person)
    for frame in frames[1:][-PEAK_FRAMES:]:
        name = frame.relative_to(source).as_posix()
        yield Item(name, "train", label[:40], emotion, frame, reason, person=person)


def _label(path: Path) -> str:
    """Return the text of a label file; empty, which is an unknown label, for a damaged one."""
    try:
        return read_text(path, 1 << 10).strip()
    except (BtferError, UnicodeDecodeError):
        return ""
