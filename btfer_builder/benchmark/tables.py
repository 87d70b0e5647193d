"""The paper's Tables 2–5 from results, and all tables of a benchmark as files."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btfer_builder.benchmark.choice_table import LISTED, choice_table
from btfer_builder.benchmark.domain_shift import domain_shift_tables
from btfer_builder.benchmark.published import known_dataset, published
from btfer_builder.benchmark.results import Result, as_frame
from btfer_builder.benchmark.settings import balancing_order
from btfer_builder.benchmark.table import (
    Table,
    accuracy_cell,
    best_rows,
    facts_of,
    interval_note,
    is_unknown,
    number_cell,
    place,
    size_cell,
    without_empty_columns,
)
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.csv import write_csv
from btfer_builder.labels import EMOTIONS

if TYPE_CHECKING:
    import pandas as pd

#: Numbers of the paper's tables at its two resolutions; tables of others are named after the resolution.
PERFORMANCE = {48: "2", 224: "3"}
TOP = {48: "4", 224: "5"}

#: The paper marks the best three of a column.
BEST = 3

_SETTING = ["dataset", "network", "pretraining", "params", "balancing", "seeds"]
_SCORES = ["n", "accuracy", "low", "high", "sd", "precision", "recall", "f1", "sources"]
_THEIRS = ["published_own", "published_btfer"]
_CSV = [
    *_SETTING,
    "split",
    "selected_on_own",
    *(f"own_{name}" for name in _SCORES),
    *(f"btfer_{name}" for name in _SCORES),
    *_THEIRS,
    "note",
]
_RECALL = [f"{side}_recall_{emotion}" for side in ("own", "btfer") for emotion in EMOTIONS]

#: The column of the authors' numbers.
_AUTHORS = "authors: own / BTFER"


def make_tables(results: Sequence[Result], *, beside: bool = True) -> list[Table]:
    """Return Tables 2–6 and the domain shift, as far as there are results.

    `beside` adds a column with the authors' numbers.
    """
    if not results:
        return []
    frame = as_frame(results)
    tables = []
    for size in sorted(frame["size"].unique()):
        tables.append(performance_table(frame[frame["size"] == size], int(size), beside=beside))
    for size in sorted(frame["size"].unique()):
        tables.append(top_table(frame[frame["size"] == size], int(size), beside=beside))
    tables.append(choice_table(frame))
    tables += domain_shift_tables(results)
    return tables


def write_tables(folder: Path, tables: Sequence[Table]) -> list[Path]:
    """Write each table as Markdown and CSV and return the files."""
    files = []
    for table in tables:
        write_bytes(folder / f"{table.name}.md", table.to_markdown().encode())
        columns = list(dict.fromkeys(name for row in table.facts for name in row)) or list(table.columns)
        write_csv(folder / f"{table.name}.csv", columns, table.facts)
        files += [folder / f"{table.name}.md", folder / f"{table.name}.csv"]
    return files


def performance_table(frame: "pd.DataFrame", size: int, *, beside: bool = True) -> Table:
    """Return Table 2 (48 pixels) or 3 (224): every setting with its scores and those of the authors.

    The best three of each dataset are bold, as in the paper.
    """
    name = f"table-{PERFORMANCE[size]}" if size in PERFORMANCE else f"table-performance-{size}"
    rows, facts = [], []
    for _, group in frame.groupby("dataset", sort=False):
        ordered = group.sort_values(["network", "pretraining", "balancing"], key=_in_order, kind="stable")
        best = {column: _best(ordered[column]) for column in ("own_accuracy", "btfer_accuracy")}
        for _, row in ordered.iterrows():
            theirs = _published(row) if beside else None
            rows.append(
                (
                    str(row["dataset"]),
                    str(row["network"]),
                    str(row["pretraining"]),
                    size_cell(row["params"]),
                    str(row["balancing"]),
                    accuracy_cell(row, "own", best["own_accuracy"]),
                    *(number_cell(row[f"own_{part}"], 2) for part in ("precision", "recall", "f1")),
                    accuracy_cell(row, "btfer", best["btfer_accuracy"]),
                    *_theirs(theirs),
                )
            )
            facts.append(_facts(row, theirs))
    title = f"Performance with {size}×{size} pixels"
    return Table(
        name,
        f"Table {PERFORMANCE[size]}. {title}" if size in PERFORMANCE else title,
        (
            "dataset", "network", "from", "parameters", "balancing", "accuracy [95 %]", "precision", "recall",
            "F1", "BTFER accuracy [95 %]", *([_AUTHORS] if beside else []),
        ),
        tuple(rows),
        tuple(facts),
        _notes(frame, beside=beside),
    )  # fmt: skip


def top_table(frame: "pd.DataFrame", size: int, *, beside: bool = True) -> Table:
    """Return Table 4 (48 pixels) or 5 (224): the five most accurate settings of each dataset and balancing.

    Settings as accurate as the fifth are listed, too. The columns of emotions have the recall on BTFER, or on the own
    split where no setting has a BTFER accuracy.
    """
    name = f"table-{TOP[size]}" if size in TOP else f"table-top-{size}"
    side = "btfer" if frame["btfer_accuracy"].notna().any() else "own"
    rows, facts = [], []
    for dataset, of_dataset in frame.groupby("dataset", sort=False):
        for balancing in sorted(set(of_dataset["balancing"]), key=balancing_order):
            group = of_dataset[of_dataset["balancing"] == balancing]
            group = group.sort_values("btfer_accuracy", ascending=False, kind="stable")
            for _, row in best_rows(group, "own_accuracy", LISTED).iterrows():
                at, shared = place(group["own_accuracy"], row["own_accuracy"])
                theirs = _published(row) if beside else None
                rows.append(
                    (
                        str(dataset),
                        str(balancing),
                        f"{at}{'=' if shared else ''}",
                        f"{row['network']} – {row['pretraining']}",
                        accuracy_cell(row, "own"),
                        accuracy_cell(row, "btfer"),
                        *(number_cell(row[f"{side}_recall_{emotion}"], 2) for emotion in EMOTIONS),
                        *_theirs(theirs),
                    )
                )
                facts.append({"place": at} | _facts(row, theirs) | facts_of(row, _RECALL))
    title = f"The {LISTED} best of each dataset with {size}×{size} pixels"
    columns = (
        "dataset", "balancing", "place", "network – from", "accuracy [95 %]", "BTFER accuracy [95 %]", *EMOTIONS,
        *([_AUTHORS] if beside else []),
    )  # fmt: skip
    heads, cells = without_empty_columns(columns, rows)
    notes = [
        "The order of settings with overlapping intervals is not certain; = marks equal accuracies.",
        interval_note(frame),
    ]
    if set(EMOTIONS) & set(heads):
        where = "BTFER" if side == "btfer" else "the own split"
        notes.append(f"The columns of emotions have the recall on {where}.")
    return Table(
        name,
        f"Table {TOP[size]}. {title}" if size in TOP else title,
        heads,
        cells,
        tuple(facts),
        tuple(notes),
    )


def _facts(row: "pd.Series[Any]", theirs: Sequence[Result] | None) -> dict[str, Any]:
    """Return a row of the CSV; unknown values are empty cells. None leaves out the authors' columns."""
    values = facts_of(row, [name for name in _CSV if theirs is not None or name not in _THEIRS])
    if theirs is not None:
        values["published_own"] = "; ".join(f"{result.own.accuracy:.4f}" for result in theirs)
        values["published_btfer"] = "; ".join(
            f"{result.btfer.accuracy:.4f}" for result in theirs if result.btfer
        )
    return values


def _in_order(column: "pd.Series[Any]") -> "pd.Series[Any]":
    return column.map(balancing_order) if column.name == "balancing" else column


def _notes(frame: "pd.DataFrame", *, beside: bool) -> tuple[str, ...]:
    notes = [
        "Accuracy: on the dataset's own held-out split "
        f"({', '.join(sorted(set(frame['split'])))}); precision, recall and F1 are macro averages. Bold: the best "
        "three of each dataset.",
        interval_note(frame),
    ]
    chosen = sorted(set(frame.loc[frame["selected_on_own"], "dataset"]))
    if chosen:
        notes.append(
            f"The own split of {', '.join(chosen)} also chose the best epoch, so its accuracy is optimistic; that on "
            "BTFER is not."
        )
    if (frame["seeds"] > 1).any():
        several = "seeds" if beside else "notebooks, where a setting has several"
        notes.append(f"Means over the {several}; the interval is that of one run's faces.")
    if beside and any(known_dataset(name) for name in frame["dataset"]):
        notes.append(
            "The authors' numbers are those of their notebooks: on a split of their own that also chose the epoch, "
            "and on 2,048 of BTFER's 2,100 faces. Those of a network with another number of parameters are left out."
        )
    return tuple(notes)


def _best(column: "pd.Series[Any]") -> float:
    """Return the value from which numbers are bold: at most three of them, ties included. Infinity: none is bold."""
    known = column.dropna()
    marked = [value for value in known if (known >= value).sum() <= BEST]
    return float(min(marked)) if marked and len(known) > BEST else math.inf


def _published(row: "pd.Series[Any]") -> list[Result]:
    params = None if is_unknown(row["params"]) else int(row["params"])
    return published(
        row["dataset"], int(row["size"]), row["network"], row["pretraining"], row["balancing"], params
    )


def _theirs(results: Sequence[Result] | None) -> list[str]:
    """Return the cell of the authors' numbers; no cell for None."""
    if results is None:
        return []
    return [
        "; ".join(
            f"{result.own.accuracy:.3f} / {f'{result.btfer.accuracy:.3f}' if result.btfer else '–'}"
            for result in results
        )
    ]
