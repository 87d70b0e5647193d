"""The paper's Tables 2–6 from results, as Markdown and CSV."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btfer_builder.benchmark.published import known_dataset, published
from btfer_builder.benchmark.results import Result, as_frame
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.csv import write_csv

if TYPE_CHECKING:
    import pandas as pd

#: Numbers of the paper's tables at its two resolutions; tables of others are named after the resolution.
PERFORMANCE = {48: "2", 224: "3"}
TOP = {48: "4", 224: "5"}

#: Networks with fewer parameters are small in Table 6 and Figs. 19–20.
SMALL = 10_000_000

#: The paper marks the best three of a column and lists the best five.
BEST, LISTED = 3, 5

_SETTING = ["dataset", "network", "pretraining", "params", "balancing", "seeds"]
_SCORES = ["n", "accuracy", "low", "high", "sd", "precision", "recall", "f1"]
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

#: The column of the authors' numbers.
_AUTHORS = "authors: own / BTFER"


@dataclass(frozen=True, slots=True)
class Table:
    """A table.

    Attributes
    ----------
    name
        Name of its files, as `table-2`.
    title
        Title of the Markdown.
    columns, rows
        Heads and cells of the Markdown.
    facts
        Rows of the CSV.
    notes
        Sentences below the Markdown table.
    """

    name: str
    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    facts: tuple[dict[str, Any], ...]
    notes: tuple[str, ...] = ()

    def to_markdown(self) -> str:
        """Return the title, the table without empty columns, and the notes."""
        used = (
            [any(cells) for cells in zip(*self.rows, strict=True)]
            if self.rows
            else [True] * len(self.columns)
        )
        heads, *rows = (tuple(compress(cells, used)) for cells in (self.columns, *self.rows))
        lines = [f"### {self.title}", "", "| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
        lines += ["| " + " | ".join(row) + " |" for row in rows]
        lines += [part for note in self.notes for part in ("", note)]
        return "\n".join(lines) + "\n"


def make_tables(results: Sequence[Result], *, beside: bool = True) -> list[Table]:
    """Return Tables 2–6, as far as there are results; `beside` adds a column with the authors' numbers."""
    if not results:
        return []
    frame = as_frame(results)
    tables = []
    for size in sorted(frame["size"].unique()):
        tables.append(performance_table(frame[frame["size"] == size], int(size), beside=beside))
    for size in sorted(frame["size"].unique()):
        tables.append(top_table(frame[frame["size"] == size], int(size), beside=beside))
    tables.append(choice_table(frame))
    return tables


def write_tables(folder: Path, tables: Sequence[Table]) -> list[Path]:
    """Write each table as Markdown and CSV and return the files."""
    files = []
    for table in tables:
        write_bytes(folder / f"{table.name}.md", table.to_markdown().encode())
        columns = list(table.facts[0]) if table.facts else list(table.columns)
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
        ordered = group.sort_values(["network", "pretraining", "balancing"], kind="stable")
        best = {column: _best(ordered[column]) for column in ("own_accuracy", "btfer_accuracy")}
        for _, row in ordered.iterrows():
            theirs = _published(row) if beside else None
            rows.append(
                (
                    str(row["dataset"]),
                    str(row["network"]),
                    str(row["pretraining"]),
                    _millions(row["params"]),
                    str(row["balancing"]),
                    _accuracy(row, "own", best["own_accuracy"]),
                    *(_number(row[f"own_{part}"], 2) for part in ("precision", "recall", "f1")),
                    _accuracy(row, "btfer", best["btfer_accuracy"]),
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
    """Return Table 4 (48 pixels) or 5 (224): the five most accurate settings of each dataset and balancing."""
    name = f"table-{TOP[size]}" if size in TOP else f"table-top-{size}"
    rows, facts = [], []
    for (dataset, balancing), group in frame.groupby(["dataset", "balancing"], sort=False):
        ordered = group.sort_values(["own_accuracy", "btfer_accuracy"], ascending=False, kind="stable")
        for rank, (_, row) in enumerate(ordered.head(LISTED).iterrows(), 1):
            theirs = _published(row) if beside else None
            rows.append(
                (
                    str(dataset),
                    str(balancing),
                    str(rank),
                    f"{row['network']} – {row['pretraining']}",
                    _accuracy(row, "own"),
                    _accuracy(row, "btfer"),
                    *_theirs(theirs),
                )
            )
            facts.append({"place": rank} | _facts(row, theirs))
    title = f"The {LISTED} best of each dataset with {size}×{size} pixels"
    return Table(
        name,
        f"Table {TOP[size]}. {title}" if size in TOP else title,
        (
            "dataset", "balancing", "place", "network – from", "accuracy [95 %]", "BTFER accuracy [95 %]",
            *([_AUTHORS] if beside else []),
        ),
        tuple(rows),
        tuple(facts),
        ("The order of settings with overlapping intervals is not certain.",),
    )  # fmt: skip


def choice_table(frame: "pd.DataFrame") -> Table:
    """Return Table 6: which network for which aim, at each resolution (§4.6).

    Networks are compared by BTFER accuracy, which is closest to practice, or by own accuracy where there is none.
    """
    rows, facts = [], []
    measure = "btfer" if frame["btfer_accuracy"].notna().any() else "own"
    for size, group in frame.groupby("size", sort=True):
        ordered = group.dropna(subset=[f"{measure}_accuracy"]).sort_values(
            f"{measure}_accuracy", ascending=False, kind="stable"
        )
        if ordered.empty:
            continue
        small = ordered[ordered["params"] < SMALL]
        alike = ordered[ordered[f"{measure}_high"] >= ordered.iloc[0][f"{measure}_low"]].dropna(
            subset=["params"]
        )
        own = group.sort_values("own_accuracy", ascending=False, kind="stable")
        aims = {
            "most accurate on BTFER": ordered.head(1) if measure == "btfer" else ordered.head(0),
            "most accurate on its own dataset": own.head(1),
            f"most accurate below {SMALL / 1e6:.0f} million parameters": small.head(1),
            "smallest that may be as good as the best": alike.sort_values("params", kind="stable").head(1),
        }
        for aim, chosen in aims.items():
            for _, row in chosen.iterrows():
                rows.append(
                    (
                        f"{size}×{size}",
                        aim,
                        f"{row['network']} – {row['pretraining']}",
                        f"{row['dataset']}, {row['balancing']}",
                        _millions(row["params"]),
                        _accuracy(row, "own"),
                        _accuracy(row, "btfer"),
                    )
                )
                facts.append({"size": size, "aim": aim} | _facts(row, None))
    return Table(
        "table-6",
        "Table 6. Which network for which aim",
        (
            "pixels", "aim", "network – from", "trained on", "parameters", "accuracy [95 %]",
            "BTFER accuracy [95 %]",
        ),
        tuple(rows),
        tuple(facts),
        ("A network may be as good as the best if its 95 % interval overlaps that of the best.",),
    )  # fmt: skip


def _facts(row: "pd.Series[Any]", theirs: Sequence[Result] | None) -> dict[str, Any]:
    """Return a row of the CSV; unknown values are empty cells. None leaves out the authors' columns."""
    values = {name: row.get(name) for name in _CSV if theirs is not None or name not in _THEIRS}
    values["params"] = _params(row)
    if theirs is not None:
        values["published_own"] = "; ".join(f"{result.own.accuracy:.4f}" for result in theirs)
        values["published_btfer"] = "; ".join(
            f"{result.btfer.accuracy:.4f}" for result in theirs if result.btfer
        )
    return {name: None if _missing(value) else value for name, value in values.items()}


def _notes(frame: "pd.DataFrame", *, beside: bool) -> tuple[str, ...]:
    notes = [
        "Accuracy: on the dataset's own held-out split "
        f"({', '.join(sorted(set(frame['split'])))}); precision, recall and F1 are macro averages; intervals are "
        "Wilson's. Bold: the best three of each dataset."
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


def _accuracy(row: "pd.Series[Any]", measure: str, bold_from: float = math.inf) -> str:
    value = row[f"{measure}_accuracy"]
    if _missing(value):
        return "–"
    text = f"{value:.3f}"
    spread = "" if _missing(row[f"{measure}_sd"]) else f" ± {row[f'{measure}_sd']:.3f}"
    interval = f"[{row[f'{measure}_low']:.3f}, {row[f'{measure}_high']:.3f}]"
    return f"{f'**{text}**' if value >= bold_from else text}{spread} {interval}"


def _published(row: "pd.Series[Any]") -> list[Result]:
    return published(
        row["dataset"], int(row["size"]), row["network"], row["pretraining"], row["balancing"], _params(row)
    )


def _params(row: "pd.Series[Any]") -> int | None:
    return None if _missing(row["params"]) else int(row["params"])


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


def _millions(params: float | None) -> str:
    return "" if _missing(params) or params is None else f"{params / 1e6:.2f} M"


def _number(value: float, digits: int) -> str:
    return "–" if _missing(value) else f"{value:.{digits}f}"


def _missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
