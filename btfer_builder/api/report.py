"""What scoring and comparing models returns: values, DataFrames, saved reports, and a view in a notebook."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btfer_builder.api.keywords import guarded, path_of
from btfer_builder.api.messages import in_python
from btfer_builder.config.load import choices
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.metrics.registry import METRICS
from btfer_builder.evaluate.metrics.scores import Interval
from btfer_builder.evaluate.report.board import Leaderboard
from btfer_builder.evaluate.report.html import report_summary_html
from btfer_builder.evaluate.report.leaderboard import boards_html, csv_rows, write_leaderboards
from btfer_builder.evaluate.report.model_names import identity
from btfer_builder.evaluate.report.pair_page import differing_faces
from btfer_builder.evaluate.report.prediction_files import prediction_rows
from btfer_builder.evaluate.results import Evaluation
from btfer_builder.evaluate.write_report import write_report_files
from btfer_builder.io.text import counted
from btfer_builder.labels import EMOTIONS

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd


class Report:
    """The scores of one model on one set of faces, as `evaluate` returns them.

    Attributes
    ----------
    evaluation
        Everything that was measured, as the package computes with it; not part of the public API.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        self.evaluation = evaluation

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.evaluation.title

    @property
    def n(self) -> int:
        """Number of faces."""
        return self.evaluation.scores.n

    @property
    def accuracy(self) -> float:
        """Share of the faces whose label is predicted, 0–1."""
        return self.evaluation.scores.accuracy

    @property
    def metrics(self) -> dict[str, float | None]:
        """Every metric by name, such as `macro_f1`; None where it is not defined.

        Examples
        --------
        >>> list(report.metrics)[:3]
        ['accuracy', 'macro_f1', 'macro_recall']
        """
        return dict(self.evaluation.values)

    @property
    def signature(self) -> str:
        """What the scores depend on, in one line; scores are comparable only where the signatures agree."""
        return self.evaluation.signature

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on the numbers: missing classes, an applied softmax, and the like."""
        return tuple(map(in_python, self.evaluation.notes))

    @property
    def per_class(self) -> "pd.DataFrame":
        """Precision, recall, F1 (0–1) and support of each emotion."""
        import pandas as pd

        columns = ["precision", "recall", "f1", "support"]
        rows = [
            [getattr(item, name) for name in columns] for item in self.evaluation.scores.per_class.values()
        ]
        return pd.DataFrame(rows, pd.Index(EMOTIONS, name="emotion"), columns)

    @property
    def confusion_matrix(self) -> "pd.DataFrame":
        """Number of faces, shape (7, 7); rows are the labels, columns the predictions."""
        import pandas as pd

        names = pd.Index(EMOTIONS, name="emotion"), pd.Index(EMOTIONS, name="predicted")
        return pd.DataFrame(self.evaluation.scores.confusion, *names)

    @property
    def predictions(self) -> "pd.DataFrame":
        """A row for each face: `face_id`, `path`, `emotion`, `predicted`, `correct`, and a probability per emotion."""
        import pandas as pd

        frame = pd.DataFrame(prediction_rows(self.evaluation.faces, self.evaluation.predictions))
        probabilities = self.evaluation.predictions.probabilities
        frame["correct"] = frame["emotion"] == frame["predicted"]
        frame[[f"p_{emotion}" for emotion in EMOTIONS]] = probabilities
        return frame

    def interval(self, name: str = "accuracy") -> Interval | None:
        """Return the 95 % interval of a metric; None if it has none, or without resamples.

        Parameters
        ----------
        name
            A key of `metrics`, or `f1_` and an emotion.

        Raises
        ------
        BtferError
            If there is no such metric.

        Examples
        --------
        >>> low, high = report.interval("accuracy")
        >>> low < report.accuracy < high
        True
        """
        known = [*METRICS, *(f"f1_{emotion}" for emotion in EMOTIONS)]
        if name not in known:
            raise BtferError(f"unknown metric `{name}`{choices(str(name), known)}")
        return self.evaluation.intervals.get(name)

    def to_frame(self) -> "pd.DataFrame":
        """Return a row for each metric: `value`, and `low` and `high` of its 95 % interval.

        Examples
        --------
        >>> report.to_frame().columns.tolist()
        ['value', 'low', 'high']
        """
        import pandas as pd

        values: dict[str, float | None] = dict(self.evaluation.values)
        values |= {f"f1_{name}": item.f1 for name, item in self.evaluation.scores.per_class.items()}
        none = (None, None)
        rows = [[value, *(self.evaluation.intervals.get(name) or none)] for name, value in values.items()]
        index = pd.Index(list(values), name="metric")
        return pd.DataFrame(rows, index, ["value", "low", "high"], dtype=float)

    def to_dict(self) -> dict[str, Any]:
        """Return everything that was measured, in the form of `metrics.json`."""
        return self.evaluation.to_dict()

    def model_card(self) -> str:
        """Return a model card in Markdown, whose YAML head has the scores as a `model-index` for the Hugging Face Hub.

        Examples
        --------
        >>> report.model_card().splitlines()[0]
        '---'
        """
        from btfer_builder.evaluate.report.model_card import model_card

        return model_card(self.evaluation)

    @guarded
    def save(self, folder: "str | PathLike[str]") -> Path:
        """Write the report as `btfer eval` does and return its folder.

        Parameters
        ----------
        folder
            Gets `metrics.json`, `predictions.csv`, `confusion_matrix.png` and `report.html`; an earlier report of the
            same model in it is replaced.

        Raises
        ------
        BtferError
            If the folder has the report of another model, or cannot be written.

        Examples
        --------
        >>> sorted(path.name for path in report.save("reports/happy").iterdir())
        ['confusion_matrix.png', 'metrics.json', 'predictions.csv', 'predictions.npz', 'report.html']
        """
        path = path_of(folder)
        other = _model_of(path)
        if other not in {None, identity(self.evaluation.model)}:
            raise BtferError(f"{path}: has the report of another model ({other}); choose another folder")
        return write_report_files(self.evaluation, path).path

    def __repr__(self) -> str:
        return f"<Report of {self.model!r}: accuracy {self.accuracy:.3f} on {counted(self.n, 'face')}>"

    def _repr_html_(self) -> str:
        """Show the scores in a notebook."""
        return report_summary_html(replace(self.evaluation, notes=self.notes))


class Comparison:
    """Models ranked on the same faces, as `compare` returns them; one leaderboard for each set."""

    def __init__(self, boards: Sequence[Leaderboard]) -> None:
        self._boards = tuple(boards)

    def to_frame(self) -> "pd.DataFrame":
        """Return a row for each model, by set and rank, with the columns of `leaderboard.csv`.

        Examples
        --------
        >>> comparison.to_frame()[["rank", "tied", "model"]].values.tolist()
        [[1, False, 'perfect'], [2, False, 'always_happy']]
        """
        import pandas as pd

        return pd.DataFrame(csv_rows(self._boards)).drop(columns="path")

    @property
    def pairs(self) -> "pd.DataFrame":
        """Paired comparisons: differences with 95 % intervals, and p-values of McNemar's test, also Holm-corrected."""
        import pandas as pd

        rows = [
            {"set": f"{board.set_name}#{board.set_hash}", **pair}
            for board in self._boards
            for pair in board.to_dict()["pairs"]
        ]
        return pd.DataFrame(rows)

    def faces(self, first: str, second: str) -> "pd.DataFrame":
        """Return the faces that only one of two models predicts correctly.

        Parameters
        ----------
        first, second
            Names of models, as in `to_frame`.

        Returns
        -------
        pandas.DataFrame
            `set`, `face_id`, `emotion`, `first` and `second` (the predictions), and `correct`: the model that is. The
            most confident errors come first.

        Raises
        ------
        BtferError
            If they have no rank on the same set.

        Examples
        --------
        >>> comparison.faces("perfect", "always_happy")["correct"].unique().tolist()
        ['perfect']
        """
        import pandas as pd

        columns = ["set", "face_id", "emotion", "first", "second", "correct"]
        rows, found = [], False
        for board in self._boards:
            reports = {report.model: report for report in board.reports}
            if not {first, second} <= reports.keys():
                continue
            found = True
            pair = reports[first], reports[second]
            answers = [[EMOTIONS[answer] for answer in report.predicted] for report in pair]
            for name, part in zip((first, second), differing_faces(*pair), strict=True):
                rows += [
                    [f"{board.set_name}#{board.set_hash}", pair[0].faces[row], EMOTIONS[pair[0].true[row]],
                     answers[0][row], answers[1][row], name]
                    for row in part
                ]  # fmt: skip
        if not found:
            raise BtferError(f"no set on which both {first!r} and {second!r} have a rank; see to_frame()")
        return pd.DataFrame(rows, columns=columns)

    def to_dict(self) -> dict[str, Any]:
        """Return everything that was compared, in the form of `comparison.json`."""
        return {"leaderboards": [board.to_dict() for board in self._boards]}

    @guarded
    def save(self, folder: "str | PathLike[str]") -> Path:
        """Write `leaderboard.csv`, `.md`, `.html`, `comparison.json` and pages of pairs, and return the folder.

        Raises
        ------
        BtferError
            If they cannot be written.

        Examples
        --------
        >>> (comparison.save("reports/comparison") / "leaderboard.html").is_file()
        True
        """
        return write_leaderboards(self._boards, path_of(folder))

    def __repr__(self) -> str:
        models, sets = sum(len(board.rows) for board in self._boards), len(self._boards)
        plural = "" if models == 1 else "s", "" if sets == 1 else "s"
        return f"<Comparison of {models} model{plural[0]} on {sets} set{plural[1]}>"

    def _repr_html_(self) -> str:
        """Show the leaderboards in a notebook."""
        return boards_html(self._boards)


def _model_of(folder: Path) -> str | None:
    """Return which model the report in a folder is of; None if there is no report."""
    try:
        return str(json.loads((folder / "metrics.json").read_bytes())["model_path"])
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, KeyError, TypeError, OSError):
        return "unknown"
