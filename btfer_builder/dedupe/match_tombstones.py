"""Which images look like one that was taken down: it must not come back, and nobody else must go for it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from btfer_builder.catalog.dedupe import HashedImage
from btfer_builder.catalog.takedown import ImageFingerprint
from btfer_builder.images.same_picture import candidates, decide, fine_distance, values
from btfer_builder.records import DedupeResult

#: The kind of a kept image that looks like something that was taken down.
HELD = "taken_down"


def mark_buried(
    images: Sequence[HashedImage], stones: Sequence[ImageFingerprint], radius: int, mirrored: bool
) -> tuple[list[HashedImage], dict[str, tuple[int, int | None]]]:
    """Give the images that are the same picture as anything taken down the reason `taken_down`.

    A tombstone has no pixels, and one of 0.1.0 has no 256-bit pHash: where that leaves it open, a person decides.

    Parameters
    ----------
    images
        All hashed images.
    stones
        What tombstones keep.
    radius, mirrored
        What counts as a near duplicate.

    Returns
    -------
    images
        All of them.
    held
        The distances (64 and 256 bits) of those a reviewer has to decide on, by image id.
    """
    hashed = [image for image in images if image.reason is None]
    buried: set[str] = set()
    held: dict[str, tuple[int, int | None]] = {}
    if stones and hashed:
        known = values(hashed)
        # A takedown is rare: comparing each tombstone with all images costs milliseconds.
        for stone in stones:
            for place, distance, turned in candidates(stone, known, radius, mirrored):
                image = hashed[place]
                fine = fine_distance(stone, image, turned)
                if decide(distance, fine, radius=radius) == "same":
                    buried.add(image.image_id)
                else:
                    held[image.image_id] = min(
                        held.get(image.image_id, (distance, fine)), (distance, fine), key=_order
                    )
    marked = [replace(image, reason="taken_down") if image.image_id in buried else image for image in images]
    return marked, {image_id: how for image_id, how in held.items() if image_id not in buried}


def hold(results: Sequence[DedupeResult], held: Mapping[str, tuple[int, int | None]]) -> list[DedupeResult]:
    """Put images that only a person can decide on in conflict: out of the sample until a reviewer labels them.

    A kept image is held, too, for what was dropped for it.
    """
    keepers = {result.image_id: result.duplicate_of or result.image_id for result in results}
    on: dict[str, tuple[int, int | None]] = {}
    for image_id, how in held.items():
        keeper = keepers[image_id]
        on[keeper] = min(on.get(keeper, how), how, key=_order)
    return [
        replace(
            result,
            kind=HELD,
            conflict=True,
            distance=on[result.image_id][0],
            fine_distance=on[result.image_id][1],
        )
        if result.image_id in on
        else result
        for result in results
    ]


def _order(how: tuple[int, int | None]) -> tuple[int, int]:
    distance, fine = how
    return distance, -1 if fine is None else fine
