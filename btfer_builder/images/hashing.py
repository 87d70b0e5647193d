"""Hash images: their pixels exactly, and what they look like (pHashes of 64 and 256 bits), also mirrored."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from btfer_builder.images.alignment import SIDE, likeness
from btfer_builder.images.decode import MAX_PIXELS, Undecodable, decode_image, opened, upright_rgb
from btfer_builder.images.face_hashing import FINE_SIDE
from btfer_builder.images.same_picture import PARTS
from btfer_builder.io.storage import File, Root
from btfer_builder.records import ImageHash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

#: Side of the grey image a pHash is made of.
_SIDE = 32

#: A JPEG is decoded at 1/8, 1/4 or 1/2 as long as its sides keep so many pixels: 4 for each of the grey image.
_REDUCED_SIDE = 128

#: Side of the grey image whose parts are hashed.
_PARTS_SIDE = 128

#: A border is at most this share of a side wide, and its grey values differ by no more than this.
_BORDER, _BORDER_GREYS = 0.08, 12

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
    look = _look(_Grey(image.convert("L")))
    return ImageHash(image_id, image.width, image.height, pixel_hash(pixels), *look)


def _hash_reduced(image_id: str, image: "Image.Image") -> ImageHash:
    from PIL import ExifTags

    width, height = image.size
    if image.getexif().get(ExifTags.Base.Orientation) in {5, 6, 7, 8}:
        width, height = height, width
    return ImageHash(image_id, width, height, "", *_look(_reduced(image)), reduced=True)


@dataclass(frozen=True, slots=True)
class _Grey:
    """A grey image, or the part of it that is the picture; it may still have to be turned upright."""

    image: "Image.Image"
    box: tuple[float, float, float, float] | None = None

    def square(self, side: int) -> "Image.Image":
        """Return the picture upright, reduced to a square."""
        from PIL import Image, ImageOps

        return ImageOps.exif_transpose(self.image.resize((side, side), Image.Resampling.LANCZOS, self.box))


def _reduced(image: "Image.Image") -> _Grey:
    """Decode an opened JPEG: its decoder can leave the high frequencies out, which is most of the work."""
    scaled = image.draft("L", (_REDUCED_SIDE, _REDUCED_SIDE))
    image.decodermaxblock = _ONE_READ  # type: ignore[attr-defined]  # of every ImageFile
    image.load()
    grey = image if image.mode == "L" else image.convert("RGB").convert("L")  # CMYK
    # The box is the picture: of the last column and row it may fill a part only.
    return _Grey(grey, scaled[1] if scaled else None)


def compare_photos(
    items: Sequence[tuple[str, str, bool]], root: Root, max_pixels: int = MAX_PIXELS
) -> list[float | None]:
    """Lay a shard of pairs of photos over one another and return how alike each pair is.

    Parameters
    ----------
    items
        (path, path of the other, whether that one is mirrored), relative to `root`.
    root
        The workspace.
    max_pixels
        Images with more pixels are not decoded.

    Returns
    -------
    list
        None where one cannot be decoded any more.
    """
    results: list[float | None] = []
    known: dict[str, NDArray[np.float32] | None] = {}
    for one, other, mirrored in items:
        # Pairs come sorted: the first photo is that of the pair before, mostly.
        known = {
            path: known[path] if path in known else photo_grey(root / path, max_pixels)
            for path in (one, other)
        }
        first, second = known[one], known[other]
        if first is None or second is None:
            results.append(None)
        else:
            results.append(likeness(first, second[:, ::-1].copy() if mirrored else second))
    return results


def photo_grey(path: File, max_pixels: int = MAX_PIXELS) -> "NDArray[np.float32] | None":
    """Return a photo as the small grey image that `overlay.likeness` compares, None if it cannot be decoded."""
    import numpy as np

    try:
        with opened(path, max_pixels) as image:
            is_jpeg = image.format in {"JPEG", "MPO"}
            grey = _reduced(image) if is_jpeg else _Grey(upright_rgb(image).convert("L"))
            return np.asarray(grey.square(SIDE), dtype=np.float32)
    except (Undecodable, FileNotFoundError):
        return None


def pixel_hash(pixels: "NDArray[np.uint8]") -> str:
    """Return the SHA-256 of an image's shape and RGB bytes: equal for the same picture in two file formats."""
    import numpy as np

    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def perceptual_hashes(pixels: "NDArray[np.uint8]") -> tuple[str, str, str, str, str]:
    """Return what an image looks like, in hex digits.

    Parameters
    ----------
    pixels
        RGB, uint8, shape (height, width, 3).

    Returns
    -------
    phash, phash_mirrored
        The 64-bit pHash of the image and of its mirror image, equal to `imagehash.phash` bit by bit.
    phash_256, phash_256_mirrored
        The same of 256 bits.
    parts
        See `records.ImageHash`.
    """
    from PIL import Image

    return _look(_Grey(Image.fromarray(pixels).convert("L")))


def _look(grey: _Grey) -> tuple[str, str, str, str, str]:
    import imagehash
    from PIL import ImageOps

    # Of the sides that imagehash reduces an image to; made once for a picture and its mirror image.
    small, fine = grey.square(_SIDE), grey.square(4 * FINE_SIDE)
    plain, mirrored = (str(imagehash.phash(image)) for image in (small, ImageOps.mirror(small)))
    fine_plain, fine_mirrored = (
        str(imagehash.phash(image, hash_size=FINE_SIDE)) for image in (fine, ImageOps.mirror(fine))
    )
    return plain, mirrored, fine_plain, fine_mirrored, _parts(grey.square(_PARTS_SIDE), plain, mirrored)


def _parts(square: "Image.Image", plain: str, mirrored: str) -> str:
    """Return the pHashes of a picture's body, of the mirror image of that, and of the body's parts."""
    import numpy as np
    from PIL import Image
    from scipy.fft import dctn

    left, top, right, bottom = _body(np.asarray(square, dtype=np.int16))
    width, height = right - left, bottom - top
    boxes: list[tuple[float, float, float, float]] = [(left, top, right, bottom)]
    boxes += [
        (left + width * a, top + height * b, right - width * c, bottom - height * d) for a, b, c, d in PARTS
    ]
    small = [
        np.asarray(square.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS, box), dtype=np.float64)
        for box in boxes
    ]
    waves = dctn(np.stack(small), axes=(1, 2))[:, :8, :8]
    turned = waves[:1].copy()
    turned[:, :, 1::2] *= -1  # what mirroring does to a wave
    waves = np.concatenate([waves[:1], turned, waves[1:]]).reshape(-1, 64)
    hashes = np.packbits(waves > np.median(waves, axis=1, keepdims=True), axis=1).tobytes().hex()
    whole = (left, top, right, bottom) == (0, 0, *square.size)
    return plain + mirrored + hashes[32:] if whole else hashes


def _body(grey: "NDArray[np.int16]") -> tuple[int, int, int, int]:
    """Return the box (left, top, right, bottom) of what is within a plain border, if there is one."""

    def plain_lines(lines: "NDArray[np.int16]") -> int:
        most = int(len(lines) * _BORDER)
        level = float(lines[0].mean())
        for count, line in enumerate(lines[:most]):
            if abs(line - level).max() > _BORDER_GREYS:
                return count
        return 0  # a plain background, and no border

    top, bottom = plain_lines(grey), plain_lines(grey[::-1])
    left, right = plain_lines(grey.T), plain_lines(grey.T[::-1])
    return left, top, grey.shape[1] - right, grey.shape[0] - bottom
