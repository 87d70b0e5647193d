"""Predict from the catalog which faces are lost if images are cropped with other settings."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import groupby

from btfer_builder.config import CropRecipe, changes, override
from btfer_builder.crop.cropping import place_faces
from btfer_builder.crop.detectors.base import DETECTION_SIDE, Detection, largest_first
from btfer_builder.crop.geometry import Box

#: Settings by which other boxes may be found.
_DETECTION = ("detector", "already_cropped", "search")
#: Settings by which a photo may be searched in full, and large JPEGs at full scale.
_FULL_SEARCH = ("search", "faces", "blur_others")


def lost_faces(rows: Iterable[sqlite3.Row], recipe: CropRecipe) -> set[str]:
    """Return the kept faces that no longer exist after a crop with these settings.

    The catalog stores the detections, and a face's id follows from them. With another detector or other sizes
    searched for, or if a photo's size is not known, the faces cannot be predicted and all faces of the photo count as
    lost.

    Parameters
    ----------
    rows
        The result of `catalog.crop.faces_cropped_with`.
    recipe
        The new settings.
    """
    lost: set[str] = set()
    for image_id, faces in groupby(rows, key=lambda row: str(row["image_id"])):
        before = list(faces)
        lost |= {row["face_id"] for row in before if row["state"] == "kept"} - _kept(image_id, before, recipe)
    return lost


def _kept(image_id: str, rows: Sequence[sqlite3.Row], recipe: CropRecipe) -> set[str]:
    width, height = rows[0]["photo_width"], rows[0]["photo_height"]
    earlier = json.loads(rows[0]["settings"])
    if not width or changes(earlier, recipe, _DETECTION):
        return set()
    if width * height > recipe.max_pixels:
        return set()
    if max(width, height) >= 2 * DETECTION_SIDE and "search" in earlier:  # perhaps decoded at reduced scale
        before = override(recipe, **{name: earlier[name] for name in _FULL_SEARCH if name in earlier})
        if bool(before.smallest_searched) != bool(recipe.smallest_searched):
            return set()
    detections = largest_first(
        _detection(row) for row in rows if recipe.second_search or row["found_by"] != "bordered"
    )
    known = {row["face_id"] for row in rows}
    placed = place_faces(image_id, detections, width, height, recipe, known)
    return {face.face_id for face in placed if face.state == "kept"}


def _detection(row: sqlite3.Row) -> Detection:
    points = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    return Detection(
        Box(row["x"], row["y"], row["width"], row["height"]),
        row["confidence"],
        *((row[f"{point}_x"], row[f"{point}_y"]) for point in points),
        found_by=row["found_by"],
    )
