"""Find every trace of a picture: by id, by address, by its bytes and pixels, and by what looks like it."""

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
    image_paths,
    images_from,
    images_named,
    is_buried,
    looks,
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
    """Everything a workspace holds of a picture.

    Attributes
    ----------
    why
        Why each image belongs to it, by image id.
    faces
        The ids of all faces cut out of these images.
    urls
        The addresses that led to them.
    files
        Photos, crops and thumbnails that are there.
    reports
        Folders below `reports/` that name one of the faces.
    tombstones
        What will keep it from coming back.
    own_files
        Files of the user's own it was read from; they are not deleted.
    same_page
        Other images found on the same pages, which may show the same person; they are not deleted.
    """

    why: dict[str, str] = field(default_factory=dict)
    faces: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    reports: list[Path] = field(default_factory=list)
    tombstones: list[Tombstone] = field(default_factory=list)
    own_files: list[str] = field(default_factory=list)
    same_page: list[str] = field(default_factory=list)


def find_traces(workspace: Workspace, target: str) -> TakedownMatches:
    """Find every trace of a picture.

    Parameters
    ----------
    workspace
        Where to look.
    target
        A face id, an image id, an address (of the file or of its page), or a picture file.

    Returns
    -------
    Traces
        With no images if nothing in the workspace shows it; then an address or a picture still has a tombstone.

    Raises
    ------
    BtferError
        If it is none of the four, or a file that is no picture.
    """
    catalog = workspace.catalog
    known = looks(catalog)
    if named := images_named(catalog, target.lower()):
        return _expand(workspace, known, dict.fromkeys(named, "named"), [])
    if target.lower().startswith(("http://", "https://", "file://")):
        urls = list(dict.fromkeys([canonical_url(target), target]))
        found = dict.fromkeys(images_from(catalog, urls), "came from the address")
        return _expand(workspace, known, found, [Tombstone(url_sha256=url_sha256(url)) for url in urls])
    if Path(target).is_file():
        return _of_picture(workspace, known, Path(target))
    if is_buried(catalog, target.lower()):
        return TakedownMatches()
    raise BtferError(
        f"{target!r} is no face id, image id, address or picture file known here; a face id has 16 hex digits "
        "and is the name of its file, a picture file must exist"
    )


def _of_picture(workspace: Workspace, known: list[ImageFingerprint], path: Path) -> TakedownMatches:
    try:
        pixels = decode_image(path)
    except Undecodable as error:
        raise BtferError(f"{path} cannot be read as a picture: {error.detail}") from None
    image_id = hashlib.sha256(path.read_bytes()).hexdigest()
    look = ImageFingerprint(image_id, "", pixel_hash(pixels), *perceptual_hashes(pixels))
    found = {look.image_id: "the same file" for look in known if look.image_id == image_id}
    found |= dict.fromkeys(images_named(workspace.catalog, image_id), "the same file")
    for other in known:
        if other.pixel_sha256 == look.pixel_sha256:
            found.setdefault(other.image_id, "the same pixels")
    seen = grey(pixels)
    found = _alike(workspace, known, [look], {image_id: seen}) | found
    found = _alike_faces(workspace, look, seen) | found
    stone = _look_stone(look, image_id=image_id)
    return _expand(workspace, known, found, [stone])


def _expand(
    workspace: Workspace, known: list[ImageFingerprint], found: dict[str, str], tombstones: list[Tombstone]
) -> TakedownMatches:
    """Add what looks like the images found, the groups they are in, and all that was made of them."""
    catalog, root = workspace.catalog, workspace.files
    why = dict(found)
    named = [look for look in known if look.image_id in found]
    why = _alike(workspace, known, named, {}) | why
    for image_id in sorted(copies(catalog, why)):
        why.setdefault(image_id, "in one group of duplicates")
    for image_id in sorted(face_copies(catalog, why)):
        why[image_id] = "has a copy of its face"
    urls = addresses(catalog, why)
    faces = faces_of(catalog, why)
    files = [*image_paths(catalog, why), *(face["path"] for face in faces if face["path"])]
    paths = [root / path for path in files]
    paths += [thumb_path(workspace.root, "image", image_id) for image_id in sorted(why)]
    paths += [thumb_path(workspace.root, "face", face["face_id"]) for face in faces]
    stones = [Tombstone(image_id=image_id) for image_id in sorted(why)]
    stones += [Tombstone(url_sha256=url_sha256(url), image_id=image_id) for url, image_id in urls.items()]
    stones += [_look_stone(look, image_id=look.image_id) for look in known if look.image_id in why]
    for face in faces:
        stones.append(_stone(root, face["face_id"], face["path"]))
    ids = [face["face_id"] for face in faces]
    return TakedownMatches(
        dict(sorted(why.items())),
        ids,
        list(urls),
        [path for path in paths if path.is_file()],
        _reports(workspace, ids),
        [*tombstones, *stones],
        [url for url in urls if url.startswith("file:")],
        neighbours_on_page(catalog, why) if why else [],
    )


def _look_stone(
    look: ImageFingerprint, *, image_id: str | None = None, face_id: str | None = None
) -> Tombstone:
    return Tombstone(
        image_id=image_id,
        face_id=face_id,
        phash=look.phash,
        phash_mirrored=look.phash_mirrored,
        phash_256=look.phash_256 or None,
        phash_256_mirrored=look.phash_256_mirrored or None,
        parts=look.parts or None,
    )


def _stone(root: Root, face_id: str, path: str | None) -> Tombstone:
    """Return a face's tombstone; its crop may come back as a picture of its own."""
    try:
        pixels = decode_image(root / str(path))
    except (Undecodable, OSError):
        return Tombstone(face_id=face_id)
    return _look_stone(ImageFingerprint(face_id, "", "", *perceptual_hashes(pixels)), face_id=face_id)


def _alike(
    workspace: Workspace,
    known: Sequence[ImageFingerprint],
    targets: Sequence[ImageFingerprint],
    pictures: "Mapping[str, NDArray[np.float32] | None]",
) -> dict[str, str]:
    """Return the images that are the same picture as a target, plain or mirrored, with how close they are.

    `pictures` are the pixels of targets that have no file in the workspace.
    """
    recipe, found = workspace.recipe.dedupe, {}
    hashes = hash_matrix(known)
    for target in targets:
        ours = pictures.get(target.image_id)
        for place, distance, mirrored in find_candidates(target, hashes, recipe.radius, recipe.mirrored):
            look = known[place]
            fine = fine_distance(target, look, mirrored)
            verdict = decide(distance, fine, radius=recipe.radius)
            if verdict == "undecided":
                ours = photo_grey(workspace.files / target.path) if ours is None else ours
                theirs = photo_grey(workspace.files / look.path)
                verdict = decide(distance, fine, _likeness(ours, theirs, mirrored), radius=recipe.radius)
            if verdict == "same":
                found[look.image_id] = f"looks like it (distance {_distances(distance, fine)})"
    return found


def _alike_faces(workspace: Workspace, look: ImageFingerprint, seen: "NDArray[np.float32]") -> dict[str, str]:
    """Return the images whose face crops are the same picture: somebody may have sent the face alone."""
    recipe, found = workspace.recipe.dedupe, {}
    for face_id, image_id, path in face_paths(workspace.catalog):
        try:
            pixels = decode_image(workspace.files / path)
        except Undecodable:
            continue
        face = ImageFingerprint(face_id, path, "", *perceptual_hashes(pixels))
        for _, distance, mirrored in find_candidates(
            look, hash_matrix([face]), recipe.radius, recipe.mirrored
        ):
            fine = fine_distance(look, face, mirrored)
            verdict = decide(distance, fine, radius=recipe.radius)
            if verdict == "undecided":
                alike = _likeness(seen, grey(pixels), mirrored)
                verdict = decide(distance, fine, alike, radius=recipe.radius)
            if verdict == "same":
                found[image_id] = f"its face {face_id} looks like it (distance {_distances(distance, fine)})"
    return found


def _likeness(
    one: "NDArray[np.float32] | None", other: "NDArray[np.float32] | None", mirrored: bool
) -> float | None:
    if one is None or other is None:
        return None
    return likeness(one, other[:, ::-1].copy() if mirrored else other)


def _distances(distance: int, fine: int | None) -> str:
    return f"{distance} of 64 bits" + ("" if fine is None else f", {fine} of 256")


def _reports(workspace: Workspace, face_ids: Iterable[str]) -> list[Path]:
    """Return the folders of reports that name one of the faces: they may show it, too."""
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
