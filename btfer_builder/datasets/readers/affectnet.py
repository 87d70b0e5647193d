"""AffectNet's folders (Mollahosseini et al. 2019): train and val, a numbered folder a class; contempt is left out."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from btfer_builder.datasets.readers.base import Item, class_folders, meaning, split_folders
from btfer_builder.errors import BtferError
from btfer_builder.labels import Emotion

#: The number of each class, as the set's readme has them; contempt is none of the seven.
CLASSES: Mapping[str, Emotion | None] = {
    "0": "neutral",
    "1": "happy",
    "2": "sad",
    "3": "surprise",
    "4": "fear",
    "5": "disgust",
    "6": "angry",
    "7": None,
}


def read(source: Path) -> Iterator[Item]:
    """Yield the pictures of a folder with `train` and `val`, each with folders 0 … 7 (or named classes).

    Raises
    ------
    BtferError
        If there is no such folder.
    """
    splits = split_folders(source) if source.is_dir() else {}
    if not any(meaning(entry.name, CLASSES) for folder in splits for entry in folder.iterdir()):
        raise BtferError(
            f"{source}: has no train/0 … train/7; name the folder with AffectNet's train and val in it"
        )
    return (
        item for folder, split in splits.items() for item in class_folders(folder, source, split, CLASSES)
    )
