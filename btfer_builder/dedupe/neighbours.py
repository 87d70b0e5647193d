"""Find all pairs of 64-bit hashes within a Hamming radius: exact, and far from comparing each with each."""

from itertools import combinations, pairwise
from math import comb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]

BITS = 64


def neighbours(hashes: "NDArray[np.uint64]", radius: int) -> "Pairs":
    """Return all pairs of distinct hashes whose Hamming distance is at most `radius`.

    The 64 bits are cut into B blocks. Two hashes within the radius differ in at most `radius` blocks, so they
    agree on some B − radius of them (pigeonhole): for every choice of that many blocks, only hashes that agree
    on all of these are compared.

    Parameters
    ----------
    hashes
        Without repetitions, shape (n,); a thousand copies of one picture are one hash here.
    radius
        Largest distance, 0–16 bits.

    Returns
    -------
    first, second, distance
        Index arrays with first < second, sorted, and the distances; each pair once.
    """
    import numpy as np

    hashes = np.ascontiguousarray(hashes, dtype=np.uint64)
    found = [np.empty(0, np.uint64)]
    for mask, differing in _masks(len(hashes), radius):
        key = hashes & mask
        order = np.argsort(key, kind="stable")
        key, sorted_hashes = key[order], hashes[order]
        start = np.arange(len(hashes) - 1)
        step = 1
        while len(start := start[start + step < len(hashes)]):
            start = start[key[start] == key[start + step]]
            difference = sorted_hashes[start] ^ sorted_hashes[start + step]
            near = np.bitwise_count(difference) <= radius
            hit, difference = start[near], difference[near]
            for block in differing:
                first_time = (difference & block) != 0
                hit, difference = hit[first_time], difference[first_time]
            if len(hit):
                one, other = order[hit], order[hit + step]
                low, high = np.minimum(one, other), np.maximum(one, other)
                found.append(low.astype(np.uint64) << np.uint64(32) | high.astype(np.uint64))
            step += 1
    pairs = np.sort(np.concatenate(found))
    first = (pairs >> np.uint64(32)).astype(np.int64)
    second = (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)
    return first, second, np.bitwise_count(hashes[first] ^ hashes[second])


def _masks(count: int, radius: int) -> "list[tuple[np.uint64, list[np.uint64]]]":
    """Return the cheapest set of bit masks such that each pair within the radius agrees on one of them.

    With each mask come the blocks on which a pair must differ to be counted there: it may agree on several
    masks, and is counted under the one made of the lowest blocks it agrees on.
    """
    import numpy as np

    def cost(blocks: int) -> float:
        choices = comb(blocks, blocks - radius)
        compared = count / 2 ** (BITS * (blocks - radius) / blocks)
        return choices * (count * 20 + count * compared)

    blocks = min(range(radius + 1, radius + 6), key=cost)
    edges = np.linspace(0, BITS, blocks + 1).round().astype(int)
    fields = [((1 << int(hi - lo)) - 1) << int(lo) for lo, hi in pairwise(edges)]
    return [
        (
            np.uint64(sum(fields[block] for block in chosen)),
            [np.uint64(fields[block]) for block in range(chosen[-1]) if block not in chosen],
        )
        for chosen in combinations(range(blocks), blocks - radius)
    ]
