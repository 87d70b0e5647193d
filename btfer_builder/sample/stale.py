"""Warn that a sample no longer matches the catalog."""

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.sample import sample_state
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.io.text import counted


def stale_line(catalog: Catalog) -> str | None:
    """Return a line on what is out of date in the sample, and the next step; None if it is up to date."""
    state = sample_state(catalog)
    reasons = {
        "left the set": state.left,
        "no longer accepted": state.rejected,
        "with another label": state.relabelled,
        "taken down": state.taken_down,
    }
    changes = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    return (
        f"the sample is stale: of {counted(state.drawn, 'face')} {changes}; draw it again: btfer sample"
        if changes
        else None
    )


def warn_if_stale(catalog: Catalog) -> None:
    """Print a warning if the sample no longer matches the catalog."""
    if line := stale_line(catalog):
        echo_stderr(line)
