"""What pictures look like: the hashes of images, of faces, and of what was taken down."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from btfer_builder.catalog.catalog import Catalog, json_list
from btfer_builder.images.same_picture import PARTS

#: Rows of hashes that are read at a time.
_AT_ONCE = 1 << 16


@dataclass(frozen=True, slots=True)
class ImageFingerprint:
    """Hashes of a picture (see `ImageHash`), and its path if it has a file in the workspace.

    Hashes other than the 64-bit pHashes are empty if only 0.1.0 has hashed it.
    """

    image_id: str
    path: str
    pixel_sha256: str
    phash: str
    phash_mirrored: str
    phash_256: str
    phash_256_mirrored: str
    parts: str


def image_fingerprints(catalog: Catalog, image_ids: Iterable[str]) -> list[ImageFingerprint]:
    """Return the fingerprints of those of these images that are hashed, by id."""
    rows = catalog.rows(
        """SELECT h.image_id, i.path, pixel_sha256, phash, phash_mirrored, phash_256, phash_256_mirrored, parts
           FROM json_each(?) wanted CROSS JOIN hashes h ON h.image_id = wanted.value
           CROSS JOIN images i ON i.image_id = h.image_id WHERE h.reason IS NULL ORDER BY h.image_id""",
        json_list(image_ids),
    )
    return [ImageFingerprint(*row) for row in rows]


def image_hashes(catalog: Catalog) -> Iterator[list[tuple[str, str]]]:
    """Yield (image_id, digits of all 64-bit hashes) of all hashed images, by id, many at a time.

    Where parts are not known, the hash of the whole is repeated (see `images.same_picture.hash_matrix`).
    """
    wholes = " || ".join(["phash"] * len(PARTS))
    cursor = catalog.connection.execute(
        f"""SELECT image_id, phash || phash_mirrored ||
                             coalesce(nullif(parts, ''), phash || phash_mirrored || {wholes})
            FROM hashes WHERE reason IS NULL ORDER BY image_id"""
    )
    while rows := cursor.fetchmany(_AT_ONCE):
        yield rows


def images_with_pixels(catalog: Catalog, pixel_sha256: str) -> list[str]:
    """Return the images with these pixels."""
    rows = catalog.rows(
        "SELECT image_id FROM hashes WHERE reason IS NULL AND pixel_sha256 = ? ORDER BY image_id",
        pixel_sha256,
    )
    return [row["image_id"] for row in rows]


def face_fingerprints(catalog: Catalog, face_ids: Iterable[str]) -> dict[str, ImageFingerprint]:
    """Return the fingerprints of those of these faces that are hashed, by face id."""
    rows = catalog.rows(
        """SELECT face_id, '', '', phash, phash_mirrored, phash_256, phash_256_mirrored, ''
           FROM json_each(?) wanted CROSS JOIN face_hashes h ON h.face_id = wanted.value WHERE reason IS NULL""",
        json_list(face_ids),
    )
    return {row["face_id"]: ImageFingerprint(*row) for row in rows}


def taken_down_fingerprints(catalog: Catalog) -> list[ImageFingerprint]:
    """Return the fingerprints of everything that was taken down."""
    rows = catalog.rows(
        """SELECT coalesce(image_id, face_id, ''), '', '', phash, phash_mirrored, coalesce(phash_256, ''),
                  coalesce(phash_256_mirrored, ''), coalesce(parts, '') FROM tombstones WHERE phash IS NOT NULL"""
    )
    return [ImageFingerprint(*row) for row in rows]
