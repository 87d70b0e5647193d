"""Foresee which faces leave when images are cropped with other settings, out of the catalog alone."""

import json
import sqlite3
from collections.abc import Iterable, Sequence
from itertools import groupby

from btfer_builder.config import CropRecipe, changes
from btfer_builder.crop.cropping import place_faces
from btfer_builder.crop.detectors.base import Detection, largest_first
from btfer_builder.crop.geometry import Box


def leaving_faces(rows: Iterable[sqlite3.Row], recipe: CropRecipe) -> set[str]:
    """Return the kept faces that are not there any more after a crop with these settings.

    What was detected is in the catalog, and a face's id follows from it. Only another detector, or a photo of
    unknown size, may find other faces: then all of its faces count as leaving.

    Parameters
    ----------
    rows
        As `catalog.crop.faces_cropped_with` returns them.
    recipe
        The settings.
    """
    leaving: set[str] = set()
    for image_id, faces in groupby(rows, key=lambda row: str(row["image_id"])):
        before = list(faces)
        leaving |= {row["face_id"] for row in before if row["state"] == "kept"} - _kept(
            image_id, before, recipe
        )
    return leaving


def _kept(image_id: str, rows: Sequence[sqlite3.Row], recipe: CropRecipe) -> set[str]:
    width, height = rows[0]["photo_width"], rows[0]["photo_height"]
    if not width or changes(json.loads(rows[0]["settings"]), recipe, ("detector",)):
        return set()
    if width * height > recipe.max_pixels:
        return set()
    detections = largest_first(_detection(row) for row in rows)
    placed = place_faces(image_id, detections, width, height, recipe)
    return {face.face_id for face in placed if face.state == "kept"}


def _detection(row: sqlite3.Row) -> Detection:
    points = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")
    return Detection(
        Box(row["x"], row["y"], row["width"], row["height"]),
        row["confidence"],
        *((row[f"{point}_x"], row[f"{point}_y"]) for point in points),
    )
