"""Check the sources of a release again: vanished and changed files, and changed licences."""

import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btfer_builder.catalog.release import sample_rows
from btfer_builder.catalog.sample import Source, sources
from btfer_builder.catalog.takedown import images_named
from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.fetch import Fetched, Page
from btfer_builder.crawl.licenses import UNKNOWN
from btfer_builder.errors import BtferError
from btfer_builder.io.csv import write_csv
from btfer_builder.io.text import counted
from btfer_builder.next_step import no_sample
from btfer_builder.release.diff import faces_in
from btfer_builder.release.fetch_many import FetchRequest, fetch_many
from btfer_builder.release.released_faces import is_web
from btfer_builder.sample.provenance import best_source, license_of, licenses_in
from btfer_builder.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd

#: Reasons of a fetch that mean that the file is no longer published.
_VANISHED = {"not_found", "forbidden", "empty", "not_an_image", "other_file"}
COLUMNS = (
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
class SourceCheck:
    """The present state of the source of a face.

    Attributes
    ----------
    state
        `same`; `changed`: another file; `vanished`; `unclear`: the host did not answer; `local`: a file on this
        machine.
    license, license_state, license_now
        The licence of the release; `same`, `changed`, or `not stated` if the page names no licence or cannot be
        read; the licences on the page.
    reason, page_reason
        Why the file or its page could not be read, as in a crawl.
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
class RecheckResult:
    """The state of each source, and the path of the table."""

    path: Path
    faces: list[SourceCheck]

    def to_frame(self) -> "pd.DataFrame":
        """Return a row for each face: its source, the state of the file, and the licence then and now."""
        import pandas as pd

        return pd.DataFrame(
            [[getattr(face, name) for name in COLUMNS] for face in self.faces], columns=COLUMNS
        )

    def __repr__(self) -> str:
        states = ", ".join(f"{count} {state}" for state, count in self.to_dict()["states"].items())
        return f"<RecheckResult of {counted(len(self.faces), 'face')}: {states}>"

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer recheck --json`."""
        return {
            "path": str(self.path),
            "states": dict(sorted(Counter(face.state for face in self.faces).items())),
            "licenses": dict(sorted(Counter(face.license_state for face in self.faces).items())),
            "faces": [
                {name: getattr(face, name) for name in COLUMNS}
                for face in self.faces
                if face.state in {"vanished", "changed"} or face.license_state == "changed"
            ],
        }


def recheck(workspace: Workspace, recipe: CrawlRecipe, release: Path | None = None) -> RecheckResult:
    """Check the source of each face of a release, or of the sample, and write `reports/recheck.csv`.

    The file is fetched and compared with the earlier one; its page is searched for the address of a Creative
    Commons licence. Nothing is taken down: that is for a person to decide.

    Raises
    ------
    BtferError
        If there is nothing to check, or the folder is not a release.
    """
    origins = _origins(workspace, release)
    files: dict[str, Fetched] = {}
    pages: dict[str, Page] = {}

    def done(request: FetchRequest, result: Fetched | Page) -> None:
        if isinstance(result, Fetched):
            if result.image:
                (root / result.image.path).unlink(missing_ok=True)
            files[request.url] = result
        else:
            pages[request.url] = result

    requests = {FetchRequest(source.url) for _, source in origins.values() if is_web(source.url)}
    requests |= {
        FetchRequest(source.page_url, page=True) for _, source in origins.values() if is_web(source.page_url)
    }
    with tempfile.TemporaryDirectory(prefix="btfer-recheck-") as folder:
        root = Path(folder)
        fetch_many(
            sorted(requests, key=lambda request: (request.url, request.page)), root, recipe, done, "recheck"
        )
    faces = [
        _checked(face_id, image_id, source, files.get(source.url), pages.get(source.page_url))
        for face_id, (image_id, source) in sorted(origins.items())
    ]
    path = workspace.reports / "recheck.csv"
    write_csv(path, COLUMNS, ({name: getattr(face, name) for name in COLUMNS} for face in faces))
    return RecheckResult(path, faces)


def _origins(workspace: Workspace, release: Path | None) -> dict[str, tuple[str, Source]]:
    """Return the image id and the source of each face, by face id."""
    catalog = workspace.catalog
    ids = sorted(faces_in(release)) if release else [row["face_id"] for row in sample_rows(catalog)]
    if not ids:
        raise no_sample(workspace, otherwise=", or name a release")
    images = {face_id: image_id for face_id in ids for image_id in images_named(catalog, face_id)}
    candidates = sources(catalog, images.values())
    origins = {
        face_id: (image_id, best_source(candidates.get(image_id, ()))) for face_id, image_id in images.items()
    }
    if not origins:
        raise BtferError(
            f"{workspace.root} has no face of {release}; name the workspace of the release with -w"
        )
    return origins


def _checked(
    face_id: str, image_id: str, source: Source, fetched: Fetched | None, page: Page | None
) -> SourceCheck:
    state, reason = "local", ""
    if fetched is not None:
        reason = fetched.fate.reason or ""
        if fetched.image:
            state = "same" if fetched.image.image_id == image_id else "changed"
        else:
            state = "vanished" if reason in _VANISHED else "unclear"
    before = license_of(source)
    now = licenses_in(page.text if page else "")
    license_state = "not stated" if not now else "same" if before in now else "changed"
    if before == UNKNOWN and now:
        license_state = "changed"
    return SourceCheck(
        face_id, image_id, state, reason, before, license_state, ",".join(now), source.url, source.page_url,
        page.reason if page else "",
    )  # fmt: skip
