"""A section of `btfer.toml`, its settings, and the types that several sections share."""

import re
from typing import Annotated, Any, ClassVar, Literal, TypeVar

import msgspec
from msgspec import Meta

from btfer_builder.io.device import Device

LicenseCode = Annotated[str, Meta(pattern="^(cc0|pdm|by|by-sa|by-nc|by-nd|by-nc-sa|by-nc-nd|unknown)$")]
Pretraining = Literal["scratch", "imagenet", "vggface"]
Workers = Annotated[
    int, Meta(ge=0, le=1024, description="Number of worker processes; 0: work in the main process.")
]
Scheduler = Annotated[
    str,
    Meta(max_length=200, description="Dask cluster to use in place of worker processes, as tcp://HOST:PORT."),
]
ComputeDevice = Annotated[
    Device,
    Meta(
        description="Device to compute on: a graphics card where one can be used (auto), the processor, or a card."
    ),
]
MaxPixels = Annotated[
    int,
    Meta(ge=10_000, description="Maximum pixels of an image; larger ones are dropped without being decoded."),
]


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of `btfer.toml`; every field is also an option of the command of the same name."""

    #: Names of the options and keyword arguments where they differ from those in `btfer.toml`.
    option_names: ClassVar[dict[str, str]] = {}

    def without_effect(self) -> frozenset[str]:
        """Return the settings that others overrule, so that they change nothing."""
        return frozenset()


AnySection = TypeVar("AnySection", bound=Section)


class Setting(msgspec.Struct, frozen=True):
    """A setting of a section, as its command-line option needs it."""

    name: str
    type: msgspec.inspect.Type
    default: Any
    help: str
    option: str


def settings_of(section: type[Section]) -> list[Setting]:
    """Return the settings of a section in the order of `btfer.toml`."""
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
        option = section.option_names.get(field.name, field.name)
        settings.append(Setting(field.name, kind, default, text, option))
    return settings


def override(section: AnySection, **values: Any) -> AnySection:  # noqa: ANN401 - values are checked here
    """Return a copy of the section with other values, checked; `None` keeps the current value.

    Raises
    ------
    msgspec.ValidationError
        If a value is out of range.
    """
    settings = msgspec.to_builtins(section) | {k: v for k, v in values.items() if v is not None}
    return msgspec.convert(settings, type(section))


def toml_value(value: object) -> str:
    """Return a value in TOML: a string, number, boolean, or a list or table of them."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        # Strings of TOML have the escapes of JSON; DEL must be escaped too.
        return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
    if isinstance(value, tuple | list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    if isinstance(value, dict):
        pairs = ", ".join(f"{toml_key(key)} = {toml_value(item)}" for key, item in value.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    return repr(value)


def toml_key(name: str) -> str:
    """Return a key in TOML, quoted if it must be."""
    return name if re.fullmatch("[A-Za-z0-9_-]+", name) else toml_value(name)
