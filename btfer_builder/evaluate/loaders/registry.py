"""The model formats: everything that depends on the format of a model follows from `FORMATS`."""

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model, is_function
from btfer_builder.io.device import Device, tensorflow_device
from btfer_builder.io.tensorflow_import import import_tensorflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A model format.

    Attributes
    ----------
    name
        What such a model is, as in the documentation.
    kind
        Whether a model is a file, a folder or the name of a function.
    suffixes
        Of a file, in lower case.
    example
        What the user gives, for the documentation and errors; of a file its suffixes.
    loader
        The function that loads a model, as `module:function` of this package; imported when it is needed.
    packages
        The packages whose versions a report lists, by the `loader` of the loaded model.
    note
        What the documentation adds.
    marker
        Of a folder: the file by which the format is recognised.
    options
        The settings that the loader takes: `trust_model`, which skips the check of the model's code, `architecture`,
        `output` and `device`.
    target
        The name of the format in `btfer convert --to`; empty if models are not converted to it.
    """

    name: str
    kind: Literal["file", "folder", "function"] = "file"
    suffixes: tuple[str, ...] = ()
    example: str = ""
    loader: str
    packages: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    note: str
    marker: str = ""
    options: tuple[str, ...] = ()
    target: str = ""

    @property
    def accepted(self) -> str:
        """What a user can give, for an error."""
        return ", ".join(self.suffixes) or self.example

    @property
    def typed(self) -> str:
        """What a user types, for the documentation."""
        given = {"folder": "folder/", "function": self.example}.get(self.kind)
        more = " --architecture package.module:function" if "architecture" in self.options else ""
        first, *others = [given] if given else [f"model{suffix}" for suffix in self.suffixes]
        return ", ".join([f"`btfer eval {first}{more}`", *(f"`{other}`" for other in others)])

    def load(self, model: Path | str, **settings: Any) -> Model:  # noqa: ANN401 - what `options` names
        """Load a model of this format, with those of the settings that it takes."""
        module, _, function = self.loader.partition(":")
        load: Callable[..., Model] = getattr(importlib.import_module(f"{__package__}.{module}"), function)
        return load(model, **{name: settings[name] for name in self.options})


FORMATS = (
    Format(
        name="a Keras file",
        suffixes=(".keras",),
        loader="keras_file:load_keras",
        packages={"keras": ("tensorflow", "keras")},
        note="loaded in safe mode; those of Keras 2 (TensorFlow up to 2.15) through tf-keras",
        options=("trust_model", "output"),
    ),
    Format(
        name="an older Keras file",
        suffixes=(".h5", ".hdf5"),
        loader="keras_file:load_keras",
        packages={"keras": ("tensorflow", "keras"), "tf_keras": ("tensorflow", "tf-keras")},
        note="through tf-keras where Keras 3 cannot read it",
        options=("trust_model", "output"),
    ),
    Format(
        name="a folder of Hugging Face transformers",
        kind="folder",
        example="a transformers folder",
        loader="huggingface:load_huggingface",
        packages={"transformers": ("torch", "transformers", "safetensors")},
        note="labels and preprocessing from its own files; safetensors only; needs the extra `[hf]`",
        marker="config.json",
        options=("device",),
    ),
    Format(
        name="weights of PyTorch",
        suffixes=(".safetensors", ".pt", ".pth"),
        loader="torch_file:load_torch",
        packages={"torch": ("torch", "safetensors")},
        note="a `state_dict`, and your own function that returns the network; needs the extra `[torch]`",
        options=("architecture", "output", "device"),
    ),
    Format(
        name="a TensorFlow Lite file",
        suffixes=(".tflite",),
        loader="tflite:load_tflite",
        packages={"tflite": ("tensorflow",)},
        note="float16 and integer models too: inputs are quantised as the file states",
        options=("output",),
        target="tflite",
    ),
    Format(
        name="an ONNX file, of PyTorch and others",
        suffixes=(".onnx",),
        loader="onnx_file:load_onnx",
        packages={"onnxruntime": ("onnxruntime",)},
        note="channels last or channels first, through ONNX Runtime",
        options=("output", "device"),
        target="onnx",
    ),
    Format(
        name="a TensorFlow SavedModel",
        kind="folder",
        example="a SavedModel's folder",
        loader="saved_model:load_saved_model",
        packages={"saved_model": ("tensorflow",)},
        note="the signature `serving_default`",
        marker="saved_model.pb",
        options=("trust_model", "output"),
    ),
    Format(
        name="a function, of any library",
        kind="function",
        example="package.module:callable",
        loader="function:load_function",
        packages={"function": ()},
        note="your own function: uint8 RGB `(batch, height, width, 3)` in, probabilities `(batch, classes)` out",
    ),
)

#: What the name of a model file can end in.
SUFFIXES = frozenset(suffix for model_format in FORMATS for suffix in model_format.suffixes)

#: The formats that models can be converted to, by name.
TARGETS = {model_format.target: model_format for model_format in FORMATS if model_format.target}

#: The packages whose versions a report lists, by the `loader` of the model.
PACKAGES = {
    loader: packages for model_format in FORMATS for loader, packages in model_format.packages.items()
}


def accepted_formats() -> str:
    """Return the formats for an error: `.keras, .h5, …, or package.module:callable`."""
    *first, last = (model_format.accepted for model_format in FORMATS)
    return f"{', '.join(first)}, or {last}"


def load_model(
    model: Any,  # noqa: ANN401 - any model
    *,
    trust_model: bool = False,
    architecture: str = "",
    output: str = "",
    name: str = "",
    device: Device = "auto",
) -> Model:
    """Load a model of any known format.

    Parameters
    ----------
    model
        A file or folder; as a string also `package.module:callable`. Or, in memory: a Keras model, a PyTorch module, or
        a function, which takes uint8 RGB of shape (batch, height, width, 3) and returns scores of shape (batch,
        classes).
    trust_model
        Also build layers that run code from the file. Use it only for files you made yourself.
    architecture
        For weights of PyTorch: `package.module:function` that returns the network.
    output
        Name of the output with the scores, for a model with several.
    name
        Name of a model in memory in reports; by default that of the function or of the Keras model.
    device
        What models of ONNX, PyTorch and TensorFlow compute on; a PyTorch module in memory stays where it is.

    Raises
    ------
    BtferError
        If the file is missing, is not a model, is damaged or holds code, or if its input is not one image or its
        output not one list of scores.
    """
    settings = {"trust_model": trust_model, "architecture": architecture, "output": output, "device": device}
    if not isinstance(model, str | os.PathLike):
        return _in_memory(model, name, output)
    path = Path(model).expanduser()
    _refuse_placeholders(path)
    for model_format in FORMATS:
        if _is_of(model, path, model_format):
            loaded = model_format.load(str(model) if model_format.kind == "function" else path, **settings)
            return _placed(loaded, device)
    if path.is_dir():
        markers = " or ".join(model_format.marker for model_format in FORMATS if model_format.marker)
        raise BtferError(
            f"{path}: a folder without a {markers}; save the model with model.save('name.keras'), "
            "model.export('folder') or, of transformers, model.save_pretrained('folder')"
        )
    if not path.is_file():
        raise BtferError(f"{path}: no such file; expected a model: {accepted_formats()}")
    if path.suffix.lower() == ".pt2":
        from btfer_builder.evaluate.loaders.torch_file import refuse_program

        refuse_program(path)
    raise BtferError(
        f"{path}: not a known model format; expected {accepted_formats()}, as of model.save('name.keras')"
    )


def _refuse_placeholders(path: Path) -> None:
    """Refuse what downloads leave instead of a model: pointers of Git LFS, also in a folder, and web pages."""
    files = [path] if path.is_file() else sorted(path.glob("*")) if path.is_dir() else []
    for file in files:
        if not file.is_file():
            continue
        with file.open("rb") as opened:
            start = opened.read(200).lstrip().lower()
        if start.startswith(b"version https://git-lfs.github.com/"):
            raise BtferError(f"{file}: a pointer of Git LFS, not the file itself; get it with: git lfs pull")
        if file == path and start.startswith((b"<!doctype html", b"<html")):
            raise BtferError(f"{file}: a web page, not a model; download the file itself")


def _placed(model: Model, device: Device) -> Model:
    """Return a model of TensorFlow that computes on a device, and any other as it is."""
    if model.loader not in {"keras", "tf_keras", "saved_model"}:
        return model
    chosen = tensorflow_device(device)
    if device != "cpu" or not import_tensorflow().config.list_logical_devices("GPU"):
        return replace(model, device=chosen)

    def predict(batch: NDArray[Any]) -> NDArray[np.float32]:
        with import_tensorflow().device("CPU"):
            return model.predict(batch)

    return replace(model, predict=predict, device=chosen)


def _is_of(model: Any, path: Path, model_format: Format) -> bool:  # noqa: ANN401 - a path or a string
    if isinstance(model, str) and is_function(model):
        return model_format.kind == "function"
    if model_format.kind == "folder":
        return (path / model_format.marker).is_file()
    return path.is_file() and path.suffix.lower() in model_format.suffixes


def _in_memory(model: object, name: str, output: str) -> Model:
    from btfer_builder.evaluate.loaders.function import name_of_function, wrap_function
    from btfer_builder.evaluate.loaders.keras_file import keras_library, wrap_network
    from btfer_builder.evaluate.loaders.torch_module import is_module, wrap_module

    if library := keras_library(model):
        title = name or str(getattr(model, "name", "") or "model")
        return wrap_network(model, None, library, title, output=output)
    if is_module(model):
        return wrap_module(model, name=name, output=output)
    if isinstance(model, type) or not callable(model):
        raise BtferError(
            f"{type(model).__name__}: not a model; expected a path ({accepted_formats()}), a Keras model, a PyTorch "
            "module or a function"
        )
    return wrap_function(model, name or name_of_function(model), None)
