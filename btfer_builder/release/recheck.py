"""Visit the sources of a release again: what has vanished, changed, or is under another licence now."""

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btfer_builder.catalog.release import sample_rows
from btfer_builder.catalog.sample import Source, sources
from btfer_builder.catalog.takedown import images_named
from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.fetch import Fetched, Page
from btfer_builder.crawl.licenses import UNKNOWN
from btfer_builder.errors import BtferError
from btfer_builder.io.csv import write_csv
from btfer_builder.release.diff import faces_in
from btfer_builder.release.fetch_many import FetchRequest, visit
from btfer_builder.release.released_faces import is_web
from btfer_builder.sample.provenance import best_source, license_of, licenses_in
from btfer_builder.workspace import Workspace

#: Reasons of a fetch that say the picture is not there for anybody any more.
_VANISHED = {"not_found", "forbidden", "empty", "not_an_image", "other_file"}
_COLUMNS = (
    "face_id",
    "image_id",
    "state",
    "reason",
    "license",
    "license_state",
    "license_now",
    "url",
    "page_url",
    "page_reason",
)


@dataclass(frozen=True, slots=True)
class Checked:
    """What the source of a face is now.

    Attributes
    ----------
    state
        `same`; `changed`: another file; `vanished`; `unclear`: the host could not be asked; `local`: a file of your
        own.
    license, license_state, license_now
        As it was; `same`, `changed`, or `not stated` where its page names no licence or cannot be read.
    reason, page_reason
        Why the file, or its page, could not be read; as in a crawl.
    """

    face_id: str
    image_id: str
    state: str
    reason: str
    license: str
    license_state: str
    license_now: str
    url: str
    page_url: str
    page_reason: str


@dataclass(frozen=True, slots=True)
class Recheck:
    """The state of every source, and the table it was written to."""

    path: Path
    faces: list[Checked]

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer recheck --json`."""
        return {
            "path": str(self.path),
            "states": dict(sorted(Counter(face.state for face in self.faces).items())),
            "licenses": dict(sorted(Counter(face.license_state for face in self.faces).items())),
            "faces": [
                {name: getattr(face, name) for name in _COLUMNS}
                for face in self.faces
                if face.state in {"vanished", "changed"} or face.license_state == "changed"
            ],
        }


def recheck(workspace: Workspace, recipe: CrawlRecipe, release: Path | None = None) -> Recheck:
    """Visit the source of every face of a release, or of the sample, and write `reports/recheck.csv`.

    The file is fetched and compared with what was fetched before; its page is read for the address of a Creative
    Commons licence. Nothing is changed: what to take down is a person's decision.

    Raises
    ------
    BtferError
        If there is nothing to check, or the folder is no release.
    """
    origin = _origins(workspace, release)
    pictures: dict[str, Fetched] = {}
    pages: dict[str, Page] = {}

    def done(one: FetchRequest, answer: Fetched | Page) -> None:
        if isinstance(answer, Fetched):
            if answer.image:
                (root / answer.image.path).unlink(missing_ok=True)
            pictures[one.url] = answer
        else:
            pages[one.url] = answer

    visits = {FetchRequest(source.url) for _, source in origin.values() if is_web(source.url)}
    visits |= {
        FetchRequest(source.page_url, page=True) for _, source in origin.values() if is_web(source.page_url)
    }
    with tempfile.TemporaryDirectory(prefix="btfer-recheck-") as folder:
        root = Path(folder)
        visit(sorted(visits, key=lambda one: (one.url, one.page)), root, recipe, done, "recheck")
    faces = [
        _checked(face_id, image_id, source, pictures.get(source.url), pages.get(source.page_url))
        for face_id, (image_id, source) in sorted(origin.items())
    ]
    path = workspace.reports / "recheck.csv"
    write_csv(path, _COLUMNS, ({name: getattr(face, name) for name in _COLUMNS} for face in faces))
    return Recheck(path, faces)


def _origins(workspace: Workspace, release: Path | None) -> dict[str, tuple[str, Source]]:
    """Return the image and the source of every face, by face id."""
    catalog = workspace.catalog
    ids = sorted(faces_in(release)) if release else [row["face_id"] for row in sample_rows(catalog)]
    if not ids:
        raise BtferError(f"{workspace.root} has no sample yet: btfer sample, or name a release of it")
    found = sources(catalog)
    origins = {}
    for face_id in ids:
        for image_id in images_named(catalog, face_id):
            origins[face_id] = (image_id, best_source(found.get(image_id, ())))
    if not origins:
        raise BtferError(f"no face of {release} is known in {workspace.root}; was it released from here?")
    return origins


def _checked(
    face_id: str, image_id: str, source: Source, picture: Fetched | None, page: Page | None
) -> Checked:
    state, reason = "local", ""
    if picture is not None:
        reason = picture.fate.reason or ""
        if picture.image:
            state = "same" if picture.image.image_id == image_id else "changed"
        else:
            state = "vanished" if reason in _VANISHED else "unclear"
    before = license_of(source)
    now = licenses_in(page.text if page else "")
    license_state = "not stated" if not now else "same" if before in now else "changed"
    if before == UNKNOWN and now:
        license_state = "changed"
    return Checked(
        face_id, image_id, state, reason, before, license_state, ",".join(now), source.url, source.page_url,
        page.reason if page else "",
    )  # fmt: skip
