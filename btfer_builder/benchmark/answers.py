"""`btfer benchmark --questions`: answer the research questions from the finished runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btfer_builder.benchmark.published import published_grid
from btfer_builder.benchmark.questions import PairedComparison, answer_questions, to_dict
from btfer_builder.benchmark.questions_markdown import questions_markdown
from btfer_builder.benchmark.stage import finished_runs, plan_of
from btfer_builder.config import BenchmarkRecipe
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import write_bytes


@dataclass(frozen=True, slots=True)
class Answers:
    """The answers to the research questions, and the Markdown file with them."""

    comparisons: tuple[PairedComparison, ...]
    path: Path

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of `btfer benchmark --questions --json`."""
        return to_dict(self.comparisons) | {"path": str(self.path)}


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


def _write_answers(comparisons: Sequence[PairedComparison], out: Path) -> Answers:
    path = out / "questions.md"
    write_bytes(path, f"# Questions\n\n{questions_markdown(comparisons)}".encode())
    return Answers(tuple(comparisons), path)
