"""Write docs/layers.md, the paper's Figs. 3–8 as tables, out of the networks: `make docs`."""

from pathlib import Path

from btfer_builder.networks.layer_table import FIGURES, layers_markdown, list_layers
from btfer_builder.networks.registry import find_network

PAGE = Path(__file__).with_name("layers.md")

_START = """# Layers of the paper's own networks

The paper's Figs. 3 to 8 as tables, made from the networks by `make docs`: at 48×48 pixels, with seven classes, as the
authors' code has them. `btfer networks NETWORK --layers` prints the table of any network. *After* names the layers
whose outputs a layer takes, where that is not the one above it."""


def layers_page() -> str:
    """Return the page."""
    parts = [_START]
    for number, name in FIGURES.items():
        rows = list_layers(name, 48)
        total = f"{sum(row.params for row in rows):,} parameters. {find_network(name).line}."
        parts += [f"## Fig. {number}: {name}", total, layers_markdown(rows)]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(layers_page(), encoding="utf-8")
