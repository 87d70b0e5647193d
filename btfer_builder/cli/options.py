"""Options every command shares, and options made out of a section of the recipe."""

import functools
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec
from msgspec import inspect

from btfer_builder.config import AnySection, Section, Setting, explain, override, settings_of
from btfer_builder.errors import BtferError

Command = TypeVar("Command", bound=Callable[..., Any])


def common_options(command: Command) -> Command:
    """Add `-w/--workspace` and `--json`, and turn a `BtferError` into one line and exit code 1."""

    @functools.wraps(command)
    def guarded(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - any command
        try:
            return command(*args, **kwargs)
        except BtferError as error:
            click.echo(f"Error: {error}", err=True)
            sys.exit(1)
        except sqlite3.DatabaseError as error:
            if error.sqlite_errorcode & 0xFF not in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
                raise
            click.echo(f"Error: the catalog is damaged ({error}); restore it from a backup", err=True)
            sys.exit(1)

    for option in (
        click.option("--json", "as_json", is_flag=True, help="Print one JSON object, for programs."),
        click.option(
            "-w",
            "--workspace",
            "directory",
            metavar="DIR",
            type=click.Path(path_type=Path, file_okay=False),
            help="The workspace; else BTFER_WORKSPACE, else the current folder.",
        ),
    ):
        guarded = option(guarded)
    return guarded  # type: ignore[return-value]  # functools.wraps keeps the command's type


def recipe_options(section: type[Section], *only: str) -> Callable[[Command], Command]:
    """Add an option for every setting of a section; one that is not given leaves the recipe's value.

    `only` names the settings, if they are not all.
    """

    def decorate(command: Command) -> Command:
        for setting in reversed(settings_of(section)):
            if not only or setting.name in only:
                command = _option(setting)(command)
        return command

    return decorate


def apply_cli_options(section: AnySection, options: dict[str, Any]) -> AnySection:
    """Return the section with the options that were given in place of its own values.

    Raises
    ------
    click.UsageError
        If a value is out of range.
    """
    given = {setting.name: options.get(setting.name) for setting in settings_of(type(section))}
    try:
        return override(section, **{name: value for name, value in given.items() if value is not None})
    except msgspec.ValidationError as error:
        name, _, text = explain(error).partition(": ")
        raise click.UsageError(f"--{name.partition('[')[0].replace('_', '-')}: {text}") from None


def given_flags(options: dict[str, Any]) -> set[str]:
    """Return the names of the options that were given on the command line."""
    return {name for name, value in options.items() if value is not None}


def _option(setting: Setting) -> Callable[[Command], Command]:
    flag = "--" + setting.name.replace("_", "-")
    kind, text = setting.type, setting.help
    options: dict[str, Any] = {"default": None, "type": _click_type(kind)}
    shown = setting.default
    if isinstance(kind, inspect.BoolType):
        flag += f"/--no-{flag[2:]}" if not flag.startswith("--no-") else ""
        options |= {"is_flag": True, "type": None}
        shown = None
    elif isinstance(kind, inspect.VarTupleType) and isinstance(kind.item_type, inspect.LiteralType):
        options |= {"type": _click_type(kind.item_type), "multiple": True}
        options |= {"callback": lambda _c, _o, value: value or None}  # click says () for an option not given
        shown = "all" if len(setting.default) > 1 else setting.default[0]
        text += " May be given several times."
    elif isinstance(kind, inspect.VarTupleType):
        options |= {
            "callback": lambda _c, _o, value: None if value is None else _split(value, kind.item_type),
            "metavar": "A,B,...",
        }
        shown = ",".join(setting.default)
    elif isinstance(kind, inspect.DictType) and isinstance(kind.value_type, inspect.IntType):
        options |= {"metavar": "NAME=N,...", "callback": lambda _c, _o, value: value and _counts(value)}
    elif isinstance(kind, inspect.DictType):
        options |= {"multiple": True, "metavar": "NAME=URL", "callback": lambda _c, _o, value: _pairs(value)}
    if shown not in (None, "", {}):
        text += f" [default: {shown}]"
    return click.option(flag, setting.name, help=text, **options)


def _click_type(kind: inspect.Type) -> Any:  # noqa: ANN401 - whatever click takes for a type
    if isinstance(kind, inspect.LiteralType):
        return click.Choice([str(value) for value in kind.values])
    return {inspect.IntType: int, inspect.FloatType: float}.get(type(kind), str)


def _split(value: str, kind: inspect.Type) -> tuple[Any, ...]:
    """Read A,B,... as strings, or as numbers where the setting is a list of them; nothing is none of them."""
    if not value.strip():
        return ()
    convert = {inspect.IntType: int, inspect.FloatType: float}.get(type(kind), str)
    try:
        return tuple(convert(part.strip()) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"{value}: expected numbers separated by commas") from None


def _counts(value: str) -> dict[str, int]:
    """Read NAME=N,NAME=N."""
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
