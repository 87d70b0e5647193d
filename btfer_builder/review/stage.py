"""What `btfer review` and `btfer agreement` do: export, import, measure, and the page's checks."""

from collections.abc import Collection
from pathlib import Path

from btfer_builder.catalog.funnel import funnel
from btfer_builder.catalog.manifests import write_manifests
from btfer_builder.config import AgreementRecipe, ReviewRecipe
from btfer_builder.errors import BtferError
from btfer_builder.next_step import require_items
from btfer_builder.records import Kind
from btfer_builder.review.agreement import Agreement, measure
from btfer_builder.review.assignment import check_assigned, follow_rule
from btfer_builder.review.decisions import (
    ImportResult,
    Table,
    decision_rows,
    export_decisions,
    import_decisions,
)
from btfer_builder.review.reviewers import (
    reviewer_name,
    settle_names,
    settle_reviewers,
    warn_of_namesakes,
)
from btfer_builder.review.session import KINDS, RoundName
from btfer_builder.workspace import Workspace


def export_round(
    workspace: Workspace,
    path: Path,
    recipe: ReviewRecipe,
    *,
    round_name: RoundName | None = None,
    asked: Collection[str] = (),
) -> int:
    """Write the reviewer's items to a CSV file to fill in, with a contact sheet beside it; return their number.

    Parameters
    ----------
    workspace, path, recipe
        The workspace, the file, and the settings of the review.
    round_name
        Photos or faces; None for faces.
    asked
        The settings that are given explicitly; see `follow_rule`.

    Raises
    ------
    BtferError
        If there is nothing to review, the file cannot be written, or the rule of consensus would change verdicts
        unasked.
    """
    require_round(workspace, round_name)
    follow_rule(workspace.catalog, recipe, asked)
    recipe = settle_names(workspace.catalog, recipe)
    count = export_decisions(
        workspace.catalog,
        path,
        kinds=_kinds(round_name),
        reviewer=reviewer_name(recipe),
        recipe=recipe,
        files=workspace.files,
    )
    write_review_manifests(workspace)
    return count


def require_round(workspace: Workspace, round_name: RoundName | None) -> None:
    """Refuse a round that has no items because of an earlier stage; see `require_items`."""
    if round_name == "images":
        require_items(workspace, "review-images", "review")
    else:
        photos = "; photos are reviewed with btfer review --round images"
        (deduped,) = funnel(workspace.catalog, ["dedupe"])
        require_items(workspace, "dedupe-faces", "review", photos if deduped.kept else "")


def round_rows(
    workspace: Workspace, recipe: ReviewRecipe, round_name: RoundName | None = None
) -> list[dict[str, object]]:
    """Return the rows that `export_round` writes."""
    recipe = settle_names(workspace.catalog, recipe)
    return list(decision_rows(workspace.catalog, _kinds(round_name), reviewer_name(recipe), recipe))


def _kinds(round_name: RoundName | None) -> list[Kind]:
    return [KINDS[round_name or "faces"]]


def import_file(
    workspace: Workspace,
    path: Path,
    recipe: ReviewRecipe,
    *,
    table: Table | None = None,
    asked: Collection[str] = (),
) -> ImportResult:
    """Append the decisions of a CSV file; see `import_decisions` and `follow_rule`."""
    follow_rule(workspace.catalog, recipe, asked)
    result = import_decisions(
        workspace.catalog, path, reviewer=reviewer_name(recipe), blind=recipe.blind, table=table
    )
    write_review_manifests(workspace)
    return result


def measure_agreement(
    workspace: Workspace,
    round_name: RoundName,
    recipe: AgreementRecipe,
    review: ReviewRecipe,
    *,
    asked: Collection[str] = (),
) -> Agreement:
    """Apply the rule of consensus and measure the agreement of the reviewers; see `measure` and `follow_rule`."""
    follow_rule(workspace.catalog, review, asked)
    warn_of_namesakes(workspace.catalog)
    review = settle_reviewers(workspace.catalog, review)
    result = measure(workspace.catalog, KINDS[round_name], recipe, review)
    write_manifests(workspace.catalog, workspace.manifests, "images", "faces")
    return result


def check_page(workspace: Workspace, recipe: ReviewRecipe, *, reveals: bool) -> None:
    """Check the settings of the page before it is served.

    Parameters
    ----------
    workspace, recipe
        The workspace and the settings.
    reveals
        Whether votes or predictions are shown, which a blind review hides.

    Raises
    ------
    BtferError
        If the review is blind but reveals, or no items are assigned to the reviewer.
    """
    if recipe.blind and reveals:
        raise BtferError("--blind cannot be used with --adjudicate or --model, which show what it hides")
    recipe = settle_names(workspace.catalog, recipe)
    check_assigned(reviewer_name(recipe), recipe)
    warn_of_namesakes(workspace.catalog)


def write_review_manifests(workspace: Workspace) -> None:
    """Write the CSV views that show decisions."""
    write_manifests(workspace.catalog, workspace.manifests, "decisions", "images", "faces")
