"""The command line: one thin function a command; heavy things are imported inside."""

import sys
from collections import Counter
from functools import partial
from pathlib import Path
from typing import Any

import click

from btfer_builder import __version__
from btfer_builder.cli.benchmark import benchmark
from btfer_builder.cli.datasets import dataset
from btfer_builder.cli.evaluate import compare, convert, evaluate
from btfer_builder.cli.leakage import hashes, leakage
from btfer_builder.cli.options import apply_cli_options, common_options, recipe_options
from btfer_builder.cli.output import emit_json, table
from btfer_builder.cli.release import COMMANDS as RELEASE_COMMANDS
from btfer_builder.cli.review import agreement, review
from btfer_builder.cli.train import train
from btfer_builder.config import (
    CrawlRecipe,
    CropRecipe,
    DedupeRecipe,
    QueriesRecipe,
)
from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import echo_stderr, track
from btfer_builder.labels import EMOTIONS
from btfer_builder.networks.registry import HEADS, PRETRAININGS, SIZES, UNITS
from btfer_builder.workspace import Workspace, create_workspace, open_workspace


class _Commands(click.Group):
    """Lists the commands in the order they are used in, not in that of the alphabet."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="btfer")
def main() -> None:
    """Build a balanced facial-expression test set out of image searches, and score models on it.

    The way of a set, one command after the other:

    \b
      btfer init faces && cd faces
      btfer crawl  →  btfer dedupe  →  btfer crop  →  btfer review  →  btfer sample  →  btfer eval model.keras

    Every command can be interrupted and run again: it goes on where it was. `btfer status` shows the funnel.
    """


@main.command()
@click.argument("folder", metavar="DIRECTORY", type=click.Path(path_type=Path, file_okay=False))
@common_options
def init(folder: Path, as_json: bool, **_: Any) -> None:  # noqa: ANN401 - click's leftovers
    """Make DIRECTORY a workspace.

    Writes its recipe (btfer.toml) and the words of the queries (queries/), to be edited.

    \b
    Example:
      btfer init faces
    """
    workspace = create_workspace(folder)
    if as_json:
        emit_json({"workspace": str(workspace.root)})
    else:
        click.echo(f"{workspace.root} is a workspace. Look at btfer.toml and queries/, then: btfer crawl")


@main.command()
@recipe_options(QueriesRecipe)
@common_options
def queries(directory: Path | None, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Show the search phrases.

    Ethnicity × gender × age × expression, in English and Spanish.

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


@main.command()
@recipe_options(CrawlRecipe)
@recipe_options(QueriesRecipe)
@click.option(
    "--path",
    type=click.Path(path_type=Path, exists=True),
    help="What engine urls (a CSV or text file) or folder (a folder an emotion) reads.",
)
@click.option("--check", is_flag=True, help="Only put one known query to each engine: can it still be read?")
@common_options
def crawl(
    directory: Path | None,
    as_json: bool,
    path: Path | None,
    check: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Search for pictures and fetch them.

    Asks the engines for every query and fetches what they find; a second crawl goes on where the first was.

    \b
    Examples:
      btfer crawl --per-query 50 --emotion fear --emotion disgust
      btfer crawl --engine openverse --engine wikimedia --license cc0,pdm,by,by-sa --target 30
      btfer crawl --engine folder --path ~/my-pictures
      btfer crawl --engine bing --check
    """
    from btfer_builder.crawl.stage import crawl as run_crawl
    from btfer_builder.queries.plan import plan_queries

    workspace = open_workspace(directory)
    recipe = apply_cli_options(workspace.recipe.crawl, options)
    if check:
        _check_engines(recipe, as_json)
        return
    asked = apply_cli_options(workspace.recipe.queries, options)
    planned = plan_queries(workspace.queries, asked)
    try:
        run_crawl(workspace, recipe, planned, asked.emotion, path)
    finally:
        _show_stages(workspace, as_json, "crawl")


def _check_engines(recipe: CrawlRecipe, as_json: bool) -> None:
    from btfer_builder.crawl.canary import check_engine
    from btfer_builder.crawl.engines import SEARCH_ENGINES
    from btfer_builder.crawl.stage import check_engines

    check_engines(recipe)
    checks = [check_engine(name, recipe) for name in dict.fromkeys(recipe.engine) if name in SEARCH_ENGINES]
    if as_json:
        emit_json({"engines": [found.to_dict() for found in checks]})
    else:
        table(
            "one known query",
            ["engine", "answers", "results", "with page and title", "with licence"],
            [(c.engine, "yes" if c.ok else "no", c.results, c.complete, c.licensed) for c in checks],
        )
    if failed := [found for found in checks if not found.ok]:
        raise BtferError("; ".join(f"{found.engine}: {found.error}" for found in failed))


@main.command()
@recipe_options(DedupeRecipe)
@click.option("--faces", is_flag=True, help="The second pass, after btfer crop: compare the face crops.")
@click.option(
    "--regroup", is_flag=True, help="Group with other settings even if reviewed or sampled items are dropped."
)
@common_options
def dedupe(
    directory: Path | None,
    as_json: bool,
    faces: bool,
    regroup: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Find pictures that are there twice.

    Exact and near duplicates, mirrored ones too; the largest of each group is kept. A picture found under two
    emotions is a conflict and waits for a reviewer.

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


@main.command()
@recipe_options(CropRecipe)
@click.option(
    "--paper", is_flag=True, help="As the authors: margin 10 photo pixels, stretched, one face a photo."
)
@click.option(
    "--recrop", is_flag=True, help="Crop with other settings even if reviewed or sampled faces leave by it."
)
@common_options
def crop(
    directory: Path | None,
    as_json: bool,
    paper: bool,
    recrop: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Find the faces and cut them out.

    MTCNN finds them; the crops are 256×256 with a margin of 20 pixels, unstretched.

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


main.add_command(review)
main.add_command(agreement)
main.add_command(hashes)
main.add_command(leakage)
for command in RELEASE_COMMANDS:
    main.add_command(command)
main.add_command(evaluate)
main.add_command(compare)
main.add_command(convert)
main.add_command(dataset)


@main.command()
@click.argument("names", nargs=-1, metavar="[NETWORK]...")
@click.option("--size", type=int, multiple=True, help="Side of the input in pixels. [default: 48 and 224]")
@click.option(
    "--pretraining",
    type=click.Choice(PRETRAININGS),
    help="Only networks that have these weights, as they are built for them.",
)
@click.option("--head", type=click.Choice(HEADS), help="Only networks that can have this head, and with it.")
@click.option(
    "--units", type=click.Choice(UNITS), help="Only networks with a new head, and of these hidden layers."
)
@common_options
def networks(
    directory: Path | None,
    as_json: bool,
    names: tuple[str, ...],
    size: tuple[int, ...],
    **options: Any,  # noqa: ANN401
) -> None:
    """List the networks of the protocol.

    Each is built, without its weights, to count its parameters and what one image costs.

    \b
    Examples:
      btfer networks --size 48
      btfer networks vgg16 resnet50 --pretraining vggface --head flatten
    """
    from btfer_builder.networks.summary import list_networks

    wrap = partial(track, description="networks", unit="networks")
    rows = list_networks(names, sizes=size or SIZES, progress=wrap, **options)
    if as_json:
        emit_json({"networks": [row.to_dict() for row in rows]})
        return
    for side in dict.fromkeys(row.size for row in rows):
        columns = ["network", "head", "parameters", "trainable", "phase 1", "GFLOPs", "from", "what it is"]
        table(f"{side}×{side} pixels", columns, [row.to_cells() for row in rows if row.size == side])


main.add_command(train)
main.add_command(benchmark)


@main.command()
@click.option("--yield", "by_search", is_flag=True, help="Show instead what each search phrase brought in.")
@common_options
def status(directory: Path | None, as_json: bool, by_search: bool) -> None:
    """Show the funnel.

    For every stage what came in, what was kept, and what was dropped and why. With --yield: what was found, fetched,
    kept and accepted by engine, language, expression and cell (emotion, ethnicity, gender, age).

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
    from btfer_builder.sample.stale import say_if_stale

    say_if_stale(workspace.catalog)
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


if __name__ == "__main__":
    sys.exit(main())
