"""The faces of a release with their sources, checked against the files that were sampled."""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from btfer_builder.catalog.evaluate import sampled_votes
from btfer_builder.catalog.release import Membership, face_boxes, sample_rows
from btfer_builder.catalog.sample import AcceptedFace, Source, accepted_faces, sample_state, sources
from btfer_builder.config import ReleaseRecipe
from btfer_builder.crawl.licenses import UNKNOWN, page_code
from btfer_builder.crawl.ssrf_guard import is_public_url
from btfer_builder.errors import BtferError
from btfer_builder.io.text import counted, one_line
from btfer_builder.labels import SPLITS, Emotion
from btfer_builder.next_step import no_sample
from btfer_builder.release.audit_texts import without_contacts
from btfer_builder.sample.provenance import LICENSES, best_source, license_of
from btfer_builder.sample.stale import stale_line
from btfer_builder.workspace import Workspace

#: Licences that forbid to share adaptations; whether a crop is one is a legal question.
NO_DERIVATIVES = ("by-nd", "by-nc-nd")
#: Licences that do not require to name the creator.
NO_ATTRIBUTION = ("cc0", "pdm", UNKNOWN)

#: Address of a licence whose version the engine did not state.
_DEEDS = {
    "cc0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "pdm": "https://creativecommons.org/publicdomain/mark/1.0/",
}
_OTHER_DEEDS = "https://creativecommons.org/share-your-work/cclicenses/"


@dataclass(frozen=True, slots=True)
class ReleasedFace:
    """A face of a release.

    Attributes
    ----------
    path, sha256
        Its file in the sample, and the hash of the file.
    source, license
        The source of its photo, and the licence as a key of `LICENSES` or `unknown`.
    face
        Its label, agreement and query attributes.
    box
        Its row of the catalog's table of faces.
    given
        Number of votes for each emotion; an adjudication is not a vote.
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
        """Path of the file in the folder of the split."""
        return f"{self.emotion}/{self.face_id}.png"

    @property
    def size(self) -> int:
        """Side of the face in pixels."""
        from PIL import Image

        with Image.open(self.path) as image:
            return image.width

    @property
    def license_url(self) -> str:
        """Address of the licence's text; empty for an unknown licence."""
        given = self.source.license_url.strip()
        if self.license not in LICENSES:
            return ""
        if page_code(given) == self.license and is_public_url(given):
            return given
        version = re.search(r"\b[1-4]\.[05]\b", self.source.license)
        if version and self.license not in _DEEDS:
            return f"https://creativecommons.org/licenses/{self.license}/{version[0]}/"
        return _DEEDS.get(self.license, _OTHER_DEEDS)

    @property
    def creator(self) -> str:
        """Whom to name, without contacts; empty if the licence does not require a name, which protects people."""
        return "" if self.license in NO_ATTRIBUTION else without_contacts(one_line(self.source.creator))

    @property
    def is_own(self) -> bool:
        """Whether its photo is a picture of the authors' own, not of the web."""
        return not is_web(self.source.url)

    @property
    def attribution(self) -> str:
        """How the owner of an own picture wants it to be attributed; texts of search engines may name the person."""
        own = self.is_own and self.license not in NO_ATTRIBUTION
        return without_contacts(one_line(self.source.attribution)) if own else ""

    @property
    def consent(self) -> str:
        """Whether the person shown consented: yes, no or unknown."""
        return self.source.consent or "unknown"

    @property
    def source_page(self) -> str:
        """Page of the photo, else its address, where a known licence can be checked."""
        urls = (self.source.page_url, self.source.url) if self.license in LICENSES else ()
        return next((url for url in urls if is_public_url(url)), "")


def released_faces(workspace: Workspace, recipe: ReleaseRecipe) -> list[ReleasedFace]:
    """Return the faces of the sample by split, class and id.

    Raises
    ------
    BtferError
        If there is no sample, a label changed since the draw, a file is missing or changed, or a photo may not be
        released.
    """
    catalog = workspace.catalog
    rows = sample_rows(catalog)
    if sample_state(catalog).left > sum(not row["stands"] for row in rows):
        raise BtferError(f"{workspace.root}: {stale_line(catalog)}")
    if not rows:
        raise no_sample(workspace, "to release")
    if moved := [row["face_id"] for row in rows if not row["stands"]]:
        raise BtferError(
            f"{counted(len(moved), 'face')} of the sample have another label or crop since it was drawn, such as "
            f"{moved[0]}: draw it again with btfer sample"
        )
    accepted = {face.face_id: face for face in accepted_faces(catalog)}
    boxes = face_boxes(catalog)
    candidates = sources(catalog, [accepted[row["face_id"]].image_id for row in rows])
    given: dict[str, dict[str, int]] = {}
    for vote in sampled_votes(catalog):
        given.setdefault(vote["face_id"], {})[vote["emotion"]] = vote["votes"]
    faces = []
    for row in rows:
        face = accepted[row["face_id"]]
        origins = candidates.get(face.image_id, [])
        if recipe.urls_only:
            origins = [origin for origin in origins if is_public_url(origin.url)]
        source = best_source(origins)
        stated = sorted({word for origin in origins for word in origin.restrictions.split("|") if word})
        source = replace(source, restrictions="|".join(stated))
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
    """Return whether an address is on the web; the path of a local file is private."""
    return url.lower().startswith(("http://", "https://"))


def members(faces: list[ReleasedFace]) -> Membership:
    """Return the (emotion, split) of each face by id."""
    return {face.face_id: (face.emotion, face.split) for face in faces}


def content_hash(faces: list[ReleasedFace]) -> str:
    """Return the SHA-256 over the split, class, id and file hash of all faces; it identifies a release."""
    lines = sorted(f"{face.split}/{face.file_name} {face.sha256}\n" for face in faces)
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def splits_of(faces: list[ReleasedFace]) -> list[str]:
    """Return the splits of the faces in the order of `SPLITS`."""
    present = {face.split for face in faces}
    return [split for split in SPLITS if split in present]


def _check_terms(faces: list[ReleasedFace], recipe: ReleaseRecipe) -> None:
    if recipe.urls_only:
        if local := [face.face_id for face in faces if not is_public_url(face.source.url)]:
            raise BtferError(
                f"{len(local)} of {len(faces)} faces are from local files or private addresses, such as {local[0]}, "
                "which others cannot fetch. Release without --urls-only"
            )
        return
    unlicensed = [face.face_id for face in faces if face.license == UNKNOWN]
    if unlicensed and not recipe.include_unlicensed:
        own = any(face.source.url.startswith("file:") for face in faces if face.license == UNKNOWN)
        state = (
            "State that of your own pictures: btfer crawl --engine folder --path FOLDER --source-license by. "
        )
        raise BtferError(
            f"{len(unlicensed)} of {len(faces)} faces are from photos without a known licence, such as "
            f"{unlicensed[0]}. {state if own else ''}Draw others: btfer sample "
            f"--license {','.join(reversed(LICENSES))}; or release addresses "
            "instead of images: --urls-only; or, for your own use: --include-unlicensed"
        )


def _check_files(workspace: Workspace, faces: list[ReleasedFace]) -> None:
    """Compare the files of the sample, and the crops they were copied from, with the hashes of the draw."""
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
                    f"{path} was changed: its SHA-256 is {digest[:16]}…, in the draw it was {face.sha256[:16]}…; "
                    f"delete it and make it again with: {cure}"
                )
    if bad:
        raise BtferError(bad[0] + (f" (and {len(bad) - 1} more files)" if len(bad) > 1 else ""))
