"""How fast all near pairs of hashes are found, side by side with faiss and imagededup, and whether all are.

    python -m benchmarks.neighbours [--photos DIR] [--sizes 10000,100000,1000000] [--radius 8] [--json FILE]

Two kinds of hashes: random ones, a tenth of them near copies, and those of parts, mirror images, collages and edits
of the photographs in DIR (or of those that installed packages carry), whose bits depend on one another as those of
real pictures do. Up to 100,000 hashes every pair is compared with brute force, above that those of a random
hundredth of the hashes. Peers take turns with btfer; above 100,000, faiss is asked for a hundredth of the hashes and
its time multiplied. A peer that is not installed is said to be so and left out: pip install faiss-cpu imagededup.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.record import Figure, add_option, record
from btfer_builder.images.hamming import neighbours

Hashes = NDArray[np.uint64]

#: Up to so many hashes are compared each with each.
WHOLE = 100_000
SHARE = 100
#: imagededup takes many minutes for more.
SMALL = 10_000


def random_hashes(count: int, seed: int = 0) -> Hashes:
    """Return distinct hashes of 32 bits each, as pHashes have, a tenth of them near copies of another."""
    rng = np.random.default_rng(seed)
    bits = np.argsort(rng.random((count, 64), dtype=np.float32), axis=1) < 32
    hashes = np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)
    copies = hashes[: count // 10].copy()
    for _ in range(6):
        chosen = rng.random(len(copies)) < 0.7
        copies[chosen] ^= np.uint64(1) << rng.integers(0, 64, chosen.sum()).astype(np.uint64)
    hashes[-len(copies) :] = copies
    return np.unique(hashes)


def photo_hashes(count: int, photos: Path | None, seed: int = 0) -> Hashes:
    """Return the distinct pHashes of pictures made out of photographs, a tenth of them edits of another."""
    from benchmarks.compose import photographs

    rng = np.random.default_rng(seed)
    small = [
        cv2.resize(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), (160, 160), interpolation=cv2.INTER_AREA)
        for photo in photographs(photos)
    ]

    def part(width: int) -> NDArray[np.uint8]:
        photo = small[rng.integers(len(small))]
        share, stretch = rng.uniform(0.25, 1), rng.uniform(0.8, 1.25)
        high, wide = min(160, int(160 * share * stretch)), min(160, int(160 * share / stretch))
        top, left = rng.integers(0, 161 - high), rng.integers(0, 161 - wide)
        cut = cv2.resize(
            photo[top : top + high, left : left + wide], (width, 32), interpolation=cv2.INTER_AREA
        )
        return cut[:, ::-1] if rng.random() < 0.5 else cut

    found = []
    for start in range(0, count, 5000):
        pictures = np.empty((min(5000, count - start), 32, 32), np.float32)
        for place in range(len(pictures)):
            kind = rng.random()
            if place and kind < 0.1:
                edited = pictures[rng.integers(place)] * rng.uniform(0.9, 1.1) + rng.normal(0, 3, (32, 32))
                pictures[place] = edited.clip(0, 255)
            elif kind < 0.55:
                pictures[place] = part(32)
            else:
                seam = int(rng.integers(8, 25))
                pictures[place, :, :seam], pictures[place, :, seam:] = part(seam), part(32 - seam)
        found.append(_phashes(pictures))
    return np.unique(np.concatenate(found))


def _phashes(pictures: NDArray[np.float32]) -> Hashes:
    from scipy.fft import dct

    waves = dct(np.eye(32), axis=0)[:8].astype(np.float32)
    low = np.einsum("ui,nij,vj->nuv", waves, pictures, waves, optimize=True).reshape(len(pictures), 64)
    bits = low > np.median(low, axis=1, keepdims=True)
    return np.packbits(bits, axis=1).view(">u8").ravel().astype(np.uint64)


def brute_force(hashes: Hashes, radius: int, queries: NDArray[np.int64]) -> set[tuple[int, int]]:
    """Return every pair of one of the queries with any other hash, by comparing each with each."""
    pairs = set()
    for query in queries:
        near = np.flatnonzero(np.bitwise_count(hashes ^ hashes[query]) <= radius)
        pairs |= {(min(query, other), max(query, other)) for other in near.tolist() if other != query}
    return pairs


def timed(function: Callable[..., Any], *arguments: object) -> tuple[float, Any]:
    """Return the seconds a call takes, and its result."""
    begun = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - begun, result


def memory(hashes: Hashes, radius: int) -> float:
    """Return the most MB a process of its own has while it finds the pairs, all it needs included."""
    neighbours(hashes, radius)
    # Not ru_maxrss: a process inherits that of the one which started it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split(maxsplit=1)[0]) / 1024


def faiss_seconds(hashes: Hashes, radius: int) -> float | None:
    """Return the seconds of an exact faiss index, extrapolated from a hundredth of the queries if they are many."""
    try:
        import faiss
    except ImportError:
        return None
    codes = hashes.view(np.uint8).reshape(-1, 8)
    index = faiss.IndexBinaryFlat(64)
    index.add(codes)
    share = 1 if len(hashes) <= WHOLE else SHARE
    queries = codes[np.random.default_rng(1).choice(len(codes), len(codes) // share, replace=False)]
    return share * timed(index.range_search, queries, radius + 1)[0]  # its radius is exclusive


def imagededup_seconds(hashes: Hashes, radius: int) -> float | None:
    """Return the seconds of imagededup's compiled brute force with two processes."""
    try:
        from imagededup.methods import PHash
    except ImportError:
        return None
    if len(hashes) > SMALL:
        return None
    encodings = {str(place): f"{value:016x}" for place, value in enumerate(hashes.tolist())}
    find = PHash(verbose=False).find_duplicates
    begun = time.perf_counter()
    find(
        encoding_map=encodings,
        max_distance_threshold=radius,
        search_method="brute_force_cython",
        num_dist_workers=2,
    )
    return time.perf_counter() - begun


def measure(hashes: Hashes, radius: int, rounds: int) -> dict[str, Any]:
    """Measure btfer and its peers on the same hashes, in turns, and check that no pair is missing."""
    ours: list[float] = []
    peers: dict[str, list[float]] = {"faiss": [], "imagededup": []}
    for _ in range(rounds):
        seconds, (first, second, _) = timed(neighbours, hashes, radius)
        ours.append(seconds)
        for name, peer in (("faiss", faiss_seconds), ("imagededup", imagededup_seconds)):
            peer_seconds = peer(hashes, radius)
            if peer_seconds is not None:
                peers[name].append(peer_seconds / seconds)
    queries = np.arange(len(hashes))
    if len(hashes) > WHOLE:
        queries = np.random.default_rng(2).choice(queries, len(hashes) // SHARE, replace=False)
    expected = brute_force(hashes, radius, queries)
    asked = np.zeros(len(hashes), bool)
    asked[queries] = True
    mine = asked[first] | asked[second]
    found = set(zip(first[mine].tolist(), second[mine].tolist(), strict=True))
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        peak = pool.submit(memory, hashes, radius).result()
    return {
        "hashes": len(hashes),
        "seconds": statistics.median(ours),
        "pairs": len(first),
        "recall": len(found & expected) / max(1, len(expected)),
        "wrong": len(found - expected),
        "mb": peak,
        "ratios": {name: statistics.median(values) for name, values in peers.items() if values},
    }


def _figures(row: dict[str, Any]) -> Iterator[Figure]:
    """Yield the figures of a number of hashes; goals are set for a million, and imagededup's for ten thousand."""
    kind = {"random": "random hashes", "photos": "hashes of photos"}[row["kind"]]
    what = f"all near pairs of {row['size']:,} {kind}"
    if row["size"] == 10_000:
        if ratio := row["ratios"].get("imagededup"):
            yield Figure(figure=what, peer="imagededup", goal="≥ 100", value=ratio, unit="×")
        return
    what += f", radius {row['radius']}"
    million = row["size"] == 1_000_000
    yield Figure(figure=what, goal="≤ 40" if million else "", value=row["seconds"], unit="s")
    if ratio := row["ratios"].get("faiss"):
        goal = "≥ 5" if million else ""
        yield Figure(figure=what, peer="faiss `IndexBinaryFlat`", goal=goal, value=ratio, unit="×")
    goal = "≤ 1000" if million else ""
    yield Figure(figure=f"{what}, memory", goal=goal, value=row["mb"], unit="MB")


def main() -> None:
    """Measure, print, and write what was measured."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--sizes", default="10000,100000,1000000")
    parser.add_argument("--radius", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    add_option(parser)
    options = parser.parse_args()
    results = []
    for size in map(int, options.sizes.split(",")):
        for kind, hashes in (
            ("random", random_hashes(size)),
            ("photos", photo_hashes(size, options.photos)),
        ):
            row = measure(hashes, options.radius, options.rounds)
            results.append({"kind": kind, "size": size, "radius": options.radius, **row})
            peers = ", ".join(f"{ratio:.1f} × {name}" for name, ratio in row["ratios"].items())
            print(
                f"{size:>9,} {kind}: {row['seconds']:7.2f} s, {row['pairs']:,} pairs of {row['hashes']:,} distinct "
                f"hashes, recall {row['recall']:.4f}, wrong {row['wrong']}, {row['mb']:.0f} MB; "
                f"{peers or 'no peer'}",
                flush=True,
            )
    print("\ngoals: 1,000,000 in ≤ 40 s and ≤ 1,000 MB, ≥ 5 × faiss; 10,000: ≥ 100 × imagededup; recall 1")
    if options.record:
        record("neighbours", itertools.chain.from_iterable(map(_figures, results)))
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n")


if __name__ == "__main__":
    main()
