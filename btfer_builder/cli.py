"""The command line: one thin function a command; heavy things are imported inside."""

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import click

from btfer_builder import __version__
from btfer_builder.cli_evaluate import evaluate
from btfer_builder.cli_review import review
from btfer_builder.emotions import EMOTIONS
from btfer_builder.errors import BtferError
from btfer_builder.options import common_options, recipe_options, with_flags
from btfer_builder.progress import emit_json, say, table
from btfer_builder.recipe import (
    CrawlRecipe,
    CropRecipe,
    DedupeRecipe,
    QueriesRecipe,
    SampleRecipe,
)
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
    planned = plan_queries(workspace.queries, with_flags(workspace.recipe.queries, options))
    if as_json:
        emit_json({"queries": [query.to_dict() for query in planned]})
        return
    for query in planned:
        click.echo(query.query)
    counts = Counter((query.language, query.emotion) for query in planned)
    say(
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
@common_options
def crawl(directory: Path | None, as_json: bool, path: Path | None, **options: Any) -> None:  # noqa: ANN401
    """Search for pictures and fetch them.

    Asks the engines for every query and fetches what they find; a second crawl goes on where the first was.

    \b
    Examples:
      btfer crawl --per-query 50 --emotion fear --emotion disgust
      btfer crawl --engine folder --path ~/my-pictures
    """
    from btfer_builder.crawl.stage import crawl as run_crawl
    from btfer_builder.queries.plan import plan_queries

    workspace = open_workspace(directory)
    asked = with_flags(workspace.recipe.queries, options)
    planned = plan_queries(workspace.queries, asked)
    try:
        run_crawl(workspace, with_flags(workspace.recipe.crawl, options), planned, asked.emotion, path)
    finally:
        _show_stages(workspace, as_json, "crawl")


@main.command()
@recipe_options(DedupeRecipe)
@common_options
def dedupe(directory: Path | None, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Find pictures that are there twice.

    Exact and near duplicates, mirrored ones too; the largest of each group is kept. A picture found under two
    emotions is a conflict and waits for a reviewer.

    \b
    Example:
      btfer dedupe --radius 6
    """
    from btfer_builder.dedupe.stage import dedupe as run_dedupe

    workspace = open_workspace(directory)
    run_dedupe(workspace, with_flags(workspace.recipe.dedupe, options))
    _show_stages(workspace, as_json, "dedupe")


@main.command()
@recipe_options(CropRecipe)
@click.option(
    "--paper", is_flag=True, help="As the authors: margin 10 photo pixels, stretched, one face a photo."
)
@common_options
def crop(directory: Path | None, as_json: bool, paper: bool, **options: Any) -> None:  # noqa: ANN401
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
    run_crop(workspace, with_flags(recipe, options))
    _show_stages(workspace, as_json, "crop")


main.add_command(review)


@main.command()
@recipe_options(SampleRecipe)
@common_options
def sample(directory: Path | None, as_json: bool, **options: Any) -> None:  # noqa: ANN401
    """Draw the balanced set.

    Exactly so many accepted faces for every emotion; the same ones on every machine.

    \b
    Example:
      btfer sample --per-class 300 --seed 0
    """
    from btfer_builder.sample.stage import sample as run_sample

    workspace = open_workspace(directory)
    recipe = with_flags(workspace.recipe.sample, options)
    result = run_sample(workspace, recipe)
    if as_json:
        emit_json(result.to_dict())
    else:
        rows = [
            (emotion, result.accepted[emotion], result.per_class[emotion], result.short.get(emotion, 0))
            for emotion in EMOTIONS
        ]
        table(f"Sample of {recipe.per_class} a class", ["emotion", "accepted", "drawn", "missing"], rows)
    if result.path is None:
        raise BtferError(
            "some classes are short, nothing was written. Crawl or review more, take a smaller --per-class, "
            "or --allow-short"
        )
    if not as_json:
        click.echo(f"written to {result.path}")


main.add_command(evaluate)


@main.command()
@common_options
def status(directory: Path | None, as_json: bool) -> None:
    """Show the funnel.

    For every stage what came in, what was kept, and what was dropped and why.

    \b
    Example:
      btfer status --json
    """
    _show_stages(open_workspace(directory), as_json)


def _show_stages(workspace: Workspace, as_json: bool, *only: str) -> None:
    from btfer_builder.catalog.funnel import funnel

    stages = [stage for stage in funnel(workspace.catalog) if not only or stage.stage in only]
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
