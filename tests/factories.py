"""Fill a workspace's catalog as the stages would, with small real pictures: for tests of what comes after."""

import hashlib
import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

from PIL import Image as Picture

from btfer_builder.catalog.crop import add_crops
from btfer_builder.catalog.dedupe import replace_dedupes
from btfer_builder.catalog.fetches import add_fetches
from btfer_builder.catalog.searches import add_search
from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.records import Candidate, CropResult, DedupeResult, Face, Fetch, Image, Search
from btfer_builder.workspace import Workspace


@dataclass
class Filled:
    """What was put into a catalog: ids by emotion, in the order in which they are listed."""

    images: dict[str, list[str]] = field(default_factory=dict)
    faces: dict[str, list[str]] = field(default_factory=dict)
    #: Images and faces found under two emotions; they are listed under the first.
    conflicts: dict[str, list[str]] = field(default_factory=lambda: {"image": [], "face": []})

    @property
    def image_ids(self) -> list[str]:
        return [image_id for ids in self.images.values() for image_id in ids]

    @property
    def face_ids(self) -> list[str]:
        return [face_id for ids in self.faces.values() for face_id in ids]


def fill_catalog(
    workspace: Workspace,
    emotions: Sequence[Emotion] = EMOTIONS,
    per_emotion: int = 3,
    *,
    conflicts: int = 0,
    query: str = "{emotion} adult woman",
    license: str = "CC BY 4.0",
    faces: bool = True,
    seed: int = 0,
) -> Filled:
    """Crawl, dedupe and (unless told otherwise) crop `per_emotion` pictures an emotion, without a network.

    The first `conflicts` images of every emotion were also found under the next one.
    """
    catalog, filled, dedupes = workspace.catalog, Filled(), []
    for place, emotion in enumerate(emotions):
        search = _search(emotion, query.format(emotion=emotion))
        images = [_image(workspace, emotion, number, seed) for number in range(per_emotion)]
        urls = [f"https://photos.example/{seed}/{emotion}/{number}.png" for number in range(per_emotion)]
        candidates = [
            Candidate(rank + 1, url, f"{url}.html", f"photo {rank}", license, creator="Ana")
            for rank, url in enumerate(urls)
        ]
        add_search(catalog, search, candidates, requested=per_emotion)
        add_fetches(
            catalog,
            [
                (
                    Fetch(url, image.image_id, http_status=200, content_type="image/png", bytes=image.bytes),
                    image,
                )
                for url, image in zip(urls, images, strict=True)
            ],
        )
        filled.images[emotion] = [image.image_id for image in images]
        disputed = filled.images[emotion][:conflicts]
        filled.conflicts["image"] += disputed
        other = emotions[(place + 1) % len(emotions)]
        # The engine may give one address under two searches; the earlier one decides where it is listed.
        add_search(catalog, _search(other, f"also {other}"), candidates[:conflicts], requested=conflicts)
        dedupes += [
            DedupeResult(image.image_id, "kept", conflict=image.image_id in disputed) for image in images
        ]
    replace_dedupes(catalog, dedupes)
    if faces:
        _crop(workspace, filled)
    return filled


def picture_png(seed: str, size: int = 64) -> bytes:
    """Return a small PNG that no other seed gives."""
    rng = random.Random(seed)
    grid = Picture.new("RGB", (4, 4))
    grid.putdata([(rng.randrange(256), rng.randrange(256), rng.randrange(256)) for _ in range(16)])
    file = io.BytesIO()
    grid.resize((size, size), Picture.Resampling.BICUBIC).save(file, "PNG")
    return file.getvalue()


def _search(emotion: Emotion, query: str) -> Search:
    return Search("folder", query, "en", emotion, "white", "female", "adult", emotion)


def _image(workspace: Workspace, emotion: Emotion, number: int, seed: int) -> Image:
    content = picture_png(f"{seed}/{emotion}/{number}")
    image_id = hashlib.sha256(content).hexdigest()
    path = workspace.data / "images" / f"{image_id}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return Image(image_id, str(path.relative_to(workspace.root)), "PNG", len(content))


def _crop(workspace: Workspace, filled: Filled) -> None:
    results = []
    for emotion, image_ids in filled.images.items():
        filled.faces[emotion] = []
        for image_id in image_ids:
            face_id = hashlib.sha256(f"{image_id}/face".encode()).hexdigest()
            path = workspace.data / "faces" / f"{face_id}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture_png(f"{image_id}/face"))
            box = dict(x=8, y=8, width=40, height=48, confidence=0.99)
            eyes = dict(left_eye_x=20, left_eye_y=24, right_eye_x=36, right_eye_y=24)
            rest = dict(
                nose_x=28, nose_y=34, mouth_left_x=22, mouth_left_y=44, mouth_right_x=34, mouth_right_y=44
            )
            crop = dict(crop_x=0, crop_y=0, crop_width=64, crop_height=64)
            face = Face(
                face_id,
                image_id,
                "kept",
                None,
                str(path.relative_to(workspace.root)),
                **box,
                **eyes,
                **rest,
                **crop,
            )
            results.append(CropResult(image_id, faces=(face,)))
            filled.faces[emotion].append(face_id)
            if image_id in filled.conflicts["image"]:
                filled.conflicts["face"].append(face_id)
    add_crops(workspace.catalog, results, "{}")
