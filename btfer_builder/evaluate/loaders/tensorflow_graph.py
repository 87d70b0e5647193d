"""A TensorFlow function as a predict function, and the operations it computes."""

from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Predict, first_line
from btfer_builder.io.tensorflow_import import import_tensorflow


def graph_predictor(
    path: Path, call: Callable[[Any], Any], sides: tuple[int | None, int | None], channels: int
) -> Predict:
    """Trace a model once for batches of any length, and return it as a function of NumPy arrays.

    One trace of fixed signature spares what `model.predict` does around every batch: 1.3 to 1.8 times its
    images a second on two cores.
    """
    tf = import_tensorflow()
    signature = [tf.TensorSpec((None, *sides, channels), tf.float32)]
    traced = tf.function(call, input_signature=signature, reduce_retracing=False)

    def predict(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            return np.asarray(traced(tf.constant(batch)), dtype=np.float32)
        except Exception as error:  # a model may fail in any way
            raise BtferError(
                f"{path}: the model fails on a batch of {len(batch)}: {first_line(error)}"
            ) from error

    return predict


def graph_flops(call: Callable[[Any], Any], height: int, width: int, channels: int) -> int | None:
    """Count two floating-point operations for every product of a weight or of attention, for one image.

    Biases, normalisation, activations and pools are not counted, being a few hundredths of the whole. None if
    a shape in the graph is left open.
    """
    tf = import_tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    traced = tf.function(call).get_concrete_function(tf.TensorSpec((1, height, width, channels), tf.float32))
    graph = convert_variables_to_constants_v2(traced).graph
    try:
        return 2 * sum(_products(operation) for operation in graph.get_operations())
    except (TypeError, ValueError):
        return None


def _products(operation: Any) -> int:  # noqa: ANN401 - a TensorFlow operation
    kind = operation.type
    if kind in {"Conv2D", "DepthwiseConv2dNative"}:
        kernel: list[int] = operation.inputs[1].shape.as_list()
        each = prod(kernel[:3]) if kind == "Conv2D" else prod(kernel[:2])
        output: list[int] = operation.outputs[0].shape.as_list()
        return prod(output) * each
    if kind in {"MatMul", "BatchMatMulV2", "BatchMatMulV3"}:
        left: list[int] = operation.inputs[0].shape.as_list()
        product: list[int] = operation.outputs[0].shape.as_list()
        transposed = operation.get_attr("transpose_a" if kind == "MatMul" else "adj_x")
        return prod(product) * left[-2 if transposed else -1]
    if kind == "Einsum":
        sides: dict[str, int] = {}
        terms = operation.get_attr("equation").decode().partition("->")[0].split(",")
        for letters, tensor in zip(terms, operation.inputs, strict=True):
            sides |= dict(zip(letters, tensor.shape.as_list(), strict=True))
        return prod(sides.values())
    return 0
