"""The parameters of a network, and the floating-point operations of one image.

Operations are counted in one way for networks and for models of every format: two for each product of a weight or of
attention, a multiply and an add. These are in convolutions, dense layers and attention. Biases, normalisation,
activations and pools are not counted; they are a few hundredths of the whole.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import keras

#: The shape of an output for one image, and the shape of the products that are summed up for each of its values;
#: None is an undefined side.
Products = tuple[Sequence[int | None], Sequence[int | None]]


def count_flops(products: Iterable[Products]) -> int | None:
    """Return the operations of one image; None if a side is undefined."""
    total = 0
    for output, summed in products:
        sides = [side for side in (*output, *summed) if side is not None]
        if len(sides) < len(output) + len(summed):
            return None
        total += 2 * math.prod(int(side) for side in sides)
    return total


class Uncounted(Exception):
    """Operators whose operations cannot be counted; its argument is their names."""

    @property
    def names(self) -> tuple[str, ...]:
        """Of the operators, sorted."""
        return tuple(self.args[0])


def count_operators(operators: Iterable[tuple[str, Products | None]]) -> int:
    """Return the operations of one image of a graph of operators.

    Parameters
    ----------
    operators
        Name and products of each operator that multiplies with weights or is attention; None where its products are not
        known.

    Raises
    ------
    Uncounted
        If the products of an operator, or a side of them, are unknown.
    """
    total, unknown = 0, set()
    for name, products in operators:
        flops = None if products is None else count_flops([products])
        if flops is None:
            unknown.add(name)
        else:
            total += flops
    if unknown:
        raise Uncounted(sorted(unknown))
    return total


def network_flops(network: "keras.Model") -> int:
    """Return the operations of one image, counted from the layers, without weights or a graph.

    Raises
    ------
    TypeError
        If a layer has a matrix of weights and its use is unknown, or the input has no fixed size.
    """
    flops = count_flops(products for layer in _all_layers(network) for products in _products(layer))
    if flops is None:
        raise TypeError(f"{network.name}: its input has no fixed size")
    return flops


def count_parameters(network: "keras.Model") -> tuple[int, int]:
    """Return the number of all weights, and of those that are trainable as the network is now.

    These are the numbers of `network.summary()`; the state of random layers is not counted.
    """
    return (
        sum(math.prod(weight.shape) for weight in network.weights),
        sum(math.prod(weight.shape) for weight in network.trainable_weights),
    )


def _all_layers(network: "keras.Model") -> Iterator["keras.layers.Layer"]:
    import keras

    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _all_layers(layer)
        else:
            yield layer


def _products(layer: "keras.layers.Layer") -> Iterator[Products]:
    from keras import layers

    from btfer_builder.networks.layers import AddPositions

    elementwise = (layers.BatchNormalization, layers.LayerNormalization, layers.Normalization, AddPositions)
    # These use every weight of their matrices once at every position of their output.
    everywhere = (layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D, layers.Dense)

    matrices: int = sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 1)
    if not matrices or isinstance(layer, elementwise):
        return
    positions: tuple[int | None, ...] = layer.output.shape[1:-1]
    if isinstance(layer, layers.MultiHeadAttention):
        # Biases have the shape (heads, width) here. Each position is compared with all positions and sums them up.
        kernels: int = sum(math.prod(weight.shape) for weight in layer.weights if len(weight.shape) > 2)
        yield positions, [kernels]
        yield (*positions, *positions), [2 * layer.num_heads * layer.key_dim]
    elif isinstance(layer, everywhere):
        yield positions, [matrices]
    else:
        raise TypeError(f"{layer.name}: unknown how often a {type(layer).__name__} uses its weights")
