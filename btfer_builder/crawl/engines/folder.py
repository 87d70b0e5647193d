"""Local pictures in one folder per emotion, as an engine."""

from collections.abc import Iterator
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.labels import Emotion, parse_emotion
from btfer_builder.records import Candidate, Search


def read_folder(path: Path, emotions: tuple[Emotion, ...]) -> Iterator[tuple[Search, list[Candidate]]]:
    """Yield all files below `path/<emotion>`, grouped by emotion and sorted by name.

    Parameters
    ----------
    path
        Folder with one folder per emotion; files that are not images are dropped when they are read.
    emotions
        Folders of other emotions are ignored.

    Raises
    ------
    BtferError
        If the folder is missing, or no folder in it is named after an emotion.
    """
    if not path.is_dir():
        raise BtferError(f"{path}: no such folder; expected a folder with one folder per emotion")
    has_emotion = False
    for folder in sorted(entry for entry in path.iterdir() if entry.is_dir()):
        try:
            emotion = parse_emotion(folder.name)
        except BtferError:
            continue
        has_emotion = True
        if emotion in emotions:
            files = sorted(file for file in folder.rglob("*") if file.is_file() and file.name[0] != ".")
            yield (
                Search("folder", f"{path.resolve().name}/{folder.name}", "", emotion, "", "", "", ""),
                [
                    Candidate(rank, file.resolve().as_uri(), title=file.name)
                    for rank, file in enumerate(files)
                ],
            )
    if not has_emotion:
        raise BtferError(f"{path}: no folder in it is named after an emotion (angry, disgust, ...)")
