"""Rebuild the images of a release of addresses: fetch the photos, crop the faces again, compare the hashes."""

import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.fetch import Fetched, Page
from btfer_builder.crop.render import render_crop
from btfer_builder.errors import BtferError
from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.images.encode import png
from btfer_builder.images.hashing import pixel_hash
from btfer_builder.io.atomic import temporary_folder, write_bytes
from btfer_builder.io.csv import write_csv
from btfer_builder.reconcile import PHOTOS, delete_rebuild_leftovers
from btfer_builder.release import schema
from btfer_builder.release.diff import release_info, rows_in
from btfer_builder.release.fetch_many import FetchRequest, fetch_many
from btfer_builder.release.released_faces import is_web
from btfer_builder.release.writers.tables import write_jsonl

_FILE = re.compile(r"(train|val|test)/(angry|disgust|fear|happy|neutral|sad|surprise)/[0-9a-f]{16,64}\.png")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_NUMBERS = ("x", "y", "width", "height", "crop_x", "crop_y", "crop_width", "crop_height", "crop_angle")
#: Largest coordinate: no photo that can be decoded has a larger one.
_MAX_COORDINATE = 1_000_000


@dataclass(frozen=True)
class RebuildResult:
    """The outcome for each face of a release.

    Attributes
    ----------
    path
        The release.
    total, there
        Number of faces, and of those that have an image.
    failed
        The reason why a face has no image, by face id: the reason of the fetch, `changed` if the address has
        another file, `other_pixels` if the same file gives other pixels.
    """

    path: Path
    total: int
    there: int
    failed: dict[str, str] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer rebuild --json`."""
        reasons = dict(sorted(Counter(self.failed.values()).items()))
        return {
            "path": str(self.path), "faces": self.total, "there": self.there, "reasons": reasons, "failed": self.failed,
        }  # fmt: skip


def rebuild(folder: Path, recipe: CrawlRecipe) -> RebuildResult:
    """Make the missing images of a release that was made with `--urls-only`.

    An image is written only if the SHA-256 of the photo and of the face's pixels match. A second run continues
    with the images that are missing.

    Raises
    ------
    BtferError
        If the folder is not such a release, a row is not valid, or the disk is full.
    """
    folder = folder.absolute()
    if release_info(folder)["form"] != "urls":
        raise BtferError(f"{folder} already has its images; only releases made with --urls-only are rebuilt")
    rows = rows_in(folder)
    for number, row in enumerate(rows, start=1):
        _check(folder / schema.SOURCES, number, row)
    failed: dict[str, str] = {}
    todo: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        if not _is_there(folder, row):
            todo.setdefault(row["url"], []).append(row)
    try:
        delete_rebuild_leftovers(folder)
        with temporary_folder(folder, PHOTOS) as photos:

            def done(request: FetchRequest, fetched: Fetched | Page) -> None:
                assert isinstance(fetched, Fetched)  # noqa: S101 - no request is for a page
                failed.update(_crop_all(folder, photos, todo[request.url], fetched))

            fetch_many([FetchRequest(url) for url in todo], photos, recipe, done, "rebuild")
        _write_tables(folder, rows, failed)
    except OSError as error:
        raise BtferError(
            f"{folder}: cannot be written: {error.strerror or error}; run it again to continue"
        ) from None
    return RebuildResult(folder, len(rows), len(rows) - len(failed), dict(sorted(failed.items())))


def _crop_all(
    folder: Path, photos: Path, rows: Sequence[Mapping[str, Any]], fetched: Fetched
) -> dict[str, str]:
    """Crop all faces of a photo, and return the reasons of those that failed."""
    fate, image = fetched.fate, fetched.image
    if image is None:
        return {row["face_id"]: str(fate.reason) for row in rows}
    path = photos / image.path
    failed = {}
    try:
        photo = decode_image(path)
        for row in rows:
            failed[row["face_id"]] = "changed"
            if image.image_id == row["face"]["image_id"]:
                crop = render_crop(row["face"], photo, row["size"])
                failed[row["face_id"]] = "other_pixels"
                if pixel_hash(crop) == row["pixel_sha256"]:
                    write_bytes(folder / row["file_name"], png(crop))
                    del failed[row["face_id"]]
    except Undecodable as error:
        return {row["face_id"]: error.reason for row in rows}
    finally:
        path.unlink(missing_ok=True)
    return failed


def _is_there(folder: Path, row: Mapping[str, Any]) -> bool:
    """Return whether a face has its image, by the pixels: another zlib writes another file."""
    path = folder / row["file_name"]
    if not path.is_file():
        return False
    try:
        return bool(pixel_hash(decode_image(path)) == row["pixel_sha256"])
    except Undecodable:
        return False


def _write_tables(folder: Path, rows: Sequence[Mapping[str, Any]], failed: Mapping[str, str]) -> None:
    """Write metadata.jsonl of each split, and rebuild.csv with the outcome for each face."""
    for split in sorted({row["split"] for row in rows}):
        public_rows = []
        for row in rows:
            if row["split"] == split and row["face_id"] not in failed:
                content = (folder / row["file_name"]).read_bytes()
                public = {name: row[name] for name in schema.names(schema.METADATA) if name in row}
                public["file_name"] = row["file_name"].removeprefix(f"{split}/")
                public_rows.append(public | {"sha256": hashlib.sha256(content).hexdigest()})
        if public_rows:
            write_jsonl(folder / split / schema.METADATA, public_rows)
    outcomes = (
        {"face_id": row["face_id"], "state": "dropped" if row["face_id"] in failed else "kept",
         "reason": failed.get(row["face_id"])}
        for row in rows
    )  # fmt: skip
    write_csv(folder / "rebuild.csv", ("face_id", "state", "reason"), outcomes)


def _check(path: Path, number: int, row: Mapping[str, Any]) -> None:
    """Refuse a row with a path outside the folder, an address that is not on the web, or an invalid box."""
    face = row.get("face")
    good = (
        _FILE.fullmatch(row["file_name"])
        and isinstance(row.get("split"), str)
        and row["file_name"].startswith(f"{row['split']}/")
        and isinstance(row.get("url"), str)
        and is_web(row["url"])
        and isinstance(row.get("size"), int)
        and 16 <= row["size"] <= 2048
        and isinstance(face, dict)
        and _DIGEST.fullmatch(str(face.get("image_id")))
        and all(_is_number(face.get(name)) for name in _NUMBERS)
        and min(face["crop_width"], face["crop_height"]) >= 1
        and isinstance(face.get("blurred"), str)
    )
    if not good:
        raise BtferError(
            f"{path}, line {number}: not a row that btfer release --urls-only writes; download the release again "
            "and check it with: sha256sum -c SHA256SUMS"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= _MAX_COORDINATE
