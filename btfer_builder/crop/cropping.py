"""Crop a shard of images: decode, detect, choose the faces to keep, cut them out and write them."""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder.crop.detector import Detection, detect_faces
from btfer_builder.crop.geometry import PixelBox, crop_box, cut
from btfer_builder.decode import Undecodable, decode_image
from btfer_builder.files import write_bytes
from btfer_builder.recipe import CropRecipe
from btfer_builder.records import CropResult, Face

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def crop_images(items: Sequence[tuple[str, str]], root: Path, recipe: CropRecipe) -> list[CropResult]:
    """Crop a shard of images into `root/data/faces`.

    Parameters
    ----------
    items
        (image_id, path relative to `root`).
    root
        The workspace.
    recipe
        How faces are chosen and cut out.
    """
    return [_crop_image(image_id, root, path, recipe) for image_id, path in items]


def _crop_image(image_id: str, root: Path, path: str, recipe: CropRecipe) -> CropResult:
    if not (root / path).is_file():
        return CropResult(image_id, "missing_file", f"{path} is gone")
    try:
        photo = decode_image(root / path, recipe.max_pixels)
    except Undecodable as error:
        return CropResult(image_id, error.reason, error.detail)
    height, width = photo.shape[:2]
    faces = choose_faces(
        [
            _face(image_id, detection, crop_box(detection.box, width, height, recipe), recipe.size)
            for detection in detect_faces(photo)
        ],
        recipe,
    )
    for face in faces:
        if face.path is not None:
            box = PixelBox(face.crop_x, face.crop_y, face.crop_width, face.crop_height)
            write_bytes(root / face.path, png(cut(photo, box, recipe.size)))
    # With a margin as wide as the photo two faces may have one crop between them: it is one face then, not two.
    rows = {
        face.face_id: face for state in ("dropped", "kept") for face in reversed(faces) if face.state == state
    }
    return CropResult(image_id, _image_reason(faces), faces=tuple(rows.values()))


def choose_faces(faces: Sequence[Face], recipe: CropRecipe) -> list[Face]:
    """Mark each face kept or dropped with its reason; `faces` come largest first and all marked kept."""
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


def _defect(face: Face, recipe: CropRecipe) -> str | None:
    if face.confidence < recipe.min_confidence:
        return "low_confidence"
    if min(face.width, face.height) < recipe.min_face_size:
        return "too_small"
    return None


def _image_reason(faces: Sequence[Face]) -> str | None:
    """Return why no face of an image was kept: several good ones, or what was wrong with the largest."""
    if not faces:
        return "no_face"
    if any(face.state == "kept" for face in faces):
        return None
    reasons = [face.reason for face in faces]
    return "several_faces" if "several_faces" in reasons else reasons[0]


def _face(image_id: str, detection: Detection, box: PixelBox, size: int) -> Face:
    face_id = hashlib.sha256(
        f"{image_id} {box.x} {box.y} {box.width} {box.height} {size}".encode()
    ).hexdigest()[:16]
    return Face(
        face_id=face_id,
        image_id=image_id,
        state="kept",
        reason=None,
        path=f"data/faces/{face_id[:2]}/{face_id}.png",
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
    )


def png(pixels: "NDArray[np.uint8]") -> bytes:
    """Return an RGB image as PNG bytes without any metadata."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()
