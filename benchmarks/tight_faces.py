"""How many faces that fill their photo are found, with and without a second search, and how many false ones.

    python -m benchmarks.tight_faces PHOTOS

The largest face of each photograph in PHOTOS is cut out 0 to 30 % inside its box. It is found if a face of at least the
minimum confidence has its middle in the middle half of the picture. Pictures without faces are parts of the same
photographs that touch no face at any confidence, and plain noise and gradients.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from benchmarks.record import Figure, add_option, record
from btfer_builder.config import CropRecipe
from btfer_builder.crop.detectors.base import Detection, detect_faces, detect_with_border
from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.images.files import list_images

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: How far inside the face box the photo is cut, as a share of its sides.
INSETS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3)
#: Side of the parts without a face, in pixels.
PART = 120


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("photos", type=Path, help="a folder of photographs with one face each")
    add_option(options)
    given = options.parse_args()
    photos = list(_photos(given.photos))
    figures = []
    for inset in INSETS:
        crops = [
            crop for photo, faces in photos if faces and (crop := _tight(photo, faces[0], inset)) is not None
        ]
        once = sum(_is_found(detect_faces(crop), crop) for crop in crops)
        twice = sum(_is_found(_both(crop), crop) for crop in crops)
        print(f"cut {inset:.0%} inside: {len(crops)} crops, found {once} in one search, {twice} in two")
        for name, count in (("one search", once), ("two searches", twice)):
            figures.append(
                Figure(
                    figure=f"faces found, cut {inset:.0%} inside, {name}",
                    value=100 * count / len(crops),
                    unit="%",
                )
            )
    empty = list(_without_faces(photos))
    once = sum(bool(_sure(detect_faces(picture))) for picture in empty)
    twice = sum(bool(_sure(_both(picture))) for picture in empty)
    print(f"{len(empty)} pictures without faces: {once} with a false face in one search, {twice} in two")
    figures.append(
        Figure(figure="pictures without faces, false face, one search", value=once, unit=f"of {len(empty)}")
    )
    figures.append(
        Figure(
            figure="pictures without faces, false face, two searches", value=twice, unit=f"of {len(empty)}"
        )
    )
    if given.record:
        record("tight_faces", figures)


def _photos(folder: Path) -> "Iterator[tuple[NDArray[np.uint8], list[Detection]]]":
    for path in list_images(folder).images:
        try:
            photo = decode_image(path)
        except Undecodable:
            continue
        yield photo, detect_faces(photo)


def _tight(photo: "NDArray[np.uint8]", face: Detection, inset: float) -> "NDArray[np.uint8] | None":
    box = face.box
    left, right = round(box.x + inset * box.width), round(box.x + (1 - inset) * box.width)
    top, bottom = round(box.y + inset * box.height), round(box.y + (1 - inset) * box.height)
    crop = photo[max(0, top) : bottom, max(0, left) : right]
    return np.ascontiguousarray(crop) if min(crop.shape[:2]) >= 60 else None


def _sure(faces: list[Detection]) -> list[Detection]:
    recipe = CropRecipe()
    return [
        face
        for face in faces
        if face.confidence >= recipe.min_confidence
        and min(face.box.width, face.box.height) >= recipe.min_face_size
    ]


def _both(picture: "NDArray[np.uint8]") -> list[Detection]:
    found = detect_faces(picture)
    least = CropRecipe().min_confidence
    return found if any(face.confidence >= least for face in found) else detect_with_border(picture)


def _is_found(faces: list[Detection], crop: "NDArray[np.uint8]") -> bool:
    height, width = crop.shape[:2]
    return any(
        abs(face.box.x + face.box.width / 2 - width / 2) < width / 4
        and abs(face.box.y + face.box.height / 2 - height / 2) < height / 4
        for face in _sure(faces)
    )


def _without_faces(
    photos: "list[tuple[NDArray[np.uint8], list[Detection]]]",
) -> "Iterator[NDArray[np.uint8]]":
    """Yield parts of the photos at least half a face away from every face, noise and gradients."""
    for photo, faces in photos:
        height, width = photo.shape[:2]
        for y in range(0, height - PART + 1, PART):
            for x in range(0, width - PART + 1, PART):
                if faces and not any(_is_near(face, x, y) for face in faces):
                    yield np.ascontiguousarray(photo[y : y + PART, x : x + PART])
    random = np.random.default_rng(0)
    for _ in range(20):
        yield random.integers(0, 256, (PART, PART, 3), np.uint8)
        ramp = np.linspace(*random.integers(0, 256, 2), PART)
        yield np.repeat(np.tile(ramp, (PART, 1))[..., None], 3, 2).astype(np.uint8)


def _is_near(face: Detection, x: int, y: int) -> bool:
    box = face.box
    dx, dy = box.width / 2, box.height / 2
    return (
        box.x - dx < x + PART
        and x < box.x + box.width + dx
        and box.y - dy < y + PART
        and y < box.y + box.height + dy
    )


if __name__ == "__main__":
    main()
