"""Links between leaderboards, reports and their faces. All are relative, so that a folder of reports can be moved."""

import contextlib
import os
import re
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import quote

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.report.read_report import ReadReport
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.limits import read_bytes

REPORT = "report.html"

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
    page = _content(report)
    return frozenset(found.decode() for found in _FACE.findall(page))


def link_reports(reports: Iterable[ReadReport], leaderboard: Path) -> None:
    """Link the pages of reports to a leaderboard, if they are beside its folder: those elsewhere are not changed."""
    for report in reports:
        if report.path is None or report.path.resolve().parent != leaderboard.resolve().parent.parent:
            continue
        page = _content(report)
        link = f'Compared with other models in the <a href="{_relative(leaderboard, report.path)}">leaderboard</a>.'
        linked = _PLACE.sub(f"<!-- leaderboard -->{link}<!-- /leaderboard -->".encode(), page, count=1)
        if linked != page:
            with contextlib.suppress(OSError):  # a folder that only others may write to
                write_bytes(report.path / REPORT, linked)


def _relative(page: Path, folder: Path) -> str:
    return quote(Path(os.path.relpath(page.resolve(), folder.resolve())).as_posix())


def _content(report: ReadReport) -> bytes:
    try:
        return read_bytes((report.path or Path()) / REPORT)
    except (OSError, BtferError):
        return b""
