"""Any PyTorch module as a model, in memory or read from a file."""

import importlib
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model, Predict, choose_output, first_line

#: Older versions run code out of files even with `weights_only=True` (CVE-2025-32434).
OLDEST = (2, 6)


def import_torch(what: str) -> Any:  # noqa: ANN401 - the module torch
    """Return PyTorch.

    Parameters
    ----------
    what
        What needs it, for the error.

    Raises
    ------
    BtferError
        If it is not installed, or too old to read files safely.
    """
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        raise BtferError(f"{what}: needs PyTorch: pip install '.[torch]'") from None
    if tuple(int(part) for part in torch.__version__.split(".")[:2]) < OLDEST:
        raise BtferError(
            f"{what}: PyTorch {torch.__version__} can run code out of a file of weights; install 2.6 or newer: "
            "pip install --upgrade torch"
        )
    return torch


def is_module(model: object) -> bool:
    """Whether an object is a PyTorch module; PyTorch is not imported for it."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(model, torch.nn.Module)


def wrap_module(
    module: Any,  # noqa: ANN401 - a torch.nn.Module
    *,
    path: Path | None = None,
    name: str = "",
    loader: str = "torch",
    output: str = "",
    channels: int | None = None,
) -> Model:
    """Return a PyTorch module as a model.

    The module is called on float batches of shape (batch, channels, height, width), on its own device and in its own
    precision, in evaluation mode and without gradients; afterwards its layers have the modes they had.

    Parameters
    ----------
    module
        A `torch.nn.Module` that takes images and returns scores of shape (batch, classes), or an object, a dictionary
        or a tuple with them.
    path
        Its file; None for a module in memory.
    name
        Of a module in memory, in reports; by default that of its class.
    loader
        A key of `registry.PACKAGES`.
    output
        Name (or position) of the output that holds the scores, if there are several.
    channels
        1 or 3; None for those of the first convolution, and 3 without one.

    Raises
    ------
    BtferError
        If it takes neither one nor three channels.
    """
    name = "" if path else name or type(module).__name__
    torch = import_torch(str(path or name))
    channels = channels or _channels(torch, module)
    if channels not in {1, 3}:
        raise BtferError(f"{path or name}: takes {channels} channels; expected an image of 1 or 3 channels")
    return Model(
        path,
        None,
        None,
        channels,
        None,
        loader,
        _predictor(torch, module, str(path or name), output),
        name=name,
        parameters=_parameters(torch, module),
        flops=lambda height, width: _flops(torch, module, (channels, height, width)),
        device=_first(torch, module).device.type,
    )


def _channels(torch: Any, module: Any) -> int:  # noqa: ANN401 - PyTorch's own types
    first = next((layer for layer in module.modules() if isinstance(layer, torch.nn.Conv2d)), None)
    if first is None or torch.nn.parameter.is_lazy(first.weight):
        return 3
    return int(first.weight.shape[1] * first.groups)


def _parameters(torch: Any, module: Any) -> int | None:  # noqa: ANN401
    """Return the number of weights; None if a lazy layer has not got its own yet."""
    parameters = list(module.parameters())
    if any(torch.nn.parameter.is_lazy(each) for each in parameters):
        return None
    return int(sum(each.numel() for each in parameters))


def _predictor(torch: Any, module: Any, title: str, output: str) -> Predict:  # noqa: ANN401
    def predict(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        try:
            with evaluating(module), torch.no_grad():
                answer = module(_tensor(torch, module, batch))
        except (Exception, SystemExit) as error:  # the module's own code runs
            raise BtferError(
                f"{title}: the model fails on a batch of {len(batch)}: {first_line(error)}"
            ) from error
        scores = _scores(torch, answer, title, output)
        if scores.ndim != 2 or len(scores) != len(batch):
            raise BtferError(
                f"{title}: returns the shape {tuple(scores.shape)} for a batch of {len(batch)}; "
                f"expected ({len(batch)}, number of classes)"
            )
        rows: NDArray[np.float32] = scores.detach().float().cpu().numpy()
        return rows

    return predict


def _tensor(torch: Any, module: Any, batch: NDArray[np.float32]) -> Any:  # noqa: ANN401
    first = _first(torch, module)
    images = torch.from_numpy(np.ascontiguousarray(batch.transpose(0, 3, 1, 2)))
    return images.to(first.device, first.dtype)


def _first(torch: Any, module: Any) -> Any:  # noqa: ANN401
    """Return a tensor of the module's device and precision: its first parameter, if it has one."""
    return next((each for each in module.parameters() if each.is_floating_point()), torch.empty(0))


def _scores(torch: Any, answer: Any, title: str, output: str) -> Any:  # noqa: ANN401
    """Return the tensor of scores of what a module returned: a tensor, a mapping, a tuple, or an object with logits."""
    if isinstance(answer, torch.Tensor):
        return answer
    if isinstance(answer, Mapping):  # that of transformers is one, too
        outputs = {str(name): value for name, value in answer.items()}
    elif isinstance(answer, list | tuple):
        names = getattr(answer, "_fields", range(len(answer)))
        outputs = {str(name): value for name, value in zip(names, answer, strict=True)}
    else:
        outputs = {"logits": getattr(answer, "logits", None)}
    tensors = {name: value for name, value in outputs.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise BtferError(
            f"{title}: returns {type(answer).__name__}; expected a tensor, or several with names"
        )
    if not output and "logits" in tensors:
        return tensors["logits"]
    return tensors[choose_output(title, list(tensors), output)]


@contextmanager
def evaluating(module: Any) -> Iterator[None]:  # noqa: ANN401 - a torch.nn.Module
    """Put a module and its layers into evaluation mode, and each back into its own afterwards."""
    training = [layer for layer in module.modules() if layer.training]
    module.eval()
    try:
        yield
    finally:
        for layer in training:
            layer.training = True


def _flops(torch: Any, module: Any, shape: tuple[int, int, int]) -> int | None:  # noqa: ANN401
    """Count the operations of one image while it is predicted; None if the module fails on it."""
    from torch.utils.flop_counter import FlopCounterMode

    image = np.zeros((1, shape[1], shape[2], shape[0]), np.float32)
    try:
        with FlopCounterMode(display=False) as counter, evaluating(module), torch.no_grad():
            module(_tensor(torch, module, image))
    except Exception:  # a model without counts can still be scored
        return None
    return int(counter.get_total_flops())
