"""Search a training set for the faces of the workspace and their photos: whole, in its photos, small and mirrored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

from btfer_builder.catalog.leakage import (
    LeakCount,
    comparable_faces,
    comparable_photos,
    face_path,
    known_sets,
    leak_counts,
    photo_path,
    remove_set,
    replace_leaks,
)
from btfer_builder.catalog.manifests import write_manifests
from btfer_builder.config import HashesRecipe, LeakageRecipe
from btfer_builder.dedupe.face_stage import hash_new_faces
from btfer_builder.errors import BtferError
from btfer_builder.images.alignment import likeness
from btfer_builder.images.hamming import hamming_distance, neighbours_between
from btfer_builder.images.hashing import photo_grey
from btfer_builder.images.same_picture import SAME_BITS, decide
from btfer_builder.leakage.hash_manifest import (
    COLUMNS,
    ManifestRow,
    hash_folder,
    pictures_by_name,
    read_hashes,
)
from btfer_builder.leakage.reference_faces import ReferenceFace, face_grey, find_reference_faces
from btfer_builder.records import FaceHash, Leak, TrainingSet
from btfer_builder.workspace import Workspace

#: How faces are compared: the form, the kind, and the fields of our hashes; theirs are always the plain ones.
_COMPARISONS = (
    ("crop", "near", "phash", "phash_256"),
    ("crop", "mirrored", "phash_mirrored", "phash_256_mirrored"),
    ("48", "near", "phash_48", "phash_256_48"),
    ("48", "mirrored", "phash_48_mirrored", "phash_256_48_mirrored"),
    ("photo", "near", "phash", "phash_256"),
    ("photo", "mirrored", "phash_mirrored", "phash_256_mirrored"),
    ("face", "near", "phash", "phash_256"),
    ("face", "mirrored", "phash_mirrored", "phash_256_mirrored"),
)

#: Bits by which the radii of faces in pictures are larger: in a picture of another size, the detector's box of a face
#: moves by a few pixels. The pixels, which are aligned first, decide on these.
_MOVED, _MOVED_FINE = 4, 40


@dataclass(frozen=True, slots=True)
class LeakageResult:
    """The result of a search: counts, faces whose photo was compared, images that could not be hashed, by reason.

    `reference_faces` is the number of faces found in the pictures of the training set; None if they were not searched.
    `unread` is the number of files of the set that were not compared; None if its list of hashes does not say.
    """

    count: LeakCount
    photos: int
    dropped: dict[str, int]
    path: Path
    reference_faces: int | None = None
    unread: int | None = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the output of `btfer leakage --json`."""
        return {
            "against": self.count.source,
            "images": self.count.images,
            "dropped": self.dropped,
            "faces": self.count.compared,
            "photos": self.photos,
            "reference_faces": self.reference_faces,
            "unread": self.unread,
            "leaked": self.count.leaked,
            "in_sample": self.count.in_sample,
            "path": str(self.path),
        }


def leakage(
    workspace: Workspace, against: Path, recipe: LeakageRecipe, hashing: HashesRecipe
) -> LeakageResult:
    """Compare every kept face with a training set and commit the faces that were found in it.

    Parameters
    ----------
    workspace
        The workspace; faces that are found are left out of the next sample.
    against
        A folder of images, or a CSV written by `btfer hashes`. It is only read.
    recipe
        The thresholds.
    hashing
        How the training set is hashed.

    Raises
    ------
    BtferError
        If the training set has no images, or the CSV is not a manifest of hashes.
    """
    catalog, source = workspace.catalog, str(against.resolve())
    with workspace.stage("leakage"), catalog.run("leakage", recipe) as counts:
        theirs = hash_folder(against, hashing) if against.is_dir() else read_hashes(against)
        hash_new_faces(workspace, hashing.workers, "")
        ours = comparable_faces(catalog)
        paths = pictures_by_name(against) if against.is_dir() else {}
        compare = partial(_compare, workspace, paths) if against.is_dir() else None
        photos = comparable_photos(catalog)
        faces, unread = None, theirs.unread
        if against.is_dir() and recipe.reference_faces:
            readable = {row.name: paths[row.name] for row in theirs.rows if row.name in paths}
            faces, unsearched = find_reference_faces(workspace, source, readable, hashing)
            unread = (*(unread or ()), *((name, "unsearched") for name in unsearched))
        leaks = find_leaks(
            ours,
            theirs.rows,
            source,
            recipe.radius,
            recipe.fine_radius,
            compare,
            photos=photos,
            faces=faces or (),
        )
        digest = sha256("\n".join(sorted(",".join(_hashes(row)) for row in theirs.rows)).encode())
        training_set = TrainingSet(
            source,
            against.name,
            digest.hexdigest(),
            len(theirs.rows),
            sum(theirs.dropped.values()),
            recipe.radius,
            recipe.fine_radius,
            complete=unread is not None and not unread,
            faces=None if faces is None else len(faces),
        )
        with_photo = {photo.face_id for photo in photos}
        compared = {face.face_id: face.face_id in with_photo for face in ours}
        replace_leaks(catalog, training_set, compared, leaks)
        write_manifests(catalog, workspace.manifests, "leakage")
        count = leak_counts(catalog, source)
        counts |= {"images": count.images, "faces": count.compared, "leaked": count.leaked}
        return LeakageResult(
            count,
            len(photos),
            theirs.dropped,
            workspace.manifests / "leakage.csv",
            training_set.faces,
            None if unread is None else len(unread),
        )


def forget(workspace: Workspace, name: str) -> str:
    """Remove a training set, named by its path or the last part of it, and return its path.

    It may be one whose search was interrupted, of which only faces are kept.

    Raises
    ------
    BtferError
        If no set or more than one has this name.
    """
    catalog = workspace.catalog
    with workspace.stage("leakage"), catalog.run("leakage", {"forget": name}):
        known = known_sets(catalog)
        path = str(Path(name).resolve())
        matches = [source for source in known if source in {name, path} or Path(source).name == name]
        if len(matches) != 1:
            raise BtferError(
                f"{name}: {len(matches)} of the training sets that were searched have this name; searched: "
                + (", ".join(known) or "none yet")
            )
        remove_set(catalog, matches[0])
        write_manifests(catalog, workspace.manifests, "leakage")
        return matches[0]


def _hashes(row: ManifestRow) -> list[str]:
    return [getattr(row, column) for column in COLUMNS[1:-1]]


def _compare(
    workspace: Workspace,
    paths: Mapping[str, Path],
    form: str,
    face_id: str,
    row: ManifestRow | ReferenceFace,
    mirrored: bool,
) -> float | None:
    """Return the similarity of a face or its photo and an image of a training set; None if one cannot be decoded."""
    path_of = photo_path if form == "photo" else face_path
    ours = photo_grey(workspace.files / path_of(workspace.catalog, face_id))
    path = paths.get(row.name)
    if ours is None or path is None:
        return None
    theirs = photo_grey(path) if isinstance(row, ManifestRow) else face_grey(row, path)
    if theirs is None:
        return None
    return (
        likeness(theirs, ours[:, ::-1].copy() if mirrored else ours) or 0.0
    )  # not alike if not to be aligned


def find_leaks(
    ours: Sequence[FaceHash],
    theirs: Sequence[ManifestRow],
    source: str,
    radius: int,
    fine_radius: int,
    compare: Callable[[str, str, ManifestRow | ReferenceFace, bool], float | None] | None = None,
    *,
    photos: Sequence[FaceHash] = (),
    faces: Sequence[ReferenceFace] = (),
) -> list[Leak]:
    """Return for each of our faces that is in the training set the closest image of it.

    Parameters
    ----------
    ours, theirs
        Hashes; both the coarse and the fine pHashes must be close.
    source
        The training set.
    radius, fine_radius
        Largest Hamming distances of the 64-bit and the 256-bit pHashes.
    compare
        Returns for a form (`crop`, `48`, `photo` or `face`) the similarity of the pixels of one of our faces, or of
        its photo, and one of their images or faces, mirrored or not. Without it, pairs that the hashes do not decide
        count as found: a list of hashes has no pixels.
    photos
        The hashes of the photos that the faces were cut from, by the id of the face.
    faces
        The faces found in their images.
    """
    same_bits = min(SAME_BITS, fine_radius)
    best: dict[str, tuple[tuple[int, int, int, str], Leak]] = {}
    for priority, (form, kind, coarse, fine) in enumerate(_COMPARISONS):
        their_coarse, their_fine = ("phash_48", "fine_48") if form == "48" else ("phash", "fine")
        own = photos if form == "photo" else ours
        others: Sequence[ManifestRow | ReferenceFace] = faces if form == "face" else theirs
        moved = form == "face" and compare is not None
        reach, fine_reach = (radius + _MOVED, fine_radius + _MOVED_FINE) if moved else (radius, fine_radius)
        pairs = neighbours_between(
            [getattr(face, coarse) for face in own],
            [getattr(row, their_coarse) for row in others],
            min(reach, 16),
        )
        for index, their_index, distance in pairs.tolist():
            face, row = own[index], others[their_index]
            fine_bits = hamming_distance(getattr(face, fine), getattr(row, their_fine))
            if fine_bits > fine_reach:
                continue
            verdict = decide(distance, fine_bits, radius=reach, same_bits=same_bits)
            if verdict == "undecided" and compare is not None:
                similarity = compare(form, face.face_id, row, kind == "mirrored")
                verdict = decide(distance, fine_bits, similarity, radius=reach, same_bits=same_bits)
            if verdict != "different":
                closeness = (distance, fine_bits, priority, row.name)
                leak = Leak(source, face.face_id, row.name, kind, form, distance, fine_bits)
                best[face.face_id] = min(
                    best.get(face.face_id, (closeness, leak)), (closeness, leak), key=lambda pair: pair[0]
                )
    return [best[face_id][1] for face_id in sorted(best)]
