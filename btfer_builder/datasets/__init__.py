"""Import labelled datasets into one form, splits of class folders, and check them for leakage (§2)."""

from btfer_builder.datasets.import_dataset import ImportResult, import_dataset

__all__ = ["ImportResult", "import_dataset"]
