"""What `btfer doctor` looks at: this computer, the network, and a workspace."""

from collections.abc import Iterator
from pathlib import Path

from btfer_builder.config import CrawlRecipe
from btfer_builder.doctor.findings import Finding
from btfer_builder.doctor.machine import machine_findings
from btfer_builder.doctor.network import network_findings
from btfer_builder.doctor.workspace_health import settings_finding, words_finding, workspace_findings
from btfer_builder.workspace import Workspace


def examine(workspace: Workspace | None) -> Iterator[Finding]:
    """Yield what was found of this computer, the network and a workspace, one after the other.

    Parameters
    ----------
    workspace
        The workspace; None for only the computer and the network.
    """
    yield from machine_findings(workspace.root if workspace else Path.cwd())
    settings = settings_finding(workspace) if workspace else None
    valid = settings is not None and settings.state == "ok"
    yield from network_findings(workspace.recipe.crawl if workspace and valid else CrawlRecipe())
    if settings is not None:
        yield settings
    if workspace and valid:
        yield words_finding(workspace)
        yield from workspace_findings(workspace)
