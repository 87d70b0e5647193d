"""The reports that a command is about."""

from collections.abc import Sequence
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.workspace import open_workspace

METRICS = "metrics.json"


def report_paths(reports: Sequence[Path], directory: Path | None) -> tuple[list[Path], Path]:
    """Return the reports that are named, or else all of the workspace, and the folder that they are in.

    A folder that is no report stands for all reports below it.

    Raises
    ------
    BtferError
        If there are none.
    """
    from btfer_builder.evaluate.report.collect import reports_in

    folder = _folder_of(reports[0]) if reports else open_workspace(directory).reports
    paths = list(reports) or reports_in(folder)
    # reports/* also matches the folder of an earlier comparison, and files.
    other = [path for path in paths if _is_no_report(path) or _is_comparison(path)]
    paths = list({path.resolve(): path for path in paths if path not in other}.values())
    if skipped := [path.name for path in other if path.is_file()]:
        echo_stderr(f"ignored, not reports: {', '.join(skipped)}")
    if not paths:
        raise BtferError(f"{folder} has no reports yet; run: btfer eval MODEL")
    return paths, folder


def _folder_of(report: Path) -> Path:
    if report.name == METRICS:
        return report.parent.parent
    return (
        report
        if report.is_dir() and not (report / METRICS).exists() and not _is_comparison(report)
        else report.parent
    )


def _is_no_report(path: Path) -> bool:
    return path.is_file() and path.name != METRICS


def _is_comparison(path: Path) -> bool:
    return (path / "comparison.json").is_file() and not (path / METRICS).is_file()
