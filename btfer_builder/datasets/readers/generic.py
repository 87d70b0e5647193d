"""Any set whose labels are in a table (`--labels`) or in the paths of its files (`--pattern`)."""

import re
from collections.abc import Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path

from btfer_builder.datasets.readers.base import Item, class_emotion, name_key, without_emotion
from btfer_builder.errors import BtferError
from btfer_builder.images.files import list_images
from btfer_builder.io.csv import as_mapping, read_csv, refuse_repeated
from btfer_builder.labels import SplitName, parse_split

#: Names of the columns, the first that a table has counts.
PATHS = (
    "path", "file", "file_name", "filename", "filepath", "file_path", "image", "image_path", "image_name", "imagepath",
    "image name", "img", "img_path", "name",
)  # fmt: skip
LABELS = ("emotion", "label", "expression", "class", "labels", "emotion_label", "class_name")
SPLITS = ("split", "usage", "subset", "set", "partition")


def read_table(source: Path, labels: str) -> Iterator[Item]:
    r"""Yield the pictures that a table lists, one a row: path, emotion and, if it has the column, split.

    Parameters
    ----------
    source
        The folder that the paths are relative to. Of a path that begins elsewhere (`C:\photos\a\1.jpg`, written on
        another machine), the longest end that is a picture of the folder counts; case and a missing suffix do not
        matter. Paths that lead out of the folder are `missing_file`; links in the folder are followed.
    labels
        The CSV file.

    Raises
    ------
    BtferError
        If the table lacks a column or has one twice, lists a picture twice, or names an unknown split.
    """
    if not labels:
        raise BtferError(f"{source}: has no labels without a table; name it: --labels labels.csv")
    table = Path(labels)
    try:
        columns, rows = read_csv(table)
    except OSError as error:
        raise BtferError(f"{table}: cannot be read: {error.strerror}") from None
    path, label, split = (
        next((name for name in names if name in columns), "") for names in (PATHS, LABELS, SPLITS)
    )
    if not (path and label):
        raise BtferError(
            f"{table}: has the columns {', '.join(columns)[:200] or '(none)'}; expected {PATHS[0]} and {LABELS[0]}"
        )
    refuse_repeated(table, columns, filter(None, (path, label, split)))
    return _rows(source, table, columns, rows, (path, label, split))


def _rows(
    source: Path,
    table: Path,
    columns: list[str],
    rows: Iterator[tuple[int, list[str]]],
    named: tuple[str, str, str],
) -> Iterator[Item]:
    files = _Files(source)
    seen: set[str | Path] = set()
    for line, cells in rows:
        row = as_mapping(columns, cells)
        name, label = row[named[0]].strip(), row[named[1]].strip()
        file = files.find(name)
        picture = file or name
        if picture in seen:
            raise BtferError(f"{table}, line {line}: {name[:80]} is listed twice; keep one of the lines")
        seen.add(picture)
        split = _split(row[named[2]], f"{table}, line {line}") if named[2] else "train"
        yield _item(name, split, label, file)


class _Files:
    """The pictures of a folder, found by the paths of a table."""

    def __init__(self, source: Path) -> None:
        self._source = source

    @cached_property
    def _index(self) -> dict[str, Path]:
        """Pictures by the keys of their relative paths, with and without suffix; a path of several is left out."""
        index: dict[str, Path] = {}
        doubtful: set[str] = set()
        for path in list_images(self._source).images:
            relative = path.relative_to(self._source)
            for key in {name_key(relative.as_posix()), name_key(relative.with_suffix("").as_posix())}:
                doubtful |= {key} & index.keys()
                index[key] = path
        return {key: path for key, path in index.items() if key not in doubtful}

    def find(self, name: str) -> Path | None:
        """Return the picture that a cell of a table means; None if there is none in the folder."""
        parts = name.replace("\\", "/").split("/")
        if "\0" in name or ".." in parts:
            return None
        file = self._source.joinpath(*(part for part in parts if part))
        with suppress(OSError):  # a name too long for a file
            if file.is_file():
                return file
        ends = (name_key("/".join(parts[start:])) for start in range(len(parts)))
        return next((self._index[end] for end in ends if end in self._index), None)


def read_pattern(source: Path, pattern: str) -> Iterator[Item]:
    r"""Yield the pictures of a folder, whose emotion a regular expression finds in their paths.

    Parameters
    ----------
    source
        The folder. Paths are relative to it, with `/`.
    pattern
        A regular expression with the group `(?P<emotion>…)`, and optionally `(?P<split>…)` and `(?P<person>…)`.
        It is searched anywhere in the path; pictures without a match are `unknown_label`.

    Raises
    ------
    BtferError
        If the expression is not valid, has no such group, or matches no picture.
    """
    if not pattern:
        raise BtferError(
            rf"{source}: has no emotions without a pattern; name it: --pattern '_(?P<emotion>\w+)\.'"
        )
    try:
        form = re.compile(pattern)
    except re.error as error:
        raise BtferError(f"--pattern: {pattern!r} is not a regular expression: {error}") from None
    if "emotion" not in form.groupindex:
        raise BtferError(f"--pattern: {pattern!r} has no group (?P<emotion>…)")
    named = [(path, path.relative_to(source).as_posix()) for path in list_images(source).images]
    found = [(path, name, form.search(name)) for path, name in named]
    if not any(match for _, _, match in found):
        raise BtferError(f"{source}: --pattern matches none of its {len(named)} pictures")
    for path, name, match in found:
        groups = {key: value or "" for key, value in match.groupdict().items()} if match else {}
        split = _split(groups["split"], name) if groups.get("split") else "train"
        yield _item(name, split, groups.get("emotion", ""), path, groups.get("person", ""))


def _split(word: str, where: str) -> SplitName:
    split = parse_split(word)
    if split is None:
        raise BtferError(f"{where}: the split is {word[:80]!r}, expected train, val or test")
    return split


def _item(name: str, split: SplitName, label: str, path: Path | None, person: str = "") -> Item:
    emotion = class_emotion(label, {})
    reason = without_emotion(label) if emotion is None else None if path else "missing_file"
    return Item(name, split, label[:40], emotion, path or Path(), reason, person=person)
