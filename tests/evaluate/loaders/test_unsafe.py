"""Model files that reach for other files; all are refused before a loader opens them."""

import io
import json
import stat
import warnings
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pytest

from btfer_builder.errors import BtferError, UnsafeFile
from btfer_builder.evaluate.loaders.graph_check import check_graph
from btfer_builder.evaluate.loaders.graph_ops import ALLOWED, READS, WRITES
from btfer_builder.evaluate.loaders.keras_check import check_config
from btfer_builder.evaluate.loaders.onnx_check import check_onnx
from btfer_builder.evaluate.loaders.registry import load_model

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]


# --- HDF5 and Keras ---------------------------------------------------------------------------------------------


def soft_link(file, place, other):
    file[place] = h5py.SoftLink("/elsewhere")


def external_link(file, place, other):
    file[place] = h5py.ExternalLink(other, "/secret")


def external_storage(file, place, other):
    file.create_dataset(place, (3,), "f4", external=[(str(other), 0, 12)])


def virtual_dataset(file, place, other):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource(str(other), "secret", (3,))
    file.create_virtual_dataset(place, layout)


def chunks_of_nothing(file, place, other):
    file.create_dataset(place, (1 << 34,), "f4", chunks=(1 << 20,), compression="gzip")


def one_large_chunk(file, place, other):
    file.create_dataset(place, (3,), "f4", chunks=(1 << 28,), maxshape=(None,), compression="gzip")


def strange_filter(file, place, other):
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((3,))
    properties.set_filter(32004, h5py.h5z.FLAG_OPTIONAL)
    space = h5py.h5s.create_simple((3,))
    h5py.h5d.create(file.id, place.encode(), h5py.h5t.IEEE_F32LE, space, properties)


HDF5_ATTACKS = {
    soft_link: "soft link",
    external_link: "external link",
    external_storage: "external storage",
    virtual_dataset: "virtual dataset",
    chunks_of_nothing: "almost nothing is stored",
    one_large_chunk: "almost nothing is stored",
    strange_filter: "a filter",
}


@pytest.fixture(scope="module")
def secret(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("secret") / "secret.h5"
    with h5py.File(path, "w") as file:
        file["secret"] = np.arange(3, dtype=np.float32)
    return path


@pytest.fixture(scope="module")
def keras_files(tmp_path_factory) -> dict[str, bytes]:
    """Return the bytes of a `.keras` and an `.h5` file, and of one that only tf_keras can load."""
    import keras
    import tf_keras

    folder = tmp_path_factory.mktemp("keras")
    layers = [
        keras.layers.Input((4, 4, 1)),
        keras.layers.GlobalAveragePooling2D(),
        keras.layers.Dense(3, name="last"),
    ]
    network = keras.Sequential(layers)
    network.save(folder / "a.keras")
    network.save(folder / "a.h5")
    image = tf_keras.Input((4, 4, 1))
    scores = tf_keras.layers.Dense(3, name="last")(tf_keras.layers.Flatten()(image / 255.0))
    tf_keras.Model(image, scores).save(folder / "old.h5")
    return {name: (folder / name).read_bytes() for name in ("a.keras", "a.h5", "old.h5")}


@pytest.mark.parametrize("attack", HDF5_ATTACKS)
@pytest.mark.parametrize("kind", ["a.keras", "a.h5", "old.h5"])
def test_arrays_are_in_the_file_itself(kind, attack, keras_files, secret, tmp_path):
    path = tmp_path / kind
    path.write_bytes(keras_files[kind])
    if path.suffix == ".h5":
        with h5py.File(path, "r+") as file:
            attack(file.create_group("model_weights/deep/down"), "there", secret)
    else:
        with zipfile.ZipFile(path) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        weights = io.BytesIO(members["model.weights.h5"])
        with h5py.File(weights, "r+") as file:
            attack(file, "there", secret)
        with zipfile.ZipFile(path, "w") as archive:
            for name, content in (members | {"model.weights.h5": weights.getvalue()}).items():
                archive.writestr(name, content)
    with pytest.raises(
        UnsafeFile, match=rf"{path.name}: .*there has .*{HDF5_ATTACKS[attack]}.*; save it again"
    ):
        load_model(path)


def test_a_bias_in_external_storage_is_never_read(keras_files, tmp_path):
    """Keras 3 refuses it, and tf_keras would read it."""
    (tmp_path / "numbers").write_bytes(np.array([7, 8, 9], np.float32).tobytes())
    path = tmp_path / "old.h5"
    path.write_bytes(keras_files["old.h5"])
    assert load_model(path).loader == "tf_keras"
    with h5py.File(path, "r+") as file:
        del file["model_weights/last/last/bias:0"]
        external_storage(file, "model_weights/last/last/bias:0", tmp_path / "numbers")
    with pytest.raises(UnsafeFile, match="external storage"):
        load_model(path)


def test_hard_links_in_circles_are_walked_once(keras_files, tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(keras_files["a.h5"])
    with h5py.File(path, "r+") as file:
        file["model_weights/up"] = file["/"]
        file["model_weights"].attrs["reference"] = file["model_weights"].ref
    assert load_model(path).outputs == 3


def add_member(archive, name, mode=0o600):
    info = zipfile.ZipInfo(name)
    info.external_attr = (stat.S_IFREG | mode if mode < 0o1000 else mode) << 16
    archive.writestr(info, "/etc/passwd")


@pytest.mark.parametrize(
    "name",
    ["../up", "/etc/cron", "assets/../../up", "assets/a\\b", "code.py", "config.json", "model.weights.npz"],
)
def test_a_keras_archive_has_the_members_keras_writes(name, keras_files, tmp_path):
    path = tmp_path / "a.keras"
    path.write_bytes(keras_files["a.keras"])
    with zipfile.ZipFile(path, "a") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a name that is there twice
        add_member(archive, name)
    with pytest.raises(UnsafeFile, match=r"a\.keras: has the member .* in a way Keras does not write"):
        load_model(path)


def test_assets_may_be_there_but_no_links(keras_files, tmp_path):
    path = tmp_path / "a.keras"
    path.write_bytes(keras_files["a.keras"])
    with zipfile.ZipFile(path, "a") as archive:
        add_member(archive, "assets/notes.txt")
    assert load_model(path).outputs == 3
    with zipfile.ZipFile(path, "a") as archive:
        add_member(archive, "assets/link", stat.S_IFLNK | 0o777)
    with pytest.raises(UnsafeFile, match="assets/link"):
        load_model(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("config.json", bytes((1 << 26) + 1))
    with pytest.raises(UnsafeFile, match=r"config\.json is too large"):
        load_model(path)


def a_layer(name, module="keras.layers", registered=None, **config):
    return {"class_name": name, "module": module, "registered_name": registered, "config": config}


@pytest.mark.parametrize(
    "part",
    [
        a_layer("StringLookup", vocabulary="/etc/passwd"),
        a_layer("IntegerLookup", vocabulary="/etc/passwd"),
        a_layer("TextVectorization", vocabulary="/etc/passwd"),
        a_layer("IndexLookup", "keras.src.layers.preprocessing.index_lookup", vocabulary="/etc/passwd"),
        a_layer("TFSMLayer", filepath="/tmp/model"),
        a_layer("TorchModuleWrapper"),
        a_layer("FlaxLayer"),
        a_layer("JaxLayer"),
        a_layer("FutureLayer"),
        a_layer("Dense", "keras.utils"),
        a_layer("Dense", "evil"),
        a_layer("Dense", "btfer_builder.networks.weights"),
        a_layer("Dense", registered="btfer>AddPositions"),
        a_layer("AddPositions", "btfer_builder.networks.layers", "other>Layer"),
        a_layer("Evil", "btfer_builder.networks.layers"),
        a_layer("Custom>Dense"),
        {"class_name": "DenseFeatures", "config": {}},
        {"class_name": "TensorFlowOpLayer", "config": {}},
        {"class_name": "function", "module": "keras.utils", "config": "get_file"},
        {"class_name": "function", "module": "builtins", "config": "eval"},
        {"class_name": "function", "module": "builtins", "config": ["relu"]},
        {"class_name": ["Dense"], "config": {}},
        {"class_name": "__typespec__", "config": []},
    ],
)
def test_layers_that_are_not_known_are_refused(part):
    with pytest.raises(UnsafeFile, match=r"^m\.keras: has .* which is not one of the known layers of Keras"):
        check_config(Path("m.keras"), {"class_name": "Sequential", "config": {"layers": [[{"deep": part}]]}})


def test_all_that_keras_saves_of_images_is_known(tmp_path):
    import keras
    import tf_keras

    image = keras.Input((8, 8, 3))
    x = keras.layers.RandomFlip()(keras.layers.Rescaling(1 / 255)(image))
    x = keras.layers.Resizing(6, 6)(keras.layers.RandomRotation(0.1)(x)) / 2.0 - keras.ops.mean(x)
    x = keras.layers.Conv2D(4, 3, activation=keras.activations.gelu, kernel_regularizer="l2")(x)
    x = keras.layers.Reshape((-1, 4))(keras.layers.Normalization(mean=0, variance=1)(x))
    x = keras.layers.Bidirectional(keras.layers.LSTM(3, kernel_constraint="max_norm"))(x)
    network = keras.Model(image, keras.layers.Dense(7, "softmax", dtype="float32")(x))
    network.compile("adam", loss=lambda true, said: said)  # how it was trained is not rebuilt
    network.save(tmp_path / "new.keras")
    assert load_model(tmp_path / "new.keras").outputs == 7

    layers = tf_keras.layers
    legacy = [layers.Input((8, 8, 3)), layers.Rescaling(1 / 255), layers.RandomZoom(0.1), layers.Conv2D(2, 3)]
    legacy += [layers.Reshape((-1, 2)), layers.GRU(3), layers.Dense(7, "softmax")]
    tf_keras.Sequential(legacy).save(tmp_path / "old.h5")
    assert load_model(tmp_path / "old.h5").outputs == 7


# --- SavedModels ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Path:
    """Return a SavedModel with a variable and a branch, that is, with functions in functions."""
    import tensorflow as tf

    class Network(tf.Module):
        def __init__(self):
            super().__init__()
            self.weight = tf.Variable(tf.ones((3, 7)))

        @tf.function(input_signature=[tf.TensorSpec((None, 4, 4, 3), tf.float32)])
        def __call__(self, image):
            means = tf.reduce_mean(image, axis=(1, 2))
            return tf.cond(
                tf.reduce_sum(means) > 0, lambda: means @ self.weight, lambda: means[:, :1] - self.weight[:1]
            )

    path = tmp_path_factory.mktemp("saved") / "model"
    tf.saved_model.save(Network(), str(path))
    return path


def changed(saved: Path, folder: Path, change) -> Path:
    """Return a copy of a SavedModel with a change in its graph."""
    import shutil

    from tensorflow.core.protobuf import saved_model_pb2

    shutil.copytree(saved, folder / "model")
    proto = saved_model_pb2.SavedModel.FromString((saved / "saved_model.pb").read_bytes())
    change(proto.meta_graphs[0])
    (folder / "model" / "saved_model.pb").write_bytes(proto.SerializeToString())
    return folder / "model"


def test_a_saved_model_is_let_in(saved):
    model = load_model(saved)
    assert model.predict(np.ones((2, 4, 4, 3), np.float32)) == pytest.approx(np.full((2, 7), 3.0))


def test_the_operations_let_in_exist_and_reach_nothing():
    from tensorflow.python.framework import op_def_registry

    assert not [name for name in ALLOWED | READS | WRITES if op_def_registry.get(name) is None]
    assert not ALLOWED & (READS | WRITES)
    words = (
        "Dataset",
        "Debug",
        "File",
        "Func",
        "Iterator",
        "Print",
        "Reader",
        "Record",
        "Remote",
        "Rpc",
        "Summary",
    )
    outside = {name for name in ALLOWED if any(word in name for word in words)}
    assert outside == {"ShardedFilename", "ShardedFilespec"}  # these put a name together and open nothing


OUTSIDE = """
ImmutableConst ReadFile MatchingFiles WholeFileReaderV2 FixedLengthRecordReaderV2 LMDBReader LMDBDataset
TFRecordDatasetV2 DatasetFromGraph PyFunc PyFuncStateless EagerPyFunc InitializeTableFromTextFileV2
LoadAndRemapMatrix GenerateVocabRemapping PrintV2 DebugIdentityV3 RemoteCall SymbolicGradient XlaCallModule
XlaCustomCallV2 WriteFile SaveDatasetV2 Future
"""


@pytest.mark.parametrize("place", ["graph", "function"])
def test_an_operation_that_is_not_known_is_refused_wherever_it_is(saved, tmp_path, place):
    for name in OUTSIDE.split():
        folder = tmp_path / name
        folder.mkdir()

        def hide(graph, name=name):
            if place == "graph":
                graph.graph_def.node.add(name="evil", op=name)
            else:  # one that nothing calls
                function = graph.graph_def.library.function.add()
                function.signature.name = "unused"
                function.node_def.add(name="evil", op=name)

        with pytest.raises(UnsafeFile, match=f"model: its graph has the operation {name}, which .*export"):
            check_graph(changed(saved, folder, hide))


def test_a_function_never_hides_an_operation(saved, tmp_path):
    def hide(graph):
        graph.graph_def.library.function.add().signature.name = "ReadFile"
        graph.graph_def.node.add(name="evil", op="ReadFile")

    with pytest.raises(UnsafeFile, match="ReadFile"):
        check_graph(changed(saved, tmp_path, hide))


@pytest.mark.parametrize("way", ["bytes of a file", "a checkpoint", "a checkpoint in a branch"])
def test_a_saved_model_does_not_score_with_other_files(saved, tmp_path, way):
    import tensorflow as tf

    (tmp_path / "numbers").write_bytes(np.arange(7, dtype=np.float32).tobytes())
    prefix = str(saved / "variables" / "variables")

    def restore():
        return tf.raw_ops.RestoreV2(
            prefix=prefix,
            tensor_names=["weight/.ATTRIBUTES/VARIABLE_VALUE"],
            shape_and_slices=[""],
            dtypes=[tf.float32],
        )[0]

    class Evil(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((None, 4, 4, 3), tf.float32)])
        def __call__(self, image):
            means = tf.reduce_mean(image, axis=(1, 2))
            if way == "bytes of a file":
                region = str(tmp_path / "numbers")
                return means[:, :1] + tf.raw_ops.ImmutableConst(
                    dtype=tf.float32, shape=[7], memory_region_name=region
                )
            if way == "a checkpoint":
                return means @ tf.ensure_shape(restore(), (3, 7))
            return means @ tf.ensure_shape(
                tf.cond(means[0, 0] > 0, restore, lambda: tf.zeros((3, 7))), (3, 7)
            )

    tf.saved_model.save(Evil(), str(tmp_path / "evil"))
    with pytest.raises(
        UnsafeFile, match=r"ImmutableConst|reads or writes a checkpoint when .*RestoreV2|a checkpoint"
    ):
        load_model(tmp_path / "evil")
    trusted = load_model(tmp_path / "evil", trust_model=True)
    answers = trusted.predict(np.ones((1, 4, 4, 3), np.float32))  # it would have been read
    assert answers == pytest.approx(
        np.arange(1, 8)[None] if way == "bytes of a file" else np.full((1, 7), 3.0)
    )


@pytest.mark.parametrize("way", ["given", "given to a given one", "put in its place", "of an object"])
def test_a_restore_is_not_reached_through_functions(saved, tmp_path, way):
    def lead(graph):
        functions = {one.signature.name: one for one in graph.graph_def.library.function}
        restore = next(name for name in functions if "traced_restore" in name)
        asked = next(iter(graph.signature_def["serving_default"].outputs.values())).name.partition(":")[0]
        node = next(one for one in graph.graph_def.node if one.name == asked)
        if way == "given":
            node.attr["more"].list.func.add().name = restore
        elif way == "given to a given one":
            node.attr["f"].func.attr["body"].func.name = restore
        elif way == "put in its place":
            functions[restore].attr["api_implements"].s = b"same"
        else:
            graph.object_graph_def.nodes.add().bare_concrete_function.concrete_function_name = restore

    with pytest.raises(UnsafeFile, match="reads or writes a checkpoint"):
        check_graph(changed(saved, tmp_path, lead))


def test_tables_from_files_are_refused(tmp_path):
    import tensorflow as tf

    (tmp_path / "words").write_text("a\nb\n")

    class Table(tf.Module):
        def __init__(self):
            super().__init__()
            kind = tf.lookup.TextFileInitializer
            reader = kind(str(tmp_path / "words"), tf.string, -2, tf.int64, -1)
            self.table = tf.lookup.StaticHashTable(reader, -1)

        @tf.function(input_signature=[tf.TensorSpec((None, 4, 4, 3), tf.float32)])
        def __call__(self, image):
            return tf.reduce_mean(image, axis=(1, 2)) + tf.cast(
                self.table.lookup(tf.constant("a")), tf.float32
            )

    tf.saved_model.save(Table(), str(tmp_path / "table"))
    with pytest.raises(UnsafeFile, match="InitializeTableFromTextFileV2"):
        load_model(tmp_path / "table")


def test_asset_files_are_refused(saved, tmp_path):
    def name_one(graph):
        graph.asset_file_def.add(filename="../../etc/passwd")

    with pytest.raises(UnsafeFile, match="reads asset files"):
        check_graph(changed(saved, tmp_path, name_one))


def test_links_out_of_a_model_folder_are_refused(saved, tmp_path):
    import shutil

    path = tmp_path / "model"
    shutil.copytree(saved, path)
    (path / "variables" / "same").symlink_to(path / "saved_model.pb")
    assert load_model(path).outputs == 7
    index = path / "variables" / "variables.index"
    index.rename(tmp_path / "index")
    index.symlink_to("../../index")
    with pytest.raises(UnsafeFile, match=r"variables/variables\.index is a link out of the folder.*cp -rL"):
        load_model(path)


@pytest.fixture(scope="module")
def first(tmp_path_factory) -> Path:
    """Return a SavedModel as TensorFlow 1 writes it."""
    import tensorflow as tf

    one = tf.compat.v1
    path = tmp_path_factory.mktemp("first") / "model"
    with tf.Graph().as_default(), one.Session() as session:
        image = one.placeholder(tf.float32, (None, 8, 8, 3))
        weight = one.get_variable("weight", (3, 7), initializer=one.ones_initializer(), use_resource=False)
        scores = tf.reduce_mean(image, axis=(1, 2)) @ weight
        keys = tf.constant([1, 2], tf.int64)
        table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, keys), 0)
        scores += tf.cast(table.lookup(tf.constant(2, tf.int64)), tf.float32)
        session.run([one.global_variables_initializer(), one.tables_initializer()])
        builder = one.saved_model.Builder(str(path))
        signature = one.saved_model.predict_signature_def({"image": image}, {"scores": scores})
        builder.add_meta_graph_and_variables(
            session, ["serve"], {"serving_default": signature}, main_op=one.tables_initializer()
        )
        builder.save()
    return path


def test_a_saved_model_of_tensorflow_1_restores_its_own_variables(first):
    assert load_model(first).predict(np.ones((1, 8, 8, 3), np.float32)) == pytest.approx(np.full((1, 7), 5.0))


def restore_of(graph):
    return next(node for node in graph.graph_def.node if node.op == "RestoreV2")


def of_another_file(graph):
    node = graph.graph_def.node.add(name="other", op="Const")
    node.attr["value"].tensor.string_val.append(b"/other/variables")
    restore_of(graph).input[0] = "other:0"


def of_a_name_put_together(graph):
    node = graph.graph_def.node.add(name="other", op="StringJoin")
    node.input.extend([graph.saver_def.filename_tensor_name, "x"])
    restore_of(graph).input[0] = "other"


def when_it_is_set_up(graph):
    graph.collection_def["saved_model_main_op"].node_list.value[:] = [graph.saver_def.restore_op_name]


def when_variables_begin(graph):
    from tensorflow.core.framework.variable_pb2 import VariableDef

    variable = VariableDef(variable_name="v:0", initializer_name=restore_of(graph).name)
    graph.collection_def["local_variables"].bytes_list.value.append(variable.SerializeToString())


def when_it_is_asked(graph):
    graph.signature_def["other"].outputs["y"].coo_sparse.values_tensor_name = f"{restore_of(graph).name}:0"


def in_a_function(graph):
    function = graph.graph_def.library.function.add()
    function.signature.name = "f"
    function.node_def.add(name="r", op="RestoreV2")
    node = graph.graph_def.node.add(name="call", op="PartitionedCall")
    node.attr["f"].func.name = "f"
    restore_of(graph).input.append("^call")


@pytest.mark.parametrize(
    "change",
    [
        of_another_file,
        of_a_name_put_together,
        when_it_is_set_up,
        when_variables_begin,
        when_it_is_asked,
        in_a_function,
    ],
)
def test_a_saved_model_of_tensorflow_1_restores_nothing_else(first, tmp_path, change):
    with pytest.raises(UnsafeFile, match="reads or writes a checkpoint"):
        check_graph(changed(first, tmp_path, change))


# --- ONNX and TensorFlow Lite -----------------------------------------------------------------------------------


def onnx_model(path: Path, nodes, initializers=(), **more) -> Path:
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3, 4, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 3])],
        list(initializers),
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("evil", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8, **more), str(path))
    return path


def pooled(name="p", domain="", op="GlobalAveragePool"):
    from onnx import helper

    return [
        helper.make_node(op, ["x"], [name], domain=domain),
        helper.make_node("Flatten", [name], ["f"]),
        helper.make_node("Add", ["f", "b"], ["y"]),
    ]


def test_operators_of_others_are_refused_wherever_they_are(tmp_path):
    from onnx import helper, numpy_helper

    bias = numpy_helper.from_array(np.zeros(3, np.float32), "b")
    assert load_model(onnx_model(tmp_path / "fine.onnx", pooled(), [bias])).outputs == 3

    def local(op, domain=""):
        opsets = [helper.make_opsetid("", 17), helper.make_opsetid("evil", 1)]
        body = [helper.make_node(op, ["i"], ["o"], domain=domain)]
        return helper.make_function("evil", "Mean", ["i"], ["o"], body, opsets)

    fine = onnx_model(
        tmp_path / "local.onnx", pooled("p", "evil", "Mean"), [bias], functions=[local("GlobalAveragePool")]
    )
    assert load_model(fine).outputs == 3

    evil = helper.make_node("ReadFile", ["x"], ["z"], domain="evil")
    out = helper.make_tensor_value_info("z", 1, None)
    branch = helper.make_graph([evil], "branch", [], [out])
    inner = helper.make_graph(
        [helper.make_node("If", ["c"], ["z"], then_branch=branch, else_branch=branch)], "inner", [], [out]
    )
    nested = helper.make_node("If", ["c"], ["z"], then_branch=inner, else_branch=inner)
    cases = {
        "plain": onnx_model(tmp_path / "plain.onnx", [*pooled(), evil], [bias]),
        "nested": onnx_model(tmp_path / "nested.onnx", [*pooled(), nested], [bias]),
        "function": onnx_model(
            tmp_path / "f.onnx", pooled("p", "evil", "Mean"), [bias], functions=[local("ReadFile", "evil")]
        ),
        "microsoft": onnx_model(
            tmp_path / "m.onnx",
            [*pooled(), helper.make_node("EPContext", [], ["z"], domain="com.microsoft")],
            [bias],
        ),
        "unknown": onnx_model(
            tmp_path / "u.onnx", [*pooled(), helper.make_node("PyOp", ["x"], ["z"])], [bias]
        ),
    }
    for path in cases.values():
        with pytest.raises(UnsafeFile, match=rf"{path.name}: has the operator .*:.*not part of ONNX; export"):
            load_model(path)


@pytest.mark.parametrize(
    ("domain", "op"), [("com.microsoft", "EPContext"), ("", "GlobalAveragePool"), ("ai.onnx.ml", "Mean")]
)
def test_a_function_takes_the_name_of_no_operator(tmp_path, domain, op):
    """ONNX Runtime would run its own operator and not the function."""
    from onnx import helper, numpy_helper

    body = [helper.make_node("GlobalAveragePool", ["i"], ["o"])]
    function = helper.make_function(domain, op, ["i"], ["o"], body, [helper.make_opsetid("", 17)])
    bias = numpy_helper.from_array(np.zeros(3, np.float32), "b")
    path = onnx_model(tmp_path / "m.onnx", pooled("p", domain, op), [bias], functions=[function])
    with pytest.raises(UnsafeFile, match=f"a function '{op}' among the operators of "):
        check_onnx(path)


@pytest.mark.parametrize("place", ["initializer", "constant", "branch", "sparse"])
def test_weights_are_in_the_folder_of_the_model(tmp_path, place):
    import onnx
    from onnx import TensorProto, helper

    folder = tmp_path / "folder"
    (folder / "sub").mkdir(parents=True)
    content = np.arange(3, dtype=np.float32).tobytes()
    (folder / "*" / "_ORT_MEM_ADDR_").mkdir(
        parents=True
    )  # ONNX Runtime takes this name for an address in memory
    memory = folder / "*" / "_ORT_MEM_ADDR_" / "*"
    for path in (folder / "b.bin", folder / "sub" / "b.bin", tmp_path / "b.bin", memory):
        path.write_bytes(content)
    (folder / "link").symlink_to(tmp_path / "b.bin")
    (folder / "up").symlink_to(tmp_path)

    def with_data_in(location):
        tensor = TensorProto(
            name="b", data_type=TensorProto.FLOAT, dims=[3], data_location=TensorProto.EXTERNAL
        )
        if location is not None:
            tensor.external_data.add(key="location", value=location)
            tensor.external_data.add(key="length", value="12")
        path = folder / "m.onnx"
        if place == "initializer":
            return onnx_model(path, pooled(), [tensor])
        if place == "sparse":
            model = onnx.load(str(onnx_model(path, pooled())))
            model.graph.sparse_initializer.add().values.CopyFrom(tensor)
            onnx.save(model, str(path))
            return path
        constant = helper.make_node("Constant", [], ["b"])
        constant.attribute.add(name="value", type=onnx.AttributeProto.TENSOR).t.CopyFrom(tensor)
        if place == "constant":
            return onnx_model(path, [constant, *pooled()])
        branch = helper.make_graph([constant], "g", [], [helper.make_tensor_value_info("b", 1, None)])
        return onnx_model(
            path, [helper.make_node("If", ["c"], ["b"], then_branch=branch, else_branch=branch), *pooled()]
        )

    for location in ("b.bin", "sub/b.bin"):
        path = with_data_in(location)
        check_onnx(path)
        if place == "initializer":
            answers = load_model(path).predict(np.zeros((1, 4, 4, 3), np.float32))
            assert answers == pytest.approx(np.array([[0, 1, 2]]))
    (tmp_path / "m.onnx").symlink_to(with_data_in("sub/b.bin"))  # the data is looked for beside the link
    with pytest.raises(UnsafeFile, match=r"sub/b\.bin"):
        load_model(tmp_path / "m.onnx")
    outside = [str(tmp_path / "b.bin"), "../b.bin", "sub/../../b.bin", "link", "up/b.bin", "gone", "", None]
    for location in [*outside, "sub", "*/_ORT_MEM_ADDR_/*", "..\\b.bin"]:
        with pytest.raises(UnsafeFile, match=r"m\.onnx: keeps 'b' in .* not a plain file in the folder"):
            load_model(with_data_in(location))


@pytest.fixture(scope="module")
def lite() -> bytes:
    import tensorflow as tf

    function = tf.function(
        lambda image: tf.nn.softmax(tf.reduce_mean(image, axis=(1, 2))),
        input_signature=[tf.TensorSpec((1, 4, 4, 3), tf.float32)],
    )
    return tf.lite.TFLiteConverter.from_concrete_functions([function.get_concrete_function()]).convert()


def a_custom_operation(model):
    model.operatorCodes[0].customCode = b"ReadFile"
    model.operatorCodes[0].builtinCode = model.operatorCodes[0].deprecatedBuiltinCode = 32


def an_operation_of_tensorflow(model):
    a_custom_operation(model)
    model.operatorCodes[0].customCode = b"FlexReadFile"


def a_delegate(model):
    model.operatorCodes[0].builtinCode = model.operatorCodes[0].deprecatedBuiltinCode = 51


def a_later_operation(model):
    model.operatorCodes[0].builtinCode, model.operatorCodes[0].deprecatedBuiltinCode = 100_000, 127


def an_unused_operation(model):
    import copy

    model.operatorCodes.append(copy.copy(model.operatorCodes[0]))
    model.operatorCodes[-1].customCode = b"Evil"


def a_buffer_elsewhere(model):
    model.buffers[1].data, model.buffers[1].offset, model.buffers[1].size = None, 100, 1 << 40


def another_file(model):
    from tensorflow.lite.python import schema_py_generated as schema

    model.externalBufferGroups = [schema.ExternalBufferGroupT()]
    model.externalBufferGroups[0].name = "/etc/passwd"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (a_custom_operation, "needs 'ReadFile', which is outside TensorFlow Lite"),
        (an_operation_of_tensorflow, "needs 'FlexReadFile'"),
        (a_delegate, "needs 'DELEGATE'"),
        (a_later_operation, "needs 'an unknown operation'"),
        (an_unused_operation, "needs 'Evil'"),
        (a_buffer_elsewhere, "has a buffer beyond the end"),
        (another_file, "keeps weights in other files"),
    ],
)
def test_tflite_files_that_reach_outside_are_refused(lite, tmp_path, change, says):
    import flatbuffers
    from tensorflow.lite.python import schema_py_generated as schema

    path = tmp_path / "m.tflite"
    path.write_bytes(lite)
    assert load_model(path).outputs == 3
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(lite, 0))
    change(model)
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    with pytest.raises(UnsafeFile, match=rf"m\.tflite: {says}.*; convert"):
        load_model(path)


def test_a_refusal_is_one_line(keras_files, tmp_path):
    path = tmp_path / "a.h5"
    path.write_bytes(keras_files["a.h5"])
    with h5py.File(path, "r+") as file:
        file["odd\nname"] = h5py.SoftLink("/x")
        file.attrs["model_config"] = json.dumps({"class_name": "Odd\nLayer"})
    with pytest.raises(BtferError) as caught:
        load_model(path)
    assert "\n" not in str(caught.value)
