"""One entry makes a metric: it reaches metrics.json, the report, the leaderboard and its files."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from btfer_builder.config import EvalRecipe
from btfer_builder.evaluate.evaluate import make_job
from btfer_builder.evaluate.inference.outputs import Predictions
from btfer_builder.evaluate.measure import measure
from btfer_builder.evaluate.metrics.outcomes import Outcomes
from btfer_builder.evaluate.metrics.registry import (
    METRICS,
    Bootstrap,
    Metric,
    Text,
    Wilson,
    mean_of,
    metric_intervals,
    of_confusion,
)
from btfer_builder.evaluate.metrics.scores import Table
from btfer_builder.evaluate.preprocessing.resolve import ResolvedPreprocessing
from btfer_builder.evaluate.report.compare import compare_reports
from btfer_builder.evaluate.report.leaderboard import markdown, write_leaderboards
from btfer_builder.evaluate.report.read_report import read_report
from btfer_builder.evaluate.write_report import write_report
from btfer_builder.labels import EMOTIONS


def kappa(matrices: Table) -> Table:
    """Cohen's kappa of confusion matrices."""
    n = matrices.sum(axis=(1, 2))
    observed = np.trace(matrices, axis1=1, axis2=2) / n
    expected = (matrices.sum(axis=1) * matrices.sum(axis=2)).sum(axis=1) / n**2
    return (observed - expected) / (1 - expected)


KAPPA = Metric(
    "kappa",
    lambda outcomes: float(kappa(np.array([outcomes.scores.confusion]))[0]),
    of_confusion(kappa),
    Text("Cohen's kappa", "Agreement of labels and predictions beyond chance.", unit=""),
    leaderboard="table",
)


def report_of(make_set, model, folder: Path, name: str, seed: int) -> Path:
    """Write a report on 42 faces of probabilities that are right more often than not."""
    faces = make_set if isinstance(make_set, list) else make_set(dict.fromkeys(EMOTIONS, [50] * 6))
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(7), len(faces))
    true = [EMOTIONS.index(face.emotion) for face in faces]
    probabilities[np.arange(len(faces)), true] += 0.5
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    predicted, outputs = probabilities.argmax(axis=1), probabilities.astype(np.float32)
    predictions = Predictions(probabilities, predicted, "softmax", ("none",), probabilities, outputs)
    recipe = EvalRecipe(labels=EMOTIONS, resamples=60)
    path = folder / f"{name}.keras"
    path.write_bytes(b"")
    evaluation = measure(
        make_job(replace(model, path=path), recipe),
        ResolvedPreprocessing(recipe, "flags"),
        faces,
        [predictions],
        recipe=recipe,
        named=("set", "0" * 64, f"BTFER|set:set#00000000|n:{len(faces)}"),
        tried=(),
    )
    return write_report(replace(evaluation, title=path.name), folder / "reports").path


def test_a_new_metric_is_one_entry(make_set, brightness_model, tmp_path, monkeypatch):
    monkeypatch.setitem(METRICS, "kappa", KAPPA)
    faces = make_set(dict.fromkeys(EMOTIONS, [50] * 6))
    paths = [report_of(faces, brightness_model, tmp_path, name, seed) for seed, name in enumerate("ab")]

    metrics = json.loads((paths[0] / "metrics.json").read_text())
    low, high = metrics["intervals_95"]["kappa"]
    assert low <= metrics["kappa"] <= high
    page = (paths[0] / "report.html").read_text()
    interval = f"{low:.3f}–{high:.3f}".replace("-", "−")
    assert f"<dt>Cohen&#39;s kappa</dt><dd>{metrics['kappa']:.3f}<small>{interval}</small>" in page
    assert "Agreement of labels and predictions beyond chance." in page

    boards = compare_reports([read_report(path) for path in paths], resamples=20)
    folder = write_leaderboards(boards, tmp_path / "comparison")
    shown = f"{metrics['kappa']:.3f}"
    assert "| macro F1 | cohen's kappa | difference to best |" in markdown(boards)
    assert shown in markdown(boards)
    table = (folder / "leaderboard.html").read_text()
    assert "<th>Cohen&#39;s kappa</th>" in table
    assert f"<td>{shown}</td>" in table
    with (folder / "leaderboard.csv").open(newline="") as file:
        assert metrics["kappa"] in [float(row["kappa"]) for row in csv.DictReader(file)]
    rows = json.loads((folder / "comparison.json").read_text())["leaderboards"][0]["rows"]
    assert metrics["kappa"] in [row["kappa"] for row in rows]


def test_reports_without_a_new_metric_are_still_compared(make_set, brightness_model, tmp_path, monkeypatch):
    path = report_of(make_set, brightness_model, tmp_path, "a", 0)
    monkeypatch.setitem(METRICS, "kappa", KAPPA)
    boards = compare_reports([read_report(path)], resamples=0)
    assert boards[0].rows[0].scores["kappa"] is None
    assert "| – |" in markdown(boards)
    write_leaderboards(boards, tmp_path / "comparison")


def test_the_keys_of_the_files_are_those_of_0_1(make_set, brightness_model, tmp_path):
    path = report_of(make_set, brightness_model, tmp_path, "a", 0)
    metrics = json.loads((path / "metrics.json").read_text())
    assert set(metrics) >= {
        *("schema", "model", "n", "accuracy", "macro", "per_class", "confusion_matrix", "signature", "path"),
        *(
            "accuracy_interval_95",
            "balanced_accuracy",
            "top2_accuracy",
            "roc_auc",
            "log_loss",
            "brier",
            "ece",
        ),
        *("reliability", "intervals_95", "soft_labels", "groups", "corruptions", "resolutions", "efficiency"),
        *("tried_preprocessing", "preprocessing", "set", "notes"),
        *("model_path", "model_sha256", "loader", "versions"),
    }
    assert set(metrics["macro"]) == {"precision", "recall", "f1"}
    assert metrics["balanced_accuracy"] == metrics["macro"]["recall"]
    assert set(metrics["intervals_95"]) >= {
        *("top2_accuracy", "macro_precision", "macro_recall", "macro_f1"),
        *("log_loss", "brier", "ece", "roc_auc"),
    }
    boards = compare_reports([read_report(path)], resamples=0)
    folder = write_leaderboards(boards, tmp_path / "comparison")
    header = (folder / "leaderboard.csv").read_text().splitlines()[0]
    expected = (
        "set,n,rank,tied,model,accuracy,accuracy_low,accuracy_high,macro_f1,balanced_accuracy,ece,accuracy_lost,"
        "file_bytes,parameters,latency_p50_ms,images_per_second,mean_rank,signature,path"
    )
    assert (
        ",".join(name for name in header.split(",") if name in expected.split(",")) == expected
    )  # others between
    (row,) = json.loads((folder / "comparison.json").read_text())["leaderboards"][0]["rows"]
    assert set(row) >= {
        *(
            "rank",
            "tied",
            "model",
            "accuracy",
            "accuracy_interval_95",
            "macro_f1",
            "balanced_accuracy",
            "ece",
        ),
        *("accuracy_lost", "file_bytes", "parameters", "latency_p50_ms", "images_per_second", "mean_rank"),
        *("signature", "path"),
    }


@pytest.fixture
def outcomes() -> Outcomes:
    rng = np.random.default_rng(3)
    probabilities = rng.dirichlet(np.ones(7), 60)
    return Outcomes(rng.integers(0, 7, 60), probabilities.argmax(axis=1), probabilities)


def test_every_metric_has_its_interval(outcomes):
    found = metric_intervals(outcomes, resamples=200, seed=0)
    for name, metric in METRICS.items():
        assert (name in found) == (metric.interval is not None)
        if metric.interval is not None:
            low, high = found[name]
            assert low <= metric.function(outcomes) <= high, name
    assert {name for name in found if name not in METRICS} == {f"f1_{emotion}" for emotion in EMOTIONS}
    without = metric_intervals(outcomes, resamples=0, seed=0)
    assert set(without) == {name for name, item in METRICS.items() if isinstance(item.interval, Wilson)}


def test_the_statistic_of_the_whole_set_is_the_value(outcomes):
    """What a metric computes of a draw and what it computes of the set are the same quantity."""
    from btfer_builder.evaluate.metrics.registry import metric_statistics

    whole = metric_statistics(outcomes)(np.ones((1, 60), np.float32))
    for name, metric in METRICS.items():
        if isinstance(metric.interval, Bootstrap):
            assert whole[name][0] == pytest.approx(metric.function(outcomes), abs=1e-6), name


def test_mean_of_is_the_mean_over_drawn_faces(outcomes, monkeypatch):
    confidence = Metric(
        "confidence",
        lambda item: float(item.probabilities.max(axis=1).mean()),
        mean_of(lambda item: item.probabilities.max(axis=1)),
        Text("Mean confidence", "Mean of the highest probability."),
    )
    monkeypatch.setitem(METRICS, "confidence", confidence)
    low, high = metric_intervals(outcomes, resamples=400, seed=0)["confidence"]
    values = outcomes.probabilities.max(axis=1)
    half = 1.96 * values.std() / 60**0.5
    assert (low, high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.01)
