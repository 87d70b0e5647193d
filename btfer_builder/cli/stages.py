"""The commands that build a set, in their order: init, queries, crawl, dedupe, crop, sample."""

from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btfer_builder.cli.next_line import from_here, show_next
from btfer_builder.cli.options import (
    apply_cli_options,
    common_options,
    given_flags,
    query_settings,
    recipe_options,
)
from btfer_builder.cli.output import echo, emit_json, table
from btfer_builder.cli.status import show_stages
from btfer_builder.config import (
    CrawlRecipe,
    CropRecipe,
    DedupeRecipe,
    QueriesRecipe,
    SampleRecipe,
    SourceRecipe,
)
from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import echo_stderr, messages_shown
from btfer_builder.io.text import counted
from btfer_builder.labels import EMOTIONS
from btfer_builder.workspace import RECIPE_NAME, Workspace, create_workspace, open_workspace

if TYPE_CHECKING:
    from btfer_builder.queries.phrases import Query


@click.command()
@click.argument("name", metavar="DIRECTORY", type=click.Path(file_okay=False))
@common_options
def init(name: str, as_json: bool, **options: Any) -> None:  # noqa: ANN401 - click's leftovers
    """Create a workspace in DIRECTORY.

    Writes the settings (btfer.toml) and the vocabulary of the search phrases (queries/), both to be edited.

    \b
    Example:
      btfer init faces
    """
    if not name:
        raise click.BadParameter(
            "expected the name of a folder; '.' is the current one", param_hint="DIRECTORY"
        )
    folder = Path(name)
    existed = (folder / RECIPE_NAME).is_file()
    before = set(folder.glob("queries/*.yaml"))
    workspace = create_workspace(folder)
    _ = workspace.catalog  # before the message: a full disk shows here
    if as_json:
        emit_json({"workspace": str(workspace.root), "existed": existed})
        return
    if existed:
        added = ", ".join(sorted(path.name for path in set(folder.glob("queries/*.yaml")) - before))
        echo(
            f"{workspace.root} is a workspace already; its files are kept"
            + (f", added: {added}" if added else "")
        )
        show_next(workspace)
    else:
        echo(
            f"created workspace {workspace.root}; its settings are in btfer.toml, its search words in queries/"
        )
        show_next(workspace)
        if messages_shown():
            build = from_here(workspace.root, "btfer build")
            echo(f"Or every stage up to the review at once:\n  {build} --plan\n  {build}")
            echo(f"With pictures of your own:\n  {build} --engine folder --path FOLDER")


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
    planned = plan_queries(workspace.queries, query_settings(workspace, options))
    if as_json:
        emit_json({"queries": [query.to_dict() for query in planned]})
        return
    for query in planned:
        echo(query.query)
    counts = Counter((query.language, query.emotion) for query in planned)
    echo_stderr(
        f"{counted(len(planned), 'query', 'queries')}: "
        + ", ".join(f"{n} {lang} {emotion}" for (lang, emotion), n in counts.items())
    )


@click.command()
@recipe_options(CrawlRecipe)
@recipe_options(QueriesRecipe)
@recipe_options(SourceRecipe)
@click.option(
    "--path",
    type=click.Path(path_type=Path, exists=True),
    help="Input of the engines urls (a table or a text file) and folder (one folder for each emotion).",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    metavar="NAME=COLUMN",
    help="Column of the list of the engine urls, such as url=image. Can be given several times.",
)
@click.option(
    "--where-caption",
    metavar="REGEX",
    default="",
    help="Take only rows of the list whose title or caption matches.",
)
@click.option("--check", is_flag=True, help="Only test each engine with one known query.")
@click.option(
    "--plan",
    "plan_only",
    is_flag=True,
    help="Only print the phrases, requests and days for each engine at its limits.",
)
@common_options
def crawl(
    directory: Path | None,
    as_json: bool,
    path: Path | None,
    check: bool,
    plan_only: bool,
    columns: tuple[str, ...],
    where_caption: str,
    **options: Any,  # noqa: ANN401
) -> None:
    """Search for images and download them.

    Sends every search phrase to the engines and downloads the results. A crawl that was interrupted continues, as
    does one that ended because the requests for a day are used up.

    \b
    Examples:
      btfer crawl --for-sample 300 --contact you@university.edu
      btfer crawl --plan --engine openverse --engine wikimedia
      btfer crawl --per-query 50 --emotion fear --emotion disgust
      btfer crawl --engine wikimedia --license cc0,pdm,by,by-sa --target 30
      btfer crawl --engine folder --path photos --source-license by --consent yes
      btfer crawl --engine urls --path cc.csv --emotion happy --where-caption smil
      btfer crawl --engine bing --check
    """
    from btfer_builder.crawl.engines.urls import ListOptions
    from btfer_builder.crawl.reach import OfflineError
    from btfer_builder.crawl.stage import crawl as run_crawl
    from btfer_builder.queries.plan import plan_queries

    workspace = open_workspace(directory)
    recipe = apply_cli_options(workspace.recipe.crawl, options)
    if check:
        _check_engines(recipe, as_json)
        return
    wanted = query_settings(workspace, options)
    planned = plan_queries(workspace.queries, wanted)
    if plan_only:
        _show_plan(workspace, recipe, planned, as_json)
        return
    named = dict(column.partition("=")[::2] for column in columns)
    if not all(named.values()):
        raise click.UsageError("--column: expected NAME=COLUMN, as url=image")
    listed = ListOptions(named, where_caption)
    own = apply_cli_options(workspace.recipe.source, options)
    try:
        run_crawl(workspace, recipe, planned, wanted.emotion, path, list_options=listed, source=own)
    except OfflineError:
        raise
    except BaseException:
        show_stages(workspace, as_json, "crawl", failed=True)
        raise
    show_stages(workspace, as_json, "crawl")


def _show_plan(workspace: Workspace, recipe: CrawlRecipe, queries: "list[Query]", as_json: bool) -> None:
    from btfer_builder.crawl.stage import plan

    plans = plan(workspace, recipe, queries)
    if as_json:
        emit_json({"engines": [line.to_dict() for line in plans]})
        return
    table(
        "what is left to ask",
        ["engine", "phrases", "requests", "requests a day", "time"],
        [
            (line.engine, line.phrases, line.requests, line.per_day or "no limit", line.duration)
            for line in plans
        ],
    )


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
    "--regroup",
    is_flag=True,
    help="Go on even if reviewed or sampled items are dropped.",
)
@click.option(
    "--take-down",
    is_flag=True,
    help="Take down photos of a picture that was taken down, even if reviewed, sampled or released.",
)
@common_options
def dedupe(
    directory: Path | None,
    as_json: bool,
    faces: bool,
    regroup: bool,
    take_down: bool,
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
    from btfer_builder.dedupe.erase import TakenDownInUse
    from btfer_builder.dedupe.face_stage import dedupe_faces
    from btfer_builder.dedupe.stage import dedupe as dedupe_images
    from btfer_builder.release.takedown.stage import take_down as remove

    workspace = open_workspace(directory)
    run_dedupe = partial(
        dedupe_faces if faces else dedupe_images,
        workspace,
        apply_cli_options(workspace.recipe.dedupe, options),
        regroup=regroup,
    )
    try:
        run_dedupe()
    except TakenDownInUse as error:
        if not take_down:
            raise
        for image_id in error.image_ids:
            remove(workspace, image_id, reason="the same picture as one that was taken down", alike=False)
        run_dedupe()
    show_stages(workspace, as_json, "dedupe-faces" if faces else "dedupe")


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
    show_stages(workspace, as_json, "crop")


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
      btfer sample --stratify query_gender --per-creator 3 --agreement 0.7
      btfer sample --license cc0,by,by-sa --splits train=200,val=50,test=50
    """
    from btfer_builder.sample.stage import sample as run_sample
    from btfer_builder.sample.stage import shortage, step_after
    from btfer_builder.sample.stale import warn_if_stale

    workspace = open_workspace(directory)
    recipe = apply_cli_options(workspace.recipe.sample, options)
    result = run_sample(workspace, recipe, asked=None if redraw else given_flags(options))
    step = step_after(workspace, result)
    if as_json:
        emit_json(result.to_dict() | {"next": step.to_dict()})
    else:
        written = result.path is not None
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
        table(
            f"Sample of {counted(recipe.faces_per_class, 'face')} per class{'' if written else ': not written'}",
            ["emotion", "accepted", "drawn" if written else "could be drawn", "reserve", "missing"],
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
        raise shortage(workspace, result)
    if not as_json:
        echo(f"written to {result.path}")
        show_next(workspace, step)
