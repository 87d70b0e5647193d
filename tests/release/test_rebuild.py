"""A release of addresses becomes pictures again: the very same, or none."""

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from btfer_builder.config import CrawlRecipe, ReleaseRecipe
from btfer_builder.errors import BtferError
from btfer_builder.release.audit import audit_release
from btfer_builder.release.rebuild import rebuild
from btfer_builder.release.stage import release
from tests.factories import picture_png
from tests.release.small_set import VISITS, btfer, redirect, tree, web_of


@pytest.fixture
def web(workspace):
    with web_of(workspace, record=False) as pages:
        yield pages


@pytest.fixture
def out(workspace, web, tmp_path):
    out = release(workspace, tmp_path / "urls", ReleaseRecipe(urls_only=True)).path
    redirect(out, web[""][1])
    return out


#: `release` writes no private address, and the web of these tests is one.
LOOPBACK = {
    "a private address, or one with a password (http://…)",
    "an address in url that is not on the web for everybody",
}


def findings(out):
    return {found.what for found in audit_release(out).findings}


@pytest.fixture
def copy(released_urls, tmp_path):
    shutil.copytree(released_urls, tmp_path / "copy")
    return tmp_path / "copy"


def rows(out):
    return [json.loads(line) for line in (out / "sources.jsonl").read_text().splitlines()]


def test_no_picture_is_in_it(out):
    assert [name for name in tree(out) if name.endswith(".png")] == ["figures/groups.png"]
    assert findings(out) == LOOPBACK
    assert {"url", "sha256", "pixel_sha256", "size", "face"} <= rows(out)[0].keys()
    assert "path" not in rows(out)[0]["face"]


def test_every_face_comes_back_as_it_was(workspace, out, web, tmp_path):
    result = rebuild(out, VISITS)
    assert (result.total, result.there, result.failed) == (21, 21, {})
    pictures = release(workspace, tmp_path / "pictures", ReleaseRecipe()).path
    made = tree(out)
    for name, content in tree(pictures).items():
        if name.startswith("test/"):
            assert made[name] == content
    assert findings(out) == LOOPBACK
    assert not list(out.glob(".*"))


def test_addresses_that_cannot_be_asked_fail_alone(out, web):
    bad = [
        "http://[::1",
        "http://a..b/",
        "http://127.0.0.1:65536/",
        "http://%zz/",
        "http://127.0.0.1:1/x.png",
    ]
    said = rows(out)
    for row, url in zip(said, bad, strict=False):
        row["url"] = url
    (out / "sources.jsonl").write_text("".join(json.dumps(row) + "\n" for row in said))
    result = rebuild(out, VISITS)
    assert (result.total, result.there) == (21, 21 - len(bad))
    reasons = [result.failed[row["face_id"]] for row in said[: len(bad)]]
    assert all(reason in {"bad_url", "unreachable"} for reason in reasons), reasons


def test_a_second_run_asks_for_what_is_missing_only(out, web):
    rebuild(out, VISITS)
    face = out / rows(out)[4]["file_name"]
    content = face.read_bytes()
    face.unlink()
    web["asked"].clear()
    assert rebuild(out, VISITS).there == 21
    assert face.read_bytes() == content
    assert [path for path in web["asked"] if path != "/robots.txt"] == [
        rows(out)[4]["url"].removeprefix(web[""][1])
    ]


def test_what_vanished_or_changed_is_left_out_and_said(out, web, workspace):
    gone, changed, broken = (row["url"].removeprefix(web[""][1]) for row in rows(out)[:3])
    web[gone] = (404, "text/plain", b"")
    web[changed] = (200, "image/png", picture_png("another"))
    web[broken] = (200, "image/png", b"<html>")
    result = rebuild(out, VISITS)
    ids = [row["face_id"] for row in rows(out)]
    assert result.failed == {ids[0]: "not_found", ids[1]: "changed", ids[2]: "not_an_image"}
    for row in rows(out)[:3]:
        assert not (out / row["file_name"]).exists()
    listed = (out / "rebuild.csv").read_text().splitlines()
    assert len(listed) == 22
    assert f"{ids[1]},dropped,changed" in listed
    assert len((out / "test" / "metadata.jsonl").read_text().splitlines()) == 18
    done = btfer(workspace, "rebuild", str(out), "--allow-private-hosts", "--tries", "1", "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["reasons"] == {"changed": 1, "not_an_image": 1, "not_found": 1}
    assert "3 faces could not be rebuilt" in done.stderr


def test_other_pixels_are_not_taken_for_the_face(out, web):
    told = rows(out)
    told[0]["pixel_sha256"] = "0" * 64
    told[1]["face"]["crop_x"] += 5
    (out / "sources.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
    failed = rebuild(out, VISITS).failed
    assert failed == {told[0]["face_id"]: "other_pixels", told[1]["face_id"]: "other_pixels"}


def test_a_picture_written_by_another_zlib_is_taken(out, web):
    rebuild(out, VISITS)
    face = out / rows(out)[0]["file_name"]
    pixels = np.asarray(Image.open(face))
    Image.fromarray(pixels).save(face, compress_level=1)
    web["asked"].clear()
    assert rebuild(out, VISITS).there == 21
    assert web["asked"] == []


@pytest.mark.parametrize(
    "change",
    [
        {"file_name": "../../../etc/x.png"},
        {"file_name": "test/happy/../../x.png"},
        {"url": "file:///etc/passwd"},
        {"size": 10**9},
        {"face": {}},
        {"face": None},
        {"split": "train"},
        {"split": 3},
    ],
)
def test_a_hostile_row_stops_it_before_anything_is_fetched(copy, change):
    out = copy
    told = rows(out)
    told[3] |= change
    (out / "sources.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
    before = sorted(tree(out))
    with pytest.raises(BtferError, match=r"sources\.jsonl, line 4: not a row"):
        rebuild(out, VISITS)
    assert sorted(tree(out)) == before


@pytest.mark.parametrize(
    ("name", "value"), [("crop_width", 0), ("crop_x", 1e12), ("x", "1"), ("image_id", "x"), ("blurred", None)]
)
def test_a_hostile_box_does_too(copy, name, value):
    out = copy
    told = rows(out)
    told[0]["face"][name] = value
    (out / "sources.jsonl").write_text("".join(json.dumps(row) + "\n" for row in told))
    with pytest.raises(BtferError, match="line 1: not a row"):
        rebuild(out, VISITS)


def test_private_hosts_are_not_asked_unless_allowed(out, web):
    failed = rebuild(out, CrawlRecipe(tries=1, timeout=5, requests_per_second=10)).failed
    assert set(failed.values()) == {"private_address"}
    assert web["asked"] == []


def test_a_release_with_pictures_is_not_rebuilt(released, tmp_path):
    shutil.copytree(released.path, tmp_path / "out")
    with pytest.raises(BtferError, match="already has its images"):
        rebuild(tmp_path / "out", VISITS)
