"""Hamming distances of perceptual hashes, and an exact search for all pairs of 64-bit hashes within a radius."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import comb
from typing import TYPE_CHECKING

from btfer_builder.images.hash_blocks import (
    CHUNK,
    Choice,
    arrange_bits,
    choices_of,
    chunks_by,
    field_of,
    with_one_first_block,
)

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]

#: `neighbours_between` compares every pair if there are at most this many, which takes a few seconds.
MAX_COMPARISONS = 1_000_000_000

#: Pairs that `neighbours_between` compares at a time.
BLOCK = 1 << 21

#: Cost of sorting a hash into a bucket, of one round of it, and of comparing a hash with all without buckets besides
#: the comparisons, in comparisons of two hashes (measured).
_SORT, _ROUND, _STEP = 5.0, 100_000.0, 3000.0


def hamming_distance(first: str, second: str) -> int:
    """Return the number of bits in which two hashes of hex digits differ."""
    return (int(first, 16) ^ int(second, 16)).bit_count()


def hash_array(hashes: Iterable[str]) -> "NDArray[np.uint64]":
    """Return 64-bit hashes of hex digits as an array."""
    import numpy as np

    return np.array([int(value, 16) for value in hashes], dtype=np.uint64)


def diameter(hashes: Iterable[str]) -> int:
    """Return the largest distance between any two of some 64-bit hashes."""
    import numpy as np

    values = hash_array(hashes)
    return max(int(np.bitwise_count(values ^ value).max()) for value in values)


def nearest_distances(rows: "NDArray[np.uint64]", targets: "NDArray[np.uint64]") -> "NDArray[np.uint8]":
    """Return for each row of hashes, shape (n, k), the smallest distance of any of them to any target."""
    import numpy as np

    nearest: NDArray[np.uint8] = np.bitwise_count(rows[:, :, None] ^ targets).min(axis=(1, 2))
    return nearest


def neighbours_between(ours: Sequence[str], theirs: Sequence[str], radius: int) -> "NDArray[np.int64]":
    """Return all pairs of one of our hashes and one of theirs whose distance is at most `radius`.

    Few hashes are compared all with all, because hashes of faces in one pose agree on many bits and a search would
    save nothing. Of many, only the distinct values are searched with `pairs_between`.

    Parameters
    ----------
    ours, theirs
        64-bit hashes of hex digits; repetitions are allowed.
    radius
        Largest distance, 0–16 bits.

    Returns
    -------
    ndarray of int64, shape (n, 3)
        Index in ours, index in theirs, distance; sorted.
    """
    import numpy as np

    own, other = hash_array(ours), hash_array(theirs)
    if len(own) * len(other) <= MAX_COMPARISONS:
        return _compare_all(own, other, radius)
    own_values, own_index = np.unique(own, return_inverse=True)
    other_values, other_index = np.unique(other, return_inverse=True)
    left, right, between = pairs_between(own_values, other_values, radius)
    own_order, own_start, own_count = _group(own_index, len(own_values))
    other_order, other_start, other_count = _group(other_index, len(other_values))
    # A pair of values represents all pairs of their indices.
    pairs = own_count[left] * other_count[right]
    source = np.repeat(np.arange(len(left)), pairs)
    within = np.arange(len(source)) - np.repeat(np.cumsum(pairs) - pairs, pairs)
    row, column = np.divmod(within, other_count[right[source]])
    first = own_order[own_start[left[source]] + row]
    second = other_order[other_start[right[source]] + column]
    matches = np.column_stack([first, second, between[source]]).astype(np.int64)
    return matches[np.lexsort([second, first])]


def _group(
    values: "NDArray[np.intp]", count: int
) -> "tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp]]":
    """Return the order that sorts values below `count`, and where each value starts there and how often it occurs."""
    import numpy as np

    counts = np.bincount(values, minlength=count)
    return np.argsort(values, kind="stable"), np.cumsum(counts) - counts, counts


def _compare_all(own: "NDArray[np.uint64]", other: "NDArray[np.uint64]", radius: int) -> "NDArray[np.int64]":
    import numpy as np

    rows = max(1, BLOCK // max(1, len(other)))
    found = [np.empty((0, 3), np.int64)]
    for start in range(0, len(own), rows):
        distance = np.bitwise_count(own[start : start + rows, None] ^ other)
        first, second = np.nonzero(distance <= radius)
        found.append(np.column_stack([first + start, second, distance[first, second]]).astype(np.int64))
    return np.concatenate(found)


def neighbours(hashes: "NDArray[np.uint64]", radius: int) -> "Pairs":
    """Return all pairs of distinct hashes whose Hamming distance is at most `radius`.

    Parameters
    ----------
    hashes
        Without repetitions, shape (n,), n below 2³¹.
    radius
        Largest distance, 0–16 bits.

    Returns
    -------
    first, second, distance
        Index arrays with first < second, sorted, and the distances; each pair once.
    """
    return pairs_with(hashes, hashes[:0], radius)[0]


def pairs_between(own: "NDArray[np.uint64]", other: "NDArray[np.uint64]", radius: int) -> "Pairs":
    """Return all pairs of one of our hashes and one of the others whose Hamming distance is at most `radius`.

    Parameters
    ----------
    own, other
        Each without repetitions, shapes (n,) and (m,), n + m below 2³¹.
    radius
        Largest distance, 0–16 bits.

    Returns
    -------
    own, other, distance
        Index arrays, sorted, and the distances (0 for equal hashes); each pair once.
    """
    return pairs_with(own, other, radius)[1]


def pairs_with(own: "NDArray[np.uint64]", other: "NDArray[np.uint64]", radius: int) -> "tuple[Pairs, Pairs]":
    """Return what `neighbours` of our hashes and `pairs_between` them and the others return, with one search.

    The 64 bits are divided into B blocks. Two hashes within the radius differ in at most `radius` blocks, so they
    agree on at least B − radius of them (pigeonhole principle): for every choice of that many blocks, only hashes
    that agree on all of them are compared. The choices are worked on one after the other, so memory is needed for
    the pairs found and some 60 bytes a hash.
    """
    import numpy as np

    hashes = np.concatenate([own, other]).astype(np.uint64, copy=False)
    found = [np.empty(0, np.int64)]
    if len(own) and len(hashes) > 1:
        blocks = _cheapest_blocks(hashes, radius)
        arranged = arrange_bits(hashes, blocks)
        for first_block, group in with_one_first_block(choices_of(blocks, radius)):
            for chunk in chunks_by(first_block, arranged):
                for one, another in _agreeing(arranged[chunk], group, radius):
                    left, right = chunk[one], chunk[another]
                    first = np.minimum(left, right)
                    found.append((first << 32 | np.maximum(left, right))[first < len(own)])
    pairs = np.concatenate(found)
    del found
    pairs.sort()
    first, second = pairs >> 32, pairs & 0xFFFFFFFF
    distance = np.bitwise_count(hashes[first] ^ hashes[second])
    within = second < len(own)
    between = ~within
    return (
        (first[within], second[within], distance[within]),
        (first[between], second[between] - len(own), distance[between]),
    )


def _agreeing(
    hashes: "NDArray[np.uint64]", choices: Sequence[Choice], radius: int
) -> "Iterator[tuple[NDArray[np.int64], NDArray[np.int64]]]":
    """Yield the pairs within the radius that are counted for each choice of blocks, as indices."""
    import numpy as np

    number = np.arange(len(hashes), dtype=np.uint32)
    bits = np.uint32((len(hashes) - 1).bit_length())
    fields: dict[tuple[int, int], NDArray[np.uint32]] = {}
    for choice in choices:
        key = np.zeros_like(number)
        # Should there be too few bits for all blocks, those of the first are lost; most of a chunk agrees on it.
        for block in choice.blocks:
            if block not in fields:
                fields[block] = field_of(hashes, block).astype(np.uint32)
            key <<= np.uint32(block[1])
            key |= fields[block]
        key <<= bits
        key |= number
        key.sort()
        order = (key & np.uint32((1 << bits) - 1)).astype(np.int64)
        arranged = hashes.take(order)
        first, second = _near_in_buckets(arranged, key >> bits, radius)
        if len(first):
            counted = choice.counts(arranged[first] ^ arranged[second])
            yield order[first[counted]], order[second[counted]]


def _near_in_buckets(
    hashes: "NDArray[np.uint64]", bucket: "NDArray[np.uint32]", radius: int
) -> "tuple[NDArray[np.int64], NDArray[np.int64]]":
    """Return the pairs within the radius of sorted buckets, as indices, and some other such pairs."""
    import numpy as np

    count, found = len(hashes), [(np.empty(0, np.int64),) * 2]
    usual = count // (1 + int(np.count_nonzero(bucket[1:] != bucket[:-1])))
    # Every hash is compared with the next one, then with the one after that, and so on.
    for step in range(1, usual + 1):
        first = np.flatnonzero(np.bitwise_count(hashes[step:] ^ hashes[:-step]) <= radius)
        found.append((first, first + step))
    # Then only those that have so many after them in the bucket, with several at a time.
    step = usual + 1
    start = np.flatnonzero(bucket[step:] == bucket[:-step])
    while len(start):
        width = max(1, min(step, CHUNK // len(start)))
        difference = hashes.take(start + np.arange(step, step + width)[:, None], mode="clip") ^ hashes[start]
        row, column = np.divmod(np.flatnonzero(np.bitwise_count(difference) <= radius), len(start))
        first, second = start[column], start[column] + step + row
        found.append((first[second < count], second[second < count]))
        step += width
        start = start[: np.searchsorted(start, count - step)]
        start = start[bucket[start] == bucket[start + step]]
    return np.concatenate([first for first, _ in found]), np.concatenate([second for _, second in found])


def _cheapest_blocks(hashes: "NDArray[np.uint64]", radius: int) -> int:
    """Return the number of blocks that costs least.

    Real hashes agree on more bits than random ones, so the number of pairs that agree is estimated from a sample.
    """
    import numpy as np

    sample = np.random.default_rng(0).choice(hashes, min(len(hashes), 8192), replace=False)
    pairs = len(hashes) * (len(hashes) - 1) / 2

    def cost(blocks: int) -> float:
        if blocks == radius:  # hashes need not agree on any block: all pairs are compared
            return pairs + _STEP * len(hashes)
        arranged, agreeing = arrange_bits(sample, blocks), []
        for choice in islice(choices_of(blocks, radius), 0, None, max(1, comb(blocks, radius) // 12)):
            _, copies = np.unique(arranged & choice.agreeing, return_counts=True)
            agreeing.append((copies * (copies - 1.0)).sum() / (len(sample) * (len(sample) - 1)))
        return comb(blocks, radius) * (_SORT * len(hashes) + _ROUND + pairs * float(np.mean(agreeing)))

    return min(range(max(1, radius), radius + 6), key=cost)
