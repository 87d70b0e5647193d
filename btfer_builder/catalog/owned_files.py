"""Which files belong to a row of the catalog."""

from btfer_builder.catalog.catalog import Catalog
from btfer_builder.records import Kind


def image_files(catalog: Catalog) -> set[str]:
    """Return the paths of all images, relative to the workspace."""
    return _column(catalog, "SELECT path FROM images")


def face_files(catalog: Catalog) -> set[str]:
    """Return the paths of all face crops, relative to the workspace."""
    return _column(catalog, "SELECT path FROM faces WHERE path IS NOT NULL")


def sample_files(catalog: Catalog) -> set[str]:
    """Return the paths of the sample's files, relative to the workspace."""
    return _column(catalog, "SELECT path FROM sample")


def item_ids(catalog: Catalog, kind: Kind) -> set[str]:
    """Return the ids of all images or faces: those that may have a thumbnail."""
    return _column(catalog, f"SELECT {kind}_id FROM {kind}s")


def _column(catalog: Catalog, sql: str) -> set[str]:
    return {row[0] for row in catalog.connection.execute(sql)}
