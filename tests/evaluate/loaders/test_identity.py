"""The hash and the size of a model are those of all its weights."""

import sys
from pathlib import Path

import numpy as np
import pytest

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.loaders.registry import load_model


def test_weights_beside_an_onnx_file_count(tmp_path):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    weights = np.random.default_rng(0).random((48, 7), np.float32)
    nodes = [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("MatMul", ["f", "w"], ["y"])]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 4, 4, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 7])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path, data = tmp_path / "m.onnx", tmp_path / "m.onnx.data"
    onnx.save(model, str(path), save_as_external_data=True, location=data.name, size_threshold=0)
    loaded = load_model(path)
    assert loaded.file_bytes == path.stat().st_size + data.stat().st_size
    first = loaded.digest
    assert loaded.digest == first
    data.write_bytes((-weights).tobytes())
    assert load_model(path).digest != first
    data.write_bytes(weights.tobytes())
    assert load_model(path).digest == first


def test_every_file_of_a_folder_counts(tmp_path):
    folder = tmp_path / "exported"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables" / "variables.data-00000-of-00001").write_bytes(b"weights")
    model = Model(folder, 4, 4, 3, 7, "saved_model", lambda batch: batch)
    first = model.digest
    assert model.file_bytes == 12
    (folder / "variables" / "variables.data-00000-of-00001").write_bytes(b"Weights")
    assert model.digest != first


def test_what_a_function_declares_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for where in (
        "weights = ['w.bin']\ndef own(x): return x\n",
        "def own(x): return x\nown.weights = 'w.bin'\n",
    ):
        sys.modules.pop("declaring", None)
        Path("declaring.py").write_text(where)
        Path("w.bin").write_bytes(b"1234")
        monkeypatch.syspath_prepend(str(tmp_path))
        model = load_model("declaring:own")
        assert (model.files, model.file_bytes) == ((tmp_path.resolve() / "w.bin",), 4)
        first = model.digest
        Path("w.bin").write_bytes(b"4321")
        assert load_model("declaring:own").digest != first
        Path("w.bin").unlink()
        with pytest.raises(BtferError, match=r"declares .*w\.bin as its weights, which does not exist"):
            load_model("declaring:own")
    sys.modules.pop("declaring", None)
