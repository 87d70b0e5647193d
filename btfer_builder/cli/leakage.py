"""The commands about training sets of others: hashes, leakage."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from btfer_builder.cli.options import apply_cli_options, common_options, recipe_options, renamed_option
from btfer_builder.cli.output import echo, emit_json, table
from btfer_builder.config import HashesRecipe, LeakageRecipe
from btfer_builder.io.text import counted
from btfer_builder.workspace import Workspace, open_workspace, recipe_of


@click.command()
@click.argument("folder", metavar="DIRECTORY", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="CSV file to write, with names and hashes of the images.",
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
    """Hash the images of another data set.

    Writes a CSV with which others can check for leakage without access to the images.

    \b
    Example:
      btfer hashes fer2013/train --out fer2013.csv
    """
    from btfer_builder.leakage.hash_manifest import hash_folder, write_hashes

    manifest = hash_folder(folder, apply_cli_options(recipe_of(directory).hashes, options))
    count = write_hashes(out, manifest)
    dropped = ", ".join(f"{n} {reason}" for reason, n in manifest.dropped.items())
    if as_json:
        emit_json(
            {"path": str(out), "images": count, "dropped": manifest.dropped, "left_out": manifest.left_out}
        )
    else:
        echo(
            f"wrote hashes of {counted(count, 'image')} to {out}"
            + (f"; dropped: {dropped}" if dropped else "")
        )


@click.command()
@click.option(
    "--against",
    type=click.Path(path_type=Path, exists=True),
    help="Training set: a folder of images, or a CSV of btfer hashes.",
)
@renamed_option("--remove", metavar="SET", help="Remove a training set that was checked earlier.")
@recipe_options(LeakageRecipe)
@recipe_options(HashesRecipe)
@common_options
def leakage(
    directory: Path | None,
    as_json: bool,
    against: Path | None,
    remove: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Find faces that are also in a training set.

    Compares the faces and the photos that they were cut from with the pictures of the training set and the faces in
    them, and finds mirrored ones and 48×48 grey images, too. Matches are excluded from the next sample, and the
    signature of every evaluation states their number. The training set is only read. Without --against, lists the
    training sets that were checked.

    \b
    Examples:
      btfer leakage --against fer2013/train
      btfer leakage
      btfer leakage --remove fer2013/train
    """
    from btfer_builder.leakage.stage import forget as remove_set
    from btfer_builder.leakage.stage import leakage as run_leakage
    from btfer_builder.sample.stale import warn_if_stale

    if against and remove is not None:
        raise click.UsageError("--against and --remove exclude each other")
    workspace = open_workspace(directory)
    warn_if_stale(workspace.catalog)
    if remove is not None:
        source = remove_set(workspace, remove)
        if as_json:
            emit_json({"forgotten": source})
        else:
            echo(f"removed {source}")
        return
    if against is None:
        _show_sets(workspace, as_json=as_json)
        return
    recipe = apply_cli_options(workspace.recipe.leakage, options)
    result = run_leakage(workspace, against, recipe, apply_cli_options(workspace.recipe.hashes, options))
    if as_json:
        emit_json(result.to_dict())
        return
    count = result.count
    table(
        f"Faces in {against.name}",
        ["images", "not read", "faces", "photos", "faces in the images", "matches", "in the sample"],
        [
            (
                count.images,
                "not stated" if result.unread is None else result.unread,
                count.compared,
                result.photos,
                "not searched" if result.reference_faces is None else result.reference_faces,
                count.leaked,
                count.in_sample,
            )
        ],
    )
    if result.unread:
        echo(f"{result.unread} files of the set could not be compared: a score will not say leak:0")
    elif result.unread is None:
        echo(
            "an earlier version wrote these hashes, without files that it could not read: a score will not say leak:0"
        )
    echo(f"{result.path}" + ("; draw the sample again: btfer sample" if count.in_sample else ""))


def _show_sets(workspace: Workspace, *, as_json: bool) -> None:
    from btfer_builder.catalog.leakage import searched_sets

    known = searched_sets(workspace.catalog)
    if as_json:
        emit_json({"searched": [asdict(item) for item in known]})
    elif known:
        rows = [
            (
                item.source,
                item.images,
                "yes" if item.complete else "no",
                item.compared,
                item.leaked,
                item.in_sample,
            )
            for item in known
        ]
        table(
            "Training sets that were checked",
            ["set", "images", "all read", "faces", "matches", "in the sample"],
            rows,
        )
    else:
        echo("no training set was checked yet: btfer leakage --against DIR")
