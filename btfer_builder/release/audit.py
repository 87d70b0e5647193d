"""Audit a release for leaked metadata, private columns and files that do not match their checksums."""

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
from btfer_builder.release.audit_images import image_metadata
from btfer_builder.release.diff import release_info, rows_in
from btfer_builder.release.released_faces import NO_ATTRIBUTION
from btfer_builder.sample.provenance import LICENSES

_FACE_NAME = re.compile(r"[0-9a-f]{16,64}")
_WEB = re.compile(r"https?://|www\.|[\w.+-]+@[\w-]+\.\w")
_LOCAL = re.compile(rb"file:///|(?<![\w.:/])/(?:home|Users|root|tmp|mnt|var)/\w|[A-Z]:\\\\?Users")
#: Byte sequences of image metadata, searched for in other files.
_MARKS = {b"Exif\0\0": "EXIF", b"http://ns.adobe.com/xap": "XMP", b"<x:xmpmeta": "XMP", b"8BIM": "IPTC"}
#: Fields of a tar member that may reveal when, where or by whom it was made.
_TAR_FIELDS = ("mtime", "uname", "gname", "uid", "gid", "pax_headers")
_TEXTS = (".md", ".json", ".jsonl", ".csv", ".txt")


@dataclass(frozen=True, slots=True)
class Finding:
    """A file and what is wrong with it."""

    file: str
    what: str


@dataclass(frozen=True, slots=True)
class AuditResult:
    """The number of files and images read, and the findings."""

    files: int
    pictures: int
    findings: list[Finding]

    def to_dict(self) -> dict[str, Any]:
        """Return the form of `btfer scan-release --json`."""
        findings = [{"file": finding.file, "what": finding.what} for finding in self.findings]
        return {"files": self.files, "pictures": self.pictures, "findings": findings}


def audit_release(folder: Path) -> AuditResult:
    """Read every file of a release and report what it should not contain.

    Findings are: EXIF, GPS, IPTC, XMP, comments, times and colour profiles in images, including those inside
    Parquet and tar files; bytes after the end of an image; file names that are not hashes; columns that are not
    in the schema; addresses in other columns; creators whose licence does not require a name; local paths; files
    that SHA256SUMS does not list, or lists with another checksum.

    Raises
    ------
    BtferError
        If the folder is not a release.
    """
    folder = folder.absolute()
    info = release_info(folder)
    listed = _listed(folder, info)
    findings, pictures, files = [], 0, 0
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_symlink():
            findings.append(Finding(name, "a symbolic link"))
            continue
        if not path.is_file():
            continue
        files += 1
        content = path.read_bytes()
        whats = [_listing(name, content, listed)] if name != "SHA256SUMS" else []
        problems, images = _contents(name, content, path, info["splits"])
        pictures += images
        findings += [Finding(name, what) for what in [*whats, *problems] if what]
    missing = sorted(name for name in listed if not (folder / name).is_file() and not _optional(name, info))
    findings += [Finding(name, "listed in SHA256SUMS, but missing") for name in missing]
    return AuditResult(files, pictures, findings)


def _contents(name: str, content: bytes, path: Path, splits: Mapping[str, Any]) -> tuple[list[str], int]:
    """Return what is wrong in a file, and the number of its images."""
    if name.endswith(".parquet"):
        return _parquet(path)
    if name.endswith(".tar"):
        return _tar(path)
    if name.endswith(_TEXTS) or name == "SHA256SUMS":
        return [*_marks(content), *_text(name, content)], 0
    whats = image_metadata(content)
    if name.split("/", maxsplit=1)[0] in splits and not _FACE_NAME.fullmatch(path.stem):
        whats.append("a file name that is not a hash")
    return whats, 1


def _text(name: str, content: bytes) -> Iterator[str]:
    if match := _LOCAL.search(content):
        yield f"a local path ({match[0].decode('utf-8', 'replace')})"
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
            named = row.get("creator") or row.get("attribution")
            if named and row.get("license") not in set(LICENSES) - set(NO_ATTRIBUTION):
                yield f"names the creator of {row.get('face_id')}, whose licence does not require it"


def _rows(text: str, table: str) -> Iterator[str]:
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if not isinstance(row, dict):
            yield "a line that is not a JSON object"
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
        raise BtferError(f"{path} needs pyarrow: pip install 'btfer-builder[release]'") from None
    whats: list[str] = []
    pictures = 0
    try:
        file = pq.ParquetFile(path)
        known = {b"huggingface", b"ARROW:schema"}
        if more := set(file.metadata.metadata or {}) - known:
            whats.append(f"unknown metadata: {sorted(more)}")
        for batch in file.iter_batches(batch_size=100):
            for row in batch.to_pylist():
                image = row.get("image") or {}
                pictures += 1
                whats += image_metadata(image.get("bytes") or b"")
                if not _FACE_NAME.fullmatch(Path(image.get("path") or "").stem):
                    whats.append("a file name that is not a hash")
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
                if any(getattr(member, name) for name in _TAR_FIELDS):
                    whats.append("a time or an owner of a member")
                known = _FACE_NAME.fullmatch(stem) and kind in {"png", "cls", "json"}
                if not (known and member.isfile()):
                    whats.append(f"a member that is not a face: {member.name}")
                    continue
                file = tar.extractfile(member)
                content = file.read() if file else b""
                if kind == "png":
                    pictures += 1
                    whats += image_metadata(content)
                elif kind == "json":
                    whats += _rows(content.decode("utf-8", "replace"), schema.METADATA)
    except (tarfile.TarError, OSError) as error:
        whats.append(f"cannot be read: {error}")
    return list(dict.fromkeys(whats)), pictures


def _marks(content: bytes) -> list[str]:
    return [f"{what} in a file that is not an image" for mark, what in _MARKS.items() if mark in content]


def _listed(folder: Path, info: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each file that the release should have, by name."""
    listed = {}
    try:
        for line in (folder / "SHA256SUMS").read_text(encoding="utf-8").splitlines():
            digest, _, name = line.partition("  ")
            listed[name] = digest
    except (OSError, UnicodeDecodeError):
        raise BtferError(f"{folder} has no readable SHA256SUMS; is the release complete?") from None
    if info["form"] == "urls":  # images are there after btfer rebuild
        listed |= {row["file_name"]: str(row.get("sha256")) for row in rows_in(folder)}
    return listed


def _optional(name: str, info: Mapping[str, Any]) -> bool:
    return (
        info["form"] == "urls" and name.endswith(".png") and name.split("/", maxsplit=1)[0] in info["splits"]
    )


def _listing(name: str, content: bytes, listed: Mapping[str, str]) -> str:
    if name not in listed:
        rebuilt = name.endswith("/metadata.jsonl") or name == "rebuild.csv"
        return "" if rebuilt and "sources.jsonl" in listed else "a file that SHA256SUMS does not list"
    same = hashlib.sha256(content).hexdigest() == listed[name]
    return "" if same else "another checksum than in SHA256SUMS"
