"""The benchmark of the paper: a grid of runs, its results and its questions."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btfer_builder.api.keywords import guarded, path_of, takes
from btfer_builder.config import BenchmarkRecipe, with_keywords

if TYPE_CHECKING:
    from os import PathLike

    import pandas as pd

    from btfer_builder.benchmark.outcome import Answers, Benchmark

    File = str | PathLike[str] | None


@takes(BenchmarkRecipe)
def benchmark(file: "File" = None, *, shard: str = "", **settings: Any) -> "Benchmark":  # noqa: ANN401
    """Run the missing runs of a grid, then write Tables 2 to 6, Figures 14 to 28 and the answers to RQ1 to RQ3.

    Parameters
    ----------
    file
        A `benchmark.toml`; paths in it are relative to its folder, those in keyword arguments to the current folder.
        Without it, the grid is given by keyword arguments alone. A `Workspace` given as `btfer` stands for its sample;
        without `btfer`, no model is scored across domains.
    shard
        `3/8` executes the third of eight parts of the runs and writes no tables; `report_benchmark` does when all parts
        are done.

    Returns
    -------
    Benchmark
        The results of all finished runs, the failures, and the folder; `to_frame()` lists the results.

    Raises
    ------
    BtferError
        If a setting or a dataset is not valid, or another process runs the same grid. A run that fails is listed in
        `failed`, and the next call tries it again.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> done = bt.benchmark(  # doctest: +SKIP
    ...     networks=["resnet18", "vgg16"], sizes=[48], datasets={"raf-db": "sets/raf-db"}, btfer="faces-v1/test"
    ... )
    >>> done.to_frame()  # doctest: +SKIP
    """
    from btfer_builder.benchmark.grid import parse_shard
    from btfer_builder.benchmark.stage import run_benchmark

    return run_benchmark(_recipe(file, settings), parse_shard(shard) if shard else None)


@takes(BenchmarkRecipe)
def plan_benchmark(file: "File" = None, **settings: Any) -> "pd.DataFrame":  # noqa: ANN401
    """List the runs of a grid; none is run.

    Parameters
    ----------
    file
        As in `benchmark`.

    Returns
    -------
    pandas.DataFrame
        A row for each combination: its setting, `run_id`, whether it is `finished`, and for one that is `impossible`
        the reason.

    Raises
    ------
    BtferError
        If a setting or a dataset is not valid.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> plan = bt.plan_benchmark(networks=["resnet18", "vgg16"], datasets={"mine": "photos"})
    >>> plan[["network", "balancing", "finished"]].values.tolist()[0]
    ['resnet18', 'simple', False]
    """
    from dataclasses import asdict

    import pandas as pd

    from btfer_builder.benchmark.stage import finished_runs, plan_of

    recipe = _recipe(file, settings)
    plan = plan_of(recipe)
    finished = finished_runs(recipe, plan)
    rows = [
        {"run_id": run.run_id, **asdict(run.setting), "finished": run.run_id in finished, "impossible": ""}
        for run in plan.runs
    ]
    rows += [
        {"run_id": "", **asdict(setting), "finished": False, "impossible": reason}
        for setting, reason in plan.impossible
    ]
    return pd.DataFrame(rows)


@takes(BenchmarkRecipe)
def report_benchmark(file: "File" = None, **settings: Any) -> "Benchmark":  # noqa: ANN401
    """Write tables and figures of the finished runs of a grid; none is run.

    Parameters
    ----------
    file
        As in `benchmark`.

    Raises
    ------
    BtferError
        If a setting or a dataset is not valid, or the folder cannot be written.
    """
    from btfer_builder.benchmark.stage import report_benchmark

    return report_benchmark(_recipe(file, settings))


@takes(BenchmarkRecipe)
def answer_questions(file: "File" = None, **settings: Any) -> "Answers":  # noqa: ANN401
    """Answer the research questions RQ1 to RQ3 from the finished runs of a grid.

    Parameters
    ----------
    file
        As in `benchmark`.

    Returns
    -------
    Answers
        The paired comparisons, and the path of `questions.md`.

    Raises
    ------
    BtferError
        If no run is finished.
    """
    from btfer_builder.benchmark.stage import answer_benchmark

    return answer_benchmark(_recipe(file, settings))


@guarded
def published_results(out: "str | PathLike[str]") -> "Answers":
    """Write tables, figures and answers of the results that the authors published.

    Parameters
    ----------
    out
        Folder for the files.

    Returns
    -------
    Answers
        The paired comparisons, and the path of `questions.md`.

    Raises
    ------
    BtferError
        If the folder cannot be written.
    """
    from btfer_builder.benchmark.stage import answer_published, report_published

    report_published(path_of(out))
    return answer_published(path_of(out))


def _recipe(file: "File", settings: Mapping[str, Any]) -> BenchmarkRecipe:
    from btfer_builder.benchmark.grid import check_benchmark, load_benchmark, with_absolute_paths

    given: BenchmarkRecipe
    current = BenchmarkRecipe() if file is None else load_benchmark(path_of(file))
    (given,) = with_keywords("benchmark", settings, current)
    check_benchmark(given, settings.get("train") or (), "benchmark")
    # Paths of the file are absolute already.
    return with_absolute_paths(given, Path.cwd())
