"""Faces in a training set are found, at full size, small, grey or mirrored, and no others."""

import csv
import json
import os
from dataclasses import asdict
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from skimage import data

from btfer_builder.catalog.leakage import leaked_ids, leaked_sample, searched_sets
from btfer_builder.catalog.review import add_decisions
from btfer_builder.config import CropRecipe, DedupeRecipe, HashesRecipe, LeakageRecipe, SampleRecipe
from btfer_builder.crop.cropping import place_faces
from btfer_builder.crop.detectors.base import detect_faces
from btfer_builder.crop.render import render_crop
from btfer_builder.dedupe.stage import hash_new_images
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.signature import known_leakage
from btfer_builder.leakage import reference_faces
from btfer_builder.leakage.hash_manifest import COLUMNS, hash_folder, read_hashes, write_hashes
from btfer_builder.leakage.stage import forget, leakage
from btfer_builder.records import Decision
from btfer_builder.sample.stage import sample
from btfer_builder.workspace import create_workspace
from demo.pictures import encode, grace_hopper
from tests.dedupe.face_pictures import FACES
from tests.factories import fill_catalog
from tests.photos import btfer

ALONE = HashesRecipe(workers=0)
NAMES = ["astronaut", "hopper", "lfw 1", "lfw 18", "lfw 29", "lfw 42"]


def lfw(number):
    grey = (data.lfw_subset()[number] * 255).astype(np.uint8)
    return np.repeat(cv2.resize(grey, (256, 256), interpolation=cv2.INTER_CUBIC)[..., None], 3, 2)


@pytest.fixture
def named(tmp_path):
    """Six faces of two emotions."""
    workspace = create_workspace(tmp_path / "workspace")
    filled = fill_catalog(workspace, ("happy", "sad"), 3)
    for face_id, name in zip(filled.face_ids, NAMES, strict=True):
        path = workspace.catalog.value("SELECT path FROM faces WHERE face_id = ?", face_id)
        (workspace.root / path).write_bytes(encode(FACES[name], "PNG"))
    return SimpleNamespace(workspace=workspace, ids=dict(zip(NAMES, filled.face_ids, strict=True)))


@pytest.fixture
def training(tmp_path):
    """A training set with three of our faces, in the usual forms, and other faces."""
    folder = tmp_path / "training"
    (folder / "happy").mkdir(parents=True)
    (folder / "notes.txt").write_text("not an image")
    small = cv2.cvtColor(
        cv2.resize(FACES["astronaut"], (48, 48), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY
    )
    files = {
        "happy/fer.png": encode(small, "PNG"),
        "happy/mirrored.jpg": encode(np.ascontiguousarray(FACES["hopper"][:, ::-1]), quality=70),
        "other.jpg": encode(cv2.resize(FACES["lfw 18"], (112, 112)), quality=60),
        "broken.jpg": b"\xff\xd8\xff nothing",
    }
    files |= {f"stranger-{n}.jpg": encode(lfw(n)) for n in range(5, 15)}
    for name, content in files.items():
        (folder / name).write_bytes(content)
    return folder


FOUND = {
    "astronaut": ("happy/fer.png", "near"),
    "hopper": ("happy/mirrored.jpg", "mirrored"),
    "lfw 18": ("other.jpg", "near"),
}


def found(named):
    of = {face_id: name for name, face_id in named.ids.items()}
    rows = named.workspace.catalog.rows("SELECT * FROM leaks")
    return {of[row["face_id"]]: (row["item"], row["kind"]) for row in rows}


def contents(folder):
    return {
        path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()
    }


def test_what_stands_in_a_folder_is_found_and_the_folder_only_read(named, training):
    before = contents(training)
    result = leakage(named.workspace, training, LeakageRecipe(), ALONE)
    assert found(named) == FOUND
    assert contents(training) == before
    assert result.to_dict() == {
        "against": str(training),
        "images": 13,
        "dropped": {"unreadable": 1},
        "faces": 6,
        "photos": 0,
        "reference_faces": 11,  # two of the strangers are not found
        "unread": 1,
        "leaked": 3,
        "in_sample": 0,
        "path": str(named.workspace.manifests / "leakage.csv"),
    }
    with (named.workspace.manifests / "leakage.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {row["training_set"] for row in rows} == {"training"}
    for row in rows:
        assert int(row["distance"]) <= 8
        assert int(row["fine_distance"]) <= 56


def test_hashes_without_images_find_the_same(named, training, tmp_path):
    done = btfer(named.workspace, "hashes", str(training), "--out", str(tmp_path / "hashes.csv"), "--json")
    assert json.loads(done.stdout) == {
        "path": str(tmp_path / "hashes.csv"), "images": 13, "dropped": {"unreadable": 1},
        "left_out": {"not_an_image": 1},
    }  # fmt: skip
    done = btfer(named.workspace, "leakage", "--against", str(tmp_path / "hashes.csv"), "--json")
    assert json.loads(done.stdout)["leaked"] == 3
    assert found(named) == FOUND


def test_both_hashes_must_agree(named, training):
    leakage(named.workspace, training, LeakageRecipe(fine_radius=0), ALONE)
    loose = len(found(named))
    leakage(named.workspace, training, LeakageRecipe(radius=16, fine_radius=0), ALONE)
    assert len(found(named)) == loose < 3
    leakage(named.workspace, training, LeakageRecipe(radius=16, fine_radius=128), ALONE)
    assert set(found(named)) >= set(FOUND)


def test_a_search_takes_the_place_of_the_earlier_one_in_the_same_set(named, training):
    leakage(named.workspace, training, LeakageRecipe(), ALONE)
    (training / "other.jpg").unlink()
    leakage(named.workspace, training, LeakageRecipe(), ALONE)
    assert set(found(named)) == set(FOUND) - {"lfw 18"}
    assert named.workspace.catalog.value("SELECT count(*) FROM training_sets") == 1


def test_leaked_faces_are_left_out_of_the_sample_and_the_signature_counts_them(named, training):
    ids, catalog = named.ids, named.workspace.catalog
    add_decisions(catalog, [Decision(face, "face", "accept", None, reviewer="ana") for face in ids.values()])
    recipe = SampleRecipe(per_class=3, allow_short=True)
    sample(named.workspace, recipe)
    assert leaked_sample(catalog) is None  # nobody has looked
    leakage(named.workspace, training, LeakageRecipe(), ALONE)
    assert leaked_ids(catalog) == {ids[name] for name in FOUND}
    assert leaked_sample(catalog) == 3
    drawn = sample(named.workspace, recipe)
    assert drawn.passed_over["leaked"] == 3
    assert catalog.value("SELECT count(*) FROM sample") == 3
    assert leaked_sample(catalog) == 0
    assert known_leakage(named.workspace) is None  # a broken picture of the set was not compared
    with catalog.transaction() as db:
        db.execute("DELETE FROM compared_faces WHERE face_id = ?", (ids["lfw 1"],))
    assert leaked_sample(catalog) is None  # not for all of them


def test_an_empty_folder_is_said(named, tmp_path):
    (tmp_path / "empty").mkdir()
    done = btfer(named.workspace, "leakage", "--against", str(tmp_path / "empty"))
    assert done.returncode == 1
    assert "contains no images" in done.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no column"),
        ("a,b\n1,2\n", "has no column"),
        (",".join(COLUMNS) + "\n", "no hashes"),
        (",".join(COLUMNS) + "\nx,abc,,,\n", "line 2: phash"),
        (",".join(COLUMNS) + f"\nx,{'0' * 16},{'0' * 64},{'0' * 16},{'g' * 64}\n", "line 2: fine_48"),
        (",".join(COLUMNS) + f'\n"x,{"0" * 16}', "line 2: not a CSV file"),
        ("\x00", "has no column"),
    ],
)
def test_a_manifest_that_is_none_is_said_with_its_line(tmp_path, text, message):
    (tmp_path / "hashes.csv").write_text(text)
    with pytest.raises(BtferError, match=message):
        read_hashes(tmp_path / "hashes.csv")


def test_a_manifest_comes_back_as_it_was(tmp_path, training):
    (training / "=SUM(A1).png").write_bytes((training / "happy" / "fer.png").read_bytes())
    manifest = hash_folder(training, ALONE)
    assert write_hashes(tmp_path / "hashes.csv", manifest) == 14
    assert "'=SUM" in (tmp_path / "hashes.csv").read_text()
    assert read_hashes(tmp_path / "hashes.csv").rows == manifest.rows


def test_a_set_that_nobody_could_read_proves_nothing(named, tmp_path):
    folder = tmp_path / "rubbish"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(b"no picture")
    with pytest.raises(BtferError, match=r"none of its 3 images can be read \(unreadable\)"):
        leakage(named.workspace, folder, LeakageRecipe(), ALONE)
    assert leaked_sample(named.workspace.catalog) is None
    assert searched_sets(named.workspace.catalog) == []


def test_linked_folders_and_all_kinds_of_names_belong_to_the_set(named, training, tmp_path):
    (training / "happy").rename(tmp_path / "elsewhere")
    (training / "happy").symlink_to(tmp_path / "elsewhere")
    (training / "happy" / "round").symlink_to(training)  # a loop is walked once
    (training / "other.jpg").rename(training / "other.jfif")
    (training / "grey.pgm").write_bytes(encode(FACES["lfw 42"][..., 0], "PPM"))
    odd = os.fsencode(training) + b"/x\xff.jpg"
    with open(odd, "wb") as file:
        file.write(encode(FACES["lfw 29"]))
    leakage(named.workspace, training, LeakageRecipe(), ALONE)
    expected = {"lfw 18": ("other.jfif", "near"), "lfw 42": ("grey.pgm", "near")}
    assert found(named) == FOUND | expected | {"lfw 29": (r"x\udcff.jpg", "near")}
    manifest = hash_folder(training, ALONE)
    write_hashes(tmp_path / "hashes.csv", manifest)
    assert read_hashes(tmp_path / "hashes.csv").rows == manifest.rows


def test_a_folder_that_cannot_be_read_is_an_error(training, monkeypatch):
    def closed(path):
        if os.fspath(path).endswith("happy"):
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    real = os.scandir
    monkeypatch.setattr(os, "scandir", closed)  # as root nothing is closed to the tests
    with pytest.raises(BtferError, match="happy: cannot be read: Permission denied"):
        hash_folder(training, ALONE)


def test_a_set_can_be_forgotten(named, training):
    leakage(named.workspace, training, LeakageRecipe(), ALONE)
    with pytest.raises(BtferError, match="0 of the training sets that were searched have this name"):
        forget(named.workspace, "train")
    assert "training" in btfer(named.workspace, "leakage", "--json").stdout
    assert forget(named.workspace, "training") == str(training)
    assert found(named) == {}
    assert "no training set was checked yet" in btfer(named.workspace, "leakage").stdout


def test_the_photos_that_faces_were_cut_from_are_found(named, tmp_path):
    """A training set of whole photos has no picture that looks like a crop."""
    ids, catalog = named.ids, named.workspace.catalog
    scenes = [data.astronaut(), data.coffee(), data.chelsea(), lfw(60), lfw(61), lfw(62)]
    for face_id, scene in zip(ids.values(), scenes, strict=True):
        path = catalog.value(
            "SELECT i.path FROM images i JOIN faces f USING (image_id) WHERE f.face_id = ?", face_id
        )
        (named.workspace.files / path).write_bytes(encode(scene, "PNG"))
    photos = tmp_path / "photos"
    photos.mkdir()
    (photos / "same.png").write_bytes(encode(scenes[0], "PNG"))
    (photos / "smaller.jpg").write_bytes(encode(cv2.resize(scenes[1], (300, 200)), quality=70))
    (photos / "mirrored.png").write_bytes(encode(np.ascontiguousarray(scenes[2][:, ::-1]), "PNG"))
    (photos / "other.jpg").write_bytes(encode(lfw(63)))
    add_decisions(catalog, [Decision(face, "face", "accept", None, reviewer="ana") for face in ids.values()])
    sample(named.workspace, SampleRecipe(per_class=3, allow_short=True))
    assert leakage(named.workspace, photos, LeakageRecipe(), ALONE).photos == 0
    assert known_leakage(named.workspace) == "0/crop+faces"  # the photos have no hashes yet
    hash_new_images(named.workspace, DedupeRecipe(workers=0))
    result = leakage(named.workspace, photos, LeakageRecipe(), ALONE)
    assert (result.photos, result.count.compared, result.count.leaked) == (6, 6, 3)
    assert found(named) == {
        "astronaut": ("same.png", "near"),
        "hopper": ("smaller.jpg", "near"),
        "lfw 1": ("mirrored.png", "mirrored"),
    }
    assert known_leakage(named.workspace) == "3/crop+photo+faces"


def cropped(photo):
    """Crop the largest face as the stage does."""
    recipe = CropRecipe()
    return render_crop(
        asdict(place_faces("", detect_faces(photo), photo.shape[1], photo.shape[0], recipe)[0]), photo, 256
    )


@pytest.fixture
def group(tmp_path, named):
    """Faces of ours that are cut from other photos than the one of the training set, which has two people."""
    photos = {"astronaut": data.astronaut(), "hopper": np.ascontiguousarray(grace_hopper()[:, ::-1])}
    for name, photo in photos.items():
        path = named.workspace.catalog.value("SELECT path FROM faces WHERE face_id = ?", named.ids[name])
        (named.workspace.root / path).write_bytes(encode(cropped(photo), "PNG"))
    folder = tmp_path / "group"
    folder.mkdir()
    pair = np.hstack(
        [cv2.resize(photo, (400, 480)) for photo in (data.astronaut()[:, 50:450], grace_hopper())]
    )
    (folder / "two people.jpg").write_bytes(encode(pair, quality=80))
    for number in (60, 92):
        (folder / f"stranger {number}.jpg").write_bytes(encode(lfw(number)))
    return folder


def test_faces_in_the_photos_of_a_training_set_are_found(named, group, monkeypatch):
    catalog = named.workspace.catalog
    whole = leakage(named.workspace, group, LeakageRecipe(reference_faces=False), ALONE)
    assert (whole.count.leaked, whole.reference_faces) == (0, None)
    result = leakage(named.workspace, group, LeakageRecipe(), ALONE)
    assert (result.reference_faces, result.unread) == (4, 0)
    assert found(named) == {
        "astronaut": ("two people.jpg", "near"),
        "hopper": ("two people.jpg", "mirrored"),
    }
    assert {row["form"] for row in catalog.rows("SELECT form FROM leaks")} == {"face"}
    monkeypatch.setattr(reference_faces, "_search", None)  # a second search looks at no picture again
    again = leakage(named.workspace, group, LeakageRecipe(), ALONE)
    assert again.to_dict() == result.to_dict()
    (group / "stranger 60.jpg").unlink()  # of what is no longer in the set nothing is kept
    leakage(named.workspace, group, LeakageRecipe(), ALONE)
    assert catalog.value("SELECT count(*) FROM reference_pictures") == 2
    catalog.connection.execute("DELETE FROM training_sets")  # as if the search had been killed
    forget(named.workspace, "group")
    assert catalog.value("SELECT count(*) FROM reference_pictures") == 0


@pytest.mark.parametrize("name", ["plain.png", "Screenshot at 10.00.00\u202fPM.png", "two\nlines.png"])
def test_pictures_with_any_name_are_compared_by_their_pixels(named, tmp_path, name):
    """Where the hashes do not decide, a picture that is not found by its name would count as found."""
    folder = tmp_path / "blends"
    folder.mkdir()
    blend = cv2.addWeighted(FACES["hopper"], 0.6, lfw(63), 0.4, 0)  # 16 of 64 and 46 of 256 bits away
    (folder / name).write_bytes(encode(blend, "PNG"))
    leakage(named.workspace, folder, LeakageRecipe(radius=16, reference_faces=False), ALONE)
    assert found(named) == {}


def sampled(named):
    ids = named.ids.values()
    add_decisions(
        named.workspace.catalog, [Decision(face, "face", "accept", None, reviewer="ana") for face in ids]
    )
    sample(named.workspace, SampleRecipe(per_class=3, allow_short=True))


def test_no_signature_certifies_what_could_not_be_compared(named, tmp_path):
    """A broken picture, a broken link or an archive may hold any face."""
    sampled(named)
    folder = tmp_path / "strangers"
    folder.mkdir()
    (folder / "stranger.jpg").write_bytes(encode(lfw(63)))
    (folder / "readme.txt").write_text("five pictures")

    def searched():
        leakage(named.workspace, folder, LeakageRecipe(reference_faces=False), ALONE)
        return known_leakage(named.workspace)

    assert searched() == "0/crop"
    for name, write in {
        "broken.jpg": lambda path: path.write_bytes(b"\xff\xd8\xff nothing"),
        "link.jpg": lambda path: path.symlink_to("nowhere.jpg"),
        "more.zip": lambda path: path.write_bytes(b"PK"),
    }.items():
        write(folder / name)
        assert searched() is None, name
        (folder / name).unlink()
        assert searched() == "0/crop"
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    (folder / "ours.png").write_bytes(encode(FACES["hopper"], "PNG"))
    assert searched() == "1+/crop"


def test_a_list_of_hashes_says_what_has_none(named, tmp_path):
    sampled(named)
    folder, table = tmp_path / "strangers", tmp_path / "hashes.csv"
    folder.mkdir()
    (folder / "stranger.jpg").write_bytes(encode(lfw(63)))
    (folder / "=broken.jpg").write_bytes(b"\xff\xd8\xff nothing")
    write_hashes(table, hash_folder(folder, ALONE))
    manifest = read_hashes(table)
    assert (manifest.dropped, manifest.unread) == ({"unreadable": 1}, (("=broken.jpg", "unreadable"),))
    assert leakage(named.workspace, table, LeakageRecipe(), ALONE).unread == 1
    assert known_leakage(named.workspace) is None
    (folder / "=broken.jpg").unlink()
    write_hashes(table, hash_folder(folder, ALONE))
    assert leakage(named.workspace, table, LeakageRecipe(), ALONE).unread == 0
    assert known_leakage(named.workspace) == "0/crop"  # no pictures in which faces could be found
    lines = table.read_text().splitlines()
    table.write_text("\n".join(line.rpartition(",")[0] for line in lines) + "\n")  # as version 0.1 wrote it
    assert leakage(named.workspace, table, LeakageRecipe(), ALONE).unread is None
    assert known_leakage(named.workspace) is None
