"""BTFER (Ipinze Tutuianu et al. 2024), the authors' own set: `Batch_Ready 7/Angry`, for tests only."""

from collections.abc import Iterator
from pathlib import Path

from btfer_builder.datasets.readers.base import Item, class_emotion, class_folders
from btfer_builder.errors import BtferError


def read(source: Path) -> Iterator[Item]:
    """Yield the faces of the class folders in a folder named `Batch_Ready…`, or in the one that contains it.

    All are test: the set was made to test models that are trained on others.

    Raises
    ------
    BtferError
        If there is no such folder.
    """
    for root in (source, *sorted(source.glob("*"))):
        classes = [path for path in root.glob("*") if path.is_dir() and class_emotion(path.name, {})]
        if root.resolve().name.casefold().startswith("batch_ready") and classes:
            return class_folders(root, source, "test")
    raise BtferError(f"{source}: has no Batch_Ready…/Angry; name the folder that BTFER was unpacked to")
