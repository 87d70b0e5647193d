"""Compose photographs of many sizes and arrangements out of a few, for benchmarks of the detector."""

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from btfer_builder.config import CropRecipe
from btfer_builder.crop.detectors.base import detect_faces
from btfer_builder.images.decode import Undecodable, decode_image
from demo.pictures import grace_hopper, portrait

Pixels = NDArray[np.uint8]

#: Width and height of the smallest and the largest picture.
SMALLEST, LARGEST = (640, 480), (1600, 1200)

#: Share of the pictures that show nobody.
EMPTY = 0.08


def photographs(folder: Path | None) -> list[Pixels]:
    """Return the photographs of a folder, or else those that installed packages carry."""
    if folder is None:
        faces = data.lfw_subset()[:100]
        return [data.astronaut(), grace_hopper(), *(portrait(faces[i], seed=i) for i in range(0, 100, 2))]
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            found.append(decode_image(path))
        except Undecodable:
            continue
    return found


def compose(photos: list[Pixels], count: int, seed: int = 0) -> Iterator[Pixels]:
    """Yield pictures, each of a size of its own: one photograph, a collage, or small ones before a background.

    Parameters
    ----------
    photos
        RGB photographs with faces.
    count
        How many pictures.
    seed
        Another one, other pictures.
    """
    rng = np.random.default_rng(seed)
    backgrounds = [data.coffee(), data.rocket(), data.chelsea()]
    deck: list[int] = []

    def draw() -> Pixels:
        if not deck:
            deck.extend(rng.permutation(len(photos)).tolist())
        return _varied(photos[deck.pop()], rng)

    sizes: set[tuple[int, int]] = set()
    while len(sizes) < count:
        share = len(sizes) / max(count - 1, 1)
        width, height = (int(low + (high - low) * share) for low, high in zip(SMALLEST, LARGEST, strict=True))
        width, height = width + int(rng.integers(-20, 21)), height + int(rng.integers(-20, 21))
        sizes.add((height, width) if rng.random() < 0.3 else (width, height))
    for width, height in sorted(sizes, key=lambda size: rng.random()):
        kind = rng.random()
        background = cv2.GaussianBlur(_fill(backgrounds[int(rng.integers(3))], width, height), (0, 0), 1)
        if kind < EMPTY:
            yield background
        elif kind < 0.45:
            yield _fill(draw(), width, height)
        elif kind < 0.75:
            rows, columns = ((1, 2), (2, 2), (2, 3))[int(rng.integers(3))]
            for row in range(rows):
                for column in range(columns):
                    top, bottom = row * height // rows, (row + 1) * height // rows
                    left, right = column * width // columns, (column + 1) * width // columns
                    background[top:bottom, left:right] = _fill(draw(), right - left, bottom - top)
            yield background
        else:
            for _ in range(int(rng.integers(1, 5))):
                side = int(rng.integers(60, 400))
                left, top = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
                background[top : top + side, left : left + side] = _fill(draw(), side, side)
            yield background


def compose_faces(
    photos: list[Pixels], count: int, seed: int = 0, sizes: tuple[float, float] = (20, 400)
) -> Iterator[Pixels]:
    """Yield pictures of one to six faces before a background, all small sizes as frequent as large ones.

    Parameters
    ----------
    photos
        RGB photographs; the largest face of each is cut out with the hair and shoulders around it.
    count
        How many pictures.
    seed
        Another one, other pictures.
    sizes
        Smallest and largest shorter side of a face, in pixels.
    """
    rng = np.random.default_rng(seed)
    backgrounds = [data.coffee(), data.rocket(), data.chelsea()]
    people = [person for photo in photos if (person := _person(photo)) is not None]
    for _ in range(count):
        share = rng.random()
        width, height = (int(low + (high - low) * share) for low, high in zip(SMALLEST, LARGEST, strict=True))
        if rng.random() < 0.3:
            width, height = height, width
        picture = cv2.GaussianBlur(
            _fill(_varied(backgrounds[rng.integers(3)], rng), width, height), (0, 0), 1
        )
        taken: list[tuple[int, int, int, int]] = []
        for _ in range(int(rng.integers(1, 7))):
            person, face = people[rng.integers(len(people))]
            zoom = float(np.exp(rng.uniform(*np.log(sizes)))) / face
            across, down = (max(1, round(side * zoom)) for side in person.shape[1::-1])
            if across >= width or down >= height:
                continue
            left, top = int(rng.integers(width - across)), int(rng.integers(height - down))
            place = (left, top, left + across, top + down)
            if all(_apart(place, other) for other in taken):
                taken.append(place)
                kernel = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
                part = cv2.resize(_varied(person, rng), (across, down), interpolation=kernel)
                picture[top : top + down, left : left + across] = part
        yield picture


def _person(photo: Pixels) -> tuple[Pixels, float] | None:
    """Return the largest face of a photograph with 60 % of it around, and the face's shorter side there."""
    faces = [face for face in detect_faces(photo) if face.confidence >= CropRecipe().min_confidence]
    if not faces:
        return None
    box = faces[0].box
    x, y = int(box.x - 0.6 * box.width), int(box.y - 0.6 * box.height)
    right, bottom = int(box.x + 1.6 * box.width), int(box.y + 1.6 * box.height)
    return np.ascontiguousarray(photo[max(0, y) : bottom, max(0, x) : right]), min(box.width, box.height)


def _apart(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]


def _varied(photo: Pixels, rng: np.random.Generator) -> Pixels:
    """Mirror, tilt, light and sharpen or blur a photograph a little."""
    height, width = photo.shape[:2]
    if rng.random() < 0.5:
        photo = np.ascontiguousarray(photo[:, ::-1])
    if rng.random() < 0.5:
        turn = cv2.getRotationMatrix2D((width / 2, height / 2), float(rng.uniform(-20, 20)), 1.1)
        photo = cv2.warpAffine(photo, turn, (width, height), borderMode=cv2.BORDER_REPLICATE)
    photo = cv2.convertScaleAbs(photo, alpha=float(rng.uniform(0.6, 1.2)), beta=float(rng.uniform(-15, 15)))
    noise = rng.normal(0, float(rng.uniform(0, 6)), photo.shape)
    return (photo + noise).clip(0, 255).astype(np.uint8)


def _fill(photo: Pixels, width: int, height: int) -> Pixels:
    """Scale a photograph until it fills a rectangle, and cut off what stands out."""
    zoom = max(width / photo.shape[1], height / photo.shape[0])
    kernel = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    size = (max(width, round(photo.shape[1] * zoom)), max(height, round(photo.shape[0] * zoom)))
    scaled = cv2.resize(photo, size, interpolation=kernel)
    top, left = (scaled.shape[0] - height) // 3, (scaled.shape[1] - width) // 2
    return np.ascontiguousarray(scaled[top : top + height, left : left + width])
