"""Prove that a release says no more than it should: read every file and report any metadata left in it."""

import csv
import hashlib
import json
import re
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError
from btfer_builder.release import schema
from btfer_builder.release.audit_images import picture_metadata
from btfer_builder.release.diff import release_info, rows_in
from btfer_builder.release.released_faces import NO_ATTRIBUTION
from btfer_builder.sample.provenance import LICENSES

_FACE_NAME = re.compile(r"[0-9a-f]{16,64}")
_WEB = re.compile(r"https?://|www\.|[\w.+-]+@[\w-]+\.\w")
_LOCAL = re.compile(rb"file:///|(?<![\w.:/])/(?:home|Users|root|tmp|mnt|var)/\w|[A-Z]:\\\\?Users")
#: Metadata of pictures, wherever it may hide.
_MARKS = {b"Exif\0\0": "EXIF", b"http://ns.adobe.com/xap": "XMP", b"<x:xmpmeta": "XMP", b"8BIM": "IPTC"}
#: What a tar file says of whoever made it.
_TAR_TRACES = ("mtime", "uname", "gname", "uid", "gid", "pax_headers")
_TEXTS = (".md", ".json", ".jsonl", ".csv", ".txt")


@dataclass(frozen=True, slots=True)
class Finding:
    """A file and what it should not hold."""

    file: str
    what: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What was read and found."""

    files: int
    pictures: int
    findings: list[Finding]

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer scan-release --json`."""
        findings = [{"file": finding.file, "what": finding.what} for finding in self.findings]
        return {"files": self.files, "pictures": self.pictures, "findings": findings}


def scan(folder: Path) -> Scan:
    """Read every file of a release.

    Reported are: EXIF, GPS, IPTC, XMP, comments, times and colour profiles in pictures, also in those inside
    Parquet and tar files; anything behind a picture's end; file names that are no hashes; columns and values
    beyond what is public; creators that no licence asks for; paths of the machine it was made on; files that are
    not on the list of checksums, or not as it says.

    Raises
    ------
    BtferError
        If the folder is no release.
    """
    folder = folder.absolute()
    info = release_info(folder)
    listed = _listed(folder, info)
    findings, pictures, files = [], 0, 0
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            findings.append(Finding(name, "a link, which leads out of the release"))
            continue
        if not path.is_file():
            continue
        files += 1
        content = path.read_bytes()
        whats = [_listing(name, content, listed)] if name != "SHA256SUMS" else []
        found, seen = _contents(name, content, path, info["splits"])
        pictures += seen
        findings += [Finding(name, what) for what in [*whats, *found] if what]
    missing = sorted(name for name in listed if not (folder / name).is_file() and not _optional(name, info))
    findings += [Finding(name, "on the list of checksums, but not there") for name in missing]
    return Scan(files, pictures, findings)


def _contents(name: str, content: bytes, path: Path, splits: Mapping[str, Any]) -> tuple[list[str], int]:
    """Return what is wrong in a file, and how many pictures it holds."""
    if name.endswith(".parquet"):
        return _parquet(path)
    if name.endswith(".tar"):
        return _tar(path)
    if name.endswith(_TEXTS) or name == "SHA256SUMS":
        return [*_marks(content), *_text(name, content)], 0
    whats = picture_metadata(content)
    if name.split("/", maxsplit=1)[0] in splits and not _FACE_NAME.fullmatch(path.stem):
        whats.append("a file name that is no hash")
    return whats, 1


def _text(name: str, content: bytes) -> Iterator[str]:
    if match := _LOCAL.search(content):
        yield f"a path of the machine it was made on ({match[0].decode('utf-8', 'replace')})"
    text = content.decode("utf-8", "replace")
    if name.endswith(schema.METADATA):
        yield from _rows(text, schema.METADATA)
    elif name == schema.SOURCES:
        yield from _rows(text, schema.SOURCES)
    elif name == schema.LICENSES:
        reader = csv.DictReader(text.splitlines())
        if more := set(reader.fieldnames or ()) - set(schema.names(schema.LICENSES)):
            yield f"columns that are not public: {', '.join(sorted(more))}"
        for row in reader:
            if row.get("creator") and row.get("license") not in set(LICENSES) - set(NO_ATTRIBUTION):
                yield f"names the creator of {row.get('face_id')}, whose licence asks for none"


def _rows(text: str, table: str) -> Iterator[str]:
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            yield "a line that is no JSON object"
            return
        if what := _row(row, table):
            yield what
            return


def _row(row: Mapping[str, Any], table: str) -> str | None:
    known = {column.name: column for column in schema.columns(table)}
    if more := sorted(set(row) - set(known)):
        return f"columns that are not public: {', '.join(more)}"
    for name, value in row.items():
        if isinstance(value, str) and known[name].dtype != "url" and _WEB.search(value):
            return f"an address in {name}: {value[:60]}"
    return None


def _parquet(path: Path) -> tuple[list[str], int]:
    try:
        import pyarrow.parquet as pq
    except ImportError:
        raise BtferError(
            f"{path} is read with pyarrow, which is missing: pip install 'btfer-builder[release]'"
        ) from None
    whats: list[str] = []
    pictures = 0
    try:
        file = pq.ParquetFile(path)
        known = {b"huggingface", b"ARROW:schema"}
        if more := set(file.metadata.metadata or {}) - known:
            whats.append(f"metadata of its own: {sorted(more)}")
        for batch in file.iter_batches(batch_size=100):
            for row in batch.to_pylist():
                image = row.get("image") or {}
                pictures += 1
                whats += picture_metadata(image.get("bytes") or b"")
                if not _FACE_NAME.fullmatch(Path(image.get("path") or "").stem):
                    whats.append("a file name that is no hash")
                whats.append(_row(row, schema.PARQUET) or "")
    except (OSError, ValueError) as error:
        whats.append(f"cannot be read: {error}")
    return list(dict.fromkeys(filter(None, whats))), pictures


def _tar(path: Path) -> tuple[list[str], int]:
    whats: list[str] = []
    pictures = 0
    try:
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                stem, _, kind = member.name.partition(".")
                if any(getattr(member, trace) for trace in _TAR_TRACES):
                    whats.append("says when or by whom it was made")
                known = _FACE_NAME.fullmatch(stem) and kind in {"png", "cls", "json"}
                if not (known and member.isfile()):
                    whats.append(f"a member that is no face: {member.name}")
                    continue
                file = tar.extractfile(member)
                content = file.read() if file else b""
                if kind == "png":
                    pictures += 1
                    whats += picture_metadata(content)
                elif kind == "json":
                    whats += _rows(content.decode("utf-8", "replace"), schema.METADATA)
    except (tarfile.TarError, OSError) as error:
        whats.append(f"cannot be read: {error}")
    return list(dict.fromkeys(whats)), pictures


def _marks(content: bytes) -> list[str]:
    return [f"{what} in a file that is no picture" for mark, what in _MARKS.items() if mark in content]


def _listed(folder: Path, info: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of every file a release should have, by name."""
    listed = {}
    try:
        for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
            digest, _, name = line.partition("  ")
            listed[name] = digest
    except (OSError, UnicodeDecodeError):
        raise BtferError(f"{folder} has no readable SHA256SUMS; is the release complete?") from None
    if info["form"] == "urls":  # pictures are there once they have been fetched
        listed |= {row["file_name"]: str(row.get("sha256")) for row in rows_in(folder)}
    return listed


def _optional(name: str, info: Mapping[str, Any]) -> bool:
    return (
        info["form"] == "urls" and name.endswith(".png") and name.split("/", maxsplit=1)[0] in info["splits"]
    )


def _listing(name: str, content: bytes, listed: Mapping[str, str]) -> str:
    if name not in listed:
        rebuilt = name.endswith("/metadata.jsonl") or name == "rebuild.csv"
        return "" if rebuilt and "sources.jsonl" in listed else "a file that is not on the list of checksums"
    same = hashlib.sha256(content).hexdigest() == listed[name]
    return "" if same else "another content than the list of checksums says"
