"""Readers of dataset layouts. A new layout is one module here and one entry in `LAYOUTS`."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btfer_builder.config import DatasetKind, DatasetRecipe
from btfer_builder.datasets.readers import (
    affectnet,
    btfer,
    ckplus,
    coded_names,
    expw,
    fer2013,
    ferplus,
    folders,
    generic,
    rafdb,
    sfew,
)
from btfer_builder.datasets.readers.base import Item, numbered_folders, split_folders
from btfer_builder.errors import BtferError


@dataclass(frozen=True, slots=True)
class Layout:
    """A layout of datasets.

    Attributes
    ----------
    read
        Reads a file or folder in this layout; an error says what it lacks, at the latest with the first item.
    paper_val_share
        Share of the pooled dataset that the authors drew for val (§4.3); None if they kept its own splits.
    setting
        Setting of `DatasetRecipe` that the reader takes after the source.
    """

    read: Callable[..., Iterator[Item]]
    paper_val_share: float | None = None
    setting: str = ""

    def items(self, source: Path, recipe: DatasetRecipe) -> Iterator[Item]:
        """Yield the pictures of a dataset in this layout."""
        settings: list[Any] = [getattr(recipe, self.setting)] if self.setting else []
        return self.read(source, *settings)


#: In the order in which `recognise` tries them: FER+ contains FER2013, and CK+48 has class folders.
LAYOUTS: dict[DatasetKind, Layout] = {
    "ferplus": Layout(ferplus.read),
    "expw": Layout(expw.read),
    "ckplus": Layout(ckplus.read),
    "jaffe": Layout(coded_names.read_jaffe),
    "kdef": Layout(coded_names.read_kdef),
    "sfew": Layout(sfew.read),
    "btfer": Layout(btfer.read),
    "folder": Layout(folders.read),
    "rafdb": Layout(rafdb.read, paper_val_share=0.3),  # 4,606 of 15,339 pictures
    "affectnet": Layout(affectnet.read, paper_val_share=0.2),  # 5,545 of 27,766 pictures
    "fer2013": Layout(fer2013.read),
    "labels": Layout(generic.read_table, setting="labels"),
    "pattern": Layout(generic.read_pattern, setting="pattern"),
}


@dataclass(frozen=True, slots=True)
class Recognition:
    """The layout of a dataset, and why it is not one of those that were tried before."""

    kind: DatasetKind
    others: dict[DatasetKind, str]


def recognise(source: Path, recipe: DatasetRecipe) -> Recognition:
    """Return the first layout in which a dataset can be read; `labels` and `pattern` if their setting is given.

    Raises
    ------
    BtferError
        If there is none, or if numbered class folders do not say whose numbers they are.
    """
    if recipe.labels:
        return Recognition("labels", {})
    if recipe.pattern:
        return Recognition("pattern", {})
    if source.is_file():
        return Recognition("fer2013", {})
    others: dict[DatasetKind, str] = {}
    for kind, layout in LAYOUTS.items():
        try:
            next(iter(layout.items(source, recipe)), None)
        except BtferError as error:
            others[kind] = str(error).removeprefix(f"{source}: ").partition(";")[0]
            continue
        if kind in {"affectnet", "fer2013"}:
            _refuse_ambiguous(source)
        return Recognition(kind, others)
    reasons = "; ".join(f"{kind}: {reason}" for kind, reason in others.items())
    raise BtferError(f"{source}: is in no layout that is known ({reasons}); use --labels or --pattern")


def _refuse_ambiguous(source: Path) -> None:
    numbers = numbered_folders(split_folders(source) or {source: "train"})
    if numbers and "7" not in numbers:
        raise BtferError(
            f"{source}: its class folders {', '.join(sorted(numbers))} are numbered as AffectNet's (0 is neutral) or "
            "FER2013's (0 is angry); name the kind: affectnet or fer2013"
        )
