"""What every reader of a dataset layout yields: items, and the reasons why an item is not imported."""

import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.images.files import is_system, list_images
from btfer_builder.io.text import encodable
from btfer_builder.labels import Emotion, SplitName, is_other_class, parse_emotion, parse_split

#: Why an item is not imported: each reason with its meaning, as in `dropped.csv`.
DROP_REASONS: dict[str, str] = {
    "other_class": "the class is not one of the seven emotions, for example AffectNet's contempt",
    "unknown_label": "the description of the dataset does not define the label",
    "no_majority": "no class has more than half of the votes (FER+)",
    "missing_file": "the list of the dataset names a file that does not exist",
    "unreadable": "the file or row cannot be decoded",
    "unsupported_format": "an image whose format needs another package, for example HEIC",
    "too_large": "the image has more pixels than allowed (a decompression bomb)",
    "crashed_decoder": "the worker process was killed while it decoded the file",
    "leaked": "the picture is also in val or test (--leaked drop)",
}


#: The number before the name of a class (`0_angry`, `1-happy`, `02. sad`).
_NUMBERED = re.compile(r"^\s*\d{1,2}[\s_.-]+(?=\D)")


@dataclass(frozen=True, slots=True)
class Item:
    """A picture as its dataset describes it.

    Attributes
    ----------
    name
        Name in the dataset: a relative path, or the line of a CSV file.
    split
        Split in the dataset.
    label
        Class label in the dataset.
    emotion
        Emotion of the label; None if it has none, and `reason` says why.
    source
        File, or the pixels of a square 8-bit greyscale image, row by row.
    reason
        Reason why it is dropped before it is decoded; None otherwise.
    box
        Left, top, right and bottom edge of the face in pixels of the file; None for the whole picture.
    person
        The person in the picture, if the dataset says who it is; drawn splits do not share a person.
    votes
        Number of people who chose each of the seven emotions, if the dataset says so.
    """

    name: str
    split: SplitName
    label: str
    emotion: Emotion | None
    source: Path | bytes
    reason: str | None = None
    box: tuple[int, int, int, int] | None = None
    person: str = ""
    votes: Mapping[str, int] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        for name in ("name", "label"):  # which are written to tables
            object.__setattr__(self, name, encodable(getattr(self, name)))

    def without_pixels(self) -> "Item":
        """Return the item with an empty source, which is small to keep and to send between processes."""
        return replace(self, source=Path())


def class_folders(
    folder: Path, root: Path, split: SplitName, numbered: Mapping[str, Emotion | None] | None = None
) -> Iterator[Item]:
    """Yield the pictures of a folder with one folder per class, sorted by name.

    Parameters
    ----------
    folder, root
        The folder to read, and the folder that names are relative to.
    split
        Split of the folder.
    numbered
        Emotion of each numbered class folder; None for a class outside the seven. Other names are read as
        emotions or their synonyms; unknown names become `other_class`.
    """
    for classes in sorted(entry for entry in folder.iterdir() if entry.is_dir() and not is_system(entry)):
        emotion = class_emotion(classes.name, numbered or {})
        reason = None if emotion else "other_class"
        for path in list_images(classes).images:
            name = path.relative_to(root).as_posix()
            yield Item(name, split, classes.name, emotion, path, reason)


def find_file(source: Path, *names: str) -> Path | None:
    """Return the first file of the first of these names in a folder, at any depth and in any case; None without one."""
    wanted = {name.casefold() for name in names}
    found = sorted(path for path in source.rglob("*") if path.name.casefold() in wanted and path.is_file())
    for name in names:
        for path in found:
            if path.name.casefold() == name.casefold() and not is_system(path):
                return path
    return None


def child(folder: Path, name: str) -> Path:
    """Return the entry of a folder with this name in any case; the path with this very name if there is none."""
    exact = folder / name
    if exact.exists() or not folder.is_dir():
        return exact
    return next((path for path in sorted(folder.iterdir()) if path.name.casefold() == name.casefold()), exact)


def inner_folder(source: Path) -> Path:
    """Return the folder that an archive was unpacked to: while a folder has nothing but another one, that one."""
    folder = source
    while folder.is_dir():
        entries = [entry for entry in folder.iterdir() if not is_system(entry)]
        if len(entries) != 1 or not entries[0].is_dir() or entries[0].is_symlink():
            return folder
        if class_emotion(entries[0].name, {}) or parse_split(entries[0].name) or entries[0].name.isdecimal():
            return folder
        folder = entries[0]
    return folder


def name_key(name: str) -> str:
    """Return a form in which names of files are equal that systems write in other case or with separate accents."""
    return unicodedata.normalize("NFC", name).casefold()


def by_name(paths: Iterable[Path]) -> dict[str, Path]:
    """Return files by the key of their name: lists and files were often written by different systems."""
    return {name_key(path.name): path for path in paths}


def by_stem(paths: Iterable[Path]) -> dict[str, Path]:
    """Return files by the key of their name without suffix."""
    return {name_key(path.stem): path for path in paths}


def numbered_folders(folders: Iterable[Path]) -> set[str]:
    """Return the class folders in these folders whose name is a number."""
    return {entry.name for folder in folders for entry in folder.iterdir() if entry.name.isdecimal()}


def plain_number(label: str) -> str:
    """Return a class number without decimals, which pandas and MATLAB write (`3.0`, `3.0000000e+00`)."""
    if not re.fullmatch(r"[0-9]{1,2}(\.0*)?(e\+00)?", label.strip()):
        return label.strip()
    return str(int(float(label)))


def class_emotion(label: str, numbered: Mapping[str, Emotion | None]) -> Emotion | None:
    """Return the emotion of a class name (`happy`, `3_happy`) or number, or None if it is not one of the seven."""
    if label in numbered:
        return numbered[label]
    try:
        return parse_emotion(_NUMBERED.sub("", label))
    except BtferError:
        return None


def without_emotion(label: str) -> str:
    """Return why a class name that is no word for an emotion is left out: it is another class, or not known."""
    return "other_class" if is_other_class(_NUMBERED.sub("", label)) else "unknown_label"


def split_folders(root: Path) -> dict[Path, SplitName]:
    """Return the folders that are named after a split, with their splits."""
    folders = sorted(entry for entry in root.iterdir() if entry.is_dir() and not is_system(entry))
    return {folder: split for folder in folders if (split := parse_split(folder.name))}
