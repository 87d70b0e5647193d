"""The settings of runs as tables and figures order and match them."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, get_args

from btfer_builder.config import Balancing, Pretraining

if TYPE_CHECKING:
    import pandas as pd

MEASURES = {"own": "own held-out split", "btfer": "BTFER (cross-domain)"}

#: In the order of the paper; others, as the authors' SMOTE, follow.
BALANCINGS: tuple[str, ...] = get_args(Balancing)
PRETRAININGS: tuple[str, ...] = get_args(Pretraining)

_SETTING = ["dataset", "size", "network", "pretraining", "balancing"]


def balancing_order(balancing: str) -> tuple[int, str]:
    """Return the key that sorts balancings as the paper does, simple before conservative."""
    known = BALANCINGS.index(balancing) if balancing in BALANCINGS else len(BALANCINGS)
    return known, balancing


def matched(frame: "pd.DataFrame", column: str, values: Sequence[Any], measure: str) -> "pd.DataFrame":
    """Return the rows whose setting, except for the column, has a known accuracy with all of the values."""
    rest = [name for name in _SETTING if name != column]
    known = frame[frame[column].isin(values)].dropna(subset=[f"{measure}_accuracy"])
    if known.empty:
        return known
    counts = known.groupby(rest)[column].transform("nunique")
    return known[counts == len(values)]
