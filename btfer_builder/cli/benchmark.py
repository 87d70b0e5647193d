"""The command about the grid of the paper: benchmark."""

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from btfer_builder.cli.options import apply_cli_options, common_options, recipe_options
from btfer_builder.cli.output import echo, emit_json, table
from btfer_builder.config import BenchmarkRecipe
from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.io.text import counted
from btfer_builder.workspace import RECIPE_NAME, open_workspace

if TYPE_CHECKING:
    from btfer_builder.benchmark.grid import Shard
    from btfer_builder.benchmark.outcome import Answers

EXAMPLE = """\
# A grid of runs: btfer benchmark benchmark.toml. Paths are relative to this file.
networks = ["resnet18", "vgg16", "sequential-4-conv"]   # btfer networks lists them
sizes = [48, 224]
pretrainings = ["scratch", "imagenet", "vggface"]       # combinations without weights are left out
balancings = ["simple", "conservative"]
seeds = [0]
btfer = "sample"          # class folders or a workspace, for the cross-domain accuracy
out = "benchmark"

[datasets]                # folders with train, val and test, as btfer dataset import writes them
raf-db = "sets/raf-db"
fer2013 = "sets/fer2013"

[weights]                 # only for weights that cannot be downloaded
# vgg16-vggface = "rcmalli_vggface_tf_notop_vgg16.h5"

[train]                   # any setting of btfer train
# batch_size = 32
"""


@click.command()
@click.argument(
    "file", type=click.Path(path_type=Path, dir_okay=False), default=Path("benchmark.toml"), required=False
)
@click.option("--plan", is_flag=True, help="Only list the runs and their state.")
@click.option(
    "--shard",
    metavar="K/N",
    callback=lambda _context, _option, value: value and _shard(value),
    help="Only execute part K of N of the runs, on one of N machines; write no tables.",
)
@click.option("--report", is_flag=True, help="Only write tables and figures of the finished runs.")
@click.option("--questions", is_flag=True, help="Only answer the research questions (RQ1 to RQ3).")
@click.option("--published", is_flag=True, help="Use the results published by the authors instead of runs.")
@click.option("--example", is_flag=True, help="Print an example of benchmark.toml.")
@recipe_options(BenchmarkRecipe, "btfer", "out", "workers", "scheduler")
@common_options
def benchmark(
    directory: Path | None,
    as_json: bool,
    file: Path,
    plan: bool,
    shard: "Shard | None",
    report: bool,
    questions: bool,
    published: bool,
    example: bool,
    **options: Any,  # noqa: ANN401
) -> None:
    """Run the benchmark of the paper.

    FILE (benchmark.toml) lists networks, sizes, pretrainings, balancings and datasets. Runs the missing combinations,
    then writes Tables 2 to 6, Figures 14 to 28 and the answers to RQ1 to RQ3.

    \b
    Examples:
      btfer benchmark --example > benchmark.toml
      btfer benchmark benchmark.toml --plan
      btfer benchmark benchmark.toml --scheduler tcp://10.0.0.1:8786
      btfer benchmark benchmark.toml --shard 3/8
      btfer benchmark --questions
      btfer benchmark --published --out authors
    """
    if example:
        click.echo(EXAMPLE, nl=False)
        return
    if plan + report + questions > 1 or (published and (plan or report)):
        raise click.UsageError(
            "--plan, --report and --questions exclude each other, and --published goes with --questions only"
        )
    if shard and (report or questions or published):
        raise click.UsageError(
            "--shard executes runs or, with --plan, lists them; --report takes all finished ones"
        )
    if published:
        _published(Path(options["out"] or "authors"), questions=questions, as_json=as_json)
        return
    from btfer_builder.benchmark.grid import load_benchmark

    options = {name: _absolute(name, value) for name, value in options.items()}
    recipe = apply_cli_options(load_benchmark(file), options)
    if not recipe.btfer:
        recipe = apply_cli_options(recipe, {"btfer": _sample_here(directory)})
    if plan:
        _show_plan(recipe, shard, as_json=as_json)
    elif questions:
        _show_questions(recipe, as_json=as_json)
    else:
        _run(recipe, file, shard, report=report, as_json=as_json)


def _shard(text: str) -> "Shard":
    from btfer_builder.benchmark.grid import parse_shard

    try:
        return parse_shard(text)
    except BtferError as error:
        raise click.UsageError(f"--{error}") from None


def _absolute(name: str, value: Any) -> Any:  # noqa: ANN401
    """Return paths of the command line as absolute; those in the file are relative to it."""
    return str(Path(value).absolute()) if value and name in {"btfer", "out"} else value


def _sample_here(directory: Path | None) -> str:
    """Return the workspace, if there is one with a sample."""
    from btfer_builder.datasets.labelled_faces import faces_in_sample
    from btfer_builder.sample.stale import warn_if_stale

    if directory is None and not Path(RECIPE_NAME).is_file():
        return ""
    workspace = open_workspace(directory)
    try:
        warn_if_stale(workspace.catalog)
        faces_in_sample(workspace)
    except BtferError:
        return ""
    return str(workspace.root)


def _run(recipe: BenchmarkRecipe, file: Path, shard: "Shard | None", *, report: bool, as_json: bool) -> None:
    from btfer_builder.benchmark.stage import report_benchmark, run_benchmark

    command = shlex.join(["btfer", "benchmark", str(file)])
    again = f"{command} --shard {shard}" if shard else command
    try:
        done = report_benchmark(recipe) if report else run_benchmark(recipe, shard)
    except KeyboardInterrupt:
        if not report:
            echo_stderr(f"interrupted: finished runs and finished epochs are kept; to go on: {again}")
        raise
    if as_json:
        emit_json(done.to_dict())
    else:
        rows = [
            (
                result.dataset,
                result.size,
                f"{result.network} – {result.pretraining}",
                result.balancing,
                result.seed,
                result.own.accuracy,
                result.btfer.accuracy if result.btfer else "",
            )
            for result in done.results
        ]
        heads = ["dataset", "pixels", "network – pretraining", "balancing", "seed", "accuracy", "BTFER"]
        table(done.out.name, heads, rows)
        part = f"shard {shard}: " if shard else ""
        echo(
            f"{part}{counted(len(done.results), 'run')} finished, {done.ran} of them now; {len(done.failed)} failed"
        )
        if done.missing:
            echo(f"{counted(done.missing, 'run')} missing or scored with other settings; run: {again}")
        for reason in dict.fromkeys(reason for _, reason in done.impossible):
            echo(f"left out: {reason}")
        if not recipe.btfer:
            echo("no cross-domain accuracy: give a folder of class folders with --btfer")
        echo(f"when all shards are done: {command} --report" if shard else f"{done.out / 'README.md'}")
    if done.failed and not report:
        first = done.failed[0]
        raise BtferError(
            f"{counted(len(done.failed), 'run')} failed; the first, {first.run_id}: {first.error}. Run the same "
            "command again to retry them"
        )


def _show_plan(recipe: BenchmarkRecipe, shard: "Shard | None", *, as_json: bool) -> None:
    from btfer_builder.benchmark.leakage import find_leakage
    from btfer_builder.benchmark.stage import finished_runs, plan_of

    planned = plan_of(recipe)
    if shard:
        planned = replace(planned, runs=shard.part_of(planned.runs))
    missing = {run.run_id for run in planned.runs} - finished_runs(recipe, planned).keys()
    leakage = find_leakage(recipe)
    if as_json:
        runs = [{"run_id": run.run_id, "finished": run.run_id not in missing} for run in planned.runs]
        impossible = [{"setting": setting.words, "why": reason} for setting, reason in planned.impossible]
        emit_json({"runs": runs, "impossible": impossible, "leakage": [found.to_dict() for found in leakage]})
        return
    rows = [(run.run_id, "missing" if run.run_id in missing else "finished") for run in planned.runs]
    table(f"{counted(len(planned.runs), 'run')}, {len(missing)} missing", ["run", ""], rows)
    for reason in dict.fromkeys(reason for _, reason in planned.impossible):
        echo(f"left out: {reason}")
    for found in leakage:
        echo(f"leakage: {found.sentence}")


def _show_questions(recipe: BenchmarkRecipe, *, as_json: bool) -> None:
    from btfer_builder.benchmark.stage import answer_benchmark

    _show_answers(answer_benchmark(recipe), as_json=as_json)


def _published(out: Path, *, questions: bool, as_json: bool) -> None:
    from btfer_builder.benchmark.stage import answer_published, report_published

    if questions:
        _show_answers(answer_published(out), as_json=as_json)
        return
    files = report_published(out)
    if as_json:
        emit_json({"path": str(out), "files": [str(path) for path in files]})
    else:
        echo(f"results of the authors: {counted(len(files), 'file')}, {out / 'README.md'}")


def _show_answers(answers: "Answers", *, as_json: bool) -> None:
    from btfer_builder.benchmark.questions import QUESTIONS

    if as_json:
        emit_json(answers.to_dict())
        return
    for name, text in QUESTIONS.items():
        echo(f"\n{name}. {text}")
        own = [item for item in answers.comparisons if item.question == name]
        for item in own:
            echo(f"  {item.within}, accuracy on {item.measure}: {item.answer}")
        if not own:
            echo("  the grid has no two settings that differ only in this")
    echo(f"\n{answers.path}")
