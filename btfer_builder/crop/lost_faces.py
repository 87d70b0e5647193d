"""Predict from the catalog which faces are lost if images are cropped with other settings."""

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from btfer_builder.config import CropRecipe, changes, override
from btfer_builder.crop.cropping import place_faces
from btfer_builder.crop.detectors.base import Detection, largest_first
from btfer_builder.crop.geometry import Box

#: Settings by which all other boxes may be found.
_DETECTION = ("detector", "already_cropped")
#: Settings that say which sizes are searched.
_SIZES = ("search", "min_face_size", "faces", "blur_others", "already_cropped", "detector")


@dataclass(frozen=True, slots=True)
class FoundBefore:
    """The faces of a photo in the catalog.

    Attributes
    ----------
    detections
        Where they were found, largest first.
    kept
        The ids of those that exist again if they are cropped with other settings.
    """

    detections: tuple[Detection, ...] = ()
    kept: frozenset[str] = frozenset()


def lost_faces(rows: Iterable[sqlite3.Row], recipe: CropRecipe) -> set[str]:
    """Return the kept faces that no longer exist after a crop with these settings.

    Parameters
    ----------
    rows
        The result of `catalog.crop.faces_cropped_with`.
    recipe
        The new settings.
    """
    rows = list(rows)
    before = {str(row["face_id"]) for row in rows if row["state"] == "kept"}
    return before.difference(*(found.kept for found in found_before(rows, recipe).values()))


def found_before(rows: Iterable[sqlite3.Row], recipe: CropRecipe) -> dict[str, FoundBefore]:
    """Return the faces of photos, by image id, and which of them are kept with these settings.

    The catalog stores the detections, and a face's id follows from them. With another detector, if smaller faces matter
    now than were searched for, or if a photo's size is not known, the faces cannot be predicted and none counts as
    kept. Parameters as in `lost_faces`.
    """
    return {
        image_id: _found(image_id, list(faces), recipe)
        for image_id, faces in groupby(rows, key=lambda row: str(row["image_id"]))
    }


def _found(image_id: str, rows: Sequence[sqlite3.Row], recipe: CropRecipe) -> FoundBefore:
    width, height = rows[0]["photo_width"], rows[0]["photo_height"]
    earlier = json.loads(rows[0]["settings"])
    if not width or changes(earlier, recipe, _DETECTION) or _may_hide_others(earlier, recipe):
        return FoundBefore()
    if width * height > recipe.max_pixels:
        return FoundBefore()
    detections = largest_first(
        _detection(row) for row in rows if recipe.second_search or row["found_by"] != "bordered"
    )
    known = {row["face_id"] for row in rows}
    placed = place_faces(image_id, detections, width, height, recipe, known)
    return FoundBefore(tuple(detections), frozenset(face.face_id for face in placed if face.state == "kept"))


def _may_hide_others(earlier: Mapping[str, Any], recipe: CropRecipe) -> bool:
    """Return whether faces that were not searched for are blurred now, or make a photo one of several faces."""
    if "search" not in earlier:  # all sizes were searched before there was a choice
        return False
    before = override(recipe, **{name: earlier[name] for name in _SIZES if name in earlier})
    return (recipe.blur_others and before.smallest_searched > 0) or (
        recipe.faces == "single" and before.smallest_searched > recipe.min_face_size
    )


def _detection(row: sqlite3.Row) -> Detection:
    points = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    return Detection(
        Box(row["x"], row["y"], row["width"], row["height"]),
        row["confidence"],
        *((row[f"{point}_x"], row[f"{point}_y"]) for point in points),
        found_by=row["found_by"],
    )
