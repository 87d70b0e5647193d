"""The model formats: everything that depends on the format of a model follows from `FORMATS`."""

import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model, is_function


@dataclass(frozen=True, slots=True, kw_only=True)
class Format:
    """A model format.

    Attributes
    ----------
    name
        Where such models come from, as in the documentation.
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
    trustable
        Whether the loader takes `trust_model`, which skips the check of the model's code.
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
    trustable: bool = False
    target: str = ""

    @property
    def accepted(self) -> str:
        """What a user can give, for an error."""
        return ", ".join(self.suffixes) or self.example

    def load(self, model: Path | str, *, trust_model: bool) -> Model:
        """Load a model of this format."""
        module, _, function = self.loader.partition(":")
        load: Callable[..., Model] = getattr(importlib.import_module(f"{__package__}.{module}"), function)
        options: dict[str, Any] = {"trust_model": trust_model} if self.trustable else {}
        return load(model, **options)


FORMATS = (
    Format(
        name="Keras 3",
        suffixes=(".keras",),
        loader="keras_file:load_keras",
        packages={"keras": ("tensorflow", "keras")},
        note="loaded in safe mode",
        trustable=True,
    ),
    Format(
        name="Keras 2",
        suffixes=(".h5", ".hdf5"),
        loader="keras_file:load_keras",
        packages={"keras": ("tensorflow", "keras"), "tf_keras": ("tensorflow", "tf-keras")},
        note="through tf-keras where Keras 3 cannot read it",
        trustable=True,
    ),
    Format(
        name="TensorFlow Lite",
        suffixes=(".tflite",),
        loader="tflite:load_tflite",
        packages={"tflite": ("tensorflow",)},
        note="float16 and integer models too: inputs are quantised as the file states",
        target="tflite",
    ),
    Format(
        name="PyTorch and others",
        suffixes=(".onnx",),
        loader="onnx_file:load_onnx",
        packages={"onnxruntime": ("onnxruntime",)},
        note="channels last or channels first, through ONNX Runtime",
        target="onnx",
    ),
    Format(
        name="TensorFlow",
        kind="folder",
        example="a SavedModel's folder",
        loader="saved_model:load_saved_model",
        packages={"saved_model": ("tensorflow",)},
        note="the signature `serving_default`",
        trustable=True,
    ),
    Format(
        name="any other library",
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


def load_model(model: Any, *, trust_model: bool = False, name: str = "") -> Model:  # noqa: ANN401 - any model
    """Load a model of any known format.

    Parameters
    ----------
    model
        A file or folder; as a string also `package.module:callable`. Or, in memory: a Keras model, or a function. A
        function takes uint8 RGB of shape (batch, height, width, 3) and returns probabilities of shape (batch, classes).
    trust_model
        Also build layers that run code from the file. Use it only for files you made yourself.
    name
        Name of a model in memory in reports; by default that of the function or of the Keras model.

    Raises
    ------
    BtferError
        If the file is missing, is not a model, is damaged or holds code, or if its input is not one image or its
        output not one list of scores.
    """
    if not isinstance(model, str | os.PathLike):
        return _in_memory(model, name)
    if isinstance(model, str) and is_function(model):
        return _format_of("function").load(model, trust_model=trust_model)
    path = Path(model).expanduser()
    if path.is_dir():
        return _format_of("folder").load(path, trust_model=trust_model)
    if not path.is_file():
        raise BtferError(f"{path}: no such file; expected a model: {accepted_formats()}")
    for model_format in FORMATS:
        if path.suffix.lower() in model_format.suffixes:
            return model_format.load(path, trust_model=trust_model)
    raise BtferError(
        f"{path}: not a known model format; expected {accepted_formats()}, as of model.save('name.keras')"
    )


def _in_memory(model: object, name: str) -> Model:
    from btfer_builder.evaluate.loaders.function import name_of_function, wrap_function
    from btfer_builder.evaluate.loaders.keras_file import keras_library, wrap_network

    if library := keras_library(model):
        return wrap_network(model, None, library, name or str(getattr(model, "name", "") or "model"))
    if isinstance(model, type) or not callable(model):
        raise BtferError(
            f"{type(model).__name__}: not a model; expected a path ({accepted_formats()}), a Keras model or a function"
        )
    return wrap_function(model, name or name_of_function(model), None)


def _format_of(kind: Literal["folder", "function"]) -> Format:
    return next(model_format for model_format in FORMATS if model_format.kind == kind)
