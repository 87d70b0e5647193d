"""Check a SavedModel before TensorFlow loads it: nothing in it may access anything outside its folder."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError, UnsafeFile
from btfer_builder.evaluate.loaders.graph_ops import ALLOWED, READS, WRITES
from btfer_builder.io.tensorflow_import import import_tensorflow

_TRUST = "or pass --trust-model if you made it yourself"


def check_graph(path: Path) -> None:
    """Refuse a SavedModel that accesses anything outside its folder when it is loaded or called.

    All operations must be in `graph_ops.ALLOWED`, in every function of its library, used or not. Operations that
    read or write checkpoints are allowed because every SavedModel has them, but nothing that runs may lead to them,
    except the restore of a TensorFlow 1 model, which gets the name of the checkpoint from the loader.

    Parameters
    ----------
    path
        The folder.

    Raises
    ------
    UnsafeFile
        If it has other operations, assets, links out of the folder, or accesses a checkpoint.
    BtferError
        If it is not a SavedModel, or is damaged.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    _check_links(path)
    proto = saved_model_pb2.SavedModel()
    try:
        proto.ParseFromString((path / "saved_model.pb").read_bytes())
    except (DecodeError, OSError):
        raise BtferError(f"{path}: its saved_model.pb is damaged; export the model again") from None
    for graph in proto.meta_graphs:
        _check_operations(path, graph)
        _check_assets(path, graph)
        _check_checkpoints(path, graph)


def _check_links(path: Path) -> None:
    inside = path.resolve()
    for folder, folders, files in os.walk(path):
        for name in (*folders, *files):
            entry = Path(folder, name)
            if entry.is_symlink() and not entry.resolve().is_relative_to(inside):
                raise UnsafeFile(
                    f"{path}: {entry.relative_to(path)} is a link out of the folder; copy the model "
                    f"with files instead of links (cp -rL), {_TRUST}"
                )


def _check_operations(path: Path, graph: Any) -> None:  # noqa: ANN401 - a MetaGraphDef
    import_tensorflow()
    from tensorflow.python.framework import op_def_registry

    functions = {function.signature.name for function in graph.graph_def.library.function}
    for name in sorted(functions):
        if op_def_registry.get(name) is not None:
            raise UnsafeFile(
                f"{path}: has a function with the name of the operation {name}; export it again, {_TRUST}"
            )
    bodies = (graph.graph_def.node, *(function.node_def for function in graph.graph_def.library.function))
    for name in sorted(
        {node.op for nodes in bodies for node in nodes} - functions - ALLOWED - READS - WRITES
    ):
        raise UnsafeFile(
            f"{path}: its graph has the operation {name}, which reaches outside the model or is not known to stay "
            f"within it; export the model without it, {_TRUST}"
        )


def _check_assets(path: Path, graph: Any) -> None:  # noqa: ANN401 - a MetaGraphDef
    kinds = {node.WhichOneof("kind") for node in graph.object_graph_def.nodes}
    if graph.asset_file_def or "saved_model_assets" in graph.collection_def or "asset" in kinds:
        raise UnsafeFile(
            f"{path}: reads asset files, which an image classifier does not need; export it without them, {_TRUST}"
        )


def _check_checkpoints(path: Path, graph: Any) -> None:  # noqa: ANN401 - a MetaGraphDef
    """Refuse a graph in which anything that runs reads or writes a checkpoint, other than the loader's own."""
    functions = {function.signature.name: function for function in graph.graph_def.library.function}
    calls = {name: set(_called(function.node_def)) for name, function in functions.items()}
    touching = READS | WRITES
    while more := {name for name, called in calls.items() if called & touching} - touching:
        touching |= more
    # Grappler exchanges functions with the same `api_implements`.
    replaced = {name for name in touching & functions.keys() if "api_implements" in functions[name].attr}

    nodes = {node.name: node for node in graph.graph_def.node}
    run = _ancestors(nodes, _run_names(graph))
    entered = set(_called(run)) | _object_functions(graph.object_graph_def)
    unsafe = sorted((entered & touching) | replaced)
    if not unsafe and not graph.HasField("object_graph_def"):  # TensorFlow then runs the restore of the file
        restore = _ancestors(nodes, [graph.saver_def.restore_op_name])
        saver = graph.saver_def.filename_tensor_name.partition(":")[0]
        own = {node.name for node in restore if node.op in READS and _source(nodes, node) == saver}
        unsafe = sorted(set(_called(node for node in restore if node.name not in own)) & touching)
    if unsafe:
        raise UnsafeFile(
            f"{path}: reads or writes a checkpoint when it is loaded or called ({unsafe[0]}); export it without it, "
            f"{_TRUST}"
        )


def _run_names(graph: Any) -> Iterator[str]:  # noqa: ANN401 - a MetaGraphDef
    """Yield the nodes of the main graph that run for its signatures or when it is set up."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.framework.variable_pb2 import VariableDef

    for signature in graph.signature_def.values():
        for tensor in signature.outputs.values():
            yield tensor.name
            sparse = tensor.coo_sparse
            yield from (sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name)
            yield from (part.name for part in tensor.composite_tensor.components)
    for collection in graph.collection_def.values():
        yield from collection.node_list.value
        for content in collection.bytes_list.value:
            try:
                variable = VariableDef.FromString(content)
            except DecodeError:
                continue  # another kind, which only training uses
            yield from (variable.initializer_name, variable.initial_value_name, variable.snapshot_name)


def _object_functions(objects: Any) -> set[str]:  # noqa: ANN401 - a SavedObjectGraph
    names = set(objects.concrete_functions)
    for node in objects.nodes:
        names |= {*node.function.concrete_functions, node.bare_concrete_function.concrete_function_name}
    return names


def _ancestors(nodes: dict[str, Any], names: Iterable[str]) -> list[Any]:
    """Return the nodes with these names and all nodes that they depend on."""
    ancestors: dict[str, Any] = {}
    todo = list(names)
    while todo:
        name = todo.pop().lstrip("^").partition(":")[0]
        if name in nodes and name not in ancestors:
            ancestors[name] = nodes[name]
            todo += nodes[name].input
    return list(ancestors.values())


def _source(nodes: dict[str, Any], node: Any) -> str:  # noqa: ANN401 - a NodeDef
    """Return the node that the first input of a node comes from, through `Identity` nodes only."""
    seen: set[str] = set()
    while True:
        name = node.input[0].partition(":")[0] if node.input else ""
        if name in seen or name not in nodes or nodes[name].op != "Identity":
            return name
        seen.add(name)
        node = nodes[name]


def _called(nodes: Iterable[Any]) -> Iterator[str]:
    """Yield the operations of nodes and the functions they take, including those of branches and loops."""
    for node in nodes:
        yield node.op
        todo = list(node.attr.values())
        while todo:  # a function can itself take functions
            value = todo.pop()
            for function in (value.func, *value.list.func):
                if function.name:
                    yield function.name
                todo += function.attr.values()
