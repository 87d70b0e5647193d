"""The commands about reviewers: review, agreement."""

import sys
from pathlib import Path
from typing import Any

import click

from btfer_builder.cli.mistakes import Choice
from btfer_builder.cli.next_line import show_next
from btfer_builder.cli.options import (
    apply_cli_options,
    common_options,
    given_flags,
    recipe_options,
    renamed_option,
)
from btfer_builder.cli.output import echo, emit_json
from btfer_builder.cli.review_page import serve_page
from btfer_builder.config import AgreementRecipe, ReviewRecipe
from btfer_builder.io.text import counted
from btfer_builder.workspace import open_workspace


@click.command()
@recipe_options(ReviewRecipe)
@click.option(
    "--round",
    "round_name",
    type=Choice(["images", "faces"]),
    help="Review photos (before cropping) or faces. [default: faces]",
)
@click.option(
    "--export",
    "export_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a CSV file to fill in, with a contact sheet beside it (HTML).",
)
@click.option(
    "--import",
    "import_path",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Read decisions from a CSV file.",
)
@click.option(
    "--adjudicate",
    is_flag=True,
    help="Show the items on which reviewers disagree, with their votes, and decide them.",
)
@renamed_option(
    "--model",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Model whose predictions order the faces: those that contradict the label come first.",
)
@click.option("--no-browser", is_flag=True, help="Print the address of the page, and do not open it.")
@common_options
def review(
    directory: Path | None,
    as_json: bool,
    round_name: Any,  # noqa: ANN401 - click checks the choice
    export_path: Path | None,
    import_path: Path | None,
    adjudicate: bool,
    model: Path | None,
    no_browser: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Review images and faces.

    Serves a page on which one key labels an item and moves on, and opens it in the browser; or exports a CSV file for a
    spreadsheet.

    \b
    Examples:
      btfer review --reviewer ana
      btfer review --reviewer ana --reviewers ana,bo,cy --blind
      btfer review --reviewer ana --adjudicate
      btfer review --export faces.csv
      btfer review --import faces.csv
    """
    from btfer_builder.next_step import next_step
    from btfer_builder.review.contact_sheet import page_name
    from btfer_builder.review.stage import export_round, import_file
    from btfer_builder.sample.stale import warn_if_stale

    if export_path and import_path:
        raise click.UsageError("--export and --import cannot be used together")
    workspace = open_workspace(directory)
    recipe = apply_cli_options(workspace.recipe.review, options)
    if recipe.blind and (adjudicate or model):
        raise click.UsageError(
            "--blind cannot be used with --adjudicate or --model, which show what it hides"
        )
    asked = given_flags(options)
    result: dict[str, object]
    stopped = None
    if export_path:
        count = export_round(workspace, export_path, recipe, round_name=round_name, asked=asked)
        result = {"path": str(export_path), "items": count}
        result["contact_sheet"] = str(export_path.with_name(page_name(export_path, 0)))
        text = (
            f"wrote {counted(count, 'item')} to {result['path']} and their pictures to {result['contact_sheet']}; fill "
            "in verdict (accept, reject, skip), then import the file"
        )
    elif import_path:
        done = import_file(workspace, import_path, recipe, asked=asked)
        result = {"added": done.added, "unchanged": done.unchanged, "empty": done.empty}
        empty = f"{counted(done.empty, 'row')} without a decision"
        text = f"{counted(done.added, 'decision')} added, {done.unchanged} unchanged, {empty}"
    else:
        text, stopped = serve_page(
            workspace, recipe, round_name, asked, as_json=as_json, adjudicate=adjudicate, model=model,
            browser=not (no_browser or as_json),
        )  # fmt: skip
    warn_if_stale(workspace.catalog)
    if not as_json:
        echo(text)
        show_next(workspace)
    elif export_path or import_path:
        emit_json(result | {"next": next_step(workspace).to_dict()})
    if stopped is not None:
        sys.exit(128 + stopped)  # the exit code says which signal it was


@click.command()
@recipe_options(AgreementRecipe)
@recipe_options(ReviewRecipe, "reviewers", "min_votes", "agreement")
@click.option(
    "--round",
    "round_name",
    type=Choice(["images", "faces"]),
    default="faces",
    show_default=True,
    help="Decisions on photos (before cropping) or on faces.",
)
@common_options
def agreement(directory: Path | None, as_json: bool, round_name: Any, **options: Any) -> None:  # noqa: ANN401
    """Measure the agreement between reviewers.

    Cohen's and Fleiss' kappa with intervals, overall and for each class; each reviewer against the consensus; and the
    confusion matrix of labels. The consensus rule given here or in btfer.toml applies from now on.

    \b
    Examples:
      btfer agreement --min-votes 2 --agreement 0.6
      btfer agreement --reviewers ana,bo --round images --json
    """
    from btfer_builder.cli.agreement_tables import show_agreement
    from btfer_builder.next_step import next_step
    from btfer_builder.review.stage import measure_agreement
    from btfer_builder.sample.stale import warn_if_stale

    workspace = open_workspace(directory)
    recipe = apply_cli_options(workspace.recipe.review, options)
    result = measure_agreement(
        workspace,
        round_name,
        apply_cli_options(workspace.recipe.agreement, options),
        recipe,
        asked=given_flags(options),
    )
    warn_if_stale(workspace.catalog)
    if as_json:
        emit_json(result.to_dict() | {"next": next_step(workspace).to_dict()})
    else:
        show_agreement(result)
        show_next(workspace)
