"""Say that a sample no longer fits the catalog it was drawn from."""

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.sample import sample_state
from btfer_builder.io.terminal import echo_stderr


def stale_line(catalog: Catalog) -> str | None:
    """Return what is wrong with the sample and the next step, in one line; None if it is up to date."""
    state = sample_state(catalog)
    reasons = {
        "left the set": state.left,
        "no longer accepted": state.rejected,
        "with another label": state.relabelled,
        "taken down": state.taken_down,
    }
    found = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    return (
        f"the sample is stale: of {state.drawn} faces {found}; draw it again: btfer sample" if found else None
    )


def say_if_stale(catalog: Catalog) -> None:
    """Say it if the sample no longer fits the catalog."""
    if line := stale_line(catalog):
        echo_stderr(line)
