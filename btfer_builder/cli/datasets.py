"""The commands about labelled data sets of others: dataset import, audit, table."""

from pathlib import Path
from typing import Any, Literal, get_args

import click

from btfer_builder.cli.evaluate import ModelType
from btfer_builder.cli.main import shared_options
from btfer_builder.cli.mistakes import Choice
from btfer_builder.cli.options import apply_cli_options, common_options, given_flags, recipe_options
from btfer_builder.cli.output import echo, emit_json, table
from btfer_builder.config import DatasetKind, DatasetRecipe, EvalRecipe
from btfer_builder.config.datasets import AUDIT_SETTINGS
from btfer_builder.io.text import counted
from btfer_builder.workspace import recipe_of

#: Settings of `btfer eval` that `dataset audit` takes for its model; both have a setting `labels`.
_MODEL_SETTINGS = ("preset", "size", "scale", "color", "architecture", "output", "trust_model")


@click.group()
@shared_options
def dataset(**_: object) -> None:
    """Import, audit and tabulate labelled data sets.

    \b
    Example:
      btfer dataset import fer2013 fer2013.csv sets/fer2013
    """


@dataset.command("import")
@click.argument("kind", metavar="KIND", type=Choice(["auto", *get_args(DatasetKind)]))
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@recipe_options(DatasetRecipe)
@common_options
def import_(
    directory: Path | None,
    as_json: bool,
    kind: DatasetKind | Literal["auto"],
    source: Path,
    out: Path,
    **options: Any,  # noqa: ANN401
) -> None:
    """Import SOURCE as OUT/train/happy/….png.

    SOURCE is the folder that the set was unpacked to, or the CSV file of FER2013. KIND is auto, which recognises the
    layout and says why it is not another one, or affectnet, rafdb, fer2013, ferplus (with FER2013), expw, ckplus,
    jaffe, kdef, sfew, btfer, or folder (of class folders). For any other set, labels reads the labels from a table
    (--labels), pattern from the paths of the files (--pattern). Missing splits are drawn, classes are mapped to the
    seven emotions, and images in two splits are reported.

    \b
    Examples:
      btfer dataset import auto downloads/RAF-DB sets/raf-db
      btfer dataset import labels photos sets/mine --labels labels.csv
      btfer dataset import pattern photos sets/mine --pattern '^(?P<emotion>[a-z]+)_'
      btfer dataset import fer2013 fer2013.csv sets/fer2013
      btfer dataset import rafdb RAF-DB/basic sets/raf-db --leaked drop
      btfer dataset import affectnet AffectNet sets/affectnet --max-side 224
      btfer dataset import folder my-faces sets/mine --test-share 0.15
    """
    from btfer_builder.datasets import import_dataset
    from btfer_builder.datasets.readers import recognise
    from btfer_builder.labels import EMOTIONS

    recipe = apply_cli_options(recipe_of(directory).dataset, options)
    if kind == "auto":
        recognition = recognise(source, recipe)
        kind = recognition.kind
        if not as_json:
            echo(f"{source} is read as {kind}")
            for other, why in recognition.others.items():
                echo(f"  not {other}: {why}")
    result = import_dataset(kind, source, out, recipe)
    if as_json:
        emit_json(result.to_dict())
        return
    rows: list[tuple[object, ...]] = [
        (emotion, *(classes[emotion] for classes in result.counts.values())) for emotion in EMOTIONS
    ]
    rows.append(("all", *(sum(classes.values()) for classes in result.counts.values())))
    table(out.name, ["emotion", *result.counts], rows)
    dropped = ", ".join(f"{count} {reason}" for reason, count in result.dropped.items()) or "none"
    echo(f"{counted(result.came_in, 'image')} read; dropped: {dropped}")
    for pair, count in result.leakage.items():
        learned, tested = pair.split("-")
        if count and recipe.leaked != "drop":
            echo(
                f"leakage: {counted(count, 'image')} of {learned} are also in {tested} (--leaked drop drops them)"
            )
    for split, share in (("val", recipe.val_share), ("test", recipe.test_share)):
        if share and split not in result.counts and not recipe.paper:
            echo(
                f"no {split}: {share * 100:.3g} % of each class is less than one image; use a larger --{split}-share"
            )
    if result.repeated or result.conflicts:
        echo(f"{result.repeated} duplicates within a split; {result.conflicts} duplicates under two emotions")
    echo(f"wrote {out}: twins.csv, dropped.csv, classes.md, classes.png")


@dataset.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="audit",
    show_default=True,
    help="Folder to write.",
)
@click.option("--faces/--no-faces", default=True, help="Look for faces in every picture (most of the time).")
@click.option(
    "--model",
    type=ModelType(),
    help="Model that judges the labels, of any format of btfer eval.",
)
@click.option(
    "--model-labels",
    metavar="A,B,...",
    help="Classes of the model, if its sidecar does not say: --labels of btfer eval.",
)
@recipe_options(DatasetRecipe, *AUDIT_SETTINGS)
@recipe_options(EvalRecipe, *_MODEL_SETTINGS)
@common_options
def audit(
    directory: Path | None,
    as_json: bool,
    sources: tuple[Path, ...],
    out: Path,
    faces: bool,
    model: Path | str | None,
    model_labels: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Audit labelled sets, one's own or published ones, without changing them.

    Writes a self-contained report and CSVs: pictures that are repeated, in two splits or under two emotions, pictures
    without a face or with several, the least sharp, darkest and brightest ones, the class balance, and with --model the
    labels that the model doubts most (confident learning): choose one that was not trained on these pictures. SOURCES
    are in any layout of dataset import.

    \b
    Examples:
      btfer dataset audit fer2013 --out audit-fer2013
      btfer dataset audit sets/raf-db sets/affectnet --no-faces
      btfer dataset audit sets/raf-db --model trained-on-affectnet.keras
    """
    from btfer_builder.datasets.audit import audit_datasets

    feeding = {name: options.pop(name) for name in _MODEL_SETTINGS}
    feeding["labels"] = None if model_labels is None else tuple(model_labels.replace(" ", "").split(","))
    recipe = apply_cli_options(recipe_of(directory).dataset, options)
    predict = None
    if model:
        from btfer_builder.evaluate.dataset_predictions import predictor

        scoring = apply_cli_options(recipe_of(directory).eval, feeding)
        predict = predictor(model, scoring, given_flags(feeding), recipe.max_pixels)
    elif given := given_flags(feeding):
        option = min(given).replace("labels", "model-labels").replace("_", "-")
        raise click.UsageError(f"--{option} needs --model")
    result = audit_datasets(sources, out, recipe, faces=faces, predict=predict)
    if as_json:
        emit_json(result.to_dict())
        return
    dropped = ", ".join(f"{count} {reason}" for reason, count in result.dropped.items()) or "none"
    echo(f"{counted(result.came_in, 'image')} read; dropped: {dropped}")
    echo(
        f"{result.repeated} repeat an earlier one; {result.across} pairs across splits; "
        f"{result.conflicts} pairs under two emotions"
    )
    if faces:
        echo(f"{result.no_face} without a face; {result.several_faces} with several")
    if result.doubted is not None:
        echo(f"{result.doubted} labels of {result.judged} are doubted by the model")
    doubts = "doubts.csv, " if result.doubted is not None else ""
    echo(f"wrote {out / 'report.html'}, pictures.csv, duplicates.csv, {doubts}audit.json")


@dataset.command("table")
@click.argument("sets", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default="dataset-tables",
    show_default=True,
    help="Folder to write.",
)
@common_options
def table_(directory: Path | None, as_json: bool, sets: tuple[Path, ...], out: Path) -> None:
    """Tabulate and plot the classes of labelled sets, as a paper does.

    SETS are what dataset import and release write, or workspaces. Writes Table 1 of the paper (Markdown, CSV, LaTeX),
    and as PNG and SVG its Figs. 9 (class counts), 10 to 13 (counts and weights before and after each balancing, for
    sets with a train split) and 1 (samples side by side, of faces whose licence is known and free, with their credits).

    \b
    Example:
      btfer dataset table sets/* --out paper/datasets
    """
    from btfer_builder.benchmark.set_tables import SHORT, tabulate_sets
    from btfer_builder.labels import EMOTIONS

    del directory
    result = tabulate_sets(sets, out)
    if as_json:
        emit_json(result.to_dict())
        return
    rows = [
        (row["set"], *(row[emotion] for emotion in EMOTIONS), row["all"], row["pixels"])
        for row in result.rows
        if row["split"] == "all"
    ]
    table("Table 1: pictures of each class", ["set", *SHORT, "all", "pixels"], rows)
    if result.not_shown:
        echo(f"not in Fig. 1, no face with a free licence: {', '.join(result.not_shown)}")
    echo(f"wrote {out}: table-1.md, table-1.csv, table-1.tex and {len(result.files) - 3} more")
