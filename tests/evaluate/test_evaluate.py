"""`evaluate_model` from end to end, on models whose answers are known; all of these need TensorFlow."""

import json

import numpy as np
import pytest
from PIL import Image

from btfer_builder.config import EvalRecipe
from btfer_builder.errors import BtferError
from btfer_builder.evaluate import LabelledFace, evaluate_model, evaluate_models
from btfer_builder.labels import EMOTIONS

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]

HAPPY = [0.05, 0.05, 0.1, 0.5, 0.1, 0.1, 0.1]


def save(constant, path, outputs, **how):
    import keras

    path.parent.mkdir(parents=True, exist_ok=True)
    constant(keras, outputs, **how).save(path)
    return path


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_a_constant_model_scores_exactly(tmp_path, make_set, constant, suffix):
    faces = make_set({"anger": [0] * 5, "happy": [1] * 3, "sad": [2] * 2})
    report = evaluate_model(
        save(constant, tmp_path / f"m{suffix}", HAPPY), faces, EvalRecipe(batch_size=4), tmp_path / "out"
    )
    result = report.to_dict()
    assert result.keys() >= {
        *("model", "n", "accuracy", "macro", "per_class", "confusion_matrix", "signature", "path"),
    }
    assert (result["model"], result["n"], result["accuracy"]) == (f"m{suffix}", 10, 0.3)
    assert result["macro"] == pytest.approx({"precision": 0.1, "recall": 1 / 3, "f1": 2 * 0.3 / 1.3 / 3})
    assert list(result["per_class"]) == list(EMOTIONS)
    scores = {name: result["per_class"]["happy"][name] for name in ("precision", "recall", "f1", "support")}
    assert scores == pytest.approx({"precision": 0.3, "recall": 1.0, "f1": 2 * 0.3 / 1.3, "support": 3})
    matrix = np.zeros((7, 7), int)
    matrix[[0, 3, 5], 3] = 5, 3, 2
    assert result["confusion_matrix"] == matrix.tolist()
    assert any("no faces of disgust, fear, neutral, surprise" in note for note in report.notes)
    folder = tmp_path / "out" / "m"
    assert report.path == folder
    assert sorted(path.name for path in folder.iterdir()) == [
        *("confusion_matrix.png", "metrics.json", "predictions.csv", "predictions.npz", "report.html"),
    ]
    written = json.loads((folder / "metrics.json").read_text())
    assert {key: written[key] for key in result} == json.loads(json.dumps(result))
    assert written["preprocessing"]["color"] == "rgb"
    assert written["versions"]["keras"]
    assert Image.open(folder / "confusion_matrix.png").format == "PNG"
    assert (folder / "predictions.csv").read_text().count("\n") == 11


def test_the_batch_size_changes_nothing(tmp_path, make_set):
    import keras

    keras.utils.set_random_seed(3)
    path = tmp_path / "m.keras"
    layers = [
        keras.layers.Conv2D(8, 3, activation="relu"),
        keras.layers.Flatten(),
        keras.layers.Dense(7, "softmax"),
    ]
    keras.Sequential([keras.layers.Input((12, 12, 3)), *layers]).save(path)
    faces = make_set({emotion: [1, 2, 3] for emotion in EMOTIONS})
    noise = np.random.default_rng(5)
    for face in faces:
        Image.fromarray(noise.integers(0, 256, (12, 12, 3), np.uint8)).save(face.path)
    tables = {}
    for batch_size in (1, 7, 64):
        report = evaluate_model(
            path, faces, EvalRecipe(batch_size=batch_size, scale="0,255"), tmp_path / "out"
        )
        rows = [line.split(",") for line in (report.path / "predictions.csv").read_text().splitlines()[1:]]
        tables[batch_size] = ([row[3] for row in rows], np.array([row[5:] for row in rows], float), report)
    assert len(set(tables[1][0])) > 1
    for answers, shares, report in tables.values():
        assert answers == tables[1][0]
        assert shares == pytest.approx(tables[1][1], abs=1e-4)
        assert (report.scores, report.signature) == (tables[1][2].scores, tables[1][2].signature)


def test_logits_and_missing_classes_are_said(tmp_path, make_set, constant):
    path = save(constant, tmp_path / "m.keras", [-3.0, 9.0, 2.0])
    recipe = EvalRecipe(labels=("happy", "Contempt", "sadness"), color="grey", activation="logits")
    report = evaluate_model(path, make_set({"sad": [4], "fear": [5]}), recipe, tmp_path / "out")
    assert report.scores.per_class["sad"].recall == 1
    assert report.scores.accuracy == 0.5
    said = " ".join(report.notes)
    assert "Contempt is not one of the seven" in said
    assert "no classes angry, disgust, fear, neutral, surprise" in said
    assert "declared as logits: a softmax" in said
    assert "AUC leaves out angry, disgust, fear, neutral, surprise; 18.02 nats of the log loss" in said
    page = (report.path / "report.html").read_text()
    assert "declared as logits: a softmax" in page
    assert "disgust (0 faces), fear (1 face)" in page
    assert "|in:8grey3/0,1,none|labels:2/3|" in report.signature


def test_models_of_the_same_name_get_their_own_folders(tmp_path, make_set, constant):
    faces = make_set({"happy": [0]})
    paths = [save(constant, tmp_path / place, HAPPY) for place in ("a/m.keras", "b/m.keras", "a/m.h5")]
    first, second = (
        [evaluate_model(p, faces, EvalRecipe(), tmp_path / "out").path for p in paths] for _ in "12"
    )
    assert len(set(first)) == 3
    assert first == second
    assert first[0].name == "m"
    together = evaluate_models(paths[:2], faces, EvalRecipe(resamples=100), tmp_path / "out")
    assert [report.model for report in together] == ["a/m.keras", "b/m.keras"]
    assert [report.path for report in together] == first[:2]


def test_the_signature_tells_sets_apart(tmp_path, make_set, constant):
    path = save(constant, tmp_path / "m.keras", HAPPY)
    faces = make_set({"happy": [0, 1], "sad": [3]})
    relabelled = [LabelledFace(faces[0].path, "sad", faces[0].face_id), *faces[1:]]

    def signature(of, **settings):
        return evaluate_model(path, of, EvalRecipe(**settings), tmp_path / "o", set_name="my |set").signature

    plain = signature(faces)
    assert plain.startswith("BTFER|set:my_set#")
    assert "|n:3|in:8rgb/0,1,none|labels:7|leak:unknown|btfer:" in plain
    assert signature(faces[::-1]) == plain
    assert len({plain, signature(relabelled), signature(faces[1:]), signature(faces, scale="-1,1")}) == 4


def test_what_cannot_be_done_is_said_in_one_line(tmp_path, make_set, constant):
    path = save(constant, tmp_path / "m.keras", HAPPY)
    faces = make_set({"happy": [0]})
    with pytest.raises(BtferError, match="no faces"):
        evaluate_model(path, [], EvalRecipe(), tmp_path / "out")
    with pytest.raises(BtferError, match="has 7 outputs but 2 labels"):
        evaluate_model(path, faces, EvalRecipe(labels=("sad", "fear")), tmp_path / "out")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(BtferError, match=r"file: the report cannot be written"):
        evaluate_model(path, faces, EvalRecipe(), tmp_path / "file")
    broken = save(constant, tmp_path / "nan.keras", [float("nan")] * 7)
    with pytest.raises(BtferError, match=r"nan\.keras: gives NaN") as raised:
        evaluate_model(broken, faces, EvalRecipe(), tmp_path / "out")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "out" / "nan").exists()
