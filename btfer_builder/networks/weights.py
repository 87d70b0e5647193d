"""Load pretrained weights (§3.5) into a base: fetched or from a file, and checked."""

import contextlib
import os
import re
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import h5py  # type: ignore[import-untyped]
import keras
import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.io.hdf5 import check_weights_file
from btfer_builder.networks import applications

#: The release of Keras-VGGFace with its weights, and the file of each base.
VGGFACE_RELEASE = "https://github.com/rcmalli/keras-vggface/releases/download/v2.0/"
VGGFACE_FILES = {
    "vgg16": "rcmalli_vggface_tf_notop_vgg16.h5",
    "resnet50": "rcmalli_vggface_tf_notop_resnet50.h5",
    "senet50": "rcmalli_vggface_tf_notop_senet50.h5",
}

#: Layers that the published files can have after the base.
VGGFACE_CLASSIFIERS = frozenset({"fc6", "fc7", "fc8", "classifier"})

#: The file that Keras stores under another name than the published one.
KEPT_AS = {"NASNet-mobile-no-top.h5": "nasnet_mobile_no_top.h5"}

#: keras.applications also divides by the roots of these if it fetches the weights of EfficientNet-B0 itself.
EFFICIENTNET_STD = (0.229, 0.224, 0.225)

Folder = Literal["models", "models/vggface"]


def imagenet_base(name: str, size: int, path: Path | None) -> keras.Model:
    """Return a base of keras.applications with its ImageNet weights.

    Parameters
    ----------
    name
        A key of `applications.CLASSES`.
    size
        Side of its input in pixels.
    path
        The HDF5 file that Keras publishes for the base ("notop"); None lets Keras fetch it.

    Raises
    ------
    BtferError
        If the file cannot be fetched, is missing, or is of another network.
    """
    if path is not None:
        check_weights_file(path)
    try:
        with _progress_on_stderr(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the weights are those of 224 pixels, which is intended
            base = applications.base(name, size, "imagenet" if path is None else str(path))
    except Exception as error:  # Keras raises any exception, a plain Exception for a failed download
        if path is None:
            raise _cannot_fetch(name, "ImageNet", "models", error) from error
        raise BtferError(
            f"{path}: not the ImageNet weights of {name} without its classifier ({_first_line(error)}); "
            f"use the file keras.applications.{applications.CLASSES[name]} publishes (…notop.h5)"
        ) from error
    if path is not None and name == "efficientnetb0":
        _scale_as_fetched(base)
    return base


def load_vggface(base: keras.Model, name: str, path: Path | None) -> None:
    """Load the published weights of Keras-VGGFace into a base of `vggface.base`.

    Layers are matched by name, or by order if no name matches. A classifier in the file is not used.

    Parameters
    ----------
    base
        Built by `vggface.base`.
    name
        `vgg16`, `resnet50` or `senet50`.
    path
        The HDF5 file; None fetches it.

    Raises
    ------
    BtferError
        If the file cannot be fetched, is missing, damaged, or of another network.
    """
    if path is None:
        path = _fetch_vggface(name)
    check_weights_file(path)
    try:
        with h5py.File(path, "r") as file:
            _fill(base, file.get("model_weights", file))
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:
        raise _wrong(path, name, _first_line(error)) from error
    except _Mismatch as error:
        raise _wrong(path, name, str(error)) from None


class _Mismatch(Exception):
    """A difference between the layers of a file and of the network."""


def _fill(base: keras.Model, group: Any) -> None:  # noqa: ANN401 - h5py has no types
    backend = group.attrs.get("backend", b"tensorflow")
    if (backend.decode() if isinstance(backend, bytes) else str(backend)) == "theano":
        raise _Mismatch("its filters are those of Theano, which are mirrored")
    wanted = [layer for layer in base.layers if layer.weights]
    matched = _match([layer.name for layer in wanted], _stored(group))
    for layer, datasets in zip(wanted, matched, strict=True):  # before anything large is read
        shapes = [tuple(dataset.shape) for dataset in datasets]
        expected = [tuple(weight.shape) for weight in layer.weights]
        if shapes != expected:
            raise _Mismatch(f"{layer.name} has the shapes {shapes} in it and {expected} in the network")
    values: list[list[NDArray[np.float32]]] = [
        [dataset[()].astype(np.float32) for dataset in datasets] for datasets in matched
    ]
    for layer, arrays in zip(wanted, values, strict=True):
        if not all(np.isfinite(array).all() for array in arrays):
            raise _Mismatch(f"{layer.name} has values that are not finite")
    for layer, arrays in zip(
        wanted, values, strict=True
    ):  # last, so that a file that does not match changes nothing
        layer.set_weights(arrays)


def _stored(group: Any) -> dict[str, list[Any]]:  # noqa: ANN401
    """Return the arrays of each layer with weights, unread, in the order of the file."""
    stored = {}
    for layer in _names(group, "layer_names"):
        names = _names(group[layer], "weight_names")
        if names:
            stored[layer.replace("/", "_")] = [_dataset(group[layer], name) for name in names]
    return stored


def _match(wanted: list[str], stored: dict[str, list[Any]]) -> list[list[Any]]:
    """Return the arrays for each wanted layer: by name if any name matches, else by order."""
    if not stored.keys() & set(wanted):
        if len(stored) != len(wanted):
            raise _Mismatch(f"it has {len(stored)} layers with weights, the network has {len(wanted)}")
        return list(stored.values())
    missing = [name for name in wanted if name not in stored]
    if missing:
        raise _Mismatch(f"it has no layer {missing[0]}")
    more = stored.keys() - set(wanted) - VGGFACE_CLASSIFIERS
    if more:  # SENet50 has all layers of ResNet50 and additional ones
        raise _Mismatch(f"it also has a layer {min(more)}")
    return [stored[name] for name in wanted]


def _names(group: Any, attribute: str) -> list[str]:  # noqa: ANN401
    """Read a list of names; Keras splits a long one over several attributes."""
    parts = [group.attrs[attribute]] if attribute in group.attrs else []
    while f"{attribute}{len(parts)}" in group.attrs:
        parts.append(group.attrs[f"{attribute}{len(parts)}"])
    if not parts:
        raise _Mismatch(f"{group.name} has no attribute {attribute}, so Keras did not write it")
    return [name.decode() if isinstance(name, bytes) else str(name) for part in parts for name in part]


def _dataset(group: Any, name: str) -> Any:  # noqa: ANN401
    """Return an array of the file without reading it."""
    dataset = group[name]
    if not isinstance(dataset, h5py.Dataset) or dataset.dtype.kind != "f":
        raise _Mismatch(f"{name} is not an array of numbers")
    return dataset


def _wrong(path: Path, name: str, reason: str) -> BtferError:
    return BtferError(
        f"{path}: not the VGGFace weights of {name} ({reason}); use {VGGFACE_FILES[name]} "
        f"from {VGGFACE_RELEASE}{VGGFACE_FILES[name]}"
    )


def _fetch_vggface(name: str) -> Path:
    file = VGGFACE_FILES[name]
    try:
        with _progress_on_stderr():
            return Path(keras.utils.get_file(file, VGGFACE_RELEASE + file, cache_subdir="models/vggface"))
    except Exception as error:
        raise _cannot_fetch(name, "VGGFace", "models/vggface", error) from error


def _cannot_fetch(name: str, source: str, folder: Folder, error: Exception) -> BtferError:
    """Return an error that names the file and where to put it; the error of Keras has its address."""
    match = re.search(r"(https?://\S+/([^\s/:]+\.h5)): .*? -- (.*)", str(error))
    if not match:
        return BtferError(f"{name}: its {source} weights cannot be fetched: {_first_line(error)}")
    address, file, reason = match.groups()
    home = Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")
    return BtferError(
        f"{name}: its {source} weights cannot be fetched ({reason}); get {address} on a machine that is online "
        f"and put it at {home / folder / KEPT_AS.get(file, file)}, or give its path with --weights"
    )


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:300].strip("'\". ")


def _scale_as_fetched(base: keras.Model) -> None:
    """Apply to the first normalisation of EfficientNet-B0 what Keras adds for weights that it fetches itself.

    It then also divides by the root of the deviation, in a layer that is missing if a file is given.
    """
    normalization = next(layer for layer in base.layers if isinstance(layer, keras.layers.Normalization))
    mean, variance, count = normalization.get_weights()
    normalization.set_weights([mean, variance * np.array(EFFICIENTNET_STD, variance.dtype), count])
    normalization.finalize_state()


@contextlib.contextmanager
def _progress_on_stderr() -> Iterator[None]:
    """Send the download bar of Keras to stderr: stdout is for the result."""
    with contextlib.redirect_stdout(sys.stderr):
        yield
