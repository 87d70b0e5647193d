"""Any folder of class folders, with or without splits."""

from collections.abc import Iterator
from pathlib import Path

from btfer_builder.datasets.readers.base import (
    Item,
    class_emotion,
    class_folders,
    inner_folder,
    split_folders,
)
from btfer_builder.errors import BtferError
from btfer_builder.images.files import is_system
from btfer_builder.labels import EMOTIONS


def read(source: Path) -> Iterator[Item]:
    """Yield the pictures of class folders that are in a folder, or in its folders train, val and test.

    Class folders are named after emotions or their synonyms; pictures of others are `other_class`. Without split
    folders, all pictures are train.

    Raises
    ------
    BtferError
        If no folder is named after an emotion.
    """
    root = inner_folder(source)
    splits = split_folders(root) if root.is_dir() else {}
    splits = splits or {root: "train"}
    if not any(_has_classes(folder) for folder in splits):
        raise BtferError(
            f"{source}: has no class folders; expected {', '.join(EMOTIONS)} in it, or in its train, val and test"
        )
    return (item for folder, split in splits.items() for item in class_folders(folder, source, split))


def _has_classes(folder: Path) -> bool:
    return folder.is_dir() and any(
        entry.is_dir() and not is_system(entry) and class_emotion(entry.name, {})
        for entry in folder.iterdir()
    )
