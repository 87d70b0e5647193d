"""A section of the recipe, its settings, and the kinds of values several sections share."""

from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import Meta

LicenseCode = Annotated[str, Meta(pattern="^(cc0|pdm|by|by-sa|by-nc|by-nd|by-nc-sa|by-nc-nd|unknown)$")]
Pretraining = Literal["scratch", "imagenet", "vggface"]
Workers = Annotated[int, Meta(ge=0, le=1024, description="Worker processes; 0 works in this process.")]
Scheduler = Annotated[
    str, Meta(max_length=200, description="Work on this Dask cluster instead, as tcp://HOST:PORT.")
]
MaxPixels = Annotated[
    int, Meta(ge=10_000, description="Images with more pixels are dropped before they are decoded.")
]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of `btfer.toml`; every field is also an option of the command of the same name."""


AnySection = TypeVar("AnySection", bound=Section)


class Setting(msgspec.Struct, frozen=True):
    """One field of a section as a command-line option needs it."""

    name: str
    type: msgspec.inspect.Type
    default: Any
    help: str


def settings_of(section: type[Section]) -> list[Setting]:
    """Return the settings of a section in the order they are written."""
    info = msgspec.inspect.type_info(section)
    assert isinstance(info, msgspec.inspect.StructType)  # noqa: S101 - a Section is a Struct
    settings = []
    for field in info.fields:
        kind: msgspec.inspect.Type = field.type
        text = ""
        if isinstance(kind, msgspec.inspect.Metadata):
            text = (kind.extra_json_schema or {}).get("description", "")
            kind = kind.type
        default = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()
        settings.append(Setting(field.name, kind, default, text))
    return settings


def override(section: AnySection, **values: Any) -> AnySection:  # noqa: ANN401 - values are checked here
    """Return the section with some settings replaced and checked; `None` leaves a setting as it is.

    Raises
    ------
    msgspec.ValidationError
        If a value is out of range.
    """
    settings = msgspec.to_builtins(section) | {k: v for k, v in values.items() if v is not None}
    return msgspec.convert(settings, type(section))


def toml_value(value: object) -> str:
    """Return a setting's value as `btfer.toml` states it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return msgspec.json.encode(value).decode()
    if isinstance(value, tuple | list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        pairs = ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    return str(value)
