"""Find the faces of a benchmark's cross-domain set in the pictures that its networks are trained on."""

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from btfer_builder.benchmark.run import cross_domain_faces
from btfer_builder.config import BenchmarkRecipe
from btfer_builder.datasets.splits import read_splits
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.same_faces import hash_pictures, same_faces
from btfer_builder.io.json import read_json, write_json
from btfer_builder.records import FaceHash

if TYPE_CHECKING:
    from btfer_builder.datasets.labelled_faces import LabelledFace

#: Where a benchmark's folder keeps what was found: comparing 2,100 faces with 28,709 pictures takes minutes.
FILE = "leakage.json"


class SplitLeakage(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of the cross-domain set in one training split.

    Attributes
    ----------
    dataset
        Name of the dataset in the grid.
    btfer_hash, train_hash
        Hashes of the two sets.
    faces, pictures
        Faces of the cross-domain set and pictures of the training split that were compared.
    unreadable
        Faces and pictures that could not be decoded, and so were not compared.
    leaked
        Ids of the faces that are in the training split.
    """

    dataset: str
    btfer_hash: str
    train_hash: str
    faces: int
    pictures: int
    unreadable: int
    leaked: tuple[str, ...]

    def to_dict(self) -> dict[str, object]:
        """Return the JSON form of `btfer benchmark --plan --json`."""
        form: dict[str, object] = msgspec.to_builtins(self)
        return form

    @property
    def sentence(self) -> str:
        """What a reader of the tables must know, in one sentence."""
        compared = f"{self.pictures:,} pictures, whole crops compared"
        missing = f"; {self.unreadable:,} could not be read and were not compared" if self.unreadable else ""
        if self.leaked:
            return (
                f"{len(self.leaked):,} of the {self.faces:,} BTFER faces are in the training split of {self.dataset} "
                f"({compared}{missing}): its BTFER accuracy is too high"
            )
        return f"none of the {self.faces:,} BTFER faces is in {self.dataset}'s training split ({compared}{missing})"


def find_leakage(recipe: BenchmarkRecipe) -> list[SplitLeakage]:
    """Compare the cross-domain set with the training split of every dataset; what is known is not compared again.

    Returns
    -------
    list of SplitLeakage
        In the order of the datasets; empty if the recipe has no cross-domain set.

    Raises
    ------
    BtferError
        If a set cannot be read, or the folder of the benchmark cannot be written.
    """
    from btfer_builder.evaluate.signature import content_digests, set_digest

    if not recipe.btfer:
        return []
    path = Path(recipe.out) / FILE
    known = _read(path)
    ours = cross_domain_faces(Path(recipe.btfer))
    btfer_hash = set_digest(ours, content_digests(ours))
    found: list[SplitLeakage] = []
    hashed: list[FaceHash] | None = None
    for dataset, folder in recipe.datasets.items():
        theirs = read_splits(Path(folder))["train"]
        train_hash = set_digest(theirs, content_digests(theirs))
        earlier = known.get((dataset, btfer_hash, train_hash))
        if earlier is None:
            hashed = hash_pictures(ours, "leakage btfer") if hashed is None else hashed
            earlier = _compare(dataset, (btfer_hash, train_hash), ours, hashed, theirs)
        found.append(earlier)
    if found != list(known.values()):
        write_json(path, [row.to_dict() for row in found])
    return found


def _read(path: Path) -> dict[tuple[str, str, str], SplitLeakage]:
    """Return what an earlier call found; nothing if the file is missing or damaged, which only costs time."""
    with contextlib.suppress(OSError, ValueError, BtferError, msgspec.ValidationError):
        rows = msgspec.convert(read_json(path), list[SplitLeakage])
        return {(row.dataset, row.btfer_hash, row.train_hash): row for row in rows}
    return {}


def _compare(
    dataset: str,
    digests: tuple[str, str],
    ours: "Sequence[LabelledFace]",
    hashed: Sequence[FaceHash],
    theirs: "Sequence[LabelledFace]",
) -> SplitLeakage:
    pictures = hash_pictures(theirs, f"leakage {dataset}")
    faces = sum(face.reason is None for face in hashed)
    readable = sum(face.reason is None for face in pictures)
    leaks = same_faces(ours, hashed, theirs, pictures, dataset)
    return SplitLeakage(
        dataset=dataset,
        btfer_hash=digests[0],
        train_hash=digests[1],
        faces=faces,
        pictures=readable,
        unreadable=len(ours) - faces + len(theirs) - readable,
        leaked=tuple(leak.face_id for leak in leaks),
    )
