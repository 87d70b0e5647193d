"""Convert a Keras model for small devices: to TensorFlow Lite (quantised or not) or ONNX (§4.7)."""

import contextlib
import io
import logging
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from btfer_builder.config import EvalRecipe
from btfer_builder.datasets.labelled_faces import LabelledFace, faces_in_folder
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model, first_line
from btfer_builder.evaluate.loaders.keras_file import load_network
from btfer_builder.evaluate.loaders.registry import FORMATS, TARGETS, load_model
from btfer_builder.evaluate.preprocessing.resolve import build_preprocessing, resolve_preprocessing
from btfer_builder.evaluate.preprocessing.sidecar import read_sidecar, write_sidecar
from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.tensorflow_import import import_tensorflow, silent_stderr
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.networks.preprocessing import Preprocessing, preprocess

Quantisation = Literal["none", "float16", "int8"]

#: Faces on which int8 measures the ranges of the activations: TensorFlow advises a few hundred.
CALIBRATION_FACES = 300

#: Version of the ONNX operators; supported by ONNX Runtime 1.14 and later.
OPSET = 17


def check_convertible(path: Path) -> None:
    """Raise a BtferError if a file is not a Keras model by its name."""
    keras = [model_format for model_format in FORMATS if "keras" in model_format.packages]
    if path.is_dir() or not any(path.suffix.lower() in model_format.suffixes for model_format in keras):
        suffixes = ", ".join(model_format.accepted for model_format in keras)
        raise BtferError(f"{path}: only Keras models ({suffixes}) can be converted")


def convert_model(
    path: Path,
    to: str,
    *,
    quantize: Quantisation = "none",
    output: Path | None = None,
    faces: Sequence[LabelledFace] = (),
    preprocessing: Preprocessing | None = None,
    trust_model: bool = False,
) -> Path:
    """Convert a Keras model and write its sidecar beside the result.

    Parameters
    ----------
    path
        A Keras model file.
    to
        The format, one of `registry.TARGETS`.
    quantize
        `float16` halves the weights; `int8` quarters them and computes in integers. TensorFlow Lite only.
    output
        The file to write; by default beside the model, as `name.tflite`, `name.int8.tflite` or `name.onnx`.
    faces
        For int8: faces of the training domain, to measure the ranges of the activations on.
    preprocessing
        For int8: the preprocessing of the model.
    trust_model
        Also convert layers that run code from the file.

    Returns
    -------
    Path
        The converted file.

    Raises
    ------
    BtferError
        If the model cannot be loaded or converted, or int8 has no faces.
    """
    check_convertible(path)
    if to == "onnx" and quantize != "none":
        raise BtferError("--quantize is for --to tflite; ONNX models are written in float32")
    if quantize == "int8" and (not faces or preprocessing is None):
        raise BtferError(
            "int8 measures ranges on faces: give a folder of class folders of the training domain with --data"
        )
    network, model = load_network(path, trust_model=trust_model)
    kind = "" if quantize == "none" else f".{quantize}"
    target = output or path.with_name(f"{path.stem}{kind}{TARGETS[to].suffixes[0]}")
    function = _function(network, model)
    try:
        with _quiet():
            if to == "onnx":
                content = _onnx(function)
            else:
                samples = (
                    None if quantize != "int8" or preprocessing is None else _samples(faces, preprocessing)
                )
                content = _tflite(function, quantize, samples)
    except BtferError:
        raise
    except Exception as error:  # the converters raise any exception
        raise BtferError(f"{path}: cannot be converted to {to}: {first_line(error)}") from error
    write_bytes(target, content)
    sidecar = read_sidecar(path)
    if sidecar is not None:
        write_sidecar(target, sidecar)
    return target


def convert_calibrated(
    path: Path,
    to: str,
    recipe: EvalRecipe,
    *,
    quantize: Quantisation = "none",
    output: Path | None = None,
    data: Path | None = None,
    explicit: Collection[str] = (),
    trust_model: bool = False,
) -> Path:
    """Convert a Keras model; for int8 on the faces of a folder, with the preprocessing of `btfer eval`.

    Parameters
    ----------
    path, to, quantize, output, trust_model
        As in `convert_model`.
    recipe
        The preprocessing where no sidecar declares it.
    data
        For int8: a folder of class folders from the training domain.
    explicit
        Settings of the recipe that take precedence over the sidecar.

    Raises
    ------
    BtferError
        As `convert_model`.
    """
    preprocessing, faces = None, []
    if quantize == "int8" and data is not None:
        model = load_model(path, trust_model=trust_model)
        declared = resolve_preprocessing(model, recipe, explicit)
        preprocessing = build_preprocessing(declared.recipe, model, explicit)
        faces = faces_in_folder(data)
        echo_stderr(f"calibration with preprocessing {preprocessing.describe()} (from {declared.source})")
        if declared.source == "recipe":
            echo_stderr(
                "no preprocessing is declared for this model: write a sidecar, or its predictions may be wrong"
            )
    return convert_model(
        path,
        to,
        quantize=quantize,
        output=output,
        faces=faces,
        preprocessing=preprocessing,
        trust_model=trust_model,
    )


def _function(network: Any, model: Model) -> Any:  # noqa: ANN401 - TensorFlow's own types
    tf = import_tensorflow()
    shape = (None, model.height, model.width, model.channels)
    return tf.function(
        lambda image: network(image, training=False),
        input_signature=[tf.TensorSpec(shape, tf.float32, name="image")],
    )


def _tflite(
    function: Any,  # noqa: ANN401 - TensorFlow's own types
    quantize: Quantisation,
    samples: "Sequence[NDArray[np.float32]] | None",
) -> bytes:
    tf = import_tensorflow()
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    # Frozen first: the calibration of int8 cannot read variables.
    frozen = convert_variables_to_constants_v2(function.get_concrete_function())
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    if quantize != "none":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if quantize == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if samples is not None:
        converter.representative_dataset = lambda: ([sample] for sample in samples)
        # Operations without an integer kernel stay in float32, as do input and output: the preprocessing is unchanged.
        converter.target_spec.supported_ops = [
            tf.lite.OpsSet.TFLITE_BUILTINS_INT8,
            tf.lite.OpsSet.TFLITE_BUILTINS,
        ]
    content: bytes = converter.convert()
    return content


def _onnx(function: Any) -> bytes:  # noqa: ANN401 - TensorFlow's own types
    import onnx

    try:
        import tf2onnx
    except ImportError:
        raise BtferError("converting to ONNX needs tf2onnx: pip install '.[onnx]'") from None
    proto, _ = tf2onnx.convert.from_function(
        function,
        input_signature=function.input_signature,
        opset=OPSET,
        custom_op_handlers={"Erfc": (_write_erfc, [])},
    )
    onnx.checker.check_model(proto)  # tf2onnx writes operators that ONNX does not have, and only logs it
    content: bytes = proto.SerializeToString()
    return content


def _write_erfc(graph: Any, node: Any, *_: object) -> None:  # noqa: ANN401 - tf2onnx's own types
    """Write erfc(x), of which TensorFlow makes GELU, as 1 - erf(x): ONNX has no erfc."""
    from tf2onnx.utils import map_onnx_to_numpy_type

    dtype, shape = graph.get_dtype(node.output[0]), graph.get_shape(node.output[0])
    graph.remove_node(node.name)
    one = graph.make_const(f"{node.name}/one", np.array(1, map_onnx_to_numpy_type(dtype)))
    erf = graph.make_node("Erf", node.input, dtypes=[dtype], shapes=[shape])
    graph.make_node(
        "Sub",
        [one.output[0], erf.output[0]],
        name=node.name,
        outputs=node.output,
        dtypes=[dtype],
        shapes=[shape],
    )


def _samples(faces: Sequence[LabelledFace], preprocessing: Preprocessing) -> list[NDArray[np.float32]]:
    """Return some preprocessed faces of all classes, each as a batch of one."""
    step = max(1, len(faces) // CALIBRATION_FACES)
    samples = []
    for face in faces[::step][:CALIBRATION_FACES]:
        try:
            samples.append(preprocess(decode_image(face.path), preprocessing)[0][np.newaxis])
        except Undecodable as error:
            raise BtferError(f"{face.path}: not a readable face image ({error}); replace it") from None
    return samples


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Silence the converters on both streams: stdout is for the result."""
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with contextlib.redirect_stdout(io.StringIO()), silent_stderr():
            yield
    finally:
        logging.disable(level)
