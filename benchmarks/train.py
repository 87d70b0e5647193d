"""Images a second of `btfer train` against the authors' way (ImageDataGenerator and fit), in one run.

    python benchmarks/train.py [--network NAME]... [--images 640] [--rounds 5] [--data FOLDER]

The same network, the same faces (JPEG files of 100×100 pixels, as in RAF-DB) and the same augmentation. One epoch of
each way in every round, in a random order; the ratios are medians over the rounds. What is not timed: imports,
building, decoding (once for a whole run) and a first epoch, in which each way traces its graph.

`in memory` trains on one batch that is there already: what the network alone takes. Its ratio to `btfer` says how long
the network waits for faces.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.record import Figure, add_option, record
from btfer_builder.config import TrainRecipe
from btfer_builder.evaluate import faces_in_folder
from btfer_builder.io.tensorflow_import import import_tensorflow
from btfer_builder.labels import EMOTIONS
from demo.pictures import data as pictures

NETWORKS = ("sequential-simple", "sequential-3-conv", "sequential-4-conv", "resnet18")

#: How many times as fast as the authors' way in mixed precision, and how much longer than in memory a step may take.
GOALS = {"sequential-simple": 2.0, "sequential-3-conv": 1.5, "sequential-4-conv": 1.5}
NEVER_SLOWER, STARVING = 1.0, 1.05

BATCH = 32
Way = Callable[[], Any]


def write_faces(folder: Path, count: int) -> None:
    """Write JPEG files of 100×100 pixels in class folders."""
    faces = pictures.lfw_subset()[:100]
    for number in range(count):
        face = cv2.resize(
            (faces[number % 100] * 255).astype("uint8"), (100, 100), interpolation=cv2.INTER_CUBIC
        )
        path = folder / EMOTIONS[number % 7] / f"{number:05d}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(face).convert("RGB").save(path, quality=90)


def compiled(recipe: TrainRecipe) -> Any:  # noqa: ANN401 - a keras.Model
    """Build the network as `btfer train` does."""
    import keras

    from btfer_builder.networks import build_network
    from btfer_builder.training.loop import loss_of
    from btfer_builder.training.prepare import precision

    with precision(recipe.precision):
        network = build_network(recipe.network, recipe.size)
        trainer = keras.Model(network.input, network.output)
        adam = keras.optimizers.Adam(recipe.learning_rate)
        trainer.compile(optimizer=adam, loss=loss_of(recipe), metrics=["accuracy"])
    return trainer


def authors(folder: Path, recipe: TrainRecipe, steps: int) -> Way:
    """Train as the authors' notebooks: files decoded and transformed for every batch."""
    import tensorflow as tf

    generator = tf.keras.preprocessing.image.ImageDataGenerator(
        rescale=1 / 255,
        rotation_range=20,
        width_shift_range=0.2,
        height_shift_range=0.2,
        zoom_range=0.2,
        horizontal_flip=True,
    )
    size = (recipe.size, recipe.size)
    batches = generator.flow_from_directory(str(folder), target_size=size, batch_size=BATCH)
    model = compiled(recipe)
    return lambda: model.fit(batches, steps_per_epoch=steps, verbose=0)


def ours(folder: Path, recipe: TrainRecipe, steps: int) -> Way:
    """Train as `btfer train`."""
    from btfer_builder.networks.preprocessing import Preprocessing
    from btfer_builder.training.pipeline import store_faces, training_batches

    preprocessing = Preprocessing(recipe.size, recipe.size, 3, "rgb", "0,1")
    store = store_faces(
        faces_in_folder(folder), preprocessing, memory=10**9, workers=2, progress=lambda faces: faces
    )
    batches = training_batches(store, batch_size=BATCH, balancing="none", augment=True, seed=0, first_epoch=0)
    model = compiled(recipe)
    return lambda: model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)


def in_memory(recipe: TrainRecipe, steps: int) -> Way:
    """Train on one batch over and over: no face is looked up, transformed or waited for."""
    import tensorflow as tf

    faces = tf.random.uniform((BATCH, recipe.size, recipe.size, 3))
    labels = tf.one_hot(tf.range(BATCH) % 7, 7)
    options = tf.data.Options()
    options.autotune.enabled = False  # an epoch would wait for the tuner at its end
    batches = tf.data.Dataset.from_tensors((faces, labels)).repeat().with_options(options)
    model = compiled(recipe)
    return lambda: model.fit(batches, steps_per_epoch=steps, shuffle=False, verbose=0)


def measure(name: str, folder: Path, images: int, rounds: int, whole: str = "") -> tuple[bool, list[Figure]]:
    """Print a network's table; return whether its goals are met in single precision, and its figures."""
    recipe, steps = TrainRecipe(network=name), images // BATCH
    half = TrainRecipe(network=name, precision="mixed")
    ways = {
        "authors": authors(folder, recipe, steps),
        "btfer": ours(folder, recipe, steps),
        "in memory": in_memory(recipe, steps),
        "btfer --precision mixed": ours(folder, half, steps),
    }
    for way in ways.values():
        way()
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(rounds):
        for way in random.sample(list(ways), len(ways)):
            start = time.perf_counter()
            ways[way]()
            seconds[way].append(time.perf_counter() - start)
    print(f"\n{name}, {images} faces, 48×48, batches of {BATCH}", flush=True)
    figures, what = [], f"training, {name}, 48 px{', whole of ' + whole if whole else ''}: "
    for way, taken in seconds.items():
        ratios = [peer / own for peer, own in zip(seconds["authors"], taken, strict=True)]
        rate = steps * BATCH / statistics.median(taken)
        middle = statistics.median(ratios)
        print(f"{way:>24}  {rate:7.1f} images/s  {middle:5.2f}× ({min(ratios):.2f} to {max(ratios):.2f})")
        if way.startswith("btfer"):
            half_precision = ", mixed precision" if way.endswith("mixed") else ""
            figures.append(
                Figure(
                    figure=f"{what}images a second{half_precision}", peer="`ImageDataGenerator` + `fit`",
                    goal=f"≥ {GOALS.get(name, NEVER_SLOWER) if half_precision else NEVER_SLOWER:g}",
                    value=middle, unit="×", low=min(ratios), high=max(ratios),
                )
            )  # fmt: skip
    gain = statistics.median(
        a / b for a, b in zip(seconds["authors"], seconds["btfer --precision mixed"], strict=True)
    )
    waits = statistics.median(a / b for a, b in zip(seconds["btfer"], seconds["in memory"], strict=True))
    goal = GOALS.get(name, NEVER_SLOWER)
    met = gain >= goal and waits <= STARVING
    print(
        f"goal {goal}×: {gain:.2f}× in mixed precision; a step takes {waits:.2f}× one in memory, goal {STARVING}",
        flush=True,
    )
    step = Figure(
        figure=f"{what}seconds of a step",
        peer="a batch in memory",
        goal=f"≤ {STARVING}",
        value=waits,
        unit="×",
    )
    return met, [*figures, step]


def main() -> int:
    """Measure all networks; 1 if a goal is missed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--network", action="append", choices=NETWORKS)
    parser.add_argument("--images", type=int, default=640, help="a quarter of them for resnet18")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument(
        "--data", type=Path, help="class folders; an epoch takes --images of all of its faces"
    )
    add_option(parser)
    given = parser.parse_args()
    import_tensorflow()
    random.seed(0)
    met = True
    with tempfile.TemporaryDirectory() as folder:
        if not given.data:
            write_faces(Path(folder), given.images)
        for name in given.network or NETWORKS:
            images = given.images // 4 if name == "resnet18" else given.images
            whole = given.data.parent.name if given.data else ""
            reached, figures = measure(name, given.data or Path(folder), images, given.rounds, whole)
            met &= reached
            if given.record:
                record("train", figures)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
