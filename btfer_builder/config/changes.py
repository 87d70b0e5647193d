"""Compare the settings a result was made with to the current ones: one rule for stages, training and benchmark.

Old names are mapped to the current ones, settings that were not stored have their default, and settings that cannot
change the result are left out.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from btfer_builder.config.base import Section, toml_value
from btfer_builder.config.collection import CropRecipe
from btfer_builder.config.curation import SampleRecipe
from btfer_builder.config.models import EvalRecipe, TrainRecipe
from btfer_builder.config.renamed import IN_IDS, old_name, old_value, with_new_names

#: Settings that change how fast a stage runs, but not its result.
_NEUTRAL = frozenset({"workers", "scheduler", "device"})
#: More of them, which other sections do not have or where they change the result.
_NEUTRAL_IN: dict[type[Section], frozenset[str]] = {
    TrainRecipe: frozenset({"memory"}),
    EvalRecipe: frozenset({"batch_size", "memory", "trust_model"}),
}
#: Settings that were added with a default that is not what was done before. They are not compared with results that
#: were made without them.
_NEW_DEFAULT: dict[type[Section], frozenset[str]] = {CropRecipe: frozenset({"second_search", "search"})}

#: Lists in which neither the order nor a repetition changes the result.
_UNORDERED: dict[type[Section], frozenset[str]] = {SampleRecipe: frozenset({"license"})}


@dataclass(frozen=True, slots=True)
class Change:
    """A setting with another value than before."""

    name: str
    before: Any
    now: Any

    def __str__(self) -> str:
        return f"{self.name} {toml_value(self.before)} → {toml_value(self.now)}"


def outcome_settings(section: Section) -> dict[str, Any]:
    """Return the settings that can change the result, as JSON represents them."""
    plain = msgspec.json.decode(msgspec.json.encode(section))
    neutral = _NEUTRAL | _NEUTRAL_IN.get(type(section), frozenset())
    return {name: value for name, value in plain.items() if name not in neutral}


def stored_settings(section: type[Section], stored: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings that any version stored, under their current names, with defaults for those added since."""
    return outcome_settings(section()) | with_new_names(section, stored)


def changes(before: Mapping[str, Any] | None, now: Section, only: Collection[str] = ()) -> list[Change]:
    """Return the settings that can change the result and had another value before.

    Parameters
    ----------
    before
        Settings as this or an earlier version stored them. A setting that is missing was added since and has its
        default. None: nothing was made yet.
    now
        The current settings.
    only
        Names of the settings to compare. Empty: all of them.
    """
    if before is None:
        return []
    earlier = stored_settings(type(now), before)
    skipped = (_NEW_DEFAULT.get(type(now), frozenset()) - before.keys()) | now.without_effect()
    unordered = _UNORDERED.get(type(now), frozenset())

    def differ(name: str, value: Any) -> bool:  # noqa: ANN401 - any value of a setting
        return set(earlier[name]) != set(value) if name in unordered else bool(earlier[name] != value)

    return [
        Change(name, earlier[name], value)
        for name, value in outcome_settings(now).items()
        if (not only or name in only) and name not in skipped and differ(name, value)
    ]


def id_settings(section: Section) -> dict[str, Any]:
    """Return what an id is hashed over: settings by their names of 0.1; those added since only if not at their default.

    So a result keeps its id when a setting is renamed or added.
    """
    defaults, known = outcome_settings(type(section)()), IN_IDS[type(section)]
    named = {old_name(type(section), name): name for name in defaults}
    values = outcome_settings(section)
    return {
        old: old_value(type(section), name, values[name])
        for old, name in named.items()
        if old in known or values[name] != defaults[name]
    }
