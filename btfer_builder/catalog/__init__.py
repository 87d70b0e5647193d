"""The catalog: one SQLite file that is the one truth of a workspace. SQL is spoken in this folder only."""

from btfer_builder.catalog.catalog import Catalog

__all__ = ["Catalog"]
