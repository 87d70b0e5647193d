"""List the images of a folder by their content, and count what is left out."""

import os
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.images.formats import IMAGE_SUFFIXES, START, recognise
from btfer_builder.io.terminal import echo_stderr

#: Why a file of a folder is left out, with its meaning.
LEFT_OUT: dict[str, str] = {
    "hidden": "hidden files",
    "system": "files of the system (__MACOSX, Thumbs.db, desktop.ini)",
    "broken_link": "broken links",
    "not_an_image": "files that are no images",
    "unlisted": "images in no class folder or list",
}

_SYSTEM_FILES = frozenset({"thumbs.db", "desktop.ini", "ehthumbs.db"})
_SYSTEM_FOLDERS = frozenset({"__macosx", "@eadir"})


@dataclass(frozen=True, slots=True)
class FolderFiles:
    """The images of a folder, sorted by path, and the number of other files by the reason (`LEFT_OUT`).

    `others` are the files that are `not_an_image`, `broken` the links that lead nowhere.
    """

    images: tuple[Path, ...]
    left_out: Mapping[str, int]
    others: tuple[Path, ...] = ()
    broken: tuple[Path, ...] = ()


def list_images(folder: Path, *, recursive: bool = True) -> FolderFiles:
    """List the images of a folder and its subfolders, following links; each folder is read once, and none above it.

    A file is an image if its first bytes say so. One that has the suffix of an image and another content is listed,
    too: it is broken, and decoding it says how.

    Raises
    ------
    BtferError
        If a folder cannot be read.
    """
    images: list[Path] = []
    others: list[Path] = []
    broken: list[Path] = []
    left_out: Counter[str] = Counter()
    for path, reason in _files(folder, recursive):
        why = reason or _why_not(path)
        if why:
            left_out[why] += 1
            others += [path] * (why == "not_an_image")
            broken += [path] * (why == "broken_link")
        else:
            images.append(path)
    return FolderFiles(tuple(sorted(images)), dict(left_out), tuple(sorted(others)), tuple(sorted(broken)))


def is_image(path: Path) -> bool:
    """Return whether a file is an image by its first bytes, or by its suffix if they say nothing."""
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return True
    with path.open("rb") as file:
        return recognise(file.read(START)) is not None


def is_system(path: Path) -> bool:
    """Return whether a file or folder is hidden or belongs to a system, and holds no images for that."""
    return path.name.startswith(".") or path.name.lower() in _SYSTEM_FOLDERS | _SYSTEM_FILES


def in_total(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sums of counts of files that are left out, in the order of `LEFT_OUT`."""
    total: Counter[str] = Counter()
    for each in counts:
        total.update(each)
    return {reason: total[reason] for reason in LEFT_OUT if total[reason]}


def report_left_out(folder: Path, left_out: Mapping[str, int]) -> None:
    """Print how many files of a folder are left out, if any."""
    if left_out:
        counts = ", ".join(f"{count} {LEFT_OUT[reason]}" for reason, count in left_out.items())
        echo_stderr(f"{folder}: left out {counts}")


def _files(folder: Path, recursive: bool) -> Iterator[tuple[Path, str]]:
    """Yield the files below a folder, with the reason for those that are left out because of where they are."""

    def fail(error: OSError) -> None:
        raise BtferError(f"{error.filename}: cannot be read: {error.strerror}; its images would be missed")

    # A link that leads up would take the pictures of the folders beside this one.
    seen = {(status.st_dev, status.st_ino) for status in map(os.stat, folder.resolve().parents)}
    inherited: dict[str, str] = {}
    for root, folders, files in os.walk(folder, onerror=fail, followlinks=True):
        status = os.stat(root)
        if (status.st_dev, status.st_ino) in seen:
            folders.clear()
            continue
        seen.add((status.st_dev, status.st_ino))
        reason = inherited.get(root, "")
        yield from ((Path(root, name), reason) for name in files)
        if not recursive:
            return
        for name in folders:
            inherited[os.path.join(root, name)] = reason or _reason_of_name(name)


def _reason_of_name(name: str) -> str:
    if name.lower() in _SYSTEM_FOLDERS | _SYSTEM_FILES:
        return "system"
    return "hidden" if name.startswith(".") else ""


def _why_not(path: Path) -> str:
    """Return why a file is not an image; empty for an image."""
    if reason := _reason_of_name(path.name):
        return reason
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "not_an_image"
        return "" if is_image(path) else "not_an_image"
    except (FileNotFoundError, NotADirectoryError):
        return "broken_link"
    except OSError as error:
        if path.is_symlink() and not path.exists():  # a circle of links
            return "broken_link"
        raise BtferError(f"{path}: cannot be read: {error.strerror}") from None
