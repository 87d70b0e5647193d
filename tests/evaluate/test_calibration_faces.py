"""A temperature is fitted on faces outside the set, and faces of the set are refused."""

import json
from importlib.resources import files

import jsonschema
import numpy as np
import pytest
from PIL import Image

from btfer_builder.config import EvalRecipe
from btfer_builder.errors import BtferError
from btfer_builder.evaluate import LabelledFace, evaluate_models
from btfer_builder.evaluate.calibration_faces import check_apart
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.metrics.calibration import fit_temperature
from btfer_builder.labels import EMOTIONS

SCHEMA = json.loads((files("btfer_builder.evaluate") / "metrics.schema.json").read_text())


def faces_in(folder, seed, n=70):
    """Return noise in which the brightest of seven columns is the emotion of three faces in four."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    faces = []
    for number in range(n):
        column = number % 7
        pixels = rng.integers(0, 200, (8, 8), dtype=np.uint8)
        pixels[:, column] = 255
        emotion = EMOTIONS[column if number % 4 else (column + 1) % 7]
        votes = {emotion: 2, EMOTIONS[(column + 3) % 7]: int(number % 5 == 0)}
        path = folder / f"{number}.png"
        Image.fromarray(pixels).save(path)
        faces.append(LabelledFace(path, emotion, path.name, {}, votes, f"photo {number // 2}"))
    return faces


def sure(batch):
    return batch[:, :, :7, 0].mean(axis=1) * 40


def test_the_set_is_scored_with_the_temperature_of_other_faces(tmp_path):
    faces, other = faces_in(tmp_path / "a", 0), faces_in(tmp_path / "b", 1)
    path = tmp_path / "m.keras"
    path.write_bytes(b"")
    model = Model(path, 8, 8, 1, 7, "function", sure)
    recipe = EvalRecipe(resamples=50, activation="logits", scale="0,1")
    (report,) = evaluate_models([model], faces, recipe, tmp_path / "out", calibration_faces=other)
    metrics = json.loads((report.path / "metrics.json").read_text())
    jsonschema.validate(metrics, SCHEMA)
    (beside,) = evaluate_models([model], other, recipe, tmp_path / "other")
    table = beside.evaluation.outcomes.probabilities
    assert metrics["temperature"]["temperature"] == pytest.approx(
        fit_temperature(beside.evaluation.outcomes.true, table)
    )
    assert metrics["temperature"]["n"] == 70
    assert metrics["temperature"]["temperature"] > 1.2
    assert metrics["temperature"]["log_loss"] < metrics["log_loss"], "the numbers of the model itself remain"
    assert (beside.evaluation.temperature, metrics["human"]["n"]) == (None, 70)
    assert metrics["detectable"]["rows"][0]["sources"] == 35
    page = (report.path / "report.html").read_text()
    assert "fitted on 70 other faces, changes the log loss by" in page
    assert f"people {100 * metrics['human']['reviewer_accuracy']:.1f}" in page
    assert page.count("<details") == page.count("</details>") == page.count("<summary>") >= 5
    assert 'class="human"' in page
    scores = EvalRecipe(resamples=0, activation="none", scale="0,1")
    (report,) = evaluate_models([model], faces, scores, tmp_path / "none", calibration_faces=other)
    assert report.evaluation.temperature is None
    jsonschema.validate(json.loads((report.path / "metrics.json").read_text()), SCHEMA)


def photos_in(folder, seed, n=9):
    """Return pictures that are smooth as photographs are, and all different."""
    folder.mkdir()
    rng = np.random.default_rng(seed)
    faces = []
    for number in range(n):
        coarse = Image.fromarray(rng.integers(0, 255, (12, 12, 3), dtype=np.uint8))
        path = folder / f"{number}.png"
        coarse.resize((160, 160), Image.Resampling.BICUBIC).save(path)
        faces.append(LabelledFace(path, "sad", path.name))
    return faces


@pytest.mark.parametrize(
    "copied",
    [
        lambda image: image,
        lambda image: image.resize((48, 48), Image.Resampling.LANCZOS),
        lambda image: image.resize((400, 400), Image.Resampling.BICUBIC),
        lambda image: image.transpose(Image.Transpose.FLIP_LEFT_RIGHT),
        lambda image: image.convert("L"),
    ],
    ids=["same", "smaller", "larger", "mirrored", "grey"],
)
@pytest.mark.parametrize("suffix", ["bmp", "jpg"])
def test_faces_of_the_set_are_refused_whatever_their_files(tmp_path, copied, suffix):
    faces, other = photos_in(tmp_path / "a", 0), photos_in(tmp_path / "b", 1)
    check_apart(other, faces)
    copy = tmp_path / f"copy.{suffix}"
    copied(Image.open(faces[4].path)).save(copy)
    with pytest.raises(
        BtferError, match=rf"1 of 10 faces are in the test set, first .*copy.{suffix} \(4.png\)"
    ):
        check_apart([*other, LabelledFace(copy, "sad", "x")], faces)


def test_calibration_data_that_cannot_be_read_is_an_error(tmp_path):
    faces = photos_in(tmp_path / "a", 0, 2)
    broken = tmp_path / "broken.png"
    broken.write_text("no picture")
    with pytest.raises(BtferError, match="not a readable face image"):
        check_apart([LabelledFace(broken, "sad", "x")], faces)
