"""Local pictures in one folder per emotion, as an engine."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path

from btfer_builder.crawl.engines.own_sources import SOURCES_CSV, OwnSource, read_sources
from btfer_builder.errors import BtferError
from btfer_builder.images.files import in_total, is_system, list_images, report_left_out
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.labels import EMOTION_WORDS, EMOTIONS, Emotion, emotion_of, parse_split
from btfer_builder.records import Candidate, Search

#: What to do with pictures that are in no class folder.
_UNSORTED = (
    "; if all show the same one, or are not sorted yet, name one with --emotion: it is only proposed in the review, "
    "where each face is labelled"
)

#: Folders that are searched for the one with the class folders, at most this deep.
_DEPTH = 6


@dataclass(frozen=True, slots=True)
class ClassFolder:
    """A folder of pictures and its emotion; `name` is its path from the folder that was named."""

    path: Path
    emotion: Emotion
    name: str


def read_folder(
    path: Path, emotions: tuple[Emotion, ...], source: OwnSource | None = None
) -> Iterator[tuple[Search, list[Candidate]]]:
    """Yield the files of the class folders in a folder, by emotion and name, and print what is not taken.

    Parameters
    ----------
    path
        Folder with one folder per emotion, or with train, val and test of such folders. Where there is neither, the
        only folder in it that has them is taken; or all pictures in it, if there is one emotion only.
    emotions
        Folders of other emotions are not taken.
    source
        What is true of all pictures; a `sources.csv` in the folder, or on the way to the class folders, states it for
        each file.

    Raises
    ------
    BtferError
        If the folder is missing, has no class folders or several folders that have some, or its `sources.csv` is
        invalid.
    """
    if not path.is_dir():
        raise BtferError(f"{path}: no such folder; expected a folder with one folder per emotion")
    folders, not_taken = find_classes(path, emotions)
    left_out = []
    sources = read_sources(_with_sources(path, folders), source or OwnSource())
    for folder in folders:
        files = list_images(folder.path)
        left_out.append(files.left_out)
        # Files that are no images are candidates, too: the crawl drops and counts them.
        names = sorted((*files.images, *files.others))
        left_out.append({"not_an_image": -len(files.others)})
        yield (
            Search("folder", folder.name, "", folder.emotion, "", "", "", ""),
            [
                sources.apply(file, Candidate(rank, file.resolve().as_uri(), title=file.name))
                for rank, file in enumerate(names)
            ],
        )
    sources.check_all_used()
    report_left_out(path, in_total(left_out))
    if not_taken:
        echo_stderr(f"{path}: not taken: {'; '.join(not_taken)}")


def find_classes(path: Path, emotions: tuple[Emotion, ...]) -> tuple[list[ClassFolder], list[str]]:
    """Return the class folders of a folder, and what in it is not taken, in words.

    Raises
    ------
    BtferError
        As `read_folder`.
    """
    name = path.resolve().name
    root = _go_down(path, _DEPTH)
    if root is None:
        beside = list_images(path)
        if beside.images and len(emotions) == 1:
            return [ClassFolder(path, emotions[0], name)], []
        raise BtferError(_nothing_found(path, len(beside.images)))
    taken, not_taken = [], []
    groups = [root, *_splits(root)]
    for group in groups:
        for folder in _folders(group):
            relative = folder.relative_to(path).as_posix()
            emotion = emotion_of(folder.name)
            if emotion in emotions and emotion is not None:
                taken.append(ClassFolder(folder, emotion, f"{name}/{relative}"))
            elif folder not in groups:
                why = f"not among --emotion {', '.join(emotions)}" if emotion else did_you_mean(folder.name)
                why = why or "not one of the seven emotions"
                not_taken.append(_line(relative, len(list_images(folder).images), why))
        if loose := len(list_images(group, recursive=False).images):
            not_taken.append(_line("beside the class folders", loose, ""))
    for folder in _beside_the_way(path, root):
        not_taken.append(_line(folder.relative_to(path).as_posix(), len(list_images(folder).images), ""))
    loose = sum(len(list_images(passed, recursive=False).images) for passed in _way(path, root))
    if loose:
        not_taken.append(_line("above the class folders", loose, ""))
    return sorted(taken, key=lambda folder: folder.path), not_taken


@lru_cache(1024)
def did_you_mean(name: str) -> str:
    """Return a hint for a folder that is not named after one of the seven emotions; empty if no emotion is near."""
    words = [word for word in name.replace("_", " ").replace("-", " ").casefold().split() if word]
    near = [emotion for word in words if (emotion := emotion_of(word))]
    close = [match for word in words for match in get_close_matches(word, EMOTION_WORDS, n=1, cutoff=0.75)]
    near += [emotion for word in close if (emotion := emotion_of(word))]
    return f"did you mean {near[0]}?" if near else ""


def _go_down(path: Path, depth: int) -> Path | None:
    """Return the folder that has class folders or splits of them: this one, or the only one below; None without one."""
    if _has_classes(path) or _splits(path):
        return path
    found = [] if not depth else [root for each in _folders(path) if (root := _go_down(each, depth - 1))]
    if len(found) > 1:
        names = ", ".join(folder.relative_to(path).as_posix() for folder in found[:5])
        raise BtferError(f"{path}: several folders have class folders ({names}); name one of them")
    return found[0] if found else None


def _folders(path: Path) -> list[Path]:
    return sorted(entry for entry in path.iterdir() if entry.is_dir() and not is_system(entry))


def _has_classes(path: Path) -> bool:
    return any(emotion_of(folder.name) for folder in _folders(path))


def _splits(path: Path) -> list[Path]:
    return [folder for folder in _folders(path) if parse_split(folder.name) and _has_classes(folder)]


def _beside_the_way(path: Path, root: Path) -> list[Path]:
    """Return the folders that were passed on the way down."""
    way = _way(path, root)
    return [folder for above in way for folder in _folders(above) if folder not in {root, *way}]


def _way(path: Path, root: Path) -> list[Path]:
    """Return the folders from the one above `root` up to `path`."""
    return [above for above in root.parents if above.is_relative_to(path)]


def _with_sources(path: Path, folders: Sequence[ClassFolder]) -> Path:
    """Return the folder with the `sources.csv` of class folders: the one that was named, or one on the way to them.

    Raises
    ------
    BtferError
        If several have one.
    """
    ways = {above: None for folder in folders for above in (folder.path, *_way(path, folder.path))}
    found = [above for above in ways if (above / SOURCES_CSV).is_file()]
    if len(found) > 1:
        names = ", ".join(sorted((above / SOURCES_CSV).relative_to(path).as_posix() for above in found)[:5])
        raise BtferError(f"{path}: has several {SOURCES_CSV} ({names}); write them into one")
    return found[0] if found else path


def _line(what: str, images: int, why: str) -> str:
    return f"{what} ({images} image{'s' * (images != 1)}{', ' * bool(why)}{why})"


def _nothing_found(path: Path, images: int) -> str:
    listed = [
        _line(folder.name, len(list_images(folder).images), did_you_mean(folder.name))
        for folder in _folders(path)
    ]
    text = f"{path}: no folder in it is named after an emotion ({', '.join(EMOTIONS)})"
    if listed:
        more = f"; and {len(listed) - 10} more" if len(listed) > 10 else ""
        text += f"; it has {'; '.join(listed[:10])}{more}"
    return text + (_UNSORTED if images else "")
