"""Crop a shard of images: decode, detect faces, choose those to keep, render and write their crops."""

import hashlib
import multiprocessing
import re
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from btfer_builder.config import CropRecipe, override
from btfer_builder.crop import quality
from btfer_builder.crop.blur_bystanders import bystanders
from btfer_builder.crop.detectors.base import (
    DETECTION_SIDE,
    Detection,
    Search,
    detect_faces,
    detect_with_border,
)
from btfer_builder.crop.geometry import Box, PixelBox, crop_box, padding
from btfer_builder.crop.render import render_crop
from btfer_builder.images.decode import Undecodable, decode_image, decode_reduced
from btfer_builder.images.encode import png
from btfer_builder.io.atomic import sync_files, write_bytes
from btfer_builder.io.json import json_text
from btfer_builder.io.memory import keep_freed_memory
from btfer_builder.io.storage import Root
from btfer_builder.records import CropResult, Face

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


#: Ids that a spreadsheet takes for numbers, or other programs with `d` for the exponent.
_NUMBER = re.compile(r"\d+([de]\d*)?")


def crop_images(
    items: Sequence[tuple[str, str]],
    root: Root,
    recipe: CropRecipe,
    known: Collection[str] = (),
    found: Mapping[str, Sequence[Detection]] = MappingProxyType({}),
) -> list[CropResult]:
    """Crop a shard of images into `root/data/faces`.

    Parameters
    ----------
    items
        (image_id, path relative to `root`).
    root
        The workspace.
    recipe
        How faces are chosen and cropped.
    known
        Ids of earlier versions that can be taken for numbers; faces that have them keep them.
    found
        The faces of photos that are not searched, by image id, largest first.
    """
    import cv2

    if multiprocessing.parent_process() is not None:
        cv2.setNumThreads(1)  # every core has its own worker
        keep_freed_memory()  # a photo takes the memory of the one before
    results = [
        _crop_image(image_id, root, path, recipe, known, found.get(image_id)) for image_id, path in items
    ]
    sync_files(root / face.path for result in results for face in result.faces if face.path)
    return results


def _crop_image(
    image_id: str,
    root: Root,
    path: str,
    recipe: CropRecipe,
    known: Collection[str],
    found: Sequence[Detection] | None,
) -> CropResult:
    if not (root / path).is_file():
        return CropResult(image_id, "missing_file", f"{path} is gone")
    try:
        # A reduced picture is enough for the search; crops are cut out of the whole one.
        side = DETECTION_SIDE if recipe.smallest_searched else sys.maxsize
        photo, scale, size = decode_reduced(root / path, side, recipe.max_pixels)
        detections = _search(photo, recipe, scale) if found is None else found
        faces = place_faces(image_id, detections, *size, recipe, known)
        if scale > 1 and any(face.path for face in faces):
            photo = decode_image(root / path, recipe.max_pixels)
    except Undecodable as error:
        return CropResult(image_id, error.reason, error.detail)
    faces = [_write_crop(face, photo, root, recipe) for face in faces]
    # With a margin as wide as the photo, two faces may have the same crop; it is listed once.
    rows = {
        face.face_id: face for state in ("dropped", "kept") for face in reversed(faces) if face.state == state
    }
    return CropResult(image_id, _image_reason(faces), faces=tuple(rows.values()))


def _search(photo: "NDArray[np.uint8]", recipe: CropRecipe, scale: int) -> list[Detection]:
    """Return the faces of a photo, searched once more with a border where none is found.

    `scale` is that at which it was decoded, as in `Search`.
    """
    search = Search(
        recipe.detector,
        recipe.smallest_searched,
        lambda face: _weakness(face.confidence, face.box, recipe) is None,
        recipe.device,
        scale,
    )
    found = detect_faces(photo, search)
    if not recipe.second_search or any(face.confidence >= recipe.min_confidence for face in found):
        return found
    # Where the first search is full, all faces matter: those that only the border brings out may have to be blurred.
    bordered = detect_with_border(photo, search, found if recipe.smallest_searched else None)
    return bordered if any(face.confidence >= recipe.min_confidence for face in bordered) else found


def place_faces(
    image_id: str,
    detections: Sequence[Detection],
    width: int,
    height: int,
    recipe: CropRecipe,
    known: Collection[str] = (),
) -> list[Face]:
    """Return the faces of a photo with their crop boxes and ids, kept or dropped, without looking at its pixels.

    Parameters
    ----------
    image_id
        The photo.
    detections
        The detected faces, largest first.
    width, height
        Size of the photo in pixels.
    recipe
        How faces are chosen and cropped.
    known
        As in `crop_images`.
    """
    if recipe.already_cropped:
        face = _whole(image_id, detections, width, height, recipe)
        return [_named(face, recipe.size, known)]
    faces = []
    for detection in detections:
        box = crop_box(detection.box, width, height, recipe)
        face = _face(image_id, detection, box, recipe)
        faces.append(replace(face, padding=round(padding(box, width, height, face.crop_angle), 4)))
    if recipe.blur_others:
        faces = [_with_bystanders(face, detections) for face in faces]
    return choose_faces([_named(face, recipe.size, known) for face in faces], recipe)


def _whole(
    image_id: str, detections: Sequence[Detection], width: int, height: int, recipe: CropRecipe
) -> Face:
    """Return the face of a picture that is a crop already; landmarks and confidence are those of the largest face.

    Where none is found, the landmarks are the middle of the picture and the confidence is 0.
    """
    middle = (width / 2, height / 2)
    whole = Box(0.0, 0.0, float(width), float(height))
    found = detections[0] if detections else Detection(whole, 0.0, *[middle] * 5)
    side = max(width, height)
    box = PixelBox((width - side) // 2, (height - side) // 2, side, side)
    if recipe.fit == "stretch":
        box = PixelBox(0, 0, width, height)
    face = _face(image_id, replace(found, box=whole), box, override(recipe, align=False))
    return replace(
        face,
        yaw=face.yaw if detections else 0.0,
        padding=round(padding(box, width, height), 4),
        found_by="already_cropped",
    )


def _write_crop(face: Face, photo: "NDArray[np.uint8]", root: Root, recipe: CropRecipe) -> Face:
    """Write and measure the crop of a kept face."""
    if face.path is None:
        return face
    crop = render_crop(asdict(face), photo, recipe.size)
    content = png(crop)
    write_bytes(root / face.path, content)
    return replace(
        face,
        bytes=len(content),
        sharpness=round(quality.sharpness(crop), 2),
        brightness=round(quality.brightness(crop), 2),
    )


def _with_bystanders(face: Face, detections: Sequence[Detection]) -> Face:
    """Record the other faces of the photo that reach into a face's crop."""
    own = Box(face.x, face.y, face.width, face.height)
    box = PixelBox(face.crop_x, face.crop_y, face.crop_width, face.crop_height)
    others = bystanders(own, [other.box for other in detections], box, face.crop_angle)
    boxes = [[round(side, 1) for side in (other.x, other.y, other.width, other.height)] for other in others]
    return replace(face, blurred=json_text(boxes)) if boxes else face


def choose_faces(faces: Sequence[Face], recipe: CropRecipe) -> list[Face]:
    """Mark each face as kept, or as dropped with its reason; `faces` are sorted largest first and all marked kept."""
    marked = []
    eligible = [face for face in faces if _defect(face, recipe) is None]
    for face in faces:
        reason = _defect(face, recipe)
        if reason is None and recipe.faces == "single" and len(eligible) > 1:
            reason = "several_faces"
        elif reason is None and recipe.faces == "largest" and face is not eligible[0]:
            reason = "not_largest"
        marked.append(face if reason is None else replace(face, state="dropped", reason=reason, path=None))
    return marked


def _weakness(confidence: float, box: Box | Face, recipe: CropRecipe) -> str | None:
    if confidence < recipe.min_confidence:
        return "low_confidence"
    return "too_small" if min(box.width, box.height) < recipe.min_face_size else None


def _defect(face: Face, recipe: CropRecipe) -> str | None:
    if weakness := _weakness(face.confidence, face, recipe):
        return weakness
    if (face.padding or 0.0) > recipe.max_padding:
        return "padded"
    if recipe.max_upscale and face.upscale > recipe.max_upscale:
        return "upscaled"
    return None


def _image_reason(faces: Sequence[Face]) -> str | None:
    """Return why no face of an image was kept: several eligible faces, or the reason of the largest one."""
    if not faces:
        return "no_face"
    if any(face.state == "kept" for face in faces):
        return None
    reasons = [face.reason for face in faces]
    return "several_faces" if "several_faces" in reasons else reasons[0]


def _face(image_id: str, detection: Detection, box: PixelBox, recipe: CropRecipe) -> Face:
    roll = quality.roll(detection)
    return Face(
        face_id="",
        image_id=image_id,
        state="kept",
        reason=None,
        path=None,
        x=detection.box.x,
        y=detection.box.y,
        width=detection.box.width,
        height=detection.box.height,
        confidence=detection.confidence,
        left_eye_x=detection.left_eye[0],
        left_eye_y=detection.left_eye[1],
        right_eye_x=detection.right_eye[0],
        right_eye_y=detection.right_eye[1],
        nose_x=detection.nose[0],
        nose_y=detection.nose[1],
        mouth_left_x=detection.mouth_left[0],
        mouth_left_y=detection.mouth_left[1],
        mouth_right_x=detection.mouth_right[0],
        mouth_right_y=detection.mouth_right[1],
        crop_x=box.x,
        crop_y=box.y,
        crop_width=box.width,
        crop_height=box.height,
        crop_angle=round(roll, 1) if recipe.align else 0.0,
        upscale=round(recipe.size / min(box.width, box.height), 4),
        roll=round(roll, 1),
        yaw=round(quality.yaw(detection), 1),
        found_by=detection.found_by,
    )


def _named(face: Face, size: int, known: Collection[str]) -> Face:
    """Set the id and path of a face: a hash of everything that determines the pixels of its crop.

    The id is the first part of the hash that no program takes for a number, unless the face has had its id before.
    """
    identity = (
        f"{face.image_id} {face.crop_x} {face.crop_y} {face.crop_width} {face.crop_height} {size}"
        + (f" {face.crop_angle}" if face.crop_angle else "")
        + (f" {face.x} {face.y} {face.width} {face.height} {face.blurred}" if face.blurred else "")
    )
    digest = hashlib.sha256(identity.encode()).hexdigest()
    parts = (digest[start : start + 16] for start in range(len(digest) - 15))
    face_id = next(part for part in parts if part in known or not _NUMBER.fullmatch(part))
    return replace(face, face_id=face_id, path=f"data/faces/{face_id[:2]}/{face_id}.png")
