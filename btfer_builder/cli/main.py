"""The command `btfer`: the group of all commands, in the order in which they are used."""

import click

from btfer_builder import __version__
from btfer_builder.cli.benchmark import benchmark
from btfer_builder.cli.catalog import catalog
from btfer_builder.cli.datasets import dataset
from btfer_builder.cli.evaluate import compare, convert, evaluate
from btfer_builder.cli.leakage import hashes, leakage
from btfer_builder.cli.release import diff, rebuild, recheck, release, scan_release, takedown
from btfer_builder.cli.review import agreement, review
from btfer_builder.cli.stages import crawl, crop, dedupe, init, queries, sample, status
from btfer_builder.cli.train import networks, train


class _Commands(click.Group):
    """Lists the commands in the order in which they were added."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(self.commands)


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="btfer")
def main() -> None:
    """Build a balanced facial-expression test set from image searches, and score models on it.

    The commands in their order:

    \b
      btfer init faces && cd faces
      btfer crawl  →  btfer dedupe  →  btfer crop  →  btfer review  →  btfer sample  →  btfer eval model.keras

    Every command can be interrupted and continues when it is run again. `btfer status` shows the funnel.
    """


for command in (
    init, queries, crawl, dedupe, crop, review, agreement, hashes, leakage, sample, release, scan_release, rebuild,
    takedown, recheck, diff, evaluate, compare, convert, dataset, networks, train, benchmark, status,
    catalog,
):  # fmt: skip
    main.add_command(command)
