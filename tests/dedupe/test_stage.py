"""The dedupe stage on a real workspace: results, reruns and crashes."""

import signal
import time
from functools import partial

import cv2
import pytest

from btfer_builder.catalog.dedupe import unhashed_images
from btfer_builder.catalog.review import add_decisions
from btfer_builder.config import DedupeRecipe, override
from btfer_builder.dedupe import stage
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.errors import BtferError
from btfer_builder.images.hashing import hash_images
from btfer_builder.records import Decision
from btfer_builder.workspace import create_workspace
from demo.pictures import bomb, encode
from tests.parallel.deadly import die_on
from tests.photos import astronaut, btfer, crawl_files, hopper, some_photos, start_btfer, table
from tests.processes import alive, children_of, wait_for

ALONE = DedupeRecipe(workers=0)


@pytest.fixture
def workspace(tmp_path):
    workspace = create_workspace(tmp_path)
    crawl_files(workspace, some_photos() | {"sad": {"bomb.png": bomb(12_000)}})
    return workspace


def names(workspace):
    """Return image ids by the names of the files they came from."""
    rows = workspace.catalog.rows("SELECT url, image_id FROM fetches")
    return {row["url"].rpartition("/")[2]: row["image_id"] for row in rows}


def outcome(workspace):
    """Return the result of each file, by name: reason, duplicate of, conflict."""
    of = {image_id: name for name, image_id in names(workspace).items()}
    rows = workspace.catalog.rows("SELECT * FROM dedupes")
    return {
        of[row["image_id"]]: (row["reason"], of.get(row["duplicate_of"]), bool(row["conflict"]))
        for row in rows
    }


def test_what_is_kept_of_a_folder_of_photos(workspace):
    dedupe(workspace, ALONE)
    assert outcome(workspace) == {
        "a.png": (None, None, False),
        "pixels.bmp": ("same_pixels", "a.png", False),
        "near.jpg": ("near_duplicate", "a.png", False),
        "mirrored.jpg": ("mirrored_duplicate", "a.png", False),
        "hopper.jpg": (None, None, True),
        "hopper-again.png": ("near_duplicate", "hopper.jpg", True),
        "other.jpg": (None, None, False),
        "coffee.jpg": (None, None, False),
        "cut.jpg": ("unreadable", None, False),
        "bomb.png": ("too_large", None, False),
    }
    kept = {name for name, (reason, _, _) in outcome(workspace).items() if reason is None}
    listed = (workspace.manifests / "duplicates.csv").read_text().splitlines()
    assert len(listed) - 1 == len(outcome(workspace)) - len(kept) - 2  # the broken ones repeat nothing


def test_settings_count_and_going_back_gives_the_same(workspace):
    dedupe(workspace, ALONE)
    first = table(workspace, "dedupes")
    dedupe(workspace, DedupeRecipe(workers=0, mirrored=False, radius=0))
    assert outcome(workspace)["mirrored.jpg"] == (None, None, False)
    assert outcome(workspace)["near.jpg"][0] in {None, "near_duplicate"}
    dedupe(workspace, ALONE)
    assert table(workspace, "dedupes") == first


@pytest.mark.parametrize("workers", [1, 2])
def test_any_number_of_workers_gives_the_same(workspace, tmp_path, workers):
    dedupe(workspace, ALONE)
    other = create_workspace(tmp_path / "other")
    crawl_files(other, some_photos() | {"sad": {"bomb.png": bomb(12_000)}})
    dedupe(other, DedupeRecipe(workers=workers))
    for name in ("hashes", "dedupes"):
        assert table(other, name) == table(workspace, name)
    duplicates = [w.manifests / "duplicates.csv" for w in (workspace, other)]
    assert duplicates[0].read_bytes() == duplicates[1].read_bytes()


def test_a_second_run_decodes_nothing_it_knows(workspace, monkeypatch):
    dedupe(workspace, ALONE)
    rows = table(workspace, "hashes"), table(workspace, "dedupes")
    decoded = []

    def hash_and_note(items, root, max_pixels):
        decoded.extend(items)
        return hash_images(items, root, max_pixels)

    monkeypatch.setattr(stage, "hash_images", hash_and_note)
    dedupe(workspace, ALONE)
    assert [image_id for image_id, _ in decoded] == [
        names(workspace)["bomb.png"]
    ]  # its header may be allowed now
    assert (table(workspace, "hashes"), table(workspace, "dedupes")) == rows


def test_new_images_are_compared_with_all_the_old_ones(workspace):
    dedupe(workspace, ALONE)
    larger = cv2.resize(astronaut(), None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
    crawl_files(workspace, {"fear": {"larger.png": encode(larger, "PNG")}})
    dedupe(workspace, ALONE)
    assert outcome(workspace)["larger.png"] == (None, None, True)  # and it was found as another emotion
    assert outcome(workspace)["a.png"] == ("near_duplicate", "larger.png", True)


def test_a_file_that_is_gone_says_so_and_is_hashed_when_it_is_back(workspace):
    path = workspace.data / "images"
    gone = path / names(workspace)["coffee.jpg"][:2]
    away = workspace.root / "away"
    gone.rename(away)
    dedupe(workspace, ALONE)
    assert outcome(workspace)["coffee.jpg"][0] == "missing_file"
    away.rename(gone)
    dedupe(workspace, ALONE)
    assert outcome(workspace)["coffee.jpg"][0] is None


def test_an_image_that_was_too_large_is_hashed_when_it_is_allowed(workspace):
    photo = astronaut()
    size = photo.shape[0] * photo.shape[1]
    dedupe(workspace, DedupeRecipe(workers=0, max_pixels=size - 1))
    assert outcome(workspace)["a.png"][0] == "too_large"
    dedupe(workspace, DedupeRecipe(workers=0, max_pixels=size))
    assert outcome(workspace)["a.png"][0] is None


def test_a_file_that_kills_the_decoder_is_the_only_one_lost(workspace, tmp_path, monkeypatch):
    """Against a decoder that segfaults there is no real file: this one dies on one of ours."""
    monkeypatch.setattr(stage, "hash_images", partial(die_on, guilty=names(workspace)["coffee.jpg"]))
    dedupe(workspace, DedupeRecipe(workers=2))
    results = outcome(workspace)
    assert results.pop("coffee.jpg") == ("crashed_decoder", None, False)
    monkeypatch.undo()
    other = create_workspace(tmp_path / "other")
    crawl_files(other, some_photos() | {"sad": {"bomb.png": bomb(12_000)}})
    dedupe(other, ALONE)
    undisturbed = outcome(other)
    del undisturbed["coffee.jpg"]
    assert results == undisturbed


def many_photos():
    """Return a few hundred different pictures that take a while to decode."""
    large = cv2.resize(hopper(1.0), (1000, 1200))
    return {
        "happy": {
            f"{n}.jpg": encode(large[n : n + 900, 3 * n : 3 * n + 700], quality=80) for n in range(0, 90)
        }
    }


def test_killed_in_the_middle_and_run_again(tmp_path):
    files = many_photos()
    undisturbed, killed = create_workspace(tmp_path / "undisturbed"), create_workspace(tmp_path / "killed")
    for workspace in (undisturbed, killed):
        crawl_files(workspace, files)
    dedupe(undisturbed, ALONE)

    process = start_btfer(killed, "dedupe", "--workers", "1")
    wait_for(lambda: len(unhashed_images(killed.catalog)) < 90 or process.poll() is not None)
    workers = children_of(process.pid)
    process.kill()
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    hashed = 90 - len(unhashed_images(killed.catalog))
    assert 0 < hashed < 90
    wait_for(lambda: not any(alive(pid) for pid in workers))

    again = btfer(killed, "dedupe", "--workers", "1")
    assert again.returncode == 0, again.stderr
    for name in ("hashes", "dedupes"):
        assert table(killed, name) == table(undisturbed, name)


def test_a_second_command_at_once_is_told_so(workspace):
    with workspace.stage("dedupe"):
        started = time.monotonic()
        second = btfer(workspace, "dedupe", "--workers", "0")
        assert time.monotonic() - started < 20
    assert second.returncode == 1
    assert "another btfer dedupe is running" in second.stderr
    assert "Traceback" not in second.stderr
    assert table(workspace, "dedupes") == []


def test_what_is_kept_depends_on_the_limit_of_now(workspace):
    dedupe(workspace, ALONE)
    before = outcome(workspace)
    dedupe(workspace, override(ALONE, max_pixels=10_000))
    assert outcome(workspace)["a.png"][0] == outcome(workspace)["near.jpg"][0] == "too_large"
    dedupe(workspace, ALONE)
    assert outcome(workspace) == before


@pytest.mark.parametrize("verdict", ["accept", "reject"])
def test_no_better_copy_replaces_a_reviewed_photo(workspace, verdict):
    dedupe(workspace, ALONE)
    photo = names(workspace)["a.png"]
    answer = ("sad", None) if verdict == "accept" else (None, "other")
    add_decisions(workspace.catalog, [Decision(photo, "image", verdict, *answer, "ana")])
    larger = cv2.resize(astronaut(), None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    crawl_files(workspace, {"happy": {"larger.png": encode(larger, "PNG")}})
    dedupe(workspace, ALONE)
    assert outcome(workspace)["a.png"][0] is None
    assert outcome(workspace)["larger.png"][:2] == ("near_duplicate", "a.png")
    groups = workspace.catalog.rows("SELECT kept_because FROM duplicate_groups WHERE item_id = ?", photo)
    assert [row["kept_because"] for row in groups] == ["reviewed"]
    state = table(workspace, "dedupes")
    dedupe(workspace, ALONE)
    assert table(workspace, "dedupes") == state


def test_reviewed_photos_that_repeat_each_other_are_dropped_only_on_request(workspace):
    dedupe(workspace, ALONE)
    photos = {row["image_id"] for row in workspace.catalog.rows("SELECT image_id FROM dedupes")}
    kept, copy = names(workspace)["a.png"], names(workspace)["near.jpg"]
    with workspace.catalog.transaction() as db:  # as a version with another rule left them
        db.execute("UPDATE dedupes SET state = 'kept', reason = NULL, duplicate_of = NULL, kind = NULL")
    add_decisions(
        workspace.catalog, [Decision(photo, "image", "accept", "sad", None, "ana") for photo in (kept, copy)]
    )
    before = table(workspace, "dedupes")
    with pytest.raises(BtferError, match=r"1 reviewed images would be dropped because they repeat other"):
        dedupe(workspace, ALONE)
    assert table(workspace, "dedupes") == before
    dedupe(workspace, ALONE, regroup=True)
    assert outcome(workspace)["near.jpg"][0] == "near_duplicate"
    dedupe(workspace, ALONE)
    assert {row["image_id"] for row in workspace.catalog.rows("SELECT image_id FROM dedupes")} == photos
