"""Pictures as the review page shows them: decoded, made small and written anew, never the raw file."""

import io
from pathlib import Path, PurePosixPath
from threading import BoundedSemaphore

from btfer_builder.decode import Undecodable, decode_image

#: Longest sides, in pixels.
THUMB_SIDE = 256
PREVIEW_SIDE = 1024

#: A photo at the limit of `decode_image` takes about a gigabyte while it is decoded.
_DECODERS = BoundedSemaphore(4)


def picture_jpeg(root: Path, path: str, side: int) -> bytes | None:
    """Return a picture as an upright JPEG without metadata, or None if there is none to show.

    Parameters
    ----------
    root
        The workspace.
    path
        The file as the catalog names it, relative to `root`. A catalog may come from somebody else: a path
        that leaves the workspace is not followed.
    side
        Longest side of the result in pixels; smaller pictures stay as they are.
    """
    parts = PurePosixPath(path)
    if parts.is_absolute() or ".." in parts.parts:
        return None
    from PIL import Image

    with _DECODERS:
        try:
            picture = Image.fromarray(decode_image(root / parts))
        except Undecodable:
            return None
        picture.thumbnail((side, side))
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=88)
        return file.getvalue()
