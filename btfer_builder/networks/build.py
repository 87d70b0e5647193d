"""Build the networks of the registry: layers, head and initial weights."""

import importlib
import os
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from btfer_builder.config import Pretraining, TrainRecipe
from btfer_builder.errors import BtferError
from btfer_builder.io.tensorflow_import import import_tensorflow
from btfer_builder.labels import EMOTIONS
from btfer_builder.networks.registry import Head, NetworkSpec, Units, find_network

if TYPE_CHECKING:
    import keras


def build_network(
    name: str,
    size: int,
    *,
    pretraining: Pretraining = "scratch",
    classes: int = 7,
    head: Head | None = None,
    units: Units | None = None,
    weights_path: Path | None = None,
    seed: int = 0,
    paper: bool = False,
) -> "keras.Model":
    """Build a network with its initial weights.

    Parameters
    ----------
    name
        A key of `NETWORKS`.
    size
        Side of its input in pixels: 48 or 224 in the paper, any other from the network's smallest size on.
    pretraining
        Weights it starts from (§3.5); `preprocessing_of` returns the preprocessing that belongs to them.
    classes
        Number of outputs.
    head
        How the last feature maps become a vector; by default as in the network's specification.
    units
        Hidden layers of a new head on a base; by default the authors' 256-128.
    weights_path
        File of the pretrained weights; by default they are fetched.
    seed
        Seed of the random weights; the same seed gives the same network on every machine.
    paper
        Refuse networks that the authors did not use: `true` variants and modern baselines.

    Returns
    -------
    keras.Model
        From float32 (batch, size, size, 3), or 1 channel for mediapipe-vggnet, to probabilities (batch,
        classes) in float32. A network with a base has the base as one layer, and a head.

    Raises
    ------
    BtferError
        If the network does not exist, does not have this size, head or weights, or the weights cannot be loaded.
    """
    spec = find_network(name)
    _check_origin(spec, pretraining, weights_path, paper=paper)
    return _build(
        spec,
        size,
        pretraining=pretraining,
        classes=classes,
        head=head,
        units=units,
        seed=seed,
        load=True,
        path=weights_path,
    )


def assemble_network(
    name: str,
    size: int,
    *,
    pretraining: Pretraining = "scratch",
    classes: int = 7,
    head: Head | None = None,
    units: Units | None = None,
    seed: int = 0,
) -> "keras.Model":
    """Build the layers of `build_network` with random weights for any pretraining.

    It is used before weights are loaded from a checkpoint, and for counting.

    Raises
    ------
    BtferError
        If the network does not exist or does not have this size, head or pretraining.
    """
    return _build(
        find_network(name),
        size,
        pretraining=pretraining,
        classes=classes,
        head=head,
        units=units,
        seed=seed,
        load=False,
        path=None,
    )


def assemble_base(name: str, size: int, pretraining: Pretraining) -> "keras.Model":
    """Build the base of a network that has one, with random weights for any pretraining."""
    import_tensorflow()
    return _base(find_network(name), size, pretraining, load=False, path=None)


def _build(
    spec: NetworkSpec,
    size: int,
    *,
    pretraining: Pretraining,
    classes: int,
    head: Head | None,
    units: Units | None,
    seed: int,
    load: bool,
    path: Path | None,
) -> "keras.Model":
    _check(spec, size, pretraining=pretraining, classes=classes, head=head, units=units)
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    import_tensorflow()
    head = head or spec.heads[0]
    with _seeded(seed):
        if not spec.has_base:
            builder = getattr(_module(spec.family), spec.name.replace("-", "_"))
            return builder(size, classes, head) if len(spec.heads) > 1 else builder(size, classes)
        base = _base(spec, size, pretraining, load=load, path=path)
        return _module("heads").add_head(
            base, spec.name.replace("-", "_"), classes, head, units or spec.units[0]
        )


def _base(
    spec: NetworkSpec, size: int, pretraining: Pretraining, *, load: bool, path: Path | None
) -> "keras.Model":
    if pretraining == "imagenet" and load:
        return _module("weights").imagenet_base(spec.name, size, path)
    if pretraining != "vggface" and spec.family != "vggface":
        return _module(spec.family).base(spec.name, size)
    base = _module("vggface").base(spec.name, size)  # VGGFace's ResNet50 is not the one of keras.applications
    if pretraining == "vggface" and load:
        _module("weights").load_vggface(base, spec.name, path)
    return base


def check_recipe(recipe: TrainRecipe) -> None:
    """Check that the network of a training can be built and fed, without importing TensorFlow.

    Raises
    ------
    BtferError
        If the network does not exist, does not have this size, head or weights, the file of the weights is missing, or
        the network cannot be fed as the recipe says.
    """
    spec = find_network(recipe.network)
    _check(
        spec,
        recipe.size,
        pretraining=recipe.pretraining,
        classes=len(EMOTIONS),
        head=None if recipe.head == "auto" else recipe.head,
        units=None if recipe.units == "auto" else recipe.units,
    )
    weights = Path(recipe.weights) if recipe.weights else None
    _check_origin(spec, recipe.pretraining, weights, paper=recipe.paper)
    if weights is not None:
        from btfer_builder.io.hdf5 import check_weights_file  # h5py and NumPy, which --help does not need

        check_weights_file(weights)
    _module("preprocessing").training_preprocessing(recipe)


def _check_origin(spec: NetworkSpec, pretraining: Pretraining, weights: Path | None, *, paper: bool) -> None:
    if paper and spec.origin != "paper":
        raise BtferError(f"{spec.name}: not a network of the authors; leave out --paper to use it")
    if weights is not None and pretraining == "scratch":
        raise BtferError(
            f"{weights}: weights are given, but {spec.name} starts from scratch; give --pretraining as well"
        )


def _check(
    spec: NetworkSpec,
    size: int,
    *,
    pretraining: Pretraining,
    classes: int,
    head: Head | None,
    units: Units | None,
) -> None:
    if size_error := spec.size_error(size):
        raise BtferError(f"{spec.name}: {size_error}")
    if classes < 2:
        raise BtferError(f"{spec.name}: needs at least 2 classes, not {classes}")
    if pretraining not in spec.pretrainings:
        raise BtferError(
            f"{spec.name}: there are no {pretraining} weights; choose {' or '.join(spec.pretrainings)}"
        )
    if head is not None and head not in spec.heads:
        raise BtferError(f"{spec.name}: its head is {' or '.join(spec.heads)}, not {head}")
    if units is not None and units not in spec.units:
        reason = f"choose {', '.join(spec.units)}" if spec.units else "its last layers are fixed"
        raise BtferError(f"{spec.name}: has no head of {units} units; {reason}")


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Seed Python's random state, from which Keras draws the seeds of its layers, and restore it afterwards."""
    state = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(state)


def _module(name: str) -> Any:  # noqa: ANN401 - a module; imported late because it imports TensorFlow
    return importlib.import_module(f"btfer_builder.networks.{name}")
