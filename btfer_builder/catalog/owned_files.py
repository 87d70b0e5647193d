"""Which files belong to a row of the catalog. Those that were purged do not: a killed purge is completed."""

from btfer_builder.catalog.catalog import Catalog
from btfer_builder.catalog.sample import scored_faces
from btfer_builder.images.face_cache import set_key
from btfer_builder.records import Kind


def image_files(catalog: Catalog) -> set[str]:
    """Return the paths of all images, relative to the workspace."""
    return _column(
        catalog,
        """SELECT path FROM images i WHERE NOT EXISTS (
               SELECT 1 FROM purged p WHERE p.kind = 'image' AND p.item_id = i.image_id)""",
    )


def face_files(catalog: Catalog) -> set[str]:
    """Return the paths of all face crops, relative to the workspace."""
    return _column(
        catalog,
        """SELECT path FROM faces f WHERE path IS NOT NULL AND NOT EXISTS (
               SELECT 1 FROM purged p WHERE p.kind = 'face' AND p.item_id = f.face_id)""",
    )


def sample_files(catalog: Catalog) -> set[str]:
    """Return the paths of the sample's files, relative to the workspace."""
    return _column(catalog, "SELECT path FROM sample")


def cached_sets(catalog: Catalog) -> set[str]:
    """Return how the files begin that keep the resized faces of the current sample."""
    faces = [(row["face_id"], row["sha256"]) for row in scored_faces(catalog)]
    return {set_key(faces)[:16]} if faces else set()


def item_ids(catalog: Catalog, kind: Kind) -> set[str]:
    """Return the ids of all images or faces: those that may have a thumbnail."""
    return _column(
        catalog,
        f"""SELECT {kind}_id FROM {kind}s WHERE NOT EXISTS (
                SELECT 1 FROM purged p WHERE p.kind = '{kind}' AND p.item_id = {kind}_id)""",
    )


def _column(catalog: Catalog, sql: str) -> set[str]:
    return {row[0] for row in catalog.connection.execute(sql)}
