"""Thumbnails and previews for the review page: decoded, scaled down and encoded as JPEG, never the original file."""

import io
from pathlib import PurePosixPath
from threading import BoundedSemaphore
from typing import TYPE_CHECKING

from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.storage import Root, thumb_path
from btfer_builder.records import Kind

if TYPE_CHECKING:
    from PIL import Image

#: Longest side in pixels.
THUMB_SIDE = 256
PREVIEW_SIDE = 1024

#: A photo at the limit of `decode_image` takes about a gigabyte during decoding.
_DECODERS = BoundedSemaphore(4)


def thumbnail(root: Root, kind: Kind, item_id: str, path: str) -> bytes | None:
    """Return the thumbnail of an item as a JPEG, written now if it is missing; None if the item cannot be decoded.

    Parameters
    ----------
    root
        The workspace.
    kind, item_id
        The item; its id names the thumbnail.
    path
        The item's file, as in the catalog.
    """
    file = thumb_path(root, kind, item_id)
    try:
        return file.read_bytes()
    except OSError:
        with _DECODERS:
            image = write_thumbnail(root, kind, item_id, path)
        return None if image is None else file.read_bytes()


def write_thumbnail(root: Root, kind: Kind, item_id: str, path: str) -> "Image.Image | None":
    """Write the thumbnail of an item and return it before encoding; None if the item cannot be decoded."""
    image = _scaled_down(root, path, THUMB_SIDE)
    if image is not None:
        write_bytes(thumb_path(root, kind, item_id), _jpeg(image))
    return image


def preview(root: Root, path: str, side: int = PREVIEW_SIDE) -> bytes | None:
    """Return an image as an upright JPEG without metadata; None if it cannot be decoded.

    Parameters
    ----------
    root
        The workspace.
    path
        The file, as in the catalog: relative to `root`.
    side
        Longest side of the result in pixels; smaller images are not enlarged.
    """
    with _DECODERS:
        image = _scaled_down(root, path, side)
        return None if image is None else _jpeg(image)


def _scaled_down(root: Root, path: str, side: int) -> "Image.Image | None":
    """Decode an image and scale it down; None if it cannot be decoded.

    The catalog may come from a third party, so a path outside the workspace is not followed.
    """
    from PIL import Image

    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        return None
    try:
        image = Image.fromarray(decode_image(root / parts))
    except Undecodable:
        return None
    image.thumbnail((side, side))
    return image


def _jpeg(image: "Image.Image") -> bytes:
    file = io.BytesIO()
    image.save(file, "JPEG", quality=88)
    return file.getvalue()
