"""RAF-DB, single-label subset (Li et al. 2017): aligned pictures with a list of labels, or numbered folders."""

import re
from collections.abc import Iterator
from pathlib import Path

from btfer_builder.datasets.readers.base import (
    Item,
    by_stem,
    child,
    class_folders,
    find_file,
    name_key,
    numbered_folders,
    split_folders,
)
from btfer_builder.errors import BtferError
from btfer_builder.images.files import list_images
from btfer_builder.io.limits import read_lines
from btfer_builder.labels import Emotion

#: Class numbers of the dataset's readme.
CLASSES: dict[str, Emotion] = {
    "1": "surprise",
    "2": "fear",
    "3": "disgust",
    "4": "happy",
    "5": "sad",
    "6": "angry",
    "7": "neutral",
}

#: Class numbers of the compound subset, which are not the seven emotions; its list has the same name.
COMPOUND = {
    str(number): name
    for number, name in enumerate(
        (
            "Happily Surprised",
            "Happily Disgusted",
            "Sadly Fearful",
            "Sadly Angry",
            "Sadly Surprised",
            "Sadly Disgusted",
            "Fearfully Angry",
            "Fearfully Surprised",
            "Angrily Surprised",
            "Angrily Disgusted",
            "Disgustedly Surprised",
        ),
        1,
    )
}

#: File with the labels; the dataset misspells the name, some copies do not.
LISTS = ("list_patition_label.txt", "list_partition_label.txt")


def read(source: Path) -> Iterator[Item]:
    """Yield the pictures of RAF-DB.

    Parameters
    ----------
    source
        Folder with `EmoLabel/list_patition_label.txt` and the aligned pictures (`train_00001_aligned.jpg`) at any
        depth; or with the class folders `train/1` … `test/7` of a common copy of the dataset, also one folder down.

    Raises
    ------
    BtferError
        If it has neither, a line of the list is not a name and a number, or the labels are the compound ones.
    """
    basic = folder if (folder := child(source, "basic")).is_dir() else source
    listing = find_file(basic, *LISTS)
    if listing is not None:
        return _listed(basic, listing)
    for root in (source, *sorted(entry for entry in source.glob("*") if entry.is_dir())):
        splits = split_folders(root) if root.is_dir() else {}
        numbers = numbered_folders(splits)
        if numbers & set(CLASSES) and "0" not in numbers:
            return (
                item
                for folder, split in splits.items()
                for item in class_folders(folder, source, split, CLASSES)
            )
    raise BtferError(
        f"{source}: has no {LISTS[0]} (nor train/1 … test/7); name the folder RAF-DB was unpacked to (basic/)"
    )


def _listed(source: Path, listing: Path) -> Iterator[Item]:
    try:
        lines = [(number, line.strip()) for number, line in enumerate(read_lines(listing), 1)]
    except OSError as error:
        raise BtferError(f"{listing}: cannot be read: {error}; download RAF-DB's list again") from None
    rows = [(number, *_parse(listing, number, line)) for number, line in lines if line]
    _refuse_compound(listing, rows)
    # Names are looked up among the files found, so a path that leads out of the folder matches nothing.
    files = by_stem(list_images(source).images)
    seen: set[str] = set()
    for number, name, label in rows:
        if name in seen:
            raise BtferError(f"{listing}, line {number}: {name[:80]} is listed twice; keep one of the lines")
        seen.add(name)
        emotion = CLASSES.get(label)
        stem = name_key(name.rpartition(".")[0] or name)
        path = files.get(f"{stem}_aligned") or files.get(stem)
        reason = None if path else "missing_file"
        yield Item(
            name,
            "train" if stem.startswith("train_") else "test",
            label[:40],
            emotion,
            path or source / "missing",
            reason if emotion else "unknown_label",
        )


def _parse(listing: Path, number: int, line: str) -> tuple[str, str]:
    name, *rest = re.split(r"[ \t]+(?=\S*$)", line)
    if name.partition("_")[0].casefold() not in {"train", "test"} or not rest:
        raise BtferError(
            f"{listing}, line {number}: found {line[:80]!r}, expected a line like `train_00001.jpg 5`"
        )
    return name, rest[0]


def _refuse_compound(listing: Path, rows: list[tuple[int, str, str]]) -> None:
    beyond = next((row for row in rows if row[2] in COMPOUND and row[2] not in CLASSES), None)
    if beyond is None and "compound" not in (part.casefold() for part in listing.parts):
        return
    number, _, label = beyond or rows[0] if rows else (1, "", "1")
    raise BtferError(
        f"{listing}, line {number}: {label} is a compound label of RAF-DB ({COMPOUND.get(label, 'unknown')}), "
        "not one of the seven emotions; name the folder basic/"
    )
