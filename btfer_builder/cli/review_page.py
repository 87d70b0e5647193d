"""Serve the review page for a command until Ctrl-C."""

import os
import sys
import threading
import webbrowser
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder.cli.output import echo, emit_json
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.io.text import counted
from btfer_builder.workspace import Workspace

if TYPE_CHECKING:
    from btfer_builder.config import ReviewRecipe
    from btfer_builder.review.session import RoundName


def serve_page(
    workspace: Workspace,
    recipe: "ReviewRecipe",
    round_name: "RoundName | None",
    asked: Collection[str],
    *,
    as_json: bool,
    adjudicate: bool = False,
    model: Path | None = None,
    browser: bool = False,
    wanted: int = 0,
) -> tuple[str, int | None]:
    """Serve the page, and return what was done and the signal that ended it.

    Parameters
    ----------
    workspace, recipe, round_name
        The workspace, the settings, and the round shown first; None for faces.
    asked
        The settings that were given as options.
    as_json
        Print the address as JSON.
    adjudicate, model
        As the options of `btfer review`.
    browser
        Open the page in the browser of this computer, if somebody is at a terminal of it.
    wanted
        Faces of each emotion that the sample is to have; 0 for those of `btfer.toml`.
    """
    from btfer_builder.catalog.review import count_decisions
    from btfer_builder.review.assignment import check_assigned, follow_rule
    from btfer_builder.review.reviewers import reviewer_name, settle_names, warn_of_namesakes
    from btfer_builder.review.serve import LOOPBACK, serve
    from btfer_builder.review.stage import require_round, write_review_manifests

    catalog = workspace.catalog
    require_round(workspace, round_name)
    follow_rule(catalog, recipe, asked)
    recipe = settle_names(catalog, recipe)
    check_assigned(reviewer_name(recipe), recipe)
    warn_of_namesakes(catalog)
    predictions = None
    if model is not None:
        from btfer_builder.evaluate.model_predictions import ask_model

        predictions = ask_model(workspace, model)
    before = count_decisions(catalog)
    echo_stderr("Stop with Ctrl-C. Every decision is saved immediately.")
    if recipe.host not in LOOPBACK:
        echo(
            f"Warning: {recipe.host} can be reached from other computers without encryption: anyone on the network "
            "can see the faces and decide in your name. An SSH tunnel is safer.",
            err=True,
        )

    def ready(url: str) -> None:
        if as_json:
            emit_json({"url": url})
        else:
            echo(f"Review at {url}")
        if browser and _has_browser():
            # In a thread: a browser that does not go to the background would hold up the server.
            threading.Thread(target=webbrowser.open, args=(url,), daemon=True).start()

    stopped = serve(
        workspace,
        recipe,
        round_name=round_name or "faces",
        on_ready=ready,
        adjudicate=adjudicate,
        model=predictions,
        wanted=wanted,
    )
    write_review_manifests(workspace)
    return f"{counted(count_decisions(catalog) - before, 'decision')} recorded", stopped


def _has_browser() -> bool:
    """Whether somebody sits at a screen: over SSH, a browser of the terminal would hide the command."""
    screens = ("DISPLAY", "WAYLAND_DISPLAY", "BROWSER")
    return sys.stdout.isatty() and (
        sys.platform in ("darwin", "win32") or any(os.environ.get(name) for name in screens)
    )
