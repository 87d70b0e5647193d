"""The audit finds whatever is hidden in a release, and nothing in a clean one."""

import io
import json
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
from btfer_builder.errors import BtferError
from btfer_builder.release.audit import audit_release
from btfer_builder.release.audit_images import image_metadata
from btfer_builder.release.stage import write_checksums


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
