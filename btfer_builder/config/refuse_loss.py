"""Refuse what would throw people's work away: one sentence, and the way on, for every stage."""

from collections.abc import Sequence

from btfer_builder.config import Change
from btfer_builder.config.base import toml_value
from btfer_builder.errors import BtferError


def refuse_loss(
    section: str,
    changed: Sequence[Change],
    *,
    lost: str,
    reviewed: int,
    sampled: int,
    go_on: str,
    would: str = "leave",
) -> None:
    """Refuse settings other than before if they make reviewed or sampled items leave.

    Parameters
    ----------
    section
        The section of the recipe they belong to.
    changed
        What is another setting than before; without any, what leaves does not leave because of them.
    lost
        What leaves: `images`, `faces` or `items`.
    reviewed, sampled
        How many of those that leave a reviewer has decided on, and how many faces of the sample are among them.
    go_on
        How to go on all the same.
    would
        What would happen to them.

    Raises
    ------
    BtferError
        If something would be lost.
    """
    if not changed or not (reviewed or sampled):
        return
    what = [f"{reviewed} reviewed {lost}"] * bool(reviewed) + [f"{sampled} faces of the sample"] * bool(
        sampled
    )
    lines = "".join(f"\n  {change.name} = {toml_value(change.before)}" for change in changed)
    raise BtferError(
        f"{section}: {' and '.join(what)} would {would}, as the settings are not those of before: "
        f"{', '.join(map(str, changed))}. Nothing was changed. To go on all the same: {go_on}. "
        f"To keep them, set in btfer.toml:\n  [{section}]{lines}"
    )
