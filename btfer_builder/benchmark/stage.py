"""`btfer benchmark`: execute the missing runs of a grid, then write tables, figures and answers."""

import contextlib
import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from btfer_builder.benchmark.execute import execute
from btfer_builder.benchmark.grid import GridPlan, Precision, Shard, plan_runs, precision_key
from btfer_builder.benchmark.leakage import find_leakage
from btfer_builder.benchmark.outcome import Answers, Benchmark
from btfer_builder.benchmark.published import published_grid
from btfer_builder.benchmark.questions import PairedComparison, answer_questions
from btfer_builder.benchmark.questions_markdown import questions_markdown
from btfer_builder.benchmark.report import write_report
from btfer_builder.benchmark.results import Failure, Result, read_result, scoring_digest
from btfer_builder.benchmark.run import cross_domain_faces
from btfer_builder.config import BenchmarkRecipe
from btfer_builder.datasets.splits import read_splits
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.json import read_json, write_json
from btfer_builder.io.limits import read_text
from btfer_builder.io.locks import lock_file
from btfer_builder.io.terminal import echo_stderr

#: The measured precisions of a grid with `train.precision = "auto"`.
PRECISIONS = "precision.json"


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
        failures = execute(todo, recipe) if todo else {}
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


def answer_benchmark(recipe: BenchmarkRecipe) -> Answers:
    """Answer the research questions from the finished runs of a grid and write `questions.md`.

    Raises
    ------
    BtferError
        If no run is finished, or `out` cannot be written.
    """
    results = list(finished_runs(recipe, plan_of(recipe), leave_out=True).values())
    if not results:
        raise BtferError(f"{recipe.out}: no run is finished yet; run the grid first: btfer benchmark")
    comparisons = answer_questions(
        results, Path(recipe.out), resamples=recipe.eval.resamples, seed=recipe.eval.seed
    )
    return _write_answers(comparisons, Path(recipe.out))


def answer_published(out: Path) -> Answers:
    """Answer the research questions from the results published by the authors and write `questions.md`."""
    return _write_answers(answer_questions(published_grid()), out)


def report_published(out: Path) -> list[Path]:
    """Write tables and figures of the results published by the authors; return the files."""
    return write_report(out, published_grid(), authors=True)


def _write_answers(comparisons: Sequence[PairedComparison], out: Path) -> Answers:
    path = out / "questions.md"
    write_bytes(path, f"# Questions\n\n{questions_markdown(comparisons)}".encode())
    return Answers(tuple(comparisons), path)


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
