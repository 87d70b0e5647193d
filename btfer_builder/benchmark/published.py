"""The results of the paper's authors: the numbers printed in their notebooks, by setting.

`published.csv` was read from the executed notebooks of github.com/gipinze/ResearchModels_GIT (each row names its
notebook): figures only. Weighting and network are those that a run actually used, which its folder may not name.
Outputs of other runs, duplicates and failed runs are left out. Where a notebook prints no number of parameters and its
network has only one at that size, it was counted, and a note says so; where it may have several, it stays empty.
"""

import csv
import re
from functools import cache
from importlib.resources import files

from btfer_builder.benchmark.results import ClassScore, Result, Score
from btfer_builder.labels import EMOTIONS

#: Usual names of the three datasets.
_NAMES = {"rafdb": "raf-db", "fer2013": "fer2013", "affectnet": "affectnet", "affectnet7": "affectnet"}

#: Beginning of the note of a run whose base stayed frozen, unlike in all other runs.
FROZEN = "frozen base only"


def known_dataset(name: str) -> str | None:
    """Return which of the paper's datasets a name means; None if it means none."""
    return _NAMES.get(re.sub("[^a-z0-9]", "", name.casefold()))


@cache
def published_results() -> tuple[Result, ...]:
    """Return the authors' results. Their own split also chose the epoch."""
    text = files("btfer_builder.benchmark").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(_result(row) for row in csv.DictReader(text.splitlines()))


def published(
    dataset: str, size: int, network: str, pretraining: str, balancing: str, params: int | None = None
) -> list[Result]:
    """Return the authors' results of a setting: none, one, or those of several notebooks.

    Results with another number of parameters than `params` have another head and are left out, as far as both numbers
    are known. A result filed under another network, or repeated, is only returned where there is no other.
    """
    setting = (known_dataset(dataset), size, network, pretraining, balancing)
    results = [
        result
        for result in published_results()
        if setting == _setting(result) and (params is None or result.params in {None, params})
    ]
    plain = [result for result in results if not result.note.startswith(("filed as", "another run"))]
    return plain or results


def _setting(result: Result) -> tuple[str, int, str, str, str]:
    return result.dataset, result.size, result.network, result.pretraining, result.balancing


def _result(row: dict[str, str]) -> Result:
    number = {name: float(value) for name, value in row.items() if _is_number(value)}
    return Result(
        run_id=row["notebook"],
        dataset=row["dataset"],
        size=int(row["size"]),
        network=row["network"],
        pretraining=row["pretraining"],
        balancing=row["balancing"],
        params=int(row["params"]) if row["params"] else None,
        own=_score("val", "validation", number),
        selected_on_own=True,
        btfer=_score("btfer", "BTFER", number) if row["btfer_accuracy"] else None,
        note=row["note"],
    )


def _score(prefix: str, name: str, number: dict[str, float]) -> Score:
    return Score(
        name=name,
        n=int(number[f"{prefix}_n"]),
        accuracy=number[f"{prefix}_accuracy"],
        precision=number.get(f"{prefix}_precision"),
        recall=number.get(f"{prefix}_recall"),
        f1=number.get(f"{prefix}_f1"),
        per_class=tuple(
            ClassScore(emotion=emotion, n=int(n), recall=number[f"{prefix}_recall_{emotion}"])
            for emotion in EMOTIONS
            if (n := number.get(f"{prefix}_n_{emotion}"))
        ),
    )


def _is_number(value: str) -> bool:
    return bool(re.fullmatch(r"\d+(\.\d+)?", value))


def published_grid() -> list[Result]:
    """Return the authors' results as a grid: those of `published` for every setting."""
    settings = dict.fromkeys(_setting(result) for result in published_results())
    return [result for setting in settings for result in published(*setting)]
