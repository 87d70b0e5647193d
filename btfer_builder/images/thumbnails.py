"""Thumbnails and previews for the review page: decoded, resized and encoded again, never the raw file."""

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

#: Longest sides, in pixels.
THUMB_SIDE = 256
PREVIEW_SIDE = 1024

#: At most this many at a time: decoding a photo at the limit of `decode_image` takes about a gigabyte.
_DECODERS = BoundedSemaphore(4)


def thumbnail(root: Root, kind: Kind, item_id: str, path: str) -> bytes | None:
    """Return the thumbnail of an item as a JPEG, creating it if it is missing; None if the item cannot be decoded.

    Parameters
    ----------
    root
        The workspace.
    kind, item_id
        The item; its id determines the file name of the thumbnail.
    path
        Path of the item's file in the catalog.
    """
    file = thumb_path(root, kind, item_id)
    try:
        return file.read_bytes()
    except OSError:
        content = preview(root, path, THUMB_SIDE)
        if content is not None:
            write_bytes(file, content)
        return content


def preview(root: Root, path: str, side: int = PREVIEW_SIDE) -> bytes | None:
    """Return a picture as an upright JPEG without metadata; None if it cannot be decoded.

    Parameters
    ----------
    root
        The workspace.
    path
        Path of the file in the catalog, relative to `root`.
    side
        Longest side of the result in pixels; smaller pictures are not enlarged.
    """
    with _DECODERS:
        picture = small(root, path, side)
        return None if picture is None else jpeg(picture)


def small(root: Root, path: str, side: int) -> "Image.Image | None":
    """Decode and resize a picture; return None if it cannot be decoded.

    The catalog may come from somebody else, so paths that leave the workspace are rejected.
    """
    from PIL import Image

    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        return None
    try:
        picture = Image.fromarray(decode_image(root / parts))
    except Undecodable:
        return None
    picture.thumbnail((side, side))
    return picture


def jpeg(picture: "Image.Image") -> bytes:
    """Encode a picture as JPEG."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=88)
    return file.getvalue()
