"""What is different between two releases."""

import json
import shutil

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from btfer_builder.cli.main import main
from btfer_builder.config import ReleaseRecipe
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS
from btfer_builder.release.diff import diff_faces, diff_releases
from btfer_builder.release.stage import release

sets = st.dictionaries(
    st.sampled_from("abcdefgh"), st.tuples(st.sampled_from(EMOTIONS), st.sampled_from(["train", "test"]))
)


@settings(deadline=None, max_examples=60)
@given(sets, sets)
def test_the_difference_leads_from_one_to_the_other(before, after):
    found = diff_faces(before, after)
    made = dict(before)
    for face, emotion in found.removed:
        assert made.pop(face)[0] == emotion
    for face, old, new in found.relabelled:
        assert made[face][0] == old != new
        made[face] = (new, made[face][1])
    for face, old, new in found.moved:
        assert made[face][1] == old != new
        made[face] = (made[face][0], new)
    for face, emotion in found.added:
        assert face not in made
        made[face] = (emotion, after[face][1])
    assert made == after
    assert found.is_empty == (before == after)


def test_releases_with_pictures_and_with_addresses_compare(workspace, tmp_path):
    pictures = release(workspace, tmp_path / "a", ReleaseRecipe()).path
    urls = release(workspace, tmp_path / "b", ReleaseRecipe(urls_only=True)).path
    assert diff_releases(pictures, urls).is_empty
    rows = [json.loads(line) for line in (urls / "sources.jsonl").read_text().splitlines()]
    gone, moved, relabelled = rows[0], rows[1], rows[2]
    moved["split"], relabelled["emotion"] = "train", "sad"
    (urls / "sources.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[1:]))
    run = CliRunner().invoke(main, ["diff", str(pictures), str(urls), "--json"])
    assert json.loads(run.stdout) == {
        "added": [],
        "removed": [{"face_id": gone["face_id"], "emotion": "angry"}],
        "relabelled": [{"face_id": relabelled["face_id"], "before": "angry", "after": "sad"}],
        "moved": [{"face_id": moved["face_id"], "before": "test", "after": "train"}],
    }
    text = CliRunner().invoke(main, ["diff", str(pictures), str(urls)]).stdout
    assert "0 added, 1 removed, 1 relabelled, 1 moved" in text


@pytest.mark.parametrize("broken", ["no file", "not json", "no row", "other"])
def test_what_is_no_release_is_said(released, tmp_path, broken):
    out = tmp_path / "out"
    shutil.copytree(released.path, out)
    if broken == "no file":
        (out / "release.json").unlink()
    elif broken == "not json":
        (out / "release.json").write_text("[")
    elif broken == "other":
        (out / "release.json").write_text('{"form": "later"}')
    else:
        (out / "test" / "metadata.jsonl").write_text('{"face_id": 1}\n')
    with pytest.raises(BtferError, match=r"is not a release|line 1: expected"):
        diff_releases(released.path, out)
