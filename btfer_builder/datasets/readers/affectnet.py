"""AffectNet (Mollahosseini et al. 2019): train and val, each with one numbered folder per class."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from btfer_builder.datasets.readers.base import Item, class_emotion, class_folders, split_folders
from btfer_builder.errors import BtferError
from btfer_builder.labels import Emotion

#: Class numbers of the dataset's readme; contempt (7) is not one of the seven emotions.
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
    """Yield the pictures of a folder with `train` and `val`, each with class folders 0 … 7 (or emotion names).

    Raises
    ------
    BtferError
        If the folder has no such class folders.
    """
    splits = split_folders(source) if source.is_dir() else {}
    if not any(class_emotion(entry.name, CLASSES) for folder in splits for entry in folder.iterdir()):
        raise BtferError(
            f"{source}: has no train/0 … train/7; name the folder that contains AffectNet's train and val"
        )
    return (
        item for folder, split in splits.items() for item in class_folders(folder, source, split, CLASSES)
    )
