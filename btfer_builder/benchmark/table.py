"""A table of the benchmark as Markdown and CSV, and its cells."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import compress
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

#: What a cell says instead of a number of parameters that is not known.
SIZE_UNKNOWN = "size unknown"

#: Accuracies that differ by less are equal: sums of the same numbers in another order.
_EQUAL = 1e-9


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
        lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
        lines += [part for note in self.notes for part in ("", note)]
        return "\n".join(lines) + "\n"


def best_rows(frame: "pd.DataFrame", column: str, count: int = 1) -> "pd.DataFrame":
    """Return the rows with the highest known values, best first, and all that equal the last of them."""
    ordered = frame.dropna(subset=[column]).sort_values(column, ascending=False, kind="stable")
    if ordered.empty:
        return ordered
    last = ordered[column].iloc[min(count, len(ordered)) - 1]
    chosen: pd.DataFrame = ordered[ordered[column] >= last - _EQUAL]
    return chosen


def place(values: "pd.Series[Any]", value: float) -> tuple[int, bool]:
    """Return the place of a value, which equal ones share, and whether there are such."""
    equal = int(((values - value).abs() <= _EQUAL).sum())
    return 1 + int((values > value + _EQUAL).sum()), equal > 1


def accuracy_cell(row: "pd.Series[Any]", measure: str, bold_from: float = math.inf) -> str:
    """Return an accuracy with its interval and the deviation over seeds; `–` if unknown."""
    value = row[f"{measure}_accuracy"]
    if is_unknown(value):
        return "–"
    text = f"{value:.3f}"
    spread = "" if is_unknown(row[f"{measure}_sd"]) else f" ± {row[f'{measure}_sd']:.3f}"
    interval = f"[{row[f'{measure}_low']:.3f}, {row[f'{measure}_high']:.3f}]"
    return f"{f'**{text}**' if value >= bold_from else text}{spread} {interval}"


def interval_note(frame: "pd.DataFrame") -> str:
    """Return which intervals the accuracies have: of faces, or of the sources that the faces of a set share."""
    shared = [
        f"{where} ({int(known['n'].iloc[0]):,} faces of {int(known['sources'].iloc[0]):,} sources)"
        for side, group in (("own", "dataset"), ("btfer", None))
        for where, part in (frame.groupby(group, sort=False) if group else [("BTFER", frame)])
        if len(known := _clustered(part, side))
    ]
    if not shared:
        return "Intervals of accuracies are Wilson's at 95 %."
    return (
        "Intervals of accuracies are at 95 %: Wilson's where no faces share photos or creators; where they do, those "
        f"of a score test that counts these sources instead of faces: {'; '.join(shared)}."
    )


def _clustered(frame: "pd.DataFrame", side: str) -> "pd.DataFrame":
    part = frame[[f"{side}_n", f"{side}_sources"]].set_axis(["n", "sources"], axis=1)
    return part[part["sources"] < part["n"]]


def size_cell(params: float | None) -> str:
    """Return a number of parameters in millions, or that it is unknown."""
    return SIZE_UNKNOWN if is_unknown(params) or params is None else f"{params / 1e6:.2f} M"


def number_cell(value: float, digits: int) -> str:
    """Return a number; `–` if unknown."""
    return "–" if is_unknown(value) else f"{value:.{digits}f}"


def is_unknown(value: object) -> bool:
    """Return whether a cell has no value."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def setting_words(row: "pd.Series[Any]") -> str:
    """Return a setting of a resolution in words."""
    return f"{row['network']} – {row['pretraining']} ({row['dataset']}, {row['balancing']})"


def facts_of(row: "pd.Series[Any]", columns: Iterable[str]) -> dict[str, Any]:
    """Return cells of a CSV; unknown values are empty."""
    values: dict[str, Any] = {name: row.get(name) for name in columns}
    if "params" in values:
        values["params"] = None if is_unknown(values["params"]) else int(values["params"])
    return {name: None if is_unknown(value) else value for name, value in values.items()}


def without_empty_columns(
    columns: Sequence[str], rows: Sequence[Sequence[str]]
) -> tuple[tuple[str, ...], tuple[tuple[str, ...], ...]]:
    """Leave out the columns in which every cell is `–`."""
    used = [any(cell != "–" for cell in cells) for cells in zip(*rows, strict=True)]
    return tuple(compress(columns, used)), tuple(tuple(compress(row, used)) for row in rows)
