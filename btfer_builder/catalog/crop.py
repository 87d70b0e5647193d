"""Queries of the crop stage: the outcome for each image, and its faces."""

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from btfer_builder.catalog.catalog import Catalog, insert, placeholders
from btfer_builder.catalog.intentions import record
from btfer_builder.io.json import json_text
from btfer_builder.records import CropResult


def stored_settings(catalog: Catalog) -> list[str]:
    """Return the settings, as JSON, of the crops that can be made again, the most frequent first."""
    rows = catalog.connection.execute(
        # in the order of the tables: any other one looks every row up elsewhere in the file
        "SELECT settings FROM croppable_files i CROSS JOIN crops c USING (image_id) ORDER BY i.image_id"
    )
    count = Counter(settings for (settings,) in rows)  # SQLite would sort all rows to group them
    return sorted(count, key=lambda settings: (-count[settings], settings))


def uncropped_images(
    catalog: Catalog, settings: Sequence[str], face_sizes: Mapping[str, int]
) -> list[tuple[str, str]]:
    """Return (image_id, path) of every croppable image not yet cropped with one of these settings.

    So is one whose file was gone then, and one with a face whose file is missing or damaged.

    Parameters
    ----------
    catalog, settings
        Where, and the settings as JSON.
    face_sizes
        The size in bytes of every face file, by path.
    """
    rows = catalog.connection.execute(
        f"""SELECT i.image_id, i.path, c.image_id IS NULL OR c.reason IS 'missing_file' AS new, f.path AS face,
                   f.bytes
           FROM croppable_files i
           LEFT JOIN crops c ON c.image_id = i.image_id AND c.settings IN ({placeholders(settings)})
           LEFT JOIN faces f ON f.image_id = i.image_id AND f.state = 'kept' ORDER BY i.image_id""",
        settings,
    )
    todo = {
        image_id: path
        for image_id, path, new, face, written in rows
        if new or (face is not None and not is_whole(face_sizes.get(face), written))
    }
    return sorted(todo.items())


def is_whole(size: int | None, written: int | None) -> bool:
    """Return whether a file of this size (None: there is none) has the bytes that were written (None: not known)."""
    return bool(size) and written in {None, size}


def cropped_with(catalog: Catalog, settings: Sequence[str]) -> int:
    """Return how many croppable images are cropped with one of these settings."""
    return int(
        catalog.value(
            f"""SELECT count(*) FROM crops JOIN croppable_files USING (image_id)
                WHERE settings IN ({placeholders(settings)})""",
            *settings,
        )
    )


def images_cropped_with(catalog: Catalog, settings: Sequence[str]) -> set[str]:
    """Return the ids of the images that are cropped with one of these settings."""
    rows = catalog.rows(f"SELECT image_id FROM crops WHERE settings IN ({placeholders(settings)})", *settings)
    return {row["image_id"] for row in rows}


#: Faces with the size of their photo and the settings with which it was cropped.
_FACES_OF_PHOTOS = """SELECT f.*, h.width AS photo_width, h.height AS photo_height, c.settings
    FROM faces f JOIN crops c USING (image_id) JOIN croppable_files i USING (image_id)
    LEFT JOIN hashes h USING (image_id)"""


def faces_cropped_with(catalog: Catalog, settings: Sequence[str]) -> list[sqlite3.Row]:
    """Return the faces of croppable images that are cropped with one of these settings, grouped by image.

    `photo_width` and `photo_height` are those of the photo, None if it was not hashed.
    """
    return catalog.rows(
        f"{_FACES_OF_PHOTOS} WHERE c.settings IN ({placeholders(settings)}) ORDER BY f.image_id, f.face_id",
        *settings,
    )


def faces_beside(catalog: Catalog, face_ids: Iterable[str]) -> list[sqlite3.Row]:
    """Return all faces of the croppable images that show one of these, as `faces_cropped_with` does."""
    return catalog.rows(
        f"""{_FACES_OF_PHOTOS} WHERE f.image_id IN (
                SELECT w.image_id FROM json_each(?) wanted CROSS JOIN faces w ON w.face_id = wanted.value)
            ORDER BY f.image_id, f.face_id""",
        json_text(sorted(face_ids)),
    )


def numeric_face_ids(catalog: Catalog) -> frozenset[str]:
    """Return the ids of faces, also of those that were only reviewed, of nothing but digits, `d` and `e`.

    Among them are all that can be taken for numbers; new faces get no such id.
    """
    rows = catalog.rows(
        """SELECT face_id FROM faces WHERE face_id NOT GLOB '*[a-cf]*'
           UNION SELECT item_id FROM decisions WHERE kind = 'face' AND item_id NOT GLOB '*[a-cf]*'"""
    )
    return frozenset(row["face_id"] for row in rows)


def photo_sizes(catalog: Catalog) -> list[tuple[int, int]]:
    """Return the different sizes (width, height) of the croppable images."""
    rows = catalog.rows(
        "SELECT DISTINCT h.width, h.height FROM croppable i JOIN hashes h USING (image_id) ORDER BY 1, 2"
    )
    return [(row["width"], row["height"]) for row in rows]


def count_padded(catalog: Catalog) -> tuple[int, int]:
    """Return how many kept faces reach over the border of their photo, and how many there are."""
    (row,) = catalog.rows("SELECT coalesce(sum(padding > 0), 0), count(*) FROM faces WHERE state = 'kept'")
    return row[0], row[1]


def first_image_paths(catalog: Catalog, limit: int) -> list[str]:
    """Return the paths of the first images by id whose file was not purged, relative to the workspace."""
    rows = catalog.rows(
        """SELECT path FROM images i WHERE NOT EXISTS (
               SELECT 1 FROM purged p WHERE p.kind = 'image' AND p.item_id = i.image_id)
           ORDER BY image_id LIMIT ?""",
        limit,
    )
    return [row["path"] for row in rows]


def add_crops(catalog: Catalog, results: Iterable[CropResult], settings: str) -> None:
    """Commit outcomes and faces, which replace those of an earlier crop of the same images.

    Faces that exist again stay in the sample. The others leave it and are recorded as undrawn (`left_sample`).
    """
    results = list(results)
    with catalog.transaction() as db:
        db.execute("PRAGMA defer_foreign_keys = ON")  # until the faces of the sample exist again
        ids = [(result.image_id,) for result in results]
        before = [
            row
            for image_id in ids
            for row in db.execute("SELECT face_id FROM faces WHERE image_id = ?", image_id).fetchall()
        ]
        db.executemany("DELETE FROM crops WHERE image_id = ?", ids)
        insert(db, "crops", results, settings=settings)
        insert(db, "faces", (face for result in results for face in result.faces))
        for face_id in [row["face_id"] for row in before]:
            gone = "FROM sample WHERE face_id = ? AND face_id NOT IN (SELECT face_id FROM faces)"
            db.execute(
                f"INSERT OR REPLACE INTO undrawn SELECT face_id, emotion, 'left_sample', rank {gone}",
                (face_id,),
            )
            if db.execute(f"DELETE {gone}", (face_id,)).rowcount:
                record(db, "sample", "data/sample")  # its file belongs to no row now


def face_lengths(catalog: Catalog, face_ids: Iterable[str]) -> list[tuple[str, str, int | None]]:
    """Return (face_id, path, bytes written) of those of the faces that are kept, by id."""
    rows = catalog.rows(
        """SELECT f.face_id, f.path, f.bytes FROM json_each(?) wanted CROSS JOIN faces f ON f.face_id = wanted.value
           WHERE f.state = 'kept'""",
        json_text(sorted(face_ids)),
    )
    return [(row[0], row[1], row[2]) for row in rows]


def faces_to_render(catalog: Catalog, face_ids: Iterable[str]) -> list[sqlite3.Row]:
    """Return faces with everything that rendering needs: their rows, `photo` (path) and `size`; grouped by photo."""
    return catalog.rows(
        """SELECT f.*, i.path AS photo, json_extract(c.settings, '$.size') AS size
           FROM json_each(?) wanted CROSS JOIN faces f ON f.face_id = wanted.value
           JOIN crops c USING (image_id) JOIN images i USING (image_id)
           ORDER BY i.path, f.face_id""",
        json_text(sorted(face_ids)),
    )


def set_lengths(catalog: Catalog, lengths: Mapping[str, int]) -> None:
    """Commit how many bytes the files of faces have that were made again."""
    with catalog.transaction() as db:
        db.executemany("UPDATE faces SET bytes = ? WHERE face_id = ?", [(n, i) for i, n in lengths.items()])
