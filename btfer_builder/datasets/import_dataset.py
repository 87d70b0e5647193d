"""Import a labelled set: read, write, look for leakage, draw missing splits, count; all of it or nothing."""

import glob
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from btfer_builder import __version__
from btfer_builder.config import DatasetKind, DatasetRecipe, SplitName
from btfer_builder.datasets.class_counts import classes_png, classes_table
from btfer_builder.datasets.convert import Converted, convert_items
from btfer_builder.datasets.draw_splits import as_the_authors, draw_splits
from btfer_builder.datasets.duplicates import DuplicatePair, find_twins, leaked
from btfer_builder.datasets.readers import affectnet, fer2013, folders, rafdb
from btfer_builder.datasets.readers.base import DROPPED, Item
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import build_folder, write_bytes
from btfer_builder.io.csv import write_csv
from btfer_builder.io.json import write_json
from btfer_builder.io.terminal import bar
from btfer_builder.labels import EMOTIONS
from btfer_builder.parallel import Crashed, Runner

READERS: dict[DatasetKind, Callable[[Path], Iterator[Item]]] = {
    "fer2013": fer2013.read,
    "rafdb": rafdb.read,
    "affectnet": affectnet.read,
    "folder": folders.read,
}

_SHARD_SIZE = 64
_ORDER: tuple[SplitName, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a labelled set: came_in = Σ counts + Σ dropped.

    Attributes
    ----------
    kind, path
        What it was read as, and where it was written.
    came_in
        Pictures its list or folders name.
    counts
        Pictures of each emotion by split, without splits that are empty.
    dropped
        Pictures left out, by reason.
    labels_dropped
        Those whose class is none of ours, by the set's own name of it.
    leakage
        Pictures of the first split that stand in the second, too: `train-val`, `train-test`, `val-test`.
    repeated
        Pictures that stand in their own split more than once.
    conflicts
        Pairs of the same picture under two emotions.
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

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer dataset import --json`, which is that of `import.json`."""
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
        }


def import_dataset(kind: DatasetKind, source: Path, out: Path, recipe: DatasetRecipe) -> Imported:
    """Bring a labelled set into the form `OUT/train/happy/0123456789abcdef.png`.

    Beside the splits stand `import.json` (the result and the recipe), `classes.md`, `classes.csv` and `classes.png`
    (the paper's Fig. 9), `twins.csv` (pictures that are there twice), `pictures.csv` (where each came from) and
    `dropped.csv` (what was left out and why).

    Parameters
    ----------
    kind
        How the set is laid out.
    source
        Its file or folder, which is only read.
    out
        A folder that is not there yet, or is empty. It appears when it is whole.
    recipe
        Splits, leakage, and how pictures are written.

    Raises
    ------
    BtferError
        If the set is not laid out like that, has no picture that can be used, or `out` cannot be written.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BtferError(f"{out}: is there already; name a new folder, or remove it first")
    if not source.exists():
        raise BtferError(f"{source}: no such file or folder")
    if source.is_dir() and source.resolve() in (out.resolve(), *out.resolve().parents):
        raise BtferError(f"{out}: lies in the set itself; name a folder outside of {source}")
    items = list(READERS[kind](source))
    if recipe.paper:
        items, recipe = as_the_authors(kind, items, recipe)
    with build_folder(
        out, leftovers=(f".{glob.escape(out.name)}.importing",)
    ) as building:  # 0.1.0 named it so
        (building / "pictures").mkdir()
        done = [Converted(_light(item), reason=item.reason) for item in items if item.reason]
        done += _convert([item for item in items if not item.reason], building / "pictures", recipe)
        return _arrange(kind, out, building, done, recipe)


def _convert(items: Sequence[Item], folder: Path, recipe: DatasetRecipe) -> list[Converted]:
    """Convert the pictures, in the order in which they came, whichever worker was faster."""
    runner: Runner[Item, Converted] = Runner(recipe.workers, _SHARD_SIZE)
    function = partial(convert_items, folder=folder, max_side=recipe.max_side, max_pixels=recipe.max_pixels)
    done: dict[tuple[str, str], Converted] = {}
    with bar(len(items), "import", "pictures") as progress:
        for shard in runner.map(function, items):
            for item, result in shard:
                if isinstance(result, Crashed):
                    done[item.split, item.name] = Converted(_light(item), reason="crashed_decoder")
                else:
                    done[item.split, item.name] = result
            progress.update(len(shard))
    return [done[item.split, item.name] for item in items]


def _arrange(
    kind: DatasetKind, out: Path, folder: Path, done: Sequence[Converted], recipe: DatasetRecipe
) -> Imported:
    """Move the pictures to their splits and classes, and write what is known of them."""
    pictures = [one for one in done if one.reason is None]
    if not pictures:
        counted = Counter(one.reason for one in done)
        why = ", ".join(f"{count} {reason}" for reason, count in counted.items())
        raise BtferError(f"{out}: nothing to import: {why or 'the set is empty'}")
    twins = find_twins(pictures, recipe.radius, recipe.fine_radius)
    pictures = draw_splits(pictures, twins, recipe)
    leaks = leaked(pictures, twins)
    if recipe.leaked == "drop":
        gone = {place for places in leaks.values() for place in places}
        pictures = [
            replace(one, reason="leaked") if place in gone else one for place, one in enumerate(pictures)
        ]
    kept = [one for one in pictures if one.reason is None]
    for one in kept:
        target = folder / _path(one)
        target.parent.mkdir(parents=True, exist_ok=True)
        (folder / "pictures" / one.file).replace(target)
    shutil.rmtree(folder / "pictures")
    result = Imported(
        kind=kind,
        path=out,
        came_in=len(done),
        counts=_counts(kept),
        dropped=_dropped([*done, *(one for one in pictures if one.reason)]),
        labels_dropped=dict(
            Counter(one.item.label for one in done if one.reason in {"other_class", "unknown_label"})
        ),
        leakage={pair: len(places) for pair, places in leaks.items()},
        repeated=len(
            {pair.second for pair in twins if _split(pictures, pair.first) == _split(pictures, pair.second)}
        ),
        conflicts=sum(_conflict(pictures, pair) for pair in twins),
    )
    _write(folder, result, [one for one in done if one.reason] + pictures, pictures, twins, recipe)
    return result


def _write(
    folder: Path,
    result: Imported,
    everything: Sequence[Converted],
    pictures: Sequence[Converted],
    twins: Sequence[DuplicatePair],
    recipe: DatasetRecipe,
) -> None:
    import msgspec

    write_csv(
        folder / "pictures.csv",
        ["path", "name", "label", "pixels"],
        (
            {"path": _path(one), "name": one.item.name, "label": one.item.label, "pixels": one.pixels}
            for one in pictures
            if one.reason is None
        ),
    )
    write_csv(
        folder / "dropped.csv",
        ["name", "split", "label", "reason", "detail"],
        (
            {
                "name": one.item.name,
                "split": one.item.split,
                "label": one.item.label,
                "reason": one.reason,
                "detail": one.detail or DROPPED[one.reason],
            }
            for one in everything
            if one.reason is not None
        ),
    )
    columns = ["first", "second", "kind", "distance", "fine_distance", "splits", "conflict"]
    write_csv(folder / "twins.csv", columns, (_twin_row(pictures, pair) for pair in twins))
    emotions = [{"emotion": emotion} | _by_split(result.counts, emotion) for emotion in EMOTIONS]
    write_csv(folder / "classes.csv", ["emotion", *result.counts], emotions)
    write_bytes(folder / "classes.md", classes_table(result.counts).encode())
    write_bytes(folder / "classes.png", classes_png(result.path.name, result.counts))
    said = result.to_dict() | {"recipe": msgspec.to_builtins(recipe), "btfer": __version__}
    write_json(folder / "import.json", said)


def _twin_row(pictures: Sequence[Converted], pair: DuplicatePair) -> dict[str, object]:
    both = (pictures[pair.first], pictures[pair.second])
    first, second = sorted(both, key=lambda one: _ORDER.index(one.item.split))
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


def _counts(kept: Sequence[Converted]) -> dict[SplitName, dict[str, int]]:
    counted = Counter((one.item.split, one.item.emotion) for one in kept)
    there = {one.item.split for one in kept}
    return {
        split: {emotion: counted[split, emotion] for emotion in EMOTIONS}
        for split in _ORDER
        if split in there
    }


def _dropped(done: Sequence[Converted]) -> dict[str, int]:
    return dict(sorted(Counter(one.reason for one in done if one.reason is not None).items()))


def _conflict(pictures: Sequence[Converted], pair: DuplicatePair) -> bool:
    return pictures[pair.first].item.emotion != pictures[pair.second].item.emotion


def _split(pictures: Sequence[Converted], place: int) -> SplitName:
    return pictures[place].item.split


def _path(one: Converted) -> str:
    return f"{one.item.split}/{one.item.emotion}/{one.file}"


def _light(item: Item) -> Item:
    """Return the item without its pixels."""
    return replace(item, source=Path())
