"""The command doctor."""

import shutil
import sys
import textwrap
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from btfer_builder.cli.next_line import from_here
from btfer_builder.cli.options import common_options
from btfer_builder.cli.output import echo, emit_json
from btfer_builder.errors import BtferError
from btfer_builder.io.text import counted
from btfer_builder.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    from btfer_builder.doctor.findings import Finding

#: Columns of a state, and of a subject.
_STATE, _SUBJECT = 9, 18


@click.command()
@common_options
def doctor(directory: Path | None, as_json: bool) -> None:
    """Check the installation and the workspace.

    Looks at Python, packages, processor, memory, graphics cards as each library sees them, free disk, the search
    engines of the settings and, in a workspace, at settings, catalog, files, sample and backups, and says what to do.
    The exit code is 1 if there is a problem.

    \b
    Examples:
      btfer doctor
      btfer -w faces doctor --json
    """
    from btfer_builder.doctor import examine

    workspace = find_workspace(directory)
    findings: list[Finding] = []
    for finding in examine(workspace):
        findings.append(finding)
        if not as_json:
            _show(finding, workspace)
    states = Counter(finding.state for finding in findings)
    if as_json:
        emit_json({"problems": states["problem"], "findings": [finding.to_dict() for finding in findings]})
    else:
        echo(f"\n{counted(states['problem'], 'problem')}, {counted(states['note'], 'note')}")
    if problems := [finding for finding in findings if finding.state == "problem"]:
        first = problems[0]
        others = ", ".join(dict.fromkeys(finding.subject for finding in problems[1:]))
        raise BtferError(
            f"{first.subject}: {first.found}"
            + (f"; {first.advice}" if first.advice else "")
            + (f". Problems, too: {others}" if others else "")
        )


def _show(finding: "Finding", workspace: Workspace | None) -> None:
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else 120
    advice = from_here(workspace.root, finding.advice) if workspace else finding.advice
    for start, text in (
        (f"{finding.state:<{_STATE}}{finding.subject:<{_SUBJECT}}", finding.found),
        ("", advice),
    ):
        if text:
            indent = " " * (_STATE + _SUBJECT)
            arrow = "" if start else "→ "
            echo(
                textwrap.fill(
                    arrow + text, width, initial_indent=start or indent, subsequent_indent=indent + " " * len(arrow),
                    break_long_words=False, break_on_hyphens=False,
                )
            )  # fmt: skip
