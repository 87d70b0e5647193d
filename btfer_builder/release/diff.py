"""Compare two releases: faces that were added, removed, relabelled or moved to another split."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError
from btfer_builder.io.json import parse_json, read_json
from btfer_builder.io.limits import read_lines
from btfer_builder.release import schema


@dataclass(frozen=True, slots=True)
class ReleaseDiff:
    """The difference between two releases, sorted by face id.

    Attributes
    ----------
    added, removed
        (face_id, emotion) of faces that only the later or only the earlier release has.
    relabelled, moved
        (face_id, before, after) of faces with another emotion or in another split.
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
        """Whether both releases have the same faces, labels and splits."""
        return not (self.added or self.removed or self.relabelled or self.moved)


def diff_faces(before: Mapping[str, tuple[str, str]], after: Mapping[str, tuple[str, str]]) -> ReleaseDiff:
    """Compare two sets of faces, each given as (emotion, split) by face id."""
    both = sorted(set(before) & set(after))
    return ReleaseDiff(
        added=[(face_id, after[face_id][0]) for face_id in sorted(set(after) - set(before))],
        removed=[(face_id, before[face_id][0]) for face_id in sorted(set(before) - set(after))],
        relabelled=[(i, before[i][0], after[i][0]) for i in both if before[i][0] != after[i][0]],
        moved=[(i, before[i][1], after[i][1]) for i in both if before[i][1] != after[i][1]],
    )


def diff_releases(earlier: Path, later: Path) -> ReleaseDiff:
    """Compare two folders of releases, with images or with addresses.

    Raises
    ------
    BtferError
        If one of them is not a release.
    """
    return diff_faces(faces_in(earlier), faces_in(later))


def release_info(folder: Path) -> dict[str, Any]:
    """Return the content of release.json.

    Raises
    ------
    BtferError
        If the folder is not a release, or is written by a newer btfer.
    """
    path = folder / "release.json"
    try:
        info = read_json(path)
        known = (
            isinstance(info, dict) and info["form"] in {"images", "urls"} and isinstance(info["splits"], dict)
        )
    except (OSError, ValueError, KeyError):
        known = False
    if not known:
        raise BtferError(
            f"{folder} is not a release that this btfer can read: expected the release.json that btfer release writes"
        )
    return dict(info)


def rows_in(folder: Path) -> list[dict[str, Any]]:
    """Return a row for each face of a release, from metadata.jsonl or sources.jsonl.

    Raises
    ------
    BtferError
        If a row is not valid; the message names it.
    """
    info = release_info(folder)
    if info["form"] == "urls":
        return _read_rows(folder / schema.SOURCES)
    return [
        row | {"split": split}
        for split in info["splits"]
        for row in _read_rows(folder / split / schema.METADATA)
    ]


def faces_in(folder: Path) -> dict[str, tuple[str, str]]:
    """Return the (emotion, split) of each face of a release by id."""
    return {row["face_id"]: (row["emotion"], row["split"]) for row in rows_in(folder)}


def _read_rows(path: Path) -> list[dict[str, Any]]:
    rows = []
    try:
        for number, line in enumerate(read_lines(path), start=1):
            try:
                row = parse_json(line)
                good = all(isinstance(row[name], str) for name in ("face_id", "emotion", "file_name"))
            except (ValueError, KeyError, TypeError):
                good = False
            if not good:
                raise BtferError(
                    f"{path}, line {number}: expected an object with face_id, emotion and file_name"
                )
            rows.append(row)
    except OSError:
        raise BtferError(f"{path} cannot be read; is the release complete?") from None
    return rows
