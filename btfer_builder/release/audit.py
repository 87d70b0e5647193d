"""Audit a release for leaked metadata, private columns and files that do not match their checksums."""

import hashlib
import os
import re
import stat
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError
from btfer_builder.io.json import read_json
from btfer_builder.io.limits import read_lines
from btfer_builder.labels import EMOTIONS
from btfer_builder.release import schema
from btfer_builder.release.audit_images import image_metadata
from btfer_builder.release.audit_tables import (
    FACE_NAME,
    document_findings,
    jsonl_findings,
    licenses_findings,
    parquet_findings,
    tar_findings,
)
from btfer_builder.release.audit_texts import text_findings
from btfer_builder.release.diff import release_info, rows_in

#: Byte sequences of image metadata, searched for in other files.
_MARKS = {b"Exif\0\0": "EXIF", b"http://ns.adobe.com/xap": "XMP", b"<x:xmpmeta": "XMP", b"8BIM": "IPTC"}
_SUMS = "SHA256SUMS"
_TEXTS = {"README.md", "DATASHEET.md", "ATTRIBUTION.md", "NOT-FOR-REDISTRIBUTION.txt", _SUMS}
#: The JSON documents and their members.
_DOCUMENTS: Mapping[str, Collection[str]] = {
    "release.json": (
        "name", "version", "content_hash", "form", "redistributable", "faces", "splits", "licenses", "made_with",
        "previous", "changes", "query_values",
    ),
    "croissant.json": (
        "@context", "@type", "conformsTo", "name", "description", "version", "url", "license", "citeAs", "creator",
        "isLiveDataset", "datePublished", "distribution", "recordSet", "rai:dataCollection", "rai:dataCollectionType",
        "rai:dataCollectionTimeFrame", "rai:dataPreprocessingProtocol", "rai:dataAnnotationProtocol",
        "rai:dataAnnotationPlatform", "rai:dataAnnotationAnalysis", "rai:annotationsPerItem",
        "rai:machineAnnotationTools", "rai:dataUseCases", "rai:dataLimitations", "rai:dataBiases",
        "rai:dataSocialImpact", "rai:personalSensitiveInformation", "rai:dataReleaseMaintenancePlan",
    ),
}  # fmt: skip
_FIGURES = re.compile(r"figures/(?:groups|contact_sheet)\.png")
_SHARDS = re.compile(r"shards/(?:train|val|test)-\d{6}\.tar")
_SUM_LINE = re.compile(r"[0-9a-f]{64}  [\w./-]+")
#: Extended attributes that file systems set themselves.
_SYSTEM_ATTRIBUTES = ("security.", "system.")


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


@dataclass(frozen=True, slots=True)
class _Release:
    """What a release says of itself: its splits, the words of its queries, and whom to contact."""

    splits: Collection[str]
    attributes: Collection[str]
    contact: Collection[str]


def audit_release(folder: Path) -> AuditResult:
    """Read every file of a release and report whatever `btfer release` does not write.

    The accepted structures are a list, in files as in images, tables and archives: what is not on it is a finding. So
    are, among others, EXIF, GPS, IPTC, XMP, comments, times and colour profiles in images, including those inside
    Parquet and tar files; bytes hidden in or behind images, archives and tables; file names that are not hashes;
    columns and values that are not in the schema; private addresses, e-mail addresses, telephone numbers and local
    paths; creators whose licence does not require a name; extended attributes of files; files that SHA256SUMS does not
    list, or lists with another checksum.

    Raises
    ------
    BtferError
        If the folder is not a release.
    """
    folder = folder.absolute()
    info = release_info(folder)
    listed = _listed(folder, info)
    release = _Release(info["splits"], _own_words(info), _contact(folder))
    findings, pictures, files = [], 0, 0
    for path in (folder, *sorted(folder.rglob("*"))):
        name = path.relative_to(folder).as_posix()
        findings += [Finding(name, what) for what in _attributes(path)]
        if path.is_symlink():
            findings.append(Finding(name, "a symbolic link"))
        elif path.is_dir():
            if not _is_folder(name, release.splits):
                findings.append(Finding(name, "a folder that a release does not have"))
        elif not stat.S_ISREG(path.stat().st_mode):
            findings.append(Finding(name, "a device or a pipe"))
        else:
            files += 1
            content = path.read_bytes()
            whats = [_listing(name, content, listed)] if name != _SUMS else []
            problems, images = _contents(name, content, path, release)
            pictures += images
            findings += [Finding(name, what) for what in [*whats, *problems] if what]
    missing = sorted(name for name in listed if not (folder / name).is_file() and not _optional(name, info))
    findings += [Finding(name, f"listed in {_SUMS}, but missing") for name in missing]
    return AuditResult(files, pictures, findings)


def _contents(name: str, content: bytes, path: Path, release: _Release) -> tuple[list[str], int]:
    """Return what is wrong in a file, and the number of its images."""
    if name == schema.PARQUET:
        return parquet_findings(path, release.attributes)
    if _SHARDS.fullmatch(name):
        return tar_findings(path, release.attributes)
    table = name.rpartition("/")[2] if name == schema.SOURCES or _is_metadata(name, release.splits) else ""
    if table or name in _TEXTS or name in _DOCUMENTS or name in {schema.LICENSES, "rebuild.csv"}:
        return [*_marks(content), *_text(name, table, content, path, release)], 0
    whats = image_metadata(content)
    split, _, rest = name.partition("/")
    if split in release.splits:
        if not FACE_NAME.fullmatch(path.stem):
            whats.append("a file name that is not a hash")
        elif rest.partition("/")[0] not in EMOTIONS or path.suffix != ".png":
            whats.append("a file that a release does not have")
    elif not _FIGURES.fullmatch(name):
        whats.append("a file that a release does not have")
    return whats, 1


def _text(name: str, table: str, content: bytes, path: Path, release: _Release) -> Iterator[str]:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        yield "not UTF-8"
        return
    yield from text_findings(text, release.contact)
    if "<!--" in text:
        yield "a comment"
    try:
        if table:
            yield from jsonl_findings(read_lines(path), table, release.attributes)
        elif name in _DOCUMENTS:
            yield from document_findings(text, _DOCUMENTS[name])
        elif name == schema.LICENSES:
            yield from licenses_findings(path)
        elif name == _SUMS and not all(map(_SUM_LINE.fullmatch, text.splitlines())):
            yield "a line that is not a checksum and a name"
    except BtferError as error:
        yield f"cannot be read: {str(error).partition(': ')[2]}"


def _own_words(info: Mapping[str, Any]) -> Collection[Any]:
    """Return the values of `query_…` columns that the release declares; None among them if it declares nothing."""
    declared = info.get("query_values")
    return frozenset(filter(_is_text, declared)) if isinstance(declared, list) else frozenset({None})


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _contact(folder: Path) -> Collection[str]:
    """Return the contact for takedown requests, which a release names on purpose."""
    try:
        creator = read_json(folder / "croissant.json")["creator"]["name"]
        return {word.strip("<>()[],;.") for word in str(creator).split()}
    except (BtferError, OSError, ValueError, KeyError, TypeError):
        return set()


def _attributes(path: Path) -> Iterator[str]:
    if not hasattr(os, "listxattr"):  # such as macOS
        return
    try:
        names = os.listxattr(path, follow_symlinks=False)
    except OSError:  # the file system has none
        return
    for name in names:
        if not name.startswith(_SYSTEM_ATTRIBUTES):
            yield f"an extended attribute ({name})"


def _is_folder(name: str, splits: Collection[str]) -> bool:
    split, _, emotion = name.partition("/")
    return name in {".", "figures", "shards"} or (split in splits and emotion in {"", *EMOTIONS})


def _is_metadata(name: str, splits: Collection[str]) -> bool:
    split, _, file = name.partition("/")
    return split in splits and file == schema.METADATA


def _marks(content: bytes) -> list[str]:
    return [f"{what} in a file that is not an image" for mark, what in _MARKS.items() if mark in content]


def _listed(folder: Path, info: Mapping[str, Any]) -> dict[str, str]:
    """Return the SHA-256 of each file that the release should have, by name."""
    listed = {}
    try:
        for line in read_lines(folder / _SUMS):
            digest, _, name = line.rstrip("\n").partition("  ")
            listed[name] = digest
    except OSError:
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
