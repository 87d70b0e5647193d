"""What can be declared about a model: its preprocessing, the names of its classes, and remarks."""

from typing import Annotated

import msgspec
from msgspec import Meta

from btfer_builder.config import Activation, Color, ResizeKernel, Scale

Side = Annotated[int, Meta(ge=8, le=2048)]
Channel = Annotated[float, Meta(ge=-1000, le=1000)]
Deviation = Annotated[float, Meta(gt=0, le=1000)]
#: One value for all channels, or one for each in the order of `color`.
Channels = Annotated[tuple[Channel, ...], Meta(min_length=1, max_length=3)]
Deviations = Annotated[tuple[Deviation, ...], Meta(min_length=1, max_length=3)]


class SidecarInput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The preprocessing of a model, in this order: crop, colour, resize, scale, − mean, ÷ std.

    Attributes
    ----------
    size
        Side of the square input in pixels; None if the model states it.
    color
        Channel order; `auto` is grey for one channel and rgb for three.
    scale
        Range of the scaled pixels.
    mean, std
        Subtracted and divided by after scaling, in units of `scale` and in the order of `color`.
    resize
        Interpolation; `auto` averages areas to shrink and is bicubic to enlarge.
    crop
        Side of the central square that is kept, as a share of the face's side.
    resize_to
        Side to which the face is resized, before the central square of `size` is cut out of it.
    """

    size: Side | None = None
    color: Color | None = None
    scale: Scale | None = None
    mean: Channels | None = None
    std: Deviations | None = None
    resize: ResizeKernel | None = None
    crop: Annotated[float, Meta(gt=0, le=1)] | None = None
    resize_to: Side | None = None


class SidecarLabels(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The classes of the model's outputs, in their order; empty if unknown."""

    outputs: tuple[str, ...] = ()


class SidecarOutput(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the outputs are; None if it is not declared.

    Attributes
    ----------
    activation
        `softmax`: probabilities that sum to 1. `logits`: a softmax makes probabilities of them. `sigmoid`: one
        probability a class. `none`: scores, of which only the order means anything.
    """

    activation: Activation | None = None


class Sidecar(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The content of a sidecar; `about` is free text for people (network, weights, author)."""

    input: SidecarInput = SidecarInput()
    labels: SidecarLabels = SidecarLabels()
    output: SidecarOutput = SidecarOutput()
    about: dict[str, str | int | float | bool] = msgspec.field(default_factory=dict)
