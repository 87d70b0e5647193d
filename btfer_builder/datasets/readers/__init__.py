"""Readers of dataset layouts. A new layout is one module here and one entry in `LAYOUTS`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from btfer_builder.config import DatasetKind
from btfer_builder.datasets.readers import affectnet, fer2013, folders, rafdb
from btfer_builder.datasets.readers.base import Item


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout of datasets.

    Attributes
    ----------
    read
        Reads a file or folder in this layout.
    paper_val_share
        Share of the pooled dataset that the authors drew for val (§4.3); None if they kept its own splits.
    """

    read: Callable[[Path], Iterator[Item]]
    paper_val_share: float | None = None


LAYOUTS: dict[DatasetKind, Layout] = {
    "fer2013": Layout(fer2013.read),
    "rafdb": Layout(rafdb.read, paper_val_share=0.3),  # 4,606 of 15,339 pictures
    "affectnet": Layout(affectnet.read, paper_val_share=0.2),  # 5,545 of 27,766 pictures
    "folder": Layout(folders.read),
}
