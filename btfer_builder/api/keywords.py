"""Public functions: their settings as keyword arguments, and every problem of a user as a `BtferError`."""

import functools
import inspect
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

from msgspec.inspect import DictType, LiteralType, Metadata, StructType, Type, VarTupleType

from btfer_builder.api.messages import in_python
from btfer_builder.config import Section, Setting, settings_of
from btfer_builder.config.load import choices
from btfer_builder.errors import BtferError, line_of
from btfer_builder.io.terminal import reworded, show_progress

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
            with show_progress(progress), errors_of_python():
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
    """Make a function public that has no settings."""

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> Result:
        with errors_of_python():
            return function(*args, **kwargs)

    return call


@contextmanager
def errors_of_python() -> Iterator[None]:
    """Let messages name arguments instead of options, and turn errors of disk and catalog into a `BtferError`."""
    try:
        with reworded(in_python):
            yield
    except BtferError as error:
        error.args = (in_python(str(error)),)
        raise
    except Exception as error:
        line = line_of(error)
        if line is None:
            raise
        raise BtferError(in_python(line)) from error


def path_of(path: object) -> Path:
    """Return a path as the user means it: `~` is the home folder.

    Raises
    ------
    BtferError
        If it is neither text nor a path, is empty or has a null character.
    """
    if not isinstance(path, str | PathLike):
        raise BtferError(f"expected a path, got an object of the type {type(path).__name__}")
    if not (text := os.fspath(path)) or "\0" in text:
        raise BtferError(f"expected a path, got {text!r}")
    return Path(text).expanduser()


def one_of(value: object, valid: Sequence[str], name: str) -> None:
    """Check an argument that has one of a few values.

    Raises
    ------
    BtferError
        If it has another one.
    """
    if value not in valid:
        nearest = choices(value, valid, listed=False) if isinstance(value, str) else ""
        raise BtferError(f"{name}: {value!r} is not one of {', '.join(valid)}{nearest}")


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
