"""Sets of small synthetic faces, and models whose answers are known beforehand."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from btfer_builder.evaluate import LabelledFace, faces_in_folder
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.labels import EMOTIONS

#: A face of this brightness is answered with the emotion of the same position by `brightness_model`.
LEVELS = (10, 45, 80, 115, 150, 185, 220)


def _write_set(root: Path, contents: dict[str, list[int]]) -> list[LabelledFace]:
    for folder, levels in contents.items():
        (root / folder).mkdir(parents=True)
        for number, level in enumerate(levels):
            Image.new("RGB", (8, 8), (level, level, level)).save(root / folder / f"{number:03d}.png")
    return faces_in_folder(root)


@pytest.fixture
def make_set(tmp_path: Path) -> Callable[..., list[LabelledFace]]:
    """Return a function that writes `{emotion: [brightness, …]}` as plain 8×8 PNG files."""
    return partial(_write_set, tmp_path / "faces")


@pytest.fixture(scope="module")
def make_shared_set(tmp_path_factory) -> Callable[..., list[LabelledFace]]:
    """Return `make_set` for the reports that the tests of a module share and do not change."""
    return partial(_write_set, tmp_path_factory.mktemp("shared") / "faces")


@pytest.fixture
def brightness_model() -> Model:
    """Return a model of 8×8 grey faces, without TensorFlow: surest of the emotion whose level is nearest."""

    def predict(batch: np.ndarray) -> np.ndarray:
        levels = batch.mean(axis=(1, 2, 3))[:, np.newaxis] * 255
        distances = np.abs(levels - np.array(LEVELS)) / 8
        scores = np.exp(distances.min(axis=1, keepdims=True) - distances)
        return (scores / scores.sum(axis=1, keepdims=True)).astype(np.float32)

    return Model(Path("brightness.keras"), 8, 8, 1, len(EMOTIONS), "keras", predict)


def constant_network(keras, outputs: list[float], *, channels: int = 3, size: int = 8, activation=None):
    """Return a network of either library that gives the same outputs whatever it sees."""
    network = keras.Sequential(
        [
            keras.layers.Input((size, size, channels)),
            keras.layers.Flatten(),
            keras.layers.Dense(len(outputs), activation=activation),
        ]
    )
    weights = np.zeros((size * size * channels, len(outputs)), np.float32)
    network.set_weights([weights, np.array(outputs, np.float32)])
    return network


@pytest.fixture
def constant() -> Callable:
    return constant_network
