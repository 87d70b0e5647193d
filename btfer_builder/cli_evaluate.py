"""The command `btfer eval`: models scored on the sample or on a folder."""

from functools import partial
from pathlib import Path
from typing import Any

import click

from btfer_builder.options import common_options, recipe_options, with_flags
from btfer_builder.progress import emit_json, say, table, track
from btfer_builder.recipe import EvalRecipe
from btfer_builder.workspace import open_workspace


@click.command("eval")
@click.argument(
    "models", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True), metavar="MODEL..."
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    help="Score on this folder of class folders instead of the workspace's sample.",
)
@recipe_options(EvalRecipe)
@common_options
def evaluate(
    directory: Path | None,
    as_json: bool,
    models: tuple[Path, ...],
    data: Path | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Score trained models on the sample.

    Models are .keras, .h5 or .hdf5 files; every image of the set is scored, in a fixed order.

    \b
    Example:
      btfer eval model.keras --scale -1,1 --labels angry,disgust,fear,happy,sad,surprise,neutral
    """
    from btfer_builder.evaluate import evaluate_model, faces_in_folder, faces_in_sample

    workspace = open_workspace(directory)
    recipe = with_flags(workspace.recipe.eval, options)
    faces = faces_in_folder(data) if data else faces_in_sample(workspace)
    set_name = (data.resolve() if data else workspace.root).name
    reports = []
    for model in models:
        wrap = partial(track, description="eval", unit="faces")
        report = evaluate_model(model, faces, recipe, workspace.reports, wrap, set_name=set_name)
        for note in report.notes:
            say(f"{report.model}: {note}")
        reports.append(report)
    if as_json:
        emit_json({"reports": [report.to_dict() for report in reports]})
        return
    for report in reports:
        _show_report(report.to_dict())


def _show_report(report: dict[str, Any]) -> None:
    rows: list[tuple[Any, ...]] = [
        (emotion, scores["precision"], scores["recall"], scores["f1"], scores["support"])
        for emotion, scores in report["per_class"].items()
    ]
    macro = report["macro"]
    rows.append(("macro", macro["precision"], macro["recall"], macro["f1"], report["n"]))
    table(
        f"{report['model']}: accuracy {report['accuracy']:.3f} over {report['n']} faces",
        ["emotion", "precision", "recall", "F1", "faces"],
        rows,
    )
    click.echo(f"{report['signature']}\n{report['path']}")
