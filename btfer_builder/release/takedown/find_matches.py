"""Find all matches of a photo: by id, address, bytes, pixels and likeness."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder.catalog.crawl import url_sha256
from btfer_builder.catalog.takedown import (
    ImageFingerprint,
    Tombstone,
    addresses,
    copies,
    face_copies,
    face_paths,
    faces_of,
    image_fingerprints,
    image_paths,
    images_from,
    images_named,
    is_taken_down,
    neighbours_on_page,
)
from btfer_builder.crawl.urls import canonical_url
from btfer_builder.errors import BtferError
from btfer_builder.images.alignment import grey, likeness
from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.images.hashing import perceptual_hashes, photo_grey, pixel_hash
from btfer_builder.images.same_picture import decide, find_candidates, fine_distance, hash_matrix
from btfer_builder.io.storage import Root, thumb_path
from btfer_builder.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class TakedownMatches:
    """Everything in a workspace that belongs to a photo.

    Attributes
    ----------
    reasons
        The reason why each image matches, by image id.
    faces
        The ids of all faces in these images.
    urls
        The addresses of these images.
    files
        Photos, crops and thumbnails.
    reports
        Folders in `reports/` that name one of the faces.
    tombstones
        The tombstones that prevent another crawl of it.
    own_files
        Local files that were crawled; they are not deleted.
    same_page
        Other images from the same pages, which may show the same person; they are not deleted.
    """

    reasons: dict[str, str] = field(default_factory=dict)
    faces: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    reports: list[Path] = field(default_factory=list)
    tombstones: list[Tombstone] = field(default_factory=list)
    own_files: list[str] = field(default_factory=list)
    same_page: list[str] = field(default_factory=list)


def find_matches(workspace: Workspace, target: str) -> TakedownMatches:
    """Find all matches of a photo.

    Parameters
    ----------
    workspace
        The workspace to search.
    target
        A face id, an image id, an address (of the file or of its page), or an image file.

    Returns
    -------
    TakedownMatches
        Without images if there is no match; an address or an image file has a tombstone in any case.

    Raises
    ------
    BtferError
        If the target is unknown, or a file that is not an image.
    """
    catalog = workspace.catalog
    known = image_fingerprints(catalog)
    if named := images_named(catalog, target.lower()):
        return _expand(workspace, known, dict.fromkeys(named, "named"), [])
    if target.lower().startswith(("http://", "https://", "file://")):
        urls = list(dict.fromkeys([canonical_url(target), target]))
        images = dict.fromkeys(images_from(catalog, urls), "came from the address")
        return _expand(workspace, known, images, [Tombstone(url_sha256=url_sha256(url)) for url in urls])
    if Path(target).is_file():
        return _of_file(workspace, known, Path(target))
    if is_taken_down(catalog, target.lower()):
        return TakedownMatches()
    raise BtferError(
        f"{target!r} is not a known face id, image id, address or image file; a face id has 16 hex digits and is "
        "the name of the face's file"
    )


def _of_file(workspace: Workspace, known: list[ImageFingerprint], path: Path) -> TakedownMatches:
    try:
        pixels = decode_image(path)
    except Undecodable as error:
        raise BtferError(f"{path} cannot be read as an image: {error.detail}") from None
    image_id = hashlib.sha256(path.read_bytes()).hexdigest()
    fingerprint = ImageFingerprint(image_id, "", pixel_hash(pixels), *perceptual_hashes(pixels))
    reasons = {candidate.image_id: "the same file" for candidate in known if candidate.image_id == image_id}
    reasons |= dict.fromkeys(images_named(workspace.catalog, image_id), "the same file")
    for candidate in known:
        if candidate.pixel_sha256 == fingerprint.pixel_sha256:
            reasons.setdefault(candidate.image_id, "the same pixels")
    pixels_grey = grey(pixels)
    reasons = _alike(workspace, known, [fingerprint], {image_id: pixels_grey}) | reasons
    reasons = _alike_faces(workspace, fingerprint, pixels_grey) | reasons
    return _expand(workspace, known, reasons, [_tombstone(fingerprint, image_id=image_id)])


def _expand(
    workspace: Workspace, known: list[ImageFingerprint], images: dict[str, str], tombstones: list[Tombstone]
) -> TakedownMatches:
    """Add images that look like those found, their groups of duplicates, and everything made from them."""
    catalog, root = workspace.catalog, workspace.files
    named = [fingerprint for fingerprint in known if fingerprint.image_id in images]
    reasons = _alike(workspace, known, named, {}) | images
    for image_id in sorted(copies(catalog, reasons)):
        reasons.setdefault(image_id, "in one group of duplicates")
    for image_id in sorted(face_copies(catalog, reasons)):
        reasons[image_id] = "has a copy of its face"
    urls = addresses(catalog, reasons)
    faces = faces_of(catalog, reasons)
    files = [*image_paths(catalog, reasons), *(face["path"] for face in faces if face["path"])]
    paths = [root / path for path in files]
    paths += [thumb_path(workspace.root, "image", image_id) for image_id in sorted(reasons)]
    paths += [thumb_path(workspace.root, "face", face["face_id"]) for face in faces]
    added = [Tombstone(image_id=image_id) for image_id in sorted(reasons)]
    added += [Tombstone(url_sha256=url_sha256(url), image_id=image_id) for url, image_id in urls.items()]
    added += [_tombstone(each, image_id=each.image_id) for each in known if each.image_id in reasons]
    for face in faces:
        added.append(_face_tombstone(root, face["face_id"], face["path"]))
    ids = [face["face_id"] for face in faces]
    return TakedownMatches(
        dict(sorted(reasons.items())),
        ids,
        list(urls),
        [path for path in paths if path.is_file()],
        _reports(workspace, ids),
        [*tombstones, *added],
        [url for url in urls if url.startswith("file:")],
        neighbours_on_page(catalog, reasons) if reasons else [],
    )


def _tombstone(
    fingerprint: ImageFingerprint, *, image_id: str | None = None, face_id: str | None = None
) -> Tombstone:
    return Tombstone(
        image_id=image_id,
        face_id=face_id,
        phash=fingerprint.phash,
        phash_mirrored=fingerprint.phash_mirrored,
        phash_256=fingerprint.phash_256 or None,
        phash_256_mirrored=fingerprint.phash_256_mirrored or None,
        parts=fingerprint.parts or None,
    )


def _face_tombstone(root: Root, face_id: str, path: str | None) -> Tombstone:
    """Return the tombstone of a face, whose crop may be crawled as an image."""
    try:
        pixels = decode_image(root / str(path))
    except (Undecodable, OSError):
        return Tombstone(face_id=face_id)
    return _tombstone(ImageFingerprint(face_id, "", "", *perceptual_hashes(pixels)), face_id=face_id)


def _alike(
    workspace: Workspace,
    known: Sequence[ImageFingerprint],
    targets: Sequence[ImageFingerprint],
    pixels: "Mapping[str, NDArray[np.float32] | None]",
) -> dict[str, str]:
    """Return the images that show the same picture as a target, plain or mirrored, with their distances.

    `pixels` are those of targets without a file in the workspace, as grey images.
    """
    recipe, reasons = workspace.recipe.dedupe, {}
    hashes = hash_matrix(known)
    for target in targets:
        ours = pixels.get(target.image_id)
        for index, distance, mirrored in find_candidates(target, hashes, recipe.radius, recipe.mirrored):
            candidate = known[index]
            fine = fine_distance(target, candidate, mirrored)
            ours = photo_grey(workspace.files / target.path) if ours is None else ours
            theirs = photo_grey(workspace.files / candidate.path)
            alike = _likeness(ours, theirs, mirrored)
            if decide(distance, fine, alike, radius=recipe.radius) == "same":
                reasons[candidate.image_id] = f"looks like it (distance {_distances(distance, fine)})"
    return reasons


def _alike_faces(
    workspace: Workspace, target: ImageFingerprint, pixels_grey: "NDArray[np.float32]"
) -> dict[str, str]:
    """Return the images with a face crop that is the same picture as the target."""
    recipe, reasons = workspace.recipe.dedupe, {}
    for face_id, image_id, path in face_paths(workspace.catalog):
        try:
            pixels = decode_image(workspace.files / path)
        except Undecodable:
            continue
        face = ImageFingerprint(face_id, path, "", *perceptual_hashes(pixels))
        for _, distance, mirrored in find_candidates(
            target, hash_matrix([face]), recipe.radius, recipe.mirrored
        ):
            fine = fine_distance(target, face, mirrored)
            alike = _likeness(pixels_grey, grey(pixels), mirrored)
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


def _reports(workspace: Workspace, face_ids: Iterable[str]) -> list[Path]:
    """Return the folders of reports that name one of the faces and may show it."""
    names = [face_id.encode() for face_id in face_ids]
    if not names or not workspace.reports.is_dir():
        return []
    return [
        folder
        for folder in sorted(workspace.reports.iterdir())
        if folder.is_dir()
        and any(
            any(name in content for name in names)
            for path in folder.rglob("*")
            if path.is_file() and path.suffix in {".csv", ".json", ".html", ".jsonl"}
            for content in [path.read_bytes()]
        )
    ]
