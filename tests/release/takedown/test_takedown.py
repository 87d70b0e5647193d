"""Who asks to be taken out is out: everywhere, for good, and every class keeps its number."""

import hashlib
import io
import json
import signal
import sqlite3
import subprocess
import sys

import pytest
from PIL import Image, ImageOps

from btfer_builder.catalog.funnel import funnel
from btfer_builder.catalog.leakage import remember_faces, replace_leaks
from btfer_builder.catalog.takedown import is_taken_down
from btfer_builder.config import DedupeRecipe, ReleaseRecipe, SampleRecipe
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.errors import BtferError
from btfer_builder.images.thumbnails import thumbnail
from btfer_builder.io.storage import thumb_path
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Candidate, Leak, ReferencePicture, Search, TrainingSet
from btfer_builder.release.audit import audit_release
from btfer_builder.release.diff import diff_releases, faces_in
from btfer_builder.release.stage import release
from btfer_builder.release.takedown.stage import take_down
from btfer_builder.sample.stage import sample
from tests.photos import crawl_files
from tests.release.small_set import PER_CLASS, btfer, small_set, tree


def sampled(workspace, place=0):
    """Return a face of the sample with everything that is known of it."""
    rows = workspace.catalog.rows(
        """SELECT s.face_id, s.emotion, s.path AS sample_path, f.path, f.image_id, i.path AS photo, c.url, c.page_url
           FROM sample s JOIN faces f USING (face_id) JOIN images i USING (image_id)
           JOIN fetches t USING (image_id) JOIN candidates c USING (url) ORDER BY s.emotion, s.rank"""
    )
    return dict(rows[place])


def per_class(workspace):
    rows = workspace.catalog.rows("SELECT emotion, count(*) AS n FROM sample GROUP BY emotion")
    return {row["emotion"]: row["n"] for row in rows}


def no_trace(workspace, person):
    """Check that nothing of a person is left: no file, no row, no word in any file, not even in unused pages."""
    for path in (person["path"], person["photo"], person["sample_path"]):
        assert not (workspace.root / path).exists()
    tables = [row[0] for row in workspace.catalog.rows("SELECT name FROM sqlite_master WHERE type = 'table'")]
    for table in set(tables) - {"tombstones", "release_faces", "decisions"}:
        for row in workspace.catalog.rows(f"SELECT * FROM {table}"):
            assert not {person["face_id"], person["image_id"], person["url"]} & set(row), table
    nameless = workspace.catalog.rows(
        """SELECT title, page_url, creator, attribution, license_url, sha1 FROM candidates
           WHERE url LIKE 'taken-down:%'"""
    )
    assert {tuple(row) for row in nameless} == {("",) * 6}
    workspace.catalog.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for name, content in tree(workspace.root).items():
        assert person["url"].encode() not in content, name
        assert person["page_url"].encode() not in content, name


def adds_up(workspace):
    for stage in funnel(workspace.catalog):
        assert stage.came_in == stage.kept + sum(stage.dropped.values()), stage


def test_what_a_search_in_training_sets_keeps_of_a_person_goes_too(workspace):
    person, catalog = sampled(workspace), workspace.catalog
    pictures = [ReferencePicture("set", name, "1-1", "[]") for name in ("jane-doe.jpg", "other.jpg")]
    remember_faces(catalog, pictures, "{}")
    training_set = TrainingSet("set", "set", "0" * 64, 2, 0, 8, 56, complete=True, faces=1)
    leak = Leak("set", person["face_id"], "jane-doe.jpg", "near", "face", 1, 1)
    replace_leaks(catalog, training_set, {person["face_id"]: True}, [leak])
    take_down(workspace, person["face_id"])
    assert [row["name"] for row in catalog.rows("SELECT name FROM reference_pictures")] == ["other.jpg"]
    assert not any(b"jane-doe" in content for content in tree(workspace.root).values())


def test_a_face_is_out_everywhere_and_another_takes_its_place(workspace, tmp_path):
    person = sampled(workspace)
    out = release(workspace, tmp_path / "out", ReleaseRecipe(webdataset=True)).path
    urls = release(workspace, tmp_path / "urls", ReleaseRecipe(urls_only=True)).path
    before, members = tree(workspace.root), faces_in(out)
    for kind, item, path in (("face", "face_id", "path"), ("image", "image_id", "photo")):
        assert thumbnail(workspace.root, kind, person[item], person[path])
    report = workspace.reports / "model"
    report.mkdir(parents=True)
    (report / "predictions.csv").write_text(f"face_id\n{person['face_id']}\n")
    (workspace.reports / "other").mkdir()
    (workspace.reports / "other" / "predictions.csv").write_text("face_id\nx\n")

    planned = take_down(workspace, person["face_id"], dry_run=True).to_dict()
    assert tree(workspace.root).keys() >= before.keys()
    assert faces_in(out) == members
    (next_one,) = workspace.catalog.rows(
        "SELECT face_id FROM undrawn WHERE reason = 'reserve' AND emotion = ? ORDER BY rank LIMIT 1",
        person["emotion"],
    )

    done = take_down(workspace, person["face_id"], reason="asked").to_dict()
    assert done | {"dry_run": True, "releases": planned["releases"]} == planned
    assert done["faces"] == [person["face_id"]]
    assert [image["image_id"] for image in done["images"]] == [person["image_id"]]
    assert done["urls"] == [person["url"]]
    assert done["replaced"] == [
        {
            "face_id": person["face_id"],
            "emotion": person["emotion"],
            "split": "test",
            "by": next_one["face_id"],
        }
    ]
    assert per_class(workspace) == dict.fromkeys(EMOTIONS, PER_CLASS)
    no_trace(workspace, person)
    assert not thumb_path(workspace.root, "face", person["face_id"]).exists()
    assert [path.name for path in workspace.reports.iterdir()] == ["other"]
    adds_up(workspace)
    assert {stage.stage: stage.dropped for stage in funnel(workspace.catalog)}["crawl"] == {"taken_down": 1}

    sample_files = {path.stem for path in (workspace.data / "sample").rglob("*.png")}
    assert sample_files == {row["face_id"] for row in workspace.catalog.rows("SELECT face_id FROM sample")}
    assert not workspace.catalog.rows("SELECT * FROM undrawn WHERE face_id = ?", next_one["face_id"])
    assert done["releases"] == [{"path": str(out), "version": 2}, {"path": str(urls), "version": 2}]
    for folder in (out, urls):
        info = json.loads((folder / "release.json").read_text())
        assert info["version"] == 2
        assert [face["face_id"] for face in info["changes"]["removed"]] == [person["face_id"]]
        assert [face["face_id"] for face in info["changes"]["added"]] == [next_one["face_id"]]
        assert audit_release(folder).findings == []
        files = tree(folder)
        del files["release.json"]  # it says which id was removed
        assert not [name for name, content in files.items() if person["face_id"].encode() in content]
    assert diff_releases(out, urls).is_empty
    assert {path.name for path in tmp_path.iterdir()} == {"faces", "out", "urls"}


@pytest.mark.parametrize(
    "how", ["image id", "url", "url with tracking", "page", "photo", "face", "small", "mirrored"]
)
def test_every_way_to_name_a_picture(workspace, tmp_path, how):
    person = sampled(workspace, 7)
    photo, face = workspace.root / person["photo"], workspace.root / person["path"]
    given = tmp_path / "given.png"
    if how == "photo":
        given.write_bytes(photo.read_bytes())
    elif how == "face":
        given.write_bytes(face.read_bytes())
    elif how == "small":
        Image.open(photo).resize((50, 50)).save(given)
    elif how == "mirrored":
        given = given.with_suffix(".jpg")
        ImageOps.mirror(Image.open(photo)).save(given, quality=90)
    target = {
        "image id": person["image_id"].upper(),
        "url": person["url"],
        "url with tracking": person["url"].replace("photos.example", "PHOTOS.example:443")
        + "?utm_source=x#top",
        "page": person["page_url"],
    }.get(how, str(given))
    done = take_down(workspace, target)
    assert list(done.matches.reasons) == [person["image_id"]]
    no_trace(workspace, person)
    assert per_class(workspace) == dict.fromkeys(EMOTIONS, PER_CLASS)
    stones = workspace.catalog.rows("SELECT * FROM tombstones")
    assert hashlib.sha256(person["url"].encode()).hexdigest() in {row["url_sha256"] for row in stones}
    assert person["image_id"] in {row["image_id"] for row in stones}


def test_copies_go_too_and_others_stay(workspace):
    person, copy, other = (sampled(workspace, place) for place in (0, 4, 8))
    with workspace.catalog.transaction() as db:
        db.execute(
            """UPDATE dedupes SET state = 'dropped', reason = 'near_duplicate', duplicate_of = ?, kind = 'near',
               distance = 5, fine_distance = 20 WHERE image_id = ?""",
            (person["image_id"], copy["image_id"]),
        )
    done = take_down(workspace, copy["image_id"])
    assert set(done.matches.reasons) == {person["image_id"], copy["image_id"]}
    for each in (person, copy):
        no_trace(workspace, each)
    assert (workspace.root / other["photo"]).exists()
    assert (workspace.root / other["path"]).exists()
    adds_up(workspace)


def test_a_photo_with_a_copy_of_the_face_goes_too(workspace):
    person, copy = sampled(workspace, 0), sampled(workspace, 4)
    with workspace.catalog.transaction() as db:
        db.execute(
            "INSERT INTO face_dedupes VALUES (?, 'kept', NULL, NULL, NULL, NULL, NULL, 0)",
            (person["face_id"],),
        )
        db.execute(
            "INSERT INTO face_dedupes VALUES (?, 'dropped', 'near_duplicate', ?, 'near', 2, 0, 0)",
            (copy["face_id"], person["face_id"]),
        )
    done = take_down(workspace, person["face_id"])
    assert done.matches.reasons == {person["image_id"]: "named", copy["image_id"]: "has a copy of its face"}
    for each in (person, copy):
        no_trace(workspace, each)


def test_nothing_known_is_said_and_an_address_still_gets_a_tombstone(workspace):
    before = tree(workspace.data)
    for target in ("0123456789abcdef", "no-such-file.png"):
        with pytest.raises(BtferError, match=f"{target}.* is not a known face id"):
            take_down(workspace, target)
    done = take_down(workspace, "https://elsewhere.example/ana.jpg")
    assert done.matches.reasons == {}
    (stone,) = workspace.catalog.rows("SELECT url_sha256 FROM tombstones")
    assert stone["url_sha256"] == hashlib.sha256(b"https://elsewhere.example/ana.jpg").hexdigest()
    assert tree(workspace.data) == before
    (workspace.root / "note.png").write_text("no picture")
    with pytest.raises(BtferError, match=r"note\.png cannot be read as an image"):
        take_down(workspace, str(workspace.root / "note.png"))


def test_a_class_without_reserve_is_short_and_says_so(workspace):
    for gone in range(1, 6):
        done = take_down(workspace, sampled(workspace)["face_id"])
        left = 5 - gone
        assert per_class(workspace)["angry"] if left else "angry" not in per_class(workspace)
        assert done.short == ({} if left >= PER_CLASS else {"angry": 1})
    assert sum(per_class(workspace).values()) == 6 * PER_CLASS
    adds_up(workspace)


def test_a_gap_is_filled_by_a_face_that_the_caps_and_splits_allow(tmp_path):
    creators = {}

    def creator(candidate):
        return creators.setdefault(candidate, f"creator {len(creators) % 5}")

    workspace, _ = small_set(tmp_path / "w", creator=creator, splits={"train": 1, "test": 1}, per_creator=0)
    for _ in range(6):
        take_down(workspace, sampled(workspace, 3)["face_id"])
    rows = workspace.catalog.rows(
        """SELECT s.split, c.creator FROM sample s JOIN faces f USING (face_id) JOIN fetches t USING (image_id)
           JOIN candidates c USING (url)"""
    )
    splits = {}
    for row in rows:
        splits.setdefault(row["creator"], set()).add(row["split"])
    assert all(len(each) == 1 for each in splits.values())
    folders = {
        path.parent.relative_to(workspace.data / "sample").as_posix()
        for path in workspace.data.rglob("sample/*/*/*.png")
    }
    assert folders <= {f"{split}/{emotion}" for split in ("train", "test") for emotion in EMOTIONS}


def test_a_gap_is_filled_from_the_same_cell_if_it_can(workspace):
    catalog = workspace.catalog
    with catalog.transaction() as db:
        db.execute(
            """INSERT INTO searches (search_id, engine, query, language, emotion, query_ethnicity, query_gender,
                                     query_age, expression, results_requested, error)
               SELECT search_id + 100, engine, query || ' man', language, emotion, query_ethnicity,
               'male', query_age, expression, results_requested, error FROM searches WHERE query NOT LIKE 'also%'"""
        )
        db.execute("UPDATE candidates SET search_id = search_id + 100 WHERE rank > 3")
    sample(workspace, SampleRecipe(per_class=2, stratify=("query_gender",)))
    gender = dict(catalog.connection.execute("SELECT face_id, query_gender FROM face_rows").fetchall())
    first = [row["face_id"] for row in catalog.rows("SELECT face_id FROM sample ORDER BY face_id")]
    assert sorted(gender[face] for face in first) == ["female"] * 7 + ["male"] * 7
    for face in first:
        (one,) = take_down(workspace, face).replacements
        assert gender[one.by] == gender[face]


def test_no_later_crawl_brings_it_back(tmp_path, workspace):
    """The same address, the same file from elsewhere, and the same picture as another file."""
    person = sampled(workspace)
    photo = (workspace.root / person["photo"]).read_bytes()
    file = io.BytesIO()
    Image.open(io.BytesIO(photo)).resize((200, 200)).save(file, "JPEG", quality=70)
    crop = io.BytesIO()
    Image.open(workspace.root / person["path"]).resize((300, 300)).save(crop, "JPEG", quality=80)
    take_down(workspace, person["face_id"])

    from btfer_builder.catalog.fetches import waiting_urls
    from btfer_builder.catalog.searches import add_search

    search = Search("urls", "x", "en", "happy", "", "", "", "happy")
    again = Candidate(1, person["url"], person["page_url"], "Ana Müller", "by", creator="Ana Müller")
    add_search(workspace.catalog, search, [again], 1)
    assert waiting_urls(workspace.catalog, ["urls"]) == []
    no_trace(workspace, person)
    assert "Müller" not in str([tuple(row) for row in workspace.catalog.rows("SELECT * FROM candidates")])

    images = {row["image_id"] for row in workspace.catalog.rows("SELECT image_id FROM images")}
    crawl_files(
        workspace, {"happy": {"same.png": photo, "like.jpg": file.getvalue(), "face.jpg": crop.getvalue()}}
    )
    fates = workspace.catalog.rows("SELECT url, reason FROM fetches WHERE url LIKE 'file:%'")
    assert {row["url"].rpartition("/")[2]: row["reason"] for row in fates} == {
        "like.jpg": None,
        "face.jpg": None,
    }
    assert (
        workspace.catalog.rows("SELECT * FROM candidates WHERE url LIKE '%same.png' OR title LIKE '%same%'")
        == []
    )
    same = (workspace.root / "pictures/happy/same.png").as_uri()
    assert is_taken_down(workspace.catalog, same)
    assert person["image_id"] not in {
        row["image_id"] for row in workspace.catalog.rows("SELECT image_id FROM images")
    }
    assert not (workspace.root / person["photo"]).exists()

    dedupe(workspace, DedupeRecipe(workers=0))
    new = {row["image_id"] for row in workspace.catalog.rows("SELECT image_id FROM images")} - images
    # These small pictures of noise change a lot when they are compressed: what hashes leave open is held, others go.
    rows = workspace.catalog.rows("SELECT image_id, kind, reason FROM dedupes WHERE duplicate_of IS NULL")
    assert {row["kind"] for row in rows if row["image_id"] in new} <= {"taken_down"}
    assert not [row for row in rows if row["reason"] == "taken_down"]
    waiting = {
        row["image_id"] for row in workspace.catalog.rows("SELECT image_id FROM image_rows WHERE conflict")
    }
    kept = workspace.catalog.rows("SELECT image_id FROM dedupes WHERE state = 'kept'")
    assert new & {row["image_id"] for row in kept} <= waiting
    adds_up(workspace)


MOMENTS = {
    "while deleting": "takedown.erase = lambda *_, **__: die()",
    "before the sample is written": "takedown._write_sample = lambda *_: die()",
    "before the release is written": "takedown._write_again = lambda *_: die()",
    "in the swap of the release": "rename = Path.rename\n"
    "Path.rename = lambda path, target: die() if Path(target).name == 'out' else rename(path, target)",
    "after the release is written": "takedown.record_release = lambda *_: die()",
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_killed_at_any_moment_the_same_command_finishes_it(workspace, tmp_path, moment):
    person = sampled(workspace)
    out = release(workspace, tmp_path / "out", ReleaseRecipe()).path
    script = (
        "import os, signal; from pathlib import Path\n"
        "from btfer_builder.release.takedown import stage as takedown\n"
        "from btfer_builder.workspace import Workspace\n"
        "die = lambda: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"{MOMENTS[moment]}\n"
        f"takedown.take_down(Workspace(Path({str(workspace.root)!r})), {person['face_id']!r})"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -signal.SIGKILL
    take_down(workspace, person["face_id"])
    no_trace(workspace, person)
    assert per_class(workspace) == dict.fromkeys(EMOTIONS, PER_CLASS)
    assert len(list((workspace.data / "sample").rglob("*.png"))) == 7 * PER_CLASS
    assert person["face_id"] not in faces_in(out)
    assert json.loads((out / "release.json").read_text())["version"] == 2
    assert {path.name for path in tmp_path.iterdir()} == {"faces", "out"}


def test_a_release_that_is_gone_is_named(workspace, tmp_path):
    out = release(workspace, tmp_path / "out", ReleaseRecipe()).path
    out.rename(tmp_path / "elsewhere")
    done = take_down(workspace, sampled(workspace)["face_id"])
    assert (done.releases, done.gone_releases) == ([], [str(out)])


def test_decisions_stay_as_they_were(workspace):
    before = [tuple(row) for row in workspace.catalog.rows("SELECT * FROM decisions")]
    take_down(workspace, sampled(workspace)["face_id"])
    assert [tuple(row) for row in workspace.catalog.rows("SELECT * FROM decisions")] == before
    assert workspace.catalog.value("PRAGMA integrity_check") == "ok"
    assert workspace.catalog.rows("PRAGMA foreign_key_check") == []


def test_other_commands_wait(workspace):
    person = sampled(workspace)
    with workspace.stage("crop"), pytest.raises(BtferError, match="another btfer crop is running"):
        take_down(workspace, person["face_id"])
    assert (workspace.root / person["path"]).exists()


def test_the_command(workspace, tmp_path):
    release(workspace, tmp_path / "out", ReleaseRecipe())
    person = sampled(workspace)
    shown = btfer(workspace, "takedown", person["face_id"], "--dry-run")
    assert shown.exit_code == 0, shown.stderr
    assert "1 image, 1 face" in shown.stdout
    assert "would be deleted" in shown.stdout
    assert (workspace.root / person["path"]).exists()
    done = btfer(workspace, "takedown", person["face_id"], "--json", "--reason", "asked")
    assert json.loads(done.stdout)["dry_run"] is False
    with sqlite3.connect(workspace.manifests / "btfer.sqlite") as db:
        assert {why for (why,) in db.execute("SELECT reason FROM tombstones")} == {"asked"}
    no_trace(workspace, person)
