"""Options of all commands, and options made from the settings of a section."""

import functools
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from click.core import ParameterSource
from msgspec import inspect

from btfer_builder.cli.guard import guard
from btfer_builder.cli.main import shared_options
from btfer_builder.cli.mistakes import Choice
from btfer_builder.cli.output import echo
from btfer_builder.config import AnySection, QueriesRecipe, Section, Setting, explain, override, settings_of
from btfer_builder.config.renamed import OPTIONS, SETTINGS, VALUES
from btfer_builder.queries.plan import languages_in
from btfer_builder.workspace import Workspace, recipe_of

Command = TypeVar("Command", bound=Callable[..., Any])

#: Where a context keeps the values of options that were given under their old names.
_RENAMED = f"{__name__}.renamed"


def common_options(command: Command) -> Command:
    """Add `--json` and the options of all commands, and guard the command: see `guard`."""

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any command
        kwargs["directory"] = kwargs["directory"] or _given_before("directory")
        quiet, verbose = (bool(kwargs.pop(name) or _given_before(name)) for name in ("quiet", "verbose"))
        with guard(kwargs["directory"], quiet=quiet, verbose=verbose):
            _check_settings(kwargs["directory"])
            return command(*args, **kwargs | _given_under_old_names())

    as_json = click.option("--json", "as_json", is_flag=True, help="Print the result as one JSON object.")
    return shared_options(as_json(guarded))  # type: ignore[no-any-return]  # as click's decorators


def _given_before(name: str) -> Any:  # noqa: ANN401 - a folder or a flag
    """Return the value of a shared option of the groups before the command, the nearest one; None without any."""
    context = click.get_current_context()
    while context.parent is not None:
        context = context.parent
        if value := context.params.get(name):
            return value
    return None


def _check_settings(directory: Path | None) -> None:
    """Name a broken `btfer.toml`, also in a command that does not need it; the doctor lists it with the rest."""
    if click.get_current_context().info_name != "doctor":
        recipe_of(directory)


def recipe_options(section: type[Section], *only: str) -> Callable[[Command], Command]:
    """Add an option for every setting of a section, or for those named in `only`.

    An option that is not given leaves the value of `btfer.toml`.
    """

    def decorate(command: Command) -> Command:
        old_names = {new: old for old, new in SETTINGS.get(section, {}).items()}
        for setting in reversed(settings_of(section)):
            if not only or setting.name in only:
                command = _setting_option(setting, old_names.get(setting.name))(command)
        for old, (new, values) in VALUES.get(section, {}).items():
            if not only or new in only:
                command = _value_option(old, new, values)(command)
        return command

    return decorate


def renamed_option(flag: str, **settings: Any) -> Callable[[Command], Command]:  # noqa: ANN401 - as click.option
    """Add an option that had another name before and is still accepted under that one."""
    old = next(old for old, new in OPTIONS.items() if new == flag)
    return _option(flag, flag[2:].replace("-", "_"), old=old, **settings)


def apply_cli_options(section: AnySection, options: dict[str, Any]) -> AnySection:
    """Return the section with the values of the options that were given.

    Raises
    ------
    click.UsageError
        If a value is out of range.
    """
    given = {setting.name: options.get(setting.option) for setting in settings_of(type(section))}
    try:
        return override(section, **{name: value for name, value in given.items() if value is not None})
    except msgspec.ValidationError as error:
        name, _, text = explain(error, type(section), given).partition(": ")
        name = name.partition("[")[0]
        option = section.option_names.get(name, name)
        raise click.UsageError(f"--{option.replace('_', '-')}: {text}") from None


def query_settings(workspace: Workspace, options: dict[str, Any]) -> QueriesRecipe:
    """Return which search phrases are used; the languages to choose from are those of the workspace.

    Raises
    ------
    click.UsageError
        If a value is out of range, or no language is named.
    """
    if options["language"] == ():
        known = ", ".join(languages_in(workspace.queries))
        raise click.UsageError(f"--language: name at least one; choose from {known}")
    return apply_cli_options(workspace.recipe.queries, options)


def given_flags(options: dict[str, Any]) -> set[str]:
    """Return the names of the options that were given on the command line."""
    return {name for name, value in options.items() if value is not None}


def _setting_option(setting: Setting, old: str | None) -> Callable[[Command], Command]:
    kind, text = setting.type, setting.help
    options: dict[str, Any] = {"default": None, "type": _click_type(kind)}
    shown = setting.default
    if isinstance(kind, inspect.BoolType):
        options |= {"is_flag": True, "type": None}
        shown = None
    elif isinstance(kind, inspect.VarTupleType) and isinstance(kind.item_type, inspect.LiteralType):
        options |= {"type": _click_type(kind.item_type), "multiple": True}
        options |= {
            "callback": lambda _c, _o, value: value or None
        }  # click gives () for an option that is not given
        shown = "all" if len(setting.default) > 1 else setting.default[0]
        text += " Can be given several times."
    elif isinstance(kind, inspect.VarTupleType) and isinstance(kind.item_type, inspect.StrType):
        options |= {"callback": lambda _c, _o, values: _words(values), "metavar": "A,B,...", "multiple": True}
        shown = ",".join(setting.default)
    elif isinstance(kind, inspect.VarTupleType):
        options |= {
            "callback": lambda _c, _o, value: None if value is None else _split(value, kind.item_type),
            "metavar": "A,B,...",
        }
        shown = ",".join(setting.default)
    elif isinstance(kind, inspect.DictType) and isinstance(kind.value_type, inspect.IntType):
        options |= {
            "metavar": "NAME=N,...",
            "callback": lambda _c, _o, value: None if value is None else _counts(value),
        }
    elif isinstance(kind, inspect.DictType):
        options |= {"multiple": True, "metavar": "NAME=URL", "callback": lambda _c, _o, value: _pairs(value)}
    if shown not in (None, "", {}):
        text += f" [default: {shown}]"
    option = partial(_option, _flag(setting.option, kind), setting.option, help=text, **options)
    return option(old=_flag(old, kind) if old else "")


def _flag(name: str, kind: inspect.Type) -> str:
    """Return the option of a setting: `--min-votes`, or `--blind/--no-blind`."""
    flag = "--" + name.replace("_", "-")
    negated = isinstance(kind, inspect.BoolType) and not flag.startswith("--no-")
    return f"{flag}/--no-{flag[2:]}" if negated else flag


def _option(flag: str, name: str, *, old: str = "", **settings: Any) -> Callable[[Command], Command]:  # noqa: ANN401
    """Return an option that is also accepted under its old name, which the help does not show."""
    option = click.option(flag, name, **settings)
    if not old:
        return option
    callback = settings.get("callback")

    def take(context: click.Context, parameter: click.Parameter, value: Any) -> None:  # noqa: ANN401
        if context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE:
            echo(f"{old} is now {flag}", err=True)
            taken = callback(context, parameter, value) if callback else value
            context.meta.setdefault(_RENAMED, {})[name] = taken

    hidden = settings | {"hidden": True, "expose_value": False, "callback": take, "help": f"Now {flag}."}
    alias = click.option(old, f"old_{name}", **hidden)
    return lambda command: option(alias(command))


def _value_option(old: str, new: str, values: Mapping[bool, Any]) -> Callable[[Command], Command]:
    """Return the hidden flag under which a setting was given that has names for its values now."""
    flag = "--" + old.replace("_", "-")

    def take(context: click.Context, parameter: click.Parameter, value: bool) -> None:
        if context.get_parameter_source(str(parameter.name)) is ParameterSource.COMMANDLINE:
            echo(f"{flag} is now --{new} {values[value]}", err=True)
            context.meta.setdefault(_RENAMED, {})[new] = values[value]

    return click.option(
        f"{flag}/--no-{flag[2:]}",
        f"old_{old}",
        hidden=True,
        expose_value=False,
        callback=take,
        help=f"Now --{new}.",
    )


def _given_under_old_names() -> dict[str, Any]:
    """Return the values of options given under their old names; the new name takes precedence."""
    context = click.get_current_context()
    return {
        name: value
        for name, value in context.meta.get(_RENAMED, {}).items()
        if context.get_parameter_source(name) is not ParameterSource.COMMANDLINE
    }


def _click_type(kind: inspect.Type) -> Any:  # noqa: ANN401 - any type of click
    if isinstance(kind, inspect.LiteralType):
        return Choice([str(value) for value in kind.values])
    return {inspect.IntType: int, inspect.FloatType: float}.get(type(kind), str)


def _words(values: tuple[str, ...]) -> tuple[str, ...] | None:
    """Read A,B,... given once or several times; None if it is not given, an empty value is an empty list."""
    return tuple(word for value in values for word in _split(value, inspect.StrType())) if values else None


def _split(value: str, kind: inspect.Type) -> tuple[Any, ...]:
    """Read A,B,... as strings or numbers; an empty value is an empty list."""
    if not value.strip():
        return ()
    convert = {inspect.IntType: int, inspect.FloatType: float}.get(type(kind), str)
    parts = [part.strip() for part in value.split(",")]
    if not all(parts):
        raise click.BadParameter(f"{value}: a value is missing before or after a comma")
    try:
        return tuple(map(convert, parts))
    except ValueError:
        raise click.BadParameter(f"{value}: expected numbers separated by commas") from None


def _counts(value: str) -> dict[str, int]:
    """Read NAME=N,NAME=N; an empty value is none."""
    if not value.strip():
        return {}
    try:
        return {name.strip(): int(count) for name, count in (part.split("=") for part in value.split(","))}
    except ValueError:
        raise click.BadParameter(f"{value}: expected NAME=N, as train=200,test=100") from None


def _pairs(values: tuple[str, ...]) -> dict[str, str] | None:
    """Read NAME=URL options."""
    pairs = dict(value.partition("=")[::2] for value in values)
    for name, url in pairs.items():
        if not name or not url.startswith(("http://", "https://")):
            raise click.BadParameter(f"{name}={url}: expected NAME=URL with an http or https URL")
    return pairs or None
