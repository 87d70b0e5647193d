"""How large a network is and how much it computes, counted from its layers."""

import math
from collections.abc import Iterator

import keras
from keras import layers

from btfer_builder.networks.layers import AddPositions

#: Layers whose weights are added or multiplied value by value: no products of matrices.
_ELEMENTWISE = (layers.BatchNormalization, layers.LayerNormalization, layers.Normalization, AddPositions)


#: Layers that use every weight of their matrices once at every position of their output.
_EVERYWHERE = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.Dense)


def count_parameters(model: keras.Model) -> tuple[int, int]:
    """Return the number of weights, all of them and those that learn as the network is now.

    The same numbers as `model.summary()` prints; the state of random layers is not counted.
    """
    return (
        sum(math.prod(weight.shape) for weight in model.weights),
        sum(math.prod(weight.shape) for weight in model.trainable_weights),
    )


def flops(model: keras.Model) -> int:
    """Return the floating-point operations of one image: two for every product of a weight or of attention.

    Products in convolutions, dense layers and attention are counted, as multiply and add; biases,
    normalisation, activations and pools are not, being a few hundredths of the whole.

    Raises
    ------
    TypeError
        If a layer has a matrix of weights and it is unknown how it is used.
    """
    return 2 * sum(_products(layer) for layer in _all_layers(model))


def _all_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _all_layers(layer)
        else:
            yield layer


def _products(layer: keras.layers.Layer) -> int:
    """Return the multiplications of weights one image needs in a layer."""
    matrices: int = sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1)
    if not matrices or isinstance(layer, _ELEMENTWISE):
        return 0
    positions: int = math.prod(layer.output.shape[1:-1])
    if isinstance(layer, layers.MultiHeadAttention):
        # Biases have the shape (heads, width) here; each position is compared with and sums up all of them.
        kernels: int = sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 2)
        width: int = layer.num_heads * layer.key_dim
        return positions * (kernels + 2 * positions * width)
    if isinstance(layer, _EVERYWHERE):
        return positions * matrices
    raise TypeError(f"{layer.name}: unknown how often a {type(layer).__name__} uses its weights")
