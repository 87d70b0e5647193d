"""Translate the image processor of a transformers folder into a declared preprocessing, and check the translation."""

import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import first_line
from btfer_builder.evaluate.preprocessing.declaration import SidecarInput
from btfer_builder.networks.preprocessing import Preprocessing, preprocess

#: The file of an image processor, and that of a processor of several kinds of input, which has it inside.
FILES = ("preprocessor_config.json", "processor_config.json")

#: Pillow's filters, in the order of their numbers there.
_FILTERS = ("nearest", "lanczos", "bilinear", "cubic", "box", "hamming")

#: Sides of the pictures on which a translation is checked, smaller and larger than usual inputs.
_PROBES = (40, 171, 320)

#: Levels of 255 by which a pixel may differ: the torchvision backend rounds resized pixels differently.
_TOLERANCE = 2.0

MAX_BYTES = 16 * 1024 * 1024


def read_json(path: Path) -> dict[str, Any]:
    """Return the settings in a file of a model's folder.

    Raises
    ------
    BtferError
        If it is not readable, too large, or no JSON object.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BtferError(f"{path}: is too large; download the model again")
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BtferError(f"{path}: not readable ({first_line(error)}); download the model again") from None
    if not isinstance(content, dict):
        raise BtferError(f"{path}: holds no settings; download the model again")
    return content


def read_processor(path: Path, transformers: Any) -> tuple[SidecarInput, str] | None:  # noqa: ANN401 - the module
    """Return the preprocessing that a folder declares, and the name of its file; None if there is no such file.

    The steps are translated, and the translation is compared with what the image processor itself makes of random
    pictures. So a processor with other steps is refused, whatever it is called.

    Raises
    ------
    BtferError
        If the file is damaged, or its steps are not those that are known here.
    """
    file = next((name for name in FILES if (path / name).is_file()), None)
    if file is None:
        return None
    stated = read_json(path / file)
    stated = stated["image_processor"] if isinstance(stated.get("image_processor"), dict) else stated
    name = str(stated.get("image_processor_type") or stated.get("feature_extractor_type") or "")
    kind = name.removesuffix("Fast").removesuffix("ImageProcessor").removesuffix("FeatureExtractor")
    instead = "remove the file and declare the preprocessing in a sidecar"
    unknown = BtferError(
        f"{path}: its {file} names {name or 'no image processor'}, whose steps are not known here; {instead}"
    )
    if not name:
        raise unknown
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(
            path, local_files_only=True, trust_remote_code=False, backend="pil"
        )
        steps = msgspec.convert(msgspec.to_builtins(_steps(kind, processor.to_dict())), SidecarInput)
    except Exception as error:  # transformers raises any exception on settings it does not know
        reason = f"it lacks {error}" if isinstance(error, KeyError) else first_line(error)
        raise BtferError(f"{path}: its {file} cannot be used ({reason}); {instead}") from None
    if not _agrees(steps, processor):
        raise unknown
    return steps, file


def _steps(kind: str, processor: dict[str, Any]) -> SidecarInput:
    """Translate the settings of an image processor."""
    if processor.get("do_pad"):
        raise ValueError("it pads images")
    size, resize_to = _sides(kind, processor)
    factor = float(processor["rescale_factor"]) if processor.get("do_rescale") else 1.0
    offset = 1.0 if kind == "EfficientNet" and processor.get("rescale_offset") else 0.0
    mean, std = np.zeros(1), np.ones(1)
    if processor.get("do_normalize"):
        mean, std = (_values(processor[name]) for name in ("image_mean", "image_std"))
    if kind == "EfficientNet" and processor.get("include_top"):  # it divides once more
        std = std * _values(processor["image_std"])
    unit = abs(factor * 255 - 1) < 1e-6 and not offset
    if not unit:  # (x · factor − offset − mean) / std, in units of x
        mean, std = (mean + offset) / factor, std / factor
    return SidecarInput(
        size=size,
        color="bgr" if processor.get("do_flip_channel_order") else "auto",
        scale="0,1" if unit else "0,255",
        mean=tuple(mean.tolist()) if mean.any() else None,
        std=tuple(std.tolist()) if (std != 1).any() else None,
        resize=f"pil-{_FILTERS[int(processor['resample'])]}" if processor.get("do_resize") else None,  # type: ignore[arg-type]  # converted after
        resize_to=resize_to,
    )


def _sides(kind: str, processor: dict[str, Any]) -> tuple[int | None, int | None]:
    """Return the side of the input, and that to which faces are resized before it is cut out, if they are."""
    cut = _side(processor.get("crop_size")) if processor.get("do_center_crop") else None
    if not processor.get("do_resize"):
        return cut, None
    side = _side(processor["size"])
    if kind == "ConvNext":  # from 384 on, transformers takes the whole image
        return side, int(side / processor["crop_pct"]) if side < 384 else None
    keeps_proportions = "shortest_edge" in _named(processor["size"])
    if kind == "Levit" and keeps_proportions:
        side = int(256 / 224 * side)
    if kind == "PoolFormer" and processor.get("crop_pct"):
        side, keeps_proportions = int(side / processor["crop_pct"]), True
    if cut and cut > side:
        raise ValueError(f"it cuts {cut} pixels out of {side}")
    return cut or side, side if cut or keeps_proportions else None


def _agrees(steps: SidecarInput, processor: Any) -> bool:  # noqa: ANN401 - an image processor
    """Whether the steps and the image processor itself make the same of random pictures."""
    from PIL import Image

    rng = np.random.default_rng(0)
    deviation = np.array(steps.std or (1.0,)) * (255 if steps.scale == "0,1" else 1)
    for side in _PROBES:
        picture = rng.integers(0, 256, (side, side, 3), np.uint8)
        size = steps.size or side  # without a size, pictures of any size stay as they are
        ours, _ = preprocess(
            picture,
            Preprocessing(
                size,
                size,
                3,
                "bgr" if steps.color == "bgr" else "rgb",
                steps.scale or "0,1",
                steps.mean or (),
                steps.std or (),
                steps.resize or "auto",
                resize_to=steps.resize_to or 0,
            ),
        )
        try:
            theirs = np.asarray(processor(Image.fromarray(picture), return_tensors="pt")["pixel_values"])[0]
        except Exception:  # an image processor of another kind of input
            return False
        if theirs.shape != (3, size, size):
            return False
        if (np.abs(theirs.transpose(1, 2, 0) - ours) * deviation).max() > _TOLERANCE:
            return False
    return True


def _named(size: Any) -> dict[str, int]:  # noqa: ANN401 - JSON
    return {name: int(value) for name, value in dict(size).items() if value is not None}


def _side(size: Any) -> int:  # noqa: ANN401 - JSON
    sides = set(_named(size).values())
    if len(sides) != 1:
        raise ValueError(f"its size is {_named(size)}, which is not one side of a square")
    return sides.pop()


def _values(stated: Any) -> NDArray[np.float64]:  # noqa: ANN401 - JSON
    return np.array(stated, np.float64).reshape(-1)
