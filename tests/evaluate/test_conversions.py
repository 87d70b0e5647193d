"""One table of a model's conversions: same faces, paired differences, and failures that are rows."""

import csv
import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

import btfer_builder as bt
from btfer_builder.cli.main import main
from btfer_builder.config import EvalRecipe
from btfer_builder.evaluate.conversions import compare_conversions
from btfer_builder.labels import EMOTIONS

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]


@pytest.fixture
def room(tmp_path, monkeypatch):
    """Write a network that tells the seven levels of grey, one level an emotion, and faces to calibrate and score."""
    import keras

    monkeypatch.chdir(tmp_path)
    levels = np.linspace(0.05, 0.95, len(EMOTIONS))
    network = keras.Sequential(
        [
            keras.layers.Input((8, 8, 3)),
            keras.layers.Conv2D(8, 3, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(len(EMOTIONS), activation="softmax"),
        ]
    )
    network.layers[0].set_weights([np.full((3, 3, 3, 8), 1 / 27), np.zeros(8)])
    # The nearest level has the highest score: 2·l·x - l² is greatest where l is nearest to x.
    network.layers[2].set_weights([np.tile(2 * levels / 8, (8, 1)) * 300, -(levels**2) * 300])
    network.save("m.keras")
    rng = np.random.default_rng(0)
    for folder in ("train", "test"):
        for emotion, level in zip(EMOTIONS, levels, strict=True):
            (tmp_path / folder / emotion).mkdir(parents=True)
            for n in range(3):
                grey = round(255 * level + float(rng.uniform(-3, 3)))
                Image.new("RGB", (8, 8), (grey,) * 3).save(tmp_path / folder / emotion / f"{n}.png")
    return tmp_path


def test_every_conversion_is_a_row_with_accuracy_size_and_latency(room):
    command = ["convert", "m.keras", "--to", "all", "--data", "train", "--score", "test", "--json"]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    table = json.loads(done.stdout)
    names = [row["name"] for row in table["rows"]]
    assert names == ["Keras", "TensorFlow Lite", "TensorFlow Lite float16", "TensorFlow Lite int8", "ONNX"]
    rows = {row["name"]: row for row in table["rows"]}
    assert not any(row["error"] for row in rows.values()), rows
    assert table["n"] == 21
    assert rows["Keras"]["accuracy"] == 1
    assert rows["Keras"]["difference"] is None
    for name in names[1:]:
        row = rows[name]
        assert row["accuracy"] - rows["Keras"]["accuracy"] == pytest.approx(row["difference"])
        low, high = row["difference_interval_95"]
        assert low <= row["difference"] <= high
        assert row["changed"] >= -row["difference"]
        assert row["latency_p50_ms"] > 0
        assert row["file_bytes"] == (room / "conversions" / row["path"].rpartition("/")[2]).stat().st_size
    assert rows["ONNX"]["changed"] == rows["TensorFlow Lite"]["changed"] == 0
    with (room / "conversions" / "conversions.csv").open(newline="") as file:
        cells = list(csv.DictReader(file))
    assert [row["name"] for row in cells] == names
    for row in cells[1:]:
        assert float(row["difference_low"]) <= float(row["difference"]) <= float(row["difference_high"])
    text = (room / "conversions" / "conversions.md").read_text()
    assert text.count("\n| ") == len(names)  # the first line is the head
    assert "On 21 faces of test" in text

    # Without faces to calibrate on, int8 is a row that says so.
    found = bt.compare_conversions("m.keras", "test", out="again", resamples=0, progress=False)
    int8 = found.to_frame().set_index("name").loc["TensorFlow Lite int8"]
    assert "needs faces" in int8["error"]
    assert "not made: it needs faces" in (room / "again" / "conversions.md").read_text()


def test_options_that_do_not_fit_are_refused(room):
    for more, words in (
        (["--to", "all"], "--score"),
        (["--to", "onnx", "--score", "test"], "go together"),
        (["--to", "all", "--score", "test", "--quantize", "int8"], "--quantize"),
        (["--to", "all", "--score", "test", "--data", "test"], "training domain"),
    ):
        done = CliRunner().invoke(main, ["convert", "m.keras", *more])
        assert (done.exit_code, words in done.stderr) == (2, True), done.output


def test_only_keras_models_are_compared_with_their_conversions(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"")
    with pytest.raises(bt.BtferError, match="only Keras models"):
        compare_conversions(tmp_path / "m.onnx", [], EvalRecipe(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
