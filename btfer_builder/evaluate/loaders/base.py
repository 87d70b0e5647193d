"""A loaded model of any format, and what the loaders share."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.preprocessing.declaration import Sidecar
from btfer_builder.io.atomic import file_digest

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
        them; None if unknown. It raises `Uncounted` where operators cannot be counted.
    declares, declared_in
        The labels and the preprocessing that the model's own files state, and the name of the file with the
        preprocessing, empty if there is none; a sidecar beside the model comes first.
    begins
        The scaling with which a network begins, in words; empty if it does not.
    files
        Files of its weights besides `path`: the external data of ONNX, what a function declares.
    code
        Source files of the user's own network, `--architecture`: part of its hash, not of its size.
    device
        What it computes on: `cpu`, `cuda`, or `unknown` of a function.
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
    declares: Sidecar | None = None
    declared_in: str = ""
    begins: str = ""
    files: tuple[Path, ...] = ()
    code: tuple[Path, ...] = ()
    device: str = "cpu"

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

    @property
    def file_bytes(self) -> int:
        """The size of its files; 0 in memory. The file of a function holds no weights and does not count."""
        own = 0 if self.path is None or self.loader == "function" else file_bytes(self.path)
        return own + sum(file_bytes(file) for file in self.files)

    @property
    def digest(self) -> str | None:
        """The SHA-256 in hex of its file or folder, of all files of its weights and code; None if it has no file."""
        if self.path is None or not self.path.exists():
            return None
        own = _digest(self.path)
        if not self.files and not self.code:
            return own
        lines = [
            f"{self.path.name}\0{own}",
            *(f"{file.name}\0{_digest(file)}" for file in self.files + self.code),
        ]
        return hashlib.sha256("\n".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def is_function(text: str) -> bool:
    """Whether the text names a function: `package.module:callable`."""
    module, colon, function = text.partition(":")
    parts = [*module.split("."), *function.split(".")]
    return bool(colon) and all(part.isidentifier() for part in parts)


def file_bytes(path: Path) -> int:
    """Return the size of a file, or of all files of a folder, in bytes."""
    return sum(file.stat().st_size for file in _plain_files(path))


def _plain_files(path: Path) -> list[Path]:
    """Return a file, or the files of a folder without hidden ones, which Git and downloads put beside a model."""
    if not path.is_dir():
        return [path] if path.is_file() else []
    inside = (file.relative_to(path) for file in path.rglob("*") if file.is_file())
    return sorted(path / file for file in inside if not any(part.startswith(".") for part in file.parts))


def _digest(path: Path) -> str:
    """Return the SHA-256 in hex of a file, or of the names and contents of the files of a folder."""
    if not path.is_dir():
        return file_digest(path)
    lines = (f"{file.relative_to(path).as_posix()}\0{file_digest(file)}\n" for file in _plain_files(path))
    return hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()


def first_line(error: BaseException) -> str:
    """Return the first line of the error of another library, shortened."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(".: ")


def choose_output(title: str, names: Sequence[str], output: str) -> str:
    """Return the name of the output that holds the scores.

    Parameters
    ----------
    title
        The model, for the error.
    names
        Of all outputs.
    output
        The one that is asked for; empty if there is one only.

    Raises
    ------
    BtferError
        If there is no such output, or several and none is asked for.
    """
    listed = ", ".join(names) or "none"
    if output:
        if output not in names:
            raise BtferError(f"{title}: has no output {output}; its outputs are {listed}")
        return output
    if len(names) != 1:
        raise BtferError(f"{title}: has {len(names)} outputs ({listed}); name the scores with --output NAME")
    return names[0]


def is_channels_first(shape: tuple[Any, ...]) -> bool:
    """Whether an input of this shape has its channels before height and width, as those of PyTorch."""
    return len(shape) == 4 and shape[1] in {1, 3} and shape[3] not in {1, 3}


def check_image_shape(where: Path, shape: tuple[Any, ...]) -> tuple[int | None, int | None, int]:
    """Return height, width and channels of an input of shape (batch, height, width, channels), or channels first.

    Raises
    ------
    BtferError
        If it is not one image with 1 or 3 channels.
    """
    if is_channels_first(shape):
        shape = (shape[0], shape[2], shape[3], shape[1])
    sides = [side if isinstance(side, int) and side > 0 else None for side in shape]
    if len(sides) != 4 or sides[3] not in {1, 3}:
        raise BtferError(
            f"{where}: its input has the shape {shape}; "
            "expected (None, height, width, channels) with 1 or 3 channels, or channels first"
        )
    return sides[1], sides[2], sides[3]


def check_scores_shape(where: Path, shape: tuple[Any, ...]) -> int | None:
    """Return the number of classes of an output; None if it is undefined.

    Raises
    ------
    BtferError
        If the output is not one list of scores for each image.
    """
    if len(shape) == 2:
        classes = shape[1]
        if not isinstance(classes, int) or classes < 0:
            return None
        if classes >= 2:
            return classes
    raise BtferError(
        f"{where}: its output has the shape {shape}; expected one list of scores, (None, number of classes)"
    )


def choose_shape(where: Path, shapes: Mapping[str, tuple[Any, ...]], output: str) -> tuple[str, int | None]:
    """Return name and number of classes of the output that holds the scores; see `choose_output`."""
    name = choose_output(str(where), list(shapes), output)
    return name, check_scores_shape(where, shapes[name])
