"""A whole workspace that version 0.1.0 left behind goes through every command of this one.

Nothing is crawled, cropped, trained or scored again, and no decision is lost. `make_workspace_0_1_0.py` made the
archive and wrote down what 0.1.0 answered; every test passes on its own and in any order.
"""

import csv
import json
import sqlite3
import tomllib
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from btfer_builder.cli.main import main
from btfer_builder.config import TrainRecipe
from btfer_builder.config.renamed import with_new_names
from btfer_builder.datasets.splits import read_splits
from btfer_builder.workspace import open_workspace
from tests.upgrade.upgrade_archive import (
    ANSWERS,
    CATALOG,
    QUESTIONS,
    answer_of,
    arguments_of,
    differences,
    unpack,
)

# All in one process, for the workspace is unpacked once; TensorFlow is imported by the tests that say so.
pytestmark = pytest.mark.xdist_group("tensorflow")

THEN = json.loads(ANSWERS.read_text(encoding="utf-8"))
#: Files that cost hours, money or people's patience: none of them is written again.
PRECIOUS = (
    "data/images/**/*",
    "data/faces/**/*",
    "sets/people/**/*",
    "runs/lenet5/*",
    "benchmark/runs/**/*.*",
)
#: Commands that find more now.
STRICTER = {"scan", "scan addresses"}
#: The one file of a finished run that a command writes again: its lock.
LOCK = ".lock"


#: Members of an answer that are computed otherwise now: a reviewer is measured against the consensus of the others, and
#: a takedown names the tables of decisions that lie in the workspace.
OTHERWISE = {"agreement": {"consensus"}, "takedown": {"own_files"}}


class Unpacked:
    """The workspace as it was unpacked: its folder, its tables for people, and the identity of its files."""

    def __init__(self, root: Path) -> None:
        unpack(root)
        self.root = root
        self.tables = {path.name: rows(path) for path in sorted((root / "manifests").glob("*.csv"))}
        self.files = self.identities()
        self.predictions = self.value("SELECT count(*) FROM predictions")

    def identities(self) -> dict[str, tuple[int, int]]:
        """Return inode and time of every precious file."""
        found = {path for pattern in PRECIOUS for path in self.root.glob(pattern) if path.is_file()}
        stats = {str(path.relative_to(self.root)): path.stat() for path in found if path.name != LOCK}
        return {name: (stat.st_ino, stat.st_mtime_ns) for name, stat in stats.items()}

    def value(self, query: str) -> object:
        """Return what the catalog says."""
        with sqlite3.connect(self.root / CATALOG) as db:
            return db.execute(query).fetchone()[0]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory) -> Unpacked:
    return Unpacked(tmp_path_factory.mktemp("old") / "faces")


def test_a_class_that_was_drawn_without_a_face_is_no_fault(unpacked, capsys):
    splits = read_splits(unpacked.root / "data/sample")
    assert {split: len(faces) for split, faces in splits.items()} == {"train": 13, "test": 6}
    assert "data/sample/test: the sample has no faces of surprise" in capsys.readouterr().err


@pytest.fixture
def workspace(unpacked, monkeypatch) -> Path:
    """Return the workspace, which is the current folder."""
    monkeypatch.chdir(unpacked.root)
    monkeypatch.delenv("BTFER_WORKSPACE", raising=False)
    return unpacked.root


def run(*arguments: str) -> str:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def same_columns(now: list[dict[str, str]], then: list[dict[str, str]]) -> list[dict[str, str]]:
    """Return the rows of now with the columns of then."""
    return [{name: row[name] for name in then[0]} for row in now] if then else now


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=pytest.mark.tensorflow if question.tensorflow else ())
        for name, question in QUESTIONS.items()
        if name not in STRICTER
    ],
)
def test_a_command_answers_as_0_1_0_did(workspace, name):
    output = run(*arguments_of(QUESTIONS[name], THEN["names"]))
    then = {key: value for key, value in THEN["answers"][name].items() if key not in OTHERWISE.get(name, ())}
    now = answer_of(output, workspace)
    assert now.keys() >= THEN["answers"][name].keys()
    assert not list(differences(now, then))


@pytest.mark.parametrize("name", sorted(STRICTER))
def test_the_audit_finds_the_private_addresses_of_an_old_release(workspace, name):
    """The photos came from a server on loopback, whose address 0.1.0 wrote; and a table had other columns."""
    result = CliRunner().invoke(main, [*QUESTIONS[name].arguments, "--json"])
    answer = json.loads(result.stdout)
    kinds = {finding["what"].partition(" (")[0] for finding in answer.pop("findings")}
    assert kinds <= {
        "a private address, or one with a password",
        "an address in source that is not on the web for everybody",
        "an address in url that is not on the web for everybody",
        "other types of the columns in its metadata than those of the schema",
    }
    assert kinds
    assert answer.items() <= THEN["answers"][name].items()
    assert result.exit_code == 1
    assert (
        "written by btfer-builder 0.1.0, which checked less); write it again: btfer release" in result.stderr
    )


def test_every_setting_is_read(workspace):
    recipe = msgspec.to_builtins(open_workspace(workspace).recipe)
    for section, settings in tomllib.loads((workspace / "btfer.toml").read_text()).items():
        named = with_new_names(TrainRecipe, settings) if section == "train" else settings
        stated = Counter(json.dumps(value) for value in named.values())
        assert not stated - Counter(json.dumps(value) for value in recipe[section].values()), section


@pytest.mark.parametrize("reviewer", ["ana", "bo"])
def test_every_reviewer_gets_their_decisions_back(workspace, tmp_path, reviewer):
    out = tmp_path / "decisions.csv"
    then = rows(workspace / f"decisions-{reviewer}.csv")
    now = []
    for round_name in ("images", "faces"):  # 0.1.0 wrote both into one table
        run("review", "--reviewer", reviewer, "--round", round_name, "--export", str(out))
        now += rows(out)
    assert same_columns(now, then) == then


def test_a_release_of_the_same_faces_is_the_same_version(workspace, tmp_path):
    released = json.loads(run("release", str(tmp_path / "again"), "--json"))
    then = json.loads((workspace / "releases/addresses/release.json").read_text())
    assert released["content_hash"] == THEN["content_hashes"]["addresses"] == then["content_hash"]
    assert released["version"] == then["version"]
    assert not json.loads(run("diff", "releases/addresses", str(tmp_path / "again"), "--json"))["added"]


def test_the_faces_of_another_set_have_the_same_hashes(workspace, tmp_path):
    run("hashes", "rival/train", "--out", str(tmp_path / "again.csv"))
    then = rows(workspace / "rival.csv")
    assert same_columns(rows(tmp_path / "again.csv"), then) == then


def test_a_labelled_set_is_divided_in_the_same_way(workspace, tmp_path):
    imported = json.loads(run("dataset", "import", "folder", "people", str(tmp_path / "again"), "--json"))
    then = json.loads((workspace / "sets/people/import.json").read_text())
    for name in ("path", "btfer"):  # where it was, and the version that imported it
        del then[name]
    assert not list(differences(imported, then))
    assert pictures(tmp_path / "again") == pictures(workspace / "sets/people")


def pictures(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*/*.png"))


def test_the_tables_of_the_benchmark_come_out_again(workspace):
    for table in (workspace / "benchmark/tables").iterdir():
        table.unlink()
    run("benchmark", "--report", "--json")
    written = {path.name for path in (workspace / "benchmark").rglob("*") if path.is_file()}
    assert written >= {Path(path).name for path in THEN["answers"]["report"]["files"]}


@pytest.mark.tensorflow
def test_a_model_is_not_asked_again_about_faces_it_has_seen(workspace, unpacked):
    from btfer_builder.evaluate.model_predictions import ask_model

    ask_model(open_workspace(workspace), workspace / "runs/lenet5/model.keras")
    assert unpacked.value("SELECT count(*) FROM predictions") == unpacked.predictions > 0


@pytest.mark.tensorflow
def test_a_model_with_layers_of_the_package_is_converted_with_its_sidecar(workspace, tmp_path):
    run("convert", "models/own_layers.keras", "--to", "tflite", "--out", str(tmp_path / "small.tflite"))
    assert tomllib.loads((tmp_path / "small.btfer.toml").read_text())["input"]["color"] == "bgr"


@pytest.mark.tensorflow
def test_an_interrupted_run_goes_on_with_its_second_epoch(workspace):
    first = rows(workspace / "runs/interrupted/history.csv")[:1]
    done = json.loads(run("train", "sets/people", "--out", "runs/interrupted", "--json"))["run"]
    assert (done["finished"], done["epochs"]) == (True, 2)
    history = rows(workspace / "runs/interrupted/history.csv")
    assert same_columns(history, first)[:1] == first
    assert [row["epoch"] for row in history] == ["1", "2"]


def test_a_set_that_was_searched_can_be_removed(workspace):
    run("leakage", "--forget", "rival.csv")
    assert [Path(one["source"]).name for one in json.loads(run("leakage", "--json"))["searched"]] == ["train"]
    run("leakage", "--against", "rival.csv")


def test_the_tables_for_people_are_the_same_afterwards(workspace, unpacked):
    for command in (["crawl"], ["dedupe"], ["crop"], ["dedupe", "--faces"], ["agreement"], ["sample"]):
        run(*command)
    for name, then in unpacked.tables.items():
        assert same_columns(rows(workspace / "manifests" / name), then) == then, name
    counts = unpacked.value("SELECT counts FROM runs WHERE command = 'crop' ORDER BY run_id DESC LIMIT 1")
    assert not json.loads(counts).get("images")


def test_nothing_precious_was_written_again(unpacked):
    assert unpacked.identities() == unpacked.files
