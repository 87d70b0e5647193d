"""Pictures as the review page shows them: decoded, made small and written anew, never the raw file."""

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

#: A photo at the limit of `decode_image` takes about a gigabyte while it is decoded.
_DECODERS = BoundedSemaphore(4)


def thumbnail(root: Root, kind: Kind, item_id: str, path: str) -> bytes | None:
    """Return the thumbnail of an item as a JPEG, made now if it is missing; None if there is nothing to show.

    Parameters
    ----------
    root
        The workspace.
    kind, item_id
        The item; its id names the thumbnail.
    path
        The item's file as the catalog names it.
    """
    kept = thumb_path(root, kind, item_id)
    try:
        return kept.read_bytes()
    except OSError:
        made = preview(root, path, THUMB_SIDE)
        if made is not None:
            write_bytes(kept, made)
        return made


def preview(root: Root, path: str, side: int = PREVIEW_SIDE) -> bytes | None:
    """Return a picture as an upright JPEG without metadata, or None if there is none to show.

    Parameters
    ----------
    root
        The workspace.
    path
        The file as the catalog names it, relative to `root`.
    side
        Longest side of the result in pixels; smaller pictures stay as they are.
    """
    with _DECODERS:
        picture = small(root, path, side)
        return None if picture is None else jpeg(picture)


def small(root: Root, path: str, side: int) -> "Image.Image | None":
    """Decode a picture and make it small; None if it cannot be decoded.

    A catalog may come from somebody else: a path that leaves the workspace is not followed.
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
    """Return a picture as the bytes of a JPEG."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=88)
    return file.getvalue()
