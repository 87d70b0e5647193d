"""One person is one reviewer, however the name is written, and no decision that is kept changes hands."""

import unicodedata

import pytest
from click.testing import CliRunner

from btfer_builder.catalog.review import add_decisions, reviewer_names
from btfer_builder.cli.main import main
from btfer_builder.config import AgreementRecipe, ReviewRecipe
from btfer_builder.errors import BtferError
from btfer_builder.records import Decision
from btfer_builder.review.assignment import is_assigned
from btfer_builder.review.decisions import import_decisions
from btfer_builder.review.reviewers import (
    check_reviewer,
    known_as,
    reviewer_name,
    settle_names,
    settle_reviewers,
)
from btfer_builder.review.stage import export_round, measure_agreement

DECOMPOSED = unicodedata.normalize("NFD", "José")


def decide(workspace, faces, reviewer, emotion="happy"):
    add_decisions(
        workspace.catalog, [Decision(face, "face", "accept", emotion, None, reviewer) for face in faces]
    )


@pytest.mark.parametrize(
    ("typed", "known", "found", "said"),
    [
        ("ana", ["Ana"], "Ana", "reviewer ana: the decisions are those of Ana"),
        (" Ana ", ["Ana"], "Ana", ""),
        ("ANA  PÉREZ", ["Ana Pérez"], "Ana Pérez", "those of Ana Pérez"),
        (DECOMPOSED, ["José"], "José", ""),
        ("José", [DECOMPOSED], DECOMPOSED, ""),
        ("josé", [DECOMPOSED], DECOMPOSED, "the decisions are those of"),
        (DECOMPOSED, [], "José", ""),
        ("Ａｎａ", ["Ana"], "Ana", "those of Ana"),
        ("STRASSER", ["Straßer"], "Straßer", "those of Straßer"),
        ("ana", ["Ana", "ana"], "ana", ""),
        ("Anna", ["Ana"], "Anna", ""),
        ("ana", [], "ana", ""),
    ],
)
def test_a_person_is_known_however_the_name_is_written(capsys, typed, known, found, said):
    assert known_as(typed, known) == found
    error = capsys.readouterr().err
    assert said in error
    assert bool(error) == bool(said)


def test_the_page_the_spreadsheet_and_an_import_sign_as_the_one_who_is_known(workspace, filled, tmp_path):
    first, second, third = filled.face_ids[:3]
    decide(workspace, [first], "Ana")
    assert settle_names(workspace.catalog, ReviewRecipe(reviewer="ana")).reviewer == "Ana"
    path = tmp_path / "faces.csv"
    export_round(workspace, path, ReviewRecipe(reviewer="ana"))
    assert f"{first},face,happy,accept,,Ana," in path.read_text()
    rows = (
        f"{second},face,sad,accept,ana",
        f"{third},face,sad,accept,ANA",
        f"{first},face,happy,accept, ana ",
    )
    path.write_text("\n".join(["item_id,kind,emotion,verdict,reviewer", *rows]))
    done = import_decisions(workspace.catalog, path, reviewer="bo")
    assert (done.added, done.unchanged) == (2, 1)
    assert reviewer_names(workspace.catalog) == ["Ana"]


def test_two_spellings_in_one_table_are_one_reviewer(workspace, filled, tmp_path):
    path = tmp_path / "faces.csv"
    rows = [
        f"{face},face,sad,accept,{name}" for face, name in zip(filled.face_ids, ("Bo", "bo"), strict=False)
    ]
    path.write_text("\n".join(["item_id,kind,emotion,verdict,reviewer", *rows]))
    import_decisions(workspace.catalog, path, reviewer="ana")
    assert reviewer_names(workspace.catalog) == ["Bo"]


def test_each_person_has_one_share(workspace, filled):
    decide(workspace, filled.face_ids[:1], "Ana")
    recipe = ReviewRecipe(reviewer="aNA", reviewers=("ana", "bo", "Bo", "ANA"), overlap=0)
    settled = settle_names(workspace.catalog, recipe)
    assert (settled.reviewer, settled.reviewers) == ("Ana", ("Ana", "bo"))
    for face in filled.face_ids:
        assert sum(is_assigned(name, face, settled) for name in settled.reviewers) == 1
    assert settle_names(workspace.catalog, settled) == settled
    with pytest.raises(BtferError, match="not a valid reviewer name"):
        settle_reviewers(workspace.catalog, ReviewRecipe(reviewers=("ana", "")))


def test_the_agreement_compares_those_who_are_meant(workspace, filled, capsys):
    faces = filled.face_ids[:6]
    for name in ("Ana", "bo"):
        decide(workspace, faces, name)
    measured = measure_agreement(
        workspace, "faces", AgreementRecipe(resamples=100), ReviewRecipe(reviewers=("ana", "BO"))
    )
    assert measured.answered == {"Ana": 6, "bo": 6}
    assert "different people" not in capsys.readouterr().err


def test_two_who_were_recorded_apart_stay_apart_and_are_named(workspace, filled):
    faces = filled.face_ids[:6]
    for name in ("Ana", "ana"):
        decide(workspace, faces, name)
    done = CliRunner().invoke(main, ["agreement", "-w", str(workspace.root), "--resamples", "100"])
    assert done.exit_code == 0, done.output
    assert "Ana 6, ana 6" in done.stdout
    assert "reviewers Ana and ana: recorded as different people, and their votes count as such" in done.stderr
    for name in ("Ana", "ana"):
        assert settle_names(workspace.catalog, ReviewRecipe(reviewer=name)).reviewer == name


def test_the_reviewer_is_who_the_recipe_says_or_the_user(monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "carla")
    assert reviewer_name(ReviewRecipe(reviewer=" Ana Pérez ")) == "Ana Pérez"
    assert reviewer_name(ReviewRecipe()) == "carla"
    for name in ("", "  ", "a\nb", "a" * 81, "\x1b[1m"):
        with pytest.raises(BtferError, match="reviewer name"):
            check_reviewer(name)
