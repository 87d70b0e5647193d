"""The sidecar `model.btfer.toml`: the preprocessing and the labels of a model, in a file beside it."""

from pathlib import Path

import msgspec

from btfer_builder.config import explain
from btfer_builder.config.base import toml_key, toml_value
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.registry import SUFFIXES
from btfer_builder.evaluate.preprocessing.declaration import Sidecar
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.limits import read_toml


def sidecar_path(model: Path) -> Path:
    """Return the path of the sidecar of a model: `m.keras` → `m.btfer.toml`, `m.tar/` → `m.tar.btfer.toml`."""
    if model.suffix.lower() in SUFFIXES:
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
        If the sidecar is not TOML, or has an unknown setting or an invalid value; the error names it.
    """
    path = sidecar_path(model)
    try:
        return msgspec.convert(read_toml(path), Sidecar)
    except FileNotFoundError:
        return None
    except msgspec.ValidationError as error:
        raise BtferError(f"{path}: {explain(error, Sidecar)}; correct it or remove it") from None
    except (OSError, ValueError) as error:
        raise BtferError(f"{path}: not a readable sidecar: {error}; correct it or remove it") from None


def write_sidecar(model: Path, sidecar: Sidecar) -> Path:
    """Write the sidecar of a model and return its path.

    Parameters
    ----------
    model
        The model's file or folder; the sidecar goes beside it.
    sidecar
        The settings; those that are None are left out.

    Raises
    ------
    msgspec.ValidationError
        If a value is out of range; nothing is written then.
    BtferError
        If it cannot be written.
    """
    checked = msgspec.convert(msgspec.to_builtins(sidecar), Sidecar)
    path = sidecar_path(model)
    write_bytes(path, _text(checked).encode())
    return path


def _text(sidecar: Sidecar) -> str:
    """Return the TOML; only strings, numbers, booleans and lists of them occur."""
    lines = ["# The preprocessing of this model, read by btfer eval. A flag overrides a setting for one run."]
    for table, values in msgspec.to_builtins(sidecar).items():
        given = {name: value for name, value in values.items() if value not in (None, (), [])}
        if given:
            lines += [
                "",
                f"[{table}]",
                *(f"{toml_key(name)} = {toml_value(value)}" for name, value in given.items()),
            ]
    return "\n".join(lines) + "\n"
