"""A release is whole, repeatable, and refuses what it must not hold."""

import csv
import json
import re
import shutil
import signal
import subprocess
import sys
from random import Random

import pytest

from btfer_builder.catalog.catalog import MIGRATIONS
from btfer_builder.catalog.intentions import intentions
from btfer_builder.catalog.review import add_decisions
from btfer_builder.config import ReleaseRecipe, SampleRecipe
from btfer_builder.datasets.labelled_faces import faces_in_folder
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Decision
from btfer_builder.release.audit import audit_release
from btfer_builder.release.stage import release
from btfer_builder.sample.stage import sample
from tests.release.small_set import PER_CLASS, btfer, digest, is_root, small_set, times, tree

PLAIN = ReleaseRecipe()


def alone(folder):
    """Return whether nothing but whole releases is in a folder."""
    return not list(folder.glob(".*"))


def test_everything_is_there_and_as_the_catalog_says(released, made):
    out, workspace = released.path, made[0]
    files = tree(out)
    rows = workspace.catalog.rows("SELECT face_id, emotion, path, sha256 FROM sample")
    for row in rows:
        name = f"test/{row['emotion']}/{row['face_id']}.png"
        assert files[name] == (workspace.root / row["path"]).read_bytes()
    assert sum(name.endswith(".png") for name in files) == 7 * PER_CLASS + 2
    assert {
        "README.md", "DATASHEET.md", "croissant.json", "release.json", "SHA256SUMS", "LICENSES.csv", "ATTRIBUTION.md",
        "faces.parquet", "test/metadata.jsonl", "shards/test-000000.tar", "figures/contact_sheet.png",
        "figures/groups.png",
    } <= files.keys()  # fmt: skip
    said = [json.loads(line) for line in files["test/metadata.jsonl"].splitlines()]
    assert [row["file_name"] for row in said] == sorted(row["file_name"] for row in said)
    for row in said:
        assert EMOTIONS[row["label"]] == row["emotion"] == row["file_name"].split("/")[0]
        assert row["sha256"] == digest(out / "test" / row["file_name"])
        assert (row["license"], row["agreement"], row["reviewers"]) == ("by", 1.0, 2)
        votes = {emotion: row[f"votes_{emotion}"] for emotion in EMOTIONS}
        assert votes == dict.fromkeys(EMOTIONS, 0) | {row["emotion"]: 2}
    assert [dict(face.votes) for face in faces_in_folder(out)] == [
        {emotion: 2} for emotion in sorted(EMOTIONS) for _ in range(PER_CLASS)
    ]
    info = json.loads(files["release.json"])
    assert (info["version"], info["form"], info["redistributable"]) == (1, "images", True)
    assert re.fullmatch(r"[0-9a-f]{64}", info["content_hash"])
    assert info["splits"] == {"test": dict.fromkeys(EMOTIONS, PER_CLASS)}
    assert info["content_hash"] in files["README.md"].decode()


def test_sha256sum_agrees(released):
    done = subprocess.run(
        ["sha256sum", "-c", "--strict", "SHA256SUMS"],
        cwd=released.path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    listed = {line.split("  ")[1] for line in (released.path / "SHA256SUMS").read_text().splitlines()}
    assert listed == tree(released.path).keys() - {"SHA256SUMS"}


def test_licences_and_whom_to_name(released, made):
    with (released.path / "LICENSES.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    urls = {
        row["url"]: row["page_url"] for row in made[0].catalog.rows("SELECT url, page_url FROM candidates")
    }
    assert len(rows) == 7 * PER_CLASS
    for row in rows:
        assert (released.path / row["file_name"]).stem == row["face_id"]
        assert (row["license"], row["creator"]) == ("by", "Ana")
        assert row["license_url"] == "https://creativecommons.org/licenses/by/4.0/"
        assert row["source"] in urls.values()
    text = (released.path / "ATTRIBUTION.md").read_text()
    assert all(f"`{row['face_id']}`, by Ana" in text for row in rows)


def test_the_card_says_what_it_must(released):
    import yaml

    card = (released.path / "README.md").read_text()
    head = yaml.safe_load(card.split("---")[1])
    assert head["license_name"] == "per-picture"
    assert head["configs"][0]["data_files"] == [{"split": "test", "path": "test/**"}]
    assert head["size_categories"] == ["n<1K"]
    for words in ("not anonymous", "takedown@example.org", "searched for", "Not for:"):
        assert words in card
    sheet = (released.path / "DATASHEET.md").read_text()
    for heading in ("Motivation", "Collection", "Labels", "Known biases", "Uses", "Ethics", "Maintenance"):
        assert f"## {heading}" in sheet
    assert "| sample | faces | 35 | 21 | 14 | 14 reserve |" in sheet
    assert "| query_gender | female | 35 | 35 | 35 | 21 |" in sheet
    assert "2 | 21 |" in sheet  # two reviewers, on all faces


def test_two_machines_write_the_same_bytes(tmp_path):
    recipe = ReleaseRecipe(webdataset=True)
    outs = []
    for seed in (1, 2):
        workspace, _ = small_set(tmp_path / str(seed), shuffle=Random(seed))
        outs.append(release(workspace, tmp_path / f"out{seed}", recipe).path)
        shuffled = [
            row["face_id"]
            for row in workspace.catalog.rows("SELECT item_id AS face_id FROM decisions ORDER BY decision_id")
        ]
        outs.append(shuffled)
    assert outs[1] != outs[3], "the catalogs were filled in the same order"
    assert tree(outs[0]) == tree(outs[2])
    assert times(outs[0]) == times(outs[2]) == {315_532_800.0}


def test_the_same_again_is_the_same_version_and_another_content_the_next(workspace, tmp_path):
    first = release(workspace, tmp_path / "a", PLAIN)
    again = release(workspace, tmp_path / "b", PLAIN)
    assert tree(first.path) == tree(again.path)
    sample(workspace, SampleRecipe(per_class=PER_CLASS, seed=5))
    other = release(workspace, tmp_path / "c", PLAIN)
    assert (first.statistics.version, again.statistics.version, other.statistics.version) == (1, 1, 2)
    assert other.statistics.content_hash != first.statistics.content_hash
    info = json.loads((other.path / "release.json").read_text())
    assert info["previous"] == first.statistics.content_hash
    assert len(info["changes"]["added"]) == len(info["changes"]["removed"]) > 0
    assert "Changes since v1" in (other.path / "README.md").read_text()


def test_splits_are_folders(tmp_path):
    workspace, _ = small_set(tmp_path / "w", creator=str, splits={"train": 2, "val": 1, "test": 1})
    out = release(workspace, tmp_path / "out", PLAIN).path
    for split, n in (("train", 2), ("val", 1), ("test", 1)):
        assert len(list((out / split).rglob("*.png"))) == 7 * n
        assert len((out / split / "metadata.jsonl").read_text().splitlines()) == 7 * n


def test_the_target_must_not_exist(workspace, tmp_path):
    for name in ("folder", "file"):
        (tmp_path / "folder").mkdir(exist_ok=True)
        (tmp_path / "file").touch()
        with pytest.raises(BtferError, match=f"{name} exists already"):
            release(workspace, tmp_path / name, PLAIN)
    assert not list((tmp_path / "folder").iterdir())


def test_a_refused_release_leaves_nothing_to_compare_and_own_pictures_can_be_stated(tmp_path):
    workspace, _ = small_set(tmp_path / "w", license="")
    with workspace.catalog.transaction() as db:
        for table in ("candidates", "fetches"):
            db.execute(f"UPDATE {table} SET url = 'file:///photos/' || hex(url)")
    with pytest.raises(BtferError, match="State that of your own pictures: btfer crawl --engine folder"):
        release(workspace, tmp_path / "out", PLAIN)
    assert intentions(workspace.catalog) == []  # no command was killed


def test_photos_without_a_licence_are_refused_unless_wanted(tmp_path):
    workspace, _ = small_set(tmp_path / "w", license="all rights reserved")
    with pytest.raises(BtferError, match="21 of 21 faces are from photos without a known licence"):
        release(workspace, tmp_path / "out", PLAIN)
    assert not (tmp_path / "out").exists()
    assert alone(tmp_path)

    out = release(workspace, tmp_path / "out", ReleaseRecipe(include_unlicensed=True)).path
    assert "Not for redistribution" in (out / "README.md").read_text()
    assert "license_name: not-for-redistribution" in (out / "README.md").read_text()
    assert (out / "NOT-FOR-REDISTRIBUTION.txt").is_file()
    assert json.loads((out / "release.json").read_text())["redistributable"] is False
    assert "Ana" not in (out / "LICENSES.csv").read_text()

    urls = release(workspace, tmp_path / "urls", ReleaseRecipe(urls_only=True))
    assert urls.statistics.redistributable  # no picture is passed on
    assert list(urls.path.rglob("*.png")) == [urls.path / "figures" / "groups.png"]


def test_a_licence_of_one_source_is_enough_and_the_stricter_one_counts(workspace, tmp_path):
    with workspace.catalog.transaction() as db:
        db.execute("UPDATE candidates SET license = 'unknown', license_url = '' WHERE rank = 1")
        db.execute(
            """INSERT INTO candidates (candidate_id, search_id, rank, url, page_url, title, license, license_url,
                                       creator, attribution, sha1, found_url, opt_out)
               SELECT candidate_id + 1000, search_id, rank, url, page_url, title, 'by-nc', '',
               'Bo', '', '', 'elsewhere', '' FROM candidates"""
        )
    out = release(workspace, tmp_path / "out", PLAIN).path
    with (out / "LICENSES.csv").open(newline="") as file:
        assert {(row["license"], row["creator"]) for row in csv.DictReader(file)} == {("by-nc", "Bo")}


@pytest.mark.parametrize("where", ["sample", "faces"])
def test_a_face_file_that_is_gone_or_changed_is_named(workspace, tmp_path, where):
    (row,) = workspace.catalog.rows(
        "SELECT s.path AS sample, f.path AS faces, s.sha256 FROM sample s JOIN faces f USING (face_id) LIMIT 1"
    )
    path = workspace.root / row[where]
    content = path.read_bytes()
    path.write_bytes(content + b"!")
    with pytest.raises(BtferError, match=rf"{path} was changed.*in the draw it was {row['sha256'][:16]}"):
        release(workspace, tmp_path / "out", PLAIN)
    path.unlink()
    with pytest.raises(BtferError, match=f"{path} is gone"):
        release(workspace, tmp_path / "out", PLAIN)
    assert not (tmp_path / "out").exists()
    assert alone(tmp_path)


def test_a_label_that_changed_since_the_draw_is_not_released(workspace, tmp_path):
    (row,) = workspace.catalog.rows("SELECT face_id FROM sample LIMIT 1")
    for reviewer in ("ana", "bo"):
        said = Decision(row["face_id"], "face", "reject", reason="occluded", reviewer=reviewer)
        add_decisions(workspace.catalog, [said])
    with pytest.raises(BtferError, match=f"have another label or crop.*{row['face_id']}.*btfer sample"):
        release(workspace, tmp_path / "out", PLAIN)


def test_metadata_in_a_face_file_stops_the_release(workspace, tmp_path):
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    (row,) = workspace.catalog.rows("SELECT path FROM faces ORDER BY face_id LIMIT 1")
    path = workspace.root / row["path"]
    note = PngInfo()
    note.add_text("Author", "Ana")
    Image.open(path).save(path, pnginfo=note)
    sample(workspace, SampleRecipe(per_class=5))
    with pytest.raises(BtferError, match=r"the audit of the release failed: .*text \(Author\)"):
        release(workspace, tmp_path / "out", PLAIN)
    assert not (tmp_path / "out").exists()


def test_no_sample_and_a_newer_catalog_are_said_in_one_line(workspace, tmp_path):
    with workspace.catalog.transaction() as db:
        db.execute("DELETE FROM sample")
    done = btfer(workspace, "release", str(tmp_path / "out"))
    assert (done.exit_code, "has no sample to release" in done.stderr) == (1, True)
    workspace.catalog.connection.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    done = btfer(workspace, "release", str(tmp_path / "out"))
    assert (done.exit_code, "written by a newer btfer" in done.stderr) == (1, True)
    assert "Traceback" not in done.stderr


@pytest.fixture
def small_disk(tmp_path):
    """A disk of 200 kB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", str(disk)]
    if not is_root() or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_leaves_no_half_release(workspace, small_disk):
    filler = small_disk / "filler"
    filler.write_bytes(b"x" * 120_000)
    with pytest.raises(BtferError, match="out: cannot be written: No space left on device"):
        release(workspace, small_disk / "out", PLAIN)
    assert [path.name for path in small_disk.iterdir()] == ["filler"]
    assert not workspace.catalog.rows("SELECT * FROM releases")


def test_a_killed_release_leaves_nothing_that_looks_like_one(workspace, tmp_path):
    script = (
        "import os, signal; from pathlib import Path\n"
        "from btfer_builder.release import stage\n"
        "from btfer_builder.config import ReleaseRecipe\n"
        "from btfer_builder.workspace import Workspace\n"
        "stage.write_checksums = lambda _: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"stage.release(Workspace(Path({str(workspace.root)!r})), Path({str(tmp_path / 'out')!r}), ReleaseRecipe())"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert not alone(tmp_path)
    release(workspace, tmp_path / "out", PLAIN)
    assert alone(tmp_path)


def test_files_of_ones_own_are_not_released_as_addresses(workspace, tmp_path):
    with workspace.catalog.transaction() as db:
        for table in ("candidates", "fetches"):
            db.execute(f"UPDATE {table} SET url = replace(url, 'https://photos.example', 'file:///home/ana')")
    with pytest.raises(BtferError, match="21 of 21 faces are from local files"):
        release(workspace, tmp_path / "urls", ReleaseRecipe(urls_only=True))
    with workspace.catalog.transaction() as db:
        db.execute("UPDATE candidates SET page_url = ''")
    out = release(workspace, tmp_path / "out", PLAIN).path
    assert not [name for name, content in tree(out).items() if b"/home/ana" in content]


def test_the_command_says_what_it_wrote(workspace, tmp_path):
    done = btfer(workspace, "release", str(tmp_path / "out"), "--name", "faces-2026", "--json")
    answer = json.loads(done.stdout)
    assert (answer["path"], answer["name"], answer["faces"]) == (str(tmp_path / "out"), "faces-2026", 21)
    shutil.rmtree(tmp_path / "out")
    done = btfer(workspace, "release", str(tmp_path / "out"), "--name", "a b")
    assert done.exit_code == 2


@pytest.mark.parametrize(
    ("answers", "says"),
    [
        (
            ["yes"],
            "All faces are from pictures of the authors of the set. The people shown in them consented.",
        ),
        ([""], "It is not recorded whether the people shown in them consented."),
        (["yes", "no"], "Of the people shown in them, 12 consented, 9 did not consent."),
    ],
)
def test_of_own_pictures_the_card_says_what_is_true(workspace, tmp_path, answers, says):
    with workspace.catalog.transaction() as db:
        db.execute("PRAGMA defer_foreign_keys = ON")
        for table in ("candidates", "fetches"):
            db.execute(f"UPDATE {table} SET url = replace(url, 'https://photos.example', 'file:///home/ana')")
        db.execute("UPDATE candidates SET license = 'by', page_url = '', attribution = 'Photo: Our lab'")
        for number, answer in enumerate(answers):
            db.execute(
                "UPDATE candidates SET consent = ? WHERE candidate_id % ? = ?", (answer, len(answers), number)
            )
    out = release(workspace, tmp_path / "out", PLAIN).path
    for name in ("README.md", "DATASHEET.md"):
        text = (out / name).read_text()
        assert re.sub(r"\d+ (consented|did)", r"\1", says) in re.sub(r"\d+ (consented|did)", r"\1", text)
        assert "were not asked" not in text
        assert "**The people" not in text
        assert "Search engines were queried" not in text
    assert "Photo: Our lab" in (out / "ATTRIBUTION.md").read_text()
    rows = [json.loads(line) for line in (out / "test/metadata.jsonl").read_text().splitlines()]
    assert {row["consent"] for row in rows} == {answer or "unknown" for answer in answers}
    assert audit_release(out).findings == []
