"""A loaded model of any format, and what the loaders share."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError

Predict = Callable[[NDArray[Any]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class Model:
    """A loaded model.

    Attributes
    ----------
    path
        Its file or folder, or the source file of a function; None for a model in memory.
    height, width
        Of its input, in pixels; None if it takes any size.
    channels
        1 or 3.
    outputs
        Number of classes; None if it is not known before the first prediction.
    loader
        The library that loads the model, a key of `registry.PACKAGES`.
    predict
        Takes a batch of shape (batch, height, width, channels) of the type `takes`, returns float32 of shape
        (batch, outputs).
    takes
        `float32`; `uint8` for whole numbers of 0–255, given as float32; or `uint8 rgb` for a function that does
        its own preprocessing.
    name
        Name in reports, if it is not the file's name.
    parameters
        Number of weights; None if the format does not state it.
    flops
        Returns the floating-point operations of one image of this height and width, as `networks.flops` counts
        them; None if unknown.
    """

    path: Path | None
    height: int | None
    width: int | None
    channels: int
    outputs: int | None
    loader: str
    predict: Predict
    takes: Literal["float32", "uint8", "uint8 rgb"] = "float32"
    name: str = ""
    parameters: int | None = None
    flops: Callable[[int, int], int | None] | None = None

    @property
    def title(self) -> str:
        """The name in reports."""
        return self.name or Path(self.where).name

    @property
    def where(self) -> str:
        """What errors call the model: its path, or its name if it has none."""
        return self.name if self.path is None else str(self.path)

    @property
    def stem(self) -> str:
        """The name of the folder of its report."""
        return self.name.replace(":", ".") if self.name else Path(self.where).stem


def is_function(text: str) -> bool:
    """Whether the text names a function: `package.module:callable`."""
    module, colon, function = text.partition(":")
    parts = [*module.split("."), *function.split(".")]
    return bool(colon) and all(part.isidentifier() for part in parts)


def file_bytes(path: Path) -> int:
    """Return the size of a file, or of all files of a folder, in bytes."""
    files = path.rglob("*") if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files if file.is_file())


def first_line(error: BaseException) -> str:
    """Return the first line of the error of another library, shortened."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".: ")


def check_image_shape(path: Path, shape: tuple[Any, ...]) -> tuple[int | None, int | None, int]:
    """Return height, width and channels of an input of shape (batch, height, width, channels).

    Raises
    ------
    BtferError
        If it is not one image with 1 or 3 channels last.
    """
    sides = [side if isinstance(side, int) and side > 0 else None for side in shape]
    if len(sides) != 4 or sides[3] not in {1, 3}:
        raise BtferError(
            f"{path}: its input has the shape {shape}; "
            "expected (None, height, width, channels) with 1 or 3 channels last"
        )
    return sides[1], sides[2], sides[3]


def check_scores_shape(path: Path, shapes: list[tuple[Any, ...]]) -> int | None:
    """Return the number of classes of the outputs; None if it is undefined.

    Raises
    ------
    BtferError
        If the output is not one list of scores for each image.
    """
    if len(shapes) == 1 and len(shapes[0]) == 2:
        classes = shapes[0][1]
        if not isinstance(classes, int) or classes < 0:
            return None
        if classes >= 2:
            return classes
    raise BtferError(
        f"{path}: its outputs have the shapes {shapes}; expected one list of scores, (None, number of classes)"
    )
