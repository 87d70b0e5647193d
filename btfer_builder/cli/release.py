"""The commands that draw a sample, release it, check releases, and take photos down."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btfer_builder.cli.options import apply_cli_options, common_options, given_flags, recipe_options
from btfer_builder.config import CrawlRecipe, ReleaseRecipe, SampleRecipe
from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import echo_stderr, emit_json, table
from btfer_builder.labels import EMOTIONS
from btfer_builder.workspace import open_workspace

if TYPE_CHECKING:
    from btfer_builder.release.diff import ReleaseDiff
    from btfer_builder.release.takedown.stage import Takedown

#: What of the crawl's recipe decides how addresses are visited.
_VISITS = (
    "connections", "per_host", "host_rate", "tries", "max_wait", "deadline", "max_bytes", "contact",
    "allow_private_hosts",
)  # fmt: skip

_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@recipe_options(SampleRecipe)
@click.option(
    "--redraw", is_flag=True, help="Replace a sample that was drawn with settings that are not given now."
)
@common_options
def sample(directory: Path | None, as_json: bool, redraw: bool, **options: Any) -> None:  # noqa: ANN401
    """Draw a balanced sample.

    Draws the same number of accepted faces of each emotion; the result is the same on every machine. Options that
    are given replace the settings of the earlier sample; an option that was given then and is missing now does not.

    \b
    Examples:
      btfer sample --per-class 300 --seed 0
      btfer sample --stratify query_ethnicity,query_gender --per-creator 3 --agreement 0.7
      btfer sample --license cc0,by,by-sa --splits train=200,val=50,test=50
    """
    from btfer_builder.sample.stage import sample as run_sample
    from btfer_builder.sample.stale import say_if_stale

    workspace = open_workspace(directory)
    recipe = apply_cli_options(workspace.recipe.sample, options)
    result = run_sample(workspace, recipe, asked=None if redraw else given_flags(options))
    if as_json:
        emit_json(result.to_dict())
    else:
        rows = [
            (
                emotion,
                result.accepted[emotion],
                result.per_class[emotion],
                result.reserve[emotion],
                result.short.get(emotion, 0),
            )
            for emotion in EMOTIONS
        ]
        asked = sum(recipe.splits.values()) or recipe.per_class
        table(f"Sample of {asked} a class", ["emotion", "accepted", "drawn", "reserve", "missing"], rows)
        if len(result.splits) > 1:
            table("Splits", ["split", "faces"], result.splits.items())
        if result.cells:
            cells = [(cell.emotion, *cell.cell, cell.asked, cell.got, cell.short) for cell in result.cells]
            table("Cells", ["emotion", *result.stratify, "asked", "got", "short"], cells)
        left = {reason: n for reason, n in result.passed_over.items() if reason != "reserve"}
        if left:
            echo_stderr("not drawn: " + ", ".join(f"{n} {reason}" for reason, n in left.items()))
    if result.path is None:
        say_if_stale(workspace.catalog)
        raise BtferError(
            "some classes are short, nothing was written. Crawl or review more, take a smaller --per-class, "
            "or --allow-short"
        )
    if not as_json:
        click.echo(f"written to {result.path}")


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@recipe_options(ReleaseRecipe)
@common_options
def release(directory: Path | None, as_json: bool, out: Path, **options: Any) -> None:  # noqa: ANN401
    """Write the sample to a folder to share.

    The folder has a dataset card, a datasheet, licences, checksums, a Croissant file, Parquet and figures. OUT must
    not exist.

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
    stats = result.statistics
    click.echo(f"{stats.title}: {stats.total} faces, written to {result.path}")
    if not stats.redistributable:
        echo_stderr(f"NOT FOR REDISTRIBUTION: {stats.licenses['unknown']} images have no known licence")
    if stats.no_derivatives:
        echo_stderr(
            f"{stats.no_derivatives} images are under a NoDerivatives licence: sharing a crop may not be allowed"
        )


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

    result = audit_release(out)
    if as_json:
        emit_json(result.to_dict())
    else:
        if result.findings:
            table("Found", ["file", "what"], [(finding.file, finding.what) for finding in result.findings])
        click.echo(f"{result.files} files and {result.pictures} images read, {len(result.findings)} findings")
    if result.findings:
        raise BtferError(f"{out} contains what it should not, or is incomplete; release it again")


@click.command()
@click.argument("out", type=_FOLDER)
@recipe_options(CrawlRecipe, *_VISITS)
@common_options
def rebuild(directory: Path | None, as_json: bool, out: Path, **options: Any) -> None:  # noqa: ANN401
    """Download the images of a release of addresses.

    Crops the faces again and checks every hash. A second run continues with the images that are missing.

    \b
    Example:
      btfer rebuild faces-v1-urls --contact you@university.edu
    """
    from btfer_builder.release.rebuild import rebuild as run_rebuild

    result = run_rebuild(out, _visits(directory, options))
    if as_json:
        emit_json(result.to_dict())
    else:
        reasons = result.to_dict()["reasons"]
        click.echo(f"{result.there} of {result.total} faces have their image, in {result.path}")
        for reason, count in reasons.items():
            echo_stderr(f"{count} {reason}")
    if result.failed:
        raise BtferError(
            f"{len(result.failed)} faces could not be rebuilt; {out / 'rebuild.csv'} lists the reasons"
        )


@click.command()
@click.argument("target")
@click.option("--dry-run", is_flag=True, help="Show what would be done, and change nothing.")
@click.option("--why", default="", metavar="TEXT", help="Stands on the tombstone. Name nobody in it.")
@common_options
def takedown(directory: Path | None, as_json: bool, target: str, dry_run: bool, why: str) -> None:
    """Remove a photo and its faces for good.

    TARGET is a face id, an image id, an address, or an image file. Photos, crops and near duplicates are deleted, a
    tombstone prevents another download, a reserve face replaces each face, and releases are written again.

    \b
    Examples:
      btfer takedown 51ab42c3ff602673 --dry-run
      btfer takedown https://example.org/photo.jpg
      btfer takedown mailed-to-us.png
    """
    from btfer_builder.release.takedown.stage import take_down

    result = take_down(open_workspace(directory), target, why=why, dry_run=dry_run)
    if as_json:
        emit_json(result.to_dict())
        return
    _show_takedown(result)


@click.command()
@click.argument("out", type=_FOLDER, required=False)
@recipe_options(CrawlRecipe, *_VISITS)
@common_options
def recheck(directory: Path | None, as_json: bool, out: Path | None, **options: Any) -> None:  # noqa: ANN401
    """Check the sources of a release again.

    Lists the files that have vanished or changed or have another licence. Without OUT the sample is checked.

    \b
    Example:
      btfer recheck ../faces-v1
    """
    from btfer_builder.release.recheck import recheck as run_recheck
    from btfer_builder.sample.stale import say_if_stale

    workspace = open_workspace(directory)
    if out is None:
        say_if_stale(workspace.catalog)
    result = run_recheck(workspace, _visits(directory, options), out)
    answer = result.to_dict()
    if as_json:
        emit_json(answer)
        return
    if answer["faces"]:
        rows = [
            (face["face_id"], face["state"], face["reason"], face["license"], face["license_now"])
            for face in answer["faces"]
        ]
        table("Changes", ["face", "source", "reason", "licence", "licence now"], rows)
    states = ", ".join(f"{count} {state}" for state, count in answer["states"].items())
    licences = ", ".join(f"{count} {state}" for state, count in answer["licenses"].items())
    click.echo(f"sources: {states}; licences: {licences}\nwritten to {result.path}")


@click.command()
@click.argument("earlier", type=_FOLDER)
@click.argument("later", type=_FOLDER)
@common_options
def diff(directory: Path | None, as_json: bool, earlier: Path, later: Path) -> None:
    """Compare two releases.

    Lists the faces that were added, removed, relabelled or moved to another split.

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


#: In the order in which they are listed.
COMMANDS = (sample, release, scan_release, rebuild, takedown, recheck, diff)


def _visits(directory: Path | None, options: dict[str, Any]) -> CrawlRecipe:
    """Return the settings of fetching, those of the workspace if there is one."""
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
        table(
            "Images",
            ["image", "why"],
            [(image_id[:16] + "…", why) for image_id, why in matches.reasons.items()],
        )
    if result.replacements:
        rows = [
            (face.face_id, face.emotion, face.split, face.by or "(none left)") for face in result.replacements
        ]
        table("Sample", ["face", "emotion", "split", "replaced by"], rows)
    lists = (
        ("addresses", matches.urls), ("files", matches.files), ("reports", matches.reports),
        ("releases", [path for path, _ in result.releases]),
    )  # fmt: skip
    for name, items in lists:
        for item in items:
            click.echo(f"{name[:-1] if name != 'addresses' else 'address'}: {item}")
    will = "would be" if result.dry_run else "were"
    click.echo(
        f"\n{len(matches.reasons)} images, {len(matches.faces)} faces and {len(matches.files)} files {will} deleted, "
        f"{sum(face.by is not None for face in result.replacements)} faces of the sample replaced, "
        f"{len(result.releases)} releases written again"
    )
    if not matches.reasons:
        echo_stderr(
            "no match" + ("" if result.dry_run else "; its tombstone is recorded: it will not be crawled")
        )
    for path, version in result.releases if not result.dry_run else []:
        echo_stderr(
            f"{path} is now version {version}; its release.json lists the removed faces. Replace all copies by it"
        )
    for path in result.gone_releases:
        echo_stderr(
            f"a release with this face was written to {path}, which no longer exists: replace its copies by hand"
        )
    for path in matches.own_files:
        echo_stderr(f"not deleted, because it is your own file: {path}")
    if matches.same_page:
        echo_stderr(f"{len(matches.same_page)} other images are from the same pages, and may show the same person: "
            f"{', '.join(matches.same_page[:5])}")  # fmt: skip
    for emotion, count in result.short.items():
        echo_stderr(f"{emotion} lacks {count} faces: review more, then run btfer sample and btfer release")


def _show_difference(difference: "ReleaseDiff") -> None:
    for name, rows in (("added", difference.added), ("removed", difference.removed)):
        if rows:
            table(name, ["face", "emotion"], rows)
    for name, changes in (("relabelled", difference.relabelled), ("moved", difference.moved)):
        if changes:
            table(name, ["face", "before", "after"], changes)
    click.echo(
        f"{len(difference.added)} added, {len(difference.removed)} removed, {len(difference.relabelled)} relabelled, "
        f"{len(difference.moved)} moved to another split"
    )
