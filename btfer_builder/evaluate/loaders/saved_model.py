"""Load a TensorFlow SavedModel; the operations of its graph are checked first."""

from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import (
    Model,
    check_image_shape,
    choose_shape,
    first_line,
    is_channels_first,
)
from btfer_builder.evaluate.loaders.graph_check import check_graph
from btfer_builder.evaluate.loaders.tensorflow_graph import graph_flops, graph_predictor
from btfer_builder.io.tensorflow_import import import_tensorflow


def load_saved_model(path: Path, *, trust_model: bool = False, output: str = "") -> Model:
    """Load the serving signature of a SavedModel. `output` names the scores if it has several outputs.

    Raises
    ------
    UnsafeFile
        If the folder reaches outside itself.
    BtferError
        If the folder is not a SavedModel, is damaged, or does not take one image.
    """
    if not trust_model:
        check_graph(path)
    tf = import_tensorflow()
    try:
        loaded = tf.saved_model.load(str(path))
        serving = loaded.signatures["serving_default"]
    except Exception as error:  # TensorFlow raises any exception on a file it cannot read
        raise BtferError(
            f"{path}: TensorFlow cannot load the SavedModel ({first_line(error)}); export it again"
        ) from None
    inputs = serving.structured_input_signature[1]
    if len(inputs) != 1:
        raise BtferError(f"{path}: takes {len(inputs)} inputs; expected a model that takes one image")
    name, spec = next(iter(inputs.items()))
    height, width, channels = check_image_shape(path, _shape(spec))
    shapes = {key: _shape(spec) for key, spec in serving.structured_outputs.items()}
    scores, outputs = choose_shape(path, shapes, output)
    first = is_channels_first(_shape(spec))

    def call(batch: Any) -> Any:  # noqa: ANN401 - tensors
        _ = loaded  # keeps the variables of `serving` alive
        images = tf.transpose(batch, (0, 3, 1, 2)) if first else batch
        return serving(**{name: tf.cast(images, spec.dtype)})[scores]

    return Model(
        path,
        height,
        width,
        channels,
        outputs,
        "saved_model",
        graph_predictor(path, call, (height, width), channels),
        takes="uint8" if spec.dtype.is_integer else "float32",
        parameters=sum(int(variable.shape.num_elements() or 0) for variable in serving.variables),
        flops=lambda height, width: graph_flops(call, height, width, channels),
    )


def _shape(spec: Any) -> tuple[int | None, ...]:  # noqa: ANN401 - a TensorSpec
    return tuple(spec.shape.as_list()) if spec.shape.rank is not None else ()
