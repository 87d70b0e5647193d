"""The audit finds whatever is hidden in a release, and nothing in a clean one."""

import io
import json
import os
import shutil
import struct
import tarfile
import zlib

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from btfer_builder.cli.main import main
from btfer_builder.config import ReleaseRecipe
from btfer_builder.errors import BtferError
from btfer_builder.release.audit import audit_release
from btfer_builder.release.audit_images import image_metadata
from btfer_builder.release.audit_texts import text_findings
from btfer_builder.release.stage import release, write_checksums


@pytest.fixture
def out(released, tmp_path):
    shutil.copytree(released.path, tmp_path / "out")
    return tmp_path / "out"


def found(out, listed=True):
    """Return the findings by file, after the checksums are updated."""
    if listed:
        write_checksums(out)
    return {(finding.file, finding.what) for finding in audit_release(out).findings}


def a_face(out):
    return sorted((out / "test").rglob("*.png"))[0]


def picture(kind="PNG", **options):
    file = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(file, kind, **options)
    return file.getvalue()


def exif(gps=False):
    data = Image.Exif()
    data[0x010F] = "Camera"
    if gps:
        data.get_ifd(0x8825)[1] = "N"
    return data


def note(key, value):
    info = PngInfo()
    info.add_itxt(key, value)
    return info


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def test_a_clean_release(out, released):
    result = audit_release(out)
    assert result.findings == []
    assert result.files == sum(path.is_file() for path in out.rglob("*"))
    assert result.pictures == 3 * released.statistics.total + 2  # folder, Parquet, tar; two figures


HIDDEN = {
    "EXIF": picture(exif=exif()),
    "GPS": picture(exif=exif(gps=True)),
    "XMP": picture(pnginfo=note("XML:com.adobe.xmp", "<x:xmpmeta/>")),
    "IPTC": picture(pnginfo=note("Raw profile type iptc", "8BIM")),
    "text (Comment)": picture(pnginfo=note("Comment", "Ana in Rome")),
    "a colour profile": picture(icc_profile=b"profile"),
    "a time": picture()[:-12] + chunk(b"tIME", bytes(7)) + picture()[-12:],
    "bytes after the end of the image": picture() + b"Ana",
    "a broken image": picture()[:-8],
    "not a PNG": picture("JPEG"),
}


@pytest.mark.parametrize("what", HIDDEN)
def test_metadata_in_a_picture(out, what):
    assert what in image_metadata(HIDDEN[what])
    face = a_face(out)
    face.write_bytes(HIDDEN[what])
    name = str(face.relative_to(out))
    assert (name, what) in found(out)


def test_metadata_in_a_jpeg_is_named():
    assert {"not a PNG", "EXIF", "GPS"} <= set(image_metadata(picture("JPEG", exif=exif(gps=True))))
    assert "XMP" in image_metadata(picture("JPEG", xmp=b"<x:xmpmeta/>"))
    assert image_metadata(b"") == ["not a PNG"]
    assert image_metadata(picture()) == []


@pytest.mark.parametrize("what", ["EXIF", "GPS", "XMP", "text (Comment)"])
def test_metadata_inside_parquet_and_tar(out, what):
    table = pq.read_table(out / "faces.parquet")
    rows = table.to_pylist()
    rows[3]["image"]["bytes"] = HIDDEN[what]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), out / "faces.parquet")
    shard = out / "shards" / "test-000000.tar"
    with tarfile.open(shard) as tar:
        members = [(member, tar.extractfile(member).read()) for member in tar]
    with tarfile.open(shard, "w") as tar:
        for number, (member, content) in enumerate(members):
            body = HIDDEN[what] if number == 0 else content
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    assert {("faces.parquet", what), ("shards/test-000000.tar", what)} <= found(out)


def test_who_and_when_of_a_tar_file(out):
    with tarfile.open(out / "shards" / "test-000000.tar", "w") as tar:
        tar.add(a_face(out), a_face(out).name)
    assert ("shards/test-000000.tar", "a time or an owner of a member") in found(out)


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"creator": "Ana"}, "columns that are not public: creator"),
        ({"page_url": "https://x.example"}, "columns that are not public: page_url"),
        ({"query_age": "see https://x.example/ana"}, "an address in query_age: see https://x.example/ana"),
        ({"emotion": "ana@mail.example"}, "an address in emotion: ana@mail.example"),
    ],
)
def test_more_than_is_public(out, more, what):
    path = out / "test" / "metadata.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[5] |= more
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    table = pq.read_table(out / "faces.parquet")
    column = next(iter(more))
    if column in table.column_names:
        place = table.column_names.index(column)
        values = [*table[column].to_pylist()[:-1], more[column]]
        table = table.set_column(place, column, pa.array(values))
    else:
        table = table.append_column(column, pa.array(["Ana"] * len(table)))
    pq.write_table(table, out / "faces.parquet")
    assert {("test/metadata.jsonl", what), ("faces.parquet", what)} <= found(out)


def test_names_addresses_and_paths(out):
    a_face(out).rename(a_face(out).with_name("ana-in-rome.png"))
    (out / "README.md").write_text("made in /home/ana/faces")
    (out / "notes.bin").write_bytes(b"...Exif\0\0...")
    (out / ".DS_Store").write_text("x")
    text = (out / "LICENSES.csv").read_text().replace(",by,", ",cc0,")
    (out / "LICENSES.csv").write_text(text)
    (out / "link.png").symlink_to("/etc/hostname")
    whats = found(out)
    files = {file for file, _ in whats}
    assert ("README.md", "a local path (/home/a)") in whats
    assert ("link.png", "a symbolic link") in whats
    assert any(file.endswith("ana-in-rome.png") and "not a hash" in what for file, what in whats)
    assert any(file == "LICENSES.csv" and "whose licence does not require it" in what for file, what in whats)
    assert {"notes.bin", ".DS_Store"} <= files  # neither is a picture


def test_files_that_are_not_as_listed(out):
    face = a_face(out)
    (out / "more.txt").write_text("x")
    (out / "DATASHEET.md").write_text("x")
    face.unlink()
    assert found(out, listed=False) >= {
        ("more.txt", "a file that SHA256SUMS does not list"),
        ("DATASHEET.md", "another checksum than in SHA256SUMS"),
        (str(face.relative_to(out)), "listed in SHA256SUMS, but missing"),
    }


def rewritten(path, old, new):
    path.write_text(path.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")


def idat(content, *more, level=9):
    """Return a small PNG whose pixels are `content`, followed by further bytes in the same chunk."""
    header = struct.pack(">IIBBBBB", 8, 8, 8, 2, 0, 0, 0)
    body = zlib.compress(content, level) + b"".join(more)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


PIXELS = (b"\0" + bytes(24)) * 8
#: What is hidden in a PNG, and what is found.
PICTURES = {
    "behind the stream": (idat(PIXELS, b"Ana in Rome"), "bytes behind the compressed pixels"),
    "behind the rows": (idat(PIXELS + b"Ana in Rome"), "bytes behind the last row of pixels"),
    "in a second stream": (idat(PIXELS, zlib.compress(b"Ana")), "bytes behind the compressed pixels"),
    "too few rows": (idat(PIXELS[:-1]), "a broken image"),
    "in a filter": (idat(b"A" + PIXELS[1:]), "an unknown filter of a row"),
    "PLTE": (picture()[:33] + chunk(b"PLTE", b"Ana in Rome!") + picture()[33:], "a chunk b'PLTE'"),
    "sBIT": (picture()[:33] + chunk(b"sBIT", b"Ana") + picture()[33:], "a chunk b'sBIT'"),
    "gAMA": (picture()[:33] + chunk(b"gAMA", b"Rome") + picture()[33:], "a chunk b'gAMA'"),
    "cHRM": (picture()[:33] + chunk(b"cHRM", b"Ana in Rome" * 3) + picture()[33:], "a chunk b'cHRM'"),
    "pHYs": (picture()[:33] + chunk(b"pHYs", b"Ana Rome\1") + picture()[33:], "another resolution"),
    "a wrong CRC": (picture()[:-4] + b"Ana!", "a wrong checksum of b'IEND'"),
    "in the end": (picture()[:-12] + chunk(b"IEND", b"Ana"), "bytes in the end of the image"),
    "a second header": (picture()[:33] + picture()[8:], "a second header"),
    "a palette picture": (picture("GIF"), "not a PNG"),
    "another depth": (picture()[:24] + b"\x10" + picture()[25:], "a wrong checksum of b'IHDR'"),
}


@pytest.mark.parametrize("where", PICTURES)
def test_hidden_in_a_picture(where):
    content, what = PICTURES[where]
    assert any(finding.startswith(what) for finding in image_metadata(content)), image_metadata(content)
    assert image_metadata(idat(PIXELS)) == []


#: What is written into a text, and what is found; each of them in a card, in JSON lines and in a document.
TEXTS = {
    "http://192.168.1.4/ana.jpg": "a private address",
    "http://intranet/ana": "a private address",
    "https://nas.local/ana": "a private address",
    "http://[::1]:8000/ana": "a private address",
    "http://2130706433/ana": "a private address",
    "http://0x7f.1/ana": "a private address",
    "https://ana:pw@photos.example/1": "a private address",
    "ftp://photos.example/ana": "an address of another kind",
    "the server 10.0.0.7 has it": "an address of a computer",
    "see localhost": "an address of a computer",
    "write to ana.rossi@mail.example": "an e-mail address",
    "mailto:ana": "an address (mailto:",
    "call +39 06 1234 5678": "a telephone number",
    "call 0039-06-12345678": "a telephone number",
    "call (06) 123-4567": "a telephone number",
    "call 555-123-4567": "a telephone number",
    "call 0612345678": "a telephone number",
    "iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSnc": "bytes written as text",
    "/9j/4AAQSkZJRgABAQAAAQABAAD": "bytes written as text",
    "QW5hIGluIFJvbWUgQW5hIGluIFJvbWUgQW5hIGluIFJvbWUgQW5hIGluIFJvbWUg": "bytes written as text",
    "0123456789abcdef" * 5: "bytes written as text",
    "C:\\\\Users\\\\ana": "a local path",
    "Ana\u200b\u200c": "invisible characters",
}


@pytest.mark.parametrize("text", TEXTS)
def test_planted_in_a_text(text):
    lines = (f"A card with {text} in it.\n", f'{{"name": "{text}"}}', f"<{text}>, `{text}`")
    for line in lines:
        assert any(finding.startswith(TEXTS[text]) for finding in text_findings(line)), line


def test_what_a_release_writes_is_no_finding():
    for text in (
        "| 300 | 300 | 300 | 2100 |\n2024-11-27 to 2026-01-03, (EU) 2024/1689, 10.1016/j.engappai.2024.108983",
        "https://photos.example:8443/a/1/300-4000-5000.jpg?x=0612345678 https://1.1.1.1/",
        '{"crop_x": 123.4567, "crop_y": 0.612345678, "blurred": "[[10.5, 20, 30, 40]]"}',
        "`0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef`  test/happy/",
        "García Márquez, Ærø 写真　家",
    ):
        assert list(text_findings(text)) == []
    assert list(text_findings("takedown@example.org", {"takedown@example.org"})) == []


#: How a file of a release is altered, and what is found in which file.
PLANTS = {
    "a name in a column": ("test/metadata.jsonl", '"query_age": "', '"query_age": "Ana Rossi', "a value of query_age"),
    "a name in the split": ("faces.parquet", "split", "Ana", "a value of split"),
    "a name in the words of the query": ("faces.parquet", "query_age", "ana", "a value of query_age"),
    "a repeated member": ("test/metadata.jsonl", '{"file_name', '{"file_name": "Ana", "file_name', "a line that is wr"),
    "spaces": ("test/metadata.jsonl", '"}', '"   }', "a line that is written in another way"),
    "a member of release.json": ("release.json", '"name"', '"maker": "Ana",\n  "name"', "members that are not public"),
    "a member of croissant.json": ("croissant.json", '"name"', '"maker": "Ana",\n  "name"', "members that are not"),
    "a comment in the card": ("README.md", "# ", "<!-- Ana -->\n# ", "a comment"),
    "a cell": ("LICENSES.csv", ",by,", ",by by Ana,", "a value of license"),
    "quotes": ("LICENSES.csv", ",by,", ',"by",', "written in another way"),
    "a line of the sums": ("SHA256SUMS", "", "# Ana\n", "a line that is not a checksum"),
    "a file": ("notes.txt", "", "Ana", "a file that a release does not have"),
    "a folder": ("Ana in Rome/", "", "", "a folder that a release does not have"),
    "bytes that are no text": ("DATASHEET.md", "", "\udcff", "not UTF-8"),
    "the tail of a tar": ("shards/test-000000.tar", -3, b"Ana", "bytes behind its last member"),
    "more tail of a tar": ("shards/test-000000.tar", None, bytes(20_000) + b"Ana", "bytes behind its last member"),
    "the padding of a tar": ("shards/test-000000.tar", "padding", b"Ana", "bytes in the header or the padding"),
    "the header of a tar": ("shards/test-000000.tar", 500, b"Ana", "cannot be read: bad checksum"),
    "the end of a table": ("faces.parquet", "tail", b"Ana in Rome", "bytes behind its columns"),
    "metadata of a table": ("faces.parquet", "metadata", b"Ana", "unknown metadata"),
}  # fmt: skip


def plant(out, file, where, what):
    path = out / file
    if file.endswith("/"):
        path.mkdir()
    elif file.endswith(".parquet") and where == "tail":
        content = path.read_bytes()
        footer = 8 + int.from_bytes(content[-8:-4], "little")
        path.write_bytes(content[:-footer] + what + content[-footer:])
    elif file.endswith(".parquet"):
        table = pq.read_table(path)
        if where == "metadata":
            table = table.replace_schema_metadata({**table.schema.metadata, "by": what})
        else:
            place = table.column_names.index(where)
            table = table.set_column(place, where, pa.array([*table[where].to_pylist()[:-1], what]))
        pq.write_table(table, path)
    elif isinstance(what, bytes):
        content = bytearray(path.read_bytes())
        if where == "padding":
            where = 512 + int(content[124:135], 8)  # behind the content of the first member
        if where is None:
            content += what
        else:
            content[where : where + len(what) if where >= 0 else None] = what
        path.write_bytes(content)
    else:
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        path.write_bytes(
            (text.replace(where, what, 1) if where else text + what).encode("utf-8", "surrogateescape")
        )


@pytest.mark.parametrize("name", PLANTS)
def test_planted_in_a_release(whole, name):
    file, where, what, found = PLANTS[name]
    before = (whole / file).read_bytes() if (whole / file).is_file() else None
    try:
        plant(whole, file, where, what)
        findings = audit_release(whole).findings
    finally:
        if file.endswith("/"):
            (whole / file).rmdir()
        elif before is None:
            (whole / file).unlink()
        else:
            (whole / file).write_bytes(before)
    named = [finding.what for finding in findings if finding.file == file.rstrip("/")]
    assert any(each.startswith(found) for each in named), findings


@pytest.fixture(scope="session")
def whole(released, tmp_path_factory):
    """One copy for all plants, which put back what they change."""
    return shutil.copytree(released.path, tmp_path_factory.mktemp("whole") / "out")


def test_an_extended_attribute(whole):
    face = a_face(whole)
    try:
        os.setxattr(face, "user.comment", b"Ana in Rome")
    except OSError:
        pytest.skip("the file system has no extended attributes")
    try:
        assert ("an extended attribute (user.comment)") in {
            each.what for each in audit_release(whole).findings
        }
    finally:
        os.removexattr(face, "user.comment")


def test_a_release_names_no_private_address_and_no_contact(workspace, tmp_path):
    """Also of photos that came from one."""
    with workspace.catalog.transaction() as db:
        db.execute(
            "UPDATE candidates SET page_url = 'http://127.0.0.1:8000/page', creator = 'Ana <ana@mail.example>'"
        )
        for table in ("candidates", "fetches"):
            db.execute(f"UPDATE {table} SET url = replace(url, 'photos.example', 'u:pw@nas.local')")
    out = release(workspace, tmp_path / "out", ReleaseRecipe(webdataset=True)).path
    assert audit_release(out).findings == []
    for path in out.rglob("*"):
        if path.is_file():
            assert not any(word in path.read_bytes() for word in (b"127.0.0.1", b"nas.local", b"ana@mail"))
    assert b",Ana," in (out / "LICENSES.csv").read_bytes()
    with pytest.raises(BtferError, match="local files or private addresses"):
        release(workspace, tmp_path / "urls", ReleaseRecipe(urls_only=True))


def test_the_command(out, tmp_path):
    run = CliRunner().invoke(main, ["scan-release", str(out), "--json"])
    assert run.exit_code == 0
    assert json.loads(run.stdout)["findings"] == []
    a_face(out).write_bytes(HIDDEN["GPS"])
    run = CliRunner().invoke(main, ["scan-release", str(out)])
    assert run.exit_code == 1
    assert "GPS" in run.stdout
    with pytest.raises(BtferError, match="is not a release"):
        audit_release(tmp_path)
