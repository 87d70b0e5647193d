"""Load weights of PyTorch, `.safetensors`, `.pt` and `.pth`, into a network that the user's own code builds."""

import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from btfer_builder.errors import BtferError, UnsafeFile
from btfer_builder.evaluate.loaders.base import Model, first_line
from btfer_builder.evaluate.loaders.own_code import import_target, source_files
from btfer_builder.evaluate.loaders.torch_module import import_torch, wrap_module
from btfer_builder.io.device import Device, torch_device

#: What leads from a PyTorch model to a file that can be scored.
WAYS = (
    "save its weights with torch.save(model.state_dict(), 'model.pt') and give --architecture package.module:function, "
    "which returns the network, or export it with torch.onnx.export(model, image, 'model.onnx')"
)

#: Names under which training scripts keep the weights beside other things.
_NESTED = ("state_dict", "model_state_dict", "model", "net", "weights")


def load_torch(path: Path, *, architecture: str = "", output: str = "", device: Device = "auto") -> Model:
    """Load a file of weights into the network of `--architecture`.

    A `.safetensors` file holds arrays only; of `.pt` and `.pth` PyTorch reads arrays and plain containers only
    (`weights_only=True`). Nothing is unpickled.

    Parameters
    ----------
    path
        The file.
    architecture
        `package.module:function`, the user's own code: called without arguments, it returns a `torch.nn.Module`.
    output
        Name of the output that holds the scores, if the network has several.
    device
        What it computes on.

    Raises
    ------
    UnsafeFile
        If the file is a program (TorchScript, `.pt2`) or holds pickled objects.
    BtferError
        If PyTorch or the architecture is missing, the file is damaged, or its weights do not fit.
    """
    refuse_program(path)
    if not architecture:
        if path.suffix.lower() == ".safetensors" and (path.parent / "config.json").is_file():
            raise BtferError(f"{path}: belongs to the folder of a transformers model; give the folder")
        raise BtferError(f"{path}: holds weights, but not the network they belong to; {WAYS}")
    torch = import_torch(str(path))
    weights = _weights(torch, path)
    target, source = import_target(architecture)
    try:
        module = target if isinstance(target, torch.nn.Module) else target()
    except (Exception, SystemExit) as error:  # the user's own code runs
        raise BtferError(f"{architecture}: building the network fails: {first_line(error)}") from error
    if not isinstance(module, torch.nn.Module):
        raise BtferError(f"{architecture}: returns {type(module).__name__}; expected a torch.nn.Module")
    try:
        module.load_state_dict(_without_wrappers(weights, module.state_dict()), strict=True)
    except Exception as error:  # PyTorch lists what differs from the second line on; a network may check more
        lines = [line.strip() for line in str(error).splitlines()]
        detail = "; ".join(lines[1:3])[:300] or first_line(error)
        raise BtferError(f"{path}: its weights do not fit the network of {architecture}: {detail}") from None
    code = source_files(architecture.partition(":")[0], source)
    return replace(wrap_module(module.to(torch_device(device)), path=path, output=output), code=code)


def refuse_program(path: Path) -> None:
    """Refuse TorchScript and exported programs; their operators can read files, and PyTorch has no check for them.

    Raises
    ------
    UnsafeFile
        If the file is such a program.
    """
    if path.suffix.lower() != ".pt2":
        if not zipfile.is_zipfile(path):
            return
        with zipfile.ZipFile(path) as archive:
            inside = {name.partition("/")[2] for name in archive.namelist()}
        if not any(name == "constants.pkl" or name.startswith(("code/", "models/")) for name in inside):
            return
    raise UnsafeFile(
        f"{path}: is a program (TorchScript, or .pt2), whose operators can read files, and nothing can check it; {WAYS}"
    )


def _weights(torch: Any, path: Path) -> dict[str, Any]:  # noqa: ANN401 - the module torch
    if path.suffix.lower() == ".safetensors":
        return read_safetensors(path)
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # PyTorch raises any exception on a file it cannot read
        if "weights_only" in str(error) or "Weights only" in str(error):
            raise UnsafeFile(
                f"{path}: holds pickled objects besides its weights, and unpickling can run any code; {WAYS}"
            ) from None
        raise BtferError(f"{path}: not a PyTorch file, or damaged ({first_line(error)}); {WAYS}") from None
    while isinstance(content, Mapping) and (
        inner := next((content[name] for name in _NESTED if isinstance(content.get(name), Mapping)), None)
    ):
        content = inner
    if not isinstance(content, Mapping) or not all(
        isinstance(each, torch.Tensor) for each in content.values()
    ):
        raise BtferError(f"{path}: holds no state_dict, arrays by name; {WAYS}")
    return {str(name): each for name, each in content.items()}


def _without_wrappers(weights: dict[str, Any], expected: Mapping[str, Any]) -> dict[str, Any]:
    """Remove the names that wrappers put before those of all weights: DataParallel, torch.compile, Lightning."""
    inner = weights
    while inner and not expected.keys() & inner.keys():
        wrapper = next(iter(inner)).partition(".")[0] + "."
        if not all(name.startswith(wrapper) for name in inner):
            return weights
        inner = {name.removeprefix(wrapper): each for name, each in inner.items()}
    return inner or weights


def read_safetensors(path: Path) -> dict[str, Any]:
    """Return the arrays of a `.safetensors` file by name.

    Raises
    ------
    BtferError
        If safetensors is not installed, or the file is damaged.
    """
    try:
        from safetensors.torch import load_file
    except ImportError:
        raise BtferError(f"{path}: needs safetensors: pip install '.[torch]'") from None
    try:
        arrays: dict[str, Any] = load_file(path)
    except Exception as error:  # safetensors raises its own, of no common base
        raise BtferError(
            f"{path}: not a safetensors file, or damaged ({first_line(error)}); save it again"
        ) from None
    return arrays
