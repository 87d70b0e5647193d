"""Images a second of `btfer eval`'s prediction against the authors' way and Keras's own, in one run.

    python benchmarks/evaluate.py [--images 2100] [--rounds 5] [--network small|resnet50] [--onnx]

Every way scores the same faces from files to probabilities, one way after the other in every round, in an order drawn
anew; the ratios are medians over the rounds. A first pass finds no resized faces of an earlier one; a later pass does.
Both hash the files of the set, as the command does. What is not timed: imports, loading the model, and one small batch
before the clock starts, in which each way traces its graph. On a busy machine, a way with more threads gets more of the
processors; so the time of the processor is compared, too.
"""

import argparse
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.record import Figure, add_option, record
from btfer_builder.config import EvalRecipe
from btfer_builder.evaluate import faces_in_folder
from btfer_builder.evaluate.convert import convert_model
from btfer_builder.evaluate.evaluate import make_job
from btfer_builder.evaluate.inference.predict import predict_jobs
from btfer_builder.evaluate.loaders.registry import load_model
from btfer_builder.evaluate.signature import content_digests
from btfer_builder.images import inflate
from btfer_builder.images.decode import decode_image
from btfer_builder.images.encode import png
from btfer_builder.images.face_cache import MemoryCache
from btfer_builder.io.tensorflow_import import import_tensorflow
from btfer_builder.labels import EMOTIONS
from btfer_builder.networks.preprocessing import preprocess
from demo.pictures import LOOKS_LIKE, data, portrait

AUTHORS, KERAS = "ImageDataGenerator + predict (the authors)", "image_dataset_from_directory + predict"

#: What is asked for: so many times as fast as each of the two other ways, and on a later pass as both of them.
GOALS = {"small": {AUTHORS: 2.2, KERAS: 1.3}, "resnet50": {AUTHORS: 1.3, KERAS: 1.3}}
LATER_GOALS = {"small": 5.0, "resnet50": 1.3}
ONNX_GOAL = 1.5
FIRST, LATER, ONNX = "btfer eval", "btfer eval, a later pass", "btfer eval, ONNX"
TITLES = {"small": "LeNet5 at 48 px", "resnet50": "ResNet50 at 224 px"}

Way = Callable[[int], NDArray[np.float32]]


def write_faces(folder: Path, count: int) -> None:
    """Write 256×256 PNG files in class folders, as `btfer crop` and `btfer sample` do."""
    faces = data.lfw_subset()[:100]
    for number in range(count):
        emotion = EMOTIONS[number % 7]
        person = LOOKS_LIKE[emotion][number // 7 % 8]
        photo = portrait(faces[person], seed=number)
        path = folder / emotion / f"{number:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        face = cv2.resize(photo[40:340, 90:390], (256, 256), interpolation=cv2.INTER_AREA)
        path.write_bytes(png(face))


def build(network: str, path: Path) -> int:
    """Save a network with random weights and return the side of its input."""
    import keras

    keras.utils.set_random_seed(0)
    if network == "resnet50":
        keras.applications.ResNet50(weights=None, classes=7, input_shape=(224, 224, 3)).save(path)
        return 224
    from btfer_builder.networks.build import build_network

    build_network("lenet5", 48).save(path)
    return 48


def ways(folder: Path, path: Path, size: int, *, onnx: bool) -> dict[str, Way]:
    """Return every way of scoring the first n faces of the folder."""
    import keras

    recipe = EvalRecipe(scale="0,1", batch_size=128 if size < 100 else 64)
    faces = faces_in_folder(folder)

    def ours(file: Path, *, later: bool) -> Way:
        job = make_job(load_model(file), recipe)

        def score(n: int) -> NDArray[np.float32]:
            some = faces[:n]
            digests = content_digests(some, recipe.workers)
            answers = predict_jobs(
                [job],
                some,
                batch_size=recipe.batch_size,
                workers=recipe.workers,
                progress=iter,
                digests=digests,
                cache=cache if later else MemoryCache(),
                memory=recipe.memory,
            )
            return np.nan_to_num(answers[0][0].probabilities)

        return score

    cache = MemoryCache()

    model = keras.models.load_model(path, compile=False)
    generator = keras.src.legacy.preprocessing.image.ImageDataGenerator(rescale=1.0 / 255)

    def authors(n: int) -> NDArray[np.float32]:
        flow = generator.flow_from_directory(
            folder, target_size=(size, size), batch_size=32, shuffle=False, classes=list(EMOTIONS)
        )
        return model.predict(flow, steps=-(-n // 32), verbose=0)

    def keras_own(n: int) -> NDArray[np.float32]:
        dataset = keras.utils.image_dataset_from_directory(
            folder, image_size=(size, size), batch_size=32, shuffle=False, label_mode=None, verbose=False
        ).map(lambda images: images / 255)
        return model.predict(dataset.take(-(-n // 32)), verbose=0)

    found = {
        FIRST: ours(path, later=False),
        LATER: ours(path, later=True),
        AUTHORS: authors,
        KERAS: keras_own,
    }
    if onnx:
        found[ONNX] = ours(convert_model(path, "onnx"), later=False)
    found[LATER](len(faces))  # the first pass
    return found


def check_plain_loop(folder: Path, path: Path) -> float:
    """Return the largest difference to a loop that decodes, prepares and asks about one face after the other."""
    recipe = EvalRecipe(scale="0,1")
    job, faces = make_job(load_model(path), recipe), faces_in_folder(folder)[:50]
    found = predict_jobs([job], faces, batch_size=64, progress=iter)[0][0].probabilities
    plain = [
        job.model.predict(preprocess(decode_image(face.path), job.preprocessing)[0][np.newaxis])
        for face in faces
    ]
    return float(np.abs(found - np.concatenate(plain)).max())


def main() -> None:
    """Run the benchmark and say whether the goal is reached."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=2100)
    parser.add_argument(
        "--rounds", type=int, default=0, help="0: five for the small network, one for ResNet50"
    )
    parser.add_argument("--network", choices=[*GOALS, "all"], default="all")
    parser.add_argument("--onnx", action="store_true")
    add_option(parser)
    chosen = parser.parse_args()
    import_tensorflow()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "faces"
        write_faces(folder, chosen.images)
        for network in GOALS:
            if chosen.network not in {network, "all"}:
                continue
            path = Path(name) / f"{network}.keras"
            size = build(network, path)
            rounds = chosen.rounds or (5 if network == "small" else 1)
            figures = run(
                network, folder, path, ways(folder, path, size, onnx=chosen.onnx), chosen.images, rounds
            )
            if chosen.record:
                record("evaluate", figures)


def run(
    network: str, folder: Path, path: Path, found: dict[str, Way], images: int, rounds: int
) -> list[Figure]:
    """Time every way, print the table of one network and return its figures."""
    for way in found.values():
        way(min(64, images))
    seconds: dict[str, list[float]] = {name: [] for name in found}
    processor: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(rounds):
        for name in random.sample(list(found), len(found)):
            start, used = time.perf_counter(), time.process_time()
            answers = found[name](images)
            seconds[name].append(time.perf_counter() - start)
            processor[name].append(time.process_time() - used)
            if len(answers) < images:
                sys.exit(f"{name} scored {len(answers)} of {images}")
    difference = check_plain_loop(folder, path)
    print(
        f"\n{network}: {images} faces, {rounds} round(s); largest difference to a plain loop {difference:.1e}"
    )
    for name, times in seconds.items():
        spent_a_face = 1000 * statistics.median(processor[name]) / images
        print(
            f"  {name:<46} {images / statistics.median(times):8.1f} images/s, {spent_a_face:.2f} ms of a processor"
        )
    how = TITLES[network] + (", ISA-L" if inflate.isal_zlib else "")
    figures = []
    for own, what in ((FIRST, "first pass"), (LATER, "a later pass"), (ONNX, "converted to ONNX")):
        for name in (AUTHORS, KERAS) if own in seconds else ():
            goal = {FIRST: GOALS[network][name], LATER: LATER_GOALS[network], ONNX: ONNX_GOAL}[own]
            ratios = [other / mine for mine, other in zip(seconds[own], seconds[name], strict=True)]
            spent = [other / mine for mine, other in zip(processor[own], processor[name], strict=True)]
            print(
                f"  {what}, {name}: {statistics.median(ratios):.2f}× ({min(ratios):.2f} to {max(ratios):.2f}); "
                f"in processor time {statistics.median(spent):.2f}×"
            )
            figures.append(
                Figure(
                    figure=f"eval, {how}, {what}",
                    peer=" + ".join(f"`{part}`" for part in name.partition(" (")[0].split(" + ")),
                    goal=f"≥ {goal:g}",
                    value=statistics.median(ratios), unit="×", low=min(ratios), high=max(ratios),
                )
            )  # fmt: skip
            figures.append(
                Figure(
                    figure=f"eval, {how}, {what}, processor time", peer=figures[-1].peer, goal="",
                    value=statistics.median(spent), unit="×", low=min(spent), high=max(spent),
                )
            )  # fmt: skip
    return figures


if __name__ == "__main__":
    main()
