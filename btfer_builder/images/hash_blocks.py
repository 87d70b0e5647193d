"""Blocks of the bits of 64-bit hashes: choose some, and sort hashes by them into buckets."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

BITS = 64

#: Hashes are sorted into at most 2 to the power of this many buckets, so that their table fits into the cache.
_MOST_KEY_BITS = 22

#: Of a bucket at most so many hashes are compared at a time with one hash, and so many pairs in all.
_WIDEST, _WINDOW = 255, 1 << 16


@dataclass(frozen=True, slots=True)
class Choice:
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


def choices_of(blocks: int, radius: int) -> Iterator[Choice]:
    """Yield every choice of blocks on which hashes may agree that differ in at most `radius` of them."""
    import numpy as np

    fields, first = [], 0
    for block in range(blocks):
        width = len(range(block, BITS, blocks))
        fields.append((first, width))
        first += width
    for chosen in combinations(range(blocks), blocks - radius):
        below = range(chosen[-1]) if chosen else ()
        differing = tuple(np.uint64(_field(fields[block])) for block in below if block not in chosen)
        yield Choice(tuple(fields[block] for block in chosen), differing)


def arrange_bits(hashes: "NDArray[np.uint64]", blocks: int) -> "NDArray[np.uint64]":
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


def most_bits(hashes: "NDArray[np.uint64]") -> int:
    """Return the bits by which hashes are sorted: a few more than are needed to number them."""
    return min(_MOST_KEY_BITS, len(hashes).bit_length() + 2)


def with_one_first_block(choices: Iterable[Choice]) -> Iterator[list[Choice]]:
    """Divide choices into those that begin with the same block."""
    for _, group in groupby(choices, key=lambda choice: choice.blocks[:1]):
        yield list(group)


def sorted_by(
    block: "tuple[int, int]", hashes: "NDArray[np.uint64]", ids: "NDArray[np.int32]"
) -> "tuple[NDArray[np.uint64], NDArray[np.int32]]":
    """Sort hashes and their ids by a block: what is looked up for choices that begin with it is then in the cache."""
    import numpy as np

    first, width = block[0], min(block[1], most_bits(hashes))
    order = counting_sort((hashes >> np.uint64(first) & np.uint64((1 << width) - 1)).astype(np.int32))
    return hashes[order], ids[order]


def keys_of(hashes: "NDArray[np.uint64]", choice: Choice, most: int) -> "tuple[NDArray[np.int32], int]":
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


def counting_sort(key: "NDArray[np.int32]") -> "NDArray[np.int64]":
    """Return the stable order that sorts the keys.

    Converting a sparse matrix from rows to columns is a counting sort, several times as fast as `argsort`.
    """
    import numpy as np
    from scipy.sparse import csr_array

    count = len(key)
    cells = (np.empty(count, np.int8), key, np.arange(count + 1, dtype=np.int32))
    order: NDArray[np.int64] = csr_array(cells, shape=(count, int(key.max()) + 1)).tocsc().indices
    return order.astype(np.int64)


def windows_of(
    start: "NDArray[np.int32]", size: "NDArray[np.int32]"
) -> "Iterator[tuple[NDArray[np.int64], NDArray[np.int32], int]]":
    """Divide buckets, given where each starts and its size, into blocks of windows of one width.

    Yields
    ------
    index, at, width
        Which buckets, where the window of each starts, and the width of all: a block fits into the cache.
    """
    import numpy as np

    index = np.flatnonzero(size)
    width_of = np.minimum(size[index], _WIDEST)
    index = index[np.argsort(width_of.astype(np.uint8), kind="stable")]  # of small integers a radix sort
    bounds = np.cumsum(np.bincount(width_of, minlength=_WIDEST + 1))
    for width in range(1, _WIDEST + 1):
        rows = _WINDOW // width
        for first in range(bounds[width - 1], bounds[width], rows):
            chosen = index[first : min(first + rows, bounds[width])]
            yield chosen, start[chosen], width
    large = np.flatnonzero(size > _WIDEST)
    if len(large):
        for chosen, at, width in windows_of(start[large] + _WIDEST, size[large] - _WIDEST):
            yield large[chosen], at, width
