"""The hash and the size of a model are those of all its weights."""

import sys
from pathlib import Path

import numpy as np
import pytest

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.loaders.own_code import source_files
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


def test_hidden_files_of_a_folder_do_not_count(tmp_path):
    (tmp_path / "config.json").write_bytes(b"{}")
    model = Model(tmp_path, 4, 4, 3, 7, "transformers", lambda batch: batch)
    first = model.digest, model.file_bytes
    (tmp_path / ".cache" / "download").mkdir(parents=True)
    (tmp_path / ".cache" / "download" / "config.json.metadata").write_text("the time of the download")
    (tmp_path / ".gitattributes").write_text("*.safetensors")
    assert (model.digest, model.file_bytes) == first


SOURCES = {
    "own/__init__.py": "",
    "own/nets.py": "import torch\nfrom . import layers\nfrom .deep.parts import part\ndef net(x): return x\n",
    "own/layers.py": "import helper\n",
    "own/deep/__init__.py": "from ..more import *\n",
    "own/deep/parts.py": "def part():\n    import later\n",
    "own/more.py": "broken = True\n",
    "helper.py": "",
    "later.py": "this is no Python (\n",
}


def test_the_code_behind_a_model_counts(tmp_path, monkeypatch):
    for name, content in {**SOURCES, "unrelated.py": "", "own/unused.py": ""}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    files = source_files("own.nets", tmp_path / "own" / "nets.py")
    assert {file.relative_to(tmp_path).as_posix() for file in files} == SOURCES.keys()
    weights = tmp_path / "m.pt"
    weights.write_bytes(b"weights")
    model = Model(weights, 4, 4, 3, 7, "torch", lambda batch: batch, code=files)
    first = model.digest
    assert model.file_bytes == 7, "code is no weight"
    for name, content in SOURCES.items():
        (tmp_path / name).write_text(content + "# changed\n")
        assert model.digest != first, name
        (tmp_path / name).write_text(content)
    (tmp_path / "unrelated.py").write_text("changed = True")
    assert model.digest == first
    installed = tmp_path / "site-packages" / "own"
    installed.mkdir(parents=True)
    (installed / "nets.py").write_text("import own.layers")
    assert source_files("own.nets", installed / "nets.py") == (installed / "nets.py",)


def test_a_module_that_a_function_imports_counts(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    Path("calls_others.py").write_text("import its_helper\ndef own(x): return x\n")
    Path("its_helper.py").write_text("")
    first = load_model("calls_others:own").digest
    Path("its_helper.py").write_text("# changed")
    assert load_model("calls_others:own").digest != first
    for name in ("calls_others", "its_helper"):
        sys.modules.pop(name)


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
