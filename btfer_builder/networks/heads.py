"""The heads on a base (§3.5), and the layers that learn in the two training phases (§4.2)."""

import keras
from keras import layers

from btfer_builder.errors import BtferError

#: Dropout after the first hidden layer of a new head (§3.5).
DROPOUT = 0.2


def scores(x: keras.KerasTensor, classes: int, name: str = "scores") -> keras.KerasTensor:
    """Add the last layer: probabilities in float32, also if the other layers compute in half precision."""
    return layers.Dense(classes, activation="softmax", dtype="float32", name=name)(x)


def pool(x: keras.KerasTensor, head: str) -> keras.KerasTensor:
    """Turn feature maps into a vector: averages (`gap`) or all values (`flatten`) (§3.5)."""
    if head == "flatten":
        return layers.Flatten(name="flatten")(x)
    return layers.GlobalAveragePooling2D(name="pool")(x)


def add_head(base: keras.Model, name: str, classes: int, head: str, units: str) -> keras.Model:
    """Put a new head on a base.

    Parameters
    ----------
    base
        Returns feature maps (batch, height, width, channels).
    name
        Name of the new network.
    classes
        Number of outputs.
    head
        `gap` or `flatten`.
    units
        Widths of the hidden layers: `256-256` as in the text of §3.5, `256-128` as in the authors' code, or
        `1024-1024-512`, without dropout, as in some of their MobileNets.
    """
    inputs = layers.Input(base.input_shape[1:])
    widths = [int(width) for width in units.split("-")]
    x = pool(base(inputs), head)
    for number, width in enumerate(widths, 1):
        x = layers.Dense(width, activation="relu", name=f"hidden_{number}")(x)
        if number == 1 and len(widths) == 2:
            x = layers.Dropout(DROPOUT, name="dropout")(x)
    return keras.Model(inputs, scores(x, classes), name=name)


def has_base(model: keras.Model) -> bool:
    """Whether the network is a base with a head, which is trained in two phases."""
    return any(isinstance(layer, keras.Model) for layer in model.layers)


def freeze_base(model: keras.Model) -> None:
    """Prepare phase 1: only the head learns, and the batch statistics of the base do not change (§4.2).

    Compile the model afterwards.

    Raises
    ------
    BtferError
        If the network has no base and is trained in one phase.
    """
    if not has_base(model):
        raise BtferError(f"{model.name}: has no base to freeze; it is trained in one phase")
    unfreeze(model)
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _set_learning(layer, learns=False)


def unfreeze(model: keras.Model) -> None:
    """Prepare phase 2: every layer learns (§4.2). Compile the model afterwards."""
    _set_learning(model, learns=True)


def _set_learning(model: keras.Model, *, learns: bool) -> None:
    """Set all layers; Keras does not set those of a model whose own value is already the same."""
    model.trainable = learns
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            _set_learning(layer, learns=learns)
        else:
            layer.trainable = learns
