"""All stages in one command: what it plans, where it stops, and how it goes on; with real photographs."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

import btfer_builder as bt
from btfer_builder.build import BuildSettings, plan_build
from btfer_builder.catalog.dedupe_faces import replace_face_dedupes
from btfer_builder.catalog.review import add_decisions
from btfer_builder.cli.main import main
from btfer_builder.config import CrawlRecipe, QueriesRecipe, SampleRecipe, SourceRecipe
from btfer_builder.errors import BtferError
from btfer_builder.next_step import next_step
from btfer_builder.records import Decision, FaceDedupe
from btfer_builder.workspace import Workspace, create_workspace
from demo.pictures import LOOKS_LIKE, encode, portrait
from tests.factories import fill_catalog


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    workspace = create_workspace(tmp_path / "faces")
    recipe = workspace.root / "btfer.toml"
    recipe.write_text(recipe.read_text().replace("workers = 2 ", "workers = 0 ", 4))
    return workspace


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Return a folder of own photographs: one person for each of two emotions."""
    from skimage import data

    people = data.lfw_subset()[:100]
    for emotion in ("fear", "happy"):
        person = next(person for person in LOOKS_LIKE[emotion] if person not in {1, 22})
        (tmp_path / "photos" / emotion).mkdir(parents=True)
        (tmp_path / "photos" / emotion / "a.jpg").write_bytes(encode(portrait(people[person], seed=person)))
    return tmp_path / "photos"


def run(workspace: Workspace, *arguments: str, code: int = 0) -> dict:
    done = CliRunner().invoke(
        main, ["build", "--json", *arguments, "-w", str(workspace.root)], catch_exceptions=False
    )
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def accept_all(workspace: Workspace, filled) -> None:
    replace_face_dedupes(workspace.catalog, [FaceDedupe(face, "kept") for face in filled.face_ids], [])
    add_decisions(
        workspace.catalog,
        [
            Decision(face, "face", "accept", emotion, reviewer="ana")
            for emotion, ids in filled.faces.items()
            for face in ids
        ],
    )


def settings(workspace: Workspace, **more: object) -> BuildSettings:
    return BuildSettings(CrawlRecipe(), QueriesRecipe(), SourceRecipe(), SampleRecipe(per_class=10), **more)


def test_a_build_runs_to_the_review_and_draws_the_sample_after_it(workspace, photos):
    own = ("--engine", "folder", "--path", str(photos), "--per-class", "1")
    first = run(workspace, *own, "--until", "dedupe")
    assert [(stage["stage"], stage["kept"]) for stage in first["stages"]] == [("crawl", 2), ("dedupe", 2)]
    assert first["next"]["command"] == "btfer crop"
    rest = run(workspace, "--per-class", "1")
    assert [(stage["stage"], stage["kept"]) for stage in rest["stages"]] == [("crop", 2), ("dedupe-faces", 2)]
    assert rest["next"] == {
        "stage": "review-faces", "sentence": "2 faces wait for review", "command": "btfer review",
    }  # fmt: skip
    assert rest["sample"] is None
    assert run(workspace, "--per-class", "1")["stages"] == []  # nothing is done twice
    # Everything is reviewed, and five emotions have no face: a set of own pictures is not filled up from the web.
    ws = bt.open_workspace(workspace.root)
    ws.import_decisions(ws.export_decisions(reviewer="ana").assign(verdict="accept"), reviewer="ana")
    short = run(workspace, "--per-class", "1")
    assert (short["stages"], short["next"]["command"]) == ([], "btfer crawl --engine folder --path PATH")


def test_pictures_that_are_not_sorted_are_refused_by_the_plan_too(workspace, photos, tmp_path):
    (tmp_path / "mine").mkdir()
    for number, photo in enumerate(photos.rglob("*.jpg")):
        photo.rename(tmp_path / "mine" / f"{number}.jpg")
    own = ("--engine", "folder", "--path", str(tmp_path / "mine"))
    for more in ((), ("--plan",)):
        done = CliRunner().invoke(main, ["build", *own, *more, "-w", str(workspace.root)])
        assert done.exit_code == 1
        assert "mine: no folder in it is named after an emotion" in done.stderr
        assert "not sorted yet, name one with --emotion" in done.stderr
    planned = run(workspace, *own, "--plan", "--emotion", "happy")["plan"]
    assert (planned[0]["work"], planned[0]["items"]) == (f"2 pictures in {tmp_path / 'mine'}", 2)


def test_what_is_true_of_own_pictures_is_stated_in_a_build(workspace, photos):
    own = ("--engine", "folder", "--path", str(photos), "--until", "crawl")
    run(workspace, *own, "--source-license", "by", "--source-creator", "Ana")
    rows = workspace.catalog.rows("SELECT DISTINCT license, creator FROM candidates")
    assert [tuple(row) for row in rows] == [("by", "Ana")]


def test_a_build_with_its_own_number_of_faces_goes_on_with_it(workspace, monkeypatch):
    filled = fill_catalog(workspace, per_emotion=3)
    replace_face_dedupes(workspace.catalog, [FaceDedupe(face, "kept") for face in filled.face_ids], [])
    asked = {}

    def review(workspace, *_, wanted, **__):
        asked["wanted"] = wanted
        accept_all(workspace, filled)
        return "21 decisions recorded", 2

    monkeypatch.setattr("btfer_builder.cli.build.serve_page", review)
    monkeypatch.chdir(workspace.root)
    done = CliRunner().invoke(main, ["build", "--per-class", "3"])
    assert done.exit_code == 130  # as of a shell after Ctrl-C, and nothing is aborted
    assert (asked, done.stderr) == ({"wanted": 3}, "")
    assert "Label them on the page; then: btfer build --per-class 3\n" in done.stdout
    assert done.stdout.endswith("each emotion has 3 accepted faces or more:\n  btfer build --per-class 3\n")
    assert next_step(workspace).sentence == (
        "all emotions lack faces, most of all angry (297 of 300); there are enough for 3 of each (--per-class 3)"
    )


def test_a_build_draws_when_enough_is_accepted_and_not_before_until(workspace):
    accept_all(workspace, fill_catalog(workspace, per_emotion=2))
    assert run(workspace, "--per-class", "2", "--until", "review")["sample"] is None
    drawn = run(workspace, "--per-class", "2")
    assert drawn["sample"]["per_class"]["fear"] == 2
    assert drawn["next"]["command"] == "btfer eval MODEL"
    again = bt.open_workspace(workspace.root).build(per_class=2, progress=False)
    assert (again.ran, again.next.stage, again.waits_for_review) == ([], "eval", False)


def test_a_plan_has_estimates_and_changes_nothing(workspace):
    planned = plan_build(workspace, settings(workspace))
    assert [stage.stage for stage in planned] == [
        "crawl",
        "dedupe",
        "crop",
        "dedupe-faces",
        "review",
        "sample",
    ]
    crawl = planned[0]
    assert crawl.items is not None
    assert 0 < crawl.items < 10_500  # for ten faces of an emotion a few pages will do
    assert crawl.seconds is not None
    assert crawl.work.endswith("to openverse, at most 10,500")
    assert [stage.items for stage in planned[1:]] == [None] * 5
    assert [stage.stage for stage in plan_build(workspace, settings(workspace, until="crop"))] == [
        "crawl", "dedupe", "crop",
    ]  # fmt: skip
    assert workspace.catalog.value("SELECT count(*) FROM runs") == 0
    fill_catalog(workspace, per_emotion=2)
    planned = plan_build(workspace, settings(workspace))
    assert [(stage.stage, stage.items) for stage in planned] == [
        ("dedupe-faces", 14),
        ("review", None),
        ("sample", None),
    ]


def test_the_plan_is_printed_before_anything_is_done(workspace):
    filled = fill_catalog(workspace, per_emotion=1)
    replace_face_dedupes(workspace.catalog, [FaceDedupe(face, "kept") for face in filled.face_ids], [])
    shown = CliRunner().invoke(main, ["-w", str(workspace.root), "build", "--plan"], catch_exceptions=False)
    assert "7 faces wait for review, by you" in shown.stdout
    assert "21 seconds" in shown.stdout
    frame = bt.open_workspace(workspace.root).plan_build()
    assert frame["stage"].tolist() == ["review", "sample"]


def test_what_comes_after_the_page_draws_as_many_as_were_asked_for(workspace, monkeypatch):
    filled = fill_catalog(workspace, per_emotion=2)
    replace_face_dedupes(workspace.catalog, [FaceDedupe(face, "kept") for face in filled.face_ids], [])

    def person(*_: object, **__: object) -> tuple[str, None]:
        accept_all(workspace, filled)
        return "14 decisions recorded", None

    monkeypatch.setattr("btfer_builder.cli.build.serve_page", person)
    again = f"btfer -w {workspace.root} build --per-class 2"
    shown = CliRunner().invoke(main, again.split()[1:], catch_exceptions=False)
    assert f"Label them on the page; then: {again}\n" in shown.stdout
    assert shown.stdout.endswith(f"each emotion has 2 accepted faces or more:\n  {again}\n")


def test_an_unknown_stage_is_refused(workspace):
    with pytest.raises(BtferError, match=r"until: 'crp' is not one of .*; did you mean `crop`"):
        bt.open_workspace(workspace.root).build(until="crp")
