"""The paper's Table 6: which network for which aim (§4.6)."""

from typing import TYPE_CHECKING

from btfer_builder.benchmark.table import (
    Table,
    accuracy_cell,
    best_rows,
    facts_of,
    interval_note,
    setting_words,
    size_cell,
)

if TYPE_CHECKING:
    import pandas as pd

#: Networks with fewer parameters are small in Table 6 and Figs. 19–20.
SMALL = 10_000_000

#: The paper lists the best five.
LISTED = 5

_FACTS = (
    "dataset", "network", "pretraining", "params", "balancing", "seeds", "split", "selected_on_own",
    *(
        f"{side}_{name}"
        for side in ("own", "btfer")
        for name in ("n", "accuracy", "low", "high", "sd", "precision", "recall", "f1", "sources")
    ),
    "note",
)  # fmt: skip


def choice_table(frame: "pd.DataFrame") -> Table:
    """Return Table 6: which network for which aim, at each resolution; equal ones are all listed.

    Networks are compared by BTFER accuracy, which is closest to practice, or by own accuracy at a resolution where
    there is none.
    """
    rows, facts, notes = [], [], []
    for size, group in frame.groupby("size", sort=True):
        measure = "btfer" if group["btfer_accuracy"].notna().any() else "own"
        if (unscored := group[group[f"{measure}_accuracy"].isna()]).size:
            settings = "; ".join(setting_words(row) for _, row in unscored.iterrows())
            notes.append(
                f"Without a BTFER accuracy at {size}×{size}, so compared on their own split only: {settings}."
            )
        for aim, chosen in _aims(group, measure).items():
            for _, row in chosen.iterrows():
                rows.append(
                    (
                        f"{size}×{size}",
                        aim,
                        f"{row['network']} – {row['pretraining']}",
                        f"{row['dataset']}, {row['balancing']}",
                        size_cell(row["params"]),
                        accuracy_cell(row, "own"),
                        accuracy_cell(row, "btfer"),
                    )
                )
                facts.append({"size": size, "aim": aim} | facts_of(row, _FACTS))
    return Table(
        "table-6",
        "Table 6. Which network for which aim",
        (
            "pixels", "aim", "network – from", "trained on", "parameters", "accuracy [95 %]",
            "BTFER accuracy [95 %]",
        ),
        tuple(rows),
        tuple(facts),
        (
            "A network may be as good as the best if its 95 % interval overlaps that of the best. Networks with equal "
            "numbers are all listed.",
            interval_note(frame),
            *notes,
        ),
    )  # fmt: skip


def _aims(group: "pd.DataFrame", measure: str) -> "dict[str, pd.DataFrame]":
    column = f"{measure}_accuracy"
    scored = group.dropna(subset=[column]).sort_values(column, ascending=False, kind="stable")
    small = best_rows(scored[scored["params"] < SMALL], column)
    alike = scored[scored[f"{measure}_high"] >= scored.iloc[0][f"{measure}_low"]]
    smallest = alike[alike["params"] == alike["params"].min()]
    unknown = scored[scored["params"].isna()]
    # Of unknown size, those are listed that would be chosen if they were small.
    rival = unknown[column] >= (small[column].max() if len(small) else 0)
    aims = {"most accurate on BTFER": best_rows(scored, column)} if measure == "btfer" else {}
    return aims | {
        "most accurate on its own dataset": best_rows(group, "own_accuracy"),
        f"most accurate below {SMALL / 1e6:.0f} million parameters": small,
        "smallest that may be as good as the best": best_rows(smallest, column),
        "not compared by size, which is unknown": unknown[rival | unknown.index.isin(alike.index)],
    }
