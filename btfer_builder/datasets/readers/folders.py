"""Any folder of class folders, with splits or without."""

from collections.abc import Iterator
from pathlib import Path

from btfer_builder.datasets.readers.base import Item, class_folders, hidden, meaning, split_folders
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS


def read(source: Path) -> Iterator[Item]:
    """Yield the pictures of a folder whose class folders lie in it, or in its folders train, val and test.

    Class folders are named after emotions or their synonyms; others are `other_class`. Without splits all is train.

    Raises
    ------
    BtferError
        If no folder is named after an emotion.
    """
    splits = split_folders(source) if source.is_dir() else {}
    splits = splits or {source: "train"}
    if not any(_has_classes(folder) for folder in splits):
        raise BtferError(
            f"{source}: has no class folders; expected {', '.join(EMOTIONS)} in it, or in train, val and test"
        )
    return (item for folder, split in splits.items() for item in class_folders(folder, source, split))


def _has_classes(folder: Path) -> bool:
    return folder.is_dir() and any(
        entry.is_dir() and not hidden(entry) and meaning(entry.name, {}) for entry in folder.iterdir()
    )
