"""Find all pairs of 64-bit hashes within a Hamming radius: exact, and far from comparing each with each."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, islice
from math import comb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]

BITS = 64

#: Hashes are dealt into at most 2 to the power of so many buckets at a time: the table of them stays in the cache.
_MOST_KEY_BITS = 22

#: What dealing a hash into a bucket costs, in comparisons of two hashes (measured), and what a round of them costs.
_DEAL, _ROUND = 2.0, 1500.0


def neighbours(hashes: "NDArray[np.uint64]", radius: int) -> "Pairs":
    """Return all pairs of distinct hashes whose Hamming distance is at most `radius`.

    The 64 bits are dealt into B blocks. Two hashes within the radius differ in at most `radius` blocks, so they
    agree on some B − radius of them (pigeonhole): for every choice of that many blocks, only hashes that agree
    on all of these are compared. One choice is worked on at a time, so beside the pairs found, some 60 bytes a
    hash are needed.

    Parameters
    ----------
    hashes
        Without repetitions, shape (n,), n below 2³¹; a thousand copies of one picture are one hash here.
    radius
        Largest distance, 0–16 bits.

    Returns
    -------
    first, second, distance
        Index arrays with first < second, sorted, and the distances; each pair once.
    """
    import numpy as np

    hashes = np.ascontiguousarray(hashes, dtype=np.uint64)
    found = [np.empty(0, np.int64)]
    if radius > 0 and len(hashes) > 1:  # distinct hashes are at least one bit apart
        dealt, choices = _plan(hashes, radius)
        for choice in choices:
            found += _agreeing(dealt, choice, radius)
    pairs = np.concatenate(found)
    del found
    pairs.sort()
    first, second = pairs >> 32, pairs & 0xFFFFFFFF
    return first, second, np.bitwise_count(hashes[first] ^ hashes[second])


@dataclass(frozen=True, slots=True)
class _Choice:
    """Blocks on which the hashes to compare agree.

    Attributes
    ----------
    blocks
        (first bit, bits) of each.
    differing
        Masks of the blocks a pair must differ on to be counted here: it may agree on several choices, and is
        counted under the one of the lowest blocks it agrees on.
    """

    blocks: "tuple[tuple[int, int], ...]"
    differing: "tuple[np.uint64, ...]"

    @property
    def mask(self) -> int:
        return sum(_field(block) for block in self.blocks)


def _agreeing(hashes: "NDArray[np.uint64]", choice: _Choice, radius: int) -> "Iterator[NDArray[np.int64]]":
    """Yield the pairs within the radius that are counted under a choice of blocks, as first × 2³² + second."""
    import numpy as np

    buckets = len(hashes).bit_length() + 2
    key, keyed = _keys(hashes, choice, min(_MOST_KEY_BITS, buckets))
    order = _deal(key)
    dealt = hashes[order]
    in_bucket, agreeing = np.uint64(keyed), np.uint64(choice.mask)
    # Every hash of a bucket is compared with the next one there, then with the one after that, and so on.
    step, difference = 1, dealt[1:] ^ dealt[:-1]
    start = np.flatnonzero((difference & in_bucket) == 0)
    difference = difference[start]
    while len(start):
        near = np.flatnonzero(np.bitwise_count(difference) <= radius)
        if len(near):
            hit, differs = start[near], difference[near]
            counted = (differs & agreeing) == 0
            for block in choice.differing:
                counted &= (differs & block) != 0
            hit = hit[counted]
            yield order[hit] << 32 | order[hit + step]  # a bucket keeps the order of the hashes
        step += 1
        start = start[: np.searchsorted(start, len(dealt) - step)]
        difference = dealt[start] ^ dealt[start + step]
        alive = np.flatnonzero((difference & in_bucket) == 0)
        start, difference = start[alive], difference[alive]


def _keys(hashes: "NDArray[np.uint64]", choice: _Choice, most: int) -> "tuple[NDArray[np.int32], int]":
    """Return the chosen bits of each hash as a number of at most `most` bits, and the mask of the bits in it."""
    import numpy as np

    key, keyed, bits = np.zeros(len(hashes), np.uint64), 0, 0
    for first, width in choice.blocks:
        taken = min(width, most - bits)
        part = _field((first, taken))
        key |= (hashes & np.uint64(part)) >> np.uint64(first) << np.uint64(bits)
        keyed |= part
        bits += taken
    return key.astype(np.int32), keyed


def _deal(key: "NDArray[np.int32]") -> "NDArray[np.int64]":
    """Return the stable order that sorts the keys.

    That a sparse matrix is turned from rows to columns by counting makes this several times as fast as a sort.
    """
    import numpy as np
    from scipy.sparse import csr_array

    count = len(key)
    cells = (np.empty(count, np.int8), key, np.arange(count + 1, dtype=np.int32))
    order: NDArray[np.int64] = csr_array(cells, shape=(count, int(key.max()) + 1)).tocsc().indices
    return order.astype(np.int64)


def _plan(hashes: "NDArray[np.uint64]", radius: int) -> "tuple[NDArray[np.uint64], Iterator[_Choice]]":
    """Return the hashes with their bits dealt into the number of blocks that costs least, and the choices of them.

    Real hashes agree on more bits than random ones. How many pairs agree is therefore counted in a sample.
    """
    import numpy as np

    sample = np.random.default_rng(0).choice(hashes, min(len(hashes), 8192), replace=False)
    pairs = len(hashes) * (len(hashes) - 1) / 2

    def cost(blocks: int) -> float:
        if blocks == radius:  # no block at all to agree on: each with each
            return pairs + _ROUND * len(hashes)
        dealt, agreeing = _deal_bits(sample, blocks), []
        for choice in islice(_choices(blocks, radius), 0, None, max(1, comb(blocks, radius) // 12)):
            _, copies = np.unique(dealt & np.uint64(choice.mask), return_counts=True)
            agreeing.append((copies * (copies - 1.0)).sum() / (len(sample) * (len(sample) - 1)))
        return comb(blocks, radius) * (_DEAL * len(hashes) + _ROUND + pairs * float(np.mean(agreeing)))

    blocks = min(range(radius, radius + 6), key=cost)
    return _deal_bits(hashes, blocks), _choices(blocks, radius)


def _choices(blocks: int, radius: int) -> Iterator[_Choice]:
    import numpy as np

    fields, first = [], 0
    for block in range(blocks):
        width = len(range(block, BITS, blocks))
        fields.append((first, width))
        first += width
    for chosen in combinations(range(blocks), blocks - radius):
        below = range(chosen[-1]) if chosen else ()
        differing = tuple(np.uint64(_field(fields[block])) for block in below if block not in chosen)
        yield _Choice(tuple(fields[block] for block in chosen), differing)


def _deal_bits(hashes: "NDArray[np.uint64]", blocks: int) -> "NDArray[np.uint64]":
    """Move the bits: those of a block, every `blocks`-th, come to stand side by side.

    Neighbouring bits of a pHash are neighbouring frequencies and go together; dealt out, blocks tell more apart.
    """
    import numpy as np

    dealt = np.zeros_like(hashes)
    source = [bit for block in range(blocks) for bit in range(block, BITS, blocks)]
    for target, bit in enumerate(source):
        dealt |= (hashes >> np.uint64(bit) & np.uint64(1)) << np.uint64(target)
    return dealt


def _field(block: tuple[int, int]) -> int:
    first, width = block
    return ((1 << width) - 1) << first
