"""Which images look like one that was taken down and must not come back."""

from collections.abc import Sequence
from dataclasses import replace

from btfer_builder.catalog.dedupe import HashedImage


def mark_buried(
    images: Sequence[HashedImage], looks: Sequence[tuple[str, str]], radius: int, mirrored: bool
) -> list[HashedImage]:
    """Give the images within the radius of anything that was taken down the reason `taken_down`.

    Parameters
    ----------
    images
        All hashed images.
    looks
        The pHashes (plain, mirrored) that tombstones keep.
    radius, mirrored
        What counts as a near duplicate.
    """
    import numpy as np

    hashed = [image for image in images if image.reason is None]
    if not looks or not hashed:
        return list(images)
    own = np.array([int(image.phash, 16) for image in hashed], dtype=np.uint64)
    near = np.zeros(len(hashed), dtype=bool)
    # A takedown is rare: comparing each tombstone with all images costs milliseconds.
    for plain, flipped in looks:
        for look in (plain, flipped) if mirrored else (plain,):
            near |= np.bitwise_count(own ^ np.uint64(int(look, 16))) <= radius
    buried = {image.image_id for image, hit in zip(hashed, near, strict=True) if hit}
    return [replace(image, reason="taken_down") if image.image_id in buried else image for image in images]
