"""Scores under the usual interpolations, where nothing declares one."""

import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from btfer_builder.config import EvalRecipe
from btfer_builder.evaluate import LabelledFace, Sidecar, SidecarInput, evaluate_models
from btfer_builder.evaluate.inference import prefetch as ahead
from btfer_builder.evaluate.kernels import USUAL
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.preprocessing.sidecar import write_sidecar
from btfer_builder.labels import EMOTIONS


@pytest.fixture
def fine(tmp_path):
    """Return a model that is sensitive to single pixels, and large faces of noise."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(64, 7)).astype(np.float32)
    faces = []
    for number in range(21):
        path = tmp_path / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (30, 30, 3), np.uint8)).save(path)
        faces.append(LabelledFace(path, EMOTIONS[number % 7], path.stem))
    (tmp_path / "m.keras").write_bytes(b"")
    model = Model(tmp_path / "m.keras", 8, 8, 1, 7, "function", lambda x: x.reshape(len(x), -1) @ weights)
    return model, faces


def test_usual_interpolations_are_scored_in_one_pass(fine, tmp_path, monkeypatch):
    model, faces = fine
    decoded = []
    real = ahead.decode_plain_png
    monkeypatch.setattr(ahead, "decode_plain_png", lambda content: decoded.append(content) or real(content))
    recipe = EvalRecipe(resamples=0, batch_size=8, corruptions=True)
    (report,) = evaluate_models([model], faces, recipe, tmp_path / "out")
    assert len(decoded) == len(faces)
    found = {each.kernel: each for each in report.evaluation.kernels}
    assert list(found) == list(USUAL)
    assert found["area"].changed == 0, "as auto"
    for kernel in USUAL:
        declared = EvalRecipe(resamples=0, resize=kernel)
        (alone,) = evaluate_models([model], faces, declared, tmp_path / "o", explicit=["resize"])
        assert alone.evaluation.kernels == ()
        assert alone.scores.accuracy == found[kernel].accuracy
        changed = alone.evaluation.predictions.predicted != report.evaluation.predictions.predicted
        assert changed.mean() == found[kernel].changed
    assert found["bilinear"].changed > 0.1
    assert any(
        "Nothing declares the interpolation: under the usual ones up to" in note for note in report.notes
    )
    assert "Answers changed" in (report.path / "report.html").read_text()
    written = json.loads((report.path / "metrics.json").read_text())
    assert [each["kernel"] for each in written["kernels"]] == list(USUAL)


def test_a_declared_interpolation_is_not_doubted(fine, tmp_path):
    model, faces = fine
    write_sidecar(model.path, Sidecar(input=SidecarInput(resize="auto", scale="0,1")))
    (report,) = evaluate_models([model], faces, EvalRecipe(resamples=0), tmp_path / "out")
    assert report.evaluation.kernels == ()


def test_faces_of_the_models_size_are_predicted_once(make_set, brightness_model, tmp_path):
    batches = []

    def counted(batch):
        batches.append(len(batch))
        return brightness_model.predict(batch)

    counting = replace(brightness_model, name="b", loader="function", predict=counted)
    (report,) = evaluate_models(
        [counting], make_set({"happy": [1, 2]}), EvalRecipe(resamples=0), tmp_path / "out"
    )
    assert batches == [2]
    assert "under the usual ones no answer changes" in " ".join(report.notes)
