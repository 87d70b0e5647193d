"""The sidecar `model.btfer.toml`: how a model wants to be fed, in a file beside it."""

import tomllib
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta

from btfer_builder.config import Color, ResizeKernel, Scale, explain
from btfer_builder.config.base import toml_key, toml_value
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import write_bytes

Side = Annotated[int, Meta(ge=8, le=2048)]
Channel = Annotated[float, Meta(ge=-1000, le=1000)]
Deviation = Annotated[float, Meta(gt=0, le=1000)]
#: One value for all channels, or one for each in the order of `color`.
Channels = Annotated[tuple[Channel, ...], Meta(min_length=1, max_length=3)]
Deviations = Annotated[tuple[Deviation, ...], Meta(min_length=1, max_length=3)]


class SidecarInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a face becomes the model's input, in this order: crop, colour, resize, scale, − mean, ÷ std.

    Attributes
    ----------
    size
        Side of the square input in pixels; None where the model states it itself.
    color
        Order of the channels; `auto` is grey for one channel and rgb for three.
    scale
        Range the pixels are brought to.
    mean, std
        Subtracted and divided by after scaling, so in units of `scale`; in the order of `color`.
    resize
        Kernel of the resizing; `auto` averages areas to shrink and is bicubic to enlarge.
    crop
        Share of the face's central square that is shown, above 0 to 1.
    """

    size: Side | None = None
    color: Color | None = None
    scale: Scale | None = None
    mean: Channels | None = None
    std: Deviations | None = None
    resize: ResizeKernel | None = None
    crop: Annotated[float, Meta(gt=0, le=1)] | None = None


class SidecarLabels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the model's outputs mean: its classes in their order; empty if the sidecar does not say."""

    outputs: tuple[str, ...] = ()


class Sidecar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a sidecar says; `about` is free text for people (network, weights, who trained it)."""

    input: SidecarInput = SidecarInput()
    labels: SidecarLabels = SidecarLabels()
    about: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)


def sidecar_path(model: Path) -> Path:
    """Return where the sidecar of a model lies: `m.keras` → `m.btfer.toml`, `m.tar/` → `m.tar.btfer.toml`."""
    if model.suffix.lower() in {".keras", ".h5", ".hdf5", ".tflite", ".onnx"}:
        return model.with_suffix(".btfer.toml")
    return model.with_name(f"{model.name}.btfer.toml")


def read_sidecar(model: Path) -> Sidecar | None:
    """Read the sidecar of a model; None if it has none.

    Parameters
    ----------
    model
        The model's file or folder, not the sidecar's.

    Raises
    ------
    BtferError
        If the sidecar is no TOML, or says something unknown or impossible; the text names the setting.
    """
    path = sidecar_path(model)
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Sidecar)
    except FileNotFoundError:
        return None
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BtferError(f"{path}: not a readable sidecar: {error}; correct it or remove it") from None
    except msgspec.ValidationError as error:
        raise BtferError(f"{path}: {explain(error, Sidecar)}; correct it or remove it") from None


def write_sidecar(model: Path, sidecar: Sidecar) -> Path:
    """Write the sidecar of a model, all at once, and return its path.

    Parameters
    ----------
    model
        The model's file or folder; the sidecar goes beside it.
    sidecar
        What it says; what is None is left out.

    Raises
    ------
    msgspec.ValidationError
        If a value is out of range, so that nothing is written which cannot be read back.
    BtferError
        If it cannot be written.
    """
    checked = msgspec.convert(msgspec.to_builtins(sidecar), Sidecar)
    path = sidecar_path(model)
    write_bytes(path, _text(checked).encode())
    return path


def _text(sidecar: Sidecar) -> str:
    """Return the TOML; only strings, numbers, booleans and lists of them occur."""
    lines = ["# How this model wants to be fed; read by btfer eval. A flag overrides it for one run."]
    for table, values in msgspec.to_builtins(sidecar).items():
        said = {name: value for name, value in values.items() if value not in (None, (), [])}
        if said:
            lines += [
                "",
                f"[{table}]",
                *(f"{toml_key(name)} = {toml_value(value)}" for name, value in said.items()),
            ]
    return "\n".join(lines) + "\n"
