"""List networks, and the layers of one."""

from collections.abc import Sequence
from functools import partial
from numbers import Integral
from typing import TYPE_CHECKING, Literal

from btfer_builder.api.keywords import guarded, one_of, takes
from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import track

if TYPE_CHECKING:
    import pandas as pd


@takes()
def list_networks(
    *names: str,
    sizes: Sequence[int] = (48, 224),
    pretraining: Literal["scratch", "imagenet", "vggface"] | None = None,
    head: Literal["gap", "flatten"] | None = None,
    units: Literal["256-128", "256-256", "1024-1024-512"] | None = None,
) -> "pd.DataFrame":
    """List networks with their parameters and operations; at other sizes than 48 and 224 each is built to count them.

    Parameters
    ----------
    names
        Names of networks; all without any.
    sizes
        Sides of the input in pixels.
    pretraining, head, units
        Only networks that have these options, built with them.

    Returns
    -------
    pandas.DataFrame
        A row for each network and size: `name`, `size`, `params`, `trainable`, `flops` of one image, and more.

    Raises
    ------
    BtferError
        If a name is unknown, or no network has all of the options.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> bt.list_networks("resnet18", sizes=[48])  # doctest: +SKIP
    """
    import pandas as pd

    from btfer_builder.networks.summary import list_networks

    sides = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    for name in names:
        _check_name(name)
    for side in sides:
        _check_side(side, "sizes")
    _check_options(pretraining, head, units)
    rows = list_networks(
        names,
        sizes=tuple(int(side) for side in sides),
        pretraining=pretraining,
        head=head,
        units=units,
        progress=partial(track, description="networks", unit="networks"),
    )
    return pd.DataFrame([row.to_dict() for row in rows])


@guarded
def list_layers(
    name: str,
    size: int = 48,
    *,
    pretraining: Literal["scratch", "imagenet", "vggface"] | None = None,
    head: Literal["gap", "flatten"] | None = None,
    units: Literal["256-128", "256-256", "1024-1024-512"] | None = None,
) -> "pd.DataFrame":
    """List the layers of a network, which is built without weights.

    Parameters
    ----------
    name
        Name of the network.
    size
        Side of the input in pixels.
    pretraining, head, units
        Options with which it is built; None for the network's defaults.

    Returns
    -------
    pandas.DataFrame
        A row for each layer in the order in which they are computed: its `number`, its `kind` (the class in Keras), its
        `settings`, the shape of its `output` for one image, its `params`, and `after`, the numbers of the layers whose
        outputs it takes.

    Raises
    ------
    BtferError
        If the network does not exist, or does not have this size or option.

    Examples
    --------
    >>> import btfer_builder as bt
    >>> bt.list_layers("lenet5", 48)["params"].sum()  # doctest: +SKIP
    """
    import pandas as pd

    from btfer_builder.networks.layer_table import list_layers

    _check_name(name)
    _check_side(size, "size")
    _check_options(pretraining, head, units)
    rows = list_layers(name, int(size), pretraining=pretraining, head=head, units=units)
    return pd.DataFrame([row.to_dict() for row in rows])


def _check_name(name: object) -> None:
    if not isinstance(name, str):
        raise BtferError(f"expected names of networks, as resnet18, got {name!r}")


def _check_side(side: object, argument: str) -> None:
    if not isinstance(side, Integral):
        raise BtferError(f"{argument}: {side!r} is not a whole number of pixels")


def _check_options(pretraining: str | None, head: str | None, units: str | None) -> None:
    from btfer_builder.networks.registry import HEADS, PRETRAININGS, UNITS

    for option, value, valid in (
        ("pretraining", pretraining, PRETRAININGS),
        ("head", head, HEADS),
        ("units", units, UNITS),
    ):
        if value is not None:
            one_of(value, valid, option)
