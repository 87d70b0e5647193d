"""One picture of somebody's labelled set, before it is imported, and why it may be left out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from btfer_builder.config import SplitName
from btfer_builder.errors import BtferError
from btfer_builder.images.decode import IMAGE_SUFFIXES
from btfer_builder.labels import Emotion, parse_emotion

#: Why a picture of a labelled set is not imported, each reason with its meaning.
DROPPED: dict[str, str] = {
    "other_class": "a class that is none of the seven emotions, as AffectNet's contempt",
    "unknown_label": "the label is none the set's own description knows",
    "missing_file": "the set's list names it, but there is no such file",
    "unreadable": "the file or row cannot be decoded",
    "too_large": "more pixels than allowed (a decompression bomb)",
    "crashed_decoder": "decoding it killed the worker",
    "leaked": "it stands in a split that is tested on as well (--leaked drop)",
}

#: What other people call the splits.
SPLITS: dict[str, SplitName] = {
    "train": "train",
    "training": "train",
    "train_set": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "val_set": "val",
    "dev": "val",
    "test": "test",
    "testing": "test",
    "test_set": "test",
}


@dataclass(frozen=True, slots=True)
class Item:
    """A picture as its set describes it.

    Attributes
    ----------
    name
        What it is called there: a relative path, or the line of a CSV.
    split
        The split its set puts it in.
    label
        The class in the words of the set.
    emotion
        The class in ours; None where it has none, and then `reason` says why.
    source
        The file, or the pixels themselves: 8 bits of grey, row by row, of a square.
    reason
        Why it is dropped before it is looked at; None if it is not.
    """

    name: str
    split: SplitName
    label: str
    emotion: Emotion | None
    source: Path | bytes
    reason: str | None = None


def class_folders(
    folder: Path, root: Path, split: SplitName, numbered: Mapping[str, Emotion | None] | None = None
) -> Iterator[Item]:
    """Yield the pictures of a folder that has one folder a class, sorted by name.

    Parameters
    ----------
    folder, root
        The folder, and the one the names are relative to.
    split
        What the folder is.
    numbered
        What the names of the class folders mean; None for a class that is none of the seven. Other names are
        read as emotions and their synonyms, and become `other_class` if they are none.
    """
    for classes in sorted(entry for entry in folder.iterdir() if entry.is_dir() and not hidden(entry)):
        emotion = meaning(classes.name, numbered or {})
        reason = None if emotion else "other_class"
        for path in sorted(classes.rglob("*")):
            if path.suffix.lower() in IMAGE_SUFFIXES and not hidden(path) and path.is_file():
                name = path.relative_to(root).as_posix()
                yield Item(name, split, classes.name, emotion, path, reason)


def meaning(label: str, numbered: Mapping[str, Emotion | None]) -> Emotion | None:
    """Return the emotion a class's name or number means; None if it is none of the seven."""
    if label in numbered:
        return numbered[label]
    try:
        return parse_emotion(label)
    except BtferError:
        return None


def split_folders(root: Path) -> dict[Path, SplitName]:
    """Return the folders of a set that are splits by their names."""
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not hidden(entry))
    return {folder: SPLITS[folder.name.casefold()] for folder in folders if folder.name.casefold() in SPLITS}


def hidden(path: Path) -> bool:
    """Whether a file or folder is one that its owner does not want to see."""
    return path.name.startswith(".") or path.name == "__MACOSX"
