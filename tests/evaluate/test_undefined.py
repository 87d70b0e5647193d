"""Sets and answers of which some score is not defined: it is null, never NaN, and the report copes with it."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from btfer_builder.config import EvalRecipe
from btfer_builder.evaluate import LabelledFace
from btfer_builder.evaluate.evaluate import make_job
from btfer_builder.evaluate.inference.outputs import Predictions
from btfer_builder.evaluate.measure import measure
from btfer_builder.evaluate.metrics.scores import score_votes
from btfer_builder.evaluate.preprocessing.resolve import ResolvedPreprocessing
from btfer_builder.evaluate.write_report import write_report
from btfer_builder.io.json import json_text
from btfer_builder.labels import EMOTIONS


def evaluated(model, emotions, rows, votes, *, path=Path("x.png"), corruptions=False):
    """Score answers (rows of seven probabilities, NaN for a missing class) on faces of these emotions."""
    table = np.array(rows, dtype=np.float64)
    predicted = np.nanargmax(table, axis=1)
    scores = np.nan_to_num(table, nan=-np.inf)
    predictions = Predictions(table, predicted, "softmax", ("none",), scores, table.astype(np.float32))
    words = ("man", "woman")
    faces = [
        LabelledFace(path, emotion, f"f{number}", {"query_gender": words[number % 2]}, votes=given)
        for number, (emotion, given) in enumerate(zip(emotions, votes, strict=True))
    ]
    recipe = EvalRecipe(labels=EMOTIONS, resamples=20, corruptions=corruptions)
    views = [predictions] * (41 if corruptions else 1)
    return measure(
        make_job(model, recipe), ResolvedPreprocessing(recipe, "flags"), faces, views, recipe=recipe,
        named=("set", "0" * 64, "BTFER|n:1"), tried=(),
    )  # fmt: skip


def strict(evaluation):
    """Return what `metrics.json` says, which must be strict before the writer has a look at it."""
    return json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))


ROWS = {
    "sure": [1.0, 0, 0, 0, 0, 0, 0],
    "wrong": [0, 0, 0, 0, 0, 0, 1.0],
    "nothing": [0.0] * 7,
    "even": [1 / 7] * 7,
    "tiny": [1e-308, 0, 0, 0, 0, 0, 0],
    "missing": [np.nan] * 6 + [0.3],
    "half": [np.nan, 0, 0.5, 0.5, 0, 0, 0],
    "rounded": [0.1 + 0.2, 0.7, 0, 0, 0, 0, 0],
}
#: Rows and votes of one face.
ANY = st.tuples(
    st.sampled_from(EMOTIONS),
    st.sampled_from(sorted(ROWS)),
    st.dictionaries(st.sampled_from(EMOTIONS), st.integers(0, 3), max_size=3),
)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ANY, min_size=1, max_size=6))
def test_metrics_of_any_answers_are_strict_json(brightness_model, faces):
    emotions, rows, votes = zip(*faces, strict=True)
    evaluation = evaluated(brightness_model, emotions, [ROWS[row] for row in rows], votes)
    found = strict(evaluation)
    assert json.loads(json_text(evaluation.to_dict())) == found
    there = set(emotions)
    assert (found["roc_auc"] is None) == (len(there) == 1)
    assert all(found["per_class"][e]["roc_auc"] is None for e in EMOTIONS if e not in there)
    soft = found["soft_labels"]
    assert (soft is None) == all(sum(given.values()) < 2 for given in votes)
    if soft:
        assert 0 <= soft["jensen_shannon"] <= 1


@pytest.mark.parametrize("row", ["nothing", "missing"])
def test_the_report_shows_what_is_not_defined_as_a_dash(tmp_path, brightness_model, row):
    path = tmp_path / "face.png"
    Image.new("RGB", (8, 8)).save(path)
    model = replace(brightness_model, path=tmp_path / "model.keras")
    model.path.write_bytes(b"")
    corruptions = row == "nothing"
    evaluation = evaluated(
        model, ["sad"] * 2, [ROWS[row]] * 2, [{"sad": 2}] * 2, path=path, corruptions=corruptions
    )
    report = write_report(evaluation, tmp_path / "reports")
    found = json.loads((report.path / "metrics.json").read_text(), parse_constant=pytest.fail)
    assert found["roc_auc"] is found["per_class"]["sad"]["roc_auc"] is None
    page = (report.path / "report.html").read_text()
    assert "<dt>ROC-AUC</dt><dd>–" in page
    assert not re.search(r"\bnan\b", page)


def test_votes_that_are_just_what_the_model_says_are_no_divergence():
    # Rounding brings the divergence of such rows below 0, and its root to NaN.
    rng = np.random.default_rng(0)
    votes = rng.integers(0, 40, (2000, 7)).astype(float)
    said = votes / votes.sum(axis=1, keepdims=True)
    with np.errstate(all="raise"):
        for shares in (said, said * (1 + 1e-16), (said + 1e-17) / (said + 1e-17).sum(axis=1, keepdims=True)):
            soft = score_votes(shares, votes, shares.argmax(axis=1))
            assert soft.jensen_shannon == pytest.approx(0, abs=1e-12)
    assert score_votes(
        np.eye(7), np.roll(np.eye(7) * 2, 1, axis=0), np.arange(7)
    ).jensen_shannon == pytest.approx(1)
