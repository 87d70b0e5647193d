"""What the crop stage writes and asks: the outcome for every image, and its faces."""

import sqlite3
from collections.abc import Iterable

from btfer_builder.catalog.catalog import Catalog, insert
from btfer_builder.records import CropResult
from btfer_builder.storage import Root


def uncropped_images(catalog: Catalog, settings: str, root: Root) -> list[tuple[str, str]]:
    """Return (image_id, path) of every croppable image not yet cropped with these settings.

    So is one whose file was gone then, and one whose faces are in the catalog but no longer below `root`.
    """
    rows = catalog.rows(
        """SELECT i.image_id, i.path, c.image_id IS NULL OR c.reason IS 'missing_file' AS new, f.path AS face
           FROM croppable i LEFT JOIN crops c ON c.image_id = i.image_id AND c.settings = ?
           LEFT JOIN faces f ON f.image_id = i.image_id AND f.state = 'kept'
           ORDER BY i.image_id""",
        settings,
    )
    todo = {
        row["image_id"]: row["path"]
        for row in rows
        if row["new"] or (row["face"] is not None and not (root / row["face"]).is_file())
    }
    return list(todo.items())


def cropped_otherwise(catalog: Catalog, settings: str) -> int:
    """Return how many croppable images were last cropped with other settings."""
    return int(
        catalog.value(
            "SELECT count(*) FROM crops JOIN croppable USING (image_id) WHERE settings <> ?", settings
        )
    )


def add_crops(catalog: Catalog, results: Iterable[CropResult], settings: str) -> None:
    """Commit outcomes with their faces, in place of those of an earlier crop of the same images.

    A face that comes back stays in the sample; one that does not leaves it.
    """
    results = list(results)
    with catalog.transaction() as db:
        db.execute("PRAGMA defer_foreign_keys = ON")  # until the faces of the sample are back
        ids = [(result.image_id,) for result in results]
        before = [
            row
            for image_id in ids
            for row in db.execute("SELECT face_id FROM faces WHERE image_id = ?", image_id).fetchall()
        ]
        db.executemany("DELETE FROM crops WHERE image_id = ?", ids)
        insert(db, "crops", results, settings=settings)
        insert(db, "faces", (face for result in results for face in result.faces))
        db.executemany(
            "DELETE FROM sample WHERE face_id = ? AND face_id NOT IN (SELECT face_id FROM faces)",
            [tuple(row) for row in before],
        )


def crops_to_remake(catalog: Catalog) -> list[sqlite3.Row]:
    """Return every kept face with all that is needed to cut it out again: its row, `photo` (path) and `size`."""
    return catalog.rows(
        """SELECT f.*, i.path AS photo, json_extract(c.settings, '$.size') AS size
           FROM faces f JOIN crops c USING (image_id) JOIN images i USING (image_id)
           WHERE f.state = 'kept' ORDER BY f.face_id"""
    )
