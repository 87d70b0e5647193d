"""Blocks of the bits of 64-bit hashes: choose some, and divide hashes by them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations, groupby, pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Blocks = tuple[tuple[int, int], ...]

BITS = 64

#: Hashes that are sorted at a time, or a few more: they fit into the cache (measured).
CHUNK = 1 << 16


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

    blocks: "Blocks"
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

    source = [bit for block in range(blocks) for bit in range(block, BITS, blocks)]
    values, arranged = np.arange(256, dtype=np.uint64), np.zeros_like(hashes)
    for first in range(0, BITS, 8):  # what becomes of each value of a byte is looked up
        moved = np.zeros_like(values)
        for bit in range(8):
            target = source.index(first + bit)
            moved |= (values >> np.uint64(bit) & np.uint64(1)) << np.uint64(target)
        arranged |= moved[(hashes >> np.uint64(first)).astype(np.uint8)]
    return arranged


def _field(block: tuple[int, int]) -> int:
    first, width = block
    return ((1 << width) - 1) << first


def with_one_first_block(choices: Iterable[Choice]) -> "Iterator[tuple[Blocks, list[Choice]]]":
    """Divide choices into those that begin with the same block; yield it, none if none is chosen, and them."""
    for block, group in groupby(choices, key=lambda choice: choice.blocks[:1]):
        yield block, list(group)


def chunks_by(blocks: "Blocks", hashes: "NDArray[np.uint64]") -> "Iterator[NDArray[np.int64]]":
    """Divide hashes into chunks that fit into the cache: yield the indices of each. Those that agree are in one chunk.

    Sorting numbers that end in an index is several times as fast as `argsort`.
    """
    import numpy as np

    key = np.zeros(len(hashes), np.uint64)
    for block in blocks:
        key = field_of(hashes, block) << np.uint64(32)
    key |= np.arange(len(hashes), dtype=np.uint64)
    key.sort()
    order = (key & np.uint64(0xFFFFFFFF)).astype(np.int64)
    key >>= np.uint64(32)
    borders = np.concatenate([[0], np.flatnonzero(key[1:] != key[:-1]) + 1, [len(hashes)]])
    bounds = borders[np.searchsorted(borders, [*range(0, len(hashes), CHUNK), len(hashes)])]
    for begin, end in pairwise(np.unique(bounds).tolist()):
        yield order[begin:end]


def field_of(hashes: "NDArray[np.uint64]", block: "tuple[int, int]") -> "NDArray[np.uint64]":
    """Return the bits of a block as a number."""
    import numpy as np

    first, width = block
    return hashes >> np.uint64(first) & np.uint64((1 << width) - 1)
