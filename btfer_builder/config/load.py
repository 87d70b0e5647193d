"""Read `btfer.toml`, check it, and write it with every default."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from btfer_builder.config.base import Section, settings_of, toml_value
from btfer_builder.config.collection import (
    CrawlRecipe,
    CropRecipe,
    DedupeRecipe,
    QueriesRecipe,
    SourceRecipe,
    StorageRecipe,
)
from btfer_builder.config.curation import AgreementRecipe, ReleaseRecipe, ReviewRecipe, SampleRecipe
from btfer_builder.config.datasets import DatasetRecipe, HashesRecipe, LeakageRecipe
from btfer_builder.config.models import EvalRecipe, TrainRecipe
from btfer_builder.config.renamed import SETTINGS, with_new_names
from btfer_builder.errors import BtferError
from btfer_builder.io.limits import read_toml

#: The error for a value outside of a few allowed words, which may share a beginning.
_WORDS = re.compile(r"Expected `str` matching regex '\^(\w*)\(([\w|-]+)\)\$'")

#: The error for a list without values where one is needed.
_EMPTY = "Expected `array` of length >= 1"

AnyStruct = TypeVar("AnyStruct", bound=msgspec.Struct)


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The sections of `btfer.toml`; each but `storage` and `source` has the settings of one command."""

    storage: StorageRecipe = StorageRecipe()
    queries: QueriesRecipe = QueriesRecipe()
    crawl: CrawlRecipe = CrawlRecipe()
    source: SourceRecipe = SourceRecipe()
    dedupe: DedupeRecipe = DedupeRecipe()
    crop: CropRecipe = CropRecipe()
    hashes: HashesRecipe = HashesRecipe()
    leakage: LeakageRecipe = LeakageRecipe()
    review: ReviewRecipe = ReviewRecipe()
    agreement: AgreementRecipe = AgreementRecipe()
    sample: SampleRecipe = SampleRecipe()
    release: ReleaseRecipe = ReleaseRecipe()
    dataset: DatasetRecipe = DatasetRecipe()
    train: TrainRecipe = TrainRecipe()
    eval: EvalRecipe = EvalRecipe()


def load_recipe(path: Path) -> Recipe:
    """Read and check a `btfer.toml`.

    Raises
    ------
    BtferError
        If the file is not valid TOML, has an unknown setting or a value out of range; the message names it.
    """
    try:
        return convert_settings(read_toml(path), Recipe, path)
    except OSError as error:
        raise BtferError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise BtferError(f"{path}: not valid TOML: {error}") from None


def convert_settings(values: Mapping[str, Any], kind: type[AnyStruct], path: Path) -> AnyStruct:
    """Return the settings of a TOML file as a checked structure; settings may have their old names.

    Parameters
    ----------
    values
        Content of the file.
    kind
        The structure; fields of it that are sections are tables of the file.
    path
        The file, for messages.

    Raises
    ------
    BtferError
        If a setting is unknown, given twice, or has a value out of range; the message names it.
    """
    current = dict(values)
    renamed: dict[str, str] = {}
    for field in msgspec.structs.fields(kind):
        table = current.get(field.name)
        if isinstance(field.default, Section) and isinstance(table, dict):
            try:
                current[field.name] = with_new_names(type(field.default), table)
            except BtferError as error:
                raise BtferError(f"{path}: {field.name}: {error}") from None
            names = SETTINGS.get(type(field.default), {})
            renamed |= {f"{field.name}.{new}": old for old, new in names.items() if old in table}
    try:
        return msgspec.convert(current, kind)
    except msgspec.ValidationError as error:
        name, separator, text = explain(error, kind, current).partition(": ")
        text = text.replace("`object`", f"a section, as [{name}]")
        if old := renamed.get(name):
            name += f" (here under its old name {old})"
        raise BtferError(f"{path}: {name}{separator}{text}") from None


def explain(
    error: msgspec.ValidationError, kind: type[msgspec.Struct] | None = None, given: object = None
) -> str:
    """Return a validation error with the name of the setting: `crop.size: Expected int >= 16`.

    With the structure that was read, an unknown name or value comes with the nearest valid one and with all of them;
    `given` is what was read, for values of which the error does not say what they were.
    """
    text, _, at = str(error).replace(" - at `key` in `$", " - at `$").partition(" - at `$")
    name = at.strip("`.")
    if kind is not None:
        if text == _EMPTY:
            text = f"name at least one{choices('', _names_at(msgspec.inspect.type_info(kind), f'{name}[0]'))}"
        text += _suggestion(text, _names_at(msgspec.inspect.type_info(kind), name))
        text = text.replace(
            "Object contains unknown field", f"unknown {'setting' if name else 'section or setting'}"
        )
        if words := _WORDS.search(text):
            valid = [words[1] + word for word in words[2].split("|")]
            value = str(_value_at(given, name))
            text = (
                f"Invalid value {value!r}{choices(value, valid)}"
                if value
                else f"Expected one of {', '.join(valid)}"
            )
    return f"{name}: {text}" if name else text


def _value_at(given: object, name: str) -> object:
    """Return what was given at a place as `queries.emotion[0]`; empty if it is not there."""
    for part in filter(None, re.split(r"[.\[\]]+", name)):
        if isinstance(given, Mapping):
            given = given.get(part)
        elif isinstance(given, list | tuple) and part.isdigit() and int(part) < len(given):
            given = given[int(part)]
    return given if isinstance(given, str) else ""


def _names_at(kind: msgspec.inspect.Type, name: str) -> list[str]:
    """Return the names or values that are valid at a place as `crop.fit` or `queries.emotion[0]`."""
    for part in filter(None, re.split(r"[.\[]", name)):
        kind = _plain(kind)
        if isinstance(kind, msgspec.inspect.StructType):
            kind = next((field.type for field in kind.fields if field.encode_name == part), kind)
        elif isinstance(kind, msgspec.inspect.VarTupleType):
            kind = kind.item_type
    kind = _plain(kind)
    if isinstance(kind, msgspec.inspect.DictType):
        kind = _plain(kind.key_type)
    if isinstance(kind, msgspec.inspect.StructType):
        return [field.encode_name for field in kind.fields]
    return [str(value) for value in kind.values] if isinstance(kind, msgspec.inspect.LiteralType) else []


def _plain(kind: msgspec.inspect.Type) -> msgspec.inspect.Type:
    return kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind


def _suggestion(text: str, valid: list[str]) -> str:
    wrong = re.search(r"(unknown field|enum value) [`'](.*)[`']", text)
    return choices(wrong[2], valid) if wrong else ""


def choices(name: str, valid: Sequence[str], *, listed: bool = True) -> str:
    """Return the end of an error about an unknown name: the nearest valid one, and all of them unless they are given.

    Examples
    --------
    >>> choices("crp", ["crawl", "crop"]), choices("x", ["crawl", "crop"])
    ('; did you mean `crop`? Choose from crawl, crop', '; choose from crawl, crop')
    """
    nearest = get_close_matches(name, valid, n=1)
    meant = f"; did you mean `{nearest[0]}`?" if nearest else ""
    if not listed or not valid:
        return meant
    return f"{meant} Choose from {', '.join(valid)}" if meant else f"; choose from {', '.join(valid)}"


def recipe_text() -> str:
    """Return a `btfer.toml` with every setting, its default and its meaning."""
    lines = [
        "# Settings of this workspace. A command-line option of the same name overrides a setting for one run.",
        "",
    ]
    for section in msgspec.structs.fields(Recipe):
        kind = type(section.default)
        lines += [f"[{section.name}]  # {str(kind.__doc__).strip()}"]
        for field in settings_of(kind):
            lines += [f"{field.name} = {toml_value(field.default)}  # {field.help}"]
        lines += [""]
    return "\n".join(lines)
