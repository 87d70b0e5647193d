"""Find the pictures of one set among those of another, also scaled, compressed again or mirrored."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from btfer_builder.config import LeakageRecipe
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.images.alignment import likeness
from btfer_builder.images.face_hashing import hash_faces
from btfer_builder.images.hashing import photo_grey
from btfer_builder.io.terminal import bar
from btfer_builder.leakage.hash_manifest import ManifestRow
from btfer_builder.leakage.reference_faces import ReferenceFace
from btfer_builder.leakage.stage import find_leaks
from btfer_builder.parallel import Crashed, Runner
from btfer_builder.records import FaceHash, Leak

_SHARD_SIZE = 64

#: Starting processes takes longer than hashing fewer pictures.
_FEW = 200


def hash_pictures(faces: Sequence[LabelledFace], name: str) -> list[FaceHash]:
    """Hash the pictures of a set, sorted by id; one that cannot be decoded has a reason instead of hashes.

    Parameters
    ----------
    faces
        The set.
    name
        Shown beside the progress.
    """
    runner: Runner[tuple[str, str], FaceHash] = Runner(0 if len(faces) < _FEW else 2, _SHARD_SIZE)
    items = [(face.face_id, str(face.path.absolute())) for face in faces]
    hashes: list[FaceHash] = []
    with bar(len(items), name, "pictures") as progress:
        for shard in runner.map(partial(hash_faces, root=Path()), items):
            hashes += [
                FaceHash(face_id, reason="crashed_decoder") if isinstance(result, Crashed) else result
                for (face_id, _), result in shard
            ]
            progress.update(len(shard))
    return sorted(hashes, key=lambda face: face.face_id)


def same_faces(
    ours: Sequence[LabelledFace],
    our_hashes: Sequence[FaceHash],
    theirs: Sequence[LabelledFace],
    their_hashes: Sequence[FaceHash],
    name: str,
) -> list[Leak]:
    """Return our faces that are among theirs, each with the closest of theirs; see `find_leaks`.

    Parameters
    ----------
    ours, theirs
        The two sets.
    our_hashes, their_hashes
        Of `hash_pictures`; what could not be decoded is not compared.
    name
        Of their set.
    """
    rows = [
        ManifestRow(face.face_id, face.phash, face.phash_256, face.phash_48, face.phash_256_48)
        for face in their_hashes
        if face.reason is None
    ]
    limits = LeakageRecipe()
    paths = {face.face_id: face.path for face in ours}, {face.face_id: face.path for face in theirs}

    def compare(_: str, face_id: str, row: ManifestRow | ReferenceFace, mirrored: bool) -> float | None:
        own, other = photo_grey(paths[0][face_id]), photo_grey(paths[1][row.name])
        if own is None or other is None:
            return None
        return likeness(other, own[:, ::-1].copy() if mirrored else own)

    known = [face for face in our_hashes if face.reason is None]
    return find_leaks(known, rows, name, limits.radius, limits.fine_radius, compare)
