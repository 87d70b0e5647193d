"""Find all matches of a photo: by id, address, bytes, pixels and likeness."""

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from btfer_builder.catalog.fingerprints import (
    ImageFingerprint,
    face_fingerprints,
    image_fingerprints,
    images_with_pixels,
)
from btfer_builder.catalog.takedown import (
    Tombstone,
    addresses,
    copies,
    face_copies,
    faces_of,
    found_at,
    image_paths,
    images_from,
    images_named,
    is_taken_down,
    neighbours_on_page,
)
from btfer_builder.catalog.tombstones import url_sha256
from btfer_builder.crawl.urls import canonical_url
from btfer_builder.dedupe.stage import hash_new_images
from btfer_builder.errors import BtferError
from btfer_builder.images.alignment import grey
from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.images.hashing import perceptual_hashes, pixel_hash
from btfer_builder.images.same_picture import PARTS
from btfer_builder.io.storage import Root, thumb_path
from btfer_builder.release.takedown.look_alikes import images_alike, images_with_face_alike
from btfer_builder.release.takedown.search_files import search_files, wanted
from btfer_builder.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

#: An id of a face or image, by its number of hex digits.
_ID = re.compile(r"[0-9a-f]{64}|[0-9a-f]{16}")
_ID_OF = {16: "face_id", 64: "image_id"}


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
        Folders of reports that name or show it.
    derived
        Tables, leaderboards, reports of runs, backups and the like that name or show it.
    tombstones
        The tombstones that prevent another crawl of it.
    own_files
        The user's own files that were crawled, or that name or show it; they are not deleted.
    same_page
        Other images from the same pages, which may show the same person; they are not deleted.
    releases
        Folders of releases that show it, although the catalog does not say so.
    """

    reasons: dict[str, str] = field(default_factory=dict)
    faces: list[str] = field(default_factory=list)
    urls: list[str] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    reports: list[Path] = field(default_factory=list)
    tombstones: list[Tombstone] = field(default_factory=list)
    own_files: list[str] = field(default_factory=list)
    same_page: list[str] = field(default_factory=list)
    releases: list[Path] = field(default_factory=list)
    derived: list[Path] = field(default_factory=list)


def find_matches(workspace: Workspace, target: str, *, alike: bool = True) -> TakedownMatches:
    """Find all matches of a photo, in the catalog and in the files that belong to no row of it.

    Parameters
    ----------
    workspace
        The workspace to search.
    target
        A face id, an image id, an address (of the file or of its page), or an image file.
    alike
        Whether images that look like it match too. Otherwise its tombstones do not say what it looks like either.

    Returns
    -------
    TakedownMatches
        Without images if there is no match; an address or an image file has a tombstone in any case.

    Raises
    ------
    BtferError
        If the target is unknown, or a file that is not an image.
    """
    name = target.lower()
    hash_new_images(workspace, workspace.recipe.dedupe)  # those that nobody has compared yet may show it
    matches = _in_catalog(workspace, target, alike)
    if matches is None and not _ID.fullmatch(name):
        raise _unknown(target)
    known = matches or TakedownMatches()
    traces = search_files(
        workspace,
        wanted(
            workspace,
            ids={*known.reasons, *known.faces, *_ID.findall(name)},
            urls=[*known.urls, *([target] if _is_address(target) else [])],
            files=known.files,
            tombstones=known.tombstones,
        ),
    )
    if matches is None:  # a file of this name may be left of an earlier version
        if not (traces.files or traces.derived or traces.releases):
            raise _unknown(target)
        known = TakedownMatches(tombstones=[Tombstone(**{_ID_OF[len(name)]: name})])
    own = [str(path) for path in traces.own if path.absolute() != Path(target).absolute()]
    return replace(
        known,
        files=[*known.files, *traces.files],
        reports=[path for path in traces.derived if path.parent == workspace.reports and path.is_dir()],
        derived=[path for path in traces.derived if path.parent != workspace.reports or path.is_file()],
        own_files=[*known.own_files, *own],
        releases=traces.releases,
    )


def _is_address(target: str) -> bool:
    return target.lower().startswith(("http://", "https://", "file://"))


def _is_file(target: str) -> bool:
    try:
        return Path(target).is_file()
    except (OSError, ValueError):  # too long for a path
        return False


def _unknown(target: str) -> BtferError:
    return BtferError(
        f"{target[:200]!r} is not a known face id, image id, address or image file; a face id has 16 hex digits and is "
        "the name of the face's file"
    )


def _in_catalog(workspace: Workspace, target: str, alike: bool) -> TakedownMatches | None:
    """Return the matches among the rows of the catalog; None if the target is an unknown id."""
    catalog = workspace.catalog
    if named := images_named(catalog, target.lower()):
        return _expand(workspace, dict.fromkeys(named, "named"), [], alike=alike)
    if _is_address(target):
        urls = list(dict.fromkeys([canonical_url(target), target]))
        images = dict.fromkeys(images_from(catalog, urls), "came from the address")
        found = _expand(workspace, images, [Tombstone(url_sha256=url_sha256(url)) for url in urls])
        unseen = [url for url in found_at(catalog, urls) if url not in found.urls]  # without an image yet
        stones = [Tombstone(url_sha256=url_sha256(url)) for url in unseen]
        return replace(found, urls=[*found.urls, *unseen], tombstones=[*found.tombstones, *stones])
    if _is_file(target):
        return _of_file(workspace, Path(target))
    return TakedownMatches() if is_taken_down(catalog, target.lower()) else None


def _of_file(workspace: Workspace, path: Path) -> TakedownMatches:
    try:
        pixels = decode_image(path)
    except Undecodable as error:
        raise BtferError(f"{path} cannot be read as an image: {error.detail}") from None
    image_id = hashlib.sha256(path.read_bytes()).hexdigest()
    fingerprint = ImageFingerprint(image_id, "", pixel_hash(pixels), *perceptual_hashes(pixels))
    reasons = dict.fromkeys(
        images_with_pixels(workspace.catalog, fingerprint.pixel_sha256), "the same pixels"
    )
    reasons |= dict.fromkeys(images_named(workspace.catalog, image_id), "the same file")
    pixels_grey = grey(pixels)
    reasons = images_alike(workspace, [fingerprint], {image_id: pixels_grey}) | reasons
    reasons = images_with_face_alike(workspace, fingerprint, pixels_grey) | reasons
    looks = [_tombstone(fingerprint, image_id=image_id), *_part_tombstones(pixels, image_id=image_id)]
    return _expand(workspace, reasons, looks)


def _expand(
    workspace: Workspace,
    images: dict[str, str],
    tombstones: list[Tombstone],
    *,
    alike: bool = True,
) -> TakedownMatches:
    """Add images that look like those found, their groups of duplicates, and everything made from them.

    Without `alike`, only what is made from the images found, and tombstones without looks.
    """
    catalog, root = workspace.catalog, workspace.files
    reasons = dict(images)
    if alike:
        reasons = images_alike(workspace, image_fingerprints(catalog, images), {}) | images
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
    for each in image_fingerprints(catalog, reasons) if alike else ():
        added.append(_tombstone(each, image_id=each.image_id))
        with suppress(Undecodable, OSError):
            added += _part_tombstones(decode_image(root / each.path), image_id=each.image_id)
    looks = face_fingerprints(catalog, [face["face_id"] for face in faces])
    for face in faces:
        face_id = face["face_id"]
        look = _looks_of(root, face["path"]) or looks.get(face_id) if alike else None
        added.append(_tombstone(look, face_id=face_id) if look else Tombstone(face_id=face_id))
    ids = [face["face_id"] for face in faces]
    return TakedownMatches(
        dict(sorted(reasons.items())),
        ids,
        list(urls),
        [path for path in paths if path.is_file()],
        tombstones=[*tombstones, *added],
        own_files=[url for url in urls if url.startswith("file:")],
        same_page=neighbours_on_page(catalog, reasons) if reasons else [],
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


def _part_tombstones(pixels: "NDArray[np.uint8]", *, image_id: str) -> list[Tombstone]:
    """Return tombstones of the parts of a photo: a copy that is cropped like one is recognised without the photo."""
    height, width = pixels.shape[:2]
    found = []
    for left, top, right, bottom in PARTS:
        rows = slice(round(top * height), height - round(bottom * height))
        columns = slice(round(left * width), width - round(right * width))
        part = ImageFingerprint(image_id, "", "", *perceptual_hashes(pixels[rows, columns]))
        found.append(replace(_tombstone(part, image_id=image_id), parts=None))
    return found


def _looks_of(root: Root, path: str | None) -> ImageFingerprint | None:
    """Return the fingerprint of a crop, which may be crawled as an image; None without a file."""
    try:
        pixels = decode_image(root / str(path))
    except (Undecodable, OSError):
        return None
    return ImageFingerprint("", "", "", *perceptual_hashes(pixels))
