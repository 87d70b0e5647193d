"""Print the next step of a workspace, with a command that works where the user is."""

import os
import re
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder.cli.main import COMMANDS
from btfer_builder.cli.output import echo
from btfer_builder.io.terminal import messages_shown
from btfer_builder.workspace import Workspace, absolute

if TYPE_CHECKING:
    from btfer_builder.next_step import NextStep

#: The beginning of a command in a text; "another btfer crop is running" is none, and init makes a workspace.
_COMMAND = re.compile(rf"(?<!another )(?<!next )\bbtfer (?=({'|'.join(set(COMMANDS) - {'init'})})\b)")


def show_next(workspace: Workspace, step: "NextStep | None" = None) -> None:
    """Print the next step; it is computed if it is not given."""
    from btfer_builder.next_step import next_step

    if not messages_shown():
        return
    step = step or next_step(workspace)
    echo(f"\nNext: {step.sentence}:\n  {from_here(workspace.root, step.command)}")


def from_here(root: Path, text: str) -> str:
    """Return a text whose commands have `-w DIR` if the workspace is not the one that is found without it."""
    if absolute(Path(os.environ.get("BTFER_WORKSPACE") or ".")) == root:
        return text
    named = f"btfer -w {shlex.quote(min(os.path.relpath(root), str(root), key=len))} "
    return _COMMAND.sub(lambda _: named, text)
