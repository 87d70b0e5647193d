"""Pictures already on disk in one folder an emotion, as an engine."""

from collections.abc import Iterator
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.labels import Emotion, parse_emotion
from btfer_builder.records import Candidate, Search


def read_folder(path: Path, emotions: tuple[Emotion, ...]) -> Iterator[tuple[Search, list[Candidate]]]:
    """Yield every file below `path/<emotion>`, those of an emotion together, in the order of their names.

    Parameters
    ----------
    path
        A folder with a folder for each emotion; files in it that are no images are dropped when they are read.
    emotions
        The folders of other emotions are left out.

    Raises
    ------
    BtferError
        If there is no such folder, or none in it is named after an emotion.
    """
    if not path.is_dir():
        raise BtferError(f"{path}: no such folder; expected one with a folder for each emotion")
    found = False
    for folder in sorted(entry for entry in path.iterdir() if entry.is_dir()):
        try:
            emotion = parse_emotion(folder.name)
        except BtferError:
            continue
        found = True
        if emotion in emotions:
            files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name[0] != ".")
            yield (
                Search("folder", f"{path.resolve().name}/{folder.name}", "", emotion, "", "", "", ""),
                [
                    Candidate(rank, file.resolve().as_uri(), title=file.name)
                    for rank, file in enumerate(files)
                ],
            )
    if not found:
        raise BtferError(f"{path}: no folder in it is named after an emotion (angry, disgust, ...)")
