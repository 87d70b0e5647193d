"""How fast faces are found, side by side with other MTCNNs, and whether they are the same faces.

    python -m benchmarks.detect [--photos DIR] [--count 72] [--chunk 24] [--json FILE]

Pictures of 640×480 to 1600×1200, every one of another size, are composed out of the photographs in DIR (or of those
that installed packages carry). All detectors work on the same few of them in turn, in an order drawn each time, so that
a machine whose speed drifts is unfair to none; what counts is the median of the chunks' ratios. Ratios of the
processor's time are for a machine that has other work to do. btfer searches as `btfer crop` does, and the faces that it
keeps are compared. A peer that is not installed is said to be so and left out: pip install mtcnn; pip install --no-deps
facenet-pytorch torch.
"""

import argparse
import json
import random
import statistics
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.compose import compose, photographs
from benchmarks.peers import DETECTORS, END_TO_END, Boxes, Contestant, Finder, installed, kept
from benchmarks.record import Figure, add_option, record
from btfer_builder.config import CropRecipe


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--photos", type=Path, help="a folder of photographs with faces")
    options.add_argument("--count", type=int, default=72, help="pictures to compose")
    options.add_argument("--chunk", type=int, default=24, help="pictures a detector gets at a time")
    options.add_argument("--seed", type=int, default=0, help="another one composes other pictures")
    options.add_argument("--json", type=Path, help="also write the figures to this file")
    add_option(options)
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        pictures = []
        for number, picture in enumerate(compose(photographs(given.photos), given.count, given.seed)):
            path = Path(folder) / f"{number:04}.npy"
            np.save(path, picture)
            Image.fromarray(picture).save(path.with_suffix(".jpg"), quality=92)
            pictures.append(path)
        sizes = [np.prod(np.load(path, mmap_mode="r").shape[:2]) / 1e6 for path in pictures]
        print(f"{len(pictures)} pictures, {statistics.mean(sizes):.2f} megapixels in the mean")
        result = {"pictures": len(pictures), "megapixels": statistics.mean(sizes)}
        for title, peers in (("faces in an array", DETECTORS), ("JPEG files to PNG crops", END_TO_END)):
            print(f"\n{title}")
            result[title] = race(peers, pictures, given.chunk, given.seed)
    if given.record:
        record("detect", _figures(result))
    if given.json:
        given.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def _figures(result: Mapping[str, Any]) -> Iterator[Figure]:
    """Yield the ratios to the peers that are installed, and what it takes to start."""
    faces, crops = result["faces in an array"], result["JPEG files to PNG crops"]
    one, two, alike = "btfer, one thread", "btfer, two workers", "btfer, one search"
    for what, race, name, peer, title, goal in (
        ("finding faces, one thread", faces, one, "mtcnn", "mtcnn 1.0.0", 7),
        ("finding faces, two workers", faces, two, "mtcnn", "mtcnn 1.0.0, all processors", 14),
        ("finding faces, two workers", faces, two, "facenet-pytorch", "facenet-pytorch, all processors", 5),
        ("JPEG file to PNG crops, two workers", crops, two, "mtcnn", "mtcnn 1.0.0", 11),
        ("JPEG file to PNG crops, `--no-second-search`", crops, alike, "mtcnn", "mtcnn 1.0.0", None),
    ):
        if peer in race[name]["times"]:
            value, low, high = race[name]["times"][peer]
            yield Figure(
                figure=what,
                peer=title,
                goal=f"≥ {goal}" if goal else "",
                value=value,
                unit="×",
                low=low,
                high=high,
            )
            value, low, high = race[name]["processor_times"][peer]
            yield Figure(
                figure=f"{what}, processor time", peer=title, value=value, unit="×", low=low, high=high
            )
    ready, memory = "detector ready", "memory of a detector's worker"
    yield Figure(figure=ready, goal="≤ 1", value=faces[one]["ready"], unit="s")
    yield Figure(figure=memory, goal="≤ 500", value=faces[one]["megabytes"], unit="MB")
    if "mtcnn" in faces:
        yield Figure(figure=f"{ready}, mtcnn 1.0.0", value=faces["mtcnn"]["ready"], unit="s")
        yield Figure(figure=f"{memory}, mtcnn 1.0.0", value=faces["mtcnn"]["megabytes"], unit="MB")


def race(
    peers: Mapping[str, tuple[Callable[[], Finder], str, int]],
    pictures: Sequence[Path],
    chunk: int,
    seed: int,
) -> dict[str, Any]:
    """Time all peers over the pictures, and compare what they find with what the first finds."""
    contestants = []
    for name, (load, module, processes) in peers.items():
        if installed(module):
            contestants.append(Contestant(name, load, processes))
        else:
            print(f"{name}: {module} is not installed, left out")
    for contestant in contestants:  # one after the other: `ready` is of a machine that does nothing else
        contestant.start()
        contestant.run(pictures[:2])
    seconds: dict[str, list[float]] = {contestant.name: [] for contestant in contestants}
    processor: dict[str, list[float]] = {name: [] for name in seconds}
    found: dict[str, list[Boxes]] = {contestant.name: [] for contestant in contestants}
    order = random.Random(seed)  # noqa: S311 - the order of a benchmark
    for start in range(0, len(pictures), chunk):
        for contestant in order.sample(contestants, len(contestants)):
            took, used, boxes = contestant.run(pictures[start : start + chunk])
            seconds[contestant.name].append(took)
            processor[contestant.name].append(used)
            found[contestant.name] += boxes
    against = [name for name in ("mtcnn", "facenet-pytorch") if name in seconds]
    print(
        f"{'':<20}{'images/s':>9}"
        + "".join(f"{'× ' + name:>23}" for name in against)
        + f"{'CPU s':>8}{'ready s':>9}{'MB':>6}"
    )
    result: dict[str, Any] = {}
    for contestant in contestants:
        name = contestant.name
        rate, peak = len(pictures) / sum(seconds[name]), contestant.stop()
        times = {peer: _times(seconds[peer], seconds[name]) for peer in against}
        told = "".join(f"{'{:.2f} ({:.2f}–{:.2f})'.format(*times[peer]):>23}" for peer in against)
        cpu = sum(processor[name]) / len(pictures)
        work = {peer: _times(processor[peer], processor[name]) for peer in against}
        print(f"{name:<20}{rate:>9.2f}{told}{cpu:>8.3f}{contestant.ready:>9.2f}{peak:>6.0f}")
        for peer, (median, *_) in work.items():
            print(f"{'':<20}  processor time of {peer}: × {median:.2f}")
        result[name] = {
            "images_per_second": rate,
            "times": times,
            "processor_times": work,
            "cpu_seconds_per_image": cpu,
            "ready": contestant.ready,
            "megabytes": peak,
        }
        if "mtcnn" in found and name != "mtcnn":
            result[name]["agreement"] = agreement(_kept(found["mtcnn"]), _kept(found[name]))
            print(
                f"{'':<20}  "
                + ", ".join(f"{key} {value}" for key, value in result[name]["agreement"].items())
            )
    return result


def _kept(found: Sequence[Boxes]) -> list[Boxes]:
    return [boxes[kept(boxes, CropRecipe())] for boxes in found]


def _times(slow: Sequence[float], fast: Sequence[float]) -> tuple[float, float, float]:
    """Return the median, least and greatest ratio of the chunks."""
    ratios = [one / other for one, other in zip(slow, fast, strict=True)]
    return statistics.median(ratios), min(ratios), max(ratios)


def agreement(reference: Sequence[Boxes], found: Sequence[Boxes]) -> dict[str, float]:
    """Return how many faces of the reference were found within a pixel, how many others, and how far they lie off."""
    faces = sum(map(len, reference))
    missed = others = 0
    worst = {"box": 0.0, "score": 0.0, "landmarks": 0.0}
    for expected, given in zip(reference, found, strict=True):
        left = list(given)
        for face in expected:
            near = [index for index, other in enumerate(left) if np.abs(other[:4] - face[:4]).max() <= 1]
            if not near:
                missed += 1
                continue
            other = left.pop(near[0])
            worst["box"] = max(worst["box"], float(np.abs(other[:4] - face[:4]).max()))
            worst["score"] = max(worst["score"], float(abs(other[4] - face[4])))
            if not np.isnan(other[5:]).any():
                worst["landmarks"] = max(worst["landmarks"], float(np.abs(other[5:] - face[5:]).max()))
        others += len(left)
    return {"faces": faces, "missed": missed, "others": others} | {k: round(v, 6) for k, v in worst.items()}


if __name__ == "__main__":
    main()
