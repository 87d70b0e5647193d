"""The layers of a network as a table: the paper's Figs. 3–8 for its own networks."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any

from btfer_builder.config import Pretraining
from btfer_builder.errors import BtferError
from btfer_builder.io.tensorflow_import import import_tensorflow
from btfer_builder.networks.build import assemble_network
from btfer_builder.networks.registry import Head, Units, find_network

#: The networks of the paper's figures of architectures, by number of the figure.
FIGURES = {
    3: "sequential-3-conv",
    4: "sequential-4-conv",
    5: "sequential-simple",
    6: "ensemble",
    7: "modular",
    8: "smmb",
}

HEADS = ("layer", "kind", "settings", "output", "parameters", "after")


@dataclass(frozen=True, slots=True)
class LayerRow:
    """A layer.

    Attributes
    ----------
    number
        From 1, in the order in which the layers are computed.
    kind
        Its class in Keras; `Functional` for a whole base.
    settings
        Filters, kernel, units, activation and the like.
    output
        Shape of its output for one image.
    params
        Its weights.
    after
        Numbers of the layers whose outputs it takes.
    """

    number: int
    kind: str
    settings: str
    output: tuple[int, ...]
    params: int
    after: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form of `btfer networks --layers --json`."""
        return asdict(self)

    def to_cells(self) -> tuple[str, ...]:
        """Return the cells under `HEADS`; `after` is empty for the layer that follows the one above."""
        plain = self.after in ((), (self.number - 1,))
        return (
            str(self.number),
            self.kind,
            self.settings,
            "×".join(map(str, self.output)),
            f"{self.params:,}",
            "" if plain else ", ".join(map(str, self.after)),
        )


def list_layers(
    name: str,
    size: int,
    *,
    pretraining: Pretraining | None = None,
    head: Head | None = None,
    units: Units | None = None,
) -> list[LayerRow]:
    """Build a network without weights and list its layers.

    Parameters
    ----------
    name, size, pretraining, head, units
        As in `build_network`; None takes the default of the network.

    Raises
    ------
    BtferError
        If the network does not exist or does not have this size or option.
    """
    spec = find_network(name)
    if error := spec.size_error(size):
        raise BtferError(f"{name} {error}")
    chosen = pretraining or spec.pretrainings[0]
    with ThreadPoolExecutor(max_workers=1) as thread:  # see `networks.summary.describe`
        return thread.submit(_list, name, size, chosen, head, units).result()


def _list(
    name: str, size: int, pretraining: Pretraining, head: Head | None, units: Units | None
) -> list[LayerRow]:
    import_tensorflow()
    import keras

    with keras.StatelessScope(initialize_variables=False):  # shapes without values take no memory and no time
        model = assemble_network(name, size, pretraining=pretraining, head=head, units=units)
    numbers = {id(layer): number for number, layer in enumerate(model.layers, 1)}
    return [
        LayerRow(
            number=numbers[id(layer)],
            kind=type(layer).__name__,
            settings=", ".join(_settings(layer.get_config())),
            output=tuple(int(side) for side in layer.output.shape[1:]),
            params=int(layer.count_params()),
            after=tuple(dict.fromkeys(numbers[key] for key in _inputs(layer) if key in numbers)),
        )
        for layer in model.layers
    ]


def _inputs(layer: Any) -> Iterator[int]:  # noqa: ANN401 - Keras has no type for it
    for node in layer._inbound_nodes[:1]:
        for tensor in node.input_tensors:
            yield id(tensor._keras_history.operation)


def _settings(config: dict[str, Any]) -> Iterator[str]:
    """Yield what defines a layer, in words."""
    for key, word in (
        ("filters", "filters"),
        ("units", "units"),
        ("num_heads", "heads"),
        ("key_dim", "wide"),
    ):
        if isinstance(config.get(key), int):
            yield f"{config[key]} {word}"
    for key in ("kernel_size", "pool_size"):
        if key in config:
            yield "×".join(map(str, config[key]))
    if set(config.get("strides") or (1,)) != {1} and "pool_size" not in config:
        yield f"stride {'×'.join(map(str, config['strides']))}"
    if config.get("padding") == "same":
        yield "same"
    if config.get("activation") not in {None, "linear"}:
        yield str(config["activation"])
    if "rate" in config:
        yield f"{config['rate']:g}"


def layers_markdown(rows: Sequence[LayerRow]) -> str:
    """Return the layers as a Markdown table."""
    lines = [f"| {' | '.join(HEADS)} |", "|--:|---|---|---|--:|---|"]
    return "\n".join([*lines, *(f"| {' | '.join(row.to_cells())} |" for row in rows)])
