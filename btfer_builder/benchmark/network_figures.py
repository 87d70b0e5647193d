"""Figures with a row for each network: the best small ones (the paper's Figs. 19–20), and all of them."""

from typing import TYPE_CHECKING, Any

from btfer_builder.benchmark.choice_table import LISTED, SMALL
from btfer_builder.benchmark.settings import MEASURES, PRETRAININGS, balancing_order
from btfer_builder.benchmark.table import SIZE_UNKNOWN, best_rows, is_unknown
from btfer_builder.images.plot_style import (
    INK,
    PALE,
    PALETTE,
    SOFT,
    new_figure,
    panel_width,
    percent_axis,
    to_png,
    wrapped,
)

if TYPE_CHECKING:
    import pandas as pd

#: Bars of a size that is not known.
_HATCH = "////"


def draw_small(frame: "pd.DataFrame", title: str) -> bytes | None:
    """Draw the most accurate small networks of each dataset as horizontal bars; None if there are none.

    Networks of unknown size that are as accurate are drawn too, hatched.
    """
    groups = [(str(dataset), _listed(group)) for dataset, group in frame.groupby("dataset", sort=False)]
    groups = [(dataset, listed) for dataset, listed in groups if len(listed)]
    if not groups:
        return None
    unknown = any(listed["params"].isna().any() for _, listed in groups)
    note = f"Hatched: {SIZE_UNKNOWN}, perhaps larger." if unknown else ""
    most = max(len(listed) for _, listed in groups)
    figure, panels = new_figure(title, len(groups), height=1.2 + 0.6 * most, share=False, note=note)
    for axes, (dataset, listed) in zip(panels, groups, strict=True):
        _horizontal_bars(axes, listed, dataset)
    return to_png(figure)


def _listed(group: "pd.DataFrame") -> "pd.DataFrame":
    """Return the best setting of each network, the best networks first, ties with the last included."""
    ordered = group.sort_values("own_accuracy", ascending=False, kind="stable")
    networks = ordered[(ordered["params"] < SMALL) | ordered["params"].isna()].drop_duplicates(["network"])
    small = best_rows(networks[networks["params"].notna()], "own_accuracy", LISTED)
    least = small["own_accuracy"].min() if len(small) >= LISTED else 0
    unknown = best_rows(networks[networks["params"].isna()], "own_accuracy", LISTED)
    kept = networks.index.isin([*small.index, *unknown[unknown["own_accuracy"] >= least].index])
    return networks[kept]


def _horizontal_bars(axes: Any, group: "pd.DataFrame", title: str) -> None:  # noqa: ANN401 - matplotlib's axes
    from matplotlib.patches import Patch

    for number, (measure, label) in enumerate(MEASURES.items()):
        for position, (_, row) in enumerate(group.iterrows()):
            value, at = row[f"{measure}_accuracy"], position + (number - 0.5) * 0.38
            if is_unknown(value):
                axes.text(0.01, at, f"no accuracy on {label}", va="center", fontsize=7.5, color=SOFT)
                continue
            hatch = _HATCH if is_unknown(row["params"]) else None
            style = (
                {"facecolor": "none", "edgecolor": PALETTE[number]} if hatch else {"color": PALETTE[number]}
            )
            axes.barh(at, value, 0.35, hatch=hatch, zorder=2, **style)
            low, high = row[f"{measure}_low"], row[f"{measure}_high"]
            axes.hlines(at, low, high, color=INK, linewidth=1, zorder=3)
            axes.text(high + 0.01, at, f"{value:.1%}", va="center", fontsize=7.5)
    room = panel_width(axes) * 0.42
    names = [
        wrapped(
            f"{row['network']} – {row['pretraining']}\n{_size(row['params'])}, {row['balancing']}", room, 8
        )
        for _, row in group.iterrows()
    ]
    axes.set_yticks(range(len(group)), names)
    axes.set_ylim(len(group) - 0.5, -0.5)
    percent_axis(axes, horizontal=True)
    axes.tick_params(axis="y", labelsize=8)
    axes.set_title(wrapped(title, panel_width(axes), 10), fontsize=10, loc="left", color=INK)
    keys = [Patch(color=PALETTE[number], label=label) for number, label in enumerate(MEASURES.values())]
    axes.legend(
        handles=keys, frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.4, -0.08), ncols=2
    )


def _size(params: float) -> str:
    return SIZE_UNKNOWN if is_unknown(params) else f"{params / 1e6:.1f} M"


def draw_networks(frame: "pd.DataFrame", title: str) -> bytes:
    """Draw the accuracies of every setting of one resolution: a panel per dataset, a row per network and weights."""
    datasets = list(dict.fromkeys(frame["dataset"]))
    balancings = sorted(set(frame["balancing"]), key=balancing_order)
    order = list(PRETRAININGS)
    names = sorted(
        dict.fromkeys(zip(frame["network"], frame["pretraining"], strict=True)),
        key=lambda name: (name[0], order.index(name[1]) if name[1] in order else len(order), name[1]),
    )
    rows = {name: position for position, name in enumerate(names)}
    labels = [f"{network} – {pretraining}" for network, pretraining in names]
    figure, panels = new_figure(
        title,
        len(datasets),
        height=1.1 + 0.2 * len(rows),
        columns=4,
        width=3.1 if len(datasets) > 1 else 5.0,
        note="Filled: BTFER; hollow: own held-out split. The dashed line is chance, 1 ÷ number of classes.",
    )
    for axes, dataset in zip(panels, datasets, strict=True):
        part = frame[frame["dataset"] == dataset]
        for number, balancing in enumerate(balancings):
            chosen = part[part["balancing"] == balancing]
            # Beside each other, so that equal accuracies can be told from one.
            shift = (number - (len(balancings) - 1) / 2) * min(0.25, 0.8 / len(balancings))
            at = [rows[key] + shift for key in zip(chosen["network"], chosen["pretraining"], strict=True)]
            color = PALETTE[number % len(PALETTE)]
            axes.scatter(chosen["own_accuracy"], at, s=16, facecolors="none", edgecolors=color, zorder=3)
            axes.scatter(chosen["btfer_accuracy"], at, s=16, color=color, label=balancing, zorder=3)
        axes.hlines(range(len(rows)), 0, 1, color="#eceef1", linewidth=0.6, zorder=0)
        for classes in set(part["own_classes"].dropna()) | set(part["btfer_classes"].dropna()):
            axes.axvline(1 / classes, color=PALE, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        axes.set_yticks(range(len(rows)), [wrapped(label, 2.6, 7.5) for label in labels])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        percent_axis(axes, horizontal=True)
        axes.tick_params(axis="y", labelsize=7.5)
        axes.set_title(wrapped(str(dataset), panel_width(axes), 10), fontsize=10, loc="left", color=INK)
    handles, words = panels[0].get_legend_handles_labels()
    figure.legend(handles, words, frameon=False, fontsize=8, loc="outside upper right", ncols=len(words))
    return to_png(figure)
