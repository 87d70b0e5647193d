"""The command `btfer review`: the page, and the decisions of a spreadsheet."""

from pathlib import Path
from typing import Any

import click

from btfer_builder.options import common_options, recipe_options, with_flags
from btfer_builder.progress import emit_json, say
from btfer_builder.recipe import ReviewRecipe
from btfer_builder.records import Kind
from btfer_builder.workspace import open_workspace


@click.command()
@recipe_options(ReviewRecipe)
@click.option(
    "--round",
    "round_name",
    type=click.Choice(["images", "faces"]),
    help="Photos before they are cropped, or faces. [default: faces; both for --export]",
)
@click.option(
    "--export", "export_path", type=click.Path(path_type=Path, dir_okay=False), help="Write a CSV to fill in."
)
@click.option(
    "--import",
    "import_path",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="Read the decisions of a CSV.",
)
@common_options
def review(
    directory: Path | None,
    as_json: bool,
    round_name: str | None,
    export_path: Path | None,
    import_path: Path | None,
    **options: Any,  # noqa: ANN401
) -> None:
    """Clean the set by hand.

    A page where one key labels and advances, or a CSV for a spreadsheet.

    \b
    Examples:
      btfer review --reviewer ana
      btfer review --export faces.csv    then fill it in, and:    btfer review --import faces.csv
    """
    from btfer_builder.catalog.manifests import write_manifests
    from btfer_builder.catalog.review import count_decisions
    from btfer_builder.review.decisions import export_decisions, import_decisions, reviewer_name
    from btfer_builder.review.serve import serve

    if export_path and import_path:
        raise click.UsageError("--export and --import exclude each other")
    workspace = open_workspace(directory)
    recipe = with_flags(workspace.recipe.review, options)
    catalog, reviewer = workspace.catalog, reviewer_name(recipe)
    result: dict[str, object]
    if export_path:
        kinds: dict[str | None, list[Kind]] = {
            "images": ["image"],
            "faces": ["face"],
            None: ["image", "face"],
        }
        count = export_decisions(catalog, export_path, kinds=kinds[round_name], reviewer=reviewer)
        result = {"path": str(export_path), "items": count}
        text = (
            f"{count} items written to {export_path}: fill in verdict (accept, reject, skip), then import it"
        )
    elif import_path:
        done = import_decisions(catalog, import_path, reviewer=reviewer)
        result = {"added": done.added, "unchanged": done.unchanged, "empty": done.empty}
        text = (
            f"{done.added} decisions added, {done.unchanged} were there already, {done.empty} rows had none"
        )
    else:
        before = count_decisions(catalog)
        say("Stop with Ctrl-C. Every decision is saved as it is made.")
        serve(
            workspace,
            recipe,
            round_name="images" if round_name == "images" else "faces",
            on_ready=lambda url: emit_json({"url": url}) if as_json else click.echo(f"Review at {url}"),
        )
        text = f"{count_decisions(catalog) - before} decisions recorded"
    write_manifests(catalog, workspace.manifests, "decisions", "images", "faces")
    if not as_json:
        click.echo(text)
    elif export_path or import_path:
        emit_json(result)
