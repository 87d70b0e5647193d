"""The command `btfer`: the group of all commands, in the order in which they are used."""

import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from btfer_builder import __version__

#: Each command: its module, its function there, and the first sentence of its help.
COMMANDS = {
    "init": ("stages", "init", "Create a workspace in DIRECTORY."),
    "build": ("build", "build", "Build a set: crawl, dedupe, crop, review, sample."),
    "queries": ("stages", "queries", "List the search phrases."),
    "crawl": ("stages", "crawl", "Search for images and download them."),
    "dedupe": ("stages", "dedupe", "Drop duplicate images."),
    "crop": ("stages", "crop", "Detect and crop faces."),
    "review": ("review", "review", "Review images and faces."),
    "agreement": ("review", "agreement", "Measure the agreement between reviewers."),
    "hashes": ("leakage", "hashes", "Hash the images of another data set."),
    "leakage": ("leakage", "leakage", "Find faces that are also in a training set."),
    "sample": ("stages", "sample", "Draw the balanced sample."),
    "release": ("release", "release", "Write the sample as a data set to publish."),
    "scan-release": ("release", "scan_release", "Audit a release for leaked metadata."),
    "rebuild": ("release", "rebuild", "Download the images of a release without images."),
    "takedown": ("release", "takedown", "Remove an image permanently."),
    "purge": ("release", "purge", "Delete files that are no longer needed."),
    "recheck": ("release", "recheck", "Check the sources of a release."),
    "diff": ("release", "diff", "Compare two releases."),
    "eval": ("evaluate", "evaluate", "Score trained models on the sample."),
    "compare": ("evaluate", "compare", "Rank models by their reports."),
    "recommend": ("recommend", "recommend", "Choose among scored models within limits."),
    "convert": ("evaluate", "convert", "Convert a model to TensorFlow Lite or ONNX."),
    "dataset": ("datasets", "dataset", "Import, audit and tabulate labelled data sets."),
    "networks": ("train", "networks", "List the available networks."),
    "train": ("train", "train", "Train a network on labelled faces."),
    "benchmark": ("benchmark", "benchmark", "Run the benchmark of the paper."),
    "status": ("status", "status", "Show the funnel."),
    "doctor": ("doctor", "doctor", "Check the installation and the workspace."),
    "catalog": ("catalog", "catalog", "Check, back up and restore the catalog."),
}


#: Exit code after Ctrl-C, as shells report it.
INTERRUPTED = 130


class _Commands(click.Group):
    """Imports a command when it is called; the list of commands imports none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def main(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as click's
        """Run a command and exit: with 130 after Ctrl-C, and without control characters in messages."""
        if not options.pop("standalone_mode", True):
            return super().main(*args, **options, standalone_mode=False)  # type: ignore[call-overload]
        try:
            code = super().main(*args, **options, standalone_mode=False)  # type: ignore[call-overload]
        except click.ClickException as error:
            from btfer_builder.cli.mistakes import explained
            from btfer_builder.io.text import for_terminal

            text, context = for_terminal(explained(error)), getattr(error, "ctx", None)
            usage = isinstance(error, click.UsageError)
            (click.UsageError(text, context) if usage else click.ClickException(text)).show()
            code = error.exit_code
        except click.Abort as end:
            click.echo("Aborted!", err=True)
            code = INTERRUPTED if isinstance(end.__cause__, KeyboardInterrupt) else 1
        sys.exit(code)  # the code of `--help`; None after a command

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module, function, _ = COMMANDS[cmd_name]
        command: click.Command = getattr(import_module(f"btfer_builder.cli.{module}"), function)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, summary) for name, (_, _, summary) in COMMANDS.items()])


def shared_options(command: Any) -> Any:  # noqa: ANN401 - a group or a function
    """Add the options that are given before a command or after it: `-w`, `-q`, `-v`."""
    for option in (
        click.option(
            "-v", "--verbose", is_flag=True, help="Show versions, the log's place, and tracebacks, too."
        ),
        click.option("-q", "--quiet", is_flag=True, help="Show only results and errors."),
        click.option(
            "-w",
            "--workspace",
            "directory",
            metavar="DIR",
            type=click.Path(path_type=Path, file_okay=False),
            help="Workspace. [default: BTFER_WORKSPACE, else the current folder]",
        ),
    ):
        command = option(command)
    return command


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@shared_options
@click.version_option(__version__, prog_name="btfer")
def main(**_: object) -> None:
    """Build a balanced facial-expression test set from image searches, and score models on it.

    The commands in their order:

    \b
      btfer init faces && cd faces
      btfer crawl  →  btfer dedupe  →  btfer crop  →  btfer review
      →  btfer sample  →  btfer eval model.keras

    `btfer build` runs all of them up to the review. Every command can be interrupted and continues when it is run
    again. `btfer status` shows the funnel and the next step.
    """
