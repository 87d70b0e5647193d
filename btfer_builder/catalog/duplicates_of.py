"""What a reviewer compares an item with: the searches that found it, and the duplicates dropped for it."""

from dataclasses import dataclass

from btfer_builder.catalog.catalog import Catalog
from btfer_builder.records import Kind


@dataclass(frozen=True, slots=True)
class Peer:
    """A photo of a group of duplicates: the kept one or one of its duplicates.

    `kind` and the distances (of the 64-bit and 256-bit pHashes; of copies of the face only the first) are None for
    the kept one, unless it resembles a picture that was taken down. `found` has the (emotion, query) that found it, in
    the order of the crawl.
    """

    image_id: str
    kind: str | None
    distance: int | None
    fine_distance: int | None
    width: int | None
    height: int | None
    found: tuple[tuple[str, str], ...]


def peers(catalog: Catalog, kind: Kind, item_id: str) -> list[Peer]:
    """Return the photo of an item and the duplicates of the photo or the face, the closest first.

    Empty if the item does not exist.
    """
    image_id = item_id
    if kind == "face":
        image_id = catalog.value("SELECT image_id FROM faces WHERE face_id = ?", item_id) or ""
    rows = catalog.rows(
        """SELECT i.image_id, d.kind, d.distance, d.fine_distance, h.width, h.height, i.image_id <> ?
           FROM (SELECT ? AS image_id UNION SELECT image_id FROM dedupes WHERE duplicate_of = ?) JOIN images i
           USING (image_id) LEFT JOIN dedupes d USING (image_id) LEFT JOIN hashes h USING (image_id)
           UNION ALL
           SELECT f.image_id, c.kind, c.distance, NULL, h.width, h.height, 1
           FROM face_copies c JOIN faces f USING (face_id) LEFT JOIN hashes h ON h.image_id = f.image_id
           WHERE c.duplicate_of = ?
           ORDER BY 7, 3, 1""",
        image_id, image_id, image_id, item_id,
    )  # fmt: skip
    return [
        Peer(row["image_id"], row["kind"], row["distance"], row["fine_distance"], row["width"], row["height"],
             _found(catalog, row["image_id"]))
        for row in rows
    ]  # fmt: skip


def _found(catalog: Catalog, image_id: str) -> tuple[tuple[str, str], ...]:
    rows = catalog.rows(
        """SELECT s.emotion, s.query FROM fetches f JOIN candidates c USING (url) JOIN searches s USING (search_id)
           WHERE f.image_id = ? GROUP BY s.emotion, s.query ORDER BY min(c.candidate_id)""",
        image_id,
    )
    return tuple((row["emotion"], row["query"]) for row in rows)
