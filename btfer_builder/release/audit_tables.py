"""Check the tables of a release against its schema: columns, types, values, and the form they are written in."""

import json
import re
import tarfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from btfer_builder.crawl.licenses import UNKNOWN
from btfer_builder.crawl.ssrf_guard import is_public_url
from btfer_builder.io.csv import as_mapping, csv_text, read_csv, unescape_cell
from btfer_builder.io.json import json_text, parse_json
from btfer_builder.io.limits import read_lines
from btfer_builder.labels import EMOTIONS, SPLITS
from btfer_builder.records import Face
from btfer_builder.release import schema
from btfer_builder.release.audit_images import image_metadata
from btfer_builder.release.released_faces import NO_ATTRIBUTION
from btfer_builder.release.writers.tables import features, tar_header
from btfer_builder.sample.provenance import LICENSES

FACE_NAME = re.compile(r"[0-9a-f]{16,64}")
_WEB = re.compile(r"\w+://|www\.|[\w.+-]+@[\w-]+\.\w")
#: The values of a column; a column that is not named here is a number, an address or of another check.
_VALUES = {
    "file_name": re.compile(rf"(?:(?:{'|'.join(SPLITS)})/)?(?:{'|'.join(EMOTIONS)})/[0-9a-f]{{16,64}}\.png"),
    "face_id": FACE_NAME,
    "split": re.compile("|".join(SPLITS)),
    "emotion": re.compile("|".join(EMOTIONS)),
    "license": re.compile("|".join((*LICENSES, UNKNOWN))),
    "query_language": re.compile(r"(?:[a-z]{2,3}(?:-[A-Za-z]{2,8})?)?"),
    "consent": re.compile("yes|no|unknown"),
    "found_by": re.compile("|bordered|already_cropped"),
    "sha256": re.compile(r"[0-9a-f]{64}"),
    "pixel_sha256": re.compile(r"[0-9a-f]{64}"),
}
#: A word of a user's own queries in a release that does not declare its words.
_PLAIN = re.compile(r"[a-z0-9][a-z0-9 +-]{0,39}")
#: What the `face` of a row holds: numbers, hashes, and the boxes that are blurred.
_BOX = frozenset(field.name for field in fields(Face)) - {"state", "reason", "path"}
_BOX_TEXT = re.compile(r"[0-9a-f]{16,64}|[\[\]\d., e+-]*|[a-z_]{1,20}")

_TYPES: dict[str, type | tuple[type, ...]] = {
    "string": str, "url": str, "int64": int, "class_label": int, "float64": (int, float), "object": dict,
}  # fmt: skip


def jsonl_findings(lines: Iterator[str], table: str, attributes: Collection[str]) -> Iterator[str]:
    """Yield what is wrong in a table of JSON lines, each finding once."""
    seen: set[str] = set()
    for line in lines:
        for what in _line_findings(line, table, attributes):
            if what not in seen:
                seen.add(what)
                yield what


def _line_findings(line: str, table: str, attributes: Collection[str]) -> Iterator[str]:
    try:
        row = parse_json(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        yield "a line that is not a JSON object"
        return
    # Spaces, a repeated name or another spelling of a number may hold what the row does not say.
    if line.rstrip("\n") != json_text(row, ensure_ascii=False):
        yield "a line that is written in another way than by btfer release"
    yield from row_findings(row, table, attributes)


def row_findings(row: Mapping[str, Any], table: str, attributes: Collection[str]) -> Iterator[str]:
    """Yield what is wrong in a row of a table.

    Parameters
    ----------
    row
        The row.
    table
        The table of the schema.
    attributes
        The values that `query_*` columns may have besides those of the package's own queries; `None` among them stands
        for plain words.
    """
    known = {column.name: column for column in schema.columns(table)}
    if more := sorted(set(row) - set(known)):
        yield f"columns that are not public: {', '.join(more)}"
    for name, value in row.items():
        if name in known and known[name].dtype != "image":
            yield from _value_findings(known[name], value, attributes)


def _value_findings(column: schema.Column, value: object, attributes: Collection[str]) -> Iterator[str]:
    name, shown = column.name, str(value)[:60]
    if value is None and column.optional:
        return
    if not isinstance(value, _TYPES[column.dtype]) or isinstance(value, bool):
        yield f"a value of another type in {name}"
    elif column.dtype == "url":
        if value and not is_public_url(str(value)):
            yield f"an address in {name} that is not on the web for everybody"
    elif column.dtype == "object":
        yield from _box_findings(value)
    elif isinstance(value, str) and _WEB.search(value):
        yield f"an address in {name}: {shown}"
    elif name.startswith("query_") and name != "query_language":
        plain = None in attributes and _PLAIN.fullmatch(str(value))
        if value not in schema.QUERY_VALUES and value not in attributes and not plain:
            yield f"a value of {name} that no query had: {shown}"
    elif name in _VALUES and not _VALUES[name].fullmatch(str(value)):
        yield f"a value of {name} that is not one of its values: {shown}"


def _box_findings(box: object) -> Iterator[str]:
    assert isinstance(box, dict)  # noqa: S101 - its type was checked
    if more := sorted(set(box) - _BOX):
        yield f"parts of a face that are not public: {', '.join(more)}"
    for name, value in box.items():
        if isinstance(value, str) and not _BOX_TEXT.fullmatch(value):
            yield f"a text in the {name} of a face: {value[:60]}"
        elif not isinstance(value, str | int | float | None):
            yield f"a value of another type in the {name} of a face"


def licenses_findings(path: Path) -> Iterator[str]:
    """Yield what is wrong in LICENSES.csv."""
    columns, lines = read_csv(path)
    if more := sorted(set(columns) - set(schema.names(schema.LICENSES))):
        yield f"columns that are not public: {', '.join(more)}"
    rows = [as_mapping(columns, [unescape_cell(cell) for cell in cells]) for _, cells in lines]
    if csv_text(columns, rows) != "".join(read_lines(path)):
        yield "written in another way than by btfer release"
    seen: set[str] = set()
    for row in rows:
        named = row.get("creator") or row.get("attribution")
        if named and row.get("license") not in set(LICENSES) - set(NO_ATTRIBUTION):
            yield f"names the creator of {row.get('face_id')}, whose licence does not require it"
        checked = {
            name: _cell(name, value)
            for name, value in row.items()
            if name not in {"creator", "attribution", *more}
        }
        seen.update(row_findings(checked, schema.LICENSES, ()))
    yield from sorted(seen)


def _cell(name: str, cell: str) -> object:
    """Return a cell as the type of its column."""
    dtype = next(column.dtype for column in schema.columns(schema.LICENSES) if column.name == name)
    if _TYPES[dtype] is str:
        return cell
    try:
        return int(cell) if _TYPES[dtype] is int else float(cell)
    except ValueError:
        return None


def parquet_findings(path: Path, attributes: Collection[str]) -> tuple[list[str], int]:
    """Return what is wrong in a Parquet table, and the number of its images."""
    import pyarrow.parquet as pq

    whats: dict[str, None] = {}
    pictures = 0
    try:
        file = pq.ParquetFile(path)
        whats |= dict.fromkeys(_parquet_structure(file, path))
        for batch in file.iter_batches(batch_size=100):
            for row in batch.to_pylist():
                image = row.get("image")
                image = image if isinstance(image, dict) else {}
                pictures += 1
                whats |= dict.fromkeys(image_metadata(image.get("bytes") or b""))
                if not FACE_NAME.fullmatch(Path(image.get("path") or "").stem) or set(image) != {
                    "bytes",
                    "path",
                }:
                    whats["a file name that is not a hash"] = None
                whats |= dict.fromkeys(row_findings(row, schema.PARQUET, attributes))
    except (OSError, ValueError) as error:
        whats[f"cannot be read: {error}"] = None
    return list(whats), pictures


def _parquet_structure(file: Any, path: Path) -> Iterator[str]:  # noqa: ANN401 - pyarrow has no types
    """Yield metadata that `release` does not write, and bytes that belong to no column."""
    metadata, arrow = file.metadata, file.schema_arrow
    if more := set(metadata.metadata or {}) - {b"huggingface", b"ARROW:schema"}:
        yield f"unknown metadata: {sorted(more)}"
    named = dict(metadata.metadata or {}).get(b"huggingface")
    # A release of an earlier version lacks the columns that were added since.
    if named is not None and named != features(arrow.names).encode():
        yield "other types of the columns in its metadata than those of the schema"
    if set(arrow.metadata or {}) - {b"huggingface"} or any(
        set(field.metadata or {}) - {b"PARQUET:field_id"} for field in arrow
    ):
        yield "metadata of a column"
    if not re.fullmatch(r"parquet-cpp-arrow version [\d.]+(?:-SNAPSHOT)?", metadata.created_by or ""):
        yield "another program's name in its metadata"
    at = 4
    for group in range(metadata.num_row_groups):
        for number in range(metadata.num_columns):
            column = metadata.row_group(group).column(number)
            start = min(filter(None, (column.dictionary_page_offset, column.data_page_offset)))
            if start != at:
                yield "bytes between its columns"
            at = start + column.total_compressed_size
    if at + metadata.serialized_size + 8 != path.stat().st_size:
        yield "bytes behind its columns"


def tar_findings(path: Path, attributes: Collection[str]) -> tuple[list[str], int]:
    """Return what is wrong in a shard, and the number of its images.

    A shard consists of headers as `release` writes them, contents, and zeros: nothing else is in it.
    """
    whats: dict[str, None] = {}
    pictures = end = 0
    try:
        with path.open("rb") as raw, tarfile.open(path, "r:") as tar:
            for member in tar:
                stem, _, kind = member.name.partition(".")
                if any(getattr(member, name) for name in _TAR_FIELDS):
                    whats["a time or an owner of a member"] = None
                known = FACE_NAME.fullmatch(stem) and kind in {"png", "cls", "json"}
                if not (known and member.isfile()):
                    whats[f"a member that is not a face: {member.name[:80]}"] = None
                    end = 0
                    continue
                raw.seek(end)
                header = raw.read(tarfile.BLOCKSIZE)
                content = raw.read(member.size)
                padding = raw.read(-member.size % tarfile.BLOCKSIZE)
                end = raw.tell()
                if header != tar_header(member.name, member.size) or padding.strip(b"\0"):
                    whats["bytes in the header or the padding of a member"] = None
                if kind == "png":
                    pictures += 1
                    whats |= dict.fromkeys(image_metadata(content))
                elif kind == "json":
                    lines = iter([content.decode("utf-8", "replace")])
                    whats |= dict.fromkeys(jsonl_findings(lines, schema.METADATA, attributes))
                elif content not in {str(number).encode() for number in range(len(EMOTIONS))}:
                    whats["a class that is not the number of an emotion"] = None
            raw.seek(end)
            tail = raw.read(tarfile.RECORDSIZE + 2 * tarfile.BLOCKSIZE)
            if tail.strip(b"\0") or len(tail) > tarfile.RECORDSIZE + tarfile.BLOCKSIZE or raw.read(1):
                whats["bytes behind its last member"] = None
    except (tarfile.TarError, OSError, ValueError) as error:
        whats[f"cannot be read: {error}"] = None
    return list(whats), pictures


#: Fields of a tar member that may reveal when, where or by whom it was made.
_TAR_FIELDS = ("mtime", "uname", "gname", "uid", "gid", "pax_headers")


def document_findings(text: str, keys: Collection[str]) -> Iterator[str]:
    """Yield what is wrong with the form of a JSON document: other members, or another spelling than `write_json`'s."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        document = None
    if not isinstance(document, dict):
        yield "not a JSON object"
        return
    if more := sorted(set(document) - set(keys)):
        yield f"members that are not public: {', '.join(more)}"
    if text != json_text(document, indent=2, ensure_ascii=False) + "\n":
        yield "written in another way than by btfer release"
