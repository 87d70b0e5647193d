"""Which preprocessing a model gets: flags, preset, sidecar and recipe, in this order of precedence."""

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from btfer_builder.config import EvalRecipe
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.preprocessing.declaration import Sidecar
from btfer_builder.evaluate.preprocessing.presets import PRESETS
from btfer_builder.evaluate.preprocessing.sidecar import read_sidecar, sidecar_path
from btfer_builder.networks.preprocessing import Preprocessing, channel_order, check_mean_and_std

#: Settings that a sidecar or a preset can declare.
DECLARED = ("size", "color", "scale", "mean", "std", "resize", "crop", "resize_to")

#: The side of a face where neither the model nor a setting gives one (§2, stage 3).
FACE_SIZE = 256


@dataclass(frozen=True, slots=True)
class ResolvedPreprocessing:
    """The settings that apply to a model, and their source.

    Attributes
    ----------
    recipe
        The recipe with the settings of the sidecar or preset in it.
    source
        `sidecar NAME`, `preset NAME (its source)` or `model's own FILE`, with ` and flags` where flags add or override
        a setting; without any, `flags` if these give scale, mean or std, else `recipe`.
    overridden
        The settings of the sidecar or preset that a flag overrides or invalidates, as sentences.
    kernel_declared
        Whether anything says how the model's faces were resized.
    labels_declared
        Whether anything names the model's classes.
    """

    recipe: EvalRecipe
    source: str
    overridden: tuple[str, ...] = ()
    kernel_declared: bool = True
    labels_declared: bool = True


def resolve_preprocessing(
    model: Model, recipe: EvalRecipe, explicit: Collection[str] = ()
) -> ResolvedPreprocessing:
    """Resolve the settings of a model: a flag comes first, then a preset flag, the sidecar and the recipe.

    Parameters
    ----------
    model
        Its sidecar is read from beside its file; a function and a module in memory have none.
    recipe
        The recipe, flags included.
    explicit
        Names of the settings that are given for this run and override the sidecar and the preset.

    Raises
    ------
    BtferError
        If the sidecar is not readable.
    """
    declared: Sidecar | None = None
    source = "recipe"
    sidecar = None if model.name or model.path is None else read_sidecar(model.path)
    if recipe.preset != "none" and (sidecar is None or "preset" in explicit):
        declared = PRESETS[recipe.preset].sidecar
        source = f"preset {recipe.preset} ({PRESETS[recipe.preset].source})"
    elif sidecar is not None:
        declared, source = sidecar, f"sidecar {sidecar_path(Path(model.where)).name}"
    elif model.declares is not None:
        declared = model.declares
        source = f"model's own {model.declared_in}" if model.declared_in else source
    flags = [name for name in (*DECLARED, "labels", "activation") if name in explicit]
    # Whole numbers of 0 to 1 would be black faces.
    if model.takes == "uint8" and "scale" not in explicit and recipe.scale == EvalRecipe().scale:
        recipe = msgspec.structs.replace(recipe, scale="0,255")
        source = "model's own input of whole numbers" if declared is None else source
    named = "labels" in flags or recipe.labels != EvalRecipe().labels
    if declared is None:
        # Labels, a size or an interpolation do not say which range of pixels the model was trained on.
        source = "flags" if {"scale", "mean", "std"} & set(flags) else source
        kernel = "resize" in flags or recipe.resize != "auto"
        return ResolvedPreprocessing(recipe, source, (), kernel, named)
    settings: dict[str, Any] = {name: getattr(declared.input, name) for name in DECLARED}
    settings |= {"labels": declared.labels.outputs or None, "activation": declared.output.activation}
    settings = {name: value for name, value in settings.items() if value is not None}
    origin = source.split(" (")[0]
    differing = [name for name in flags if settings.get(name) != getattr(recipe, name)]
    overridden = [
        f"--{name} {_shown(getattr(recipe, name))} overrides {_shown(settings[name])} of the {origin}"
        for name in differing
        if name in settings
    ]
    kept = {name: value for name, value in settings.items() if name not in flags}
    # Mean and deviation are in units of the scale and are meaningless with another one.
    dropped = [name for name in ("mean", "std") if name in kept and "scale" in differing]
    if dropped:
        values = " and ".join(f"{name} {_shown(kept.pop(name))}" for name in dropped)
        overridden.append(
            f"--scale {recipe.scale} leaves out the {values} of the {origin}, in units of another scale; "
            f"give {' and '.join(f'--{name}' for name in dropped)} in units of this one"
        )
    return ResolvedPreprocessing(
        msgspec.structs.replace(recipe, **kept),
        source + (" and flags" if differing else ""),
        tuple(overridden),
        "resize" in settings or "resize" in flags or recipe.resize != "auto",
        "labels" in settings or named,
    )


def build_preprocessing(recipe: EvalRecipe, model: Model, explicit: Collection[str] = ()) -> Preprocessing:
    """Return the preprocessing of a model: size and channels from the model, the rest from the recipe.

    Parameters
    ----------
    recipe
        The recipe, with the settings of the sidecar or preset in it.
    model
        The model.
    explicit
        Names of the settings that are given for this run.

    Raises
    ------
    BtferError
        If the settings do not fit the model: colour for a single channel, no size or another one than the
        model's, a mean of another number of channels, a scale for a model that takes whole numbers, or any for
        a function, which does its own preprocessing.
    """
    height, width = _sides(recipe, model)
    if recipe.resize_to and recipe.resize_to < max(height, width):
        raise BtferError(
            f"{model.where}: resize_to is {recipe.resize_to}, but {width}×{height} pixels are cut out of the resized "
            "face; give at least that"
        )
    if model.takes == "uint8 rgb":
        for name in ("color", "scale", "mean", "std", "preset"):
            if name in explicit:
                raise BtferError(
                    f"{model.title}: is a function and does its own preprocessing, so --{name} has no effect; "
                    "leave it out"
                )
        return Preprocessing(
            height,
            width,
            3,
            "rgb",
            "0,255",
            resize=recipe.resize,
            crop=recipe.crop,
            raw=True,
            resize_to=recipe.resize_to,
        )
    if model.takes == "uint8" and (recipe.scale != "0,255" or recipe.mean or recipe.std):
        raise BtferError(
            f"{model.where}: takes whole numbers of 0 to 255; give --scale 0,255, and no mean and no std"
        )
    color = channel_order(recipe.color, model.channels, model.where)
    check_mean_and_std(recipe.mean, recipe.std, model.channels, model.where)
    return Preprocessing(
        height,
        width,
        model.channels,
        color,
        recipe.scale,
        recipe.mean,
        recipe.std,
        recipe.resize,
        recipe.crop,
        resize_to=recipe.resize_to,
    )


def _sides(recipe: EvalRecipe, model: Model) -> tuple[int, int]:
    """Return height and width: those of the model, else the recipe's size; a contradiction is an error."""
    if model.height is None or model.width is None:
        if not recipe.size and model.takes != "uint8 rgb":
            raise BtferError(f"{model.where}: takes images of any size; give --size, in pixels")
        return model.height or recipe.size or FACE_SIZE, model.width or recipe.size or FACE_SIZE
    if recipe.size and (recipe.size, recipe.size) != (model.height, model.width):
        raise BtferError(
            f"{model.where}: takes {model.width}×{model.height} pixels, so size cannot be {recipe.size}; "
            "leave out the flag, the preset or the line of the sidecar that sets it"
        )
    return model.height, model.width


def _shown(value: object) -> str:
    return ",".join(str(item) for item in value) if isinstance(value, tuple) else str(value)
