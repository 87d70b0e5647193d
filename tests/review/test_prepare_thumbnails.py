"""Thumbnails: made ahead in the background, made again when missing, and how sharp each picture is."""

import io
import threading
import time

from PIL import Image, ImageFilter
from skimage import data

from btfer_builder.catalog.review_signals import sharpness_of
from btfer_builder.config import ReviewRecipe
from btfer_builder.images.thumbnails import thumbnail
from btfer_builder.io.storage import thumb_path
from btfer_builder.review.filters import ItemQuery
from btfer_builder.review.prepare_thumbnails import (
    missing_thumbnails,
    prepare_thumbnails,
    thumbnails_in_background,
    write_and_measure,
)
from btfer_builder.review.session import Session


def face_paths(workspace) -> dict[str, str]:
    return {row[0]: row[1] for row in workspace.catalog.rows("SELECT face_id, path FROM faces")}


def test_all_are_made_ahead_and_only_what_is_missing_again(workspace, filled):
    stop = threading.Event()
    assert prepare_thumbnails(workspace, ["face", "image"], stop, workers=0) == 42
    for kind, ids in (("face", filled.face_ids), ("image", filled.image_ids)):
        for item_id in ids:
            with Image.open(thumb_path(workspace.root, kind, item_id)) as thumb:
                assert (thumb.format, thumb.size) == ("JPEG", (64, 64))
    assert missing_thumbnails(workspace, "face") == []
    gone = filled.face_ids[5]
    thumb_path(workspace.root, "face", gone).unlink()
    assert [item_id for item_id, _ in missing_thumbnails(workspace, "face")] == [gone]
    assert prepare_thumbnails(workspace, ["face", "image"], stop, workers=0) == 1


def test_the_sharpness_of_photos_is_measured_on_the_way(workspace, filled):
    sharp, soft = filled.image_ids[:2]
    photo = Image.fromarray(data.astronaut())
    for image_id, picture in ((sharp, photo), (soft, photo.filter(ImageFilter.GaussianBlur(12)))):
        picture.save(workspace.data / "images" / f"{image_id}.png")
    prepare_thumbnails(workspace, ["image"], threading.Event(), workers=0)
    measured = sharpness_of(workspace.catalog, "image")
    assert set(measured) == set(filled.image_ids)
    assert measured[soft] < measured[sharp] / 5
    assert sharpness_of(workspace.catalog, "image", [soft]) == {soft: measured[soft]}
    session = Session(workspace.catalog, "ana", ReviewRecipe())
    listed = [item["item_id"] for item in session.page("image", ItemQuery(sort="sharpness"))["items"]]
    assert listed.index(soft) < listed.index(sharp)
    with workspace.catalog.transaction() as db:
        db.execute("DELETE FROM sharpness WHERE image_id = ?", (soft,))
    assert [item_id for item_id, _ in missing_thumbnails(workspace, "image")] == [soft]


def test_what_cannot_be_decoded_holds_up_nothing(workspace, filled):
    paths = face_paths(workspace)
    (workspace.root / paths[filled.face_ids[0]]).write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 99)
    (workspace.root / paths[filled.face_ids[1]]).unlink()
    assert prepare_thumbnails(workspace, ["face"], threading.Event(), workers=0) == 19
    with workspace.catalog.transaction() as db:
        db.execute("UPDATE faces SET path = '../../outside.png' WHERE face_id = ?", (filled.face_ids[2],))
    assert write_and_measure([(filled.face_ids[2], "../../outside.png")], workspace.root, "face") == [None]


def test_they_are_made_while_the_page_runs_and_a_stop_waits_for_little(workspace, filled):
    with thumbnails_in_background(workspace, ["face"]):
        deadline = time.monotonic() + 60
        while missing_thumbnails(workspace, "face"):
            assert time.monotonic() < deadline
            time.sleep(0.05)
    assert threading.active_count() == len(threading.enumerate())
    assert "thumbnails" not in {thread.name for thread in threading.enumerate()}


def test_the_page_shows_the_one_that_is_there_and_makes_one_that_is_not(server, workspace, filled):
    face = filled.face_ids[0]
    kept = thumb_path(workspace.root, "face", face)
    address = f"/api/picture/face/{face}?thumb=1"
    made = server.client.get(address).content
    assert kept.read_bytes() == made
    assert Image.open(io.BytesIO(made)).size == (64, 64)
    other = io.BytesIO()
    Image.new("RGB", (8, 8), "red").save(other, "JPEG")
    kept.write_bytes(other.getvalue())
    assert server.client.get(address).content == other.getvalue()  # not decoded again
    kept.unlink()
    assert server.client.get(address).content == made


def test_a_lost_file_still_has_its_thumbnail(workspace, filled):
    face = filled.face_ids[0]
    path = face_paths(workspace)[face]
    made = thumbnail(workspace.root, "face", face, path)
    (workspace.root / path).unlink()
    assert thumbnail(workspace.root, "face", face, path) == made
    assert thumbnail(workspace.root, "face", filled.face_ids[1], "data/faces/none.png") is None
