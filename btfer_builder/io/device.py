"""The device that a library computes on: the processor, or a graphics card that the library can use."""

import io
from contextlib import redirect_stdout
from functools import cache
from typing import Any, Literal

from btfer_builder.io.tensorflow_import import import_tensorflow, silent_stderr
from btfer_builder.io.terminal import echo_stderr

Device = Literal["auto", "cpu", "cuda"]

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"

#: Without TensorFloat-32, whose ten bits would move boxes and scores; and without trying out every algorithm of cuDNN
#: for every new size of a photo.
CUDA_OPTIONS = {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"}


@cache
def onnx_device(device: Device = "auto") -> Literal["cpu", "cuda"]:
    """Return the device that ONNX Runtime uses for a setting.

    Where a graphics card is asked for and cannot be used, one line on stderr says so, once a process.

    Parameters
    ----------
    device
        `auto` for a graphics card where one can be used, `cpu`, or `cuda`.
    """
    if device == "cpu":
        return "cpu"
    if missing := _missing_cuda():
        if device == "cuda":
            echo_stderr(f"device: {missing}; the processor is used")
        return "cpu"
    return "cuda"


def onnx_providers(device: Device = "auto") -> list[str | tuple[str, dict[str, str]]]:
    """Return the execution providers for a session of ONNX Runtime, best first; `device` as in `onnx_device`."""
    return [(CUDA, dict(CUDA_OPTIONS)), CPU] if onnx_device(device) == "cuda" else [CPU]


@cache
def torch_device(device: Device = "auto") -> Literal["cpu", "cuda"]:
    """Return the device that PyTorch uses for a setting; as `onnx_device`."""
    if device == "cpu":
        return "cpu"
    import torch

    if torch.cuda.is_available():
        return "cuda"
    if device == "cuda":
        echo_stderr(
            "device: PyTorch finds no graphics card (check nvidia-smi, and that it is built with CUDA); the "
            "processor is used"
        )
    return "cpu"


@cache
def tensorflow_device(device: Device = "auto") -> Literal["cpu", "cuda"]:
    """Return the device that TensorFlow uses for a setting; as `onnx_device`."""
    if device == "cpu":
        return "cpu"
    if import_tensorflow().config.list_logical_devices("GPU"):
        return "cuda"
    if device == "cuda":
        echo_stderr("device: TensorFlow finds no graphics card (check nvidia-smi); the processor is used")
    return "cpu"


@cache
def _missing_cuda() -> str:
    """Return why the CUDA provider cannot be used, with the next step; empty if it can."""
    import onnxruntime

    if CUDA not in onnxruntime.get_available_providers():
        return (
            "this ONNX Runtime has no CUDA provider (pip uninstall onnxruntime; pip install onnxruntime-gpu)"
        )
    # The provider of a package that was built with it is listed without a card, a driver or CUDA's libraries, too.
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        with silent_stderr(), redirect_stdout(io.StringIO()):
            session = onnxruntime.InferenceSession(
                _identity(), options, providers=[(CUDA, CUDA_OPTIONS)], enable_fallback=0
            )
        found = session.get_providers()
    except Exception:  # ONNX Runtime has a class of exception for each cause
        found = []
    if CUDA not in found:
        return "ONNX Runtime cannot start CUDA (check nvidia-smi, and that CUDA and cuDNN are installed)"
    return ""


def _identity() -> Any:  # noqa: ANN401 - bytes, from an untyped package
    """Return the smallest model, which returns its input."""
    from onnx import TensorProto, helper

    values = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "probe", values[:1], values[1:])
    opsets = [helper.make_opsetid("", 17)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9).SerializeToString()
