"""Audit labelled datasets, which are only read: duplicates, contradictions, missing faces, quality, balance."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btfer_builder.config import DatasetRecipe
from btfer_builder.datasets.audit_page import audit_page
from btfer_builder.datasets.confident_learning import LabelDoubt, find_doubts
from btfer_builder.datasets.convert import ConvertedItem
from btfer_builder.datasets.duplicates import DuplicatePair, find_duplicates
from btfer_builder.datasets.measure import MeasuredItem, measure_items
from btfer_builder.datasets.readers import LAYOUTS, recognise
from btfer_builder.datasets.readers.base import DROP_REASONS, Item
from btfer_builder.errors import BtferError
from btfer_builder.images.decode import Undecodable
from btfer_builder.io.atomic import build_folder, write_bytes
from btfer_builder.io.csv import write_csv
from btfer_builder.io.json import write_json
from btfer_builder.io.terminal import bar
from btfer_builder.labels import EMOTIONS, SPLITS
from btfer_builder.parallel import Crashed, Runner

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SHARD_SIZE = 64

#: Columns of `pictures.csv`.
PICTURES = (
    "dataset", "name", "split", "label", "emotion", "width", "height", "sharpness", "brightness", "faces", "reason",
    "flatness",
)  # fmt: skip

#: Columns of `duplicates.csv`.
DUPLICATES = (
    "first", "second", "kind", "distance", "fine_distance", "first_split", "second_split", "first_emotion",
    "second_emotion",
)  # fmt: skip

#: Columns of `doubts.csv`.
DOUBTS = ("dataset", "name", "split", "emotion", "suggested", "emotion_probability", "suggested_probability")


@dataclass(frozen=True, slots=True)
class DatasetAudit:
    """What an audit found: came_in = pictures + Σ dropped.

    Attributes
    ----------
    path
        The folder with the report.
    datasets
        Layout of each dataset, by name.
    pictures
        Pictures that were compared.
    dropped
        Pictures that were not, by reason.
    counts
        Pictures by dataset and split, each by emotion.
    repeated
        Pictures that repeat an earlier one.
    across
        Pairs of the same picture in two splits or datasets.
    conflicts
        Pairs of the same picture under two emotions.
    no_face, several_faces
        Pictures in which no face or more than one was found; None if nobody looked.
    judged, doubted
        Pictures that a model judged, and those whose label it doubts; None without a model. A model does not judge
        pictures of classes that it does not know.
    """

    path: Path
    datasets: dict[str, str]
    came_in: int
    pictures: int
    dropped: dict[str, int]
    counts: dict[str, dict[str, int]]
    repeated: int
    across: int
    conflicts: int
    no_face: int | None
    several_faces: int | None
    judged: int | None = None
    doubted: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the output of `btfer dataset audit --json`, which `audit.json` contains, too."""
        return {
            "path": str(self.path),
            "datasets": self.datasets,
            "in": self.came_in,
            "pictures": self.pictures,
            "dropped": self.dropped,
            "splits": self.counts,
            "repeated": self.repeated,
            "across_splits": self.across,
            "two_emotions": self.conflicts,
            "no_face": self.no_face,
            "several_faces": self.several_faces,
            "judged": self.judged,
            "doubted": self.doubted,
        }


def audit_datasets(
    sources: Sequence[Path],
    out: Path,
    recipe: DatasetRecipe,
    *,
    faces: bool,
    predict: "Callable[[Sequence[Item]], NDArray[np.float64]] | None" = None,
) -> DatasetAudit:
    """Audit datasets in any layout that `recognise` knows, and write a report and tables about them.

    `out` gets `report.html` (self-contained), `pictures.csv` (every picture with its measurements),
    `duplicates.csv`, `doubts.csv` (with a model), and `audit.json`. The report shows pictures of the datasets: their
    terms hold for it.

    Parameters
    ----------
    sources
        Files or folders of datasets; they are only read.
    out
        A new or empty folder outside of them. It appears when the audit is complete.
    recipe
        Radii of duplicates, labels or pattern, limits and workers.
    faces
        Whether to look for faces in every picture.
    predict
        Returns the probabilities of pictures, shape (n, emotions), by a model that was not trained on them.

    Raises
    ------
    BtferError
        If a layout is unknown, two datasets have the same name, no picture can be decoded, or `out` cannot be written;
        or, once the audit without it is written, if the model cannot predict the pictures.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BtferError(f"{out}: already exists; name a new folder with --out, or remove it first")
    names = [source.resolve().name for source in sources]
    if len(set(names)) < len(names):
        raise BtferError(
            f"two datasets are called {Counter(names).most_common(1)[0][0]}; rename one of the folders"
        )
    kinds: dict[str, str] = {}
    items: list[tuple[str, Item]] = []
    for source, name in zip(sources, names, strict=True):
        if source.resolve() in (out.resolve(), *out.resolve().parents):
            raise BtferError(f"{out}: is inside the dataset; name a folder outside of {source} with --out")
        kind = recognise(source, recipe).kind
        kinds[name] = kind
        items += [(name, item) for item in LAYOUTS[kind].items(source, recipe)]
    with build_folder(out) as building:
        result, failure = _audit(out, building, kinds, items, recipe, faces=faces, predict=predict)
    if failure is not None:
        raise BtferError(f"{failure}; {out} has the audit without the model")
    return result


def _audit(
    out: Path,
    folder: Path,
    kinds: dict[str, str],
    items: Sequence[tuple[str, Item]],
    recipe: DatasetRecipe,
    *,
    faces: bool,
    predict: "Callable[[Sequence[Item]], NDArray[np.float64]] | None",
) -> tuple[DatasetAudit, Exception | None]:
    """Write the audit to a folder, and return it with the error of the model, if it cannot predict the pictures."""
    measured = _measure(items, recipe, faces=faces)
    kept = [(name, one) for name, one in measured if one.picture.reason is None]
    if not kept:
        reasons = ", ".join(sorted({str(one.picture.reason) for _, one in measured})) or "there is none"
        raise BtferError(f"{', '.join(kinds)}: none of the {len(items)} pictures can be compared ({reasons})")
    places = [f"{name} {one.picture.item.split}" for name, one in kept]
    pictures = [_placed(name, one.picture, several=len(kinds) > 1) for name, one in kept]
    pairs = find_duplicates(pictures, recipe.radius, recipe.fine_radius)
    result = _result(out, kinds, measured, pictures, places, pairs, faces=faces)
    doubts: list[LabelDoubt] = []
    failure: Exception | None = None
    if predict is not None:
        try:
            judged, doubts = find_doubts(predict([one.picture.item for _, one in kept]), pictures)
            result = replace(result, judged=judged, doubted=len(doubts))
        except (BtferError, Undecodable) as error:  # the search for faces may have taken hours
            failure = error
    _write_tables(folder, measured, pictures, pairs)
    if result.judged is not None:
        write_csv(folder / "doubts.csv", DOUBTS, (_doubt_row(*kept[doubt.index], doubt) for doubt in doubts))
    write_json(folder / "audit.json", result.to_dict())
    shown = [one for _, one in kept]
    page = audit_page(result.to_dict(), shown, pictures, places, pairs, recipe, doubts)
    write_bytes(folder / "report.html", page)
    return result, failure


def _measure(
    items: Sequence[tuple[str, Item]], recipe: DatasetRecipe, *, faces: bool
) -> list[tuple[str, MeasuredItem]]:
    """Measure the pictures in their order; those without one of the seven emotions are not decoded."""
    todo = [item for _, item in items if not item.reason]
    runner: Runner[Item, MeasuredItem] = Runner(recipe.workers, _SHARD_SIZE)
    function = partial(measure_items, max_pixels=recipe.max_pixels, faces=faces)
    measured: dict[int, MeasuredItem] = {}
    # Datasets may share names, so pictures are distinguished by their positions in the list.
    places = {(item.source, item.split, item.name): place for place, item in enumerate(todo)}
    with bar(len(todo), "audit", "pictures") as progress:
        for shard in runner.map(function, todo):
            for item, result in shard:
                place = places[item.source, item.split, item.name]
                measured[place] = (
                    MeasuredItem(ConvertedItem(item, reason="crashed_decoder"))
                    if isinstance(result, Crashed)
                    else result
                )
            progress.update(len(shard))
    done = iter([measured[place] for place in range(len(todo))])
    return [
        (name, MeasuredItem(ConvertedItem(item, reason=item.reason)) if item.reason else next(done))
        for name, item in items
    ]


def _placed(dataset: str, picture: ConvertedItem, *, several: bool) -> ConvertedItem:
    """Return a picture whose name says where it is, with its dataset if there are several."""
    name = f"{dataset}: {picture.item.name}" if several else picture.item.name
    return replace(picture, item=replace(picture.item, name=name))


def _result(
    out: Path,
    kinds: dict[str, Any],
    measured: Sequence[tuple[str, MeasuredItem]],
    pictures: Sequence[ConvertedItem],
    places: Sequence[str],
    pairs: Sequence[DuplicatePair],
    *,
    faces: bool,
) -> DatasetAudit:
    counted = Counter((place, picture.item.emotion) for place, picture in zip(places, pictures, strict=True))
    found = [one.faces for _, one in measured if one.picture.reason is None]
    return DatasetAudit(
        path=out,
        datasets=kinds,
        came_in=len(measured),
        pictures=len(pictures),
        dropped=dict(
            sorted(Counter(one.picture.reason for _, one in measured if one.picture.reason).items())
        ),
        counts={
            place: {emotion: counted[place, emotion] for emotion in EMOTIONS}
            for place in _in_order(places, kinds)
        },
        repeated=len({pair.second for pair in pairs}),
        across=sum(places[pair.first] != places[pair.second] for pair in pairs),
        conflicts=sum(
            pictures[pair.first].item.emotion != pictures[pair.second].item.emotion for pair in pairs
        ),
        no_face=sum(count == 0 for count in found) if faces else None,
        several_faces=sum((count or 0) > 1 for count in found) if faces else None,
    )


def _in_order(places: Sequence[str], datasets: Iterable[str]) -> list[str]:
    """Return the places that have pictures, by dataset and split."""
    present = set(places)
    return [place for name in datasets for split in SPLITS if (place := f"{name} {split}") in present]


def _write_tables(
    folder: Path,
    measured: Sequence[tuple[str, MeasuredItem]],
    pictures: Sequence[ConvertedItem],
    pairs: Sequence[DuplicatePair],
) -> None:
    write_csv(folder / "pictures.csv", PICTURES, (_picture_row(name, one) for name, one in measured))
    write_csv(
        folder / "duplicates.csv",
        DUPLICATES,
        (
            {
                "first": first.name,
                "second": second.name,
                "kind": pair.kind,
                "distance": pair.distance,
                "fine_distance": pair.fine_distance,
                "first_split": first.split,
                "second_split": second.split,
                "first_emotion": first.emotion,
                "second_emotion": second.emotion,
            }
            for pair in pairs
            for first, second in [(pictures[pair.first].item, pictures[pair.second].item)]
        ),
    )


def _doubt_row(dataset: str, one: MeasuredItem, doubt: LabelDoubt) -> dict[str, object]:
    item = one.picture.item
    return {
        "dataset": dataset,
        "name": item.name,
        "split": item.split,
        "emotion": item.emotion,
        "suggested": doubt.suggested,
        "emotion_probability": f"{doubt.probability:.4f}",
        "suggested_probability": f"{doubt.suggested_probability:.4f}",
    }


def _picture_row(dataset: str, one: MeasuredItem) -> dict[str, object]:
    item, decoded = one.picture.item, one.picture.reason is None
    row: dict[str, object] = {
        "dataset": dataset,
        "name": item.name,
        "split": item.split,
        "label": item.label,
        "emotion": item.emotion,
        "reason": one.picture.reason and DROP_REASONS[one.picture.reason],
    }
    for column in ("width", "height", "faces"):
        row[column] = getattr(one, column) if decoded else None
    for column in ("sharpness", "brightness"):
        row[column] = f"{getattr(one, column):.1f}" if decoded else None
    row["flatness"] = f"{one.flatness:.3f}" if decoded else None
    return row
