"""Converted models give the answers of the original; what cannot be converted is an error."""

import numpy as np
import pytest

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.convert import convert_model

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_a_network_with_gelu_gives_the_same_answers_as_onnx(tmp_path, monkeypatch, dtype):
    import keras
    import onnxruntime

    from btfer_builder.networks import build_network, vit

    monkeypatch.setattr(vit, "DEPTH", 1)
    monkeypatch.setattr(vit, "WIDTH", 48)
    keras.config.set_dtype_policy(f"mixed_{dtype}" if dtype == "float16" else dtype)
    try:
        network = build_network("vit-s", 48, seed=0)
        network.save(tmp_path / "vit.keras")
        converted = convert_model(tmp_path / "vit.keras", "onnx")
    finally:
        keras.config.set_dtype_policy("float32")
    session = onnxruntime.InferenceSession(str(converted))
    faces = np.random.default_rng(0).normal(scale=3, size=(4, 48, 48, 3)).astype(np.float32)
    (scores,) = session.run(None, {session.get_inputs()[0].name: faces})
    assert np.ptp(scores, axis=0).max() > 0.01
    tolerance = 1e-5 if dtype == "float32" else 5e-3
    assert np.abs(scores - network(faces).numpy()).max() < tolerance


def test_an_operator_that_onnx_does_not_have_is_an_error(tmp_path):
    import keras

    layers = [keras.layers.Input((4, 4, 1)), keras.layers.Activation(_lgamma), keras.layers.Flatten()]
    network = keras.Sequential([*layers, keras.layers.Dense(7)])
    network.save(tmp_path / "net.keras")
    error = pytest.raises(BtferError, match=r"cannot be converted to onnx: .*Lgamma")
    with keras.saving.custom_object_scope({"_lgamma": _lgamma}), error:
        convert_model(tmp_path / "net.keras", "onnx", trust_model=True)
    assert not (tmp_path / "net.onnx").exists()


def _lgamma(x):
    import tensorflow as tf

    return tf.math.lgamma(x)
