"""The commands about training sets: hashes and leakage."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from btfer_builder.cli.options import apply_cli_options, common_options, recipe_options
from btfer_builder.cli.output import emit_json, table
from btfer_builder.config import HashesRecipe, LeakageRecipe
from btfer_builder.workspace import Workspace, open_workspace, recipe_of


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
    from btfer_builder.leakage.hash_manifest import hash_folder, write_hashes

    manifest = hash_folder(folder, apply_cli_options(recipe_of(directory).hashes, options))
    count = write_hashes(out, manifest.rows)
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
    help="The training set: a folder of images, or a CSV of btfer hashes.",
)
@click.option("--forget", metavar="SET", help="A set searched earlier that is to count no more.")
@recipe_options(LeakageRecipe)
@recipe_options(HashesRecipe)
@common_options
def leakage(
    directory: Path | None,
    as_json: bool,
    against: Path | None,
    forget: str | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Look for the faces in a training set.

    Also mirrored and as 48×48 grey images. Faces that are found are left out of the next sample, and the
    signature of every evaluation says how many there were. The training set is only read. Without --against:
    the sets that were searched.

    \b
    Examples:
      btfer leakage --against fer2013/train
      btfer leakage
      btfer leakage --forget fer2013/train
    """
    from btfer_builder.leakage.stage import forget as run_forget
    from btfer_builder.leakage.stage import leakage as run_leakage
    from btfer_builder.sample.stale import say_if_stale

    if against and forget:
        raise click.UsageError("--against and --forget are two things to do; name one")
    workspace = open_workspace(directory)
    say_if_stale(workspace.catalog)
    if forget:
        source = run_forget(workspace, forget)
        if as_json:
            emit_json({"forgotten": source})
        else:
            click.echo(f"{source} counts no more")
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
        ["images there", "not readable", "faces compared", "found there", "of them in the sample"],
        [(count.images, sum(result.dropped.values()), count.compared, count.leaked, count.in_sample)],
    )
    click.echo(f"{result.path}" + ("; draw the sample again: btfer sample" if count.in_sample else ""))


def _show_sets(workspace: Workspace, *, as_json: bool) -> None:
    from btfer_builder.catalog.leakage import searched_sets

    known = searched_sets(workspace.catalog)
    if as_json:
        emit_json({"searched": [asdict(one) for one in known]})
    elif known:
        rows = [(one.source, one.images, one.compared, one.leaked, one.in_sample) for one in known]
        table(
            "Training sets that were searched",
            ["set", "images there", "faces compared", "found there", "of them in the sample"],
            rows,
        )
    else:
        click.echo("no training set was searched yet: btfer leakage --against DIR")
