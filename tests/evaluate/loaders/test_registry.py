"""A format is one entry of the registry: what names formats elsewhere follows from it, or is compared with it."""

import importlib
from importlib.metadata import version
from pathlib import Path

import click
import pytest

from btfer_builder.cli.evaluate import convert, evaluate
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.convert import convert_model
from btfer_builder.evaluate.loaders.registry import (
    FORMATS,
    PACKAGES,
    SUFFIXES,
    TARGETS,
    Format,
    accepted_formats,
    load_model,
)
from btfer_builder.evaluate.preprocessing.sidecar import sidecar_path

DOCS = Path(__file__).parents[3] / "docs" / "evaluation.md"


#: Packages of optional formats.
OPTIONAL = {"torch", "safetensors", "transformers"}


def row(model_format: Format) -> str:
    """Return a format's row of the table in the documentation."""
    return f"| {model_format.name} | {model_format.typed} | {model_format.note} |"


def test_the_documentation_has_the_table_of_formats():
    rows = [row(model_format) for model_format in FORMATS]
    table = ["| your model is | you type | notes |", "|---|---|---|", *rows]
    assert "\n".join(table) in DOCS.read_text().partition("\n## ")[0], "the page begins with it"


def test_the_help_of_the_commands_names_every_format():
    assert all(suffix in (evaluate.help or "") for suffix in SUFFIXES)
    (to,) = (option for option in convert.params if option.name == "to")
    assert isinstance(to.type, click.Choice)
    assert list(to.type.choices) == [*TARGETS, "all"]


@pytest.mark.parametrize("model_format", FORMATS, ids=lambda model_format: model_format.name)
def test_every_loader_exists_and_its_packages_have_versions(model_format):
    module, _, function = model_format.loader.partition(":")
    assert callable(getattr(importlib.import_module(f"btfer_builder.evaluate.loaders.{module}"), function))
    assert model_format.packages.keys() <= PACKAGES.keys()
    for packages in model_format.packages.values():
        assert all(version(package) for package in set(packages) - OPTIONAL)


def test_every_file_format_shares_the_name_of_its_sidecar(tmp_path):
    for suffix in SUFFIXES:
        assert sidecar_path(tmp_path / f"m{suffix.upper()}") == tmp_path / "m.btfer.toml"


def test_errors_list_the_formats(tmp_path):
    listed = (
        ".keras, .h5, .hdf5, a transformers folder, .safetensors, .pt, .pth, .tflite, .onnx, a SavedModel's folder, "
        "or package.module:callable"
    )
    assert accepted_formats() == listed
    with pytest.raises(BtferError) as raised:
        load_model(tmp_path / "gone.keras")
    assert str(raised.value) == f"{tmp_path / 'gone.keras'}: no such file; expected a model: {listed}"
    (tmp_path / "m.pb").write_bytes(b"")
    with pytest.raises(BtferError, match=r"m\.pb: not a known model format; expected \.keras") as raised:
        load_model(str(tmp_path / "m.pb"))
    assert listed in str(raised.value)
    with pytest.raises(BtferError, match=r"only Keras models \(\.keras, \.h5, \.hdf5\) can be converted"):
        convert_model(tmp_path / "m.tflite", "onnx")


@pytest.mark.parametrize(
    "name", ["model.onnx", "model.keras", "model.safetensors", "model.bin", "folder/model.safetensors"]
)
def test_a_pointer_of_git_lfs_is_named(tmp_path, name):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")
    if path.parent != tmp_path:
        (path.parent / "config.json").write_text("{}")
    with pytest.raises(BtferError, match="git lfs pull"):
        load_model(path if path.parent == tmp_path else path.parent)


@pytest.mark.parametrize("text", ["<!DOCTYPE html><p>sign in", "\n<html lang=en>"])
def test_a_web_page_instead_of_a_model_is_named(tmp_path, text):
    (tmp_path / "model.onnx").write_text(text)
    with pytest.raises(BtferError, match="a web page, not a model"):
        load_model(tmp_path / "model.onnx")


def test_an_onnx_file_of_a_newer_form_is_named(tmp_path):
    onnx = pytest.importorskip("onnx")
    from onnx import helper

    ends = [helper.make_tensor_value_info(end, onnx.TensorProto.FLOAT, ["b", 7]) for end in "xy"]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", ends[:1], ends[1:])
    for ir_version, opset in ((8, 99), (99, 17)):
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
        model.ir_version = ir_version
        (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
        with pytest.raises(BtferError, match="upgrade onnxruntime, or"):
            load_model(tmp_path / "model.onnx")
