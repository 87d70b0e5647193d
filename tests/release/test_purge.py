"""What is no longer needed is deleted, and everything after it goes on without the files."""

import json

import pytest

from btfer_builder.catalog.backup import back_up
from btfer_builder.catalog.funnel import funnel
from btfer_builder.catalog.intentions import record
from btfer_builder.catalog.purge import FileRow, purged_ids, record_purged
from btfer_builder.catalog.review import add_decisions, review_items
from btfer_builder.catalog.searches import add_search
from btfer_builder.config import CrawlRecipe, CropRecipe, DedupeRecipe, ReleaseRecipe, SampleRecipe
from btfer_builder.crawl.download import CrawlCounts, download
from btfer_builder.crop.stage import crop
from btfer_builder.dedupe.face_stage import dedupe_faces
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.errors import BtferError
from btfer_builder.images.decode import is_whole_png
from btfer_builder.images.thumbnails import thumbnail
from btfer_builder.io.storage import thumb_path
from btfer_builder.labels import EMOTIONS
from btfer_builder.reasons import REASONS
from btfer_builder.reconcile import STAGES, reconcile
from btfer_builder.records import Candidate, Decision, Search
from btfer_builder.recovery import check_catalog, restore_catalog
from btfer_builder.release.purge import purge
from btfer_builder.release.stage import release
from btfer_builder.release.takedown.stage import take_down
from btfer_builder.sample.stage import sample
from btfer_builder.workspace import Workspace
from tests.release.small_set import FACES, PER_CLASS, btfer, small_set, tree, web_of

N = len(EMOTIONS)
SIZE_OTHER = 56


@pytest.fixture
def workspace(tmp_path):
    """A sample of 3 of 5 faces a class, and one in reserve."""
    workspace, _ = small_set(tmp_path / "faces", reserve=1)
    toml = workspace.root / "btfer.toml"
    toml.write_text(toml.read_text().replace("workers = 2", "workers = 0", 1))  # of dedupe
    return Workspace(workspace.root)


def files(workspace, folder):
    return sorted(path.stem for path in (workspace.root / "data" / folder).rglob("*") if path.is_file())


def sampled(workspace):
    return sorted(row[0] for row in workspace.catalog.rows("SELECT face_id FROM sample"))


def adds_up(workspace):
    stages = {stage.stage: stage for stage in funnel(workspace.catalog)}
    for stage in stages.values():
        assert stage.came_in == stage.kept + sum(stage.dropped.values()), stage
    assert stages["review-faces"].kept == stages["sample"].came_in
    return stages


def test_a_dry_run_says_what_goes_and_deletes_nothing(workspace):
    (image,) = workspace.catalog.rows("SELECT image_id, path FROM images LIMIT 1")
    assert thumbnail(workspace.root, "image", *image)
    before = tree(workspace.root / "data")
    for result in (
        json.loads(btfer(workspace, "purge", "--keep", "sample", "--json").stdout),
        purge(workspace, "sample").to_dict(),
    ):
        photos = {name: content for name, content in before.items() if name.startswith("images")}
        assert result["deleted"]["photos"] == {"files": N * FACES, "bytes": sum(map(len, photos.values()))}
        assert result["deleted"]["faces"]["files"] == N * (FACES - PER_CLASS - 1)
        assert result["deleted"]["thumbnails"]["files"] == 1
        assert (result["faces"], result["kept"]["files"]) == ({"accepted": N}, N * (PER_CLASS + 1))
    said = btfer(workspace, "purge", "--keep", "sample")
    assert f"btfer -w {workspace.root} purge --keep sample --yes" in said.stderr
    assert tree(workspace.root / "data") == before
    assert not purged_ids(workspace.catalog, "image")


def test_only_what_is_needed_stays_and_all_goes_on(workspace, tmp_path):
    dedupe(workspace, DedupeRecipe())
    face = workspace.catalog.value("SELECT face_id FROM undrawn WHERE reason = 'not_drawn'")
    add_decisions(workspace.catalog, [
        Decision(face, "face", "reject", reason="occluded", reviewer=name) for name in ("ana", "bo")
    ])  # fmt: skip
    first = release(workspace, tmp_path / "v1", ReleaseRecipe())
    assert "keep the original photos" in (first.path / "DATASHEET.md").read_text()
    assert btfer(workspace, "purge", "--keep", "release", "--yes").exit_code == 0
    kept = sampled(workspace)
    assert (files(workspace, "images"), files(workspace, "faces"), files(workspace, "sample")) == (
        [],
        kept,
        kept,
    )

    stages = adds_up(workspace)
    assert stages["sample"].dropped == {"purged": N * (FACES - PER_CLASS) - 1}
    assert stages["review-faces"].dropped == {"occluded": 1}
    assert {item.item_id for item in review_items(workspace.catalog, "face")} == set(kept)
    assert review_items(workspace.catalog, "image") == []
    assert check_catalog(workspace).problems == []
    shown = json.loads(btfer(workspace, "status", "--json").stdout)
    assert shown["purged"]["photos"] == N * FACES
    assert {line["short"] for line in shown["forecast"]} == {shown["forecast"][0]["wanted"] - PER_CLASS}

    before = tree(workspace.root / "data")
    crop(workspace, CropRecipe(size=SIZE_OTHER, workers=0))  # other settings: there is nothing to crop again
    dedupe(workspace, DedupeRecipe(workers=0))
    dedupe_faces(workspace, DedupeRecipe(workers=0))
    sample(workspace, SampleRecipe(per_class=PER_CLASS, reserve=1))
    assert tree(workspace.root / "data") == before
    assert sampled(workspace) == kept
    assert adds_up(workspace)["sample"].dropped == {"purged": N * (FACES - PER_CLASS) - 1}
    second = release(workspace, tmp_path / "v2", ReleaseRecipe())
    assert second.statistics.content_hash == first.statistics.content_hash
    text = (second.path / "DATASHEET.md").read_text()
    assert f"deleted {N * FACES} photos and {N * (FACES - PER_CLASS)} faces" in text
    assert purge(workspace, "release", dry_run=False).total.files == 0


def test_faces_nobody_reviewed_are_dropped_as_purged(workspace):
    catalog = workspace.catalog
    face = catalog.value("SELECT face_id FROM undrawn WHERE reason = 'not_drawn'")
    ids = [row[0] for row in catalog.rows("SELECT decision_id FROM decisions WHERE item_id = ?", face)]
    with catalog.transaction() as db:
        for number in ids:
            db.execute(
                """INSERT INTO decisions (item_id, kind, verdict, reviewer, undoes, decided_at)
                   SELECT item_id, kind, 'undo', reviewer, decision_id, '' FROM decisions WHERE decision_id = ?""",
                (number,),
            )
    assert adds_up_waiting(workspace)["review-faces"].waiting == 1
    assert purge(workspace, "sample", dry_run=False).faces == {"accepted": N - 1, "unreviewed": 1}
    stages = adds_up(workspace)
    assert stages["review-faces"].waiting == 0
    assert stages["dedupe-faces"].dropped == {"purged": 1}
    assert set(stages["dedupe-faces"].dropped) <= set(REASONS["dedupe"])


def adds_up_waiting(workspace):
    return {stage.stage: stage for stage in funnel(workspace.catalog)}


def test_photos_that_were_never_cropped_are_dropped_as_purged(workspace):
    catalog = workspace.catalog
    face = catalog.value("SELECT face_id FROM undrawn WHERE reason = 'not_drawn'")
    with catalog.transaction() as db:
        db.execute(
            "DELETE FROM crops WHERE image_id = (SELECT image_id FROM faces WHERE face_id = ?)", (face,)
        )
    purge(workspace, "sample", dry_run=False)
    crop(workspace, CropRecipe(workers=0))
    stages = adds_up(workspace)
    assert (stages["crop"].waiting, stages["crop"].dropped) == (0, {"purged": 1})


def test_what_must_be_kept_is_checked_first(workspace, tmp_path):
    for keep, change, words in (
        ("release", lambda: None, "no release to keep"),
        (
            "sample",
            lambda: next((workspace.data / "sample").rglob("*.png")).write_bytes(b""),
            "missing or was changed",
        ),
        ("sample", lambda: sample(workspace, SampleRecipe(per_class=PER_CLASS, reserve=1)), None),
    ):
        change()
        before = tree(workspace.root / "data")
        if words:
            with pytest.raises(BtferError, match=words):
                purge(workspace, keep, dry_run=False)
            assert tree(workspace.root / "data") == before
    release(workspace, tmp_path / "v1", ReleaseRecipe())
    sample(workspace, SampleRecipe(per_class=PER_CLASS + 1))
    with pytest.raises(BtferError, match="in no release"):
        purge(workspace, "release", dry_run=False)
    crops = [workspace.root / row[0] for row in workspace.catalog.rows(
        "SELECT f.path FROM sample JOIN faces f USING (face_id)")]  # fmt: skip
    crops[0].unlink()  # the last chance to make it again
    purge(workspace, "sample", dry_run=False)
    assert is_whole_png(crops[0].read_bytes())


def test_a_takedown_finds_and_replaces_after_a_purge(workspace, tmp_path):
    out = release(workspace, tmp_path / "v1", ReleaseRecipe()).path
    purge(workspace, "sample", dry_run=False)
    gone = workspace.catalog.rows(
        """SELECT f.face_id, f.image_id, i.path FROM purged p JOIN faces f ON f.face_id = p.item_id
           JOIN images i USING (image_id) WHERE p.kind = 'face' ORDER BY 1 LIMIT 2"""
    )
    assert take_down(workspace, gone[0]["face_id"]).matches.faces == [gone[0]["face_id"]]
    for person in gone[1:]:
        (url,) = workspace.catalog.rows("SELECT url FROM fetches WHERE image_id = ?", person["image_id"])[0]
        assert person["image_id"] in take_down(workspace, url).matches.reasons
        assert person["image_id"] not in purged_ids(workspace.catalog, "image")
        look = workspace.catalog.rows("SELECT phash FROM tombstones WHERE face_id = ?", person["face_id"])
        assert any(row["phash"] for row in look)
    face = sampled(workspace)[0]
    done = take_down(workspace, face)
    assert [item.by is None for item in done.replacements] == [False]  # from the reserve, which was kept
    assert done.releases == [(str(out), 2)]
    adds_up(workspace)


def test_a_picture_of_a_purged_face_is_found_by_its_hashes(workspace, tmp_path):
    path, face = workspace.catalog.rows(
        "SELECT path, face_id FROM faces JOIN undrawn USING (face_id) WHERE undrawn.reason = 'not_drawn'"
    )[0]
    mailed = tmp_path / "mailed.png"
    mailed.write_bytes((workspace.root / path).read_bytes())
    purge(workspace, "sample", dry_run=False)
    assert face in take_down(workspace, str(mailed), dry_run=True).matches.faces


def test_the_same_bytes_at_another_address_do_not_bring_a_file_back(workspace):
    with web_of(workspace) as pages:
        purge(workspace, "sample", dry_run=False)
        urls = [row[0] for row in workspace.catalog.rows("SELECT url FROM fetches ORDER BY url LIMIT 2")]
        paths = ["/" + url.split("/", 3)[3] for url in urls]
        pages["/again.png"] = pages[paths[0]]
        again = urls[0].removesuffix(paths[0]) + "/again.png"
        search = Search("openverse", "again", "en", "happy", "", "", "", "happy")
        add_search(workspace.catalog, search, [Candidate(1, again, again)], requested=1)
        recipe = CrawlRecipe(allow_private_hosts=True, contact="me@uni.edu", connections=2, tries=1)
        download(workspace, recipe, ["openverse", "bing", "folder"], lambda: True, CrawlCounts())
    assert workspace.catalog.value("SELECT image_id FROM fetches WHERE url = ?", again)
    assert files(workspace, "images") == []


def test_a_killed_purge_is_completed_by_the_next_command(workspace):
    row = workspace.catalog.rows("SELECT image_id, path FROM images LIMIT 1")[0]
    with workspace.catalog.transaction() as db:
        record_purged(db, [(FileRow("image", row["image_id"], row["path"], "photo"), 1)], "sample")
        record(db, "crawl", "data/images")
    reconcile(workspace, *STAGES)
    assert not (workspace.root / row["path"]).exists()
    assert len(files(workspace, "images")) == N * FACES - 1


def test_a_restored_backup_knows_what_was_purged(workspace):
    backup = back_up(workspace.catalog.connection, workspace.backups)
    purge(workspace, "sample", dry_run=False)
    restore_catalog(workspace, backup)
    assert check_catalog(Workspace(workspace.root)).problems == []
    assert thumb_path(workspace.root, "face", sampled(workspace)[0]).exists() is False
