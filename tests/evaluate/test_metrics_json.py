"""`metrics.json`: its numbers follow from the predictions beside it, and its form is that of its schema."""

import csv
import json
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest

from btfer_builder.config import EvalRecipe
from btfer_builder.evaluate import LabelledFace, evaluate_models
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.metrics.registry import METRICS, Outcomes, metric_intervals, metric_values
from btfer_builder.evaluate.results import EvalReport
from btfer_builder.labels import EMOTIONS

SCHEMA = json.loads((files("btfer_builder.evaluate") / "metrics.schema.json").read_text())


@pytest.fixture(scope="module")
def noisy(make_shared_set, tmp_path_factory) -> tuple[Model, list[LabelledFace]]:
    """Return a model with seven random logits a face, and a set of all emotions with search attributes and votes."""
    path = tmp_path_factory.mktemp("model") / "m.keras"
    faces = [
        replace(face, attributes={"query_gender": ("man", "woman")[n % 2]}, votes={face.emotion: 2})
        for n, face in enumerate(make_shared_set({emotion: list(range(10, 19)) for emotion in EMOTIONS}))
    ]
    weights = np.random.default_rng(0).normal(size=(64, 8)) * 3
    path.write_bytes(b"")

    def predict(batch):
        return (np.sin(batch.reshape(len(batch), -1) * 50) @ weights).astype(np.float32)

    return Model(path, 8, 8, 1, 8, "function", predict), faces


def scored(noisy, folder, **settings) -> EvalReport:
    labels = ("contempt", *EMOTIONS[::-1])
    given = dict(labels=labels, resamples=200, resolutions=(8,), corruptions=True, efficiency=True) | settings
    model, faces = noisy
    (report,) = evaluate_models([model], faces, EvalRecipe(**given), folder)
    return report


@pytest.fixture(scope="module")
def undeclared(noisy, tmp_path_factory) -> EvalReport:
    """Return the report of outputs of which nothing says that they are probabilities."""
    return scored(noisy, tmp_path_factory.mktemp("undeclared"))


@pytest.fixture(scope="module")
def declared(noisy, tmp_path_factory) -> EvalReport:
    """Return the report of the same outputs as logits."""
    return scored(noisy, tmp_path_factory.mktemp("declared"), activation="logits")


@pytest.fixture(scope="module")
def without_resamples(noisy, tmp_path_factory) -> EvalReport:
    return scored(noisy, tmp_path_factory.mktemp("quick"), activation="logits", resamples=0)


def written(path: Path) -> dict:
    return json.loads((path / "metrics.json").read_text(), parse_constant=pytest.fail)


def test_the_numbers_are_those_of_the_predictions(declared):
    report = declared
    metrics = written(report.path)
    with (report.path / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    arrays = np.load(report.path / "predictions.npz", allow_pickle=False)
    table = np.array([[float(row[f"p_{emotion}"]) for emotion in EMOTIONS] for row in rows])
    assert np.array_equal(table, arrays["probabilities"]), "nothing is rounded"
    order = list(arrays["labels"])
    logits = arrays["outputs"].astype(np.float64)
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    shares = (powers / powers.sum(axis=1, keepdims=True))[:, [order.index(emotion) for emotion in EMOTIONS]]
    assert table == pytest.approx(shares, rel=1e-12)
    true, predicted = (
        np.array([EMOTIONS.index(row[name]) for row in rows]) for name in ("emotion", "predicted")
    )
    outcomes = Outcomes(true, predicted, table / table.sum(axis=1, keepdims=True))
    for name, value in metric_values(outcomes).items():
        assert METRICS[name].read(metrics) == pytest.approx(value, rel=1e-12), name
    for name, interval in metric_intervals(outcomes, resamples=200, seed=0).items():
        if name in metrics["intervals_95"]:
            assert metrics["intervals_95"][name] == pytest.approx(interval, rel=1e-9), name


@pytest.mark.parametrize("name", ["declared", "undeclared", "without_resamples"])
def test_the_form_is_that_of_the_schema(request, name):
    import jsonschema

    report = request.getfixturevalue(name)
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    jsonschema.validate(written(report.path), SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written(report.path) | {"accuracy": 1.5}, SCHEMA)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(written(report.path) | {"unknown": 1}, SCHEMA)


def test_scores_that_are_no_probabilities_have_no_metrics_of_probabilities(undeclared, declared):
    report = undeclared
    metrics, known = written(report.path), written(declared.path)
    same = ("accuracy", "macro", "confusion_matrix", "top2_accuracy", "groups", "corruptions")
    assert {key: metrics[key] for key in same} == {key: known[key] for key in same}
    assert [metrics[key] for key in ("roc_auc", "ece", "log_loss", "brier", "soft_labels")] == [None] * 5
    assert metrics["reliability"] == []
    assert metrics["left_out"].keys() == {
        *("roc_auc", "ece", "log_loss", "brier", "reliability", "soft_labels"),
        *("accuracy_at_80", "accuracy_at_90", "risk_coverage"),
    }
    assert all("not probabilities" in reason for reason in metrics["left_out"].values())
    assert known["left_out"] == {}
    assert (
        "log loss, Brier score, calibration and AUC are left out" in (report.path / "report.html").read_text()
    )
    assert "nan" not in (report.path / "predictions.csv").read_text()


def test_intervals_without_a_width_are_marked(make_set, brightness_model, tmp_path):
    faces = make_set({"happy": [115] * 5, "sad": [185] * 5})
    (report,) = evaluate_models(
        [replace(brightness_model, name="b", loader="function")],
        faces,
        EvalRecipe(resamples=50),
        tmp_path / "out",
    )
    metrics = written(report.path)
    assert {"macro_f1", "macro_recall", "f1_happy"} <= set(metrics["degenerate_intervals"])
    assert "accuracy" not in metrics["degenerate_intervals"], "Wilson's interval has a width"
    assert "100.0–100.0%*" in (report.path / "report.html").read_text()


def test_classes_that_the_model_lacks_are_no_part_of_auc(make_set, brightness_model, tmp_path):
    faces = make_set({"happy": [115] * 3, "sad": [185] * 3, "fear": [80] * 2})
    model = replace(brightness_model, outputs=6, name="b", loader="function")

    def without_fear(batch):
        shares = np.delete(brightness_model.predict(batch), 2, axis=1)
        return shares / shares.sum(axis=1, keepdims=True)

    lacking = replace(model, predict=without_fear)
    labels = tuple(emotion for emotion in EMOTIONS if emotion != "fear")
    (report,) = evaluate_models([lacking], faces, EvalRecipe(labels=labels, resamples=50), tmp_path / "out")
    metrics = written(report.path)
    assert metrics["lacking_classes"] == {"fear": 2}
    assert metrics["per_class"]["fear"]["roc_auc"] is None
    areas = [metrics["per_class"][emotion]["roc_auc"] for emotion in ("happy", "sad")]
    assert metrics["roc_auc"] == pytest.approx(np.mean(areas))
    low, high = metrics["intervals_95"]["roc_auc"]
    assert low <= metrics["roc_auc"] <= high + 1e-12
    assert any("AUC leaves out fear; 9.01 nats of the log loss" in note for note in report.notes)
