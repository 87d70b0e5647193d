"""Compare the settings something was made with to those of now: one rule for every stage."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from btfer_builder.config.base import Section, toml_value

#: Settings that say how a stage works, never what comes out of it.
_NEUTRAL = frozenset({"workers", "scheduler"})


@dataclass(frozen=True, slots=True)
class Change:
    """A setting whose value was another one before."""

    name: str
    before: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.name} {toml_value(self.before)} → {toml_value(self.now)}"


def outcome_settings(section: Section) -> dict[str, Any]:
    """Return the settings that shape what a stage makes, in the form JSON gives them back."""
    plain = msgspec.json.decode(msgspec.json.encode(section))
    return {name: value for name, value in plain.items() if name not in _NEUTRAL}


def changes(before: Mapping[str, Any] | None, now: Section, only: Collection[str] = ()) -> list[Change]:
    """Return the settings that shape the outcome and were others before.

    Parameters
    ----------
    before
        Settings as they were stored, by this or an earlier version. A setting that is not among them has its
        default: it was added since, and the default is what the stage did before. None: nothing was made yet.
    now
        The settings of now.
    only
        The names of the settings to compare, if not all.
    """
    if before is None:
        return []
    earlier = outcome_settings(type(now)()) | dict(before)
    return [
        Change(name, earlier[name], value)
        for name, value in outcome_settings(now).items()
        if (not only or name in only) and earlier[name] != value
    ]
