"""Look for the faces of the workspace in a training set: whole, as 48×48 grey, and mirrored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from btfer_builder.catalog.leakage import (
    LeakCount,
    comparable_faces,
    face_path,
    forget_set,
    leak_counts,
    replace_leaks,
    searched_sets,
)
from btfer_builder.catalog.manifests import write_manifests
from btfer_builder.config import HashesRecipe, LeakageRecipe
from btfer_builder.dedupe.face_stage import hash_new_faces
from btfer_builder.errors import BtferError
from btfer_builder.images.alignment import likeness
from btfer_builder.images.hamming import hamming_distance, neighbours_between
from btfer_builder.images.hashing import photo_grey
from btfer_builder.images.same_picture import SAME_BITS, decide
from btfer_builder.leakage.hash_manifest import COLUMNS, ImageLooks, hash_folder, read_hashes
from btfer_builder.records import FaceHash, Leak, TrainingSet
from btfer_builder.workspace import Workspace

#: How our faces are compared: the form, whether mirrored, and the fields of our hashes; theirs are the plain ones.
_LOOKS = (
    ("crop", "near", "phash", "phash_256"),
    ("crop", "mirrored", "phash_mirrored", "phash_256_mirrored"),
    ("48", "near", "phash_48", "phash_256_48"),
    ("48", "mirrored", "phash_48_mirrored", "phash_256_48_mirrored"),
)


@dataclass(frozen=True, slots=True)
class LeakageResult:
    """What a search found, and what could not be hashed of the training set, by reason."""

    count: LeakCount
    dropped: dict[str, int]
    path: Path

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer leakage --json`."""
        return {
            "against": self.count.source,
            "images": self.count.images,
            "dropped": self.dropped,
            "faces": self.count.compared,
            "leaked": self.count.leaked,
            "in_sample": self.count.in_sample,
            "path": str(self.path),
        }


def leakage(
    workspace: Workspace, against: Path, recipe: LeakageRecipe, hashing: HashesRecipe
) -> LeakageResult:
    """Compare every face that goes on with a training set, and commit what was found in it.

    Parameters
    ----------
    workspace
        The workspace; faces found are left out of the next sample.
    against
        A folder of images, or a CSV of `btfer hashes`. It is only read.
    recipe
        How close is the same.
    hashing
        How both are hashed.

    Raises
    ------
    BtferError
        If the training set has no images, or the CSV is none of hashes.
    """
    catalog, source = workspace.catalog, str(against.resolve())
    with workspace.stage("leakage"), catalog.run("leakage", recipe) as counts:
        theirs = hash_folder(against, hashing) if against.is_dir() else read_hashes(against)
        hash_new_faces(workspace, hashing.workers, "")
        ours = comparable_faces(catalog)
        compare = partial(_compare, workspace, against) if against.is_dir() else None
        leaks = find_leaks(ours, theirs.looks, source, recipe.radius, recipe.fine_radius, compare)
        digest = sha256("\n".join(sorted(",".join(_hashes(look)) for look in theirs.looks)).encode())
        training_set = TrainingSet(
            source,
            against.name,
            digest.hexdigest(),
            len(theirs.looks),
            sum(theirs.dropped.values()),
            recipe.radius,
            recipe.fine_radius,
        )
        replace_leaks(catalog, training_set, [face.face_id for face in ours], leaks)
        write_manifests(catalog, workspace.manifests, "leakage")
        count = leak_counts(catalog, source)
        counts |= {"images": count.images, "faces": count.compared, "leaked": count.leaked}
        return LeakageResult(count, theirs.dropped, workspace.manifests / "leakage.csv")


def forget(workspace: Workspace, name: str) -> str:
    """Forget a training set, by its path or its last part, and return its path.

    Raises
    ------
    BtferError
        If none or several are called so.
    """
    catalog = workspace.catalog
    with workspace.stage("leakage"), catalog.run("leakage", {"forget": name}):
        known = [one.source for one in searched_sets(catalog)]
        meant = [one for one in known if one in {name, str(Path(name).resolve())} or Path(one).name == name]
        if len(meant) != 1:
            raise BtferError(
                f"{name}: {len(meant)} of the training sets that were searched are called so; they are "
                + (", ".join(known) or "none yet")
            )
        forget_set(catalog, meant[0])
        write_manifests(catalog, workspace.manifests, "leakage")
        return meant[0]


def _hashes(look: ImageLooks) -> list[str]:
    return [getattr(look, column) for column in COLUMNS[1:]]


def _compare(workspace: Workspace, folder: Path, face_id: str, name: str, mirrored: bool) -> float | None:
    """Lay a face over an image of a training set; None where one of them cannot be decoded any more."""
    paths = workspace.files / face_path(workspace.catalog, face_id), folder / name
    ours, theirs = (photo_grey(path) for path in paths)
    if ours is None or theirs is None:
        return None
    return likeness(theirs, ours[:, ::-1].copy() if mirrored else ours)


def find_leaks(
    ours: Sequence[FaceHash],
    theirs: Sequence[ImageLooks],
    source: str,
    radius: int,
    fine_radius: int,
    compare: Callable[[str, str, bool], float | None] | None = None,
) -> list[Leak]:
    """Return for each of our faces that stands in the training set the image of it that is closest.

    Parameters
    ----------
    ours, theirs
        Hashes; both the coarse and the fine ones must be close.
    source
        The training set.
    radius, fine_radius
        Largest Hamming distances of the 64-bit and the 256-bit pHashes.
    compare
        How alike the pixels of one of our faces and one of their images are, mirrored or not. Without it, what
        the hashes leave open counts as found: a list of hashes cannot be looked into.
    """
    same_bits = min(SAME_BITS, fine_radius)
    best: dict[str, tuple[tuple[int, int, int, str], Leak]] = {}
    for place, (form, kind, coarse, fine) in enumerate(_LOOKS):
        their_coarse, their_fine = ("phash", "fine") if form == "crop" else ("phash_48", "fine_48")
        pairs = neighbours_between(
            [getattr(face, coarse) for face in ours],
            [getattr(look, their_coarse) for look in theirs],
            radius,
        )
        for one, other, distance in pairs.tolist():
            face, look = ours[one], theirs[other]
            finely = hamming_distance(getattr(face, fine), getattr(look, their_fine))
            if finely > fine_radius:
                continue
            verdict = decide(distance, finely, radius=radius, same_bits=same_bits)
            if verdict == "undecided" and compare is not None:
                alike = compare(face.face_id, look.name, kind == "mirrored")
                verdict = decide(distance, finely, alike, radius=radius, same_bits=same_bits)
            if verdict != "different":
                closeness = (distance, finely, place, look.name)
                leak = Leak(source, face.face_id, look.name, kind, form, distance, finely)
                best[face.face_id] = min(
                    best.get(face.face_id, (closeness, leak)), (closeness, leak), key=lambda pair: pair[0]
                )
    return [best[face_id][1] for face_id in sorted(best)]
