"""The signature of a score: set, preprocessing, classes, leakage and version in one line."""

import contextlib
import hashlib
import re
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from pathlib import Path

from btfer_builder import __version__
from btfer_builder.catalog.leakage import faces_compared, leaked_sample, photos_compared, sets_complete
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.inference.outputs import Labels, Predictions
from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.images.hashing import pixel_hash
from btfer_builder.io.atomic import file_digest
from btfer_builder.io.json import json_text, parse_json, read_json
from btfer_builder.io.limits import read_lines
from btfer_builder.networks.preprocessing import Preprocessing
from btfer_builder.release.schema import SOURCES
from btfer_builder.workspace import Workspace

SUMS = "SHA256SUMS"

#: Faces that a thread hashes at a time.
_CHUNK = 16


def content_digests(faces: Sequence[LabelledFace], workers: int = 2) -> list[str]:
    """Return the SHA-256 of every face's file, in hex.

    Raises
    ------
    BtferError
        If a file cannot be read.
    """

    def digest(face: LabelledFace) -> str:
        try:
            return hashlib.sha256(face.path.read_bytes()).hexdigest()
        except OSError as error:
            raise BtferError(
                f"{face.path}: not a readable face image ({error.strerror}); replace or remove it"
            ) from None

    chunks = (faces[at : at + _CHUNK] for at in range(0, len(faces), _CHUNK))
    with ThreadPoolExecutor(workers) as pool:
        return list(chain.from_iterable(pool.map(lambda chunk: list(map(digest, chunk)), chunks)))


def set_digest(faces: Sequence[LabelledFace], digests: Sequence[str]) -> str:
    """Return the hash of a set: SHA-256 over ids, labels and contents, independent of their order."""
    rows = sorted(
        json_text([face.face_id, face.emotion, digest]) for face, digest in zip(faces, digests, strict=True)
    )
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()


def check_set(digest: str, expected: str) -> None:
    """Check the hash of a set against the expected one; empty for no check.

    Raises
    ------
    BtferError
        If they differ.
    """
    if expected and not digest.startswith(expected.lower()):
        actual = digest[: len(expected)]
        raise BtferError(
            f"the set has changed: its hash is {actual}, expected {expected.lower()}; restore its files and labels, "
            f"or give --set-hash {actual} to score on this set"
        )


def check_hash(expected: str) -> None:
    """Check that a text can be the beginning of a set's hash; empty for no check.

    Raises
    ------
    BtferError
        If it is not 8 to 64 hexadecimal digits.
    """
    if expected and not re.fullmatch(r"[0-9a-fA-F]{8,64}", expected):
        raise BtferError(
            f"--set-hash {expected!r}: expected 8 to 64 hexadecimal digits; take those after set:…# in the signature "
            "of a report"
        )


def check_sums(
    directory: Path,
    faces: Sequence[LabelledFace],
    digests_of: Callable[[Sequence[LabelledFace]], Sequence[str]] = content_digests,
) -> None:
    """Check the faces of a folder against the `SHA256SUMS` in it or in its parent, if there is one.

    Of a release of addresses that was rebuilt, the pixels are checked against its `sources.jsonl`: the files depend on
    the version of zlib.

    Parameters
    ----------
    directory
        The folder, a release or one of its splits.
    faces
        The faces in it.
    digests_of
        Returns the SHA-256 of each face's file; called only if there is a `SHA256SUMS`.

    Raises
    ------
    BtferError
        If a face has changed, is missing, or is not listed.
    """
    root = release_root(directory)
    if root is None:
        return
    listed: dict[str, str] = {}
    for line in read_lines(root / SUMS):
        digest, _, name = line.rstrip("\r\n").partition(" ")
        listed[name.lstrip(" *").removeprefix("./")] = digest.lower()
    here = directory.resolve().relative_to(root).as_posix()
    pixels = _pixel_sums(root, listed[SOURCES]) if SOURCES in listed else {}
    names = set()
    for face, digest in zip(faces, digests_of(faces), strict=True):
        name = face.path.resolve().relative_to(root).as_posix()
        names.add(name)
        if name in pixels:
            _check_pixels(face.path, pixels[name])
            continue
        if name not in listed:
            raise BtferError(f"{face.path}: not in {root / SUMS}; the release has changed, restore it")
        if listed[name] != digest:
            raise BtferError(
                f"{face.path}: its SHA-256 is not the one in {root / SUMS}; the file has changed, fetch it again"
            )
    suffixes = {face.path.suffix for face in faces}
    inside = "" if here == "." else f"{here}/"
    for name in listed:
        if name.startswith(inside) and Path(name).suffix in suffixes and name.count("/") >= 1:
            path = root / name
            # A contact sheet is listed too, and is not a face: only files that do not exist are missing.
            if name not in names and not path.exists():
                raise BtferError(f"{path}: missing, though {root / SUMS} lists it; fetch the release again")


def _pixel_sums(root: Path, digest: str) -> dict[str, str]:
    """Return the SHA-256 of the pixels of each face of a release of addresses, by the name of its file."""
    path = root / SOURCES
    try:
        if file_digest(path) != digest:
            raise BtferError(f"{path}: its SHA-256 is not the one in {root / SUMS}; fetch the release again")
        rows = [parse_json(line) for line in read_lines(path)]
        return {str(row["file_name"]): str(row["pixel_sha256"]) for row in rows}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BtferError(f"{path}: cannot be read ({error}); fetch the release again") from None


def _check_pixels(path: Path, expected: str) -> None:
    try:
        if pixel_hash(decode_image(path)) == expected:
            return
    except Undecodable:
        pass
    raise BtferError(f"{path}: its pixels are not those in {SOURCES}; remove it and run: btfer rebuild")


def release_root(directory: Path) -> Path | None:
    """Return the folder of the release that a folder is, or is a split of; None if there is none."""
    here = directory.resolve()
    return next((root for root in (here, here.parent) if (root / SUMS).is_file()), None)


def set_name(directory: Path) -> str:
    """Return the name of a set of faces: `name-v3` of its `release.json`, else the folder's name.

    The name of a split is added if the release has several: `name-v3-test`.
    """
    here, root = directory.resolve(), release_root(directory)
    if root is None:
        return here.name
    name, splits = root.name, 2
    with contextlib.suppress(BtferError, OSError, ValueError, KeyError, TypeError):
        release = read_json(root / "release.json")
        name, splits = f"{release['name']}-v{int(release['version'])}", len(release["splits"])
    return name if here == root or splits == 1 else f"{name}-{here.name}"


def known_leakage(workspace: Workspace) -> str | None:
    """Return how many faces of the sample were found in a training set and what was compared; None if not known.

    `0/crop+photo+faces`: neither a crop, nor the photo of one, nor a crop among the faces in the pictures of the
    training sets was found. `0/crop`: neither the photos of all faces nor the faces in the pictures were compared.
    `3+/crop`: at least 3, since a picture of a training set could not be compared. No 0 is given then.
    """
    catalog = workspace.catalog
    count, complete = leaked_sample(catalog), sets_complete(catalog)
    if count is None or not (count or complete):
        return None
    compared = "crop" + "+photo" * photos_compared(catalog) + "+faces" * faces_compared(catalog)
    return f"{count}{'' if complete else '+'}/{compared}"


def make_signature(
    set_name: str,
    faces: Sequence[LabelledFace],
    digest: str,
    *,
    preprocessing: Preprocessing,
    labels: Labels,
    predictions: Predictions,
    leak: str | None = None,
) -> str:
    """Return in one line what a result depends on, as sacreBLEU does (Post 2018).

    `BTFER|set:btfer#1a2b3c4d|n:2100|in:64grey/-1,1,area|labels:7|leak:0/crop+photo|btfer:0.2.0`: the hash is
    `set_digest`; `labels:7/8` means that one of the model's eight classes was left out; `leak` is that of
    `known_leakage`, or `unknown`.
    """
    size = (
        f"{preprocessing.width}"
        if preprocessing.width == preprocessing.height
        else f"{preprocessing.width}x{preprocessing.height}"
    )
    grey = preprocessing.color.startswith("grey") and preprocessing.channels == 3
    color = f"{preprocessing.color}3" if grey else preprocessing.color
    known = len(labels.outputs) - len(labels.dropped)
    fed: list[str] = ["raw" if preprocessing.raw else preprocessing.scale]
    fed += [
        f"{name}={';'.join(f'{value:g}' for value in values)}"
        for name, values in (("mean", preprocessing.mean), ("std", preprocessing.std))
        if values
    ]
    if preprocessing.crop < 1:
        fed.append(f"crop={preprocessing.crop:g}")
    if preprocessing.resize_to:
        fed.append(f"to={preprocessing.resize_to}")
    fed.append("+".join(predictions.interpolations))
    name = re.sub(r"[^\w.-]+", "_", set_name)
    return "|".join(
        [
            "BTFER",
            f"set:{name}#{digest[:8]}",
            f"n:{len(faces)}",
            f"in:{size}{color}/{','.join(fed)}",
            f"labels:{known}" + (f"/{len(labels.outputs)}" if labels.dropped else ""),
            f"leak:{'unknown' if leak is None else leak}",
            f"btfer:{__version__}",
        ]
    )


def parse_signature(signature: str) -> dict[str, str]:
    """Return the parts of a signature by name; the part of the set is its hash without the name."""
    parts = dict(part.partition(":")[::2] for part in signature.split("|")[1:])
    if "set" in parts:
        parts["set"] = parts["set"].rpartition("#")[2]
    return parts
