"""Hamming distances of perceptual hashes, and an exact search for all pairs of 64-bit hashes within a radius."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from math import comb
from typing import TYPE_CHECKING

from btfer_builder.images.hash_blocks import (
    Choice,
    arrange_bits,
    choices_of,
    counting_sort,
    keys_of,
    most_bits,
    sorted_by,
    windows_of,
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

#: From so many choices that begin with the same block on, hashes are sorted by it before (measured).
_WORTH_SORTING = 4

#: Cost of sorting a hash into a bucket and of one round of it, in comparisons of two hashes (measured). Those of two
#: sets are compared in windows, which is cheaper.
_SORT, _SORT_BETWEEN, _ROUND = 2.0, 9.0, 1500.0


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

    The 64 bits are divided into B blocks. Two hashes within the radius differ in at most `radius` blocks, so they
    agree on at least B − radius of them (pigeonhole principle): for every choice of that many blocks, only hashes
    that agree on all of them are compared. The choices are worked on one after the other, so memory is needed for
    the pairs found and some 60 bytes a hash.

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
    import numpy as np

    hashes = np.ascontiguousarray(hashes, dtype=np.uint64)
    found = [np.empty(0, np.int64)]
    if radius > 0 and len(hashes) > 1:  # distinct hashes are at least one bit apart
        arranged, choices = _plan(hashes, radius)
        order = np.arange(len(hashes), dtype=np.int32)
        for group in with_one_first_block(choices):
            if len(group) >= _WORTH_SORTING:
                arranged, order = sorted_by(group[0].blocks[0], arranged, order)
            for choice in group:
                found += _agreeing(arranged, order, choice, radius)
    pairs = np.concatenate(found)
    del found
    pairs.sort()
    first, second = pairs >> 32, pairs & 0xFFFFFFFF
    return first, second, np.bitwise_count(hashes[first] ^ hashes[second])


def pairs_between(own: "NDArray[np.uint64]", other: "NDArray[np.uint64]", radius: int) -> "Pairs":
    """Return all pairs of one of our hashes and one of the others whose Hamming distance is at most `radius`.

    As `neighbours`, but pairs within one of the two sets cost nothing.

    Parameters
    ----------
    own, other
        Each without repetitions, shapes (n,) and (m,), both below 2³¹.
    radius
        Largest distance, 0–16 bits.

    Returns
    -------
    own, other, distance
        Index arrays, sorted, and the distances (0 for equal hashes); each pair once.
    """
    import numpy as np

    found = [np.empty(0, np.int64)]
    if len(own) and len(other):
        blocks = _blocks_between(own, other, radius)
        ours, theirs = arrange_bits(own, blocks), arrange_bits(other, blocks)
        own_order, other_order = (np.arange(len(values), dtype=np.int32) for values in (own, other))
        for group in with_one_first_block(choices_of(blocks, radius)):
            if len(group) >= _WORTH_SORTING:
                ours, own_order = sorted_by(group[0].blocks[0], ours, own_order)
                theirs, other_order = sorted_by(group[0].blocks[0], theirs, other_order)
            for choice in group:
                for left, right in _agreeing_between(ours, theirs, choice, radius):
                    found.append(own_order[left].astype(np.int64) << 32 | other_order[right])
    pairs = np.concatenate(found)
    del found
    pairs.sort()
    first, second = pairs >> 32, pairs & 0xFFFFFFFF
    return first, second, np.bitwise_count(own[first] ^ other[second])


def _agreeing_between(
    own: "NDArray[np.uint64]", other: "NDArray[np.uint64]", choice: "Choice", radius: int
) -> "Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]":
    """Yield the pairs within the radius that are counted for a choice of blocks, as indices in own and in other."""
    import numpy as np

    most = most_bits(own)
    key, keyed = keys_of(own, choice, most)
    order = counting_sort(key).astype(np.int32)
    ours = own[order]
    size = np.bincount(key, minlength=1 << keyed.bit_count()).astype(np.int32)
    start = np.cumsum(size, dtype=np.int32) - size
    for begin in range(0, len(other), BLOCK):
        theirs = other[begin : begin + BLOCK]
        key, _ = keys_of(theirs, choice, most)
        for index, at, width in windows_of(start[key], size[key]):
            window = np.lib.stride_tricks.sliding_window_view(ours, width)[at]
            window ^= theirs[index, None]
            near = np.flatnonzero(np.bitwise_count(window) <= radius)
            if len(near):
                near = near[choice.counts(window.ravel()[near])]
                row, column = np.divmod(near, width)
                yield order[at[row] + column], index[row] + begin


def _blocks_between(own: "NDArray[np.uint64]", other: "NDArray[np.uint64]", radius: int) -> int:
    """Return the number of blocks that costs least, estimated from samples."""
    import numpy as np

    generator = np.random.default_rng(0)
    samples = [generator.choice(values, min(len(values), 8192), replace=False) for values in (own, other)]

    def cost(blocks: int) -> float:
        ours, theirs = (arrange_bits(sample, blocks) for sample in samples)
        agreeing = []
        for choice in islice(choices_of(blocks, radius), 0, None, max(1, comb(blocks, radius) // 12)):
            # Of the chosen bits only so many are looked up.
            _, mask = keys_of(ours[:1], choice, most_bits(own))
            values, counts = np.unique(ours & np.uint64(mask), return_counts=True)
            index = np.searchsorted(values, keys := theirs & np.uint64(mask)).clip(max=len(values) - 1)
            agreeing.append(counts[index][values[index] == keys].sum() / (len(ours) * len(theirs)))
        pairs = len(own) * len(other) * float(np.mean(agreeing))
        return comb(blocks, radius) * (_SORT_BETWEEN * (len(own) + len(other)) + _ROUND + pairs)

    return min(range(radius + 1, radius + 6), key=cost)


def _agreeing(
    hashes: "NDArray[np.uint64]", ids: "NDArray[np.int32]", choice: Choice, radius: int
) -> "Iterator[NDArray[np.int64]]":
    """Yield the pairs within the radius that are counted for a choice of blocks, as first × 2³² + second id."""
    import numpy as np

    key, keyed = keys_of(hashes, choice, most_bits(hashes))
    order = counting_sort(key)
    arranged = hashes[order]
    in_bucket = np.uint64(keyed)
    # Every hash of a bucket is compared with the next one in it, then with the one after that, and so on.
    step, difference = 1, arranged[1:] ^ arranged[:-1]
    start = np.flatnonzero((difference & in_bucket) == 0)
    difference = difference[start]
    while len(start):
        near = np.flatnonzero(np.bitwise_count(difference) <= radius)
        if len(near):
            hit = start[near[choice.counts(difference[near])]]
            one, other = ids[order[hit]], ids[order[hit + step]]
            yield np.minimum(one, other).astype(np.int64) << 32 | np.maximum(one, other)
        step += 1
        start = start[: np.searchsorted(start, len(arranged) - step)]
        difference = arranged[start] ^ arranged[start + step]
        alive = np.flatnonzero((difference & in_bucket) == 0)
        start, difference = start[alive], difference[alive]


def _plan(hashes: "NDArray[np.uint64]", radius: int) -> "tuple[NDArray[np.uint64], Iterator[Choice]]":
    """Return the hashes with their bits arranged in the number of blocks that costs least, and the choices of blocks.

    Real hashes agree on more bits than random ones, so the number of pairs that agree is estimated from a sample.
    """
    import numpy as np

    sample = np.random.default_rng(0).choice(hashes, min(len(hashes), 8192), replace=False)
    pairs = len(hashes) * (len(hashes) - 1) / 2

    def cost(blocks: int) -> float:
        if blocks == radius:  # hashes need not agree on any block: all pairs are compared
            return pairs + _ROUND * len(hashes)
        arranged, agreeing = arrange_bits(sample, blocks), []
        for choice in islice(choices_of(blocks, radius), 0, None, max(1, comb(blocks, radius) // 12)):
            _, copies = np.unique(arranged & choice.agreeing, return_counts=True)
            agreeing.append((copies * (copies - 1.0)).sum() / (len(sample) * (len(sample) - 1)))
        return comb(blocks, radius) * (_SORT * len(hashes) + _ROUND + pairs * float(np.mean(agreeing)))

    blocks = min(range(radius, radius + 6), key=cost)
    return arrange_bits(hashes, blocks), choices_of(blocks, radius)
