"""The next step: the first stage with work, whatever the user called last."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import btfer_builder as bt
from btfer_builder.catalog.agreement import ConsensusRule, set_rule
from btfer_builder.catalog.dedupe import replace_dedupes
from btfer_builder.catalog.dedupe_faces import replace_face_dedupes
from btfer_builder.catalog.funnel import StageCount
from btfer_builder.catalog.open_faces import OpenFaces
from btfer_builder.catalog.review import add_decisions
from btfer_builder.catalog.searches import add_search
from btfer_builder.cli.main import main
from btfer_builder.cli.next_line import from_here
from btfer_builder.config import SampleRecipe
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS
from btfer_builder.next_step import Facts, next_step, step_of
from btfer_builder.records import Candidate, Decision, FaceDedupe, Search
from btfer_builder.sample.stage import sample
from btfer_builder.workspace import Workspace, create_workspace
from tests.factories import Filled, fill_catalog


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path / "faces")


def compared(workspace: Workspace, filled: Filled) -> None:
    replace_face_dedupes(workspace.catalog, [FaceDedupe(face, "kept") for face in filled.face_ids], [])


def label(workspace: Workspace, face_id: str, emotion: str | None, reviewer: str = "ana") -> None:
    verdict = "accept" if emotion else "skip"
    add_decisions(workspace.catalog, [Decision(face_id, "face", verdict, emotion, reviewer=reviewer)])


def label_all(workspace: Workspace, filled: Filled) -> None:
    for emotion, faces in filled.faces.items():
        for face in faces:
            label(workspace, face, emotion)


def run(workspace: Workspace, *arguments: str, code: int = 0):
    done = CliRunner().invoke(main, [*arguments, "-w", str(workspace.root)], catch_exceptions=False)
    assert done.exit_code == code, done.output
    return done


def counts(**items: tuple[int, int, int]) -> list[StageCount]:
    """Return a funnel of (kept, dropped, waiting) by stage."""
    names = ("crawl", "dedupe", "review-images", "crop", "dedupe-faces", "review-faces", "sample")
    units = {"crawl": "candidates", "dedupe-faces": "faces", "review-faces": "faces", "sample": "faces"}
    made = []
    for name in names:
        kept, dropped, waiting = items.get(name.replace("-", "_"), (0, 0, 0))
        unit = units.get(name, "images")
        made.append(StageCount(name, unit, kept + dropped, kept, {"x": dropped}, waiting, {}))
    return made


FULL = dict.fromkeys(EMOTIONS, 2)


@pytest.mark.parametrize(
    ("stages", "facts", "command", "sentence"),
    [
        (counts(), Facts(2), "btfer crawl", "there are no pictures yet"),
        (
            counts(crawl=(3, 0, 9)), Facts(2, recrawl="btfer crawl --engine bing"),
            "btfer crawl --engine bing", "9 search results wait for the download",
        ),
        (counts(crawl=(3, 0, 9), dedupe=(0, 0, 3)), Facts(2), "btfer dedupe", "3 images wait for dedupe"),
        (counts(crawl=(1, 0, 0), dedupe=(0, 0, 1)), Facts(2), "btfer dedupe", "1 image waits for dedupe"),
        (counts(crawl=(0, 9, 0)), Facts(2), "btfer crawl --for-sample 2", "9 candidates gave no image"),
        (counts(crawl=(3, 0, 0), dedupe=(3, 0, 0), crop=(0, 0, 3)), Facts(2), "btfer crop", "3 images wait for crop"),
        (
            counts(crawl=(3, 0, 0), dedupe=(3, 0, 0), crop=(0, 3, 0)), Facts(2),
            "btfer crawl --for-sample 2", "3 images gave no photo with a face",
        ),
        (
            counts(crawl=(3, 0, 0), crop=(3, 0, 0), dedupe_faces=(0, 0, 1)), Facts(2, FULL),
            "btfer dedupe --faces", "1 face waits for dedupe-faces",
        ),
        (
            counts(crawl=(3, 0, 0), crop=(3, 0, 0)), Facts(2, open=OpenFaces(5, 1, 2)),
            "btfer review", "5 faces wait for review, and 2 for adjudication",
        ),
        (
            counts(crawl=(3, 0, 0), crop=(3, 0, 0)), Facts(2, open=OpenFaces(0, 1, 52)),
            "btfer review --adjudicate", "52 faces wait for adjudication",
        ),
        (
            counts(crawl=(3, 0, 0), crop=(3, 0, 0)), Facts(2, open=OpenFaces(0, 1)),
            "btfer review --reviewer NAME", "1 face waits for another reviewer",
        ),
        (
            counts(crawl=(3, 0, 0), crop=(3, 0, 0)), Facts(2, open=OpenFaces(skipped=1)),
            "btfer crawl --for-sample 2", "all emotions lack faces, most of all angry (2 of 2); 1 face skipped",
        ),
        (
            counts(crawl=(3, 0, 0), crop=(3, 0, 0)), Facts(2, FULL | {"fear": 1, "sad": 0}),
            "btfer crawl --for-sample 2", "fear lacks 1 face, sad 2",
        ),
        # Enough is enough: what still waits for a review does not hold up the sample.
        (
            counts(crawl=(3, 0, 0), crop=(3, 0, 0)), Facts(2, FULL, OpenFaces(5, 5, 5)),
            "btfer sample", "each emotion has 2 accepted faces or more",
        ),
        (
            counts(crawl=(3, 0, 0), crop=(3, 0, 0), sample=(14, 0, 0)), Facts(2, FULL),
            "btfer eval MODEL", "the sample has 14 faces; score a model on it",
        ),
        (
            counts(crawl=(3, 0, 0), crop=(3, 0, 0), sample=(14, 0, 0)), Facts(2, FULL, stale=1),
            "btfer sample", "1 face of the sample changed in the review or left the set",
        ),
        (
            counts(crawl=(3, 0, 0), crop=(3, 0, 0), sample=(14, 0, 0)), Facts(2, FULL, scored=True),
            "btfer release FOLDER --contact ADDRESS",
            "the sample is drawn and a model is scored; write it as a data set for others",
        ),
    ],
)  # fmt: skip
def test_the_first_stage_with_work_is_next(stages, facts, command, sentence):
    step = step_of({stage.stage: stage for stage in stages}, facts)
    assert (step.command, step.sentence) == (command, sentence)


def test_the_way_of_a_set_from_an_empty_workspace(workspace):
    assert next_step(workspace).command == "btfer crawl"
    filled = fill_catalog(workspace, per_emotion=2)
    assert str(next_step(workspace)) == "14 faces wait for dedupe-faces: btfer dedupe --faces"
    compared(workspace, filled)
    assert next_step(workspace, wanted=2).command == "btfer review"
    label_all(workspace, filled)
    assert next_step(workspace).command == "btfer crawl --for-sample 300"
    assert next_step(workspace, wanted=2).command == "btfer sample --per-class 2"
    sample(workspace, SampleRecipe(per_class=2))
    assert next_step(workspace).command == "btfer eval MODEL"
    label(workspace, filled.faces["happy"][0], "sad")
    assert next_step(workspace, wanted=1).command == "btfer sample --per-class 1"


def test_what_faces_wait_for(workspace):
    filled = fill_catalog(workspace, per_emotion=2)
    compared(workspace, filled)
    set_rule(workspace.catalog, ConsensusRule(2, 0.6))
    first, second, *rest = filled.face_ids
    label(workspace, first, "happy", "ana")
    assert str(next_step(workspace)) == "13 faces wait for review: btfer review"
    for face in rest:
        label(workspace, face, None)
    label(workspace, second, "happy")
    assert str(next_step(workspace)) == "2 faces wait for another reviewer: btfer review --reviewer NAME"
    label(workspace, first, "sad", "bo")
    assert str(next_step(workspace)) == "1 face waits for adjudication: btfer review --adjudicate"


def test_a_crawl_that_was_cut_off_is_continued_first(workspace):
    catalog = workspace.catalog
    fill_catalog(workspace, ["fear"], per_emotion=1, faces=False)
    search = Search("folder", "more", "en", "fear", "white", "female", "adult", "fear")
    add_search(catalog, search, [Candidate(1, "https://photos.example/more.png")], requested=1)
    with pytest.raises(BtferError), catalog.run("crawl", workspace.recipe.crawl):
        raise BtferError("the disk is full")
    assert str(next_step(workspace)) == "1 search result waits for the download: btfer crawl"
    with catalog.run("dedupe", workspace.recipe.dedupe):
        pass
    assert next_step(workspace).command == "btfer crop"


@pytest.mark.parametrize(
    ("arguments", "stage"),
    [
        (["dedupe"], "dedupe"),
        (["crop"], "crop"),
        (["dedupe", "--faces"], "dedupe-faces"),
        (["review"], "review"),
        (["review", "--round", "images"], "review"),
        (["review", "--export", "out.csv"], "review"),
        (["sample", "--allow-short"], "sample"),
    ],
)
def test_a_stage_that_nothing_has_reached_names_the_step_before(
    workspace, arguments, stage, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    error = run(workspace, *arguments, code=1).stderr
    assert error == f"Error: {stage}: nothing to do; there are no pictures yet: btfer -w faces crawl\n"
    monkeypatch.chdir(workspace.root)
    assert f"{stage}: nothing to do; there are no pictures yet: btfer crawl\n" in (
        CliRunner().invoke(main, arguments).stderr
    )
    assert not (tmp_path / "out.csv").exists()


def test_crop_before_dedupe_and_review_before_crop(workspace, monkeypatch):
    monkeypatch.setenv("BTFER_WORKSPACE", str(workspace.root))
    filled = fill_catalog(workspace, ["fear"], per_emotion=2, faces=False)
    assert (
        "nothing to do; 2 images wait for crop: btfer crop; photos are reviewed with btfer review --round images"
        in (run(workspace, "review", code=1).stderr)
    )
    replace_dedupes(workspace.catalog, [])
    assert len(filled.image_ids) == 2
    error = "nothing to do; 2 images wait for dedupe: btfer dedupe\n"
    assert run(workspace, "crop", code=1).stderr == f"Error: crop: {error}"
    ws = bt.open_workspace(workspace.root)
    with pytest.raises(BtferError, match=r"^crop: nothing to do; 2 images wait for dedupe: dedupe\(\)$"):
        ws.crop()


def test_a_short_sample_names_what_waits_and_claims_nothing(workspace, monkeypatch):
    monkeypatch.setenv("BTFER_WORKSPACE", str(workspace.root))
    filled = fill_catalog(workspace, per_emotion=3)
    compared(workspace, filled)
    label_all(workspace, filled)
    for face in filled.faces["happy"][:2]:
        label(workspace, face, "sad", "bo")
    done = run(workspace, "sample", "--per-class", "3", code=1)
    assert "2 faces wait for adjudication: btfer review --adjudicate" in done.stderr
    assert "not written" in done.stdout
    assert "could be drawn" in done.stdout
    assert "  drawn" not in done.stdout
    answer = json.loads(run(workspace, "sample", "--per-class", "3", "--json", code=1).stdout)
    assert (answer["path"], answer["next"]["command"]) == (None, "btfer review --adjudicate")
    # A short draw leads to more faces also if there is an earlier sample.
    run(workspace, "sample", "--per-class", "1")
    assert (
        "btfer review --adjudicate" in run(workspace, "sample", "--per-class", "3", "--redraw", code=1).stderr
    )


def test_every_stage_ends_with_the_next_step(workspace, tmp_path, monkeypatch):
    filled = fill_catalog(workspace, per_emotion=2)
    compared(workspace, filled)
    table = tmp_path / "faces.csv"
    output = {
        name: run(workspace, *name.split()).stdout
        for name in ("status", f"review --export {table}", f"review --import {table}")
    }
    ends = {text[text.index("\nNext: ") :] for text in output.values()}
    assert ends == {f"\nNext: 14 faces wait for review:\n  btfer -w {workspace.root} review\n"}
    for name in output:
        assert json.loads(run(workspace, *name.split(), "--json").stdout)["next"] == {
            "stage": "review-faces", "sentence": "14 faces wait for review", "command": "btfer review",
        }  # fmt: skip
    monkeypatch.chdir(workspace.root)
    assert CliRunner().invoke(main, ["status"]).stdout.endswith(":\n  btfer review\n")
    ws = bt.open_workspace(workspace.root)
    assert ws.next_step().command == "review()"
    assert "Next: 14 faces wait for review: <code>review()</code>" in ws._repr_html_()


def test_every_command_in_a_message_works_where_the_user_is(workspace, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    said = "another btfer crop is running; btfer than; btfer dedupe --faces, then btfer crop. Or btfer init x"
    named = (
        "another btfer crop is running; btfer than; btfer -w faces dedupe --faces, then btfer -w faces crop. "
    )
    assert from_here(workspace.root, said) == named + "Or btfer init x"
    spaced = tmp_path / "my faces"
    assert from_here(spaced, "btfer crop") == "btfer -w 'my faces' crop"
    (spaced / "notes").mkdir(parents=True)
    monkeypatch.chdir(spaced)
    assert from_here(workspace.root, "btfer crop") == "btfer -w ../faces crop"
    monkeypatch.chdir(spaced / "notes")
    assert from_here(spaced, "btfer crop") == "btfer -w .. crop"
    monkeypatch.setenv("BTFER_WORKSPACE", str(workspace.root))
    assert from_here(workspace.root, said) == said
