"""Predict the pictures of an audited dataset, whatever its layout, for the labels that a model doubts."""

import tempfile
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.config import EvalRecipe
from btfer_builder.datasets.convert import open_item
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.datasets.readers.base import Item
from btfer_builder.evaluate.evaluate import load, make_job
from btfer_builder.evaluate.model_predictions import CHUNK, predict_chunks
from btfer_builder.evaluate.preprocessing.resolve import resolve_preprocessing
from btfer_builder.images.decode import MAX_PIXELS
from btfer_builder.io.terminal import bar

#: Returns the probabilities of pictures, shape (n, emotions).
Predict = Callable[[Sequence[Item]], NDArray[np.float64]]


def predictor(
    model: Any,  # noqa: ANN401 - any model
    recipe: EvalRecipe,
    explicit: Collection[str] = (),
    max_pixels: int = MAX_PIXELS,
) -> Predict:
    """Load a model and return a function that predicts the pictures of a dataset as `btfer eval` does.

    Parameters
    ----------
    model
        What `load_model` takes.
    recipe, explicit
        The preprocessing, as in `score_models`.
    max_pixels
        Files with more pixels are not decoded.

    Raises
    ------
    BtferError
        If the model cannot be used with this recipe.
    """
    loaded = load(model, recipe)
    recipe = resolve_preprocessing(loaded, recipe, explicit).recipe
    job = make_job(loaded, recipe, explicit)

    def predict(items: Sequence[Item]) -> NDArray[np.float64]:
        with bar(len(items), "predict", "pictures") as progress, tempfile.TemporaryDirectory() as folder:

            def chunks() -> Iterator[list[LabelledFace]]:
                for begin in range(0, len(items), CHUNK):
                    chunk = items[begin : begin + CHUNK]
                    yield [
                        _face(item, Path(folder) / f"{number}.png", max_pixels)
                        for number, item in enumerate(chunk)
                    ]
                    progress.update(len(chunk))

            return np.concatenate(list(predict_chunks(job, chunks(), recipe)))

    return predict


def _face(item: Item, file: Path, max_pixels: int) -> LabelledFace:
    """Return a picture as a face on the disk; one from a table, or a part of a photo, is written to `file`."""
    emotion = item.emotion or "neutral"  # the model does not see it
    if isinstance(item.source, Path) and item.box is None:
        return LabelledFace(item.source, emotion, item.name)
    open_item(item, max_pixels).convert("RGB").save(file, "PNG", compress_level=1)
    return LabelledFace(file, emotion, item.name)
