"""What a release is made of: the sampled faces with their sources, checked against what was drawn."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btfer_builder.catalog.evaluate import sampled_votes
from btfer_builder.catalog.release import Membership, face_boxes, sample_rows
from btfer_builder.catalog.sample import AcceptedFace, Source, accepted_faces, sample_state, sources
from btfer_builder.config import ReleaseRecipe
from btfer_builder.crawl.licenses import UNKNOWN
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS, SPLITS, Emotion
from btfer_builder.sample.provenance import LICENSES, best_source, license_of
from btfer_builder.sample.stale import stale_line
from btfer_builder.workspace import Workspace

#: Licences under which others may not pass on what they changed; whether a crop is a change is for a lawyer.
NO_DERIVATIVES = ("by-nd", "by-nc-nd")


@dataclass(frozen=True, slots=True)
class ReleasedFace:
    """A face of a release.

    Attributes
    ----------
    path
        Its file in the sample.
    sha256
        Of the file.
    source, license
        Where its photo comes from, and its licence as a key of `LICENSES` or `unknown`.
    face
        What reviewers and queries say of it.
    box
        Every column of the catalog's row of it.
    given
        How many reviewers gave it which emotion; an adjudication is no vote.
    """

    face_id: str
    emotion: Emotion
    split: str
    rank: int
    path: Path
    sha256: str
    source: Source
    license: str
    face: AcceptedFace
    box: dict[str, Any]
    given: Mapping[str, int]

    @property
    def file_name(self) -> str:
        """Where the face is in its split's folder."""
        return f"{self.emotion}/{self.face_id}.png"

    def metadata(self) -> dict[str, Any]:
        """Return what is said of the face in public: nothing of its creator, page, title or address."""
        return {
            "file_name": self.file_name,
            "face_id": self.face_id,
            "emotion": self.emotion,
            "label": EMOTIONS.index(self.emotion),
            "license": self.license,
            "agreement": round(self.face.agreement, 4),
            "reviewers": self.face.votes,
            **{f"votes_{emotion}": self.given.get(emotion, 0) for emotion in EMOTIONS},
            **self.face.attributes,
            "query_language": self.face.language,
            "sha256": self.sha256,
        }


def released_faces(workspace: Workspace, recipe: ReleaseRecipe) -> list[ReleasedFace]:
    """Return the faces of the sample, by split, class and id.

    Raises
    ------
    BtferError
        If there is no sample, a label changed since it was drawn, a file is gone or another one than was drawn, or
        a photo may not be released.
    """
    catalog = workspace.catalog
    rows = sample_rows(catalog)
    if sample_state(catalog).left > sum(not row["stands"] for row in rows):
        raise BtferError(f"{workspace.root}: {stale_line(catalog)}")
    if not rows:
        raise BtferError(f"{workspace.root} has no sample to release: btfer sample")
    if moved := [row["face_id"] for row in rows if not row["stands"]]:
        raise BtferError(
            f"{len(moved)} faces of the sample were decided or cropped otherwise since it was drawn, {moved[0]} "
            "among them: draw it again with btfer sample"
        )
    accepted = {face.face_id: face for face in accepted_faces(catalog)}
    boxes, found = face_boxes(catalog), sources(catalog)
    given: dict[str, dict[str, int]] = {}
    for vote in sampled_votes(catalog):
        given.setdefault(vote["face_id"], {})[vote["emotion"]] = vote["votes"]
    faces = []
    for row in rows:
        face = accepted[row["face_id"]]
        origins = found.get(face.image_id, [])
        if recipe.urls_only:
            origins = [origin for origin in origins if is_web(origin.url)]
        source = best_source(origins)
        faces.append(
            ReleasedFace(
                row["face_id"],
                row["emotion"],
                row["split"],
                row["rank"],
                workspace.root / row["path"],
                row["sha256"],
                source,
                license_of(source),
                face,
                boxes[row["face_id"]],
                given.get(row["face_id"], {}),
            )
        )
    _check_terms(faces, recipe)
    _check_files(workspace, faces)
    return faces


def is_web(url: str) -> bool:
    """Return whether an address is one that others can reach; a file of the user's own tells of their disk."""
    return url.lower().startswith(("http://", "https://"))


def members(faces: list[ReleasedFace]) -> Membership:
    """Return the (emotion, split) of every face, by id."""
    return {face.face_id: (face.emotion, face.split) for face in faces}


def content_hash(faces: list[ReleasedFace]) -> str:
    """Return what a release is named by: the SHA-256 over the split, class, id and file hash of all its faces."""
    lines = sorted(f"{face.split}/{face.file_name} {face.sha256}\n" for face in faces)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def splits_of(faces: list[ReleasedFace]) -> list[str]:
    """Return the splits of the faces in the order of `SPLITS`."""
    present = {face.split for face in faces}
    return [split for split in SPLITS if split in present]


def _check_terms(faces: list[ReleasedFace], recipe: ReleaseRecipe) -> None:
    if recipe.urls_only:
        if local := [face.face_id for face in faces if not is_web(face.source.url)]:
            raise BtferError(
                f"{len(local)} of {len(faces)} faces are out of files of your own, {local[0]} among them: nobody "
                "can fetch those. Release without --urls-only"
            )
        return
    unlicensed = [face.face_id for face in faces if face.license == UNKNOWN]
    if unlicensed and not recipe.include_unlicensed:
        raise BtferError(
            f"{len(unlicensed)} of {len(faces)} faces are out of photos without a known licence, {unlicensed[0]} "
            f"among them. Draw others: btfer sample --license {','.join(reversed(LICENSES))}; or release addresses "
            "instead of pictures: --urls-only; or, for yourself only: --include-unlicensed"
        )


def _check_files(workspace: Workspace, faces: list[ReleasedFace]) -> None:
    """Compare the sample's files, and the crops they were copied from, with what was drawn."""
    bad = []
    for face in faces:
        for path, cure in ((face.path, "btfer sample"), (workspace.files / face.face.path, "btfer crop")):
            try:
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
            except OSError:
                bad.append(f"{path} is gone; make it again with: {cure}")
                continue
            if digest != face.sha256:
                bad.append(
                    f"{path} was changed: its SHA-256 is {digest[:16]}…, it was drawn with {face.sha256[:16]}…; "
                    f"delete it and make it again with: {cure}"
                )
    if bad:
        raise BtferError(bad[0] + (f" (and {len(bad) - 1} files more)" if len(bad) > 1 else ""))
