"""Keras models in memory, and training, from Python."""

import json

import pytest

import btfer_builder as bt

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]


def test_a_keras_model_in_memory_scores_as_its_file_does(place, tmp_path):
    import keras

    faces = bt.load_faces(place / "photos")
    keras.utils.set_random_seed(1)
    layers = [keras.layers.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(7, "softmax")]
    model = keras.Sequential(layers, name="tiny")
    model.save(tmp_path / "tiny.keras")
    settings = {"scale": "-1,1", "resamples": 0}
    here, there = (
        bt.evaluate(model, faces, **settings),
        bt.evaluate(tmp_path / "tiny.keras", faces, **settings),
    )
    assert here.model == "tiny"
    assert here.predictions.filter(like="p_").equals(there.predictions.filter(like="p_"))
    assert here.signature == there.signature
    assert json.loads((here.save(tmp_path / "r") / "metrics.json").read_text())["model_sha256"] is None
    bad = keras.Sequential([keras.layers.Input((16, 16, 2)), keras.layers.Flatten(), keras.layers.Dense(7)])
    with pytest.raises(bt.BtferError, match="1 or 3 channels"):
        bt.evaluate(bad, faces)


def test_a_run_is_trained_shown_and_scored(place, tmp_path, capfd):
    settings = {"network": "sequential-simple", "size": 48, "finetune_epochs": 1, "validation_share": 0.5}
    run = bt.train(place / "photos", out=tmp_path / "run", batch_size=8, progress=False, **settings)
    assert run.to_frame()["epoch"].tolist() == [1]
    assert "epoch" not in capfd.readouterr().err
    html = run._repr_html_()
    assert "<b>sequential-simple</b>" in html
    assert f"best epoch 1: accuracy {run.validation_accuracy:.3f}" in html
    report = bt.evaluate(run, place / "photos", resamples=0, progress=False)
    assert "in:48grey" in report.signature or "in:48rgb" in report.signature
    with pytest.raises(bt.BtferError, match=r"train: unknown setting `netwrk`; did you mean `network`\?"):
        bt.train(place / "photos", out=tmp_path / "run", netwrk="resnet18")


def test_a_model_is_converted_and_scores_the_same(place, tmp_path):
    import keras

    keras.utils.set_random_seed(2)
    layers = [keras.layers.Input((16, 16, 1)), keras.layers.Flatten(), keras.layers.Dense(7, "softmax")]
    keras.Sequential(layers).save(tmp_path / "tiny.keras")
    converted = bt.convert(tmp_path / "tiny.keras", "onnx", progress=False)
    assert converted == tmp_path / "tiny.onnx"
    model, onnx = (
        bt.evaluate(path, place / "photos", resamples=0, progress=False).predictions.filter(like="p_")
        for path in (tmp_path / "tiny.keras", converted)
    )
    assert abs(model.to_numpy() - onnx.to_numpy()).max() < 1e-5
    small = bt.convert(
        tmp_path / "tiny.keras",
        "tflite",
        quantize="int8",
        data=place / "photos",
        out=tmp_path / "small.tflite",
    )
    assert bt.evaluate(small, place / "photos", resamples=0).n == 14
    with pytest.raises(bt.BtferError, match=r"of the training domain with data$"):
        bt.convert(tmp_path / "tiny.keras", "tflite", quantize="int8")
    with pytest.raises(bt.BtferError, match="to: 'coreml' is not one of tflite, onnx"):
        bt.convert(tmp_path / "tiny.keras", "coreml")
    with pytest.raises(bt.BtferError, match="only Keras models"):
        bt.convert(converted, "tflite")


def test_a_network_without_a_known_input_says_what_to_do(place):
    import keras

    with pytest.raises(
        bt.BtferError, match=r"takes no known inputs; .*; give it an Input, or give a function"
    ):
        bt.evaluate(keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(7)]), place / "photos")
