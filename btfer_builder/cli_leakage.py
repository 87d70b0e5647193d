"""The commands about training sets: hashes and leakage."""

from pathlib import Path
from typing import Any

import click

from btfer_builder.options import common_options, recipe_options, with_flags
from btfer_builder.progress import emit_json, table
from btfer_builder.recipe import HashesRecipe, LeakageRecipe
from btfer_builder.workspace import open_workspace


@click.command()
@click.argument("folder", metavar="DIRECTORY", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The CSV to write: names and hashes, no images.",
)
@recipe_options(HashesRecipe)
@common_options
def hashes(
    directory: Path | None,
    as_json: bool,
    folder: Path,
    out: Path,
    **options: Any,  # noqa: ANN401
) -> None:
    """Hash the faces of another set.

    Writes a CSV that tells others whether their faces stand in the set, and shows them nothing of it.

    \b
    Example:
      btfer hashes fer2013/train --out fer2013.csv
    """
    from btfer_builder.dedupe.manifest import hash_folder, write_hashes

    manifest = hash_folder(folder, with_flags(HashesRecipe(), options))
    count = write_hashes(out, manifest.looks)
    dropped = ", ".join(f"{n} {reason}" for reason, n in manifest.dropped.items())
    if as_json:
        emit_json({"path": str(out), "images": count, "dropped": manifest.dropped})
    else:
        click.echo(
            f"hashes of {count} images written to {out}" + (f"; dropped: {dropped}" if dropped else "")
        )


@click.command()
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True),
    required=True,
    help="The training set: a folder of images, or a CSV of btfer hashes.",
)
@recipe_options(LeakageRecipe)
@recipe_options(HashesRecipe)
@common_options
def leakage(directory: Path | None, as_json: bool, against: Path, **options: Any) -> None:  # noqa: ANN401
    """Look for the faces in a training set.

    Also mirrored and as 48×48 grey images. Faces that are found are left out of the next sample, and the
    signature of every evaluation says how many there were. The training set is only read.

    \b
    Example:
      btfer leakage --against fer2013/train
    """
    from btfer_builder.dedupe.leakage import leakage as run_leakage

    workspace = open_workspace(directory)
    recipe = with_flags(workspace.recipe.leakage, options)
    result = run_leakage(workspace, against, recipe, with_flags(workspace.recipe.hashes, options))
    if as_json:
        emit_json(result.to_dict())
        return
    count = result.count
    table(
        f"Faces in {against.name}",
        ["images there", "not readable", "faces compared", "found there", "of them in the sample"],
        [(count.images, sum(result.dropped.values()), count.compared, count.leaked, count.in_sample)],
    )
    click.echo(f"{result.path}" + ("; draw the sample again: btfer sample" if count.in_sample else ""))
