"""Judge a SavedModel's graph before it is loaded: nothing in it may reach outside the model."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError
from btfer_builder.quiet import import_tensorflow

#: Operations with an effect or a memory that stay within the model: branches, chance …
HARMLESS = frozenset(
    {"If", "While", "Case", "Assert", "DisableCopyOnRead", "DestroyResourceOp", "GuaranteeConst", "Empty"}
    | {"TruncatedNormal", "ParameterizedTruncatedNormal", "Multinomial", "NonDeterministicInts"}
)

#: … and how those on variables, tables, lists and random states begin.
HARMLESS_FAMILIES = (
    "Assign", "CheckNumerics", "CudnnRNN", "HashTable", "InitializeTable", "LookupTable", "Random", "ReadVariable",
    "Resource", "Rng", "SampleDistorted", "Stack", "Stateful", "TensorArray", "Var",
)  # fmt: skip

#: Parts of the names of operations that reach files, Python or other machines, though TensorFlow calls many pure.
OUTSIDE = (
    "CustomCall", "Dataset", "Debug", "File", "Iterator", "Print", "PyFunc", "Reader", "Record", "Rpc", "Summary",
    "VocabRemapping",
)  # fmt: skip

#: Operations that read a checkpoint; what they read becomes numbers of the model and nothing else.
READS = frozenset({"RestoreV2", "Restore", "RestoreSlice", "ShardedFilename", "ShardedFilespec"})

#: Those that write one. Every SavedModel has them, and nothing that is loaded or asked may lead to them.
WRITES = frozenset({"SaveV2", "MergeV2Checkpoints"})


def check_graph(path: Path) -> None:
    """Refuse a SavedModel that reaches outside itself when it is loaded or asked.

    Raises
    ------
    BtferError
        If it does, has an operation that is not known to stay inside, or is no SavedModel.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    proto = saved_model_pb2.SavedModel()
    try:
        proto.ParseFromString((path / "saved_model.pb").read_bytes())
    except (DecodeError, OSError):
        raise BtferError(f"{path}: its saved_model.pb is damaged; export the model again") from None
    for graph in proto.meta_graphs:
        functions = {one.signature.name: one for one in graph.graph_def.library.function}
        bodies = [graph.graph_def.node, *(function.node_def for function in functions.values())]
        _check_operations(path, {node.op for nodes in bodies for node in nodes} - functions.keys())
        calls = {name: _called(function.node_def) for name, function in functions.items()}
        writing = {name for name, called in calls.items() if called & WRITES}
        while more := {name for name, called in calls.items() if called & writing} - writing:
            writing |= more
        entered = set(graph.object_graph_def.concrete_functions) | _called(_entered(graph))
        if entered & (writing | WRITES):
            raise BtferError(f"{path}: writes a checkpoint when it is loaded or asked; refused")


def _check_operations(path: Path, operations: Iterable[str]) -> None:
    import_tensorflow()
    from tensorflow.python.framework import op_def_registry

    for name in sorted(operations):
        known = op_def_registry.get(name)
        harmless = known is not None and (
            not known.is_stateful or name in HARMLESS or name.startswith(HARMLESS_FAMILIES)
        )
        outside = any(word in name for word in OUTSIDE)
        if (outside or not harmless) and name not in READS | WRITES:
            raise BtferError(
                f"{path}: its graph has the operation {name}, which reaches outside the model or is not known "
                "not to; refused. Export the model without it, or say --trust-model if you made it yourself"
            )


def _called(nodes: Iterable[Any]) -> set[str]:
    """Return the operations of nodes and the functions they are given, branches and loops included."""
    found = set()
    for node in nodes:
        found.add(node.op)
        for value in node.attr.values():
            found |= {function.name for function in (value.func, *value.list.func) if function.name}
    return found


def _entered(graph: Any) -> list[Any]:  # noqa: ANN401 - a MetaGraphDef
    """Return the nodes of the main graph that run for its signatures, when it is set up, or is restored."""
    nodes = {node.name: node for node in graph.graph_def.node}
    todo = [one.name for signature in graph.signature_def.values() for one in signature.outputs.values()]
    todo += [name for one in graph.collection_def.values() for name in one.node_list.value]
    todo.append(graph.saver_def.restore_op_name)
    found: dict[str, Any] = {}
    while todo:
        name = todo.pop().lstrip("^").partition(":")[0]
        if name in nodes and name not in found:
            found[name] = nodes[name]
            todo += nodes[name].input
    return list(found.values())
