"""Any Python function as a model, `package.module:callable`, for all other libraries."""

import functools
import inspect
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model, first_line
from btfer_builder.evaluate.loaders.own_code import import_target, source_files
from btfer_builder.io.text import printable


def load_function(text: str) -> Model:
    """Import `package.module:callable`; the current folder is on the import path.

    The function takes uint8 of shape (batch, height, width, 3), RGB, and returns probabilities (or logits) of
    shape (batch, classes), in the order of the declared labels.

    Raises
    ------
    BtferError
        If the module or function does not exist, its import fails, or it is not callable.
    """
    target, source = import_target(text)
    if inspect.isclass(target) or not callable(target):
        raise BtferError(f"{text}: not a function; name one that takes a batch of images")
    model = wrap_function(target, text, source)
    others = tuple(file for file in source_files(text.partition(":")[0], source) if file != source.absolute())
    return replace(model, files=_declared_weights(text, target, source), code=others)


def _declared_weights(text: str, target: Any, source: Path) -> tuple[Path, ...]:  # noqa: ANN401 - user's own
    """Return the files that `weights = […]` of a function, or else of its module, names beside its file.

    Raises
    ------
    BtferError
        If one of them does not exist.
    """
    declared = getattr(target, "weights", None)
    if declared is None:
        module = sys.modules.get(text.partition(":")[0])
        declared = getattr(module, "weights", None)
    if isinstance(declared, str | Path):
        declared = [declared]
    if not isinstance(declared, list | tuple) or not all(isinstance(file, str | Path) for file in declared):
        return ()  # another use of the name
    files = tuple(source.resolve().parent / file for file in declared)
    for file in files:
        if not file.exists():
            raise BtferError(f"{text}: declares {file} as its weights, which does not exist")
    return files


def wrap_function(function: Callable[..., Any], name: str, source: Path | None) -> Model:
    """Return a function as a model.

    Parameters
    ----------
    function
        As in `load_function`.
    name
        Its name in reports and errors.
    source
        The file it is defined in; None if unknown.
    """

    def predict(batch: NDArray[np.uint8]) -> NDArray[np.float32]:
        try:  # with a copy, because other models get the same batch
            answer = np.asarray(_on_processor(function(batch.copy())))
            if np.iscomplexobj(answer):
                raise TypeError("its scores are complex numbers")
            with np.errstate(over="ignore"):  # infinite scores are refused later, for all models
                scores = answer.astype(np.float32, copy=False)
        except (Exception, SystemExit) as error:  # the function's own code runs
            raise BtferError(f"{name}: fails on a batch of {len(batch)}: {first_line(error)}") from error
        if scores.ndim != 2 or len(scores) != len(batch) or scores.shape[1] < 2:
            raise BtferError(
                f"{name}: returns the shape {scores.shape} for a batch of {len(batch)}; "
                f"expected ({len(batch)}, number of classes)"
            )
        return scores

    return Model(
        source, None, None, 3, None, "function", predict, takes="uint8 rgb", name=name, device="unknown"
    )


def _on_processor(answer: Any) -> Any:  # noqa: ANN401 - what a function returns
    """Return a tensor of PyTorch without its gradients, on the processor and in a precision that NumPy has."""
    torch = sys.modules.get("torch")
    if torch is None or not isinstance(answer, torch.Tensor):
        return answer
    return answer.detach().cpu().float()


def name_of_function(function: Callable[..., Any]) -> str:
    """Return the name of a function, also of a partial one, or that of the class of a callable object."""
    while isinstance(function, functools.partial):
        function = function.func
    return printable(str(getattr(function, "__name__", None) or type(function).__name__))
