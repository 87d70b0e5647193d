"""Read the labelled sets that a table lists: their splits, sizes, and which of their faces may be shown."""

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder.benchmark.run import cross_domain_faces
from btfer_builder.crawl.licenses import license_code
from btfer_builder.datasets.labelled_faces import (
    faces_in_folder,
    is_empty_split,
    read_licences,
    read_metadata,
)
from btfer_builder.errors import BtferError
from btfer_builder.images.decode import Undecodable, decode_image, open_image
from btfer_builder.io.json import read_json
from btfer_builder.labels import EMOTIONS, SPLITS, Emotion, parse_split

if TYPE_CHECKING:
    from btfer_builder.datasets.labelled_faces import LabelledFace

#: Licences under which a face may be shown beside others, with its credit.
FREE = frozenset({"cc0", "pdm", "by", "by-sa"})

#: Number of pictures that are decoded to see whether a set is grey.
SAMPLED = 64

#: Name of the only part of a set without splits.
WHOLE = "all"


@dataclass(frozen=True, slots=True)
class Credit:
    """A face that may be shown: its licence, whom to name, and the page of its photo."""

    face: "LabelledFace"
    license: str
    creator: str
    source: str


@dataclass(frozen=True, slots=True)
class LabelledSet:
    """A labelled set.

    Attributes
    ----------
    name, kind
        Name of the folder, and the layout that it was imported from; empty if it was not imported.
    splits
        Its faces by split; `all` if it has none.
    sizes
        Number of pictures of each size, (width, height).
    color
        `grey`, `RGB`, or `mixed`, by a part of the pictures: grey ones are often stored as RGB.
    unreadable
        Number of pictures whose size cannot be read.
    shown
        Faces whose licence is known and free.
    """

    name: str
    kind: str
    splits: "Mapping[str, Sequence[LabelledFace]]"
    sizes: Mapping[tuple[int, int], int]
    color: str
    unreadable: int
    shown: Sequence[Credit]

    def counts(self, split: str = "") -> dict[Emotion, int]:
        """Return the pictures of each emotion, of a split or of the whole set."""
        chosen = [self.splits[split]] if split else list(self.splits.values())
        counted = Counter(face.emotion for faces in chosen for face in faces)
        return {emotion: counted[emotion] for emotion in EMOTIONS}

    @property
    def size(self) -> str:
        """Size of the pictures: `48×48`, or the range of their longer sides."""
        if not self.sizes:
            return ""
        if len(self.sizes) == 1:
            ((width, height),) = self.sizes
            return f"{width}×{height}"
        longer = [max(size) for size in self.sizes]
        return f"{min(longer)}–{max(longer)}" if min(longer) < max(longer) else str(min(longer))


def read_sets(folders: Sequence[Path]) -> list[LabelledSet]:
    """Read sets in the form that `btfer dataset import` and `btfer release` write, or a workspace's sample.

    Raises
    ------
    BtferError
        If a folder has no class folders, or two sets have the same name.
    """
    sets = [read_set(folder) for folder in folders if folder.is_dir()]
    if not sets:
        raise BtferError("no folder of a labelled set was given; import one: btfer dataset import auto")
    name, count = Counter(one.name for one in sets).most_common(1)[0]
    if count > 1:
        raise BtferError(f"two sets are called {name}; rename one of the folders")
    return sets


def read_set(folder: Path) -> LabelledSet:
    """Read one set; see `read_sets`."""
    try:
        places = {split: entry for entry in sorted(folder.iterdir()) if (split := _split_of(entry))}
        splits: dict[str, list[LabelledFace]] = {
            split: faces_in_folder(places[split]) for split in SPLITS if split in places
        }
        splits = splits or {WHOLE: list(cross_domain_faces(folder))}
    except BtferError as error:
        raise BtferError(f"{error}; a set in its own layout has to be imported first") from None
    sizes: Counter[tuple[int, int]] = Counter()
    everything = [face for faces in splits.values() for face in faces]
    unreadable = 0
    for face in everything:
        try:
            with open_image(face.path) as image:
                sizes[image.size] += 1
        except Undecodable:
            unreadable += 1
    color = _color(everything[:: max(1, len(everything) // SAMPLED)])
    shown = [credit for split, faces in splits.items() for credit in _credits(folder, split, faces)]
    name = folder.resolve().name
    return LabelledSet(name, _kind(folder), splits, dict(sizes), color, unreadable, shown)


def _split_of(entry: Path) -> str | None:
    return parse_split(entry.name) if entry.is_dir() and not is_empty_split(entry) else None


def _color(faces: "Sequence[LabelledFace]") -> str:
    grey = []
    for face in faces:
        with contextlib.suppress(Undecodable):
            pixels = decode_image(face.path)
            grey.append(bool((pixels == pixels[:, :, :1]).all()))
    return "grey" if all(grey) else "mixed" if any(grey) else "RGB"


def _kind(folder: Path) -> str:
    try:
        return str(read_json(folder / "import.json")["kind"])
    except (OSError, BtferError, ValueError, KeyError, TypeError):
        return ""


def _credits(folder: Path, split: str, faces: "Sequence[LabelledFace]") -> list[Credit]:
    """Return the faces of a release whose licence is free, without restrictions and without a refusal of consent."""
    root = folder if split == WHOLE else folder / split
    rows = read_metadata(root) or read_metadata(folder)
    listed = read_licences(folder)
    found = []
    for face in faces:
        row = rows.get(face.face_id, {})
        credit = listed.get(str(row.get("face_id")), {})
        name = str(row.get("license") or "")
        refused = row.get("consent") == "no" or bool(credit.get("restrictions"))
        if license_code(name) in FREE and not refused:
            found.append(Credit(face, name, credit.get("creator", ""), credit.get("source", "")))
    return found
