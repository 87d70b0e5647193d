"""Folders as people have them: what is taken, what is not and why, and what is true of the pictures."""

import os
import socket

import pytest

from btfer_builder.catalog.sample import sources
from btfer_builder.config import CrawlRecipe, SourceRecipe
from btfer_builder.crawl.engines.folder import did_you_mean, read_folder
from btfer_builder.crawl.engines.own_sources import own_source
from btfer_builder.crawl.stage import crawl
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS
from demo.pictures import encode
from tests.photos import astronaut, hopper

ALONE = CrawlRecipe(engine=("folder",))
JPEG = encode(hopper())


def fill(root, *names, content=JPEG):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def taken(root, emotions=EMOTIONS):
    return {search.query: [item.title for item in items] for search, items in read_folder(root, emotions)}


def test_what_is_not_taken_is_listed_with_counts_and_a_guess(tmp_path, capsys):
    root = fill(
        tmp_path / "set", "happy/a.jpg", "contempt/b.jpg", "contempt/c.jpg", "happy faces/d", "Suprise/e.png",
        "top.jpg", "happy/.hidden.jpg", "happy/Thumbs.db", "sad/f.jpg",
    )  # fmt: skip
    (root / "happy/gone.jpg").symlink_to("nowhere")
    assert taken(root, ("happy", "fear")) == {"set/happy": ["a.jpg"]}
    said = capsys.readouterr().err
    assert (
        "left out 1 hidden files, 1 files of the system (__MACOSX, Thumbs.db, desktop.ini), 1 broken links"
        in said
    )
    for line in (
        "contempt (2 images, not one of the seven emotions)",
        "happy faces (1 image, did you mean happy?)",
        "Suprise (1 image, did you mean surprise?)",
        "sad (1 image, not among --emotion happy, fear)",
        "beside the class folders (1 image)",
    ):
        assert line in said


@pytest.mark.parametrize(
    ("name", "guess"),
    [("Suprise", "surprise"), ("happy faces", "happy"), ("my_angry_people", "angry"), ("digust", "disgust"),
     ("Fearfull", "fear"), ("contempt", ""), ("cats", ""), ("1", "")],
)  # fmt: skip
def test_the_nearest_emotion(name, guess):
    assert did_you_mean(name) == (f"did you mean {guess}?" if guess else "")


def test_splits_are_taken(tmp_path, capsys):
    root = fill(
        tmp_path / "set", "train/happy/a.jpg", "validation/sad/b.jpg", "test/happy/c.jpg", "test/odd/d.jpg"
    )
    found = taken(root)
    assert found == {
        "set/test/happy": ["c.jpg"], "set/train/happy": ["a.jpg"], "set/validation/sad": ["b.jpg"],
    }  # fmt: skip
    assert "not taken: test/odd (1 image, not one of the seven emotions)" in capsys.readouterr().err


def test_the_only_folder_that_looks_right_is_taken(tmp_path, capsys):
    root = fill(
        tmp_path / "zip", "archive/images/happy/a.jpg", "archive/docs/readme.txt", "__MACOSX/x", "more/b.jpg"
    )
    assert taken(root) == {"zip/archive/images/happy": ["a.jpg"]}
    assert "more (1 image)" in capsys.readouterr().err
    fill(root, "copy/happy/a.jpg")
    with pytest.raises(BtferError, match=r"several folders have class folders \(archive/images, copy\)"):
        taken(root)


def test_a_flat_folder_needs_one_emotion(tmp_path):
    root = fill(tmp_path / "smiles", "a.jpg", "more/b")
    assert taken(root, ("happy",)) == {"smiles": ["a.jpg", "b"]}
    with pytest.raises(BtferError, match=r"it has more \(1 image\).*not sorted yet, name one with --emotion"):
        taken(root)


def test_a_folder_of_near_misses_says_what_was_meant(tmp_path):
    with pytest.raises(BtferError, match=r"Hapy \(1 image, did you mean happy\?\)"):
        taken(fill(tmp_path / "set", "Hapy/a.jpg"))


def test_the_emotions_of_a_rerun_change_no_candidate(tmp_path, workspace):
    root = fill(tmp_path / "set", "happy/a.jpg", "happy/notes.txt")
    (root / "happy/notes.txt").write_text("x")
    crawl(workspace, ALONE, [], EMOTIONS, root)
    rows = [tuple(row) for row in workspace.catalog.rows("SELECT candidate_id, url FROM candidates")]
    assert len(rows) == 2  # what is no image is dropped and counted by the crawl
    crawl(workspace, ALONE, [], EMOTIONS, root)
    assert [tuple(row) for row in workspace.catalog.rows("SELECT candidate_id, url FROM candidates")] == rows


def own(workspace):
    rows = workspace.catalog.rows(
        "SELECT title, license, license_url, creator, attribution, consent FROM candidates ORDER BY title"
    )
    return {row["title"]: tuple(row)[1:] for row in rows}


def test_what_is_true_of_the_pictures_is_recorded_and_can_be_corrected(tmp_path, workspace):
    root = fill(tmp_path / "mine", "happy/a.jpg", "sad/c.jpg")
    fill(root, "happy/b.jpg", content=encode(astronaut()))
    crawl(workspace, ALONE, [], EMOTIONS, root)
    assert set(own(workspace).values()) == {("unknown", "", "", "", "")}
    source = SourceRecipe(license="CC BY 4.0", creator="Our lab", attribution="© Our lab", consent="yes")
    (root / "sources.csv").write_text(
        "File;License;Consent;Creator\nhappy/b.jpg;cc0;;\nsad\\c.jpg;;no;Bo\n", encoding="utf-16"
    )
    crawl(workspace, ALONE, [], EMOTIONS, root, source=source)
    page = "https://creativecommons.org/licenses/by/4.0/"
    assert own(workspace) == {
        "a.jpg": ("by", page, "Our lab", "© Our lab", "yes"),
        "b.jpg": ("cc0", "https://creativecommons.org/publicdomain/zero/1.0/", "Our lab", "© Our lab", "yes"),
        "c.jpg": ("by", page, "Bo", "© Our lab", "no"),
    }
    (image_id,) = {row[0] for row in workspace.catalog.rows(
        "SELECT image_id FROM fetches JOIN candidates USING (url) WHERE title = 'b.jpg'"
    )}  # fmt: skip
    (stated,) = sources(workspace.catalog, [image_id])[image_id]
    assert (stated.license, stated.attribution, stated.consent) == ("cc0", "© Our lab", "yes")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("license\nby\n", "has no column file"),
        ("file,consent\nhappy/a.jpg,maybe\n", "line 2: consent is 'maybe'; expected yes, no or unknown"),
        ("file,license\nhappy/a.jpg,mine\n", "line 2: 'mine' is not a licence that can be released"),
        ("file\n\nhappy/gone.jpg\n", "line 3: .*gone.jpg does not exist"),
        ("file\n../a.jpg\n", "line 2: '../a.jpg' is not a file in"),
        ("file\nhappy/a.jpg\nhappy/a.jpg\n", "line 3: happy/a.jpg is listed twice"),
        ("file,page_url\nhappy/a.jpg,javascript:x\n", "line 2: page_url"),
        ("file,Licence,license\nhappy/a.jpg,by,cc0\n", "the header has license twice"),
    ],
)
def test_an_invalid_row_is_named(tmp_path, content, says):
    root = fill(tmp_path / "mine", "happy/a.jpg")
    (root / "sources.csv").write_text(content)
    with pytest.raises(BtferError, match=says):
        taken(root)


def test_what_lies_above_the_class_folders_is_listed(tmp_path, capsys):
    fill(tmp_path / "set", "images/faces/happy/a.jpg", "top.jpg", "images/second.png", "images/other/c.jpg")
    assert taken(tmp_path / "set") == {"set/images/faces/happy": ["a.jpg"]}
    said = capsys.readouterr().err
    assert "images/other (1 image)" in said
    assert "above the class folders (2 images)" in said


def creators(root):
    return {item.title: item.creator for _, items in read_folder(root, EMOTIONS) for item in items}


@pytest.mark.parametrize("where", [".", "archive", "archive/train", "archive/train/happy"])
def test_sources_are_read_where_they_lie_above_the_pictures(tmp_path, where):
    root = fill(tmp_path / "set", "archive/train/happy/a.jpg", "archive/train/sad/b.jpg")
    file = (root / "archive/train/happy/a.jpg").relative_to(root / where)
    (root / where / "sources.csv").write_text(f"Filename;Licence;Licence URL;Creator\n{file};by;;Ana\n;;;\n")
    read = [item for _, items in read_folder(root, EMOTIONS) for item in items if item.title == "a.jpg"]
    assert [(item.license, item.creator) for item in read] == [("by", "Ana")]
    (root / "archive/train/sad/sources.csv").write_text("file\nb.jpg\n")
    with pytest.raises(BtferError, match=r"has several sources.csv \(.*archive/train/sad/sources.csv"):
        creators(root)


def test_sources_name_links_to_files_elsewhere(tmp_path):
    fill(tmp_path, "store/1.jpg")
    root = fill(tmp_path / "set", "happy/b.jpg")
    (root / "happy/a.jpg").symlink_to(tmp_path / "store/1.jpg")
    (root / "sources.csv").write_text("file,creator\nsad/../happy/a.jpg,Ana\n")
    assert creators(root) == {"a.jpg": "Ana", "b.jpg": ""}


def test_a_licence_that_is_not_known_is_refused():
    with pytest.raises(BtferError, match=r"source.license: 'all mine' is not a licence"):
        own_source(SourceRecipe(license="all mine"))


def test_pipes_sockets_and_devices_are_counted_and_not_waited_for(tmp_path, workspace):
    root = fill(tmp_path / "set", "happy/a.jpg")
    os.mkfifo(root / "happy/pipe.jpg")
    (root / "happy/endless.jpg").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(os.path.relpath(root / "happy/socket.jpg"))
        crawl(workspace, ALONE, [], EMOTIONS, root)
    reasons = workspace.catalog.rows("SELECT reason, count(*) FROM fetches GROUP BY reason ORDER BY 1")
    assert [tuple(row) for row in reasons] == [(None, 1), ("not_an_image", 3)]
