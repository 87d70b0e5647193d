"""Models of every kind, scored and compared from Python."""

import csv
import json

import numpy as np
import pytest

import btfer_builder as bt
from btfer_builder.config import EvalRecipe
from btfer_builder.evaluate.evaluate import evaluate_model
from tests.api.conftest import always_happy

pytestmark = pytest.mark.xdist_group("api")


def uniform(batch):
    return np.full((len(batch), 7), 1 / 7)


@pytest.fixture(scope="module")
def faces(place):
    return bt.load_faces(place / "photos")


def test_faces_are_a_sequence_with_a_name(faces, ws, place):
    assert (len(faces), faces.name, faces.leak) == (14, "photos", None)
    part = faces[:4]
    assert isinstance(part, bt.FaceSet)
    assert [face.emotion for face in part] == ["angry", "angry", "disgust", "disgust"]
    assert bt.load_faces(ws).name == "faces"
    assert "<b>photos</b>: 14 faces" in faces._repr_html_()
    frame = bt.load_faces(str(place / "photos")).to_frame()
    assert frame.columns.tolist() == ["face_id", "emotion", "path"]


def test_a_function_is_scored_as_the_command_scores_it(faces, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "my_model.py").write_text("from tests.api.conftest import always_happy")
    report = bt.evaluate(always_happy, faces, resamples=200, progress=False)
    command = evaluate_model(
        "my_model:always_happy", faces.faces, EvalRecipe(resamples=200), tmp_path / "out", set_name="photos"
    )
    mine, theirs = report.to_dict(), command.to_dict()
    assert mine | {"model": 0} == {name: mine[name] and theirs[name] for name in mine} | {"model": 0}
    assert report.accuracy == report.metrics["accuracy"] == 2 / 14
    assert report.signature == command.signature
    assert report.predictions["predicted"].unique().tolist() == ["happy"]
    assert report.per_class["support"].sum() == report.confusion_matrix.to_numpy().sum() == report.n == 14
    frame = report.to_frame()
    assert tuple(frame.loc["macro_f1", ["low", "high"]]) == report.interval("macro_f1")


def test_labels_name_the_outputs_and_outputs_may_be_logits(faces):
    def joy_of_three(batch):
        return [[-3, 5, 0]] * len(batch)

    report = bt.evaluate(
        joy_of_three, faces, labels=["anger", "joy", "neutral"], resamples=0, activation="logits"
    )
    assert report.per_class.loc["happy", "recall"] == 1
    assert report.interval() is not None  # Wilson's needs no resamples
    assert report.interval("macro_f1") is None
    assert any("no classes disgust, fear, sad, surprise" in note for note in report.notes)
    assert any("softmax" in note for note in report.notes)


def test_notes_name_keywords_in_python_and_options_in_a_saved_report(faces, tmp_path):
    report = bt.evaluate(lambda batch: [[-3.0] * 7] * len(batch), faces, resamples=0, name="scores")
    assert not [note for note in report.notes if "--" in note]
    for keyword, option in (
        ("labels or a sidecar", "--labels"),
        ("activation='logits'", "--activation logits"),
    ):
        assert any(keyword in note for note in report.notes)
        assert option not in report._repr_html_()
        assert option in (report.save(tmp_path / keyword.split()[0]) / "report.html").read_text()


@pytest.mark.parametrize(
    ("model", "settings", "message"),
    [
        (always_happy, {"lables": ["happy"]}, r"eval: unknown setting `lables`; did you mean `labels`\?"),
        (always_happy, {"resamples": -1}, "eval.resamples: Expected `int` >= 0"),
        (always_happy, {"preset": "imagenett"}, r"did you mean `imagenet`\?"),
        (always_happy, {"preset": "imagenet"}, "does its own preprocessing"),
        (always_happy, {"labels": ["happy", "sad"]}, "7 outputs but 2 labels"),
        (lambda batch: 1 / 0, {}, "<lambda>: fails on a batch of 14: division by zero"),
        (lambda batch: batch.mean(), {}, r"returns the shape \(\) for a batch of 14"),
        (lambda batch: np.full((len(batch), 7), np.nan), {}, "NaN or infinite outputs"),
        ("missing.keras", {}, "missing.keras: no such file"),
        (7, {}, "int: not a model"),
        (dict, {}, "type: not a model"),
        (None, {}, "no model: give a path"),
    ],
)
def test_errors_are_of_the_package_and_say_what_is_wrong(faces, model, settings, message):
    with pytest.raises(bt.BtferError, match=message):
        bt.evaluate(model, faces, progress=False, **settings)


def test_a_set_that_is_none_is_named_by_its_type():
    with pytest.raises(bt.BtferError, match="expected a path, got an object of the type ndarray"):
        bt.evaluate(uniform, np.zeros((2, 8, 8, 3), np.uint8))
    with pytest.raises(bt.BtferError, match="nowhere: no such folder"):
        bt.load_faces("nowhere")
    with pytest.raises(bt.BtferError, match="no faces to score the model on"):
        bt.evaluate(uniform, [])


def test_an_unknown_metric_comes_with_the_nearest(faces):
    report = bt.evaluate(uniform, faces, resamples=0)
    with pytest.raises(bt.BtferError, match=r"`macro_f2`; did you mean `macro_f1`\?"):
        report.interval("macro_f2")


def test_reports_are_saved_compared_and_never_overwrite_another_model(faces, tmp_path):
    happy = bt.evaluate(always_happy, faces, resamples=0)
    other = bt.evaluate(uniform, faces, resamples=0)
    folder = happy.save(tmp_path / "reports" / "happy")
    assert json.loads((folder / "metrics.json").read_text())["accuracy"] == happy.accuracy
    assert happy.save(folder) == folder
    with pytest.raises(bt.BtferError, match=r"has the report of another model \(always_happy\)"):
        other.save(folder)
    mixed = bt.compare([folder, other], resamples=100)
    in_memory = bt.compare([happy, other], resamples=100)
    assert mixed.to_dict()["leaderboards"][0]["pairs"] == in_memory.to_dict()["leaderboards"][0]["pairs"]
    assert in_memory.pairs["p_holm"].tolist() == [1.0]
    saved = in_memory.save(tmp_path / "reports" / "comparison")
    with (saved / "leaderboard.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["model"] for row in rows] == in_memory.to_frame()["model"].tolist()
    assert [row["tied"] for row in rows] == ["true", "true"]


def test_models_of_one_name_are_distinguished(faces):
    reports = [bt.evaluate(uniform, faces, resamples=0) for _ in range(2)]
    assert bt.compare(reports).to_frame()["model"].tolist() == ["uniform (1)", "uniform (2)"]
    named = [bt.evaluate(uniform, faces, resamples=0, name=name) for name in "ab"]
    assert bt.compare(named).to_frame()["model"].tolist() == ["a", "b"]


def test_what_a_notebook_shows_is_escaped(place, tmp_path):
    evil = tmp_path / "<img src=x onerror=alert(1)>"
    (evil / "happy").mkdir(parents=True)
    (evil / "happy" / "a.jpg").write_bytes(next((place / "photos" / "happy").glob("*.jpg")).read_bytes())
    faces = bt.load_faces(evil)
    report = bt.evaluate(always_happy, faces, name="<script>alert(2)", resamples=0)
    workspace = bt.create_workspace(evil / "workspace")
    for shown in (faces, report, bt.compare([report]), workspace):
        html = shown._repr_html_()
        assert "<img" not in html
        assert "<script" not in html
        assert "&lt;" in html or "_img" in html  # a signature keeps word characters only
    assert "data:" not in report._repr_html_()  # no face gets into a notebook
