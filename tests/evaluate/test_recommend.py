"""Which model to deploy: limits, unknown numbers, ties; the models are report files written by hand."""

import csv
import json
import math

import numpy as np
import pytest
from click.testing import CliRunner

import btfer_builder as bt
from btfer_builder.cli.main import main
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.metrics.scores import score
from btfer_builder.evaluate.recommend import Limits, recommend_models
from btfer_builder.evaluate.report.read_report import read_report
from btfer_builder.labels import EMOTIONS

FACES = 700


def write_report(folder, name, right, *, faces=FACES, machine="cpu", **cost):
    """Write a report whose first `right` predictions are correct."""
    path = folder / name
    path.mkdir(parents=True)
    true = np.arange(faces) % len(EMOTIONS)
    predicted = np.where(np.arange(faces) < right, true, (true + 1) % len(EMOTIONS))
    with (path / "predictions.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["face_id", "emotion", "predicted"])
        writer.writerows(
            [f"{n:05d}", EMOTIONS[t], EMOTIONS[p]]
            for n, (t, p) in enumerate(zip(true, predicted, strict=True))
        )
    scores = score(true, predicted)
    digest = f"1234{faces:060d}"
    metrics = {
        "schema": 3, "set": {"name": f"s{faces}", "sha256": digest},
        "model": name, "model_path": f"/models/{name}", "n": faces, "accuracy": scores.accuracy,
        "macro": {"f1": scores.macro_f1}, "accuracy_interval_95": [0.0, 1.0], "efficiency": cost | {"machine": machine},
        "signature": f"BTFER|set:s{faces}#{digest[:8]}|n:{faces}|in:x|labels:7|leak:unknown|btfer:0.1.1",
    }  # fmt: skip
    (path / "metrics.json").write_text(json.dumps(metrics))
    return path


@pytest.fixture
def reports(tmp_path):
    """Return four models: two good ones that do not differ, a smaller worse one, and one that was not measured."""
    return [
        write_report(
            tmp_path, "large", 500, file_bytes=40_000_000, parameters=10_000_000, latency_p50_ms=30.0
        ),
        write_report(
            tmp_path, "middle", 497, file_bytes=9_000_000, parameters=2_000_000, latency_p50_ms=12.0
        ),
        write_report(tmp_path, "tiny", 300, file_bytes=600_000, parameters=150_000, latency_p50_ms=1.0),
        write_report(tmp_path, "unmeasured", 499, file_bytes=0),
    ]


def verdicts(reports, **limits):
    (choice,) = recommend_models([read_report(path) for path in reports], Limits(**limits)).choices
    return {item.model: item.verdict for item in choice.candidates}, choice


def test_models_that_do_not_differ_are_all_recommended(reports):
    found, choice = verdicts(reports)
    assert found == {
        "large": "recommended",
        "unmeasured": "recommended",
        "middle": "recommended",
        "tiny": "worse",
    }
    assert choice.answer == (
        "large has the highest accuracy within the limits; not significantly worse on 700 faces: unmeasured and "
        "middle; smallest: middle; fastest: middle"
    )


def test_limits_are_named_and_what_is_unknown_is_kept_and_not_recommended(reports):
    found, choice = verdicts(reports, max_megabytes=10, max_latency_ms=12)
    assert found == {"middle": "recommended", "tiny": "worse", "unmeasured": "unknown", "large": "outside"}
    reasons = {item.model: item.reasons for item in choice.candidates}
    assert reasons["large"] == ("size 40 > 10 MB", "latency 30 > 12 ms")
    assert reasons["unmeasured"] == ("size unknown", "latency unknown")
    assert choice.answer == "middle has the highest accuracy within the limits"
    # The best of those within the limits are not the best of all.
    found, choice = verdicts(reports, max_parameters=1e6)
    assert [name for name, verdict in found.items() if verdict == "recommended"] == ["tiny"]
    # Beyond a known limit, an unknown number does not matter.
    assert verdicts(reports, max_megabytes=1, min_accuracy=0.72)[0]["unmeasured"] == "outside"


def test_nothing_within_the_limits_is_an_answer_too(reports):
    found, choice = verdicts(reports, min_accuracy=0.99, max_megabytes=1)
    assert set(found.values()) == {"outside"}
    assert (choice.recommended, choice.answer) == ((), "no scored model is known to be within all limits")
    assert "of 1 model a limited number is unknown" in verdicts(reports, max_latency_ms=0.5)[1].answer


def test_equal_models_and_forty_of_them_are_all_ties(tmp_path):
    paths = [write_report(tmp_path, f"modèle-{n:02d}", 400, file_bytes=1000 + n // 2) for n in range(40)]
    found, choice = verdicts(paths)
    assert set(found.values()) == {"recommended"}
    assert choice.answer.startswith("modèle-00, modèle-01, ")
    assert choice.answer.endswith(
        "give identical answers, with the highest accuracy within the limits; smallest: modèle-00 and modèle-01"
    )


def test_models_on_different_faces_are_separate_choices_and_machines_are_named(reports, tmp_path):
    other = write_report(tmp_path, "elsewhere", 60, faces=70, latency_p50_ms=1.0)
    slow = write_report(tmp_path, "slow", 400, latency_p50_ms=90.0, machine="raspberry")
    read = [read_report(path) for path in (*reports, other, slow)]
    first, second = recommend_models(read, Limits(max_latency_ms=50)).choices
    assert (first.n, second.n, second.recommended) == (700, 70, ("elsewhere",))
    assert any("different machines" in note for note in first.notes)
    assert not any("different machines" in note for note in second.notes)


@pytest.mark.parametrize(
    "limits", [{"max_megabytes": -1}, {"min_accuracy": 1.5}, {"max_latency_ms": math.nan}]
)
def test_limits_that_are_no_limits_are_refused(limits, reports):
    with pytest.raises(BtferError, match=next(iter(limits)).replace("_", "-")):
        Limits(**limits)
    with pytest.raises(BtferError, match=next(iter(limits))):
        bt.recommend(reports, **limits)
    with pytest.raises(BtferError, match="--max-parameters"):
        Limits(max_parameters="many")


def test_the_command_and_python_say_the_same(reports):
    command = ["recommend", *map(str, reports), "--max-megabytes", "10"]
    shown = CliRunner().invoke(main, command)
    assert shown.exit_code == 0, shown.output
    assert "size 40 > 10 MB" in shown.stdout
    assert "middle has the highest accuracy within the limits" in shown.stdout
    asked = json.loads(CliRunner().invoke(main, [*command, "--json"]).stdout)
    found = bt.recommend(reports, max_megabytes=10)
    assert asked == json.loads(json.dumps(found.to_dict()))
    assert asked["choices"][0]["recommended"] == ["middle"]
    frame = found.to_frame()
    assert list(frame["model"]) == ["middle", "tiny", "unmeasured", "large"]
    assert frame["reasons"].tolist()[-1] == "size 40 > 10 MB"
    assert "<table" in found._repr_html_()
    refused = CliRunner().invoke(main, ["recommend", *map(str, reports), "--min-accuracy", "nan"])
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
