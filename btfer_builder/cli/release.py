"""The commands about releases: release, scan-release, rebuild, takedown, purge, recheck, diff."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btfer_builder import __version__
from btfer_builder.cli.mistakes import Choice
from btfer_builder.cli.next_line import show_next
from btfer_builder.cli.options import apply_cli_options, common_options, recipe_options, renamed_option
from btfer_builder.cli.output import echo, emit_json, table
from btfer_builder.config import CrawlRecipe, ReleaseRecipe
from btfer_builder.config.collection import DOWNLOAD_SETTINGS
from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.io.text import clause, counted
from btfer_builder.workspace import open_workspace

if TYPE_CHECKING:
    from btfer_builder.release.diff import ReleaseDiff
    from btfer_builder.release.purge import Keep
    from btfer_builder.release.takedown.stage import Takedown

_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@recipe_options(ReleaseRecipe)
@common_options
def release(directory: Path | None, as_json: bool, out: Path, **options: Any) -> None:  # noqa: ANN401
    """Write the sample as a data set to publish.

    Writes dataset card, datasheet, licences, checksums, Croissant file, Parquet table and plots. OUT must not exist.

    \b
    Examples:
      btfer release ../faces-v1 --contact you@university.edu
      btfer release ../faces-v1-urls --urls-only
    """
    from btfer_builder.release.stage import release as run_release

    workspace = open_workspace(directory)
    result = run_release(workspace, out, apply_cli_options(workspace.recipe.release, options))
    if as_json:
        emit_json(result.to_dict())
        return
    facts = result.statistics
    echo(f"{facts.title}: wrote {counted(facts.total, 'face')} to {os.path.normpath(result.path)}")
    if not facts.redistributable:
        echo_stderr(f"NOT FOR REDISTRIBUTION: {facts.licenses['unknown']} images have no known licence")
    if facts.no_derivatives:
        echo_stderr(
            f"{clause(facts.no_derivatives, 'image', 'are')} under a NoDerivatives licence: a crop may not be allowed"
        )
    show_next(workspace)


@click.command("scan-release")
@click.argument("out", type=_FOLDER)
@common_options
def scan_release(directory: Path | None, as_json: bool, out: Path) -> None:
    """Audit a release for leaked metadata.

    Checks every file for EXIF, GPS, IPTC, XMP, comments, times, names and addresses, and verifies the checksums.

    \b
    Example:
      btfer scan-release ../faces-v1
    """
    from btfer_builder.release.audit import audit_release
    from btfer_builder.release.diff import release_info

    result = audit_release(out)
    if as_json:
        emit_json(result.to_dict())
    else:
        if result.findings:
            table(
                "Findings", ["file", "finding"], [(finding.file, finding.what) for finding in result.findings]
            )
        echo(
            f"{counted(result.files, 'file')} and {counted(result.pictures, 'image')} "
            f"checked, {counted(len(result.findings), 'finding')}"
        )
    if result.findings:
        made_with = str(release_info(out).get("made_with"))[:40]
        earlier = (
            ""
            if made_with == f"btfer-builder {__version__}"
            else f" (written by {made_with}, which checked less)"
        )
        raise BtferError(f"{out} leaks metadata or is incomplete{earlier}; write it again: btfer release OUT")


@click.command()
@click.argument("out", type=_FOLDER)
@recipe_options(CrawlRecipe, *DOWNLOAD_SETTINGS)
@common_options
def rebuild(directory: Path | None, as_json: bool, out: Path, **options: Any) -> None:  # noqa: ANN401
    """Download the images of a release without images.

    Downloads the photos, crops the faces again and checks every hash. Run it again to retry missing faces.

    \b
    Example:
      btfer rebuild faces-v1-urls --contact you@university.edu
    """
    from btfer_builder.release.rebuild import rebuild as run_rebuild

    result = run_rebuild(out, _download_settings(directory, options))
    if as_json:
        emit_json(result.to_dict())
    else:
        reasons = result.to_dict()["reasons"]
        echo(f"{result.there} of {result.total} faces are in {result.path}")
        for reason, count in reasons.items():
            echo_stderr(f"{count} {reason}")
    if result.failed:
        raise BtferError(
            f"{counted(len(result.failed), 'face')} could not be rebuilt; {out / 'rebuild.csv'} lists them with reasons"
        )


@click.command()
@click.argument("target")
@click.option("--dry-run", is_flag=True, help="Show what would be done without doing it.")
@renamed_option(
    "--reason", default="", metavar="TEXT", help="Reason to record with the tombstone; do not name people."
)
@common_options
def takedown(directory: Path | None, as_json: bool, target: str, dry_run: bool, reason: str) -> None:
    """Remove an image permanently.

    TARGET is a face id, an image id, a URL or an image file. Deletes the photo, its crops and near duplicates, records
    a tombstone so that they are not crawled again, draws replacements from the reserve and rewrites releases.

    \b
    Examples:
      btfer takedown 51ab42c3ff602673 --dry-run
      btfer takedown https://example.org/photo.jpg
      btfer takedown mailed-to-us.png
    """
    from btfer_builder.release.takedown.stage import take_down

    result = take_down(open_workspace(directory), target, reason=reason, dry_run=dry_run)
    if as_json:
        emit_json(result.to_dict())
        return
    _show_takedown(result)


@click.command()
@click.option(
    "--keep",
    type=Choice(["release", "sample"]),
    required=True,
    help="Keep the faces of the releases, or also those of the sample and its reserve.",
)
@click.option("--yes", is_flag=True, help="Delete the files; without it, only show what would be deleted.")
@common_options
def purge(directory: Path | None, as_json: bool, keep: "Keep", yes: bool) -> None:
    """Delete files that are no longer needed.

    Deletes the original photos, all faces that are not kept, and thumbnails. The catalog keeps hashes, sources, boxes
    and decisions: nothing is downloaded again, and a takedown still finds everybody. Photos cannot be cropped again.

    \b
    Examples:
      btfer purge --keep release
      btfer purge --keep release --yes
    """
    from btfer_builder.release.purge import purge as run_purge

    result = run_purge(open_workspace(directory), keep, dry_run=not yes)
    if as_json:
        emit_json(result.to_dict())
        return
    kinds = {**result.deleted, "all": result.total, "kept faces": result.kept}
    table(
        "files to delete" if result.dry_run else "deleted files",
        ["kind", "files", "bytes"],
        [(name, n.files, n.bytes) for name, n in kinds.items()],
    )
    if result.faces:
        echo("faces: " + ", ".join(f"{count} {fate}" for fate, count in result.faces.items()))
    if result.dry_run:
        echo_stderr(f"nothing was deleted; to delete them for good: btfer purge --keep {keep} --yes")


@click.command()
@click.argument("out", type=_FOLDER, required=False)
@recipe_options(CrawlRecipe, *DOWNLOAD_SETTINGS)
@common_options
def recheck(directory: Path | None, as_json: bool, out: Path | None, **options: Any) -> None:  # noqa: ANN401
    """Check the sources of a release.

    Lists images that are gone, have changed or are under another licence. Without OUT, checks the current sample.

    \b
    Example:
      btfer recheck ../faces-v1
    """
    from btfer_builder.release.recheck import recheck as run_recheck
    from btfer_builder.sample.stale import warn_if_stale

    workspace = open_workspace(directory)
    if out is None:
        warn_if_stale(workspace.catalog)
    result = run_recheck(workspace, _download_settings(directory, options), out)
    report = result.to_dict()
    if as_json:
        emit_json(report)
        return
    if report["faces"]:
        rows = [
            (face["face_id"], face["state"], face["reason"], face["license"], face["license_now"])
            for face in report["faces"]
        ]
        table("Changed sources", ["face", "source", "reason", "licence", "current licence"], rows)
    states = ", ".join(f"{count} {state}" for state, count in report["states"].items())
    licences = ", ".join(f"{count} {state}" for state, count in report["licenses"].items())
    echo(f"sources: {states}; licences: {licences}\nwrote {result.path}")


@click.command()
@click.argument("earlier", type=_FOLDER)
@click.argument("later", type=_FOLDER)
@common_options
def diff(directory: Path | None, as_json: bool, earlier: Path, later: Path) -> None:
    """Compare two releases.

    Lists faces that were added, removed, relabelled or moved to another split.

    \b
    Example:
      btfer diff faces-v1 faces-v2
    """
    from btfer_builder.release.diff import diff_releases

    difference = diff_releases(earlier, later)
    if as_json:
        emit_json(difference.to_dict())
    else:
        _show_difference(difference)


def _download_settings(directory: Path | None, options: dict[str, Any]) -> CrawlRecipe:
    """Return the settings of downloads: those of the workspace, or the defaults where there is none."""
    try:
        recipe = open_workspace(directory).recipe.crawl
    except BtferError:
        if directory is not None:
            raise
        recipe = CrawlRecipe()
    return apply_cli_options(recipe, options)


def _show_takedown(result: "Takedown") -> None:
    matches = result.matches
    if matches.reasons:
        table("Images", ["image", "match"], matches.reasons.items())
    if result.replacements:
        rows = [
            (item.face_id, item.emotion, item.split, item.by or "(none left)") for item in result.replacements
        ]
        table("Faces of the sample", ["face", "emotion", "split", "replaced by"], rows)
    lists = (
        ("URLs", matches.urls), ("files", matches.files), ("reports", [*matches.reports, *matches.derived]),
        ("releases", [path for path, _ in result.releases]),
    )  # fmt: skip
    for name, items in lists:
        for item in items:
            echo(f"{name[:-1]}: {item}")
    will = "would be" if result.dry_run else "were"
    echo(
        f"\n{counted(len(matches.reasons), 'image')}, {counted(len(matches.faces), 'face')} and "
        f"{counted(len(matches.files), 'file')} {will} deleted, "
        f"{counted(sum(item.by is not None for item in result.replacements), 'face')} of the sample replaced, "
        f"{counted(len(result.releases), 'release')} rewritten"
    )
    if not matches.reasons:
        echo_stderr(
            "no match" + ("" if result.dry_run else "; tombstone recorded: the image will not be crawled")
        )
    for path, version in result.releases if not result.dry_run else []:
        echo_stderr(
            f"{path} is now version {version}; release.json lists what was removed. Publish it in place of the old one"
        )
    for path in result.gone_releases:
        echo_stderr(
            f"a release with this face was written to {path}, which is gone; replace its copies manually"
        )
    for path in matches.own_files:
        echo_stderr(f"your own file is not deleted: {path}")
    if matches.same_page:
        echo_stderr(f"{len(matches.same_page)} other images are from the same pages and may show the same person: "
            f"{', '.join(matches.same_page[:5])}")  # fmt: skip
    for emotion, count in result.short.items():
        echo_stderr(
            f"{emotion}: {counted(count, 'face')} missing; review more faces, then run btfer sample and btfer release"
        )


def _show_difference(difference: "ReleaseDiff") -> None:
    for name, rows in (("added", difference.added), ("removed", difference.removed)):
        if rows:
            table(name, ["face", "emotion"], rows)
    for name, changes in (("relabelled", difference.relabelled), ("moved", difference.moved)):
        if changes:
            table(name, ["face", "before", "after"], changes)
    echo(
        f"{len(difference.added)} added, {len(difference.removed)} removed, {len(difference.relabelled)} relabelled, "
        f"{len(difference.moved)} moved to another split"
    )
