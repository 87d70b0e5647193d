"""Execute runs of a grid in this process, in others or on a cluster."""

import contextlib
import secrets
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from btfer_builder.benchmark.grid import PlannedRun
from btfer_builder.benchmark.results import Failure, Result
from btfer_builder.benchmark.run import RunContext, run_all
from btfer_builder.config import BenchmarkRecipe
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.terminal import bar, echo_stderr, progress_shown
from btfer_builder.parallel import Crashed, Runner


@contextlib.contextmanager
def _mark(out: Path) -> Iterator[Path]:
    """Write a file that exists until the command ends, also by Ctrl-C, so that runs on other machines notice."""
    path = out / f".running-{secrets.token_hex(8)}"
    write_bytes(path, b"")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def execute(todo: list[PlannedRun], recipe: BenchmarkRecipe) -> dict[str, Failure]:
    """Execute runs and write what each leaves; return the failures by run id."""
    with _mark(Path(recipe.out)) if recipe.scheduler else contextlib.nullcontext() as mark:
        return _map_runs(todo, recipe, mark)


def _map_runs(todo: list[PlannedRun], recipe: BenchmarkRecipe, mark: Path | None) -> dict[str, Failure]:
    out = Path(recipe.out)
    several = bool(recipe.scheduler) or recipe.workers > 1
    shared = RunContext(
        out=out,
        btfer=recipe.btfer,
        evaluation=recipe.eval,
        one_gpu=several,
        verbose=not several and progress_shown(),
        mark=mark,
    )
    runner: Runner[PlannedRun, Result | Failure] = Runner(recipe.workers, 1, recipe.scheduler, out)
    failures: dict[str, Failure] = {}
    with bar(len(todo), "runs", "runs") as progress:
        for shard in runner.map(partial(run_all, shared=shared), todo):
            for run, outcome in shard:
                if isinstance(outcome, Crashed):
                    outcome = Failure(  # noqa: PLW2901 - a crash is a failure
                        run_id=run.run_id, error="its process was killed twice, probably out of memory"
                    )
                if isinstance(outcome, Failure):
                    failures[run.run_id] = outcome
                    echo_stderr(f"{run.setting.words} failed: {outcome.error}")
            progress.update(len(shard))
    return failures
