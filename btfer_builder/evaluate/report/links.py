"""Links between leaderboards, reports and their faces. All are relative, so that a folder of reports can be moved."""

import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from urllib.parse import quote

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.report.read_report import ReadReport
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.limits import read_bytes
from btfer_builder.io.text import listed

REPORT = "report.html"

#: What a report says that no leaderboard names.
NOT_COMPARED = (
    "To compare two models, use <code>btfer compare</code>, which pairs their predictions of the same faces."
)

#: What a report says about comparisons until a leaderboard names it; see `report.html.j2`.
_PLACE = re.compile(rb"<!-- leaderboard -->.*?<!-- /leaderboard -->", re.DOTALL)
_FACE = re.compile(rb'id="(face-[0-9a-f]{12})"')


def report_link(report: Path | None, folder: Path) -> str:
    """Return the link from a page in `folder` to the page of the report in a folder; empty if there is none."""
    if report is None or not (report / REPORT).is_file():
        return ""
    return _relative(report / REPORT, folder)


def shown_faces(report: ReadReport) -> frozenset[str]:
    """Return the anchors of the faces that a report's page shows."""
    page = _content(report.path or Path())
    return frozenset(found.decode() for found in _FACE.findall(page))


def link_reports(
    reports: Iterable[ReadReport], leaderboard: Path, pages: Mapping[tuple[str, str], str]
) -> None:
    """Link the pages of reports to a leaderboard and its pages of pairs.

    Reports that are not beside the folder of the leaderboard are not changed.

    Parameters
    ----------
    reports
        Of one set.
    leaderboard
        The page; those of pairs are beside it.
    pages
        Names of the pages by the two models.
    """
    for report in reports:
        if report.path is None or report.path.resolve().parent != leaderboard.resolve().parent.parent:
            continue
        link = f'Compared with other models in the <a href="{_relative(leaderboard, report.path)}">leaderboard</a>'
        beside = [
            f'<a href="{_relative(leaderboard.parent / page, report.path)}">{escape(other)}</a>'
            for models, page in pages.items()
            if report.model in models
            for other in models
            if other != report.model
        ]
        _say(report.path, link + (f", side by side with {listed(beside)}." if beside else "."))


def unlink_reports(reports: Iterable[ReadReport], leaderboard: Path) -> None:
    """Remove the links of reports beside a leaderboard's folder that an earlier one there had, and this one has not."""
    kept = {report.path.resolve() for report in reports if report.path is not None}
    for page in leaderboard.resolve().parent.parent.glob(f"*/{REPORT}"):
        if page.parent not in kept and f'href="{_relative(leaderboard, page.parent)}"'.encode() in _content(
            page.parent
        ):
            _say(page.parent, NOT_COMPARED)


def _say(report: Path, text: str) -> None:
    """Put a text where a report speaks of comparisons."""
    page, marked = _content(report), f"<!-- leaderboard -->{text}<!-- /leaderboard -->".encode()
    changed = _PLACE.sub(lambda _: marked, page, count=1)
    if changed != page:
        with contextlib.suppress(OSError):  # a folder that only others may write to
            write_bytes(report / REPORT, changed)


def _relative(page: Path, folder: Path) -> str:
    return quote(Path(os.path.relpath(page.resolve(), folder.resolve())).as_posix())


def _content(report: Path) -> bytes:
    try:
        return read_bytes(report / REPORT)
    except (OSError, BtferError):
        return b""
