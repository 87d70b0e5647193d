"""The crop stage over a real workspace with the real detector."""

import json
import shutil
import signal
from dataclasses import replace

import cv2
import numpy as np
import pytest
from skimage import data

from btfer_builder.catalog.crop import faces_cropped_with
from btfer_builder.catalog.intentions import intentions
from btfer_builder.catalog.review import add_decisions
from btfer_builder.catalog.sample import replace_sample, sampled_faces
from btfer_builder.config import CropRecipe, DedupeRecipe, override
from btfer_builder.crop import cropping, stage
from btfer_builder.crop.cropping import crop_images
from btfer_builder.crop.detectors.base import DETECTION_SIDE
from btfer_builder.crop.lost_faces import lost_faces
from btfer_builder.crop.stage import crop, paper_recipe
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.errors import BtferError
from btfer_builder.io.device import onnx_device
from btfer_builder.io.storage import thumb_path
from btfer_builder.records import Decision, SampledFace
from btfer_builder.workspace import Workspace, create_workspace
from demo.pictures import encode
from tests.photos import (
    astronaut,
    btfer,
    crawl_files,
    face_files,
    hopper,
    mirror,
    some_photos,
    start_btfer,
    table,
)
from tests.processes import alive, children_of, wait_for

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]

ALONE = CropRecipe(workers=0)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A workspace whose four images were cropped in this process; not to be changed."""
    workspace = create_workspace(tmp_path_factory.mktemp("cropped"))
    crawl_files(workspace, some_photos())
    dedupe(workspace, DedupeRecipe(workers=0))
    crop(workspace, ALONE)
    return workspace


@pytest.fixture
def workspace(finished, tmp_path):
    """A copy of that workspace."""
    shutil.copytree(finished.root, tmp_path / "copy")
    return Workspace(tmp_path / "copy")


@pytest.fixture
def cropped(monkeypatch):
    """Return the images that the stage processed since the last call."""
    worked_on = []

    def crop_and_note(items, **options):
        worked_on.extend(image_id for image_id, _ in items)
        return crop_images(items, **options)

    monkeypatch.setattr(stage, "crop_images", crop_and_note)

    def ask():
        asked = sorted(worked_on)
        worked_on.clear()
        return asked

    return ask


def outcome(workspace):
    return table(workspace, "crops"), table(workspace, "faces"), face_files(workspace)


def image_of(workspace, name):
    return workspace.catalog.value("SELECT image_id FROM fetches WHERE url LIKE ?", f"%/{name}")


def test_every_face_is_there_and_every_image_without_one_says_why(finished):
    reasons = {row[0]: row[2] for row in table(finished, "crops")}
    assert reasons == {
        image_of(finished, "a.png"): None,
        image_of(finished, "hopper.jpg"): None,
        image_of(finished, "other.jpg"): None,
        image_of(finished, "coffee.jpg"): "no_face",
    }
    faces = finished.catalog.rows("SELECT * FROM faces WHERE state = 'kept'")
    assert {row["path"] for row in faces} == {f"data/faces/{name}" for name in face_files(finished)}
    assert len(faces) == 3


def test_a_second_run_does_nothing(workspace, cropped):
    before = outcome(workspace)
    times = {path: path.stat().st_mtime_ns for path in (workspace.data / "faces").rglob("*.png")}
    crop(workspace, override(ALONE, workers=7))  # nothing to do: nobody is started
    assert outcome(workspace) == before
    assert {path: path.stat().st_mtime_ns for path in times} == times
    crop(workspace, ALONE)
    assert cropped() == []


def test_other_settings_crop_again_and_going_back_brings_the_same_faces(workspace, cropped, capsys):
    before = outcome(workspace)
    crop(workspace, paper_recipe(ALONE))
    assert "4 images were cropped with other settings" in capsys.readouterr().err
    assert len(cropped()) == 4
    ids = [{row[0] for row in rows} for rows in (before[1], table(workspace, "faces"))]
    assert len(ids[1]) == 3
    assert not ids[0] & ids[1]
    assert not before[2].keys() & face_files(workspace).keys()  # nobody would find them for a takedown
    crop(workspace, ALONE)
    assert face_files(workspace) == before[2]
    assert table(workspace, "faces") == before[1]
    assert table(workspace, "crops") == before[0]


def test_what_a_killed_crop_has_left_is_swept_with_its_thumbnail(workspace):
    before = outcome(workspace)
    left = workspace.data / "faces" / "ab" / "ab00000000000000.png"
    thumb = thumb_path(workspace.root, "face", left.stem)
    mine = workspace.data / "faces" / "notes.txt"
    for path in (left, thumb, mine):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x")
    crop(workspace, ALONE)
    assert (left.exists(), thumb.exists(), mine.exists()) == (False, False, True)
    mine.unlink()
    assert outcome(workspace) == before


def test_a_folder_of_images_that_is_not_there_drops_nothing(workspace):
    before = outcome(workspace)
    images = workspace.data / "images"
    images.rename(workspace.root / "unmounted")
    for command in (
        lambda: crop(workspace, override(ALONE, size=64)),
        lambda: hash_and_dedupe_anew(workspace),
    ):
        with pytest.raises(BtferError, match=r"data/images does not exist.*Nothing was dropped"):
            command()
        assert outcome(workspace) == before
    (workspace.root / "unmounted").rename(images)


def hash_and_dedupe_anew(workspace):
    """Look up hashes that no longer exist."""
    workspace.catalog.connection.execute("DELETE FROM hashes")
    workspace.catalog.connection.commit()
    dedupe(workspace, DedupeRecipe(workers=0))


def test_a_deleted_face_is_made_again_and_its_place_in_the_sample_stays(workspace, cropped):
    before = outcome(workspace)
    faces = workspace.catalog.rows("SELECT face_id, image_id, path FROM faces ORDER BY face_id")
    replace_sample(
        workspace.catalog, [SampledFace(row["face_id"], "happy", n, "-") for n, row in enumerate(faces)]
    )
    (workspace.root / faces[1]["path"]).unlink()
    crop(workspace, ALONE)
    assert cropped() == [faces[1]["image_id"]]
    assert outcome(workspace) == before
    assert len(sampled_faces(workspace.catalog)) == 3


def test_a_face_that_does_not_come_back_leaves_the_sample(workspace):
    faces = [row[0] for row in table(workspace, "faces")]
    replace_sample(workspace.catalog, [SampledFace(face, "happy", n, "-") for n, face in enumerate(faces)])
    crop(workspace, override(ALONE, size=64), recrop=True)
    assert sampled_faces(workspace.catalog) == []


def test_an_image_file_that_is_gone_says_so_and_is_cropped_when_it_is_back(workspace):
    """The file disappears between dedupe and crop, as from a disk that is not mounted."""
    before = outcome(workspace)
    image = image_of(workspace, "hopper.jpg")
    path = workspace.root / workspace.catalog.value("SELECT path FROM images WHERE image_id = ?", image)
    path.rename(workspace.root / "away")
    (face,) = workspace.catalog.rows("SELECT path FROM faces WHERE image_id = ?", image)
    (workspace.root / face["path"]).unlink()  # so that it is to be cropped again
    crop(workspace, ALONE)
    assert workspace.catalog.value("SELECT reason FROM crops WHERE image_id = ?", image) == "missing_file"
    (workspace.root / "away").rename(path)
    crop(workspace, ALONE)
    assert outcome(workspace) == before


def test_images_that_no_longer_go_on_are_left_alone(workspace, cropped, capsys):
    """A larger copy replaces a photo, whose faces stay in the catalog but are not shown."""
    crawl_files(workspace, {"happy": {"larger.png": encode(data.astronaut()[0:310, 50:410], "PNG")}})
    dedupe(workspace, DedupeRecipe(workers=0, radius=16))
    crop(workspace, ALONE)
    assert cropped() == [image_of(workspace, "larger.png")]
    assert image_of(workspace, "a.png") in {row[0] for row in table(workspace, "crops")}
    shown = {row["image_id"] for row in workspace.catalog.rows("SELECT image_id FROM face_rows")}
    assert image_of(workspace, "a.png") not in shown
    capsys.readouterr()
    crop(workspace, override(ALONE, size=64))
    assert "4 images were cropped with other settings" in capsys.readouterr().err  # not 5
    assert len(cropped()) == 4
    crop(workspace, override(ALONE, size=64))
    assert "cropped again" not in capsys.readouterr().err


def test_a_margin_without_room_for_a_face_is_refused(workspace):
    before = outcome(workspace)
    with pytest.raises(BtferError, match=r"crop\.margin: 20 .* give a margin below 20"):
        crop(workspace, override(ALONE, size=40))
    assert outcome(workspace) == before


def test_one_or_two_workers_and_kill_9_in_the_middle_give_the_same(tmp_path):
    """The same rows and the same bytes as cropping undisturbed in this process."""
    undisturbed, killed = create_workspace(tmp_path / "undisturbed"), create_workspace(tmp_path / "killed")
    more = {
        "fear": {
            "b.png": encode(mirror(hopper(0.4))[:200], "PNG"),
            "c.png": encode(astronaut(100, 30, 300, 250), "PNG"),
        }
    }
    rng = np.random.default_rng(0)
    # Enough that the first shard is committed long before the last one.
    noise = [cv2.resize(rng.integers(0, 256, (8, 8, 3), np.uint8), (300, 300)) for _ in range(48)]
    more["fear"] |= {f"noise-{n}.png": encode(pixels, "PNG") for n, pixels in enumerate(noise)}
    for workspace in (undisturbed, killed):
        crawl_files(workspace, some_photos() | more)
        dedupe(workspace, DedupeRecipe(workers=0, radius=0))
    todo = len(workspace.catalog.rows("SELECT image_id FROM croppable"))
    assert todo > 10 * stage.SHARD_SIZE
    crop(undisturbed, ALONE)

    process = start_btfer(killed, "crop", "--workers", "1")
    wait_for(lambda: killed.catalog.rows("SELECT 1 FROM runs WHERE command = 'crop'"), seconds=60)
    second = btfer(killed, "crop", "--workers", "1")  # while the first one is loading the detector
    wait_for(lambda: table(killed, "crops") or process.poll() is not None, seconds=200)
    workers = children_of(process.pid)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    assert second.returncode == 1
    assert "another btfer crop is running" in second.stderr
    assert "Traceback" not in second.stderr
    assert 0 < len(table(killed, "crops")) < todo
    wait_for(lambda: not any(alive(pid) for pid in workers))

    again = btfer(killed, "crop", "--workers", "2")
    assert again.returncode == 0, again.stderr
    assert outcome(killed) == outcome(undisturbed)
    assert len(face_files(killed)) > 3


def accept_all(workspace):
    """Accept every face and draw them all."""
    faces = [row[0] for row in table(workspace, "faces") if row[2] == "kept"]
    add_decisions(
        workspace.catalog, [Decision(face, "face", "accept", "happy", None, "ana") for face in faces]
    )
    replace_sample(workspace.catalog, [SampledFace(face, "happy", n, "-") for n, face in enumerate(faces)])


def test_a_bare_run_again_keeps_what_was_reviewed(workspace, cropped):
    crop(workspace, override(ALONE, margin=24, blur_others=True))
    accept_all(workspace)
    before = outcome(workspace)
    cropped()
    refused = btfer(workspace, "crop")
    assert refused.returncode == 1
    line, *lines = refused.stderr.strip().splitlines()
    assert "3 reviewed faces and 3 faces of the sample would be dropped" in line
    assert "margin 24 → 20" in line
    assert f"btfer -w {workspace.root} crop --recrop" in line
    assert [text.strip() for text in lines] == ["[crop]", "margin = 24", "blur_others = true"]
    assert outcome(workspace) == before
    assert intentions(workspace.catalog) == []
    (workspace.root / "btfer.toml").write_text("\n".join(lines))
    assert btfer(workspace, "crop").returncode == 0
    assert outcome(workspace) == before
    done = btfer(workspace, "crop", "--margin", "20", "--no-blur-others", "--recrop")
    assert done.returncode == 0
    assert "the sample is stale: of 3 faces 3 left the set" in done.stderr
    released = btfer(workspace, "release", str(workspace.root / "out"))
    assert released.returncode == 1
    assert "the sample is stale: of 3 faces 3 left the set" in released.stderr


@pytest.mark.parametrize(
    "settings",
    [
        {"faces": "all", "min_confidence": 0.5, "min_face_size": 12},  # looser: nothing leaves
        {"min_face_size": 110},
        {"max_upscale": 1.5},
        {"size": 64, "margin": 4},
        {"align": True},
        {"fit": "stretch"},
        {"margin_unit": "source"},
        {"max_pixels": 100_000},
    ],
)
def test_what_would_leave_is_what_leaves(workspace, settings):
    """Predicted from the catalog, and then done."""
    accept_all(workspace)
    before = {row[0] for row in table(workspace, "faces") if row[2] == "kept"}
    recipe = override(ALONE, **settings)
    stored = [row[1] for row in table(workspace, "crops")]
    foreseen = lost_faces(faces_cropped_with(workspace.catalog, stored[:1]), recipe)
    said = ""
    try:
        crop(workspace, recipe)
    except BtferError as error:
        said = str(error)
        crop(workspace, recipe, recrop=True)
    after = {row[0] for row in table(workspace, "faces") if row[2] == "kept"}
    assert foreseen == before - after
    assert said.startswith(f"crop: {len(foreseen)} reviewed faces and" if foreseen else "")
    assert bool(said) == bool(foreseen)


def test_the_files_of_faces_that_leave_go_even_if_all_leave(workspace):
    crop(workspace, override(ALONE, min_face_size=1000))
    assert face_files(workspace) == {}


def test_crops_made_before_the_sizes_could_be_set_stay(workspace, cropped):
    with workspace.catalog.transaction() as db:
        db.execute("UPDATE crops SET settings = json_remove(settings, '$.search')")
    before = outcome(workspace)
    for sizes in ("safe", "fast", "full"):
        crop(workspace, override(ALONE, search=sizes))
    assert cropped() == []
    assert outcome(workspace) == before


def test_photos_cropped_before_the_search_could_be_set_are_searched_as_before(workspace, cropped):
    """A large JPEG, which replaces its smaller copy, would have another box, and its reviewed face be lost."""
    large = cv2.resize(hopper(1.0), None, fx=7, fy=7, interpolation=cv2.INTER_CUBIC)
    crawl_files(workspace, {"happy": {"large.jpg": encode(large)}})
    dedupe(workspace, DedupeRecipe(workers=0, radius=0))
    crop(workspace, override(ALONE, search="full"), recrop=True)
    with workspace.catalog.transaction() as db:
        db.execute("UPDATE crops SET settings = json_remove(settings, '$.search')")
    accept_all(workspace)
    before = {row[0] for row in table(workspace, "faces") if row[2] == "kept"}
    cropped()
    crop(workspace, override(ALONE, faces="all"))  # only adds faces, and is not refused
    assert len(cropped()) == 4
    assert before <= {row[0] for row in table(workspace, "faces") if row[2] == "kept"}
    crop(workspace, override(ALONE, faces="all"))
    assert cropped() == []


@pytest.mark.parametrize(
    ("settings", "is_lost"),
    [
        ({"blur_others": True}, True),
        ({"faces": "single"}, False),
        ({"faces": "single", "min_face_size": 20}, True),
        ({"faces": "all", "min_face_size": 20, "search": "full"}, False),
    ],
)
def test_faces_count_as_lost_where_faces_that_were_not_searched_for_matter_now(workspace, settings, is_lost):
    """A small face beside a reviewed one may be blurred in its crop, or make its photo one of several faces."""
    (stored,) = {row[1] for row in table(workspace, "crops")}
    rows = [dict(row) for row in faces_cropped_with(workspace.catalog, [stored])]
    kept = {row["face_id"] for row in rows if row["state"] == "kept"}
    recipe = override(ALONE, **settings)
    assert lost_faces(rows, recipe) == (kept if is_lost else set())
    for full in ({**json.loads(stored), "search": "full"}, {"margin": 20}):
        before = json.dumps(full)
        assert lost_faces([row | {"settings": before} for row in rows], recipe) == set()


@pytest.fixture
def moved_search(monkeypatch):
    """A search that finds every face a few pixels further right until it is called, as one of other sizes may."""
    real = cropping._search

    def further_right(*args):
        by = DETECTION_SIDE / 400
        return [
            replace(face, box=replace(face.box, x=face.box.x + by, width=face.box.width - by))
            for face in real(*args)
        ]

    monkeypatch.setattr(cropping, "_search", further_right)
    return lambda: monkeypatch.setattr(cropping, "_search", real)


@pytest.mark.parametrize("change", [{"search": "full"}, {"min_face_size": 60}, {}])
def test_no_other_search_loses_a_reviewed_face(workspace, moved_search, change):
    crop(workspace, override(ALONE, margin=21))
    accept_all(workspace)
    reviewed = face_files(workspace)
    moved_search()
    for path in (workspace.data / "faces").rglob("*.png"):
        path.unlink()  # so that all are cropped again, also with the same settings
    crop(workspace, override(ALONE, margin=21, **change))
    assert face_files(workspace) == reviewed
    assert len(sampled_faces(workspace.catalog)) == len(reviewed)
    crop(workspace, override(ALONE, margin=21, max_pixels=99_999_999), recrop=True)
    assert not face_files(workspace).keys() & reviewed.keys(), "faces are searched from scratch"


def test_faces_that_nobody_has_reviewed_are_those_of_the_search(workspace, moved_search):
    crop(workspace, override(ALONE, margin=21))
    before = face_files(workspace)
    moved_search()
    crop(workspace, override(ALONE, margin=21, search="full"))
    assert not face_files(workspace).keys() & before.keys()


def test_the_device_that_was_used_is_recorded_and_a_missing_card_named_once(workspace, capsys):
    onnx_device.cache_clear()
    for path in (workspace.data / "faces").rglob("*.png"):
        path.unlink()
    crop(workspace, override(ALONE, device="cuda"))
    (run,) = workspace.catalog.rows(
        "SELECT recipe, counts FROM runs WHERE command = 'crop' ORDER BY run_id DESC LIMIT 1"
    )
    used = json.loads(run["counts"])["device"]
    assert json.loads(run["recipe"])["device"] == "cuda"
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("device: ")]
    if used == "cpu":
        assert len(lines) == 1
    else:
        assert (used, lines) == ("cuda", [])


def test_crops_of_the_first_version_are_not_made_again(workspace, cropped):
    """The settings it stored have other keys."""
    accept_all(workspace)
    with workspace.catalog.transaction() as db:
        db.execute(
            "UPDATE crops SET settings = json_remove(json_set(settings, '$.workers', NULL, '$.gone', 1), '$.align')"
        )
    crop(workspace, ALONE)
    assert cropped() == []
