"""Write the files of a model's report."""

from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.report.model_names import identity, report_folder
from btfer_builder.evaluate.results import SCHEMA, EvalReport, Evaluation
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.json import write_json


def write_report(evaluation: Evaluation, output: Path) -> EvalReport:
    """Write the report of one model into its folder of `output`.

    Raises
    ------
    BtferError
        If it cannot be written.
    """
    try:
        folder = report_folder(output, evaluation.model)
    except OSError as error:
        raise _unwritable(output, error) from None
    return write_report_files(evaluation, folder)


def write_report_files(evaluation: Evaluation, folder: Path) -> EvalReport:
    """Write the files of a report into a folder, which is created where it is missing.

    Raises
    ------
    BtferError
        If they cannot be written.
    """
    from btfer_builder.evaluate.report.confusion_plot import confusion_png
    from btfer_builder.evaluate.report.html import report_html
    from btfer_builder.evaluate.report.prediction_files import write_predictions

    model = evaluation.model
    try:
        folder.mkdir(parents=True, exist_ok=True)
        report = EvalReport(evaluation, folder)
        metrics = {"schema": SCHEMA} | report.to_dict()
        metrics |= {
            "model_path": identity(model),
            "model_sha256": model.digest,
            "loader": model.loader,
            "versions": evaluation.versions,
        }
        write_predictions(report.path, evaluation.faces, evaluation.predictions, evaluation.labels)
        write_bytes(report.path / "confusion_matrix.png", confusion_png(evaluation.scores.confusion))
        write_bytes(report.path / "report.html", report_html(evaluation))
        # Last, so that a folder with a metrics.json is complete.
        write_json(report.path / "metrics.json", metrics)
    except OSError as error:
        raise _unwritable(folder, error) from None
    return report


def _unwritable(folder: Path, error: OSError) -> BtferError:
    return BtferError(f"{folder}: the report cannot be written ({error}); choose another folder")
