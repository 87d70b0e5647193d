"""`btfer eval`, `compare` and `convert` as they are typed, with functions as models where that is enough."""

import csv
import json
import re
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from btfer_builder.cli.main import main
from btfer_builder.cli.output import table
from btfer_builder.labels import EMOTIONS

LIBRARY = """
import numpy as np
def brightness(batch):
    levels = batch.mean(axis=(1, 2, 3))[:, None] - np.arange(7) * 30
    return np.exp(-np.abs(levels)) / np.exp(-np.abs(levels)).sum(1, keepdims=True)
def happy(batch): return np.tile(np.eye(7)[3], (len(batch), 1))
def nan(batch): return np.full((len(batch), 7), np.nan)
def contempt(batch): return np.tile(np.eye(8)[1] * 0.5 + 0.0625, (len(batch), 1))
"""


@pytest.fixture
def room(tmp_path, monkeypatch) -> Path:
    """Return a workspace that is the current folder, with a set of bright and dark faces and models in it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    monkeypatch.delenv("BTFER_WORKSPACE", raising=False)
    (tmp_path / "typed_models.py").write_text(LIBRARY)
    run("init", ".")
    for number, emotion in enumerate(EMOTIONS):
        for shift in range(3):
            path = tmp_path / "faces" / emotion / f"{shift}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.new("RGB", (8, 8), (number * 30 + shift,) * 3).save(path)
    yield tmp_path
    sys.modules.pop("typed_models", None)


def run(*arguments: str, code: int = 0) -> str:
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return result.output if code else result.stdout


def scored(*arguments: str) -> dict:
    return json.loads(
        run("eval", *arguments, "--data", "faces", "--size", "8", "--resamples", "100", "--json")
    )


def test_eval_json_has_the_form_other_programs_rely_on(room):
    (report,) = scored("typed_models:brightness")["reports"]
    keys = {"model", "n", "accuracy", "macro", "per_class", "confusion_matrix", "signature", "path"}
    assert keys <= set(report)
    assert set(report["macro"]) == {"precision", "recall", "f1"}
    assert {"precision", "recall", "f1", "support"} <= set(report["per_class"]["happy"])
    assert (report["n"], report["accuracy"]) == (21, 1.0)
    assert report["signature"].startswith("BTFER|set:faces#")
    assert Path(report["path"]).is_dir()


def test_the_documentation_explains_every_key_of_metrics_json(room):
    (report,) = scored("typed_models:brightness", "--corruptions", "--resolutions", "8,9")["reports"]
    metrics = json.loads((Path(report["path"]) / "metrics.json").read_text())
    page = (Path(__file__).parents[2] / "docs" / "evaluation.md").read_text()
    missing = [key for key in metrics if f"`{key}`" not in page]
    missing += [
        key for part in ("preprocessing", "efficiency") for key in metrics[part] if f"`{key}`" not in page
    ]
    assert missing == []


def test_several_models_are_compared(room):
    result = scored("typed_models:happy", "typed_models:brightness")
    (board,) = result["comparison"]["leaderboards"]
    assert [row["rank"] for row in board["rows"]] == [1, 2]
    assert board["rows"][0]["model"] == "typed_models:brightness"
    assert (room / "reports" / "comparison" / "leaderboard.html").is_file()
    again = json.loads(run("compare", *[str(p) for p in (room / "reports").iterdir()], "--json"))
    assert (
        again["leaderboards"] == result["comparison"]["leaderboards"] or again["leaderboards"][0]["n"] == 21
    )
    assert [row["model"] for row in again["leaderboards"][0]["rows"]] == [
        row["model"] for row in board["rows"]
    ]
    text = run("compare", "--out", "elsewhere")
    assert "significantly" in text
    with (room / "elsewhere" / "leaderboard.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 2


def test_how_a_model_was_fed_is_said(room):
    result = CliRunner().invoke(main, ["eval", "typed_models:happy", "--data", "faces", "--resamples", "0"])
    assert result.exit_code == 0
    assert "typed_models:happy: preprocessing 256×256 rgb as uint8" in result.stderr
    assert "accuracy 0.143 (0.050 to 0.346) over 21 faces" in result.stdout


def test_classes_that_are_none_of_the_seven_are_said(room):
    labels = "anger,contempt,disgust,fear,happiness,neutral,sadness,surprise"
    (report,) = scored("typed_models:contempt", "--labels", labels)["reports"]
    assert "|labels:7/8|" in report["signature"]
    assert any("contempt is not one of the seven" in note for note in report["notes"])


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["typed_models:nan"], 1, "NaN or infinite outputs for 21 of 21 faces"),
        (["typed_models:contempt"], 1, "has 8 outputs but 7 labels"),
        (["typed_models:gone"], 1, "cannot be imported"),
        (["notes.txt"], 1, "not a known model format"),
        (["gone.keras"], 2, "gone.keras does not exist"),
        ([], 2, "Missing argument 'MODEL...'"),
        (["typed_models:happy", "--set-hash", "00000000"], 1, "the set has changed"),
        (["typed_models:happy", "--set-hash", "#1a2b3c4d"], 1, "expected 8 to 64 hexadecimal digits"),
        (["typed_models:happy", "--resolutions", "4"], 1, "expected sides of 8 to 2048"),
        (["typed_models:happy", "--resolutions", "big"], 2, "expected numbers"),
        (["typed_models:happy", "--mean", "x"], 2, "expected numbers"),
        (["typed_models:happy", "--check-preprocessing"], 2, "needs --training-data"),
        (["typed_models:happy", "--training-data", "faces"], 2, "needs --check-preprocessing"),
        (
            ["typed_models:happy", "--check-preprocessing", "--training-data", "faces"],
            2,
            "choose the preprocessing on other faces",
        ),
        (
            ["typed_models:happy", "--calibration-data", "faces"],
            1,
            "21 of 21 faces are in the test set, first faces/angry",
        ),
        (["typed_models:happy", "--scale", "0,1"], 1, "does its own preprocessing"),
        (["--preset", "deepface"], 1, "has no model file"),
    ],
)
def test_what_cannot_be_done_is_said_in_a_line(room, arguments, code, says):
    (room / "notes.txt").write_text("no model")
    output = run("eval", *arguments, "--data", "faces", code=code)
    assert says in output
    assert "Traceback" not in output
    if code == 1:
        assert len([line for line in output.splitlines() if line.startswith("Error: ")]) == 1


def test_the_hash_of_the_signature_is_what_set_hash_wants(room):
    (report,) = scored("typed_models:happy")["reports"]
    digest = report["signature"].partition("#")[2][:8]
    assert (
        scored("typed_models:happy", "--set-hash", digest)["reports"][0]["signature"] == report["signature"]
    )
    Image.new("RGB", (8, 8), (9, 9, 9)).save(room / "faces" / "sad" / "0.png")
    assert "the set has changed" in run(
        "eval", "typed_models:happy", "--data", "faces", "--set-hash", digest, code=1
    )


def test_faces_in_a_folder_need_no_workspace(room):
    (room / "btfer.toml").unlink()
    (report,) = scored("typed_models:brightness")["reports"]
    assert Path(report["path"]).absolute() == room / "reports" / "typed_models.brightness"
    assert "no btfer.toml" in run("eval", "typed_models:brightness", code=1)


def test_a_flag_takes_back_what_the_recipe_says(room):
    recipe = room / "btfer.toml"
    recipe.write_text(recipe.read_text().replace("resolutions = []", "resolutions = [4]"))
    assert "expected sides of 8" in run("eval", "typed_models:happy", "--data", "faces", code=1)
    assert scored("typed_models:happy", "--resolutions", "")["reports"][0]["n"] == 21


def test_a_set_of_one_face_and_absent_classes_are_told_as_such(room):
    for path in (room / "faces").rglob("*.png"):
        if path.relative_to(room / "faces").as_posix() != "happy/0.png":
            path.unlink()
    for emotion in EMOTIONS:
        if emotion != "happy":
            (room / "faces" / emotion).rmdir()
    models = ["typed_models:happy", "typed_models:brightness"]
    text = run("eval", *models, "--data", "faces", "--size", "8")
    assert "over 1 face\n" in text  # no answer changes with the interpolation
    assert any(line.endswith(", 1 face") for line in map(str.rstrip, text.splitlines()))
    (absent,) = {tuple(line.split()) for line in text.splitlines() if line.startswith("angry")}
    assert absent == ("angry", "–", "–", "–", "0")
    page = (room / "reports" / "typed_models.happy" / "report.html").read_text()
    board = (room / "reports" / "comparison" / "leaderboard.html").read_text()
    written = (room / "reports" / "comparison" / "leaderboard.md").read_text()
    assert "of 1 of 1 face," in page
    for shown in (text, page, board, written):
        assert "1 face" in shown
        assert not re.search(r"\b1 (\w+ )?(faces|models|answers|pairs)\b|\bnan\b|None", shown)
    metrics = json.loads((room / "reports" / "typed_models.happy" / "metrics.json").read_text())
    assert metrics["intervals_95"].keys() == {"top2_accuracy"}, "one face drawn again is the same face"


def test_a_model_named_twice_is_one_model_and_one_report(room):
    result = scored("typed_models:happy", "typed_models:happy")
    assert len(result["reports"]) == 1
    assert "comparison" not in result
    folder = "reports/typed_models.happy"
    again = json.loads(run("compare", folder, f"{folder}/../typed_models.happy", "--json"))
    assert [row["model"] for row in again["leaderboards"][0]["rows"]] == ["typed_models:happy"]


def test_an_empty_class_folder_is_an_error(room):
    (room / "faces" / "happy" / "sub").mkdir()
    for path in (room / "faces" / "happy").glob("*.png"):
        path.unlink()
    output = run("eval", "typed_models:happy", "--data", "faces", code=1)
    assert "happy: has no images" in output


def test_compare_without_reports(room):
    assert "has no reports yet" in run("compare", code=1)
    assert "not a report" in run("compare", "faces", code=1)


def test_a_model_card_is_written_beside_each_report(room):
    result = scored("typed_models:happy", "typed_models:brightness", "--model-card")
    for report in result["reports"]:
        card = (Path(report["path"]) / "model_card.md").read_text()
        assert card.startswith("---\n")
        assert f"value: {report['accuracy']}\n" in card
    assert not list((room / "reports" / "comparison").glob("model_card.md"))


def test_compare_takes_all_that_a_shell_names(room):
    scored("typed_models:happy", "typed_models:brightness")
    (room / "reports" / "notes.txt").write_text("mine")
    done = CliRunner().invoke(main, ["compare", *map(str, (room / "reports").iterdir()), "--json"])
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["leaderboards"][0]["rows"]) == 2
    assert "ignored, not reports: notes.txt" in done.stderr


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
def test_a_model_is_converted_with_its_sidecar_and_scored_beside_it(room):
    import keras

    from btfer_builder.evaluate import Sidecar, SidecarInput, SidecarLabels, write_sidecar

    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Input((8, 8, 3)),
        keras.layers.Conv2D(16, 3, activation="relu"),
        keras.layers.Flatten(),
    ]
    keras.Sequential([*layers, keras.layers.Dense(7, "softmax")]).save(room / "m.keras")
    order = ("happy", "sad", "angry", "fear", "disgust", "neutral", "surprise")
    said = Sidecar(input=SidecarInput(scale="-1,1", color="bgr"), labels=SidecarLabels(outputs=order))
    write_sidecar(room / "m.keras", said)
    for arguments in (["tflite"], ["tflite", "--quantize", "int8", "--data", "faces"], ["onnx"]):
        done = json.loads(run("convert", "m.keras", "--to", *arguments, "--json"))
        assert Path(done["path"]).stat().st_size == done["bytes"]
    assert done["bytes_before"] == (room / "m.keras").stat().st_size
    files = ["m.keras", "m.tflite", "m.int8.tflite", "m.onnx"]
    result = json.loads(run("eval", *files, "--data", "faces", "--efficiency", "--resamples", "0", "--json"))
    (board,) = result["comparison"]["leaderboards"]
    assert len(board["rows"]) == 4
    assert board["notes"] == [], "all were fed the same, for the sidecar went with them"
    for row in board["rows"]:
        assert row["latency_p50_ms"] > 0
        assert row["file_bytes"] == (room / row["model"]).stat().st_size
        assert "|in:8bgr/-1,1,none|" in row["signature"]
    assert run("convert", "m.keras", "--to", "tflite", "--quantize", "int8", code=1).startswith(
        "Error: int8 measures"
    )
    assert "--quantize is for --to tflite" in run(
        "convert", "m.keras", "--to", "onnx", "--quantize", "int8", code=1
    )
    assert "only Keras models" in run("convert", "m.tflite", "--to", "onnx", code=1)


def test_brackets_in_a_name_are_no_markup(capsys):
    table("[/x][bold].keras", ["model"], [["[/x][bold].keras"]])
    assert capsys.readouterr().out.count("[/x][bold].keras") == 2
