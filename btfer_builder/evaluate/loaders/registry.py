"""Which loader reads which model file."""

from pathlib import Path

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model, is_function

#: The formats and what their names end in; a folder is a SavedModel, PACKAGE.MODULE:CALLABLE a function.
FORMATS = ".keras, .h5, .hdf5, .tflite, .onnx, a SavedModel's folder, or package.module:callable"


def load_model(path: Path | str, *, trust_model: bool = False) -> Model:
    """Load a model of any known format.

    Parameters
    ----------
    path
        A file or folder; as a string also `package.module:callable`, a function that takes uint8 RGB of shape
        (batch, height, width, 3) and returns probabilities of shape (batch, classes).
    trust_model
        Also build layers that run code out of the file. Never do that with a file from somebody else.

    Raises
    ------
    BtferError
        If the file is missing, no model, damaged, holds code, or has other inputs or outputs than one image
        in and one list of scores out.
    """
    if isinstance(path, str):
        if is_function(path):
            from btfer_builder.evaluate.loaders.function import load_function

            return load_function(path)
        path = Path(path)
    suffix = path.suffix.lower()
    if path.is_dir():
        from btfer_builder.evaluate.loaders.saved_model import load_saved_model

        return load_saved_model(path, trust_model=trust_model)
    if not path.is_file():
        raise BtferError(f"{path}: no such file; expected a model: {FORMATS}")
    if suffix in {".keras", ".h5", ".hdf5"}:
        from btfer_builder.evaluate.loaders.keras_file import load_keras

        return load_keras(path, trust_model=trust_model)
    if suffix == ".tflite":
        from btfer_builder.evaluate.loaders.tflite import load_tflite

        return load_tflite(path)
    if suffix == ".onnx":
        from btfer_builder.evaluate.loaders.onnx_file import load_onnx

        return load_onnx(path)
    raise BtferError(f"{path}: a model's name ends in {FORMATS}; save it with model.save('name.keras')")
