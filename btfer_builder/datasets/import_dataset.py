"""Import a dataset: read it, write PNG files, find leakage, draw missing splits, count classes; all or nothing."""

import glob
import shutil
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

from btfer_builder import __version__
from btfer_builder.config import DatasetKind, DatasetRecipe
from btfer_builder.datasets.class_counts import classes_png, classes_table
from btfer_builder.datasets.convert import ConvertedItem, convert_items
from btfer_builder.datasets.draw_splits import apply_paper_splits, draw_splits
from btfer_builder.datasets.duplicates import DuplicatePair, find_duplicates, find_leakage
from btfer_builder.datasets.readers import LAYOUTS, recognise
from btfer_builder.datasets.readers.base import DROP_REASONS, Item
from btfer_builder.errors import BtferError
from btfer_builder.images.files import in_total, list_images, report_left_out
from btfer_builder.io.atomic import build_folder, write_bytes
from btfer_builder.io.csv import write_csv
from btfer_builder.io.json import json_text, write_json
from btfer_builder.io.terminal import bar
from btfer_builder.labels import EMOTIONS, SPLITS, SplitName
from btfer_builder.parallel import Crashed, Runner
from btfer_builder.release.schema import METADATA, votes_columns

_SHARD_SIZE = 64


@dataclass(frozen=True, slots=True)
class ImportResult:
    """Counts of an import: came_in = Σ counts + Σ dropped.

    Attributes
    ----------
    kind, path
        Layout of the dataset, and the folder that was written.
    came_in
        Pictures that the list or the folders of the dataset name.
    counts
        Pictures of each emotion, by split; without empty splits.
    dropped
        Pictures that were not imported, by reason.
    labels_dropped
        Pictures without one of the seven emotions, by their label in the dataset.
    leakage
        Pictures of the first split that are in the second split, too: `train-val`, `train-test`, `val-test`.
    repeated
        Pictures that repeat a picture of their own split.
    conflicts
        Pairs of the same picture with two emotions.
    left_out
        Files of the folder that are not pictures of the dataset, by reason (`images.files.LEFT_OUT`).
    """

    kind: DatasetKind
    path: Path
    came_in: int
    counts: dict[SplitName, dict[str, int]]
    dropped: dict[str, int]
    labels_dropped: dict[str, int]
    leakage: dict[str, int]
    repeated: int
    conflicts: int
    left_out: dict[str, int] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the output of `btfer dataset import --json`, which `import.json` contains, too."""
        return {
            "kind": self.kind,
            "path": str(self.path),
            "in": self.came_in,
            "kept": sum(sum(classes.values()) for classes in self.counts.values()),
            "splits": self.counts,
            "dropped": self.dropped,
            "labels_dropped": self.labels_dropped,
            "leakage": self.leakage,
            "repeated": self.repeated,
            "conflicts": self.conflicts,
            "left_out": self.left_out,
        }


def import_dataset(
    kind: DatasetKind | Literal["auto"], source: Path, out: Path, recipe: DatasetRecipe
) -> ImportResult:
    """Import a dataset as `OUT/train/happy/0123456789abcdef.png`.

    The folder also gets `import.json` (result and recipe), `classes.md`, `classes.csv` and `classes.png` (the paper's
    Fig. 9), `twins.csv` (duplicates), `pictures.csv` (the origin of each picture), `dropped.csv` (pictures that were
    not imported, with reasons) and, in each split, `metadata.jsonl` (votes, where the dataset has them).

    Parameters
    ----------
    kind
        Layout of the dataset, a key of `LAYOUTS`; `auto` recognises it.
    source
        File or folder of the dataset; it is only read.
    out
        A new or empty folder. It appears when the import is complete.
    recipe
        Settings for splits, leakage and the written pictures.

    Raises
    ------
    BtferError
        If the dataset does not have this layout or no usable picture, or `out` cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BtferError(f"{out}: already exists; name a new folder, or remove it first")
    if not source.exists():
        raise BtferError(f"{source}: no such file or folder")
    if source.is_dir() and source.resolve() in (out.resolve(), *out.resolve().parents):
        raise BtferError(f"{out}: is inside the dataset; name a folder outside of {source}")
    if kind == "auto":
        kind = recognise(source, recipe).kind
    layout = LAYOUTS[kind]
    items = list(layout.items(source, recipe))
    left_out = _left_out(source, items)
    if recipe.paper:
        items, recipe = apply_paper_splits(layout, items, recipe)
    of_0_1 = f".{glob.escape(out.name)}.importing"
    with build_folder(out, leftovers=(of_0_1,)) as building:
        (building / "pictures").mkdir()
        converted = [
            ConvertedItem(item.without_pixels(), reason=item.reason) for item in items if item.reason
        ]
        converted += _convert([item for item in items if not item.reason], building / "pictures", recipe)
        return _arrange(kind, out, building, converted, recipe, left_out)


def _left_out(source: Path, items: Sequence[Item]) -> dict[str, int]:
    """Count and report the files of a folder that are no items."""
    if not source.is_dir() or any(isinstance(item.source, bytes) for item in items):
        return {}
    files = list_images(source)
    unlisted = len(set(files.images).difference(item.source for item in items))
    left_out = in_total([files.left_out, {"unlisted": unlisted}])
    report_left_out(source, left_out)
    return left_out


def _convert(items: Sequence[Item], folder: Path, recipe: DatasetRecipe) -> list[ConvertedItem]:
    """Convert the pictures; the result has the order of the items, whichever worker finishes first."""
    runner: Runner[Item, ConvertedItem] = Runner(recipe.workers, _SHARD_SIZE)
    function = partial(convert_items, folder=folder, max_side=recipe.max_side, max_pixels=recipe.max_pixels)
    converted: dict[tuple[str, str], ConvertedItem] = {}
    with bar(len(items), "import", "pictures") as progress:
        for shard in runner.map(function, items):
            for item, result in shard:
                converted[item.split, item.name] = (
                    ConvertedItem(item.without_pixels(), reason="crashed_decoder")
                    if isinstance(result, Crashed)
                    else result
                )
            progress.update(len(shard))
    return [converted[item.split, item.name] for item in items]


def _arrange(
    kind: DatasetKind,
    out: Path,
    folder: Path,
    converted: Sequence[ConvertedItem],
    recipe: DatasetRecipe,
    left_out: dict[str, int],
) -> ImportResult:
    """Move the pictures to their splits and classes, and write the tables about them."""
    pictures = [picture for picture in converted if picture.reason is None]
    undecodable = [picture for picture in converted if picture.reason is not None]
    if not pictures:
        counted = Counter(picture.reason for picture in undecodable)
        reasons = ", ".join(f"{count} {reason}" for reason, count in counted.items())
        raise BtferError(
            f"{out}: nothing to import: {reasons or 'the dataset is empty'}{_labels_found(undecodable)}"
        )
    duplicates = find_duplicates(pictures, recipe.radius, recipe.fine_radius)
    pictures = draw_splits(pictures, duplicates, recipe)
    leakage = find_leakage(pictures, duplicates)
    if recipe.leaked == "drop":
        leaked = {index for indexes in leakage.values() for index in indexes}
        pictures = [
            replace(picture, reason="leaked") if index in leaked else picture
            for index, picture in enumerate(pictures)
        ]
    kept = [picture for picture in pictures if picture.reason is None]
    for picture in kept:
        target = folder / _path(picture)
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / "pictures" / picture.file).replace(target)
    shutil.rmtree(folder / "pictures")
    everything = undecodable + pictures
    other_labels = (
        picture.item.label for picture in undecodable if picture.reason in {"other_class", "unknown_label"}
    )
    result = ImportResult(
        kind=kind,
        path=out,
        came_in=len(converted),
        counts=_counts(kept),
        dropped=dict(sorted(Counter(item.reason for item in everything if item.reason is not None).items())),
        labels_dropped=dict(Counter(other_labels)),
        leakage={pair: len(indexes) for pair, indexes in leakage.items()},
        repeated=len(
            {
                pair.second
                for pair in duplicates
                if pictures[pair.first].item.split == pictures[pair.second].item.split
            }
        ),
        conflicts=sum(_conflict(pictures, pair) for pair in duplicates),
        left_out=left_out,
    )
    _write_tables(folder, result, everything, pictures, duplicates, recipe)
    return result


def _labels_found(dropped: Sequence[ConvertedItem]) -> str:
    """Return which labels no emotion is known for, and what is expected; empty if there are none."""
    labels = dict.fromkeys(repr(each.item.label) for each in dropped if each.reason == "unknown_label")
    if not labels:
        return ""
    return f" ({', '.join(list(labels)[:8])}{', …' * (len(labels) > 8)}); expected {', '.join(EMOTIONS)}, as words"


def _write_tables(
    folder: Path,
    result: ImportResult,
    everything: Sequence[ConvertedItem],
    pictures: Sequence[ConvertedItem],
    duplicates: Sequence[DuplicatePair],
    recipe: DatasetRecipe,
) -> None:
    import msgspec

    write_csv(
        folder / "pictures.csv",
        ["path", "name", "label", "pixels"],
        (
            {
                "path": _path(picture),
                "name": picture.item.name,
                "label": picture.item.label,
                "pixels": picture.pixels,
            }
            for picture in pictures
            if picture.reason is None
        ),
    )
    write_csv(
        folder / "dropped.csv",
        ["name", "split", "label", "reason", "detail"],
        (
            {
                "name": picture.item.name,
                "split": picture.item.split,
                "label": picture.item.label,
                "reason": picture.reason,
                "detail": picture.detail or DROP_REASONS[picture.reason],
            }
            for picture in everything
            if picture.reason is not None
        ),
    )
    columns = ["first", "second", "kind", "distance", "fine_distance", "splits", "conflict"]
    write_csv(folder / "twins.csv", columns, (_duplicate_row(pictures, pair) for pair in duplicates))
    for split in result.counts:
        _write_votes(folder / split, [picture for picture in pictures if picture.item.split == split])
    emotions = [{"emotion": emotion} | _by_split(result.counts, emotion) for emotion in EMOTIONS]
    write_csv(folder / "classes.csv", ["emotion", *result.counts], emotions)
    write_bytes(folder / "classes.md", classes_table(result.counts).encode())
    write_bytes(folder / "classes.png", classes_png(result.path.name, result.counts))
    content = result.to_dict() | {"recipe": msgspec.to_builtins(recipe), "btfer": __version__}
    write_json(folder / "import.json", content)


def _write_votes(folder: Path, pictures: Sequence[ConvertedItem]) -> None:
    """Write the votes on the pictures of a split as a release does, for `btfer eval`."""
    rows = [
        {"file_name": f"{picture.item.emotion}/{picture.file}"} | votes_columns(picture.item.votes)
        for picture in pictures
        if picture.reason is None and picture.item.votes
    ]
    if rows:
        write_bytes(folder / METADATA, "".join(json_text(row) + "\n" for row in rows).encode())


def _duplicate_row(pictures: Sequence[ConvertedItem], pair: DuplicatePair) -> dict[str, object]:
    both = (pictures[pair.first], pictures[pair.second])
    first, second = sorted(both, key=lambda picture: SPLITS.index(picture.item.split))
    return {
        "first": _path(first),
        "second": _path(second),
        "kind": pair.kind,
        "distance": pair.distance,
        "fine_distance": pair.fine_distance,
        "splits": f"{first.item.split}-{second.item.split}",
        "conflict": int(_conflict(pictures, pair)),
    }


def _by_split(counts: Mapping[SplitName, Mapping[str, int]], emotion: str) -> dict[str, int]:
    return {split: classes[emotion] for split, classes in counts.items()}


def _counts(kept: Sequence[ConvertedItem]) -> dict[SplitName, dict[str, int]]:
    counted = Counter((picture.item.split, picture.item.emotion) for picture in kept)
    present = {picture.item.split for picture in kept}
    return {
        split: {emotion: counted[split, emotion] for emotion in EMOTIONS}
        for split in SPLITS
        if split in present
    }


def _conflict(pictures: Sequence[ConvertedItem], pair: DuplicatePair) -> bool:
    return pictures[pair.first].item.emotion != pictures[pair.second].item.emotion


def _path(picture: ConvertedItem) -> str:
    return f"{picture.item.split}/{picture.item.emotion}/{picture.file}"
