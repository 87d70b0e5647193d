"""The commands about trained models: eval, compare, convert."""

import os
from functools import partial
from pathlib import Path
from typing import Any

import click

from btfer_builder.cli.mistakes import Choice
from btfer_builder.cli.next_line import show_next
from btfer_builder.cli.options import (
    apply_cli_options,
    common_options,
    given_flags,
    recipe_options,
    renamed_option,
)
from btfer_builder.cli.output import echo, emit_json, paragraph, table
from btfer_builder.cli.reports import report_paths
from btfer_builder.config import EvalRecipe, override
from btfer_builder.io.terminal import echo_stderr, track
from btfer_builder.workspace import RECIPE_NAME, open_workspace, recipe_of


class ModelType(click.ParamType[Any]):
    """An existing file or folder, or `package.module:callable`."""

    name = "model"

    def convert(
        self,
        value: Any,  # noqa: ANN401 - what click gives
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Path | str:
        """Return the path, or the name of the function."""
        path = Path(value)
        if path.exists():
            return path if path.name.strip(".") else path.resolve()  # a report has the name of its model
        from btfer_builder.evaluate.loaders.base import is_function

        if is_function(str(value)):
            return str(value)
        raise click.BadParameter(f"{value} does not exist.", ctx, param)


_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command("eval")
@click.argument("models", nargs=-1, type=ModelType(), metavar="MODEL...")
@click.option(
    "--data", type=_FOLDER, help="Folder of class folders to score on. [default: the sample of the workspace]"
)
@renamed_option(
    "--check-preprocessing",
    is_flag=True,
    help="Score common kinds of preprocessing on --training-data; warn if the declared one looks wrong.",
)
@click.option(
    "--training-data", type=_FOLDER, help="Folder of class folders from the training domain of the model."
)
@click.option(
    "--calibration-data",
    type=_FOLDER,
    help="Folder of class folders outside the test set; fits the temperature of the probabilities on it.",
)
@click.option(
    "--model-card", is_flag=True, help="Also write model_card.md, with a model-index block for Hugging Face."
)
@recipe_options(EvalRecipe)
@common_options
def evaluate(
    directory: Path | None,
    as_json: bool,
    models: tuple[Path | str, ...],
    data: Path | None,
    check_preprocessing: bool,
    training_data: Path | None,
    calibration_data: Path | None,
    model_card: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Score trained models on the sample.

    A model is a .keras, .h5, .hdf5, .tflite or .onnx file, a folder of transformers or a SavedModel,
    package.module:callable, or weights of PyTorch (.safetensors, .pt, .pth) with --architecture. Every face is scored,
    in a fixed order. Several models are also compared.

    \b
    Examples:
      btfer eval model.keras --scale -1,1 --labels angry,happy,neutral,sad
      btfer eval a.keras b.onnx --data release/test --corruptions --efficiency
      btfer eval weights.pt --architecture nets:build --preset imagenet --size 224
      btfer eval --preset fer
    """
    from btfer_builder.evaluate import evaluate_models, faces_in_folder
    from btfer_builder.evaluate.face_set import faces_of_folder, faces_of_sample
    from btfer_builder.evaluate.preprocessing.presets import bundled_model
    from btfer_builder.evaluate.report.model_card import write_model_card
    from btfer_builder.evaluate.report.model_names import COMPARISON

    if check_preprocessing and training_data is None:
        raise click.UsageError("--check-preprocessing needs --training-data, a folder of the training domain")
    if training_data is not None and not check_preprocessing:
        raise click.UsageError("--training-data needs --check-preprocessing")
    if training_data is not None and data is not None and training_data.resolve() == data.resolve():
        raise click.UsageError("--training-data is the test set; choose the preprocessing on other faces")
    recipe = apply_cli_options(recipe_of(directory).eval, options)
    if not models:
        if recipe.preset == "none":
            raise click.UsageError("Missing argument 'MODEL...'.")
        models = (bundled_model(recipe.preset),)
    # Only the sample needs a workspace.
    faces = faces_of_sample(open_workspace(directory)) if data is None else faces_of_folder(data)
    folder = _reports(directory)
    reports = evaluate_models(
        list(dict.fromkeys(models)),  # the same file twice is one model
        faces.faces,
        recipe,
        folder,
        partial(track, description="eval", unit="faces"),
        set_name=faces.name,
        explicit=given_flags(options),
        leak=faces.leak,
        training_faces=faces_in_folder(training_data) if check_preprocessing and training_data else (),
        calibration_faces=() if calibration_data is None else faces_in_folder(calibration_data),
        cache=faces.cache,
    )
    for report in reports:
        fed = report.evaluation.preprocessing_dict()
        echo_stderr(f"{report.model}: preprocessing {fed['in_words']} (from {fed['declared_by']})")
        for note in report.notes:
            echo_stderr(f"{report.model}: {note}")
    for report in reports if model_card else ():
        write_model_card(report.evaluation, report.path)
    result: dict[str, Any] = {"reports": [report.to_dict() for report in reports]}
    if not as_json:
        for item in result["reports"]:
            _show_report(item)
    if len(reports) > 1:
        paths = [report.path for report in reports]
        result["comparison"] = _compare(folder / COMPARISON, paths, recipe, as_json=as_json)
    _end(result, directory, as_json=as_json, sample=data is None)


@click.command()
@click.argument("reports", nargs=-1, type=click.Path(path_type=Path, exists=True), metavar="[REPORT]...")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), help="Output folder.")
@click.option(
    "--resamples", type=click.IntRange(0, 1_000_000), help="Number of bootstrap resamples, as in btfer eval."
)
@click.option("--seed", type=click.IntRange(0), help="Random seed, as in btfer eval.")
@common_options
def compare(
    directory: Path | None,
    as_json: bool,
    reports: tuple[Path, ...],
    out: Path | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Rank models by their reports.

    Compares models pairwise on the same faces, with a correction for multiple tests; a rank counts the models that are
    significantly better. REPORT is the folder of a report, its metrics.json, or a folder with reports at any depth, as
    of several people. Without REPORT, compares all reports of the workspace. The hash of a set decides which models
    share a table. Writes CSV, Markdown, JSON, HTML and a page for each pair of models.

    \b
    Examples:
      btfer compare reports/*
      btfer compare ours/ theirs/ --out comparison
    """
    from btfer_builder.evaluate.report.model_names import COMPARISON

    recipe = apply_cli_options(recipe_of(directory).eval, options)
    paths, folder = report_paths(reports, directory)
    result = _compare(out or folder / COMPARISON, paths, recipe, as_json=as_json, named=bool(reports))
    if as_json:
        emit_json(result)


@click.command()
@click.argument("model", type=click.Path(path_type=Path, exists=True), metavar="MODEL")
@click.option(
    "--to",
    type=Choice(["tflite", "onnx", "all"]),
    required=True,
    help="Output format; all: every format and quantization, compared on --score.",
)
@click.option(
    "--quantize",
    type=Choice(["none", "float16", "int8"]),
    default="none",
    show_default=True,
    help="Quantization of tflite models; int8 also quantizes activations and needs --data.",
)
@click.option(
    "--data",
    type=_FOLDER,
    help="For int8: folder of class folders from the training domain, for calibration.",
)
@click.option("--score", type=_FOLDER, help="For all: folder of class folders to score on.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Output file, or folder for all. [default: next to MODEL, conversions/]",
)
@click.option("--preset", type=Choice(["fer", "deepface"]), help="For int8: preprocessing of a public model.")
@click.option("--trust-model", is_flag=True, help="Also convert code contained in the model file.")
@common_options
def convert(
    directory: Path | None,
    as_json: bool,
    model: Path,
    to: Any,  # noqa: ANN401 - click checks the choice
    quantize: Any,  # noqa: ANN401
    data: Path | None,
    score: Path | None,
    out: Path | None,
    trust_model: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Convert a model to TensorFlow Lite or ONNX.

    Converts a Keras model and its sidecar. With --to all, makes TensorFlow Lite (float32, float16, int8) and ONNX and
    writes a table of their accuracy, size and latency.

    \b
    Examples:
      btfer convert model.keras --to tflite --quantize int8 --data train/
      btfer convert model.keras --to all --data train/ --score test/
    """
    from btfer_builder.evaluate.convert import convert_calibrated

    recipe = apply_cli_options(recipe_of(directory).eval, options)
    if (to == "all") != (score is not None):
        raise click.UsageError("--to all and --score, the faces to compare on, go together")
    if score is not None:
        if quantize != "none":
            raise click.UsageError("--to all makes every quantization; leave out --quantize")
        recipe = override(recipe, trust_model=trust_model or None)
        _compare_conversions(model, score, data, out, recipe, given_flags(options), as_json=as_json)
        return
    path = convert_calibrated(
        model,
        to,
        recipe,
        quantize=quantize,
        output=out,
        data=data,
        explicit=given_flags(options),
        trust_model=trust_model,
    )
    sizes = [file.stat().st_size for file in (model, path)]
    if as_json:
        emit_json({"path": str(path), "bytes": sizes[1], "bytes_before": sizes[0]})
    else:
        echo(f"wrote {path}: {sizes[1] / 1e6:.3g} MB instead of {sizes[0] / 1e6:.3g} MB")


def _compare_conversions(
    model: Path,
    score: Path,
    data: Path | None,
    out: Path | None,
    recipe: EvalRecipe,
    explicit: set[str],
    *,
    as_json: bool,
) -> None:
    from btfer_builder.evaluate.conversions import compare_conversions
    from btfer_builder.evaluate.face_set import faces_of_folder

    if data is not None and data.resolve() == score.resolve():
        raise click.UsageError("--data is the folder of --score; calibrate on faces of the training domain")
    faces = faces_of_folder(score)
    done = compare_conversions(
        model,
        faces.faces,
        recipe,
        out or model.parent / "conversions",
        set_name=faces.name,
        data=data,
        explicit=explicit,
        progress=partial(track, description="eval", unit="faces"),
    )
    if as_json:
        emit_json(done.to_dict())
    else:
        table(model.name, done.heads(), done.cells())
        paragraph(done.note())
        echo(f"{done.path / 'conversions.md'}")


def _reports(directory: Path | None) -> Path:
    """Return the reports folder of the workspace, or of the current folder."""
    root = directory or Path(os.environ.get("BTFER_WORKSPACE") or ".")
    return open_workspace(root).reports if (root / RECIPE_NAME).is_file() else Path("reports")


def _compare(
    out: Path, paths: list[Path], recipe: EvalRecipe, *, as_json: bool, named: bool = True
) -> dict[str, Any]:
    from btfer_builder.evaluate.report.collect import collect_reports
    from btfer_builder.evaluate.report.compare import compare_reports
    from btfer_builder.evaluate.report.leaderboard import (
        SEPARATE_SETS,
        heads,
        shown_cells,
        write_leaderboards,
    )
    from btfer_builder.evaluate.report.sentences import order_sentences, significance_summary
    from btfer_builder.io.text import counted

    read, lines = collect_reports(paths, named=named)
    for line in lines:
        echo_stderr(line)
    boards = compare_reports(read, resamples=recipe.resamples, seed=recipe.seed)
    folder = write_leaderboards(boards, out)
    if not as_json:
        if len(boards) > 1:
            paragraph(SEPARATE_SETS)
        for board in boards:
            title = f"{board.set_name} #{board.set_hash}, {counted(board.n, 'face')}"
            table(title, heads(), shown_cells(board))
            paragraph("\n".join([significance_summary(board), *order_sentences(board), *board.notes]))
        echo(str(folder / "leaderboard.html"))
    return {"leaderboards": [board.to_dict() for board in boards], "path": str(folder)}


def _end(result: dict[str, Any], directory: Path | None, *, as_json: bool, sample: bool) -> None:
    """Print the result for programs, or what comes after a score on the sample."""
    if as_json:
        emit_json(result)
    elif sample:
        show_next(open_workspace(directory))


def _show_report(report: dict[str, Any]) -> None:
    from btfer_builder.io.text import counted

    rows: list[tuple[Any, ...]] = []
    for emotion, scores in report["per_class"].items():
        shown = (scores[name] if scores["support"] else "–" for name in ("precision", "recall", "f1"))
        rows.append((emotion, *shown, scores["support"]))
    macro = report["macro"]
    rows.append(("macro", macro["precision"], macro["recall"], macro["f1"], report["n"]))
    low, high = report["accuracy_interval_95"]
    table(report["model"], ["emotion", "precision", "recall", "F1", "faces"], rows)
    kernels = report["kernels"]
    changed = max((kernel["changed"] for kernel in kernels), default=0)
    more = (
        f"; {changed:.1%} of the answers change with the interpolation, which is not declared"
        if kernels
        else ""
    )
    paragraph(
        f"accuracy {report['accuracy']:.3f} ({low:.3f} to {high:.3f}) over {counted(report['n'], 'face')}{more}"
    )
    echo(f"{report['signature']}\n{Path(report['path']) / 'report.html'}")
