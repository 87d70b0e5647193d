"""Find and read the reports below folders, and leave out those that do not fit the others."""

import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.report.read_report import ReadReport, read_report
from btfer_builder.io.text import counted


def reports_in(folder: Path) -> list[Path]:
    """Return the folders of the reports in a folder, sorted.

    Raises
    ------
    BtferError
        If there are none.
    """
    paths = sorted(path.parent for path in folder.glob("*/metrics.json"))
    if not paths:
        raise BtferError(f"{folder} has no reports yet; run: btfer eval MODEL")
    return paths


def collect_reports(
    paths: Sequence[Path], *, paired: bool = False, named: bool = True
) -> tuple[list[ReadReport], list[str]]:
    """Read reports, and all below folders that are none themselves: those of many people, say.

    Parameters
    ----------
    paths
        Folders of reports, their `metrics.json`, or folders with reports at any depth.
    paired
        Whether `predictions.csv` must be beside each `metrics.json`.
    named
        Whether a user named the paths: a report that is named and cannot be used is an error, one that was found is
        left out.

    Returns
    -------
    reports : list of ReadReport
        Each once, in the order of the paths.
    lines : list of str
        What was upgraded, and which of the reports that were found below a folder are left out and why.

    Raises
    ------
    BtferError
        If a report that is named cannot be used, or none is found below a folder.
    """
    reports: dict[Path, ReadReport] = {}
    lines: list[str] = []
    held: set[Path] = set()
    for path in paths:
        alone = not path.is_dir() or (path / "metrics.json").exists()
        found = [path] if alone else list(_below(path))
        if not found:
            raise BtferError(f"{path}: not a report, and has none in it; make one with btfer eval")
        for place in found:
            folder = (place.parent if place.name == "metrics.json" else place).resolve()
            if named and alone:
                held.add(folder)
            if folder in reports:
                continue
            try:
                reports[folder] = read_report(place, paired=paired)
            except BtferError as error:
                if folder in held:
                    raise
                lines.append(f"left out: {error}")
    for folder, why in conflicts(reports, held).items():
        if folder not in held:
            del reports[folder]
            lines.append(f"left out: {why}")
    if lines:
        lines.append(
            f"{counted(len(reports) + len(lines), 'report')}: {len(reports)} read, {len(lines)} left out"
        )
    if not reports:
        raise BtferError(f"none of the reports can be used; {lines[0]}")
    return list(reports.values()), [report.notice for report in reports.values() if report.notice] + lines


def conflicts(reports: Mapping[Path, ReadReport], held: Collection[Path] = ()) -> dict[Path, str]:
    """Return which reports list other faces or labels than the others on their set, and why they do not fit.

    What most reports on a set list holds; what one of `held` lists, before all others.
    """
    groups: dict[str, dict[tuple[tuple[str, ...], bytes], list[Path]]] = {}
    for folder, report in reports.items():
        if report.faces:
            listed = report.faces, report.true.tobytes()
            groups.setdefault(report.set_digest, {}).setdefault(listed, []).append(folder)
    found = {}
    for digest, of_set in groups.items():
        kept, *others = sorted(
            of_set.values(), key=lambda folders: (not any(item in held for item in folders), -len(folders))
        )
        for folder in (folder for folders in others for folder in folders):
            found[folder] = (
                f"{_name(reports[folder])} and {_name(reports[kept[0]])}: both state the set #{digest[:8]}, but their "
                "predictions.csv list other faces or labels; one of them was changed, make it again with btfer eval"
            )
    return found


def _name(report: ReadReport) -> str:
    return str(report.path or report.model)


def _below(folder: Path) -> Iterator[Path]:
    """Yield the folders with a `metrics.json` below a folder, sorted; links are not followed."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        if "metrics.json" in names:
            yield Path(place)
