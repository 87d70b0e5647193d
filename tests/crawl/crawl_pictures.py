"""The pictures of the test web, and what is no picture."""

import io
import random
import zipfile
from functools import cache

from PIL import Image

SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'
HTML = b"<!DOCTYPE html><html><body><svg></svg>Sign in to see this picture</body></html>"
MEDIA = {"jpg": ("JPEG", "image/jpeg"), "png": ("PNG", "image/png"), "webp": ("WEBP", "image/webp")}


@cache
def picture(name: str, side: int = 48) -> bytes:
    """Return the picture of this name, of the format its suffix says; another name gives other bytes."""
    rng = random.Random(name)
    noise = Image.frombytes("RGB", (side, side), rng.randbytes(side * side * 3))
    file = io.BytesIO()
    noise.save(file, MEDIA[name.rpartition(".")[2]][0])
    return file.getvalue()


def archive() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as content:
        content.writestr("happy.jpg", picture("in-a-zip.jpg"))
    return file.getvalue()
