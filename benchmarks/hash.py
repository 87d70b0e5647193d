"""How fast photographs are hashed, side by side with imagehash and imagededup, and how many bits differ.

    python -m benchmarks.hash [--photos DIR] [--count 500] [--rounds 5] [--json FILE]

JPEGs of 1600×1200 pixels are composed out of the photographs in DIR (or of those that installed packages carry). On one
core all take turns on the same few files, in an order drawn each time, and CPU time is compared; on two cores imagehash
in one process and btfer's workers take turns over all files, and time on the clock is. A peer that is not installed is
said to be so and left out: pip install imagededup.
"""

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import cv2
import imagehash
import numpy as np
from PIL import Image

from benchmarks.compose import photographs
from benchmarks.record import Figure, add_option, record
from btfer_builder.images.hashing import hash_images, hash_images_exactly
from btfer_builder.parallel import Runner

SIZE = (1600, 1200)
CHUNK = 10
MAX_PIXELS = 10**8
GOAL_ONE, GOAL_TWO = 3.5, 6.5


def make_files(folder: Path, photos: Path | None, count: int) -> list[tuple[str, str]]:
    """Write JPEGs as cameras and web sites make them: parts of photographs, with noise, at several qualities."""
    rng = np.random.default_rng(0)
    sources = photographs(photos)
    items = []
    for number in range(count):
        photo = sources[number % len(sources)]
        height, width = photo.shape[:2]
        wide = int(min(width, height * 4 / 3) * rng.uniform(0.7, 1))
        high = wide * 3 // 4
        left, top = rng.integers(0, width - wide + 1), rng.integers(0, height - high + 1)
        part = cv2.resize(photo[top : top + high, left : left + wide], SIZE, interpolation=cv2.INTER_CUBIC)
        noisy = part + rng.normal(0, 4, part.shape[:2])[..., None]
        quality = int(rng.integers(70, 93))
        name = f"{number:04}.jpg"
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / name, quality=quality)
        items.append((name, name))
    return items


def contestants(folder: Path) -> dict[str, Callable[[str], str]]:
    """Return what hashes a file by its name, imagehash first."""
    hashers: dict[str, Callable[[str], str]] = {
        "imagehash.phash": lambda name: str(imagehash.phash(Image.open(folder / name))),
        "btfer": lambda name: hash_images([(name, name)], folder, MAX_PIXELS)[0].phash,
        "btfer --exact-hash": lambda name: hash_images_exactly([(name, name)], folder, MAX_PIXELS)[0].phash,
    }
    try:
        from imagededup.methods import PHash
    except ImportError as error:
        print(f"imagededup is left out: {error}")
    else:
        peer = PHash(verbose=False)
        hashers["imagededup PHash"] = lambda name: str(peer.encode_image(image_file=str(folder / name)))
    return hashers


def on_one_core(folder: Path, names: Sequence[str]) -> dict[str, dict[str, float]]:
    """Return for each contestant its milliseconds an image, its ratio to imagehash, and how its bits differ."""
    hashers = contestants(folder)
    for hasher in hashers.values():
        hasher(names[0])  # imports
    seconds: dict[str, list[float]] = {name: [] for name in hashers}
    hashes: dict[str, list[str]] = {name: [] for name in hashers}
    order = list(hashers)
    for start in range(0, len(names), CHUNK):
        random.shuffle(order)
        for name in order:
            begun = time.process_time()
            hashes[name] += [hashers[name](file) for file in names[start : start + CHUNK]]
            seconds[name].append(time.process_time() - begun)
    results = {}
    for name in hashers:
        ratios = [one / other for one, other in zip(seconds["imagehash.phash"], seconds[name], strict=True)]
        bits = [
            (int(one, 16) ^ int(other, 16)).bit_count()
            for one, other in zip(hashes["imagehash.phash"], hashes[name], strict=True)
        ]
        results[name] = {
            "ms": 1000 * sum(seconds[name]) / len(names),
            "ratio": statistics.median(ratios),
            "lowest": min(ratios),
            "highest": max(ratios),
            "mean_bits": statistics.mean(bits),
            "max_bits": max(bits),
            "identical": sum(bit == 0 for bit in bits) / len(bits),
        }
    return results


def on_two_cores(folder: Path, items: Sequence[tuple[str, str]], rounds: int) -> dict[str, float]:
    """Compare two workers, once they have started, with imagehash in one process."""
    function = partial(hash_images, root=folder, max_pixels=MAX_PIXELS)
    ratios, started = [], []
    for _ in range(rounds):
        begun = time.perf_counter()
        for name, _ in items[:100]:
            imagehash.phash(Image.open(folder / name))
        peer = (time.perf_counter() - begun) / 100
        begun = time.perf_counter()
        # Until the second shard is there both workers have started; what comes after that is their speed.
        shards = Runner(2).map(function, items)
        next(shards)
        next(shards)
        steady = time.perf_counter()
        started.append(steady - begun)
        count = sum(len(shard) for shard in shards)
        ratios.append(peer / ((time.perf_counter() - steady) / count))
    return {
        "ratio": statistics.median(ratios),
        "lowest": min(ratios),
        "highest": max(ratios),
        "start_seconds": statistics.median(started),
    }


def _figure(what: str, peer: str, goal: float, row: dict[str, float]) -> Figure:
    return Figure(
        figure=what,
        peer=peer,
        goal=f"≥ {goal}",
        value=row["ratio"],
        unit="×",
        low=row["lowest"],
        high=row["highest"],
    )


def main() -> None:
    """Measure, print, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    add_option(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        items = make_files(folder, options.photos, options.count)
        size = statistics.mean((folder / name).stat().st_size for name, _ in items)
        print(f"{len(items)} JPEGs of {SIZE[0]}×{SIZE[1]} pixels, {size / 1000:.0f} kB each\n")
        one = on_one_core(folder, [name for name, _ in items])
        for contestant, row in one.items():
            print(
                f"{contestant:<20} {row['ms']:6.1f} ms   {row['ratio']:5.2f} × imagehash "
                f"({row['lowest']:.2f}–{row['highest']:.2f})   bits: mean {row['mean_bits']:.2f}, "
                f"most {row['max_bits']:.0f}, none {row['identical']:.0%}"
            )
        two = on_two_cores(folder, items, options.rounds)
        print(
            f"{'btfer, two workers':<20} {two['ratio']:21.2f} × imagehash in one process "
            f"({two['lowest']:.2f}–{two['highest']:.2f}); {two['start_seconds']:.1f} s to start and for two shards"
        )
    print(f"\ngoals: ≥ {GOAL_ONE} on one core, ≥ {GOAL_TWO} on two, at most 2 bits")
    if options.record:
        what = f"hashing {len(items)} JPEGs of {SIZE[0]}×{SIZE[1]}"
        record("hash", [
            _figure(f"{what}, one process", "imagehash", GOAL_ONE, one["btfer"]),
            _figure(f"{what}, two processes", "imagehash in one", GOAL_TWO, two),
        ])  # fmt: skip
    if options.json:
        options.json.write_text(json.dumps({"one_core": one, "two_cores": two}, indent=2) + "\n")


if __name__ == "__main__":
    main()
