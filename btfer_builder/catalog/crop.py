"""What the crop stage writes and asks: the outcome for every image, and its faces."""

from collections.abc import Iterable
from pathlib import Path

from btfer_builder.catalog.catalog import Catalog, insert
from btfer_builder.records import CropResult


def uncropped_images(catalog: Catalog, settings: str, root: Path) -> list[tuple[str, str]]:
    """Return (image_id, path) of every croppable image not yet cropped with these settings.

    So is one whose faces are in the catalog but no longer below `root`.
    """
    rows = catalog.rows(
        """SELECT i.image_id, i.path, c.image_id IS NULL AS new, f.path AS face
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
    """Return how many images were last cropped with other settings."""
    return int(catalog.value("SELECT count(*) FROM crops WHERE settings <> ?", settings))


def add_crops(catalog: Catalog, results: Iterable[CropResult], settings: str) -> None:
    """Commit outcomes with their faces, in place of those of an earlier crop of the same images."""
    results = list(results)
    with catalog.transaction() as db:
        ids = [(result.image_id,) for result in results]
        db.executemany(
            "DELETE FROM sample WHERE face_id IN (SELECT face_id FROM faces WHERE image_id = ?)", ids
        )
        db.executemany("DELETE FROM crops WHERE image_id = ?", ids)
        insert(db, "crops", (result for result in results), settings=settings)
        insert(db, "faces", (face for result in results for face in result.faces))
