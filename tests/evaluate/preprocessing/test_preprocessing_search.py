"""Whether a model is fed as it was trained, with a model made of NumPy that wants one scale only."""

from dataclasses import replace

import numpy as np
import pytest

from btfer_builder.config import EvalRecipe
from btfer_builder.evaluate import evaluate as room
from btfer_builder.evaluate.evaluate import make_job
from btfer_builder.evaluate.preprocessing.preprocessing_search import (
    DECLARED,
    PER_CLASS,
    search_preprocessing,
    warning,
)
from btfer_builder.labels import EMOTIONS

LEVELS = (10, 45, 80, 115, 150, 185, 220)


def tried_as(scale, make_set, brightness_model, n=12):
    faces = make_set(
        {emotion: [level - 6 + k for k in range(n)] for emotion, level in zip(EMOTIONS, LEVELS, strict=True)}
    )
    job = make_job(replace(brightness_model, channels=3), EvalRecipe(scale=scale))
    return search_preprocessing(job, faces, batch_size=16, workers=2, seed=0)


def test_a_wrong_scale_is_warned_of(make_set, brightness_model):
    tried = tried_as("0,255", make_set, brightness_model)
    assert tried[0].name == DECLARED
    assert [one.accuracy for one in tried[1:]] == sorted((one.accuracy for one in tried[1:]), reverse=True)
    assert tried[1].accuracy == 1.0
    assert "scale 0,1" in {one.name for one in tried if one.accuracy == 1.0}
    said = warning(tried)
    assert "looks wrong" in said
    assert f"{tried[0].accuracy:.1%} as declared and 100.0% with" in said


def test_the_right_one_is_not(make_set, brightness_model):
    tried = tried_as("0,1", make_set, brightness_model)
    assert tried[0].accuracy == 1.0
    assert warning(tried) is None
    assert {one.name for one in tried} >= {"scale -1,1", "scale 0,255", "preset caffe", "color bgr"}


def test_a_way_that_makes_the_model_overflow_is_only_a_bad_one(make_set, brightness_model):
    def predict(batch):
        rows = brightness_model.predict(batch)
        return rows * np.nan if batch.max() > 1 else rows

    faces = make_set({e: [level] * 6 for e, level in zip(EMOTIONS, LEVELS, strict=True)})
    job = make_job(replace(brightness_model, predict=predict), EvalRecipe())
    tried = search_preprocessing(job, faces, batch_size=16, workers=2, seed=0)
    assert next(one for one in tried if one.name == "scale 0,255").accuracy == pytest.approx(1 / 7)
    assert tried[0].accuracy == 1.0


def test_a_difference_that_may_be_chance_is_no_reason_to_warn(make_set, brightness_model):
    tried = tried_as("0,255", make_set, brightness_model, n=1)
    assert max(one.accuracy for one in tried) > tried[0].accuracy
    assert warning(tried) is None, "seven faces prove nothing"


def test_a_part_of_the_faces_is_taken(make_set, brightness_model):
    seen = []
    faces = make_set({"happy": [115] * (PER_CLASS + 20), "sad": [185] * 5})
    model = replace(brightness_model, predict=lambda x: seen.append(len(x)) or brightness_model.predict(x))
    tried = search_preprocessing(make_job(model, EvalRecipe()), faces, batch_size=100, workers=1, seed=0)
    assert set(seen) == {PER_CLASS + 5}
    assert len(seen) == len(tried)


def test_the_report_carries_the_warning(make_set, brightness_model, tmp_path):
    model = replace(brightness_model, path=tmp_path / "m.keras", loader="function")
    model.path.write_bytes(b"")
    faces = make_set({e: [level] * 8 for e, level in zip(EMOTIONS, LEVELS, strict=True)})
    (report,) = room.evaluate_models(
        [model],
        faces,
        EvalRecipe(scale="-1,1", resamples=0),
        tmp_path / "out",
        explicit={"scale"},
        training_faces=faces,
    )
    assert any("looks wrong" in note for note in report.notes)
    assert "Preprocessing check" in (report.path / "report.html").read_text()
    assert report.to_dict()["tried_preprocessing"][0]["name"] == DECLARED
    assert np.isfinite(report.scores.accuracy)
    assert report.evaluation.declaration.source == "flags"
    assert pytest.approx(report.scores.accuracy) == report.to_dict()["accuracy"]
