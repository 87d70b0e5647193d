"""Work of people in the catalog that no command can repeat: decisions, and the sample."""

import json
from collections.abc import Collection
from typing import Any

from btfer_builder.catalog.catalog import Catalog
from btfer_builder.records import Kind


def decided_items(catalog: Catalog, kind: Kind) -> set[str]:
    """Return the images or faces that a reviewer has accepted or rejected, without decisions taken back."""
    rows = catalog.rows(
        """SELECT DISTINCT item_id FROM decisions d WHERE kind = ? AND verdict IN ('accept', 'reject')
           AND NOT EXISTS (SELECT 1 FROM decisions u WHERE u.undoes = d.decision_id)""",
        kind,
    )
    return {row["item_id"] for row in rows}


def faces_with_work(catalog: Catalog) -> set[str]:
    """Return the faces that are reviewed or in the sample."""
    sampled = {row["face_id"] for row in catalog.rows("SELECT face_id FROM sample")}
    return sampled | decided_items(catalog, "face")


def images_with_work(catalog: Catalog) -> set[str]:
    """Return the images that are reviewed, or of which a face is reviewed or in the sample."""
    worked = faces_with_work(catalog)
    faces = catalog.rows("SELECT face_id, image_id FROM faces")
    return decided_items(catalog, "image") | {row["image_id"] for row in faces if row["face_id"] in worked}


def count_work_on_faces(catalog: Catalog, face_ids: Collection[str]) -> tuple[int, int]:
    """Return how many of these faces are reviewed, and how many are in the sample."""
    ids = set(face_ids)
    sampled = {row["face_id"] for row in catalog.rows("SELECT face_id FROM sample")}
    return len(ids & decided_items(catalog, "face")), len(ids & sampled)


def count_work_on_images(catalog: Catalog, image_ids: Collection[str]) -> tuple[int, int]:
    """Return how many of these images are reviewed (or one of their faces), and how many faces are in the sample."""
    ids, decided = set(image_ids), decided_items(catalog, "face")
    faces = catalog.rows("SELECT face_id, image_id FROM faces")
    reviewed = decided_items(catalog, "image") | {
        row["image_id"] for row in faces if row["face_id"] in decided
    }
    sampled = catalog.rows("SELECT f.image_id FROM sample JOIN faces f USING (face_id)")
    return len(ids & reviewed), sum(row["image_id"] in ids for row in sampled)


def count_released(catalog: Catalog, image_ids: Collection[str]) -> int:
    """Return how many faces of these images are in a release."""
    ids = set(image_ids)
    rows = catalog.rows("SELECT DISTINCT face_id, image_id FROM release_faces JOIN faces USING (face_id)")
    return sum(row["image_id"] in ids for row in rows)


def last_settings(catalog: Catalog, command: str) -> dict[str, Any] | None:
    """Return the recipe of the last finished run of a command; None if there is none."""
    text = catalog.value(
        "SELECT recipe FROM runs WHERE command = ? AND outcome = 'done' ORDER BY run_id DESC LIMIT 1", command
    )
    return dict(json.loads(text)) if text else None


def last_version(catalog: Catalog, command: str) -> str:
    """Return the version of btfer that finished a command last; empty if there is none."""
    sql = "SELECT version FROM runs WHERE command = ? AND outcome = 'done' ORDER BY run_id DESC LIMIT 1"
    return catalog.value(sql, command) or ""


def kept_images(catalog: Catalog) -> set[str]:
    """Return the images that dedupe keeps."""
    return {row["image_id"] for row in catalog.rows("SELECT image_id FROM dedupes WHERE state = 'kept'")}


def kept_faces(catalog: Catalog) -> set[str]:
    """Return the faces that cropping and the second pass of dedupe keep."""
    rows = catalog.rows(
        """SELECT face_id FROM faces JOIN croppable USING (image_id) WHERE faces.state = 'kept'
           AND face_id NOT IN (SELECT face_id FROM face_copies)"""
    )
    return {row["face_id"] for row in rows}
