"""Other people's labelled sets brought into one form: splits of class folders, checked for leakage (§2)."""

from btfer_builder.datasets.import_dataset import Imported, import_dataset

__all__ = ["Imported", "import_dataset"]
