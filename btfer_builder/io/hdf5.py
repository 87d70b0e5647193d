"""Check that untrusted HDF5 files contain all of their data."""

from math import prod
from pathlib import Path
from typing import IO, Any

import h5py  # type: ignore[import-untyped]

from btfer_builder.errors import BtferError, UnsafeFile
from btfer_builder.io.text import printable

#: Filters that are built into the library; it searches plug-in folders for all others.
_FILTERS = frozenset(range(h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SCALEOFFSET + 1)) | {h5py.h5z.FILTER_LZF}

#: Largest size of an array in bytes, or as a multiple of its stored bytes.
MAX_BYTES, MAX_EXPANSION = 1 << 28, 100


def check_hdf5(source: Path | IO[bytes], name: str) -> None:
    """Raise an error for a file that refers to other files or has arrays far larger than their stored data.

    All groups are visited, used or not, following only links to objects of the same file.

    Parameters
    ----------
    source
        The file, or an open binary file.
    name
        The name of the file in error messages.

    Raises
    ------
    UnsafeFile
        If the file has a soft, external or user-defined link, an array in external storage, a virtual array, an array
        with a filter that is not built into HDF5, or an array that is too large.
    BtferError
        If it is not an HDF5 file, or damaged.
    """
    try:
        with h5py.File(source, "r") as file:
            _walk(file["/"].id, name)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError):  # what h5py raises for a damaged file
        raise BtferError(f"{name}: not an HDF5 file (or damaged); save it again with Keras") from None


def check_weights_file(path: Path) -> None:
    """Check a file of pretrained weights: it exists, has the suffix of HDF5, and passes `check_hdf5`.

    Raises
    ------
    UnsafeFile, BtferError
        If not.
    """
    if not path.is_file():
        raise BtferError(f"{path}: no such file; expected the HDF5 file (.h5) of pretrained weights")
    if path.suffix.lower() not in {".h5", ".hdf5"} or not h5py.is_hdf5(path):
        raise BtferError(f"{path}: not an HDF5 file (or damaged); expected pretrained weights as .h5")
    check_hdf5(path, str(path))


def _walk(root: Any, name: str) -> None:  # noqa: ANN401 - h5py has no types
    todo, seen = [("", root)], {h5py.h5o.get_info(root).addr}
    while todo:
        parent, group = todo.pop()
        for key in group:
            where = f"{parent}/{key.decode(errors='replace')}"
            kind = group.links.get_info(key).type
            if kind != h5py.h5l.TYPE_HARD:
                link = {h5py.h5l.TYPE_SOFT: "a soft link", h5py.h5l.TYPE_EXTERNAL: "an external link"}
                raise _unsafe(name, where, link.get(kind, "a user-defined link"))
            item = h5py.h5o.open(group, key)
            address = h5py.h5o.get_info(item).addr
            if address in seen:
                continue
            seen.add(address)
            if isinstance(item, h5py.h5g.GroupID):
                todo.append((where, item))
            elif isinstance(item, h5py.h5d.DatasetID):
                _check_array(item, name, where)


def _check_array(array: Any, name: str, where: str) -> None:  # noqa: ANN401 - h5py has no types
    properties = array.get_create_plist()
    if properties.get_layout() == h5py.h5d.VIRTUAL:
        raise _unsafe(name, where, "a virtual dataset")
    if properties.get_external_count():
        raise _unsafe(name, where, "external storage")
    for number in range(properties.get_nfilters()):
        if properties.get_filter(number)[0] not in _FILTERS:
            raise _unsafe(name, where, "a filter that is not part of HDF5")
    shapes = [array.get_space().get_simple_extent_dims() or ()]
    if properties.get_layout() == h5py.h5d.CHUNKED:
        shapes.append(properties.get_chunk())
    size = max(map(prod, shapes)) * array.get_type().get_size()
    if size > max(MAX_BYTES, MAX_EXPANSION * array.get_storage_size()):
        raise _unsafe(name, where, f"an array of {size / 1e9:.3g} GB of which almost nothing is stored")


def _unsafe(name: str, where: str, what: str) -> UnsafeFile:
    return UnsafeFile(
        f"{name}: {printable(where)} has {what}; save it again with all arrays in the file itself"
    )
