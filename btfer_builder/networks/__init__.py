"""The networks of the paper (§3.2–3.3), their variants and three modern baselines."""

from btfer_builder.networks.build import assemble_base, assemble_network, build_network, check_recipe
from btfer_builder.networks.registry import (
    HEADS,
    NETWORKS,
    PRETRAININGS,
    SIZES,
    UNITS,
    Head,
    NetworkSpec,
    Units,
    find_network,
)

__all__ = [
    "HEADS",
    "NETWORKS",
    "PRETRAININGS",
    "SIZES",
    "UNITS",
    "Head",
    "NetworkSpec",
    "Units",
    "assemble_base",
    "assemble_network",
    "build_network",
    "check_recipe",
    "find_network",
]
