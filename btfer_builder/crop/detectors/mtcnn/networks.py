"""The three networks of MTCNN for ONNX Runtime, built from the weights of the `mtcnn` package (MIT).

They compute the same function as the Keras networks of the package. ONNX Runtime's fast kernels support neither PReLU
nor channel counts that are not a multiple of the block size, so both are expressed in supported operations.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.io.device import Device, onnx_providers

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto
    from onnxruntime import InferenceSession

Float = NDArray[np.float32]

#: The input of the networks is (pixel − 127.5) / 128, which is folded into the weights of the first convolution.
MEAN, SPREAD = 127.5, 128.0

#: SHA-256 of the weight files of mtcnn 1.0.0.
SHA256 = {
    "pnet": "ea6b0c3e685ebee3165326ad6484acc95f2ef78f1c94fbf40a55704fa989f7b5",
    "rnet": "cb00e6460f3c98b0bfafaba3c0a0ded4bdf6e62cee7174d969e8670d7e757fee",
    "onet": "94f6ea2f4cf985275ee958cdd762d17b6009348a4fb9d8c6be39ba73ffd22ca3",
}

#: ONNX Runtime's fast convolution kernels need channel counts that are multiples of this.
BLOCK = 16


@dataclass
class _Graph:
    """An ONNX graph under construction: nodes in order, and the constants they use."""

    nodes: "list[NodeProto]" = field(default_factory=list)
    constants: "list[TensorProto]" = field(default_factory=list)

    def constant(self, values: NDArray[Any]) -> str:
        from onnx import numpy_helper

        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values, dtype=np.float32), name))
        return name

    def add(
        self,
        kind: str,
        inputs: Sequence[str],
        output: str | None = None,
        **attributes: Any,  # noqa: ANN401 - what ONNX takes for an attribute
    ) -> str:
        from onnx import helper

        output = output or f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output], **attributes))
        return output

    def convolution(self, x: str, kernel: NDArray[Any], bias: NDArray[Any], output: str | None = None) -> str:
        """Add a convolution with a Keras kernel (height, width, in, out)."""
        kernel = kernel.transpose(3, 2, 0, 1)
        constants = [self.constant(kernel), self.constant(bias)]
        return self.add("Conv", [x, *constants], output, kernel_shape=list(kernel.shape[2:]))

    def mix(self, x: str, weights: NDArray[Any]) -> str:
        """Add a product of the channels with a matrix (out, in)."""
        return self.convolution(x, weights.T[None, None], np.zeros(len(weights)))

    def scale(self, x: str, weights: NDArray[Any]) -> str:
        """Add a product of each channel with its weight."""
        shape = (-1, 1, 1, 1)
        return self.add(
            "Conv", [x, self.constant(weights.reshape(shape))], kernel_shape=[1, 1], group=len(weights)
        )

    def prelu(self, x: str, slope: Float) -> str:
        """Add a·x + relu((1 − a)·x), which is PReLU for slopes up to 1, or for others a·x + (1 − a)·relu(x).

        The first is two passes over the channels, for ReLU and sum are done along with a convolution; the other three.
        """
        if slope.max() <= 1:
            bent = self.add("Relu", [self.scale(x, 1 - slope)])
        else:
            bent = self.scale(self.add("Relu", [x]), 1 - slope)
        return self.add("Add", [self.scale(x, slope), bent])

    def pool(self, x: str, side: int, padding: str = "SAME_UPPER") -> str:
        return self.add("MaxPool", [x], kernel_shape=[side, side], strides=[2, 2], auto_pad=padding)


def pnet(device: Device = "auto") -> "InferenceSession":
    """Return the proposal network: float32 (n, 3, height, width), 0–255 → box offsets and logits (n, 6, …)."""
    weights = _weights("pnet")
    graph = _Graph()
    x, flipped = _pooled_first_block(graph, *weights[:3])
    second = np.zeros((3, 3, len(flipped), 16), np.float32)
    second[:, :, : weights[3].shape[2]] = weights[3]
    x = graph.prelu(graph.convolution(x, second * flipped[:, None], weights[4]), weights[5].reshape(-1))
    x = graph.prelu(graph.convolution(x, weights[6], weights[7]), weights[8].reshape(-1))
    heads = np.concatenate([weights[9], weights[11]], axis=3)
    graph.convolution(x, heads, np.concatenate([weights[10], weights[12]]), "heads")
    return _session(graph, ["n", 3, "h", "w"], device)


def rnet(device: Device = "auto") -> "InferenceSession":
    """Return the refinement network: float32 (n, 3, 24, 24), 0–255 → box offsets and logits (n, 6)."""
    weights = _weights("rnet")
    graph = _Graph()
    x = _blocks(graph, weights[:9], pools=[(3, "SAME_UPPER"), (3, "VALID"), None])
    _dense(graph, x, weights[9:], shape=(3, 3, 64))
    return _session(graph, ["n", 3, 24, 24], device)


def onet(device: Device = "auto") -> "InferenceSession":
    """Return the output network: float32 (n, 3, 48, 48) → box offsets, landmarks and logits (n, 16)."""
    weights = _weights("onet")
    graph = _Graph()
    x = _blocks(graph, weights[:12], pools=[(3, "SAME_UPPER"), (3, "VALID"), (2, "SAME_UPPER"), None])
    _dense(graph, x, weights[12:], shape=(3, 3, 128))
    return _session(graph, ["n", 3, 48, 48], device)


def _weights(network: str) -> list[Float]:
    """Return a network's arrays in the order of its Keras layers: kernel, bias, slope, kernel, ...

    Raises
    ------
    BtferError
        If the `mtcnn` package is missing or its weights are not those of version 1.0.0.
    """
    import joblib

    package = find_spec("mtcnn")  # located, not imported: importing it imports TensorFlow
    if package is None or package.origin is None:
        raise BtferError(
            "the package mtcnn, which contains the detector's weights, is missing: pip install mtcnn"
        )
    path = Path(package.origin).parent / "assets" / "weights" / f"{network}.lz4"
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BtferError(
            f"{path}: {error.strerror}; install mtcnn again: pip install 'mtcnn>=1.0,<2'"
        ) from None
    # The file is a pickle and could run arbitrary code.
    if hashlib.sha256(content).hexdigest() != SHA256[network]:
        raise BtferError(f"{path} is not the file of mtcnn 1.0.0; install it again: pip install mtcnn==1.0.0")
    return [np.asarray(array, dtype=np.float32) for array in joblib.load(io.BytesIO(content))]


def _of_pixels(kernel: Float, bias: Float) -> tuple[Float, Float]:
    """Return the weights of the first convolution for unscaled pixels, 0–255."""
    shift = (kernel * (MEAN / SPREAD)).sum(axis=(0, 1, 2), dtype=np.float64).astype(np.float32)
    return kernel / np.float32(SPREAD), bias - shift


def _pooled_first_block(graph: _Graph, kernel: Float, bias: Float, slope: Float) -> tuple[str, Float]:
    """Add PNet's first convolution, pooling and PReLU, with the PReLU after the pooling, on a quarter of the pixels.

    PReLU with a slope a ≥ 0 is monotonic and commutes with max pooling. With a < 0 it is max(x, a·x), the maximum of
    pooled x and pooled a·x. Six of the ten channels have a negative slope; with their copies they fill one block.

    Returns
    -------
    name, signs
        The output and, for each of its channels, −1 if its sign is flipped (a > 1), else 1.
    """
    slope = slope.reshape(-1)
    kernel, bias = _of_pixels(kernel, bias)
    falling = np.flatnonzero(slope < 0)
    copies = dict(zip(falling.tolist(), range(len(slope), BLOCK), strict=True))
    x = graph.convolution(
        "image",
        np.concatenate([kernel, kernel[..., falling] * slope[falling]], axis=3),
        np.concatenate([bias, bias[falling] * slope[falling]]),
    )
    x = graph.pool(x, 2)
    signs = np.ones(BLOCK, np.float32)
    straight, bent = np.zeros((2, BLOCK, BLOCK), np.float32)
    for channel, a in enumerate(slope.tolist()):
        if channel in copies:  # max(x, y) = y + relu(x − y)
            straight[channel, copies[channel]] = 1
            bent[channel, channel], bent[channel, copies[channel]] = 1, -1
        else:  # a·x + relu((1 − a)·x), or −a·x + relu((a − 1)·x)
            signs[channel] = 1 if a <= 1 else -1
            straight[channel, channel], bent[channel, channel] = signs[channel] * a, abs(1 - a)
    return graph.add("Add", [graph.mix(x, straight), graph.add("Relu", [graph.mix(x, bent)])]), signs


def _blocks(graph: _Graph, weights: list[Float], pools: list[tuple[int, str] | None]) -> str:
    """Add blocks of convolution, PReLU and pooling; channels are padded with zeros to multiples of BLOCK."""
    x, filled = "image", 3
    for index, pool in enumerate(pools):
        kernel, bias, slope = weights[index * 3 : index * 3 + 3]
        if index == 0:
            kernel, bias = _of_pixels(kernel, bias)
        missing = -kernel.shape[3] % BLOCK
        kernel = np.pad(kernel, ((0, 0), (0, 0), (0, filled - kernel.shape[2]), (0, missing)))
        x = graph.convolution(x, kernel, np.pad(bias, (0, missing)))
        x = graph.prelu(x, np.pad(slope.reshape(-1), (0, missing)))
        filled = kernel.shape[3]
        if pool is not None:
            x = graph.pool(x, *pool)
    return x


def _dense(graph: _Graph, x: str, weights: list[Float], shape: tuple[int, int, int]) -> None:
    """Add the hidden dense layer, and all output layers as one.

    The kernel of the hidden layer expects (width, height, channels), as in the original Caffe weights; `shape` gives
    the three sizes. It is reordered to (channels, height, width).
    """
    kernel, bias, slope = weights[:3]
    kernel = kernel.reshape(*shape, -1).transpose(2, 1, 0, 3).reshape(kernel.shape)
    x = graph.add("Gemm", [graph.add("Flatten", [x]), graph.constant(kernel), graph.constant(bias)])
    straight = graph.add("Mul", [x, graph.constant(slope.reshape(1, -1))])
    bent = graph.add("Mul", [graph.add("Relu", [x]), graph.constant(1 - slope.reshape(1, -1))])
    x = graph.add("Add", [straight, bent])
    kernel, bias = np.concatenate(weights[3::2], axis=1), np.concatenate(weights[4::2])
    graph.add("Gemm", [x, graph.constant(kernel), graph.constant(bias)], "heads")


def _session(graph: _Graph, shape: list[str | int], device: Device) -> "InferenceSession":
    import onnxruntime
    from onnx import TensorProto, helper

    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "mtcnn",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("heads", TensorProto.FLOAT, None)],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 17)],
        ir_version=9,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1  # photos are processed in parallel; more threads would only spin
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.enable_mem_pattern = (
        False  # photos differ in size, and planning memory for each costs more than it saves
    )
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=onnx_providers(device))
