"""Write the results of a grid: tables, figures, answers, and a page that shows them."""

from collections.abc import Sequence
from pathlib import Path

from btfer_builder.benchmark.figures import Figure, make_figures, write_figures
from btfer_builder.benchmark.leakage import SplitLeakage
from btfer_builder.benchmark.questions import PairedComparison, answer_questions
from btfer_builder.benchmark.questions_markdown import questions_markdown
from btfer_builder.benchmark.results import Failure, Result
from btfer_builder.benchmark.table import Table
from btfer_builder.benchmark.tables import make_tables, write_tables
from btfer_builder.config import TrainRecipe
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.text import counted


def write_report(
    out: Path,
    results: Sequence[Result],
    failed: Sequence[Failure] = (),
    *,
    missing: int = 0,
    resamples: int = 10_000,
    seed: int = 0,
    authors: bool = False,
    leakage: Sequence[SplitLeakage] = (),
    train: TrainRecipe | None = None,
) -> list[Path]:
    """Write `tables/`, `figures/`, `questions.md` and `README.md` into a benchmark's folder.

    Parameters
    ----------
    out
        The folder; predictions are read from its runs.
    results
        Results of the runs; without any only the page is written.
    failed
        Runs that failed.
    missing
        Number of runs of the grid that have neither a result nor failed.
    resamples, seed
        Of the bootstrap.
    authors
        Whether these are the authors' own results: they are not compared with themselves, and have no predictions.
    leakage
        What was found of the cross-domain set in the training splits; it is said under the tables.
    train
        Settings of the training, for the figure of the protocol.

    Returns
    -------
    list of Path
        The written files.
    """
    tables = make_tables(results, beside=not authors)
    figures = make_figures(results, train)
    comparisons = answer_questions(results, None if authors else out, resamples=resamples, seed=seed)
    files = write_tables(out / "tables", tables) + write_figures(out / "figures", figures)
    write_bytes(out / "questions.md", f"# Questions\n\n{questions_markdown(comparisons)}".encode())
    page = _page(results, failed, missing, tables, figures, comparisons, leakage)
    write_bytes(out / "README.md", page.encode())
    return [out / "README.md", out / "questions.md", *files]


def _page(
    results: Sequence[Result],
    failed: Sequence[Failure],
    missing: int,
    tables: Sequence[Table],
    figures: Sequence[Figure],
    comparisons: Sequence[PairedComparison],
    leakage: Sequence[SplitLeakage],
) -> str:
    counts = f"{counted(len(results), 'run')} finished, {len(failed)} failed" + (
        f", {missing} missing" if missing else ""
    )
    parts = [f"# Benchmark\n\n{counts}. Made by `btfer benchmark`."]
    if failed:
        lines = [f"* `{item.run_id}`: {item.error}" for item in failed]
        parts.append("## Failed\n\n" + "\n".join(lines))
    if tables:
        parts += ["## Tables", *(table.to_markdown().strip() for table in tables)]
    if leakage:
        parts.append("## Leakage\n\n" + "\n".join(f"* {found.sentence}." for found in leakage))
    parts.append("## Questions\n\n" + questions_markdown(comparisons).strip())
    drawn = [f"**{item.title}.** {item.caption}.\n\n![](figures/{item.name})" for item in figures if item.png]
    undrawn = [f"* {item.title} ({item.caption}): {item.missing}" for item in figures if item.missing]
    parts += ["## Figures", *drawn] if drawn else []
    if undrawn:
        parts.append("## Figures without results\n\n" + "\n".join(undrawn))
    return "\n\n".join(parts) + "\n"
