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
    older: str = "",
    because: str = "",
) -> None:
    """Raise an error if reviewed or sampled items would be dropped by changed settings, newer rules, or another reason.

    Parameters
    ----------
    section
        The section of the settings.
    changed
        The changed settings.
    lost
        What is dropped: `images`, `faces` or `items`.
    reviewed, sampled
        Number of reviewed items and of faces of the sample among them.
    go_on
        The command that drops the items nevertheless.
    would
        What would happen to the items.
    older
        The version that made the current result, if its rules were different.
    because
        The reason where neither settings nor rules differ. Empty: items may be dropped then.

    Raises
    ------
    BtferError
        If reviewed or sampled items would be dropped.
    """
    if not (changed or older or because) or not (reviewed or sampled):
        return
    losses = [f"{reviewed} reviewed {lost}"] * bool(reviewed) + [f"{sampled} faces of the sample"] * bool(
        sampled
    )
    causes = [f"changed settings: {', '.join(map(str, changed))}"] * bool(changed)
    causes += [f"this version's rules, which differ from those of version {older}"] * bool(older)
    reason = f"of {', and of '.join(causes)}" if causes else because
    message = (
        f"{section}: {' and '.join(losses)} would {would} because {reason}. "
        f"Nothing was changed. To {'apply' if causes else 'drop'} them: {go_on}."
    )
    if changed:
        lines = "".join(f"\n  {change.name} = {toml_value(change.before)}" for change in changed)
        message += f" To keep the earlier settings, set in btfer.toml:\n  [{section}]{lines}"
    raise BtferError(message)
