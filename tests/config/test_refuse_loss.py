"""No command throws people's work away because a flag was forgotten, and a stale sample is said wherever it is read."""

import json

import pytest
from click.testing import CliRunner

from btfer_builder.catalog.agreement import rule
from btfer_builder.catalog.intentions import intentions
from btfer_builder.catalog.manifests import write_manifests
from btfer_builder.catalog.review import add_decisions
from btfer_builder.catalog.sample import sampled_faces
from btfer_builder.cli.main import main
from btfer_builder.config import DedupeRecipe
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Decision
from btfer_builder.workspace import create_workspace
from tests.factories import fill_catalog
from tests.photos import crawl_files, some_photos


def accept(workspace, kind, items, reviewer="ana"):
    """Accept items (id → emotion) in the name of a reviewer."""
    words = [Decision(item, kind, "accept", emotion, None, reviewer) for item, emotion in items.items()]
    add_decisions(workspace.catalog, words)


@pytest.fixture
def reviewed(tmp_path):
    """A workspace with four accepted faces of every emotion."""
    workspace = create_workspace(tmp_path / "faces")
    filled = fill_catalog(workspace, per_emotion=4)
    accept(workspace, "face", {face: emotion for emotion in EMOTIONS for face in filled.faces[emotion]})
    return workspace


def run(workspace, *arguments, code=0):
    """Run a command and return what it says on stderr; also a refused one leaves nothing to clear up."""
    done = CliRunner().invoke(main, [*arguments, "-w", str(workspace.root)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    assert done.exit_code == code, done.output
    assert intentions(workspace.catalog) == []
    return done.stderr


def drawn(workspace):
    files = sorted(path.name for path in (workspace.data / "sample").rglob("*.png"))
    return [tuple(row) for row in sampled_faces(workspace.catalog)], files


def keep(workspace, message):
    """Do what a refusal says: put its last lines into btfer.toml, in the place of those that are there."""
    section, *lines = [line.strip() for line in message.partition("Error: ")[2].splitlines()[1:]]
    recipe = (workspace.root / "btfer.toml").read_text()
    head, _, tail = recipe.partition(section)
    for line in lines:
        name = line.partition(" = ")[0]
        old = next(one for one in tail.splitlines() if one.startswith(f"{name} = "))
        tail = tail.replace(old, line, 1)
    (workspace.root / "btfer.toml").write_text(head + section + tail)


def test_a_sample_is_not_replaced_because_flags_were_forgotten(reviewed):
    splits = ("--splits", "test=2", "--seed", "5")
    run(reviewed, "sample", *splits)
    before = drawn(reviewed)
    run(reviewed, "sample", *splits)
    assert drawn(reviewed) == before
    message = run(reviewed, "sample", "--per-class", "2", code=1)
    assert "faces of the sample would be dropped" in message
    assert "seed 5 → 0" in message
    assert "per_class" not in message  # it was asked for
    assert " sample --redraw" in message
    assert drawn(reviewed) == before
    keep(reviewed, message)
    run(reviewed, "sample")
    assert drawn(reviewed) == before
    message = run(reviewed, "sample", "--seed", "6")
    assert "of the 14 faces of the earlier sample are not in this one" in message
    assert drawn(reviewed) != before


def test_rejected_faces_leave_the_sample_whatever_the_settings(reviewed):
    run(reviewed, "sample", "--per-class", "2", "--license", "by,cc0")
    reject(reviewed)
    (reviewed.root / "btfer.toml").write_text(
        '[sample]\nper_class = 2\nreserve = 5\nlicense = ["cc0", "by", "by"]\n'
    )
    assert "1 of the 14 faces of the earlier sample are not in this one" in run(reviewed, "sample")
    (reviewed.root / "btfer.toml").write_text('[sample]\nper_class = 2\nseed = 3\nlicense = ["cc0", "by"]\n')
    message = run(reviewed, "sample", code=1)
    assert "reserve 5 → 30" in message
    assert "seed 0 → 3" in message
    assert "license" not in message


def test_redraw_replaces_the_sample(reviewed):
    run(reviewed, "sample", "--per-class", "2", "--seed", "5")
    before = drawn(reviewed)
    run(reviewed, "sample", "--per-class", "2", "--redraw")
    assert drawn(reviewed) != before


def test_a_sample_may_grow(reviewed):
    """No face leaves: there is nothing to refuse, whatever was forgotten."""
    run(reviewed, "sample", "--per-class", "1")
    before = {row[0] for row in drawn(reviewed)[0]}
    (reviewed.root / "btfer.toml").write_text("[sample]\nper_class = 3\n")
    assert "earlier sample" not in run(reviewed, "sample")
    assert before < {row[0] for row in drawn(reviewed)[0]}


@pytest.fixture
def photos(tmp_path):
    """A workspace of real files, every kept image of which is reviewed, deduped with `--radius 0 --no-mirrored`."""
    workspace = create_workspace(tmp_path / "photos")
    crawl_files(workspace, some_photos())
    dedupe(workspace, DedupeRecipe(workers=0, radius=0, mirrored=False))
    kept = workspace.catalog.rows("SELECT image_id, emotion FROM image_rows WHERE state = 'kept'")
    accept(workspace, "image", {row["image_id"]: row["emotion"] for row in kept})
    return workspace


def kept_images(workspace):
    return workspace.catalog.value("SELECT count(*) FROM dedupes WHERE state = 'kept'")


def test_a_wider_radius_drops_no_reviewed_image_unasked(photos):
    before = kept_images(photos)
    message = run(photos, "dedupe", "--workers", "0", code=1)
    assert "reviewed images would be dropped" in message
    assert "radius 0 → 8, mirrored false → true" in message
    assert kept_images(photos) == before
    keep(photos, message)
    run(photos, "dedupe")
    assert kept_images(photos) == before
    run(photos, "dedupe", "--radius", "8", "--mirrored", code=1)
    run(photos, "dedupe", "--radius", "8", "--mirrored", "--regroup")
    assert kept_images(photos) < before
    run(photos, "dedupe", "--radius", "8", "--mirrored")


def test_other_settings_of_the_second_pass_are_nothing_to_the_first(photos):
    run(photos, "dedupe", "--radius", "0", "--no-mirrored", "--face-radius", "8", "--workers", "0")


def test_limits_that_drop_reviewed_images_are_refused(photos):
    options = ("--radius", "0", "--no-mirrored", "--max-pixels", "10000")
    assert "max_pixels 100000000 → 10000" in run(photos, "dedupe", *options, code=1)


def test_a_rule_is_not_replaced_because_flags_were_forgotten(reviewed):
    """Two of the votes differ: by the majority of two the faces are settled, by all votes alike they are not."""
    catalog = reviewed.catalog
    face = catalog.value("SELECT face_id FROM face_rows WHERE emotion = 'happy'")
    for reviewer, emotion in (("bo", "happy"), ("cy", "sad")):
        accept(reviewed, "face", {face: emotion}, reviewer)
    (reviewed.root / "btfer.toml").write_text("[review]\nagreement = 1.0\n")
    message = run(reviewed, "review", "--export", str(reviewed.root / "out.csv"), code=1)
    assert "1 reviewed items would lose their verdict" in message
    assert "agreement 0.5 → 1.0" in message
    assert "--min-votes 1 --agreement 1.0" in message
    assert rule(catalog).agreement == 0.5
    run(reviewed, "agreement", code=1)
    run(reviewed, "agreement", "--agreement", "1.0", "--resamples", "100")
    assert rule(catalog).agreement == 1.0
    run(reviewed, "agreement", "--resamples", "100")


READERS = {
    "status": ["status"],
    "leakage": ["leakage"],
    "review": ["review", "--export", "OUT.csv"],
    "sample": ["sample", "--per-class", "99"],
    "release": ["release", "OUT"],
    "eval": ["eval", "no-such-model.keras"],
}


def sampled_happy(workspace):
    return workspace.catalog.value("SELECT face_id FROM sample WHERE emotion = 'happy' ORDER BY rank")


def reject(workspace):
    message = Decision(sampled_happy(workspace), "face", "reject", None, "other", "ana")
    add_decisions(workspace.catalog, [message])
    return "1 no longer accepted"


def relabel(workspace):
    accept(workspace, "face", {sampled_happy(workspace): "sad"})
    return "1 with another label"


def reject_photo(workspace):
    image = workspace.catalog.value("SELECT image_id FROM faces WHERE face_id = ?", sampled_happy(workspace))
    add_decisions(workspace.catalog, [Decision(image, "image", "reject", None, "other", "ana")])
    return "1 left the set"


@pytest.mark.parametrize("change", [reject, relabel, reject_photo])
def test_a_stale_sample_is_said_by_all_who_read_it(reviewed, tmp_path, change):
    run(reviewed, "sample", "--per-class", "2")
    model = tmp_path / "no-such-model.keras"
    model.write_bytes(b"no model")
    assert "stale" not in run(reviewed, "status")
    reason = change(reviewed)
    for name, arguments in READERS.items():
        paths = {
            "OUT": str(tmp_path / "out"),
            "OUT.csv": str(tmp_path / "out.csv"),
            "no-such-model.keras": str(model),
        }
        code = 1 if name in {"sample", "release", "eval"} else 0
        message = run(reviewed, *(paths.get(word, word) for word in arguments), code=code)
        if name == "release":
            assert "draw it again with btfer -w" in message
        else:
            assert (
                message.count(f"the sample is stale: of 14 faces {reason}; draw it again: btfer -w") == 1
            ), name
    run(reviewed, "sample", "--per-class", "2")
    assert "stale" not in run(reviewed, "status")


def test_what_takedown_cannot_replace_is_said(reviewed):
    run(reviewed, "sample", "--per-class", "4")
    write_manifests(reviewed.catalog, reviewed.manifests, "candidates", "images", "faces", "decisions")
    run(reviewed, "takedown", sampled_happy(reviewed))
    assert "the sample is stale: of 27 faces 1 taken down" in run(reviewed, "status")
    assert (
        json.loads(reviewed.catalog.value("SELECT counts FROM runs WHERE command = 'takedown'"))["short"] == 1
    )
    run(reviewed, "sample", "--per-class", "3")
    assert "stale" not in run(reviewed, "status")
