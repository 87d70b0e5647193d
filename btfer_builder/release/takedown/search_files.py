"""Search the files below a workspace and in its releases for a picture: by id, address, content and likeness.

The files of the catalog's rows are found by the catalog, so only the others are opened.
"""

import base64
import hashlib
import mmap
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from btfer_builder.catalog.backup import has_items
from btfer_builder.catalog.fingerprints import ImageFingerprint
from btfer_builder.catalog.release import release_folders, released_ids
from btfer_builder.catalog.takedown import Tombstone
from btfer_builder.images.decode import MAX_PIXELS
from btfer_builder.images.files import is_image
from btfer_builder.images.hashing import hash_images
from btfer_builder.images.same_picture import decide, find_candidates, fine_distance, hash_matrix
from btfer_builder.reconcile import OWN_NAMES, owned_names
from btfer_builder.workspace import Workspace

#: Files that btfer writes from others, wherever they are.
_DERIVED = re.compile(r"pair-[0-9a-f]{12}\.html|leaderboard\.(?:csv|md|html)|questions\.md|recheck\.csv")
#: The folders of a workspace that may be links to another disk.
_OWN_FOLDERS = {"data", "logs", "manifests", "reports"}
#: What the catalog writes by itself, or keeps by design: decisions have ids, and no word about a picture.
_KEPT = re.compile(r"manifests/(?:[^/]+\.csv|[^/]+\.lock|btfer\.sqlite(?:-wal|-shm)?)")
#: The file of a release that names, on purpose, the ids that were removed.
_REMOVED = "release.json"
#: What follows an address that is not the beginning of a longer one.
_END = rb"(?![\w%~/?&=-]|\.\w)"
#: Bytes from the middle of a file that must be of so many kinds to recognise it by them.
_SAMPLE, _KINDS = 66, 20


@dataclass
class Traces:
    """Files that show or name a picture, besides those of the catalog.

    Attributes
    ----------
    files
        Files that btfer names, such as a photo without a row.
    derived
        Reports, leaderboards, backups and the like: files, and the folders of reports.
    releases
        Folders of releases to write again.
    own
        The user's own files, which are not deleted.
    """

    files: list[Path] = field(default_factory=list)
    derived: list[Path] = field(default_factory=list)
    releases: list[Path] = field(default_factory=list)
    own: list[Path] = field(default_factory=list)


@dataclass(frozen=True)
class Wanted:
    """What to look for: words and pieces of content, digests of whole files, and looks.

    `without_ids` is for backups, whose tombstones have ids by design.
    """

    words: re.Pattern[bytes] | None
    without_ids: re.Pattern[bytes] | None
    digests: frozenset[str]
    looks: tuple[ImageFingerprint, ...]
    radius: int
    mirrored: bool


def wanted(
    workspace: Workspace,
    *,
    ids: Iterable[str],
    urls: Iterable[str],
    files: Iterable[Path],
    tombstones: Iterable[Tombstone],
) -> Wanted:
    """Return what shows a picture, from its ids, addresses, files and tombstones."""
    ids = set(ids)
    contents = [path.read_bytes() for path in files if path.is_file()]
    words: set[bytes] = set()
    for url in urls:
        forms = {url, url.replace("&", "&amp;"), url.replace("/", "\\/"), quote(url, safe="")}
        words |= {re.escape(form.encode()) + _END for form in forms}
    for content in contents:
        words |= {re.escape(piece) for piece in _pieces(content)}
    recipe = workspace.recipe.dedupe
    return Wanted(
        _any_of(words | {re.escape(name.encode()) for name in ids}),
        _any_of(words),
        frozenset(ids | {hashlib.sha256(content).hexdigest() for content in contents}),
        tuple(
            ImageFingerprint("", "", "", t.phash, t.phash_mirrored or "", t.phash_256 or "",
                             t.phash_256_mirrored or "", t.parts or "")
            for t in tombstones if t.phash
        ),
        recipe.radius,
        recipe.mirrored,
    )  # fmt: skip


def search_files(workspace: Workspace, wanted: Wanted) -> Traces:
    """Search all files below the workspace and in recorded releases that belong to no row of the catalog."""
    root, found = workspace.root, Traces()
    recorded = [Path(path) for path in release_folders(workspace.catalog)]
    owned, released = owned_names(workspace), released_ids(workspace.catalog)
    for path in _files(root, set(recorded)):
        name = path.relative_to(root).as_posix()
        if _KEPT.fullmatch(name) or path.name == _REMOVED or owned(name):
            continue
        kind, place = _place(root, path)
        words = wanted.without_ids if path.parent == workspace.backups else wanted.words
        if not _shows(path, wanted, words) and not (
            path.parent == workspace.backups and has_items(path, wanted.digests)
        ):
            continue
        places = getattr(found, kind)
        if place not in places:
            places.append(place)
    for folder in recorded:
        for path in _files(folder, set()):
            listed = path.suffix == ".png" and path.stem in released  # and found by the catalog
            if path.name != _REMOVED and not listed and _shows(path, wanted, wanted.words):
                found.releases.append(folder)
                break
    return found


def _any_of(words: set[bytes]) -> re.Pattern[bytes] | None:
    return re.compile(b"|".join(sorted(words))) if words else None


def _files(folder: Path, others: set[Path]) -> Iterator[Path]:
    """Yield the regular files below a folder. Links are followed where btfer's own folders are links."""
    for place, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if Path(place, name) not in others)
        for name in folders if place == str(folder) else ():
            if name in _OWN_FOLDERS and (own := Path(place, name)).is_symlink():
                yield from _files(own, others)
        yield from (path for name in sorted(names) if (path := Path(place, name)).is_file())


def _place(root: Path, path: Path) -> tuple[str, Path]:
    """Return the kind of a file, as an attribute of `Traces`, and what is deleted or written again with it."""
    parts = path.relative_to(root).parts
    if parts[0] == "reports":
        return "derived", root.joinpath(*parts[:2])
    for folder in path.parents[: len(parts) - 1]:
        if (folder / _REMOVED).is_file():
            return "releases", folder
        if (folder / "metrics.json").is_file() and (folder / "predictions.csv").is_file():
            return "derived", folder
    if parts[0] in {"manifests", "logs"} or _DERIVED.fullmatch(path.name):
        return "derived", path
    return ("files" if OWN_NAMES.fullmatch("/".join(parts)) else "own"), path


def _shows(path: Path, wanted: Wanted, words: re.Pattern[bytes] | None) -> bool:
    if words and words.search(os.fsencode(path.name)):
        return True
    try:
        with path.open("rb") as file:
            if not os.fstat(file.fileno()).st_size:
                return False
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
                if words and words.search(content):
                    return True
    except (OSError, ValueError):
        return False
    return is_image(path) and _is_picture(path, wanted)


def _is_picture(path: Path, wanted: Wanted) -> bool:
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() in wanted.digests:
            return True
    if not wanted.looks:
        return False
    (hashes,) = hash_images([("", str(path))], Path("/"), MAX_PIXELS)
    if hashes.reason is not None:
        return False
    matrix = hash_matrix([hashes])
    return any(
        decide(distance, fine_distance(look, hashes, turned), radius=wanted.radius) == "same"
        for look in wanted.looks
        for _, distance, turned in find_candidates(look, matrix, wanted.radius, wanted.mirrored)
    )


def _pieces(content: bytes) -> Iterator[bytes]:
    """Yield bytes from the middle of a file, as they are and as base64, if no other file is likely to have them."""
    start = len(content) // 2 // 3 * 3
    piece = content[start : start + _SAMPLE]
    if len(piece) == _SAMPLE and len(set(piece)) >= _KINDS:
        yield piece
        yield base64.b64encode(piece)
