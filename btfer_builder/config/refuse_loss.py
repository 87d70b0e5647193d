"""Refuse changes that would drop reviewed or sampled items, with one message for all stages."""

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
    would: str = "be dropped",
    because: str = "",
) -> None:
    """Raise an error if reviewed or sampled items would be dropped because of changed settings or another reason.

    Parameters
    ----------
    section
        The section of the settings.
    changed
        The changed settings. Empty: items are dropped for another reason.
    lost
        What is dropped: `images`, `faces` or `items`.
    reviewed, sampled
        Number of reviewed items and of faces of the sample among them.
    go_on
        The command that drops the items nevertheless.
    would
        What would happen to the items.
    because
        The reason where no settings changed. Empty: items may be dropped then.

    Raises
    ------
    BtferError
        If reviewed or sampled items would be dropped.
    """
    if not (changed or because) or not (reviewed or sampled):
        return
    losses = [f"{reviewed} reviewed {lost}"] * bool(reviewed) + [f"{sampled} faces of the sample"] * bool(
        sampled
    )
    would_be = f"{section}: {' and '.join(losses)} would {would} because"
    if not changed:
        raise BtferError(f"{would_be} {because}. Nothing was changed. To drop them: {go_on}")
    lines = "".join(f"\n  {change.name} = {toml_value(change.before)}" for change in changed)
    raise BtferError(
        f"{would_be} of changed settings: "
        f"{', '.join(map(str, changed))}. Nothing was changed. To apply them: {go_on}. "
        f"To keep the earlier ones, set in btfer.toml:\n  [{section}]{lines}"
    )
