"""What the paper's authors measured: the numbers their notebooks printed, by setting.

`published.csv` was read off the executed notebooks of github.com/gipinze/ResearchModels_GIT (each row names its own):
figures only. The weighting is the one a run really used and the network the one it really built, where its folder says
otherwise; outputs left over from other runs, duplicates and failed runs are left out.
"""

import csv
import re
from functools import cache
from importlib.resources import files

from btfer_builder.benchmark.results import Result, Score

#: What people call the three datasets.
_NAMES = {"rafdb": "raf-db", "fer2013": "fer2013", "affectnet": "affectnet", "affectnet7": "affectnet"}

#: How the note of a run begins whose base stayed frozen, unlike that of all others.
FROZEN = "frozen base only"


def known_dataset(name: str) -> str | None:
    """Return which of the paper's datasets a name means; None if it is none of them."""
    return _NAMES.get(re.sub("[^a-z0-9]", "", name.casefold()))


@cache
def published_results() -> tuple[Result, ...]:
    """Return the authors' results; the epoch was chosen on the split they are of in all of them."""
    text = files("btfer_builder.benchmark").joinpath("published.csv").read_text(encoding="utf-8")
    return tuple(_result(row) for row in csv.DictReader(text.splitlines()))


def published(
    dataset: str, size: int, network: str, pretraining: str, balancing: str, params: int | None = None
) -> list[Result]:
    """Return the authors' results of a setting: none, one, or those of several notebooks.

    Those of another number of parameters than `params` have another head and are left out; where either is not
    known, they are not. One that is filed under another network, or was repeated, is only given where there is no
    other.
    """
    setting = (known_dataset(dataset), size, network, pretraining, balancing)
    found = [
        one
        for one in published_results()
        if setting == (one.dataset, one.size, one.network, one.pretraining, one.balancing)
        and (params is None or one.params is None or one.params == params)
    ]
    plain = [one for one in found if not one.note.startswith(("filed as", "another run"))]
    return plain or found


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
    )


def _is_number(value: str) -> bool:
    return bool(re.fullmatch(r"\d+(\.\d+)?", value))


def published_grid() -> list[Result]:
    """Return the authors' results as a grid: of every setting those that `published` gives."""
    settings = dict.fromkeys(
        (one.dataset, one.size, one.network, one.pretraining, one.balancing) for one in published_results()
    )
    return [one for setting in settings for one in published(*setting)]
