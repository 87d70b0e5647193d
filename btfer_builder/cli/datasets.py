"""The commands about labelled data sets of others: dataset import."""

from pathlib import Path
from typing import Any, Literal, get_args

import click

from btfer_builder.cli.options import apply_cli_options, common_options, recipe_options
from btfer_builder.cli.output import echo, emit_json, table
from btfer_builder.config import DatasetKind, DatasetRecipe
from btfer_builder.io.text import counted
from btfer_builder.workspace import recipe_of


@click.group()
def dataset() -> None:
    """Import labelled data sets.

    \b
    Example:
      btfer dataset import fer2013 fer2013.csv sets/fer2013
    """


@dataset.command("import")
@click.argument("kind", type=click.Choice(["auto", *get_args(DatasetKind)]))
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

    SOURCE is the folder that the set was unpacked to, or the CSV file of FER2013. KIND auto recognises the layout and
    says why it is not another one: AffectNet, RAF-DB, FER2013, FER+ (with FER2013), ExpW, CK+, JAFFE, KDEF, SFEW,
    BTFER, or any folder of class folders. --labels reads the labels of any other set from a table, --pattern from the
    paths of its files. Missing splits are drawn, classes are mapped to the seven emotions, and images in two splits
    are reported.

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
@recipe_options(DatasetRecipe, "radius", "fine_radius", "labels", "pattern", "max_pixels", "workers")
@common_options
def audit(
    directory: Path | None,
    as_json: bool,
    sources: tuple[Path, ...],
    out: Path,
    faces: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Audit labelled sets, one's own or published ones, without changing them.

    Writes a self-contained report and CSVs: pictures that are repeated, in two splits or under two emotions, pictures
    without a face or with several, the least sharp, darkest and brightest ones, and the class balance. SOURCES are in
    any layout of dataset import.

    \b
    Examples:
      btfer dataset audit fer2013 --out audit-fer2013
      btfer dataset audit sets/raf-db sets/affectnet --no-faces
    """
    from btfer_builder.datasets.audit import audit_datasets

    recipe = apply_cli_options(recipe_of(directory).dataset, options)
    result = audit_datasets(sources, out, recipe, faces=faces)
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
    echo(f"wrote {out / 'report.html'}, pictures.csv, duplicates.csv, audit.json")
