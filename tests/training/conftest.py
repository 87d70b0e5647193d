"""Small sets of distinguishable faces, and a network of a base and a head that trains in a moment."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from btfer_builder.evaluate import LabelledFace, faces_in_folder
from btfer_builder.labels import EMOTIONS


def write_faces(root: Path, counts: list[int], *, size: int = 48, seed: int = 0) -> list[LabelledFace]:
    """Write noisy squares with a bright bar at a place of the emotion's own."""
    random = np.random.default_rng(seed)
    for index, (emotion, count) in enumerate(zip(EMOTIONS, counts, strict=True)):
        for number in range(count):
            pixels = random.normal(110, 25, (size, size, 3))
            bar = slice(index * size // 8, index * size // 8 + size // 8)
            pixels[bar] += 90
            path = root / emotion / f"{number:03d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
    return faces_in_folder(root)


@pytest.fixture
def faces(tmp_path: Path) -> tuple[list[LabelledFace], list[LabelledFace]]:
    """Return 30 training and 14 validation faces; happy is four times as frequent as the others."""
    return (
        write_faces(tmp_path / "set" / "train", [3, 3, 3, 12, 3, 3, 3]),
        write_faces(tmp_path / "set" / "val", [2] * 7, seed=1),
    )


@pytest.fixture
def tiny_network(monkeypatch: pytest.MonkeyPatch) -> Callable[..., object]:
    """Have every network built as a base of one convolution with batch normalisation, and a head with dropout."""
    import keras

    from btfer_builder.networks.heads import add_head
    from btfer_builder.training import prepare

    def build(name: str, size: int, *, classes: int, seed: int, **_: object) -> keras.Model:
        keras.utils.set_random_seed(seed)
        inputs = keras.layers.Input((size, size, 3))
        x = keras.layers.Conv2D(8, 8, strides=8, activation="relu", name="convolution")(inputs)
        x = keras.layers.BatchNormalization(name="norm")(x)
        return add_head(keras.Model(inputs, x, name="base"), name, classes, "flatten", "256-128")

    monkeypatch.setattr(prepare, "build_network", build)
    return build
