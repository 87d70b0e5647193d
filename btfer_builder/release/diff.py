"""What is different between two releases: added, removed, relabelled, moved to another split."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError


@dataclass(frozen=True, slots=True)
class Difference:
    """Faces of the later release that the earlier one has not, and so on; all sorted by id.

    `relabelled` and `moved` are (face_id, before, after), of the emotion and of the split.
    """

    added: list[tuple[str, str]]
    removed: list[tuple[str, str]]
    relabelled: list[tuple[str, str, str]]
    moved: list[tuple[str, str, str]]

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer diff --json`."""
        return {
            "added": [{"face_id": face_id, "emotion": emotion} for face_id, emotion in self.added],
            "removed": [{"face_id": face_id, "emotion": emotion} for face_id, emotion in self.removed],
            "relabelled": [
                {"face_id": i, "before": before, "after": after} for i, before, after in self.relabelled
            ],
            "moved": [{"face_id": i, "before": before, "after": after} for i, before, after in self.moved],
        }

    @property
    def is_empty(self) -> bool:
        """Whether the two are the same set."""
        return not (self.added or self.removed or self.relabelled or self.moved)


def compare(before: Mapping[str, tuple[str, str]], after: Mapping[str, tuple[str, str]]) -> Difference:
    """Compare two sets of faces, each as (emotion, split) by face id."""
    both = sorted(set(before) & set(after))
    return Difference(
        added=[(face_id, after[face_id][0]) for face_id in sorted(set(after) - set(before))],
        removed=[(face_id, before[face_id][0]) for face_id in sorted(set(before) - set(after))],
        relabelled=[(i, before[i][0], after[i][0]) for i in both if before[i][0] != after[i][0]],
        moved=[(i, before[i][1], after[i][1]) for i in both if before[i][1] != after[i][1]],
    )


def difference(earlier: Path, later: Path) -> Difference:
    """Compare two release folders, with pictures or with addresses.

    Raises
    ------
    BtferError
        If one of them is no release.
    """
    return compare(faces_in(earlier), faces_in(later))


def release_info(folder: Path) -> dict[str, Any]:
    """Return what the release.json of a release says.

    Raises
    ------
    BtferError
        If the folder is no release, or one of a newer btfer.
    """
    path = folder / "release.json"
    try:
        info = json.loads(path.read_text(encoding="utf-8"))
        known = (
            isinstance(info, dict) and info["form"] in {"images", "urls"} and isinstance(info["splits"], dict)
        )
    except (OSError, ValueError, KeyError):
        known = False
    if not known:
        raise BtferError(
            f"{folder} is no release this btfer knows: expected a release.json in it, as btfer release writes"
        )
    return dict(info)


def rows_in(folder: Path) -> list[dict[str, Any]]:
    """Return what is said of every face of a release: the rows of metadata.jsonl, or of sources.jsonl.

    Raises
    ------
    BtferError
        If a row is not what `btfer release` writes; the text names it.
    """
    info = release_info(folder)
    if info["form"] == "urls":
        return _rows(folder / "sources.jsonl")
    return [
        row | {"split": split} for split in info["splits"] for row in _rows(folder / split / "metadata.jsonl")
    ]


def faces_in(folder: Path) -> dict[str, tuple[str, str]]:
    """Return the (emotion, split) of every face of a release, by id."""
    return {row["face_id"]: (row["emotion"], row["split"]) for row in rows_in(folder)}


def _rows(path: Path) -> list[dict[str, Any]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise BtferError(f"{path} cannot be read; is the release complete?") from None
    rows = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
            good = all(isinstance(row[name], str) for name in ("face_id", "emotion", "file_name"))
        except (ValueError, KeyError, TypeError):
            good = False
        if not good:
            raise BtferError(f"{path}, line {number}: expected an object with face_id, emotion and file_name")
        rows.append(row)
    return rows
