"""The commands that build a set, in their order: init, queries, crawl, dedupe, crop, sample; and status."""

from collections import Counter
from pathlib import Path
from typing import Any

import click

from btfer_builder.cli.options import apply_cli_options, common_options, given_flags, recipe_options
from btfer_builder.cli.output import emit_json, table
from btfer_builder.config import CrawlRecipe, CropRecipe, DedupeRecipe, QueriesRecipe, SampleRecipe
from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.labels import EMOTIONS
from btfer_builder.workspace import Workspace, create_workspace, open_workspace


@click.command()
@click.argument("folder", metavar="DIRECTORY", type=click.Path(path_type=Path, file_okay=False))
@common_options
def init(folder: Path, as_json: bool, **_: Any) -> None:  # noqa: ANN401 - click's leftovers
    """Create a workspace in DIRECTORY.

    Writes the settings (btfer.toml) and the vocabulary of the search phrases (queries/), both to be edited.

    \b
    Example:
      btfer init faces
    """
    workspace = create_workspace(folder)
    if as_json:
        emit_json({"workspace": str(workspace.root)})
    else:
        click.echo(f"created workspace {workspace.root}; edit btfer.toml and queries/, then: btfer crawl")


@click.command()
@recipe_options(QueriesRecipe)
@common_options
def queries(directory: Path | None, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """List the search phrases.

    All combinations of ethnicity, gender, age and expression, in each language
    of queries/.

    \b
    Example:
      btfer queries --language es --emotion sad --no-minors
    """
    from btfer_builder.queries.plan import plan_queries

    workspace = open_workspace(directory)
    planned = plan_queries(workspace.queries, apply_cli_options(workspace.recipe.queries, options))
    if as_json:
        emit_json({"queries": [query.to_dict() for query in planned]})
        return
    for query in planned:
        click.echo(query.query)
    counts = Counter((query.language, query.emotion) for query in planned)
    echo_stderr(
        f"{len(planned)} queries: "
        + ", ".join(f"{n} {lang} {emotion}" for (lang, emotion), n in counts.items())
    )


@click.command()
@recipe_options(CrawlRecipe)
@recipe_options(QueriesRecipe)
@click.option(
    "--path",
    type=click.Path(path_type=Path, exists=True),
    help="Input of the engines urls (a CSV or text file) and folder (one folder for each emotion).",
)
@click.option("--check", is_flag=True, help="Only test each engine with one known query.")
@common_options
def crawl(
    directory: Path | None,
    as_json: bool,
    path: Path | None,
    check: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Search for images and download them.

    Sends every search phrase to the engines and downloads the results. A crawl that was interrupted continues.

    \b
    Examples:
      btfer crawl --per-query 50 --emotion fear --emotion disgust
      btfer crawl --engine openverse --engine wikimedia --license cc0,pdm,by,by-sa --target 30
      btfer crawl --engine folder --path ~/my-images
      btfer crawl --engine bing --check
    """
    from btfer_builder.crawl.stage import crawl as run_crawl
    from btfer_builder.queries.plan import plan_queries

    workspace = open_workspace(directory)
    recipe = apply_cli_options(workspace.recipe.crawl, options)
    if check:
        _check_engines(recipe, as_json)
        return
    wanted = apply_cli_options(workspace.recipe.queries, options)
    planned = plan_queries(workspace.queries, wanted)
    try:
        run_crawl(workspace, recipe, planned, wanted.emotion, path)
    finally:
        _show_stages(workspace, as_json, "crawl")


def _check_engines(recipe: CrawlRecipe, as_json: bool) -> None:
    from btfer_builder.crawl.stage import ask_engines

    checks = ask_engines(recipe)
    if as_json:
        emit_json({"engines": [check.to_dict() for check in checks]})
    else:
        table(
            "one known query",
            ["engine", "answers", "results", "with page and title", "with licence"],
            [(c.engine, "yes" if c.ok else "no", c.results, c.complete, c.licensed) for c in checks],
        )
    if failed := [check for check in checks if not check.ok]:
        raise BtferError("; ".join(f"{check.engine}: {check.error}" for check in failed))


@click.command()
@recipe_options(DedupeRecipe)
@click.option("--faces", is_flag=True, help="Compare face crops (second pass, after btfer crop).")
@click.option(
    "--regroup", is_flag=True, help="Go on even if reviewed or sampled items are dropped."
)
@common_options
def dedupe(
    directory: Path | None,
    as_json: bool,
    faces: bool,
    regroup: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Drop duplicate images.

    Finds exact, near and mirrored duplicates and keeps the largest image of each group. An image that was found
    under two emotions is a conflict and needs a reviewer.

    \b
    Examples:
      btfer dedupe --radius 6
      btfer dedupe --faces
    """
    from btfer_builder.dedupe.face_stage import dedupe_faces
    from btfer_builder.dedupe.stage import dedupe as dedupe_images

    workspace = open_workspace(directory)
    run_dedupe = dedupe_faces if faces else dedupe_images
    run_dedupe(workspace, apply_cli_options(workspace.recipe.dedupe, options), regroup=regroup)
    _show_stages(workspace, as_json, "dedupe-faces" if faces else "dedupe")


@click.command()
@recipe_options(CropRecipe)
@click.option(
    "--paper",
    is_flag=True,
    help="Crop as the authors: margin of 10 photo pixels, stretched, one face per photo.",
)
@click.option(
    "--recrop", is_flag=True, help="Apply other settings even if reviewed or sampled faces are dropped."
)
@common_options
def crop(
    directory: Path | None,
    as_json: bool,
    paper: bool,
    recrop: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Detect and crop faces.

    Detects faces with MTCNN and writes square crops, by default 256×256 pixels with a margin of 20 pixels.

    \b
    Example:
      btfer crop --faces single --min-face-size 80
    """
    from btfer_builder.crop.stage import crop as run_crop
    from btfer_builder.crop.stage import paper_recipe

    workspace = open_workspace(directory)
    recipe = paper_recipe(workspace.recipe.crop) if paper else workspace.recipe.crop
    run_crop(workspace, apply_cli_options(recipe, options), recrop=recrop)
    _show_stages(workspace, as_json, "crop")


@click.command()
@recipe_options(SampleRecipe)
@click.option(
    "--redraw", is_flag=True, help="Draw again even if the current sample was drawn with other settings."
)
@common_options
def sample(directory: Path | None, as_json: bool, redraw: bool, **options: Any) -> None:  # noqa: ANN401
    """Draw the balanced sample.

    Draws the same number of accepted faces for every emotion, reproducibly. If a sample exists, its settings can be
    changed by options; an option that was given then and is missing now is an error (see --redraw).

    \b
    Examples:
      btfer sample --per-class 300 --seed 0
      btfer sample --stratify query_ethnicity,query_gender --per-creator 3 --agreement 0.7
      btfer sample --license cc0,by,by-sa --splits train=200,val=50,test=50
    """
    from btfer_builder.sample.stage import sample as run_sample
    from btfer_builder.sample.stage import shortage
    from btfer_builder.sample.stale import warn_if_stale

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
        per_class = sum(recipe.splits.values()) or recipe.per_class
        table(
            f"Sample of {per_class} faces per class",
            ["emotion", "accepted", "drawn", "reserve", "missing"],
            rows,
        )
        if len(result.splits) > 1:
            table("Splits", ["split", "faces"], result.splits.items())
        if result.cells:
            cells = [(cell.emotion, *cell.cell, cell.asked, cell.got, cell.short) for cell in result.cells]
            table("Cells", ["emotion", *result.stratify, "requested", "drawn", "missing"], cells)
        undrawn = {reason: n for reason, n in result.passed_over.items() if reason != "reserve"}
        if undrawn:
            echo_stderr("not drawn: " + ", ".join(f"{n} {reason}" for reason, n in undrawn.items()))
    if result.path is None:
        warn_if_stale(workspace.catalog)
        raise shortage(result)
    if not as_json:
        click.echo(f"written to {result.path}")


@click.command()
@click.option(
    "--yield", "by_search", is_flag=True, help="Show the yield of the searches instead of the funnel."
)
@common_options
def status(directory: Path | None, as_json: bool, by_search: bool) -> None:
    """Show the funnel.

    For every stage: the items that came in, were kept, and were dropped, with reasons. With --yield: images found,
    downloaded, kept and accepted by engine, language, expression and cell (emotion, ethnicity, gender, age).

    \b
    Examples:
      btfer status --json
      btfer status --yield
    """
    workspace = open_workspace(directory)
    if by_search:
        _show_yield(workspace, as_json)
    else:
        _show_stages(workspace, as_json)


def _show_yield(workspace: Workspace, as_json: bool) -> None:
    from btfer_builder.catalog.search_yield import GROUPINGS, yields

    lines = yields(workspace.catalog)
    if as_json:
        emit_json({"yield": [line.to_dict() for line in lines]})
        return
    for grouping in GROUPINGS:
        rows = [(y.value, y.found, y.fetched, y.kept, y.accepted) for y in lines if y.by == grouping]
        table(f"by {grouping}", [grouping, "found", "fetched", "kept", "accepted"], rows)


def _show_stages(workspace: Workspace, as_json: bool, *only: str) -> None:
    from btfer_builder.catalog.funnel import funnel
    from btfer_builder.sample.stale import warn_if_stale

    warn_if_stale(workspace.catalog)
    stages = funnel(workspace.catalog, only)
    if as_json:
        emit_json({"stages": [stage.to_dict() for stage in stages]})
        return
    table(
        f"{workspace.root.name}: {only[0] if only else 'the funnel'}",
        ["stage", "in", "kept", "dropped", "waiting", "of", "dropped because"],
        [
            (
                stage.stage,
                stage.came_in,
                stage.kept,
                sum(stage.dropped.values()),
                stage.waiting,
                stage.unit,
                ", ".join(f"{n} {reason}" for reason, n in stage.dropped.items()),
            )
            for stage in stages
        ],
    )
    table(
        "kept, by emotion",
        ["stage", *EMOTIONS],
        [(stage.stage, *(stage.per_emotion.get(emotion, 0) for emotion in EMOTIONS)) for stage in stages],
    )
