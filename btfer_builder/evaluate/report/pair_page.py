"""Pages of two models side by side: where they differ, and the faces that only one of them gets right."""

import hashlib
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.metrics.agreement import confusion_difference
from btfer_builder.evaluate.report.board import ALPHA, Leaderboard, ModelPair
from btfer_builder.evaluate.report.face_thumbnails import face_anchor, thumbnail
from btfer_builder.evaluate.report.html import environment
from btfer_builder.evaluate.report.links import report_link, shown_faces
from btfer_builder.evaluate.report.read_report import ReadReport
from btfer_builder.evaluate.signature import content_digests, set_digest
from btfer_builder.images.decode import Undecodable
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.limits import MAX_DOCUMENT
from btfer_builder.labels import EMOTIONS, Emotion

#: Maximum number of pages of a leaderboard, all pairs of 20 models; the pairs with the best model come first.
MAX_PAGES = 190

#: Maximum number of faces of a section. With 200 faces and 4 kB per thumbnail a page is below 1 MB.
MAX_FACES = 100

#: Maximum number of faces of the sections of all pages together: about 16 MB.
MAX_FACES_OF_ALL = 4000

#: Names of the pages, which a later comparison in the same folder removes.
_PAGES = re.compile(r"pair-[0-9a-f]{12}\.html")


@dataclass(frozen=True, slots=True)
class WalkedFace:
    """A face that only one of two models gets right.

    `answers`, `confidences` and `links` are of the first and the second model; a link leads to the face in the report
    of the model and is empty if there is none. `picture` is a data URI, empty without a picture.
    """

    face_id: str
    anchor: str
    true: Emotion
    answers: tuple[Emotion, Emotion]
    confidences: tuple[float | None, float | None]
    links: tuple[str, str]
    picture: str


@dataclass(frozen=True, slots=True)
class Section:
    """The faces that only `right` gets right: their number, and some, the most confident errors of `wrong` first."""

    right: str
    wrong: str
    count: int
    faces: tuple[WalkedFace, ...]


def write_pair_pages(board: Leaderboard, folder: Path) -> dict[tuple[str, str], str]:
    """Write a page for each of the first pairs of a leaderboard and return their names by the two models.

    Pictures are shown as in the reports of single models: small, and encoded again. They are shown only if the images
    that a report names are still those of the set, by its hash: so a report of another person cannot bring a picture
    of this machine into a page, and a set that has changed shows none.
    """
    reports = {report.model: report for report in board.reports}
    pairs = board.pairs[:MAX_PAGES] if reports else ()
    faces = scored_images(board.reports) if pairs else None
    pictures: dict[int, str] = {}
    names = {}
    links = {report.model: _face_links(report, folder) for report in board.reports} if pairs else {}
    for pair in pairs:
        names[pair.first, pair.second] = name = page_name(board, pair)
        both = reports[pair.first], reports[pair.second]
        most = min(MAX_FACES, MAX_FACES_OF_ALL // (2 * len(pairs)))
        page = _page(
            board, pair, both, [links[report.model] for report in both], folder, faces, pictures, most
        )
        write_bytes(folder / name, page)
    return names


def page_name(board: Leaderboard, pair: ModelPair) -> str:
    """Return the name of the page of a pair: the same for the same models on the same set."""
    of = "\n".join([board.reports[0].set_digest, pair.first, pair.second])
    return f"pair-{hashlib.sha256(of.encode()).hexdigest()[:12]}.html"


def remove_pair_pages(folder: Path, keep: Sequence[str]) -> None:
    """Remove the pages of an earlier comparison."""
    for path in folder.iterdir():
        if _PAGES.fullmatch(path.name) and path.name not in keep:
            path.unlink()


def scored_images(reports: Sequence[ReadReport]) -> list[LabelledFace] | None:
    """Return the faces of a set with their images, sorted by id; None if no report leads to the images of the set."""
    for report in reports:
        faces = report.labelled_faces
        try:
            small = all(
                face.path.is_file() and face.path.stat().st_size <= MAX_DOCUMENT  # no device, no pipe
                for face in faces
            )
            if small and set_digest(faces, content_digests(faces)) == report.set_digest:
                return faces
        except (OSError, ValueError, BtferError):  # a path with a null byte, a file that cannot be read
            continue
    return None


def differing_faces(first: ReadReport, second: ReadReport) -> tuple[list[int], list[int]]:
    """Return the rows of the faces that only the first, and only the second model gets right.

    The most confident errors of the other model come first.
    """
    rights = [report.true == report.predicted for report in (first, second)]

    def rows(right: int, wrong: ReadReport) -> list[int]:
        found = np.flatnonzero(rights[right] & ~rights[1 - right])
        sure = np.nan_to_num(wrong.confidence, nan=-1.0)
        return sorted((int(row) for row in found), key=lambda row: (-sure[row], row))

    return rows(0, second), rows(1, first)


def _page(
    board: Leaderboard,
    pair: ModelPair,
    reports: tuple[ReadReport, ReadReport],
    links: Sequence[Callable[[int], str]],
    folder: Path,
    faces: list[LabelledFace] | None,
    pictures: dict[int, str],
    most: int,
) -> bytes:
    rows = differing_faces(*reports)
    if faces is not None:
        _add_pictures(faces, [row for part in rows for row in part[:most]], pictures)
    walked = partial(_walked, reports, links, pictures)
    first, second = reports
    right = [report.true == report.predicted for report in reports]
    same = first.predicted == second.predicted
    page = (
        environment()
        .get_template("pair.html.j2")
        .render(
            board=board,
            pair=pair,
            alpha=ALPHA,
            emotions=EMOTIONS,
            models=[(report.model, report_link(report.path, folder), report.metrics) for report in reports],
            both_right=int((right[0] & right[1]).sum()),
            wrong_alike=int((same & ~right[0]).sum()),
            wrong_apart=int((~right[0] & ~right[1] & ~same).sum()),
            difference=confusion_difference(first.true, first.predicted, second.predicted),
            sections=[
                Section(
                    reports[side].model,
                    reports[1 - side].model,
                    len(part),
                    tuple(walked(row) for row in part[:most]),
                )
                for side, part in enumerate(rows)
            ],
            pictured=faces is not None,
        )
    )
    return page.encode()


def _add_pictures(faces: Sequence[LabelledFace], rows: Sequence[int], pictures: dict[int, str]) -> None:
    def picture(row: int) -> str:
        try:
            return thumbnail(faces[row])
        except (Undecodable, OSError):
            return ""

    missing = [row for row in rows if row not in pictures]
    with ThreadPoolExecutor(2) as pool:
        pictures.update(zip(missing, pool.map(picture, missing), strict=True))


def _walked(
    reports: tuple[ReadReport, ReadReport],
    links: Sequence[Callable[[int], str]],
    pictures: dict[int, str],
    row: int,
) -> WalkedFace:
    first, second = reports
    sure = [float(report.confidence[row]) for report in reports]
    return WalkedFace(
        first.faces[row],
        face_anchor(first.faces[row]),
        EMOTIONS[first.true[row]],
        (EMOTIONS[first.predicted[row]], EMOTIONS[second.predicted[row]]),
        (None if np.isnan(sure[0]) else sure[0], None if np.isnan(sure[1]) else sure[1]),
        (links[0](row), links[1](row)),
        pictures.get(row, ""),
    )


def _face_links(report: ReadReport, folder: Path) -> Callable[[int], str]:
    """Return what leads to a face in a report: to the face if it is shown there, else to its cell of the matrix."""
    page = report_link(report.path, folder)
    shown = shown_faces(report) if page else frozenset()

    def link(row: int) -> str:
        anchor = face_anchor(report.faces[row])
        cell = f"{EMOTIONS[report.true[row]]}-{EMOTIONS[report.predicted[row]]}"
        return f"{page}#{anchor if anchor in shown else cell}" if page else ""

    return link
