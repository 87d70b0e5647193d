"""The cross-domain set is looked for in what the networks are trained on."""

import json

from click.testing import CliRunner

from btfer_builder.benchmark import leakage
from btfer_builder.benchmark.leakage import find_leakage
from btfer_builder.benchmark.report import write_report
from btfer_builder.cli.main import main
from btfer_builder.config import BenchmarkRecipe
from tests.datasets.test_import_dataset import picture, save


def sets(root):
    """Write a training set and a cross-domain set that shares two pictures with its train and one with its test."""
    save(root / "own", *(f"train/{emotion}/{n}.png" for emotion in ("happy", "sad") for n in range(4)))
    save(
        root / "own", *(f"test/{emotion}/{n}.png" for emotion in ("happy", "sad") for n in range(2)), seed=30
    )
    save(root / "btfer", *(f"happy/{n}.png" for n in range(3)), "sad/0.png", seed=60)
    picture(1, 60).convert("RGB").resize((48, 48)).save(root / "btfer" / "happy" / "copy.png")
    picture(5, 60).convert("RGB").save(root / "btfer" / "sad" / "again.jpg", quality=60)
    picture(30, 60).convert("RGB").save(root / "btfer" / "sad" / "tested.png")


def recipe_of(root):
    return BenchmarkRecipe(
        networks=["lenet5"],
        datasets={"own": str(root / "own")},
        btfer=str(root / "btfer"),
        out=str(root / "benchmark"),
    )


def test_faces_that_a_network_is_trained_on_are_found_once_and_named_under_the_tables(tmp_path, monkeypatch):
    sets(tmp_path)
    recipe = recipe_of(tmp_path)
    (found,) = find_leakage(recipe)
    assert (found.leaked, found.faces, found.pictures, found.unreadable) == (
        ("happy/copy.png", "sad/again.jpg"), 7, 8, 0,
    )  # fmt: skip
    assert found.sentence.startswith("2 of the 7 BTFER faces are in the training split of own (8 pictures")
    write_report(tmp_path / "benchmark", [], leakage=[found])
    assert f"* {found.sentence}." in (tmp_path / "benchmark" / "README.md").read_text()
    monkeypatch.setattr(leakage, "_compare", None)  # a second call compares nothing
    assert find_leakage(recipe) == [found]


def test_what_cannot_be_read_is_not_called_clean(tmp_path):
    sets(tmp_path)
    (tmp_path / "own" / "train" / "happy" / "1.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (found,) = find_leakage(recipe_of(tmp_path))
    assert (found.leaked, found.pictures, found.unreadable) == (("sad/again.jpg",), 7, 1)
    assert "1 could not be read and were not compared" in found.sentence


def test_the_plan_says_it(tmp_path):
    sets(tmp_path)
    (tmp_path / "benchmark.toml").write_text(
        'networks = ["lenet5"]\nsizes = [48]\npretrainings = ["scratch"]\nbtfer = "btfer"\n[datasets]\nown = "own"\n'
    )
    command = ["benchmark", str(tmp_path / "benchmark.toml"), "--plan", "--out", str(tmp_path / "out")]
    shown = CliRunner().invoke(main, command)
    assert shown.exit_code == 0, shown.output
    assert "leakage: 2 of the 7 BTFER faces are in the training split of own" in shown.stdout
    asked = CliRunner().invoke(main, [*command, "--json"])
    assert json.loads(asked.stdout)["leakage"][0]["leaked"] == ["happy/copy.png", "sad/again.jpg"]
