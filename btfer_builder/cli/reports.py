"""The reports that a command is about."""

from collections.abc import Sequence
from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.workspace import open_workspace


def report_paths(reports: Sequence[Path], directory: Path | None) -> tuple[list[Path], Path]:
    """Return the reports that are named, or else all of the workspace, and the folder that they are in.

    Raises
    ------
    BtferError
        If there are none.
    """
    from btfer_builder.evaluate.report.read_report import reports_in

    folder = reports[0].parent if reports else open_workspace(directory).reports
    paths = list(reports) or reports_in(folder)
    # reports/* also matches the folder of an earlier comparison, and files.
    other = [path for path in paths if path.is_file() or _is_comparison(path)]
    paths = list({path.resolve(): path for path in paths if path not in other}.values())
    if skipped := [path.name for path in other if path.is_file()]:
        echo_stderr(f"ignored, not reports: {', '.join(skipped)}")
    if not paths:
        raise BtferError(f"{folder} has no reports yet; run: btfer eval MODEL")
    return paths, folder


def _is_comparison(path: Path) -> bool:
    return (path / "comparison.json").is_file() and not (path / "metrics.json").is_file()
