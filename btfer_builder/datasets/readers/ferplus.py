"""FER+ (Barsoum et al. 2016, github.com/microsoft/FERPlus): ten people's votes on each picture of FER2013."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest
from pathlib import Path

from btfer_builder.datasets.readers import fer2013
from btfer_builder.datasets.readers.base import Item, class_emotion, find_file
from btfer_builder.errors import BtferError
from btfer_builder.io.csv import as_mapping, read_csv

#: File with the votes, one line a row of `fer2013.csv` in the same order.
TABLE = "fer2013new.csv"

#: Its columns with votes: seven emotions, contempt, unknown and NF (not a face); `read_csv` lowers their names.
VOTES = (
    "neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt", "unknown", "nf",
)  # fmt: skip


def read(source: Path) -> Iterator[Item]:
    """Yield the rows of FER2013 with the labels of FER+, from a folder with `fer2013new.csv` and `fer2013.csv`.

    The label is that of the authors' mode `majority`: single votes are left out as outliers, and the class with more
    than half of the others is the label; rows without one are `no_majority`. All votes for the seven emotions are
    kept as soft labels.

    Raises
    ------
    BtferError
        If one of the files is missing, or the rows of one are not those of the other.
    """
    table = find_file(source, TABLE) if source.is_dir() else None
    if table is None:
        raise BtferError(f"{source}: has no {TABLE}; name a folder with it and fer2013.csv")
    if find_file(source, "fer2013.csv", "icml_face_data.csv") is None:
        raise BtferError(f"{source}: has {TABLE}, but no fer2013.csv, which has the pictures; put it there")
    return _rows(table, fer2013.read(source))


def _rows(table: Path, pictures: Iterator[Item]) -> Iterator[Item]:
    columns, rows = read_csv(table)
    if missing := {"usage", *VOTES} - set(columns):
        raise BtferError(f"{table}: has no column {', '.join(sorted(missing))}; expected FER+'s {TABLE}")
    for entry, item in zip_longest(rows, pictures):
        if entry is None or item is None:
            raise BtferError(f"{table}: has not as many rows as fer2013.csv; both must be complete")
        line, cells = entry
        row = as_mapping(columns, cells)
        if fer2013.split_of(row["usage"]) != item.split:
            raise BtferError(
                f"{table}, line {line}: Usage differs from that of fer2013.csv; use the original"
            )
        yield _item(item, _counts(table, line, row))


def _counts(table: Path, line: int, row: Mapping[str, str]) -> dict[str, int]:
    counts = {name: row[name].strip() for name in VOTES}
    for name, count in counts.items():
        if not (count.isascii() and count.isdecimal() and len(count) < 4):
            raise BtferError(f"{table}, line {line}: {name} is {count[:40]!r}, expected a number of votes")
    return {name: int(count) for name, count in counts.items()}


def _item(item: Item, counts: Mapping[str, int]) -> Item:
    label = majority(counts)
    emotion = class_emotion(label, {})
    reason = "no_majority" if not label else None if emotion else "other_class"
    votes: dict[str, int] = {
        name: count for column, count in counts.items() if (name := class_emotion(column, {})) and count
    }
    if item.reason == "unreadable":
        reason = item.reason
    return replace(item, label=label, emotion=emotion, reason=reason, votes=votes)


def majority(counts: Mapping[str, int]) -> str:
    """Return the column with more than half of the votes, single votes left out; empty if there is none."""
    agreed = {name: count for name, count in counts.items() if count > 1}
    best = max(agreed, key=agreed.__getitem__, default="")
    return best if best and 2 * agreed[best] > sum(agreed.values()) else ""
