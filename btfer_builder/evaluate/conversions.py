"""A model and its conversions for small devices, by accuracy, size and latency (§4.7)."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btfer_builder.config import EvalRecipe, override
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.convert import Quantisation, check_convertible, convert_calibrated
from btfer_builder.evaluate.evaluate import evaluate_models
from btfer_builder.evaluate.inference.predict import Progress
from btfer_builder.evaluate.metrics.scores import Interval
from btfer_builder.evaluate.metrics.significance import holm
from btfer_builder.evaluate.report.board import ALPHA, ModelPair
from btfer_builder.evaluate.report.compare import compare_reports
from btfer_builder.evaluate.report.read_report import read_report
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.csv import write_csv
from btfer_builder.io.text import counted

if TYPE_CHECKING:
    import pandas as pd

#: Each conversion: its name, format and quantisation.
CONVERSIONS: tuple[tuple[str, str, Quantisation], ...] = (
    ("TensorFlow Lite", "tflite", "none"),
    ("TensorFlow Lite float16", "tflite", "float16"),
    ("TensorFlow Lite int8", "tflite", "int8"),
    ("ONNX", "onnx", "none"),
)

ORIGINAL = "Keras"


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """The original or a conversion; numbers are None where it could not be made.

    Attributes
    ----------
    name
        `Keras` for the original, or the format.
    path
        The file.
    accuracy, accuracy_interval_95
        On the faces.
    difference, difference_interval_95, p_value
        Accuracy minus that of the original, its paired bootstrap interval and McNemar's exact p-value, Holm-corrected
        for the conversions.
    changed
        Share of the faces with another answer than the original's.
    file_bytes, latency_p50_ms, images_per_second
        Its cost on this machine.
    error
        Why it could not be made; empty if it was.
    """

    name: str
    path: str = ""
    accuracy: float | None = None
    accuracy_interval_95: Interval | None = None
    difference: float | None = None
    difference_interval_95: Interval | None = None
    p_value: float | None = None
    changed: float | None = None
    file_bytes: int | None = None
    latency_p50_ms: float | None = None
    images_per_second: float | None = None
    error: str = ""


@dataclass(frozen=True, slots=True)
class Conversions:
    """The table of a model's conversions.

    Attributes
    ----------
    rows
        The original first.
    set_name, n
        The faces.
    machine
        Where size and time were measured.
    path
        The folder with models, reports, `conversions.md` and `conversions.csv`.
    """

    rows: tuple[Conversion, ...]
    set_name: str
    n: int
    machine: str
    path: Path

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of `btfer convert --to all --json`."""
        return asdict(self) | {"path": str(self.path)}

    def to_frame(self) -> "pd.DataFrame":
        """Return a row for each conversion, the original first."""
        import pandas as pd

        return pd.DataFrame([asdict(row) for row in self.rows])

    def _repr_html_(self) -> str:
        """Show the table in a notebook."""
        return str(self.to_frame().drop(columns="path").round(4).to_html(index=False, border=0))

    def to_markdown(self) -> str:
        """Return the table as Markdown."""
        heads, rows = self.heads(), self.cells()
        lines = [
            f"| {' | '.join(heads)} |",
            "|" + "---|" * len(heads),
            *(f"| {' | '.join(row)} |" for row in rows),
        ]
        return "\n".join(lines) + f"\n\n{self.note()}\n"

    @staticmethod
    def heads() -> tuple[str, ...]:
        """Return the heads of the shown table."""
        return (
            "model",
            "accuracy [95 %]",
            "difference [95 %]",
            "other answers",
            "MB",
            "ms an image",
            "images/s",
        )

    def cells(self) -> list[tuple[str, ...]]:
        """Return the cells of the shown table."""
        return [
            (row.name, f"not made: {row.error}", "–", "–", "–", "–", "–")
            if row.error
            else (
                row.name,
                f"{row.accuracy:.3f}{_interval(row.accuracy_interval_95, '.3f')}",
                _signed(row),
                "–" if row.changed is None else f"{row.changed:.2%}",
                f"{(row.file_bytes or 0) / 1e6:.3g}",
                f"{row.latency_p50_ms or 0:.2f}",
                f"{row.images_per_second or 0:,.0f}",
            )
            for row in self.rows
        ]

    def note(self) -> str:
        """Return where the numbers are from."""
        return (
            f"On {counted(self.n, 'face')} of {self.set_name}; latency is the median for one image, throughput in "
            f"batches, on {self.machine or 'this machine'}. Differences are to the original; * marks a significant one."
        )


def compare_conversions(
    path: Path,
    faces: Sequence[LabelledFace],
    recipe: EvalRecipe,
    out: Path,
    *,
    set_name: str = "faces",
    data: Path | None = None,
    explicit: Collection[str] = (),
    progress: Progress = iter,
) -> Conversions:
    """Convert a Keras model to every format, score all of them, and write the table.

    Parameters
    ----------
    path
        A Keras model file.
    faces
        The faces on which all are scored.
    recipe
        How the model is fed, where no sidecar declares it, and seed and number of resamples.
    out
        Folder for the converted models, their reports and the table.
    set_name
        Name of the faces.
    data
        Folder of class folders from the training domain, on which int8 is calibrated; None leaves int8 out, with the
        reason.
    explicit
        Settings of the recipe that take precedence over the sidecar.
    progress
        Wraps the batches of faces, like `tqdm`.

    Raises
    ------
    BtferError
        If the original is no Keras model, or cannot be loaded or scored. A conversion that fails is a row with its
        error.
    """
    check_convertible(path)
    made: dict[str, Path] = {ORIGINAL: path}
    errors: dict[str, str] = {}
    for name, to, quantize in CONVERSIONS:
        kind = "" if quantize == "none" else f".{quantize}"
        target = out / f"{path.stem}{kind}.{to}"
        if quantize == "int8" and data is None:
            errors[name] = "it needs faces of the training domain (--data)"
            continue
        try:
            made[name] = convert_calibrated(
                path,
                to,
                recipe,
                quantize=quantize,
                output=target,
                data=data,
                explicit=explicit,
                trust_model=recipe.trust_model,
            )
        except BtferError as error:
            errors[name] = str(error).removeprefix(f"{path}: ")
    measured = override(recipe, efficiency=True)
    reports = evaluate_models(
        list(made.values()), faces, measured, out / "reports", progress, set_name=set_name, explicit=explicit
    )
    rows = _rows(dict(zip(made, (report.path for report in reports), strict=True)), made, recipe)
    rows |= {name: Conversion(name=name, error=error) for name, error in errors.items()}
    ordered = tuple(rows[name] for name in (ORIGINAL, *(name for name, *_ in CONVERSIONS)))
    machine = reports[0].evaluation.efficiency.machine.rpartition(",")[0]
    table = Conversions(ordered, set_name, len(faces), machine, out)
    cells = [_csv(row) for row in ordered]
    write_csv(out / "conversions.csv", list(cells[0]), cells)
    write_bytes(out / "conversions.md", table.to_markdown().encode())
    return table


def _rows(reports: dict[str, Path], made: dict[str, Path], recipe: EvalRecipe) -> dict[str, Conversion]:
    read = {name: read_report(path) for name, path in reports.items()}
    # Each with the original alone, so that the correction is for these pairs only.
    pairs: dict[str, ModelPair] = {}
    for name in list(read)[1:]:
        named = [replace(read[key], metrics=read[key].metrics | {"model": key}) for key in (ORIGINAL, name)]
        named = [replace(item, metrics=item.metrics | {"model_path": f"/{item.model}"}) for item in named]
        (board,) = compare_reports(named, resamples=recipe.resamples, seed=recipe.seed)
        (pairs[name],) = board.pairs
    corrected = dict(zip(pairs, holm([pair.p_value for pair in pairs.values()]), strict=True))
    rows = {}
    for name, report in read.items():
        metrics, cost = report.metrics, report.metrics["efficiency"]
        row = Conversion(
            name=name,
            path=str(made[name]),
            accuracy=metrics["accuracy"],
            accuracy_interval_95=tuple(metrics["accuracy_interval_95"]),
            file_bytes=cost["file_bytes"],
            latency_p50_ms=cost["latency_p50_ms"],
            images_per_second=cost["images_per_second"],
        )
        if pair := pairs.get(name):
            sign = 1 if pair.first == name else -1
            interval = pair.accuracy_interval_95
            row = replace(
                row,
                difference=sign * pair.accuracy_difference + 0.0,  # no -0.0
                difference_interval_95=interval
                and (interval if sign > 0 else (0.0 - interval[1], 0.0 - interval[0])),
                p_value=corrected[name],
                changed=float((report.predicted != read[ORIGINAL].predicted).mean()),
            )
        rows[name] = row
    return rows


def _csv(row: Conversion) -> dict[str, Any]:
    """Return a row of the CSV, with both ends of an interval as columns."""
    cells: dict[str, Any] = {}
    for name, value in asdict(row).items():
        if name.endswith("_interval_95"):
            ends = value or (None, None)
            cells |= {
                name.replace("_interval_95", f"_{end}"): ends[at] for at, end in enumerate(("low", "high"))
            }
        else:
            cells[name] = value
    return cells


def _signed(row: Conversion) -> str:
    if row.difference is None:
        return "–"
    star = "*" if row.p_value is not None and row.p_value < ALPHA else ""
    return f"{row.difference:+.3f}{star}{_interval(row.difference_interval_95, '+.3f')}"


def _interval(interval: Interval | None, form: str) -> str:
    return "" if interval is None else f" [{', '.join(format(bound, form) for bound in interval)}]"
