"""SFEW 2.0 (Dhall et al. 2011, 2015): aligned faces of film frames, in `Train_Aligned_Faces` and `Val_…`."""

from collections.abc import Iterator
from pathlib import Path

from btfer_builder.datasets.readers.base import Item, class_emotion, class_folders
from btfer_builder.errors import BtferError
from btfer_builder.labels import SplitName

#: How the folders of the splits begin; the test split was handed out without labels.
SPLITS: dict[str, SplitName] = {"Train_Aligned_Faces": "train", "Val_Aligned_Faces": "val"}


def read(source: Path) -> Iterator[Item]:
    """Yield the aligned faces, from the class folders (`Angry` … `Surprise`) in `Train_Aligned_Faces` and `Val_…`.

    A folder of the same name within (as the archives unpack) and endings such as `_new` are accepted.

    Raises
    ------
    BtferError
        If there is no such folder.
    """
    roots = [
        (path, split)
        for name, split in SPLITS.items()
        for path in sorted(source.rglob("*"))
        if path.name.casefold().startswith(name.casefold()) and path.is_dir() and _has_class(path)
    ]
    if not roots:
        raise BtferError(
            f"{source}: has no Train_Aligned_Faces/Angry; name the folder SFEW 2.0 was unpacked to"
        )
    return (item for root, split in roots for item in class_folders(root, source, split))


def _has_class(folder: Path) -> bool:
    return any(entry.is_dir() and class_emotion(entry.name, {}) for entry in folder.iterdir())
