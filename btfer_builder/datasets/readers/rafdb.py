"""RAF-DB, single-label subset (Li et al. 2017): aligned pictures with a list of labels, or numbered folders."""

from collections.abc import Iterator
from pathlib import Path

from btfer_builder.datasets.readers.base import Item, class_folders, split_folders
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

#: File with the labels; the dataset misspells the name.
LIST = "list_patition_label.txt"


def read(source: Path) -> Iterator[Item]:
    """Yield the pictures of RAF-DB.

    Parameters
    ----------
    source
        Folder with `EmoLabel/list_patition_label.txt` and the aligned pictures (`train_00001_aligned.jpg`) at any
        depth; or with the class folders `train/1` … `test/7` of a common copy of the dataset.

    Raises
    ------
    BtferError
        If it has neither, or a line of the list is not a name and a number.
    """
    lists = sorted(source.rglob(LIST)) if source.is_dir() else []
    if lists:
        return _listed(source, lists[0])
    splits = split_folders(source) if source.is_dir() else {}
    if not any((folder / number).is_dir() for folder in splits for number in CLASSES):
        raise BtferError(
            f"{source}: has no {LIST} (nor train/1 … test/7); name the folder RAF-DB was unpacked to (basic/)"
        )
    return (
        item for folder, split in splits.items() for item in class_folders(folder, source, split, CLASSES)
    )


def _listed(source: Path, listing: Path) -> Iterator[Item]:
    files = {path.name: path for path in list_images(source).images}
    try:
        lines = list(read_lines(listing))
    except OSError as error:
        raise BtferError(f"{listing}: cannot be read: {error}; download RAF-DB's list again") from None
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        name, _, label = line.strip().rpartition(" ")
        prefix = name.partition("_")[0]
        # Names are looked up among the files found, so a path that leads out of the folder matches nothing.
        if prefix not in {"train", "test"}:
            raise BtferError(
                f"{listing}, line {number}: found {line.strip()[:80]!r}, expected a line like `train_00001.jpg 5`"
            )
        if name in seen:
            raise BtferError(f"{listing}, line {number}: {name[:80]} is listed twice; keep one of the lines")
        seen.add(name)
        emotion = CLASSES.get(label)
        stem = name.strip().removesuffix(".jpg")
        path = files.get(f"{stem}_aligned.jpg") or files.get(f"{stem}.jpg")
        reason = None if path else "missing_file"
        yield Item(
            name.strip(),
            "train" if prefix == "train" else "test",
            label[:40],
            emotion,
            path or source / "missing",
            reason if emotion else "unknown_label",
        )
