"""The commands about the catalog itself: check, backup, restore."""

from pathlib import Path

import click

from btfer_builder.cli.main import shared_options
from btfer_builder.cli.options import common_options
from btfer_builder.cli.output import emit_json
from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.io.text import clause, counted
from btfer_builder.workspace import open_workspace


@click.group()
@shared_options
def catalog(**_: object) -> None:
    """Check, back up and restore the catalog.

    \b
    Examples:
      btfer catalog check
      btfer catalog backup
      btfer catalog restore manifests/backups/btfer-20260102T030405000000Z.sqlite
    """


@catalog.command()
@common_options
def check(directory: Path | None, as_json: bool) -> None:
    """Check the catalog and its files.

    Checks the database, that the file of every row exists, and counts files without a row. Changes nothing.

    \b
    Example:
      btfer catalog check
    """
    from btfer_builder.recovery import check_catalog

    result = check_catalog(open_workspace(directory))
    if as_json:
        emit_json(result.to_dict())
    else:
        for folder, count in result.unowned.items():
            echo_stderr(f"{folder}: {clause(count, 'file', 'belong')} to no row")
        for path in result.unfinished:
            echo_stderr(
                f"{path}: a command was killed while it wrote here; the next one compares it with the catalog"
            )
        for problem in result.problems:
            echo_stderr(problem)
        click.echo(f"{result.path}: {counted(len(result.problems), 'problem')}")
    if result.problems:
        raise BtferError(
            f"{result.path}: {result.problems[0]}; see btfer catalog restore --help, btfer crop --help"
        )


@catalog.command()
@click.argument("file", type=click.Path(path_type=Path), required=False)
@common_options
def backup(directory: Path | None, as_json: bool, file: Path | None) -> None:
    """Copy the catalog to FILE.

    Other commands may run. Without FILE, the copy goes to manifests/backups, which keeps the five latest.

    \b
    Examples:
      btfer catalog backup
      btfer catalog backup /mnt/backups/faces.sqlite
    """
    from btfer_builder.catalog.backup import back_up, copy_catalog

    workspace = open_workspace(directory)
    connection = workspace.catalog.connection
    if file is None:
        file = back_up(connection, workspace.backups)
    elif file.exists():
        raise BtferError(f"{file} exists already; name another file")
    else:
        copy_catalog(connection, file)
    if as_json:
        emit_json({"path": str(file)})
    else:
        click.echo(f"wrote {file}")


@catalog.command()
@click.argument("file", metavar="[BACKUP]", type=click.Path(path_type=Path), required=False)
@click.option(
    "--decisions",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Table of decisions to add. [default: manifests/decisions.csv]",
)
@common_options
def restore(directory: Path | None, as_json: bool, file: Path | None, decisions: Path | None) -> None:
    """Replace the catalog by BACKUP.

    Decisions that the backup lacks are added from the present catalog and from manifests/decisions.csv, and nobody who
    was taken down comes back. The present catalog is kept in manifests/backups. Without BACKUP, only decisions are
    added.

    \b
    Examples:
      btfer catalog restore manifests/backups/btfer-20260102T030405000000Z.sqlite
      btfer catalog restore --decisions manifests/decisions.csv
    """
    from btfer_builder.recovery import restore_catalog

    result = restore_catalog(open_workspace(directory), file, decisions)
    if as_json:
        emit_json(result.to_dict())
        return
    click.echo(
        f"restored {result.path}: {counted(result.decisions, 'decision')} added, "
        f"{counted(result.tombstones, 'tombstone')} kept, "
        f"{counted(result.erased, 'image')} that were taken down removed again"
    )
    if result.replaced:
        echo_stderr(f"the earlier catalog is kept as {result.replaced}")
