"""A TensorFlow SavedModel: a folder with a graph, whose operations are judged before it is loaded."""

from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.adapters.tensorflow_graph import graph_flops, graph_predictor
from btfer_builder.evaluate.models import Model, check_image_shape, check_scores_shape, first_line
from btfer_builder.quiet import import_tensorflow

#: Operations that reach outside the model: files, Python, other machines. A classifier needs none of them.
OUTSIDE = frozenset(
    {"WriteFile", "ReadFile", "DeleteFile", "MatchingFiles", "WholeFileReader", "WholeFileReaderV2", "PyFunc"}
    | {"PyFuncStateless", "EagerPyFunc", "TextLineDataset", "FixedLengthRecordDataset", "TFRecordDataset"}
    | {"FixedLengthRecordDatasetV2", "TFRecordReader", "TFRecordReaderV2", "TextLineReader", "RemoteCall"}
    | {
        "TextLineReaderV2",
        "InitializeTableFromTextFile",
        "InitializeTableFromTextFileV2",
        "Save",
        "SaveSlices",
    }
    | {
        "WriteSummary",
        "CreateSummaryFileWriter",
        "DebugNumericSummaryV2",
        "DebugIdentityV2",
        "PrintV2",
        "Send",
    }
    | {
        "GeneratorDataset",
        "LoadDataset",
        "SaveDataset",
        "SaveDatasetV2",
        "RegisterDataset",
        "RpcCall",
        "Recv",
    }
    | {"WriteAudioSummary", "WriteImageSummary", "WriteScalarSummary", "WriteRawProtoSummary", "LoadLibrary"}
)

#: Operations of saving and restoring, which every SavedModel has; only the functions made for that may.
CHECKPOINT = frozenset(
    {"SaveV2", "RestoreV2", "Restore", "RestoreSlice", "MergeV2Checkpoints", "ShardedFilename"}
)
_SAVER = ("__inference__traced_save", "__inference__traced_restore")


def load_saved_model(path: Path, *, trust_model: bool = False) -> Model:
    """Load the serving signature of a SavedModel.

    Raises
    ------
    BtferError
        If the folder is none, is damaged, reaches outside itself, or does not take one image.
    """
    if not (path / "saved_model.pb").is_file():
        raise BtferError(
            f"{path}: a folder without a saved_model.pb; save the model with model.save('name.keras') "
            "or model.export('folder')"
        )
    tf = import_tensorflow()
    if not trust_model:
        check_graph(path)
    try:
        loaded = tf.saved_model.load(str(path))
        serving = loaded.signatures["serving_default"]
    except Exception as error:  # TensorFlow raises anything at all on a file it does not understand
        raise BtferError(
            f"{path}: TensorFlow cannot load the SavedModel ({first_line(error)}); export it again"
        ) from None
    inputs = serving.structured_input_signature[1]
    if len(inputs) != 1:
        raise BtferError(f"{path}: takes {len(inputs)} inputs; expected a model that takes one image")
    name, spec = next(iter(inputs.items()))
    height, width, channels = check_image_shape(path, _shape(spec))
    outputs = check_scores_shape(path, [_shape(one) for one in serving.structured_outputs.values()])

    def call(batch: Any) -> Any:  # noqa: ANN401 - tensors
        _ = loaded  # kept alive with this function, and with it the variables that `serving` uses
        return next(iter(serving(**{name: tf.cast(batch, spec.dtype)}).values()))

    return Model(
        path,
        height,
        width,
        channels,
        outputs,
        "saved_model",
        graph_predictor(path, call, (height, width), channels),
        parameters=sum(int(variable.shape.num_elements() or 0) for variable in serving.variables),
        flops=lambda height, width: graph_flops(call, height, width, channels),
    )


def check_graph(path: Path) -> None:
    """Refuse a SavedModel whose graph reads or writes files, or runs Python, when it is loaded or asked.

    Raises
    ------
    BtferError
        If it does, or is no SavedModel.
    """
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    proto = saved_model_pb2.SavedModel()
    try:
        proto.ParseFromString((path / "saved_model.pb").read_bytes())
    except (DecodeError, OSError):
        raise BtferError(f"{path}: its saved_model.pb is damaged; export the model again") from None
    for part in proto.meta_graphs:
        functions = {function.signature.name: function for function in part.graph_def.library.function}
        for name, function in functions.items():
            saver = name.startswith(_SAVER)
            _check_operations(path, {node.op for node in function.node_def}, saver)
            called = {node.op for node in function.node_def} | {
                value.func.name
                for node in function.node_def
                for value in node.attr.values()
                if value.func.name
            }
            if not saver and any(other.startswith(_SAVER) for other in called):
                raise BtferError(f"{path}: its function {name} writes or reads checkpoints; refused")
        _check_operations(path, {node.op for node in part.graph_def.node}, True)


def _check_operations(path: Path, operations: set[str], saver: bool) -> None:
    bad = operations & (OUTSIDE if saver else OUTSIDE | CHECKPOINT)
    if bad:
        raise BtferError(
            f"{path}: its graph has the operation {sorted(bad)[0]}, which reaches outside the model; refused. "
            "Export the model without it, or say --trust-model if you made it yourself"
        )


def _shape(spec: Any) -> tuple[int | None, ...]:  # noqa: ANN401 - a TensorSpec
    return tuple(spec.shape.as_list()) if spec.shape.rank is not None else ()
