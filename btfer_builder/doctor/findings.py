"""A finding of the doctor."""

from dataclasses import asdict, dataclass
from typing import Literal

State = Literal["ok", "note", "problem"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing.

    Attributes
    ----------
    subject
        What was looked at.
    state
        `ok`; `note`: something cannot be used or may be wanted; `problem`: something does not work.
    found
        What was found.
    advice
        What to do; empty if there is nothing to do.
    """

    subject: str
    state: State
    found: str
    advice: str = ""

    def to_dict(self) -> dict[str, str]:
        """Return the form of `btfer doctor --json`."""
        return asdict(self)
