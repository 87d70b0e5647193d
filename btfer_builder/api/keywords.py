"""Functions whose keyword arguments are settings: signature, documentation and errors follow from the settings."""

import functools
import inspect
from collections.abc import Callable, Collection
from os import PathLike
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from msgspec.inspect import DictType, LiteralType, Metadata, StructType, Type, VarTupleType

from btfer_builder.catalog.catalog import damage_as_error
from btfer_builder.config import Section, Setting, settings_of
from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import show_progress

P = ParamSpec("P")
Result = TypeVar("Result")

_PROGRESS = inspect.Parameter("progress", inspect.Parameter.KEYWORD_ONLY, default=True, annotation=bool)


def takes(
    *sections: type[Section], only: Collection[str] = ()
) -> Callable[[Callable[P, Result]], Callable[P, Result]]:
    """Make a function public whose `**settings` are those of sections of `btfer.toml`.

    Its signature and its docstring list the settings, so that a notebook completes and explains them, and it takes
    `progress=False`, which hides progress bars.

    Parameters
    ----------
    sections
        The sections.
    only
        The settings that the function takes; empty for all of them.
    """

    def decorate(function: Callable[P, Result]) -> Callable[P, Result]:
        by_name: dict[str, Setting] = {}
        for setting in (setting for section in sections for setting in settings_of(section)):
            if not only or setting.name in only:
                by_name.setdefault(setting.option, setting)
        settings = list(by_name.values())

        @functools.wraps(function)
        def call(*args: Any, progress: bool = True, **kwargs: Any) -> Result:  # noqa: ANN401 - P cannot be extended
            with show_progress(progress), damage_as_error():
                return function(*args, **kwargs)

        signature = inspect.signature(function)
        parameters = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        parameters += [
            inspect.Parameter(setting.option, inspect.Parameter.KEYWORD_ONLY, default=None)
            for setting in settings
        ]
        call.__signature__ = signature.replace(parameters=[*parameters, _PROGRESS])  # type: ignore[attr-defined]
        call.__doc__ = _with_settings(inspect.getdoc(function) or "", settings)
        return cast(Callable[P, Result], call)

    return decorate


def guarded(function: Callable[P, Result]) -> Callable[P, Result]:
    """Make a function public that has no settings: a damaged catalog is a `BtferError`."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        with damage_as_error():
            return function(*args, **kwargs)

    return call


def path_of(path: object) -> Path:
    """Return a path as the user means it: `~` is the home folder.

    Raises
    ------
    BtferError
        If it is neither text nor a path.
    """
    if not isinstance(path, str | PathLike):
        raise BtferError(f"expected a path, got an object of the type {type(path).__name__}")
    return Path(path).expanduser()


def _with_settings(text: str, settings: list[Setting]) -> str:
    """Return a docstring with a section about the settings, in the place where numpydoc wants it."""
    lines = ["Other Parameters", "----------------"]
    for setting in settings:
        lines += [f"{setting.option} : {_type_text(setting.type)}, default {_default(setting.default)}"]
        lines += [f"    {setting.help}"]
    lines += ["progress : bool, default True", "    Show progress bars on stderr.", ""]
    before, heading, after = text.partition("Raises\n------")
    if not heading:
        before, heading, after = text.partition("Examples\n--------")
    return f"{before.rstrip()}\n\n" + "\n".join(lines) + (f"\n{heading}{after}" if heading else "")


def _default(value: object) -> str:
    value = list(value) if isinstance(value, tuple) else value
    return repr(value) if not isinstance(value, Section) else "its defaults"


def _type_text(kind: Type) -> str:
    if isinstance(kind, Metadata):
        kind = kind.type
    if isinstance(kind, LiteralType):
        return "{" + ", ".join(repr(value) for value in kind.values) + "}"
    if isinstance(kind, VarTupleType):
        return f"list of {_type_text(kind.item_type)}"
    if isinstance(kind, DictType):
        return f"dict of {_type_text(kind.value_type)}"
    if isinstance(kind, StructType):
        return "dict"
    return type(kind).__name__.removesuffix("Type").lower()
