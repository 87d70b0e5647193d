"""Settings given as keyword arguments: checked as `btfer.toml` is, with the same errors."""

import os
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import msgspec

from btfer_builder.config.base import Section, settings_of
from btfer_builder.config.load import choices, explain
from btfer_builder.config.renamed import with_new_names
from btfer_builder.errors import BtferError


def with_keywords(
    command: str,
    settings: Mapping[str, Any],
    *sections: Section,
    only: Collection[str] = (),
) -> tuple[Any, ...]:
    """Return sections with the values of keyword arguments; `None` keeps the current value.

    Parameters
    ----------
    command
        The section's name in `btfer.toml`, which begins an error.
    settings
        Keyword arguments. Besides what TOML knows, values can be paths, tuples, sets, and NumPy or pandas scalars and
        arrays; a single value is a list of one, and a dict gives some settings of a section in a section. Names of
        0.1 are accepted.
    sections
        The current settings. A keyword belongs to the first section that has it.
    only
        Settings of the sections that can be given; empty for all of them.

    Returns
    -------
    tuple of Section
        The sections in the order given.

    Raises
    ------
    BtferError
        If a setting is unknown or its value is not valid. The message names the nearest valid name.
    """
    left = {name: _plain(value) for name, value in settings.items() if value is not None}
    changed: list[Section] = []
    valid: list[str] = []
    for section in sections:
        kind = type(section)
        fields = {item.option: item for item in settings_of(kind) if not only or item.name in only}
        renamed = with_new_names(kind, left)
        given = {
            fields[option].name: _fitted(value, fields[option].type, getattr(section, fields[option].name))
            for option, value in renamed.items()
            if option in fields
        }
        left = {name: value for name, value in renamed.items() if name not in fields}
        valid += fields
        try:
            changed.append(msgspec.convert(msgspec.to_builtins(section) | given, kind))
        except msgspec.ValidationError as error:
            text = explain(error, kind, given).replace("`array`", "a list").replace("`object`", "a dict")
            raise BtferError(f"{command}.{text}") from None
    for name in left:
        raise BtferError(f"{command}: unknown setting `{name}`{choices(name, valid)}")
    return tuple(changed)


def given_names(settings: Mapping[str, Any], section: type[Section]) -> set[str]:
    """Return the current names of the settings of a section that keyword arguments give."""
    own = {setting.option: setting.name for setting in settings_of(section)}
    given = {name: value for name, value in settings.items() if value is not None}
    return {own[option] for option in with_new_names(section, given) if option in own}


def _fitted(value: Any, kind: msgspec.inspect.Type, current: Any) -> Any:  # noqa: ANN401 - of any setting
    """Return a list of one for a single value, and all settings of a section of which some are given."""
    if isinstance(current, Section) and isinstance(value, dict):
        return msgspec.to_builtins(current) | with_new_names(type(current), value)
    single = isinstance(value, str | int | float) and isinstance(kind, msgspec.inspect.VarTupleType)
    return [value] if single else value


def _plain(value: Any) -> Any:  # noqa: ANN401 - any keyword argument
    """Return a value as TOML knows it."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        return [_plain(item) for item in value]
    return value
