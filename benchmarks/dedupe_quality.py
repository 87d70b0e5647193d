"""How often dedupe is right: that two faces are one picture, and that an edited photo is the photo.

    python -m benchmarks.dedupe_quality --data ZIP_OR_DIR [--photos DIR] [--faces 20000] [--pairs 10] [--json FILE]

ZIP_OR_DIR holds many small pictures of tight faces, all different but for repeats (FER2013, for one); they are
enlarged to 200 pixels and grouped as the stage does it. A pair that is called one picture is right if the two agree at
native size: laid over one another, half of the places differ by no more than a fifth of a standard deviation.

Recall is measured over edits of 300 photos: those of DIR and, where these are fewer, enlarged faces. Every photo gets
every single edit and `--pairs` random pairs of two. What is missed is listed by edit.
"""

import argparse
import io
import json
import random
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from benchmarks.compose import photographs
from benchmarks.record import Figure, add_option, record
from btfer_builder.catalog.dedupe import HashedImage
from btfer_builder.dedupe.grouping import group_duplicates
from btfer_builder.images.alignment import grey, likeness
from btfer_builder.images.hashing import perceptual_hashes
from btfer_builder.images.same_picture import RADIUS, decide, find_candidates, fine_distance, hash_matrix
from btfer_builder.records import ImagePair

Pixels = NDArray[np.uint8]
Edit = Callable[[Image.Image], Image.Image]

SIDE = 200
PHOTOS = 300
#: Larger photos are reduced first, so that the benchmark is quick.
LARGEST = 1000


def _jpeg(quality: int) -> Edit:
    def edit(image: Image.Image) -> Image.Image:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=quality)
        return Image.open(file).convert("RGB")

    return edit


def _scaled(by: float) -> Edit:
    return lambda image: image.resize(
        (round(image.width * by), round(image.height * by)), Image.Resampling.LANCZOS
    )


def _cropped(left: float, top: float, right: float, bottom: float) -> Edit:
    return lambda image: image.crop(
        (
            round(image.width * left),
            round(image.height * top),
            round(image.width * (1 - right)),
            round(image.height * (1 - bottom)),
        )
    )


def _watermarked(image: Image.Image) -> Image.Image:
    layer = Image.new("RGBA", image.size, (0, 0, 0, 0))
    font = ImageFont.load_default(max(10, image.width // 8))
    middle = (image.width / 2, image.height / 2)
    ImageDraw.Draw(layer).text(middle, "stock photo", font=font, fill=(255, 255, 255, 128), anchor="mm")
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def _bordered(colour: str) -> Edit:
    return lambda image: ImageOps.expand(image, max(2, round(min(image.size) * 0.03)), fill=colour)


EDITS: dict[str, Edit] = {
    "quality 30": _jpeg(30),
    "quality 60": _jpeg(60),
    "quality 95": _jpeg(95),
    "half size": _scaled(0.5),
    "double size": _scaled(2),
    "30 % brighter": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "30 % darker": lambda image: ImageEnhance.Brightness(image).enhance(0.7),
    "30 % more contrast": lambda image: ImageEnhance.Contrast(image).enhance(1.3),
    "30 % less contrast": lambda image: ImageEnhance.Contrast(image).enhance(0.7),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "watermark": _watermarked,
    "white border": _bordered("white"),
    "black border": _bordered("black"),
    "5 % cropped, middle": _cropped(0.025, 0.025, 0.025, 0.025),
    "5 % cropped, corner": _cropped(0.05, 0.05, 0, 0),
    "mirrored": ImageOps.mirror,
}


def native_faces(data: Path, most: int) -> Iterator[Pixels]:
    """Yield the grey pictures of a folder or ZIP archive, evenly drawn if there are more."""
    suffixes = (".jpg", ".jpeg", ".png")
    if data.is_dir():
        paths = sorted(path for path in data.rglob("*") if path.suffix.lower() in suffixes)
        contents = (path.read_bytes() for path in _some(paths, most))
    else:
        archive = zipfile.ZipFile(data)
        names = sorted(name for name in archive.namelist() if name.lower().endswith(suffixes))
        contents = (archive.read(name) for name in _some(names, most))
    for content in contents:
        yield np.asarray(Image.open(io.BytesIO(content)).convert("L"))


def _some(items: Sequence[Any], most: int) -> Sequence[Any]:
    return items if len(items) <= most else random.Random(0).sample(items, most)  # noqa: S311 - the same each time


def enlarged(face: Pixels) -> Pixels:
    """Return a face at 200 pixels, RGB."""
    return np.asarray(Image.fromarray(face).resize((SIDE, SIDE), Image.Resampling.BICUBIC).convert("RGB"))


def image_of(name: str, pixels: Pixels) -> HashedImage:
    """Return a picture as grouping sees it."""
    looks = perceptual_hashes(pixels)
    return HashedImage(name, SIDE, SIDE, "", *looks, None, False, int(name), frozenset({"happy"}))


def hash_face(numbered: tuple[int, Pixels]) -> HashedImage:
    """Hash a face, in a process of its own."""
    number, face = numbered
    return image_of(f"{number:06d}", enlarged(face))


def is_repeat(one: Pixels, other: Pixels) -> bool:
    """Return whether two faces are one picture at native size: half of it agrees to a fifth of its spread."""
    first, second = (face.astype(np.float32) for face in (one, other))
    warp = np.eye(2, 3, dtype=np.float32)
    stop = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 100, 1e-5)
    try:
        _, warp = cv2.findTransformECC(first, second, warp, cv2.MOTION_AFFINE, stop, None, 3)
    except cv2.error:
        return bool(np.abs(first - second).mean() < 4)
    size = (first.shape[1], first.shape[0])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    laid = cv2.warpAffine(second, warp, size, flags=flags)
    inside = cv2.warpAffine(np.ones_like(second), warp, size, flags=flags) > 0.99
    if inside.mean() < 0.5:
        return False
    slope, level = np.polyfit(laid[inside], first[inside], 1)
    difference = np.abs(first - slope * laid - level)[inside]
    return bool(np.median(difference) <= 0.2 * first[inside].std())


def precision(data: Path, faces: int, workers: int) -> dict[str, Any]:
    """Group tight faces as the stage does, and return how many of the pairs are right."""
    native = list(native_faces(data, faces))
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        images = list(pool.map(hash_face, enumerate(native), chunksize=64))
    compared = 0

    def measure(pairs: Sequence[ImagePair]) -> dict[ImagePair, float | None]:
        nonlocal compared
        compared += len(pairs)
        found: dict[ImagePair, float | None] = {}
        for pair in pairs:
            one, other = (grey(enlarged(native[int(name)])) for name in (pair.image_id, pair.item_id))
            found[pair] = likeness(one, other[:, ::-1].copy() if pair.mirrored else other)
        return found

    results = group_duplicates(images, RADIUS, mirrored=True, measure=measure)
    right: Counter[str] = Counter()
    total: Counter[str] = Counter()
    for result in results:
        if result.duplicate_of is None:
            continue
        one, other = native[int(result.duplicate_of)], native[int(result.image_id)]
        kind = str(result.kind)
        total[kind] += 1
        right[kind] += is_repeat(one, np.ascontiguousarray(other[:, ::-1]) if kind == "mirrored" else other)
    wrong = total.total() - right.total()
    return {
        "faces": len(native),
        "dropped": dict(total),
        "right": dict(right),
        "precision": right.total() / max(1, total.total()),
        "different faces dropped": wrong / len(native),
        "pairs laid over one another": compared,
    }


def is_found(photo: HashedImage, pixels: Pixels, edited: Pixels) -> bool:
    """Return whether dedupe takes the edited photo for the photo."""
    other = image_of("1", edited)
    for _, distance, mirrored in find_candidates(photo, hash_matrix([other]), RADIUS, mirrored=True):
        fine = fine_distance(photo, other, mirrored)
        turned = edited[:, ::-1] if mirrored else edited
        alike = likeness(grey(pixels), grey(np.ascontiguousarray(turned)))
        if decide(distance, fine, alike) == "same":
            return True
    return False


def edits_found(photo: Pixels, edits: Sequence[tuple[str, ...]]) -> list[bool]:
    """Return which edits of a photo dedupe takes for it."""
    hashed = image_of("0", photo)
    found = []
    for names in edits:
        edited = Image.fromarray(photo)
        for name in names:
            edited = EDITS[name](edited)
        found.append(is_found(hashed, photo, np.asarray(edited)))
    return found


def recall(photos: Sequence[Pixels], pairs: int, workers: int) -> dict[str, Any]:
    """Return how many edits of the photos are found, and which are missed."""
    generator = random.Random(0)  # noqa: S311 - the same each time
    every = list(combinations(EDITS, 2))
    edits = [[*((name,) for name in EDITS), *generator.sample(every, pairs)] for _ in photos]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        found = list(pool.map(edits_found, photos, edits, chunksize=4))
    tried: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for names, hits in zip(edits, found, strict=True):
        for edit, hit in zip(names, hits, strict=True):
            kind = "singles" if len(edit) == 1 else "pairs"
            tried[kind] += 1
            if not hit:
                missed[" + ".join(edit)] += 1
                missed[f"all {kind}"] += 1
    return {
        "photos": len(photos),
        "edits": tried.total(),
        "recall": 1 - (missed["all singles"] + missed["all pairs"]) / tried.total(),
        "recall of singles": 1 - missed["all singles"] / tried["singles"],
        "recall of pairs": 1 - missed["all pairs"] / max(1, tried["pairs"]),
        "missed": {edit: count for edit, count in missed.most_common() if not edit.startswith("all ")},
    }


def _reduced(photo: Pixels) -> Pixels:
    image = Image.fromarray(photo)
    image.thumbnail((LARGEST, LARGEST))
    return np.asarray(image)


def main() -> None:
    """Measure both and print them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--faces", type=int, default=20_000)
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    add_option(parser)
    options = parser.parse_args()
    photos = [_reduced(photo) for photo in photographs(options.photos)][:PHOTOS] if options.photos else []
    given = len(photos)
    photos += [enlarged(face) for face in native_faces(options.data, PHOTOS - given)]
    measured = {"recall": recall(photos, options.pairs, options.workers) | {"of the folder": given}}
    print(json.dumps(measured, indent=2), flush=True)
    measured["precision"] = precision(options.data, options.faces, options.workers)
    print(json.dumps(measured["precision"], indent=2))
    if options.record:
        recalled, precise = measured["recall"], measured["precision"]
        edits = f"{recalled['edits']:,} edits of {recalled['photos']} photos"
        faces = f"{precise['faces']:,} faces of {options.data.stem}"
        record("dedupe_quality", [
            Figure(figure=f"dedupe, precision over {faces}", value=100 * precise["precision"], unit="%"),
            Figure(figure=f"dedupe, recall over {edits}", value=100 * recalled["recall"], unit="%"),
        ])  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps(measured, indent=2))


if __name__ == "__main__":
    main()
