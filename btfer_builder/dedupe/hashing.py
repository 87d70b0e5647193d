"""Hash images: their pixels exactly, and what they look like (64-bit pHash), also mirrored."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from btfer_builder.decode import Undecodable, decode_image, opened, upright_rgb
from btfer_builder.records import ImageHash
from btfer_builder.storage import File, Root

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

#: Side of the grey image a pHash is made of.
_SIDE = 32

#: A JPEG is decoded at 1/8, 1/4 or 1/2 as long as its sides keep so many pixels: 4 for each of the grey image.
_REDUCED_SIDE = 128

#: Bytes given to the decoder at a time: a file as a whole is decoded faster than in Pillow's pieces of 64 kB.
_ONE_READ = 1 << 24


def hash_images(items: Sequence[tuple[str, str]], root: Root, max_pixels: int) -> list[ImageHash]:
    """Hash a shard of images; one that cannot be decoded gets its reason instead.

    JPEGs are decoded at reduced scale, four times as fast: at most 2 of the 64 bits are not those of
    `imagehash.phash`, and there is no pixel hash yet (`hash_pixels`). Other formats can only be decoded whole,
    and get all hashes at once.

    Parameters
    ----------
    items
        (image_id, path relative to `root`).
    root
        The workspace.
    max_pixels
        Images with more pixels are not decoded.
    """
    return [_hash_file(image_id, root / path, max_pixels, exact=False) for image_id, path in items]


def hash_images_exactly(items: Sequence[tuple[str, str]], root: Root, max_pixels: int) -> list[ImageHash]:
    """Hash a shard of images, all of them decoded whole: bit for bit `imagehash.phash`, and the pixel hash."""
    return [_hash_file(image_id, root / path, max_pixels, exact=True) for image_id, path in items]


def hash_pixels(items: Sequence[tuple[str, str]], root: Root, max_pixels: int) -> list[str]:
    """Return the pixel hash of each image of a shard, empty where a file cannot be decoded any more."""
    hashes = []
    for _, path in items:
        try:
            hashes.append(pixel_hash(decode_image(root / path, max_pixels)))
        except Undecodable:
            hashes.append("")
    return hashes


def _hash_file(image_id: str, path: File, max_pixels: int, *, exact: bool) -> ImageHash:
    if not path.is_file():
        return ImageHash(image_id, reason="missing_file", detail=f"{path} is gone")
    try:
        with opened(path, max_pixels) as image:
            if image.format in {"JPEG", "MPO"} and not exact:
                return _hash_reduced(image_id, image)
            return _hash_whole(image_id, upright_rgb(image))
    except Undecodable as error:
        return ImageHash(image_id, reason=error.reason, detail=error.detail)


def _hash_whole(image_id: str, image: "Image.Image") -> ImageHash:
    import numpy as np

    pixels = np.asarray(image)
    plain, mirrored = _phashes(_small(image))
    return ImageHash(image_id, image.width, image.height, pixel_hash(pixels), plain, mirrored)


def _hash_reduced(image_id: str, image: "Image.Image") -> ImageHash:
    """Hash an opened JPEG: its decoder can leave the high frequencies out, which is most of the work."""
    from PIL import ExifTags, ImageOps

    width, height = image.size
    if image.getexif().get(ExifTags.Base.Orientation) in {5, 6, 7, 8}:
        width, height = height, width
    scaled = image.draft("L", (_REDUCED_SIDE, _REDUCED_SIDE))
    image.decodermaxblock = _ONE_READ  # type: ignore[attr-defined]  # of every ImageFile
    image.load()
    grey = image if image.mode == "L" else image.convert("RGB")  # CMYK
    # The box is the picture: of the last column and row it may fill a part only.
    small = ImageOps.exif_transpose(_small(grey, scaled[1] if scaled else None))
    return ImageHash(image_id, width, height, "", *_phashes(small), reduced=True)


def pixel_hash(pixels: "NDArray[np.uint8]") -> str:
    """Return the SHA-256 of an image's shape and RGB bytes: equal for the same picture in two file formats."""
    import numpy as np

    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def perceptual_hashes(pixels: "NDArray[np.uint8]") -> tuple[str, str]:
    """Return the pHash of an image and of its mirror image, as 16 hex digits each.

    Equal to `imagehash.phash` bit by bit: the 32×32 grey image it makes first is made once for both.

    Parameters
    ----------
    pixels
        RGB, uint8, shape (height, width, 3).
    """
    from PIL import Image

    return _phashes(_small(Image.fromarray(pixels)))


def _small(image: "Image.Image", box: tuple[float, float, float, float] | None = None) -> "Image.Image":
    from PIL import Image

    return image.convert("L").resize((_SIDE, _SIDE), Image.Resampling.LANCZOS, box)


def _phashes(small: "Image.Image") -> tuple[str, str]:
    import imagehash
    from PIL import ImageOps

    return str(imagehash.phash(small)), str(imagehash.phash(ImageOps.mirror(small)))
