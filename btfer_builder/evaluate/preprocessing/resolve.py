"""How a face becomes the input of a model: who says so, and the pixels themselves."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from btfer_builder.config import EvalRecipe, ResizeKernel, Scale
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.preprocessing.presets import PRESETS
from btfer_builder.evaluate.preprocessing.sidecar import Sidecar, read_sidecar, sidecar_path

ChannelOrder = Literal["rgb", "bgr", "grey"]
Interpolation = Literal["area", "bilinear", "cubic", "lanczos", "nearest", "none"]

#: Settings a sidecar or a preset may speak of.
DECLARED = ("size", "color", "scale", "mean", "std", "resize", "crop")

#: The side of a face when neither the model nor anybody else says one (§2, stage 3).
FACE_SIZE = 256


@dataclass(frozen=True, slots=True)
class Feeding:
    """How a face becomes the input of a model, in this order: crop, colour, resize, scale, − mean, ÷ std.

    Attributes
    ----------
    height, width, channels
        Of the input; pixels, and 1 or 3.
    color
        Order of the channels; `grey` with three channels is the same grey in each.
    scale
        Range the pixels are brought to; `mean` and `std` (none, one value, or one a channel) are in its units.
    resize
        Kernel; `auto` is `area` to shrink and `cubic` to enlarge.
    crop
        Share of the face's central square that is shown.
    raw
        The model is a function that wants RGB of 0–255 as uint8 and does the rest itself.
    """

    height: int
    width: int
    channels: int
    color: ChannelOrder
    scale: Scale
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    resize: ResizeKernel = "auto"
    crop: float = 1.0
    raw: bool = False


@dataclass(frozen=True, slots=True)
class ResolvedPreprocessing:
    """Who said what about feeding a model.

    Attributes
    ----------
    recipe
        The recipe with the words of the sidecar or preset in it.
    source
        Who spoke: `sidecar NAME` or `preset NAME (its source)`, with ` and flags` where flags said more or otherwise;
        without either, `flags` if these gave scale, mean or std, else `recipe`.
    overridden
        What a flag says otherwise than the sidecar or preset, or makes meaningless in it, as sentences.
    """

    recipe: EvalRecipe
    source: str
    overridden: tuple[str, ...] = ()


def resolve_preprocessing(
    model: Model, recipe: EvalRecipe, explicit: Collection[str] = ()
) -> ResolvedPreprocessing:
    """Find out how a model wants to be fed: flags before preset flag before sidecar before recipe.

    Parameters
    ----------
    model
        Its sidecar is looked for beside its file.
    recipe
        The recipe, flags included.
    explicit
        Names of the settings that were given for this run, and so beat the sidecar and the preset.

    Raises
    ------
    BtferError
        If the sidecar is not readable.
    """
    spoken: Sidecar | None = None
    source = "recipe"
    beside = read_sidecar(model.path) if model.path.suffix != ".py" else None
    if recipe.preset != "none" and (beside is None or "preset" in explicit):
        spoken = PRESETS[recipe.preset].sidecar
        source = f"preset {recipe.preset} ({PRESETS[recipe.preset].source})"
    elif beside is not None:
        spoken, source = beside, f"sidecar {sidecar_path(model.path).name}"
    flags = [name for name in (*DECLARED, "labels") if name in explicit]
    if spoken is None:
        # Labels, a size or a kernel do not say what range of pixels the model was trained on.
        return ResolvedPreprocessing(recipe, "flags" if {"scale", "mean", "std"} & set(flags) else source)
    said: dict[str, Any] = {name: getattr(spoken.input, name) for name in DECLARED}
    said["labels"] = spoken.labels.outputs or None
    said = {name: value for name, value in said.items() if value is not None}
    whose = source.split(" (")[0]
    differing = [name for name in flags if said.get(name) != getattr(recipe, name)]
    overridden = [
        f"--{name} {_shown(getattr(recipe, name))} overrides {_shown(said[name])} of the {whose}"
        for name in differing
        if name in said
    ]
    kept = {name: value for name, value in said.items() if name not in flags}
    # Mean and deviation are in units of the scale, so with another one they mean nothing.
    dropped = [name for name in ("mean", "std") if name in kept and "scale" in differing]
    if dropped:
        values = " and ".join(f"{name} {_shown(kept.pop(name))}" for name in dropped)
        overridden.append(
            f"--scale {recipe.scale} leaves out the {values} of the {whose}, in units of another scale; "
            f"give {' and '.join(f'--{name}' for name in dropped)} in units of this one"
        )
    return ResolvedPreprocessing(
        _with(recipe, kept), source + (" and flags" if differing else ""), tuple(overridden)
    )


def _with(recipe: EvalRecipe, values: dict[str, Any]) -> EvalRecipe:
    import msgspec

    return msgspec.structs.replace(recipe, **values)


def plan_feeding(recipe: EvalRecipe, model: Model, explicit: Collection[str] = ()) -> Feeding:
    """Take size and channels from the model and the rest from the recipe.

    Parameters
    ----------
    recipe
        With the words of the sidecar or preset in it.
    model
        What is fed.
    explicit
        Names of the settings that were given for this run.

    Raises
    ------
    BtferError
        If colour is asked for and the model takes a single channel, the size is not to be known or another
        than the model's, there is a mean for another number of channels, or the model takes whole numbers or does
        its own preprocessing and something else is said.
    """
    height, width = _sides(recipe, model)
    if model.takes == "uint8 rgb":
        for name in ("color", "scale", "mean", "std", "preset"):
            if name in explicit:
                raise BtferError(
                    f"{model.title}: is a function and does its own preprocessing, so --{name} says nothing to it; "
                    "leave that out"
                )
        return Feeding(height, width, 3, "rgb", "0,255", resize=recipe.resize, crop=recipe.crop, raw=True)
    if model.takes == "uint8" and (recipe.scale != "0,255" or recipe.mean or recipe.std):
        raise BtferError(
            f"{model.path}: takes whole numbers of 0 to 255; say --scale 0,255, and no mean and no std"
        )
    color: ChannelOrder
    if recipe.color == "auto":
        color = "grey" if model.channels == 1 else "rgb"
    elif recipe.color == "grey" or model.channels == 3:
        color = recipe.color
    else:
        raise BtferError(
            f"{model.path}: takes one channel, so color cannot be {recipe.color}; use grey or auto"
        )
    for name, values in (("mean", recipe.mean), ("std", recipe.std)):
        if len(values) not in {0, 1, model.channels}:
            raise BtferError(
                f"{model.path}: {name} has {len(values)} values, but its images have {model.channels} for each pixel; "
                "give one for all, or one for each"
            )
    if any(value <= 0 for value in recipe.std):
        raise BtferError(f"{model.path}: std has to be above 0")
    return Feeding(
        height,
        width,
        model.channels,
        color,
        recipe.scale,
        recipe.mean,
        recipe.std,
        recipe.resize,
        recipe.crop,
    )


def _sides(recipe: EvalRecipe, model: Model) -> tuple[int, int]:
    """Return height and width; what the model fixes wins, and a size that contradicts it is an error."""
    if model.height is None or model.width is None:
        if not recipe.size and model.takes != "uint8 rgb":
            raise BtferError(f"{model.path}: takes images of any size; say which with --size, in pixels")
        return model.height or recipe.size or FACE_SIZE, model.width or recipe.size or FACE_SIZE
    if recipe.size and (recipe.size, recipe.size) != (model.height, model.width):
        raise BtferError(
            f"{model.path}: takes {model.width}×{model.height} pixels, so size cannot be {recipe.size}; "
            "leave out the flag, the preset or the line of the sidecar that says so"
        )
    return model.height, model.width


def fit(image: NDArray[np.uint8], feeding: Feeding) -> tuple[NDArray[np.uint8], Interpolation]:
    """Bring a decoded face to the size, colour and channels of a model.

    Parameters
    ----------
    image
        uint8 of shape (h, w, 3), RGB.
    feeding
        What the model wants.

    Returns
    -------
    array
        uint8 of shape (height, width, channels).
    interpolation
        The kernel; `none` where the face had the size already.

    Notes
    -----
    Grey is ITU-R BT.601: 0.299 R + 0.587 G + 0.114 B.
    """
    import cv2

    pixels = image
    if feeding.crop < 1:
        height, width = image.shape[:2]
        top, left = (round(side * (1 - feeding.crop) / 2) for side in (height, width))
        pixels = image[top : height - top, left : width - left]
    if feeding.color == "grey":
        pixels = cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY)
    elif feeding.color == "bgr":
        pixels = pixels[..., ::-1]
    height, width = pixels.shape[:2]
    way: Interpolation = "none"
    if (height, width) != (feeding.height, feeding.width):
        # Area averages what it leaves out; nearest neighbour would alias, and cubic does when it shrinks.
        shrinks = feeding.height * feeding.width < height * width
        way = feeding.resize if feeding.resize != "auto" else "area" if shrinks else "cubic"
        kernels = {"area": cv2.INTER_AREA, "bilinear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC}
        kernels |= {"lanczos": cv2.INTER_LANCZOS4, "nearest": cv2.INTER_NEAREST}
        pixels = cv2.resize(
            np.ascontiguousarray(pixels), (feeding.width, feeding.height), interpolation=kernels[way]
        )
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[..., np.newaxis], feeding.channels, axis=2)
    return pixels, way


def normalise(pixels: NDArray[np.uint8], feeding: Feeding) -> NDArray[Any]:
    """Bring fitted pixels, of a face or of a batch, to the range of a model.

    Returns
    -------
    array
        float32 of the same shape, or the same uint8 where the model wants that.

    Notes
    -----
    The range is exact: x/255 and (x/255 − 0.5)·2.
    """
    if feeding.raw:
        return pixels
    values = pixels.astype(np.float32)
    if feeding.scale != "0,255":
        values /= np.float32(255)
    if feeding.scale == "-1,1":
        values -= np.float32(0.5)
        values *= np.float32(2)
    if feeding.mean:
        values -= np.array(feeding.mean, np.float32)
    if feeding.std:
        values /= np.array(feeding.std, np.float32)
    return values


def prepare(image: NDArray[np.uint8], feeding: Feeding) -> tuple[NDArray[Any], Interpolation]:
    """Turn a decoded face, uint8 (h, w, 3) RGB, into the input of a model: `fit`, then `normalise`."""
    pixels, way = fit(image, feeding)
    return normalise(pixels, feeding), way


def usual_feedings(feeding: Feeding) -> dict[str, Feeding]:
    """Return the usual ways of feeding such a model, by name, without the declared one itself."""
    ways = {"resize nearest": replace(feeding, resize="nearest")}
    ways["crop 0.8"] = replace(feeding, crop=0.8 * feeding.crop)
    if feeding.raw:
        return ways
    plain = replace(feeding, mean=(), std=())
    scales: tuple[Scale, ...] = ("0,1", "-1,1", "0,255")
    ways |= {f"scale {scale}": replace(plain, scale=scale) for scale in scales}
    if feeding.channels == 3:
        for name in ("imagenet", "caffe", "vggface2"):
            said = PRESETS[name].sidecar.input
            color: ChannelOrder = "bgr" if said.color == "bgr" else "rgb"
            ways[f"preset {name}"] = replace(
                plain, color=color, scale=said.scale or "0,1", mean=said.mean or (), std=said.std or ()
            )
        swapped: ChannelOrder = "bgr" if feeding.color == "rgb" else "rgb"
        ways[f"color {swapped}"] = replace(feeding, color=swapped)
        ways["color grey"] = replace(feeding, color="grey")
    return {name: way for name, way in ways.items() if way != feeding}


def describe(feeding: Feeding) -> str:
    """Say in one line how a model is fed: `64×64 grey, −1 to 1, area to shrink and cubic to enlarge`."""
    size = f"{feeding.width}×{feeding.height}"
    if feeding.raw:
        return f"{size} rgb as uint8, the function does the rest"
    color = "grey in three channels" if feeding.color == "grey" and feeding.channels == 3 else feeding.color
    low, high = feeding.scale.split(",")
    words = [f"{size} {color}", f"{low.replace('-', '−')} to {high}"]
    if feeding.mean:
        words.append("minus " + ", ".join(f"{value:g}" for value in feeding.mean))
    if feeding.std:
        words.append("divided by " + ", ".join(f"{value:g}" for value in feeding.std))
    words.append(
        "area to shrink, cubic to enlarge" if feeding.resize == "auto" else f"{feeding.resize} to resize"
    )
    if feeding.crop < 1:
        words.append(f"central {feeding.crop:.0%}")
    return "; ".join(words)


def _shown(value: object) -> str:
    return ",".join(str(item) for item in value) if isinstance(value, tuple) else str(value)
