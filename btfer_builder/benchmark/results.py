"""What a finished run leaves behind, `result.json`, and all results of a grid as one table."""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta

from btfer_builder.config import EvalRecipe, id_settings
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.metrics.scores import wilson
from btfer_builder.io.atomic import write_bytes

if TYPE_CHECKING:
    import pandas as pd

#: Of the form of `result.json`; a number that changes its meaning raises it.
SCHEMA = 1

Share = Annotated[float, Meta(ge=0, le=1)]


class Score(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A model on one set.

    Attributes
    ----------
    name
        Of the split or set.
    set_hash
        Of its faces; empty where that is not known.
    n
        Number of faces.
    accuracy
        Share of right answers, 0…1; the mean, where it stands for several runs.
    precision, recall, f1
        Macro averages; None where they were not published.
    report
        Folder of the report with its predictions, relative to the run's; empty if there is none.
    """

    name: str
    n: Annotated[int, Meta(ge=1)]
    accuracy: Share
    precision: Share | None = None
    recall: Share | None = None
    f1: Share | None = None
    set_hash: str = ""
    report: str = ""

    @property
    def interval(self) -> tuple[float, float]:
        """The 95 % Wilson interval of the accuracy."""
        return wilson(round(self.accuracy * self.n), self.n)


class Result(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A finished run.

    Attributes
    ----------
    run_id, dataset, size, network, pretraining, balancing, seed
        What it is; as in `RunSetting`.
    params
        Parameters of the network.
    own
        The score on the dataset's own held-out split (the paper's validation accuracy).
    selected_on_own
        Whether that split also chose the epoch that was kept, so that its accuracy is flattered.
    btfer
        The score on the BTFER sample (the paper's cross-domain accuracy); None if none was given.
    epochs, seconds
        How long it was trained; None where that is not known.
    note
        What a reader must know.
    scoring
        `scoring_digest` of the settings behind both scores.
    """

    run_id: str
    dataset: str
    size: int
    network: str
    pretraining: str
    balancing: str
    seed: int = 0
    params: int | None = None
    own: Score
    selected_on_own: bool = False
    btfer: Score | None = None
    epochs: int | None = None
    seconds: float | None = None
    note: str = ""
    scoring: str = ""
    schema: int = SCHEMA


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A run that did not finish, and why."""

    run_id: str
    error: str


def scoring_digest(recipe: EvalRecipe) -> str:
    """Return eight digits of the hash over how models are scored; another one asks for other reports."""
    settings = id_settings(recipe)
    return hashlib.sha256(msgspec.json.encode(settings, order="deterministic")).hexdigest()[:8]


def write_result(folder: Path, result: Result) -> None:
    """Write `result.json` into a run's folder: from then on the run is finished."""
    write_bytes(folder / "result.json", msgspec.json.format(msgspec.json.encode(result)) + b"\n")


def read_result(folder: Path) -> Result | None:
    """Read a run's result; None if it has none yet.

    Raises
    ------
    BtferError
        If the file is no result of this btfer.
    """
    path = folder / "result.json"
    try:
        result = msgspec.json.decode(path.read_bytes(), type=Result)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (OSError, UnicodeDecodeError, msgspec.MsgspecError) as error:
        raise BtferError(
            f"{path}: not a result of this btfer ({error}); remove the file to run it again"
        ) from None
    if result.schema != SCHEMA:
        raise BtferError(f"{path}: of another version of btfer; remove the file to run it again")
    return result


def read_results(out: Path) -> list[Result]:
    """Read the results of all finished runs below a benchmark's folder, sorted by id."""
    folders = sorted(path.parent for path in (out / "runs").glob("*/result.json"))
    return [result for folder in folders if (result := read_result(folder)) is not None]


def as_frame(results: Sequence[Result]) -> "pd.DataFrame":
    """Return one row a setting: the means over its seeds, in the order of the results.

    Columns are dataset, size, network, pretraining, balancing, params, seeds, sd_own, sd_btfer, note, then for
    `own` and `btfer`: n, accuracy, low, high (95 % Wilson), precision, recall, f1. What is not known is NaN.
    """
    import pandas as pd

    groups: dict[tuple[Any, ...], list[Result]] = {}
    for one in results:
        groups.setdefault((one.dataset, one.size, one.network, one.pretraining, one.balancing), []).append(
            one
        )
    rows = []
    for (dataset, size, network, pretraining, balancing), members in groups.items():
        row: dict[str, Any] = {
            "dataset": dataset,
            "size": size,
            "network": network,
            "pretraining": pretraining,
            "balancing": balancing,
            "params": next((one.params for one in members if one.params), None),
            "seeds": len(members),
            "split": members[0].own.name,
            "selected_on_own": any(one.selected_on_own for one in members),
            "note": "; ".join(dict.fromkeys(one.note for one in members if one.note)),
        }
        row |= _summary("own", [one.own for one in members])
        row |= _summary("btfer", [one.btfer for one in members if one.btfer is not None])
        rows.append(row)
    return pd.DataFrame(rows)


def _summary(name: str, scores: Sequence[Score]) -> dict[str, Any]:
    """Return the means of several seeds; the interval is that of the faces of one of them."""
    import numpy as np

    nothing = float("nan")
    fields = ("accuracy", "precision", "recall", "f1")
    columns = ["n", *fields, "low", "high", "sd"]
    if not scores:
        return {f"{name}_{column}": nothing for column in columns}
    found: dict[str, Any] = {"n": min(one.n for one in scores)}
    for field in fields:
        values = [value for one in scores if (value := getattr(one, field)) is not None]
        found[field] = float(np.mean(values)) if values else nothing
    found["low"], found["high"] = wilson(round(found["accuracy"] * found["n"]), found["n"])
    accuracies = [one.accuracy for one in scores]
    found["sd"] = float(np.std(accuracies, ddof=1)) if len(accuracies) > 1 else nothing
    return {f"{name}_{column}": found[column] for column in columns}
