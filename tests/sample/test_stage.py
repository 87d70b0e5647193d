"""The sample is written whole, the same one again and again, or the earlier one stays."""

import json
import shutil
import signal
import subprocess
import sys

import pandas as pd
import pytest

from btfer_builder.catalog.review import add_decisions
from btfer_builder.catalog.sample import sampled_faces
from btfer_builder.config import SampleRecipe
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Decision
from btfer_builder.sample.choose import choose
from btfer_builder.sample.stage import sample
from btfer_builder.workspace import create_workspace
from tests.factories import fill_catalog
from tests.photos import btfer
from tests.release.small_set import SIZE, cut_again

PER_CLASS = 5


def accept(workspace, faces, emotion=None, reviewer="ana"):
    """Accept faces, each with the emotion it was found under unless told otherwise."""
    emotions = {
        row["face_id"]: row["emotion"]
        for row in workspace.catalog.rows("SELECT face_id, emotion FROM face_rows")
    }
    add_decisions(
        workspace.catalog,
        [Decision(face, "face", "accept", emotion or emotions[face], reviewer=reviewer) for face in faces],
    )


@pytest.fixture
def workspace(tmp_path):
    """Five accepted faces of each emotion."""
    workspace = create_workspace(tmp_path)
    accept(workspace, fill_catalog(workspace, per_emotion=PER_CLASS).face_ids)
    return workspace


def written(workspace):
    """Return every file of the sample with its bytes; None if there is none."""
    folder = workspace.data / "sample"
    if not folder.exists():
        return None
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def state(workspace):
    """Return everything that a sample is: files, rows, and the CSV."""
    csv = workspace.manifests / "sample.csv"
    rows = [tuple(row) for row in sampled_faces(workspace.catalog)]
    return written(workspace), rows, csv.read_bytes() if csv.exists() else None


def nothing_left_behind(workspace):
    return not list(workspace.data.glob(".sample*"))


def test_exactly_n_a_class_out_of_the_accepted_faces(workspace):
    result = sample(workspace, SampleRecipe(per_class=3, seed=1))
    assert result.per_class == dict.fromkeys(EMOTIONS, 3)
    assert result.short == {}
    assert result.path == workspace.data / "sample"
    folders = sorted(path.name for path in result.path.iterdir())
    assert folders == sorted(EMOTIONS)
    faces = workspace.catalog.rows("SELECT face_id, emotion, path FROM face_rows")
    expected = choose(((row["face_id"], row["emotion"]) for row in faces), 3, 1).chosen
    paths = {row["face_id"]: workspace.root / row["path"] for row in faces}
    assert written(workspace) == {
        f"{emotion}/{face}.png": paths[face].read_bytes()
        for emotion in EMOTIONS
        for face in expected[emotion]
    }
    rows = sampled_faces(workspace.catalog)
    assert [(row["emotion"], row["rank"], row["face_id"]) for row in rows] == [
        (emotion, rank, face) for emotion in EMOTIONS for rank, face in enumerate(expected[emotion])
    ]
    assert all((workspace.root / row["path"]).is_file() for row in rows)
    assert list(pd.read_csv(workspace.manifests / "sample.csv")["face_id"]) == [
        row["face_id"] for row in rows
    ]
    assert (result.path.stat().st_mode & 0o777) == 0o755
    assert nothing_left_behind(workspace)


def test_the_same_again_and_another_one_with_another_seed(workspace):
    sample(workspace, SampleRecipe(per_class=2))
    first = state(workspace)
    sample(workspace, SampleRecipe(per_class=2))
    assert state(workspace) == first
    sample(workspace, SampleRecipe(per_class=2, seed=1))
    assert state(workspace)[0].keys() != first[0].keys()
    assert len(state(workspace)[0]) == 14
    sample(workspace, SampleRecipe(per_class=2, seed=0))
    assert state(workspace) == first
    assert nothing_left_behind(workspace)


def test_another_machine_draws_the_same(workspace, tmp_path):
    """The same faces, found and accepted in another order."""
    other = create_workspace(tmp_path / "other")
    faces = fill_catalog(other, tuple(reversed(EMOTIONS)), per_emotion=PER_CLASS).face_ids
    accept(other, list(reversed(faces)))
    for each in (workspace, other):
        sample(each, SampleRecipe(per_class=3))
    assert written(other) == written(workspace)


def test_only_accepted_faces_with_a_settled_label_are_drawn(tmp_path):
    workspace = create_workspace(tmp_path)
    filled = fill_catalog(workspace, per_emotion=4, conflicts=1)
    happy, sad = filled.faces["happy"], filled.faces["sad"]
    accept(workspace, [*happy[:3], *sad[1:]])
    reject = Decision(happy[1], "face", "reject", reason="occluded", reviewer="ana")
    add_decisions(workspace.catalog, [reject])
    accept(workspace, [sad[0]], "fear")  # the reviewer settles a conflict
    tie = Decision(sad[2], "face", "reject", reason="other", reviewer="bob")
    add_decisions(workspace.catalog, [tie])
    sample(workspace, SampleRecipe(per_class=10, allow_short=True))
    assert set(written(workspace)) == {
        f"happy/{happy[0]}.png",
        f"happy/{happy[2]}.png",
        f"sad/{sad[1]}.png",
        f"sad/{sad[3]}.png",
        f"fear/{sad[0]}.png",
    }


def test_a_short_class_writes_nothing_and_leaves_the_earlier_sample(workspace):
    sample(workspace, SampleRecipe(per_class=2))
    earlier = state(workspace)
    result = sample(workspace, SampleRecipe(per_class=PER_CLASS + 2))
    assert result.path is None
    assert result.short == dict.fromkeys(EMOTIONS, 2)
    assert state(workspace) == earlier

    command = btfer(workspace, "sample", "--per-class", "7", "--json")
    assert command.returncode == 1
    answer = json.loads(command.stdout)
    assert (answer["path"], answer["short"]) == (None, dict.fromkeys(EMOTIONS, 2))
    assert "some classes have too few faces" in command.stderr
    assert state(workspace) == earlier


def test_a_short_class_is_written_when_allowed(workspace):
    result = sample(workspace, SampleRecipe(per_class=PER_CLASS + 2, allow_short=True))
    assert result.path is not None
    assert result.short == dict.fromkeys(EMOTIONS, 2)
    assert len(written(workspace)) == 7 * PER_CLASS


def test_an_empty_class_is_an_empty_folder(tmp_path):
    workspace = create_workspace(tmp_path)
    accept(workspace, fill_catalog(workspace, ("happy",), per_emotion=2).face_ids)
    sample(workspace, SampleRecipe(per_class=2, allow_short=True))
    assert sorted(path.name for path in (workspace.data / "sample").iterdir()) == sorted(EMOTIONS)
    assert len(written(workspace)) == 2


def gone(path):
    path.unlink()


def empty(path):
    path.write_bytes(b"")


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize("damage", [gone, empty, cut_short])
def test_a_damaged_face_is_made_again_and_dropped_if_its_photo_is_gone_too(workspace, damage):
    cut_again(workspace)
    with workspace.catalog.transaction() as db:
        db.execute("UPDATE crops SET settings = ?", (f'{{"size": {SIZE}}}',))
        for row in db.execute("SELECT face_id, path FROM faces").fetchall():
            length = (workspace.root / row["path"]).stat().st_size
            db.execute("UPDATE faces SET bytes = ? WHERE face_id = ?", (length, row["face_id"]))
    one, other = workspace.catalog.rows(
        "SELECT f.face_id, f.path, i.path AS photo FROM faces f JOIN images i USING (image_id) ORDER BY face_id LIMIT 2"
    )
    whole = (workspace.root / one["path"]).read_bytes()
    for row in (one, other):
        damage(workspace.root / row["path"])
    (workspace.root / other["photo"]).unlink()
    done = sample(workspace, SampleRecipe(per_class=PER_CLASS, allow_short=True))
    assert (workspace.root / one["path"]).read_bytes() == whole
    assert done.passed_over == {"unreadable": 1}
    assert sum(done.per_class.values()) == len(EMOTIONS) * PER_CLASS - 1
    undrawn = workspace.catalog.rows("SELECT face_id, reason FROM undrawn")
    assert [tuple(row) for row in undrawn] == [(other["face_id"], "unreadable")]
    assert nothing_left_behind(workspace)


def test_a_face_whose_bytes_changed_is_named_and_the_earlier_sample_stays(workspace):
    sample(workspace, SampleRecipe(per_class=2))
    before = state(workspace)
    (row,) = workspace.catalog.rows("SELECT path FROM faces ORDER BY face_id LIMIT 1")
    content = bytearray((workspace.root / row["path"]).read_bytes())
    content[len(content) // 2] ^= 1
    (workspace.root / row["path"]).write_bytes(content)
    with pytest.raises(BtferError, match=rf"{row['path']} is damaged; make it again with: btfer crop"):
        sample(workspace, SampleRecipe(per_class=PER_CLASS))
    assert state(workspace) == before
    assert nothing_left_behind(workspace)


def test_photos_and_faces_that_are_not_mounted_drop_no_face(workspace):
    sample(workspace, SampleRecipe(per_class=2))
    before = state(workspace)
    for folder in ("faces", "images"):
        shutil.rmtree(workspace.data / folder)
    with pytest.raises(BtferError, match="is the storage mounted"):
        sample(workspace, SampleRecipe(per_class=PER_CLASS))
    assert state(workspace) == before


def test_a_full_disk_leaves_the_earlier_sample(workspace):
    """Every file of more than 100 bytes fails, as on a full disk."""
    sample(workspace, SampleRecipe(per_class=2))
    before = state(workspace)
    ran = run(
        workspace,
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)",
        "real = Path.write_bytes",
        "def full(target, content):",
        "    resource.setrlimit(resource.RLIMIT_FSIZE, (100, resource.RLIM_INFINITY))",
        "    try: return real(target, content)",
        "    finally: resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)",
        "Path.write_bytes = full",
    )
    assert "BtferError" in ran.stderr
    assert "sample: cannot be written" in ran.stderr
    assert state(workspace) == before
    assert nothing_left_behind(workspace)


def run(workspace, *before):
    """Sample in another process, after some lines of its own."""
    script = "\n".join(
        [
            "import os, resource, shutil, signal",
            "from pathlib import Path",
            "from btfer_builder.sample import stage",
            "from btfer_builder.config import SampleRecipe",
            "from btfer_builder.workspace import Workspace",
            *before,
            f"stage.sample(Workspace(Path({str(workspace.root)!r})), SampleRecipe(per_class=4, seed=9))",
        ]
    )
    return subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)


KILL = "os.kill(os.getpid(), signal.SIGKILL)"
MOMENTS = {
    "while copying": [
        "real, copied = Path.write_bytes, []",
        "def copy(target, content):",
        f"    if len(copied) == 9: {KILL}",
        "    copied.append(real(target, content))",
        "Path.write_bytes = copy",
    ],
    "before the swap": [f"os.rename = lambda *_: {KILL}", f"Path.rename = lambda *_: {KILL}"],
    "in the swap": [
        "real = Path.rename",
        f"Path.rename = lambda self, target: {KILL} if Path(target).name == 'sample' else real(self, target)",
    ],
    "after the swap": [f"stage.replace_sample = lambda *_: {KILL}"],
    "before the CSV": [f"stage.write_manifests = lambda *_: {KILL}"],
}


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("earlier", [True, False])
def test_killed_at_any_moment_there_is_never_half_a_sample(workspace, tmp_path, moment, earlier):
    if earlier:
        sample(workspace, SampleRecipe(per_class=2))
    before = written(workspace)
    assert run(workspace, *MOMENTS[moment]).returncode == -signal.SIGKILL
    after = written(workspace)
    if moment in {"after the swap", "before the CSV"}:
        assert len(after) == 28
    elif moment == "in the swap":
        assert after is None
    else:
        assert after == before

    # Even a run that writes nothing brings the earlier one back and clears up.
    assert sample(workspace, SampleRecipe(per_class=99)).path is None
    assert nothing_left_behind(workspace)
    if moment not in {"after the swap", "before the CSV"}:
        assert written(workspace) == before

    other = create_workspace(tmp_path / "other")
    accept(other, fill_catalog(other, per_emotion=PER_CLASS).face_ids)
    for each in (workspace, other):
        sample(each, SampleRecipe(per_class=4, seed=9))
    assert state(workspace) == state(other)
    assert nothing_left_behind(workspace)


def test_a_second_command_at_once_is_told_so(workspace):
    with workspace.stage("sample"):
        second = btfer(workspace, "sample", "--per-class", "1")
    assert second.returncode == 1
    assert "another btfer sample is running" in second.stderr
    assert written(workspace) is None
