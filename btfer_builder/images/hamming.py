"""Hamming distances of perceptual hashes, and an exact search for all pairs of 64-bit hashes within a radius."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations, groupby, islice
from math import comb
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pairs = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.uint8]]

BITS = 64

#: `neighbours_between` compares every pair if there are at most this many, which takes a few seconds.
MAX_COMPARISONS = 1_000_000_000

#: Pairs that `neighbours_between` compares at a time.
BLOCK = 1 << 21

#: Hashes are sorted into at most 2 to the power of this many buckets, so that their table fits into the cache.
_MOST_KEY_BITS = 22

#: Of a bucket at most so many hashes are compared at a time with one hash, and so many pairs in all.
_WIDEST, _WINDOW = 255, 1 << 16

#: From so many choices that begin with the same block on, hashes are sorted by it before (measured).
_WORTH_SORTING = 4

#: Cost of sorting a hash into a bucket and of one round of it, in comparisons of two hashes (measured).
_SORT, _ROUND = 2.0, 1500.0


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
        for group in _with_one_first_block(choices):
            if len(group) >= _WORTH_SORTING:
                arranged, order = _sorted_by(group[0].blocks[0], arranged, order)
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
        ours, theirs = _arrange_bits(own, blocks), _arrange_bits(other, blocks)
        own_order, other_order = (np.arange(len(values), dtype=np.int32) for values in (own, other))
        for group in _with_one_first_block(_choices(blocks, radius)):
            if len(group) >= _WORTH_SORTING:
                ours, own_order = _sorted_by(group[0].blocks[0], ours, own_order)
                theirs, other_order = _sorted_by(group[0].blocks[0], theirs, other_order)
            for choice in group:
                for first, second in _agreeing_between(ours, theirs, choice, radius):
                    found.append(own_order[first].astype(np.int64) << 32 | other_order[second])
    pairs = np.concatenate(found)
    del found
    pairs.sort()
    first, second = pairs >> 32, pairs & 0xFFFFFFFF
    return first, second, np.bitwise_count(own[first] ^ other[second])


def _agreeing_between(
    own: "NDArray[np.uint64]", other: "NDArray[np.uint64]", choice: "_Choice", radius: int
) -> "Iterator[tuple[NDArray[np.int32], NDArray[np.int64]]]":
    """Yield the pairs within the radius that are counted for a choice of blocks, as indices in own and in other."""
    import numpy as np

    most = _most_bits(own)
    key, keyed = _keys(own, choice, most)
    order = _counting_sort(key).astype(np.int32)
    ours = own[order]
    size = np.bincount(key, minlength=1 << keyed.bit_count()).astype(np.int32)
    start = np.cumsum(size, dtype=np.int32) - size
    for begin in range(0, len(other), BLOCK):
        theirs = other[begin : begin + BLOCK]
        key, _ = _keys(theirs, choice, most)
        for index, at, width in _windows(start[key], size[key]):
            window = np.lib.stride_tricks.sliding_window_view(ours, width)[at]
            window ^= theirs[index, None]
            near = np.flatnonzero(np.bitwise_count(window) <= radius)
            if len(near):
                near = near[choice.counts(window.ravel()[near])]
                row, column = np.divmod(near, width)
                yield order[at[row] + column], index[row] + begin


def _windows(
    start: "NDArray[np.int32]", size: "NDArray[np.int32]"
) -> "Iterator[tuple[NDArray[np.int64], NDArray[np.int32], int]]":
    """Divide buckets, given where each starts and its size, into blocks of windows of one width.

    Yields
    ------
    index, at, width
        Which buckets, where the window of each starts, and the width of all: a block fits into the cache.
    """
    import numpy as np

    width_of = np.minimum(size, _WIDEST)
    index = np.argsort(width_of.astype(np.uint8), kind="stable")  # of small integers a radix sort
    bounds = np.cumsum(np.bincount(width_of, minlength=_WIDEST + 1))
    for width in range(1, _WIDEST + 1):
        rows = _WINDOW // width
        for first in range(bounds[width - 1], bounds[width], rows):
            chosen = index[first : min(first + rows, bounds[width])]
            yield chosen, start[chosen], width
    large = np.flatnonzero(size > _WIDEST)
    if len(large):
        for chosen, at, width in _windows(start[large] + _WIDEST, size[large] - _WIDEST):
            yield large[chosen], at, width


def _blocks_between(own: "NDArray[np.uint64]", other: "NDArray[np.uint64]", radius: int) -> int:
    """Return the number of blocks that costs least, estimated from samples."""
    import numpy as np

    generator = np.random.default_rng(0)
    samples = [generator.choice(values, min(len(values), 8192), replace=False) for values in (own, other)]

    def cost(blocks: int) -> float:
        ours, theirs = (_arrange_bits(sample, blocks) for sample in samples)
        agreeing = []
        for choice in islice(_choices(blocks, radius), 0, None, max(1, comb(blocks, radius) // 12)):
            # Of the chosen bits only so many are looked up.
            _, mask = _keys(ours[:1], choice, _most_bits(own))
            values, counts = np.unique(ours & np.uint64(mask), return_counts=True)
            index = np.searchsorted(values, keys := theirs & np.uint64(mask)).clip(max=len(values) - 1)
            agreeing.append(counts[index][values[index] == keys].sum() / (len(ours) * len(theirs)))
        pairs = len(own) * len(other) * float(np.mean(agreeing))
        return comb(blocks, radius) * (_SORT * (len(own) + len(other)) + _ROUND + pairs)

    return min(range(radius + 1, radius + 6), key=cost)


@dataclass(frozen=True, slots=True)
class _Choice:
    """Blocks on which the hashes to compare agree.

    Attributes
    ----------
    blocks
        (first bit, bits) of each.
    differing
        Masks of the blocks on which a pair must differ to be counted here. A pair may agree on several choices; it
        is counted for the one with the lowest blocks.
    """

    blocks: "tuple[tuple[int, int], ...]"
    differing: "tuple[np.uint64, ...]"

    @property
    def agreeing(self) -> "np.uint64":
        """The mask of the chosen blocks."""
        import numpy as np

        return np.uint64(sum(_field(block) for block in self.blocks))

    def counts(self, differences: "NDArray[np.uint64]") -> "NDArray[np.bool_]":
        """Return which pairs, given as the bits in which they differ, are counted here."""
        counted: NDArray[np.bool_] = (differences & self.agreeing) == 0
        for block in self.differing:
            counted &= (differences & block) != 0
        return counted


def _agreeing(
    hashes: "NDArray[np.uint64]", ids: "NDArray[np.int32]", choice: _Choice, radius: int
) -> "Iterator[NDArray[np.int64]]":
    """Yield the pairs within the radius that are counted for a choice of blocks, as first × 2³² + second id."""
    import numpy as np

    key, keyed = _keys(hashes, choice, _most_bits(hashes))
    order = _counting_sort(key)
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


def _most_bits(hashes: "NDArray[np.uint64]") -> int:
    """Return the bits by which hashes are sorted: a few more than are needed to number them."""
    return min(_MOST_KEY_BITS, len(hashes).bit_length() + 2)


def _with_one_first_block(choices: Iterable[_Choice]) -> Iterator[list[_Choice]]:
    """Divide choices into those that begin with the same block."""
    for _, group in groupby(choices, key=lambda choice: choice.blocks[:1]):
        yield list(group)


def _sorted_by(
    block: "tuple[int, int]", hashes: "NDArray[np.uint64]", ids: "NDArray[np.int32]"
) -> "tuple[NDArray[np.uint64], NDArray[np.int32]]":
    """Sort hashes and their ids by a block: what is looked up for choices that begin with it is then in the cache."""
    import numpy as np

    first, width = block[0], min(block[1], _most_bits(hashes))
    order = _counting_sort((hashes >> np.uint64(first) & np.uint64((1 << width) - 1)).astype(np.int32))
    return hashes[order], ids[order]


def _keys(hashes: "NDArray[np.uint64]", choice: _Choice, most: int) -> "tuple[NDArray[np.int32], int]":
    """Return the chosen bits of each hash as a number, the first block highest, and the mask of the bits in it.

    The number has at most `most` bits.
    """
    import numpy as np

    key, keyed = np.zeros(len(hashes), np.uint64), 0
    left = min(most, sum(width for _, width in choice.blocks))
    for first, width in choice.blocks:
        taken = min(width, left)
        left -= taken
        part = _field((first, taken))
        bits = hashes & np.uint64(part)
        key |= bits >> np.uint64(first - left) if first >= left else bits << np.uint64(left - first)
        keyed |= part
    return key.astype(np.int32), keyed


def _counting_sort(key: "NDArray[np.int32]") -> "NDArray[np.int64]":
    """Return the stable order that sorts the keys.

    Converting a sparse matrix from rows to columns is a counting sort, several times as fast as `argsort`.
    """
    import numpy as np
    from scipy.sparse import csr_array

    count = len(key)
    cells = (np.empty(count, np.int8), key, np.arange(count + 1, dtype=np.int32))
    order: NDArray[np.int64] = csr_array(cells, shape=(count, int(key.max()) + 1)).tocsc().indices
    return order.astype(np.int64)


def _plan(hashes: "NDArray[np.uint64]", radius: int) -> "tuple[NDArray[np.uint64], Iterator[_Choice]]":
    """Return the hashes with their bits arranged in the number of blocks that costs least, and the choices of blocks.

    Real hashes agree on more bits than random ones, so the number of pairs that agree is estimated from a sample.
    """
    import numpy as np

    sample = np.random.default_rng(0).choice(hashes, min(len(hashes), 8192), replace=False)
    pairs = len(hashes) * (len(hashes) - 1) / 2

    def cost(blocks: int) -> float:
        if blocks == radius:  # hashes need not agree on any block: all pairs are compared
            return pairs + _ROUND * len(hashes)
        arranged, agreeing = _arrange_bits(sample, blocks), []
        for choice in islice(_choices(blocks, radius), 0, None, max(1, comb(blocks, radius) // 12)):
            _, copies = np.unique(arranged & choice.agreeing, return_counts=True)
            agreeing.append((copies * (copies - 1.0)).sum() / (len(sample) * (len(sample) - 1)))
        return comb(blocks, radius) * (_SORT * len(hashes) + _ROUND + pairs * float(np.mean(agreeing)))

    blocks = min(range(radius, radius + 6), key=cost)
    return _arrange_bits(hashes, blocks), _choices(blocks, radius)


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


def _arrange_bits(hashes: "NDArray[np.uint64]", blocks: int) -> "NDArray[np.uint64]":
    """Rearrange the bits so that those of a block, every `blocks`-th, are adjacent.

    Adjacent bits of a pHash belong to similar frequencies and are correlated; blocks of distant bits distinguish more.
    """
    import numpy as np

    arranged = np.zeros_like(hashes)
    source = [bit for block in range(blocks) for bit in range(block, BITS, blocks)]
    for target, bit in enumerate(source):
        arranged |= (hashes >> np.uint64(bit) & np.uint64(1)) << np.uint64(target)
    return arranged


def _field(block: tuple[int, int]) -> int:
    first, width = block
    return ((1 << width) - 1) << first
