"""`btfer benchmark`: execute the missing runs of a grid, then write tables, figures and answers."""

import contextlib
import hashlib
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from btfer_builder.benchmark.grid import (
    GridPlan,
    PlannedRun,
    Precision,
    RunSetting,
    Shard,
    plan_runs,
    precision_key,
)
from btfer_builder.benchmark.leakage import find_leakage
from btfer_builder.benchmark.published import published_grid
from btfer_builder.benchmark.report import write_report
from btfer_builder.benchmark.results import Failure, Result, read_result, scoring_digest
from btfer_builder.benchmark.run import RunContext, cross_domain_faces, run_all
from btfer_builder.config import BenchmarkRecipe
from btfer_builder.datasets.splits import read_splits
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.json import read_json, write_json
from btfer_builder.io.limits import read_text
from btfer_builder.io.locks import lock_file
from btfer_builder.io.terminal import bar, echo_stderr, progress_shown
from btfer_builder.io.text import counted
from btfer_builder.parallel import Crashed, Runner

if TYPE_CHECKING:
    import pandas as pd


#: The measured precisions of a grid with `train.precision = "auto"`.
PRECISIONS = "precision.json"


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The outcome of the command.

    Attributes
    ----------
    results
        Results of the finished runs in the order of the grid, also of earlier calls.
    ran
        Number of runs that this call finished.
    failed
        Runs that failed, each with the error.
    missing
        Number of other runs without a result, or with one of another BTFER sample or other scoring settings.
    impossible
        Settings that cannot be run, each with the reason.
    out
        The folder.
    files
        The written files.
    """

    results: tuple[Result, ...]
    ran: int
    failed: tuple[Failure, ...]
    missing: int
    impossible: tuple[tuple[RunSetting, str], ...]
    out: Path
    files: tuple[Path, ...]

    def to_frame(self) -> "pd.DataFrame":
        """Return a row for each finished run: its setting, and accuracy and macro scores on its own split and BTFER."""
        import pandas as pd

        columns = ("run_id", "dataset", "size", "network", "pretraining", "balancing", "seed", "params")
        scores = ("n", "accuracy", "precision", "recall", "f1")
        rows = []
        for result in self.results:
            row = {name: getattr(result, name) for name in columns}
            for side, score in (("own", result.own), ("btfer", result.btfer)):
                row |= {f"{side}_{name}": getattr(score, name, None) for name in scores}
            rows.append(row)
        names = [*columns, *(f"{side}_{name}" for side in ("own", "btfer") for name in scores)]
        return pd.DataFrame(rows, columns=names)

    def _repr_html_(self) -> str:
        """Show the number of runs, the results and the failures in a notebook."""
        counts = f"{counted(len(self.results), 'run')} finished, {len(self.failed):,} failed, {self.missing:,} missing"
        shown = [
            "dataset",
            "size",
            "network",
            "pretraining",
            "balancing",
            "seed",
            "own_accuracy",
            "btfer_accuracy",
        ]
        table = self.to_frame()[shown].round(3).to_html(index=False, border=0)
        failures = "".join(f"<li>{escape(f'{item.run_id}: {item.error}')}</li>" for item in self.failed)
        heading = f"<p>Benchmark <code>{escape(str(self.out))}</code>: {counts}</p>"
        return heading + table + (f"<ul>{failures}</ul>" if failures else "")

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of `btfer benchmark --json`."""
        return {
            "runs": [msgspec.to_builtins(result) for result in self.results],
            "ran": self.ran,
            "failed": [msgspec.to_builtins(failure) for failure in self.failed],
            "missing": self.missing,
            "impossible": [{"setting": setting.words, "why": reason} for setting, reason in self.impossible],
            "path": str(self.out),
            "files": [str(path) for path in self.files],
        }


def plan_of(recipe: BenchmarkRecipe) -> GridPlan:
    """Read the datasets of a recipe and plan its runs.

    Raises
    ------
    BtferError
        If a dataset is missing or has no class folders, a file of weights is missing, or the grid is empty.
    """
    if not recipe.datasets:
        raise BtferError(
            'the benchmark has no datasets; add [datasets] with lines like raf-db = "sets/raf-db" '
            "(btfer dataset import writes such folders)"
        )
    digests = {name: _digest(Path(folder)) for name, folder in recipe.datasets.items()}
    plan = plan_runs(recipe, digests)
    if recipe.train.precision == "auto":
        plan = plan_runs(recipe, digests, _precisions(plan, Path(recipe.out)))
    if not plan.runs:
        reasons = "; ".join(dict.fromkeys(reason for _, reason in plan.impossible))
        raise BtferError(f"no setting of the grid can be run: {reasons}")
    weights = dict.fromkeys(run.train.weights for run in plan.runs if run.train.weights)
    if missing := [file for file in weights if not Path(file).is_file()]:
        raise BtferError(f"{missing[0]}: no such file; [weights] names it")
    return plan


def finished_runs(recipe: BenchmarkRecipe, plan: GridPlan, *, leave_out: bool = False) -> dict[str, Result]:
    """Return the results, by id, that have the scoring settings of the recipe and the current BTFER sample.

    Parameters
    ----------
    recipe, plan
        The grid.
    leave_out
        Whether a result that cannot be read is left out with a line instead of an error.

    Raises
    ------
    BtferError
        If the sample or a result cannot be read.
    """
    btfer_hash = hash_of(cross_domain_faces(Path(recipe.btfer))) if recipe.btfer else None
    scoring = scoring_digest(recipe.eval)
    results = {}
    for run in plan.runs:
        try:
            result = read_result(Path(recipe.out) / "runs" / run.run_id)
        except BtferError as error:
            if not leave_out:
                raise
            echo_stderr(f"left out: {error}")
            continue
        if result is None or result.scoring != scoring:
            continue
        if btfer_hash is None or (result.btfer is not None and result.btfer.set_hash == btfer_hash):
            results[run.run_id] = result
    return results


def run_benchmark(recipe: BenchmarkRecipe, shard: Shard | None = None) -> Benchmark:
    """Execute the missing runs of a grid and write tables, figures and answers of all results.

    Parameters
    ----------
    recipe
        The grid, with absolute paths. With `workers` 0 the runs are executed in this process.
    shard
        The part of the grid to execute; the result counts only its runs, and nothing is written beside them, since
        other shards may be at work.

    Raises
    ------
    BtferError
        If a set cannot be read, another process holds the folder, or `out` cannot be written.
    """
    plan, out = plan_of(recipe), Path(recipe.out)
    busy = f"another btfer benchmark is running in {out}; wait for it, it loses nothing"
    lock = ".benchmark.lock"
    if shard is not None:
        plan = replace(plan, runs=shard.part_of(plan.runs))
        lock = f".benchmark-{shard.number}-of-{shard.count}.lock"
    with lock_file(out / lock, busy):
        finished = finished_runs(recipe, plan)
        todo = [run for run in plan.runs if run.run_id not in finished]
        failures = _run(todo, recipe) if todo else {}
        return _finish(recipe, plan, failures, ran=len(todo) - len(failures), report=shard is None)


def report_benchmark(recipe: BenchmarkRecipe) -> Benchmark:
    """Write tables and figures of the finished runs of a grid; execute none.

    Raises
    ------
    BtferError
        If a set cannot be read, or `out` cannot be written.
    """
    plan, failures = plan_of(recipe), {}
    for run in plan.runs:
        with contextlib.suppress(OSError, UnicodeDecodeError):
            error = read_text(Path(recipe.out) / "runs" / run.run_id / "error.txt")
            failures[run.run_id] = Failure(run_id=run.run_id, error=error.strip())
    return _finish(recipe, plan, failures, ran=0)


def report_published(out: Path) -> list[Path]:
    """Write tables and figures of the results published by the authors; return the files."""
    return write_report(out, published_grid(), authors=True)


def _finish(
    recipe: BenchmarkRecipe, plan: GridPlan, failures: dict[str, Failure], *, ran: int, report: bool = True
) -> Benchmark:
    out = Path(recipe.out)
    finished = finished_runs(recipe, plan, leave_out=True)
    results = tuple(finished[run.run_id] for run in plan.runs if run.run_id in finished)
    failed = tuple(
        failures[run.run_id]
        for run in plan.runs
        if run.run_id in failures and run.run_id not in finished  # another process may have finished it since
    )
    missing = len(plan.runs) - len(results) - len(failed)
    files: list[Path] = []
    if report:
        files = write_report(
            out,
            results,
            failed,
            missing=missing,
            seed=recipe.eval.seed,
            resamples=recipe.eval.resamples,
            leakage=find_leakage(recipe),
            train=recipe.train,
        )
    return Benchmark(results, ran, failed, missing, plan.impossible, out, tuple(files))


def hash_of(faces: Sequence[Any]) -> str:
    """Return the hash of a set of faces, which every score on it records."""
    from btfer_builder.evaluate.signature import content_digests, set_digest

    return set_digest(faces, content_digests(faces, 2))


@contextlib.contextmanager
def _mark(out: Path) -> Iterator[Path]:
    """Write a file that exists until the command ends, also by Ctrl-C, so that runs on other machines notice."""
    path = out / f".running-{secrets.token_hex(8)}"
    write_bytes(path, b"")
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def _run(todo: list[PlannedRun], recipe: BenchmarkRecipe) -> dict[str, Failure]:
    with _mark(Path(recipe.out)) if recipe.scheduler else contextlib.nullcontext() as mark:
        return _execute(todo, recipe, mark)


def _execute(todo: list[PlannedRun], recipe: BenchmarkRecipe, mark: Path | None) -> dict[str, Failure]:
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


def _precisions(plan: GridPlan, out: Path) -> dict[str, Precision]:
    """Return the precision of each network of a grid, measured once and then read from `precision.json`.

    So the ids of runs stay what they are, also where the grid goes on elsewhere.

    Raises
    ------
    BtferError
        If the file cannot be read or written.
    """
    path = out / PRECISIONS
    try:
        known = msgspec.convert(read_json(path), dict[str, Precision])
    except FileNotFoundError:
        known = {}
    except (OSError, ValueError) as error:
        raise BtferError(f"{path}: cannot be read ({error}); remove it to measure again") from None
    missing = {
        precision_key(run.train): run.train for run in plan.runs if precision_key(run.train) not in known
    }
    if missing:
        from btfer_builder.training.precision import choose_precision

        known |= {name: choose_precision(train) for name, train in missing.items()}
        write_json(path, known)
    return known


def _digest(folder: Path) -> str:
    """Return the hash over a dataset's splits and pictures: other data is another run."""
    rows = [f"{split} {hash_of(faces)}" for split, faces in read_splits(folder).items()]
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
