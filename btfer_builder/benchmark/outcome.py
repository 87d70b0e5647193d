"""What a benchmark leaves: its runs, and the answers to the research questions."""

from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from btfer_builder.benchmark.grid import RunSetting
from btfer_builder.benchmark.questions import PairedComparison, to_dict
from btfer_builder.benchmark.results import Failure, Result
from btfer_builder.io.text import counted

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The outcome of the command.

    Attributes
    ----------
    results
        Results of the finished runs in the order of the grid, also of earlier calls.
    ran
        Number of runs that this call finished.
    failed
        Runs that failed, each with the error.
    missing
        Number of other runs without a result, or with one of another BTFER sample or other scoring settings.
    impossible
        Settings that cannot be run, each with the reason.
    out
        The folder.
    files
        The written files.
    """

    results: tuple[Result, ...]
    ran: int
    failed: tuple[Failure, ...]
    missing: int
    impossible: tuple[tuple[RunSetting, str], ...]
    out: Path
    files: tuple[Path, ...]

    def to_frame(self) -> "pd.DataFrame":
        """Return a row for each finished run: its setting, and accuracy and macro scores on its own split and BTFER."""
        import pandas as pd

        columns = ("run_id", "dataset", "size", "network", "pretraining", "balancing", "seed", "params")
        scores = ("n", "accuracy", "precision", "recall", "f1")
        rows = []
        for result in self.results:
            row = {name: getattr(result, name) for name in columns}
            for side, score in (("own", result.own), ("btfer", result.btfer)):
                row |= {f"{side}_{name}": getattr(score, name, None) for name in scores}
            rows.append(row)
        names = [*columns, *(f"{side}_{name}" for side in ("own", "btfer") for name in scores)]
        return pd.DataFrame(rows, columns=names)

    def _repr_html_(self) -> str:
        """Show the number of runs, the results and the failures in a notebook."""
        counts = f"{counted(len(self.results), 'run')} finished, {len(self.failed):,} failed, {self.missing:,} missing"
        shown = [
            "dataset",
            "size",
            "network",
            "pretraining",
            "balancing",
            "seed",
            "own_accuracy",
            "btfer_accuracy",
        ]
        table = self.to_frame()[shown].round(3).to_html(index=False, border=0)
        failures = "".join(f"<li>{escape(f'{item.run_id}: {item.error}')}</li>" for item in self.failed)
        heading = f"<p>Benchmark <code>{escape(str(self.out))}</code>: {counts}</p>"
        return heading + table + (f"<ul>{failures}</ul>" if failures else "")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of `btfer benchmark --json`."""
        return {
            "runs": [msgspec.to_builtins(result) for result in self.results],
            "ran": self.ran,
            "failed": [msgspec.to_builtins(failure) for failure in self.failed],
            "missing": self.missing,
            "impossible": [{"setting": setting.words, "why": reason} for setting, reason in self.impossible],
            "path": str(self.out),
            "files": [str(path) for path in self.files],
        }


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to the research questions, and the Markdown file with them."""

    comparisons: tuple[PairedComparison, ...]
    path: Path

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of `btfer benchmark --questions --json`."""
        return to_dict(self.comparisons) | {"path": str(self.path)}
