"""The command build: every stage that needs no person, the review page, and the sample."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btfer_builder.cli.mistakes import Choice
from btfer_builder.cli.next_line import from_here, show_next
from btfer_builder.cli.options import (
    apply_cli_options,
    common_options,
    given_flags,
    query_settings,
    recipe_options,
)
from btfer_builder.cli.output import echo, emit_json, table
from btfer_builder.cli.review_page import serve_page
from btfer_builder.config import CrawlRecipe, QueriesRecipe, ReviewRecipe, SampleRecipe, SourceRecipe
from btfer_builder.io.text import counted
from btfer_builder.workspace import Workspace, open_workspace

if TYPE_CHECKING:
    from btfer_builder.build import PlannedStage
    from btfer_builder.catalog.funnel import StageCount

#: The settings of the crawl that are options here; all others are in btfer.toml.
CRAWL = ("engine", "engine_url", "license", "per_query", "contact", "allow_private_hosts")


@click.command()
@recipe_options(CrawlRecipe, *CRAWL)
@recipe_options(QueriesRecipe, "language", "emotion", "no_minors")
@recipe_options(SourceRecipe)
@click.option(
    "--path",
    type=click.Path(path_type=Path, exists=True),
    help="Input of the engines urls (a table or a text file) and folder (one folder for each emotion).",
)
@recipe_options(ReviewRecipe, "reviewer", "port")
@recipe_options(SampleRecipe, "per_class")
@click.option(
    "--until",
    type=Choice(["crawl", "dedupe", "crop", "dedupe-faces", "review", "sample"]),
    default="sample",
    show_default=True,
    help="Last stage. Before review, no page is opened.",
)
@click.option("--plan", "plan_only", is_flag=True, help="Only print what would be done, with estimates.")
@click.option("--no-browser", is_flag=True, help="Print the address of the review page, and do not open it.")
@common_options
def build(
    directory: Path | None,
    as_json: bool,
    path: Path | None,
    until: Any,  # noqa: ANN401 - click checks the choice
    plan_only: bool,
    no_browser: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Build a set: crawl, dedupe, crop, review, sample.

    Runs every stage that needs no person, in order, and opens the review page. When called again, it goes on: with
    the sample when enough faces of each emotion are accepted, or with a crawl for what is missing. Each stage is also
    a command of its own. The crawl stops when enough faces are likely. With --json, the page is not opened.

    \b
    Examples:
      btfer build --contact you@university.edu
      btfer build --engine folder --path photos --per-class 20 --source-license by
      btfer build --plan
      btfer build --until crop
    """
    from btfer_builder.build import BuildSettings, plan_build
    from btfer_builder.build import build as run_build
    from btfer_builder.next_step import next_step

    workspace = open_workspace(directory)
    recipe = workspace.recipe
    settings = BuildSettings(
        crawl=apply_cli_options(recipe.crawl, options),
        queries=query_settings(workspace, options),
        source=apply_cli_options(recipe.source, options),
        sample=apply_cli_options(recipe.sample, {"per_class": options["per_class"]}),
        path=path,
        asked=frozenset(given_flags({"per_class": options["per_class"]})),
        engine_named=options["engine"] is not None,
        until=until,
    )
    planned = plan_build(workspace, settings)
    if plan_only:
        if as_json:
            emit_json({"plan": [stage.to_dict() for stage in planned]})
        else:
            _show_plan(workspace, planned)
        return
    if not as_json:
        _show_plan(workspace, planned)
    result = run_build(workspace, settings, None if as_json else _show_stage)
    if as_json:
        emit_json(result.to_dict())
        return
    assert result.next is not None  # noqa: S101 - a build ends with a next step
    if not (result.waits_for_review and settings.reaches("review")):
        show_next(workspace, result.next)
        return
    wanted = settings.sample.faces_per_class
    again = "btfer build" + (f" --per-class {wanted}" if options["per_class"] else "")
    echo(f"\n{result.next.sentence}. Label them on the page; then: {from_here(workspace.root, again)}")
    review = apply_cli_options(recipe.review, {name: options[name] for name in ("reviewer", "port")})
    text, stopped = serve_page(
        workspace, review, None, (), as_json=False, adjudicate="--adjudicate" in result.next.command,
        browser=not no_browser, wanted=wanted,
    )  # fmt: skip
    echo(text)
    step = next_step(workspace, wanted=wanted)
    show_next(workspace, replace(step, command=again) if step.stage == "sample" else step)
    if stopped is not None:
        sys.exit(128 + stopped)


def _show_plan(workspace: Workspace, planned: "list[PlannedStage]") -> None:
    if not planned:
        echo("nothing to build")
        return
    rows = [(stage.stage, stage.work, _time(stage.seconds)) for stage in planned]
    table(f"{workspace.root.name}: what is to be done", ["stage", "items", "about"], rows)
    echo("")


def _show_stage(count: "StageCount", seconds: float) -> None:
    dropped = ", ".join(f"{number} {reason}" for reason, number in count.dropped.items())
    kept = f"{count.stage}: {count.kept} of {counted(count.came_in, count.unit[:-1])} kept"
    echo(kept + (f" (dropped: {dropped})" if dropped else "") + f", {_time(seconds) or 'at once'}")


def _time(seconds: float | None) -> str:
    """Return a duration in its largest unit; empty if it is not known."""
    if seconds is None:
        return ""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}s"
    return counted(max(round(seconds), 1), "second")
