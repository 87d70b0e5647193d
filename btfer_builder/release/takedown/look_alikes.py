"""Find the images, and those with a face, that look like a picture."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from btfer_builder.catalog.fingerprints import (
    ImageFingerprint,
    face_fingerprints,
    image_fingerprints,
    image_hashes,
)
from btfer_builder.catalog.takedown import face_paths
from btfer_builder.images.alignment import grey, likeness
from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.images.hashing import perceptual_hashes, photo_grey
from btfer_builder.images.same_picture import (
    decide,
    find_candidates,
    fine_distance,
    hash_matrix,
    matrix_of_digits,
)
from btfer_builder.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def images_alike(
    workspace: Workspace,
    targets: Sequence[ImageFingerprint],
    pixels: "Mapping[str, NDArray[np.float32] | None]",
) -> dict[str, str]:
    """Return the images that show the same picture as a target, plain or mirrored, with their distances.

    `pixels` are those of targets without a file in the workspace, as grey images.
    """
    recipe, reasons = workspace.recipe.dedupe, {}
    near: list[tuple[int, bool, str, int]] = []
    for rows in image_hashes(workspace.catalog) if targets else ():
        hashes = matrix_of_digits([digits for _, digits in rows])
        near += [
            (number, mirrored, rows[index][0], distance)
            for number, target in enumerate(targets)
            for index, distance, mirrored in find_candidates(target, hashes, recipe.radius, recipe.mirrored)
        ]
    known = image_fingerprints(workspace.catalog, {image_id for _, _, image_id, _ in near})
    candidates = {each.image_id: each for each in known}
    greys = dict(pixels)
    for number, mirrored, image_id, distance in sorted(near):
        target, candidate = targets[number], candidates[image_id]
        fine = fine_distance(target, candidate, mirrored)
        if greys.get(target.image_id) is None:
            greys[target.image_id] = photo_grey(workspace.files / target.path)
        theirs = photo_grey(workspace.files / candidate.path)
        alike = _likeness(greys[target.image_id], theirs, mirrored)
        if decide(distance, fine, alike, radius=recipe.radius) == "same":
            reasons[image_id] = f"looks like it (distance {_distances(distance, fine)})"
    return reasons


def images_with_face_alike(
    workspace: Workspace, target: ImageFingerprint, pixels_grey: "NDArray[np.float32]"
) -> dict[str, str]:
    """Return the images with a face crop that is the same picture as the target."""
    recipe, reasons = workspace.recipe.dedupe, {}
    faces = face_paths(workspace.catalog)
    looks = face_fingerprints(workspace.catalog, [face_id for face_id, _, _ in faces])
    for face_id, image_id, path in faces:
        try:
            pixels = decode_image(workspace.files / path)
        except (Undecodable, FileNotFoundError):  # purged: only its hashes are left
            pixels = None
        face = looks.get(face_id)
        if pixels is not None:
            face = ImageFingerprint(face_id, path, "", *perceptual_hashes(pixels))
        if face is None:
            continue
        for _, distance, mirrored in find_candidates(
            target, hash_matrix([face]), recipe.radius, recipe.mirrored
        ):
            fine = fine_distance(target, face, mirrored)
            alike = _likeness(pixels_grey, None if pixels is None else grey(pixels), mirrored)
            if decide(distance, fine, alike, radius=recipe.radius) == "same":
                reasons[image_id] = (
                    f"its face {face_id} looks like it (distance {_distances(distance, fine)})"
                )
    return reasons


def _likeness(
    first: "NDArray[np.float32] | None", second: "NDArray[np.float32] | None", mirrored: bool
) -> float | None:
    if first is None or second is None:
        return None
    return likeness(first, second[:, ::-1].copy() if mirrored else second)


def _distances(distance: int, fine: int | None) -> str:
    return f"{distance} of 64 bits" + ("" if fine is None else f", {fine} of 256")
