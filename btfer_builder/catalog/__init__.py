"""The catalog: one SQLite file that holds the state of a workspace. All SQL is in this folder."""

from btfer_builder.catalog.catalog import Catalog

__all__ = ["Catalog"]
