"""Hash images: an exact hash of the pixels, and perceptual hashes of 64 and 256 bits, plain and mirrored."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from btfer_builder.images.alignment import SIDE, likeness
from btfer_builder.images.decode import (
    MAX_PIXELS,
    Undecodable,
    decode_image,
    open_image,
    orientation,
    upright,
    upright_rgb,
)
from btfer_builder.images.face_hashing import FINE_SIDE, hex_digits
from btfer_builder.images.same_picture import PARTS
from btfer_builder.io.storage import File, Root
from btfer_builder.records import ImageHash

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

#: Side of the grey image from which a pHash is computed.
_SIDE = 32

#: A JPEG is decoded at 1/8, 1/4 or 1/2 scale if its sides keep this many pixels, 4 for each of the grey image.
_REDUCED_SIDE = 128

#: Side of the grey image whose parts are hashed.
_PARTS_SIDE = 128

#: Largest width of a border as a fraction of the side, and largest difference of the grey values in it.
_BORDER, _BORDER_GREYS = 0.08, 12

#: Bytes passed to the decoder at a time: decoding a whole file is faster than Pillow's blocks of 64 kB.
_ONE_READ = 1 << 24


def hash_images(items: Sequence[tuple[str, str]], root: Root, max_pixels: int) -> list[ImageHash]:
    """Hash a shard of images; an image that cannot be decoded gets a reason instead of hashes.

    JPEGs are decoded at reduced scale, which is four times as fast: of 3,000 hashes 93 % were those of
    `imagehash.phash`, 7 % differed in 2 of the 64 bits and 3 in 4. The pixel hash is left to `hash_pixels`. Other
    formats can only be decoded at full scale and get all hashes.

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
    """Hash a shard of images decoded at full scale: pHashes equal to `imagehash.phash`, and pixel hashes."""
    return [_hash_file(image_id, root / path, max_pixels, exact=True) for image_id, path in items]


def hash_pixels(items: Sequence[tuple[str, str]], root: Root, max_pixels: int) -> list[str]:
    """Return the pixel hash of each image of a shard, empty if a file can no longer be decoded."""
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
        with open_image(path, max_pixels) as image:
            if image.format in {"JPEG", "MPO"} and not exact:
                return _hash_reduced(image_id, image)
            return _hash_full(image_id, upright_rgb(image))
    except Undecodable as error:
        return ImageHash(image_id, reason=error.reason, detail=error.detail)


def _hash_full(image_id: str, image: "Image.Image") -> ImageHash:
    import numpy as np

    pixels = np.asarray(image)
    hashes = _perceptual_hashes(_Grey(image.convert("L")))
    return ImageHash(image_id, image.width, image.height, pixel_hash(pixels), *hashes)


def _hash_reduced(image_id: str, image: "Image.Image") -> ImageHash:
    width, height = image.size
    if orientation(image) >= 5:
        width, height = height, width
    return ImageHash(image_id, width, height, "", *_perceptual_hashes(_reduced(image)), reduced=True)


@dataclass(frozen=True, slots=True)
class _Grey:
    """A grey image, the box of the picture in it, and an EXIF orientation that is still to be applied."""

    image: "Image.Image"
    box: tuple[float, float, float, float] | None = None

    def square(self, side: int) -> "Image.Image":
        """Return the upright picture resized to a square."""
        from PIL import Image

        return upright(self.image.resize((side, side), Image.Resampling.LANCZOS, self.box))


def _reduced(image: "Image.Image") -> _Grey:
    """Decode an opened JPEG at reduced scale: skipping the high frequencies saves most of the work."""
    scaled = image.draft("L", (_REDUCED_SIDE, _REDUCED_SIDE))
    image.decodermaxblock = _ONE_READ  # type: ignore[attr-defined]  # of every ImageFile
    image.load()
    grey = image if image.mode == "L" else image.convert("RGB").convert("L")  # CMYK
    # The picture may fill only a part of the last column and row.
    return _Grey(grey, scaled[1] if scaled else None)


def compare_photos(
    items: Sequence[tuple[str, str, bool]], root: Root, max_pixels: int = MAX_PIXELS
) -> list[float | None]:
    """Align the photos of each pair of a shard and return their similarity.

    Parameters
    ----------
    items
        (path, path of the other photo, whether the other is mirrored), relative to `root`.
    root
        The workspace.
    max_pixels
        Images with more pixels are not decoded.

    Returns
    -------
    list
        The similarity (`alignment.likeness`) of each pair; None if a photo can no longer be decoded, or they cannot be
        aligned.
    """
    results: list[float | None] = []
    known: dict[str, NDArray[np.float32] | None] = {}
    for path, other_path, mirrored in items:
        # Pairs are sorted: the first photo is usually that of the previous pair.
        known = {
            name: known[name] if name in known else photo_grey(root / name, max_pixels)
            for name in (path, other_path)
        }
        first, second = known[path], known[other_path]
        if first is None or second is None:
            results.append(None)
        else:
            results.append(likeness(first, second[:, ::-1].copy() if mirrored else second))
    return results


def photo_grey(path: File, max_pixels: int = MAX_PIXELS) -> "NDArray[np.float32] | None":
    """Return a photo as the small grey image that `alignment.likeness` compares; None if it cannot be decoded."""
    import numpy as np

    try:
        with open_image(path, max_pixels) as image:
            is_jpeg = image.format in {"JPEG", "MPO"}
            grey = _reduced(image) if is_jpeg else _Grey(upright_rgb(image).convert("L"))
            return np.asarray(grey.square(SIDE), dtype=np.float32)
    except (Undecodable, FileNotFoundError):
        return None


def pixel_hash(pixels: "NDArray[np.uint8]") -> str:
    """Return the SHA-256 of an image's shape and RGB bytes, which does not depend on the file format."""
    import numpy as np

    digest = hashlib.sha256(repr(pixels.shape).encode())
    digest.update(np.ascontiguousarray(pixels).data)
    return digest.hexdigest()


def perceptual_hashes(pixels: "NDArray[np.uint8]") -> tuple[str, str, str, str, str]:
    """Return the perceptual hashes of an image in hex digits.

    Parameters
    ----------
    pixels
        RGB, uint8, shape (height, width, 3).

    Returns
    -------
    phash, phash_mirrored
        The 64-bit pHashes of the image and of its mirror image, equal to `imagehash.phash`.
    phash_256, phash_256_mirrored
        The same with 256 bits.
    parts
        See `records.ImageHash`.
    """
    from PIL import Image

    return _perceptual_hashes(_Grey(Image.fromarray(pixels).convert("L")))


def _perceptual_hashes(grey: _Grey) -> tuple[str, str, str, str, str]:
    import imagehash
    from PIL import ImageOps

    # imagehash reduces images to these sizes; each is computed once for the picture and its mirror image.
    small, fine = grey.square(_SIDE), grey.square(4 * FINE_SIDE)
    plain, mirrored = (hex_digits(imagehash.phash(image)) for image in (small, ImageOps.mirror(small)))
    fine_plain, fine_mirrored = (
        hex_digits(imagehash.phash(image, hash_size=FINE_SIDE)) for image in (fine, ImageOps.mirror(fine))
    )
    return plain, mirrored, fine_plain, fine_mirrored, _parts(grey.square(_PARTS_SIDE), plain, mirrored)


def _parts(square: "Image.Image", plain: str, mirrored: str) -> str:
    """Return the pHashes of the picture without its border, of the mirror image of that, and of its parts."""
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
    turned[:, :, 1::2] *= -1  # mirroring changes the sign of the odd frequencies
    waves = np.concatenate([waves[:1], turned, waves[1:]]).reshape(-1, 64)
    hashes = np.packbits(waves > np.median(waves, axis=1, keepdims=True), axis=1).tobytes().hex()
    whole = (left, top, right, bottom) == (0, 0, *square.size)
    return plain + mirrored + hashes[32:] if whole else hashes


def _body(grey: "NDArray[np.int16]") -> tuple[int, int, int, int]:
    """Return the box (left, top, right, bottom) of the picture without a plain border."""

    def plain_lines(lines: "NDArray[np.int16]") -> int:
        most = int(len(lines) * _BORDER)
        level = float(lines[0].mean())
        for count, line in enumerate(lines[:most]):
            if abs(line - level).max() > _BORDER_GREYS:
                return count
        return 0  # a plain background, not a border

    top, bottom = plain_lines(grey), plain_lines(grey[::-1])
    left, right = plain_lines(grey.T), plain_lines(grey.T[::-1])
    return left, top, grey.shape[1] - right, grey.shape[0] - bottom
