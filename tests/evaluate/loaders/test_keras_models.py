"""Keras models of the field: of Keras 2, with whole numbers, their own scaling, several outputs, channels first."""

import json
import zipfile

import numpy as np
import pytest

from btfer_builder.config import EvalRecipe
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.evaluate import evaluate_model
from btfer_builder.evaluate.loaders.registry import load_model
from btfer_builder.evaluate.preprocessing.resolve import build_preprocessing, resolve_preprocessing

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]


def images(rows=4, side=8, channels=3, high=1.0):
    return np.random.default_rng(0).uniform(0, high, (rows, side, side, channels)).astype(np.float32)


def body(keras, inputs, *, classes=7, **how):
    layers = keras.layers
    maps = layers.BatchNormalization()(layers.Conv2D(4, 3, activation="relu", **how)(inputs))
    return layers.Dense(classes, activation="softmax", name="emotion")(
        layers.GlobalAveragePooling2D(**how)(maps)
    )


def test_files_of_keras_2_go_through_tf_keras(tmp_path):
    import tf_keras

    inputs = tf_keras.Input((8, 8, 3))
    network = tf_keras.Model(inputs, body(tf_keras, inputs))
    sequential = tf_keras.Sequential([tf_keras.Input((8, 8, 3)), tf_keras.layers.Rescaling(1 / 255), network])
    sequential.compile("adam", "categorical_crossentropy")
    for number, each in enumerate((network, sequential)):
        path = tmp_path / f"{number}.keras"
        each.save(path)
        model = load_model(path)
        assert model.loader == "tf_keras"
        assert model.predict(images()) == pytest.approx(np.asarray(each(images())), abs=1e-6)
    marker = tmp_path / "executed"
    evil = tf_keras.Sequential(
        [tf_keras.Input((4, 4, 3)), tf_keras.layers.Lambda(lambda x, m=str(marker): (open(m, "w").close(), x)[1]),
         tf_keras.layers.Flatten()]
    )  # fmt: skip
    evil.save(tmp_path / "evil.keras")
    marker.unlink()
    with pytest.raises(BtferError, match="has a Lambda layer"):
        load_model(tmp_path / "evil.keras")
    # tf_keras would import the module that a file names.
    with zipfile.ZipFile(tmp_path / "0.keras") as whole, zipfile.ZipFile(tmp_path / "odd.keras", "w") as odd:
        for name in whole.namelist():
            content = whole.read(name)
            if name == "config.json":
                config = json.loads(content)
                config["config"]["layers"][1]["module"] = "antigravity"
                content = json.dumps(config).encode()
            odd.writestr(name, content)
    with pytest.raises(BtferError, match=r"has antigravity\.Conv2D, which is not one of the known layers"):
        load_model(tmp_path / "odd.keras")
    assert not marker.exists()


def test_whole_numbers_are_fed_0_to_255(tmp_path, make_set):
    import keras

    inputs = keras.Input((8, 8, 3), dtype="uint8")
    means = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(inputs))
    network = keras.Model(inputs, keras.layers.Softmax()(keras.layers.Dense(7)(means)))
    network.save(tmp_path / "whole.keras")
    model = load_model(tmp_path / "whole.keras")
    assert model.takes == "uint8"
    declared = resolve_preprocessing(model, EvalRecipe())
    assert declared.source == "model's own input of whole numbers"
    assert build_preprocessing(declared.recipe, model).scale == "0,255"
    values = np.rint(images(high=255))
    assert model.predict(values) == pytest.approx(np.asarray(network(values.astype(np.uint8))), abs=1e-6)
    report = evaluate_model(
        tmp_path / "whole.keras", make_set({"happy": [200]}), EvalRecipe(), tmp_path / "out"
    )
    said = "its input: Rescaling (times 0.003922, plus 0); it gets pixels of 0 to 255."
    assert any(said in note for note in report.notes)
    with pytest.raises(BtferError, match="takes whole numbers"):
        build_preprocessing(EvalRecipe(scale="-1,1"), model)


def test_a_leading_scaling_is_noticed():
    import keras

    normalization = keras.layers.Normalization(mean=[0.5], variance=[0.25])
    plain = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.layers.GlobalMaxPooling2D(), keras.layers.Rescaling(2.0)]
    )
    nested = keras.Sequential(
        [keras.Input((8, 8, 3)), keras.Sequential([keras.layers.Rescaling(1 / 127.5, -1)])]
    )
    nested.add(keras.layers.GlobalMaxPooling2D())
    normal = keras.Sequential([keras.Input((8, 8, 3)), normalization, keras.layers.GlobalMaxPooling2D()])
    begins = [load_model(network).begins for network in (plain, nested, normal)]
    assert begins == ["", "Rescaling (times 0.007843, plus -1)", "Normalization"]


@pytest.mark.parametrize("library", ["keras", "tf_keras"])
def test_an_output_is_named(tmp_path, library):
    import importlib

    keras = importlib.import_module(library)
    inputs = keras.Input((8, 8, 3))
    scores = body(keras, inputs)
    age = keras.layers.Dense(1, name="age")(keras.layers.Flatten()(inputs))
    expected = np.asarray(keras.Model(inputs, scores)(images()))
    for number, outputs in enumerate(([age, scores], {"years": age, "emotion": scores})):
        path = tmp_path / f"{library}{number}.keras"
        keras.Model(inputs, outputs).save(path)
        first = ("age", "years")[number]
        with pytest.raises(
            BtferError, match=rf"has 2 outputs \(.*{first}.*\); name the scores with --output NAME"
        ):
            load_model(path)
        assert load_model(path, output="emotion").predict(images()) == pytest.approx(expected, abs=1e-6)
        with pytest.raises(BtferError, match=r"its output has the shape \(None, 1\)"):
            load_model(path, output=first)


def test_channels_may_be_first(tmp_path):
    import keras

    inputs = keras.Input((3, 8, 8))
    network = keras.Model(inputs, body(keras, inputs, data_format="channels_first"))
    network.save(tmp_path / "first.keras")
    model = load_model(tmp_path / "first.keras")
    assert (model.height, model.width, model.channels) == (8, 8, 3)
    expected = np.asarray(network(images().transpose(0, 3, 1, 2)))
    assert model.predict(images()) == pytest.approx(expected, abs=1e-6)


def test_an_output_of_onnx_is_named(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["g"]),
        helper.make_node("Flatten", ["g"], ["mean"]),
        helper.make_node("Neg", ["mean"], ["minus"]),
    ]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [None, 3]) for name in ("mean", "minus")]
    image = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3, 8, 8])
    graph = helper.make_graph(nodes, "g", [image], infos)
    path = tmp_path / "two.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    with pytest.raises(BtferError, match=r"has 2 outputs \(mean, minus\)"):
        load_model(path)
    assert load_model(path, output="minus").predict(images()) == pytest.approx(
        -images().mean(axis=(1, 2)), abs=1e-6
    )


@pytest.mark.parametrize("kind", ["UINT8", "INT32", "INT64"])
def test_whole_numbers_of_any_width_are_fed_0_to_255_to_onnx(tmp_path, kind):
    import onnx
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Cast", ["x"], ["c"], to=TensorProto.FLOAT),
        helper.make_node("GlobalAveragePool", ["c"], ["g"]),
        helper.make_node("Flatten", ["g"], ["y"]),
    ]
    image = helper.make_tensor_value_info("x", getattr(TensorProto, kind), [None, 3, 8, 8])
    scores = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3])
    graph = helper.make_graph(nodes, "g", [image], [scores])
    path = tmp_path / "whole.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), str(path))
    model = load_model(path)
    assert build_preprocessing(resolve_preprocessing(model, EvalRecipe()).recipe, model).scale == "0,255"
    values = np.rint(images(high=255))
    assert model.predict(values) == pytest.approx(values.mean(axis=(1, 2)), abs=1e-3)
