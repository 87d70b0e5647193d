"""The pairs within the radius are exactly those that comparing all hashes finds."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btfer_builder.images import hamming, hash_blocks
from btfer_builder.images.hamming import hamming_distance, neighbours, neighbours_between, pairs_with


def brute_force(hashes, radius):
    """Compare all with all: sorted (first, second, distance)."""
    first, second = np.triu_indices(len(hashes), 1)
    distance = np.bitwise_count(hashes[first] ^ hashes[second])
    near = distance <= radius
    return first[near], second[near], distance[near]


def check(hashes, radius):
    hashes = np.unique(np.asarray(hashes, dtype=np.uint64))
    np.random.default_rng(len(hashes)).shuffle(hashes)
    pairs, expected = neighbours(hashes, radius), brute_force(hashes, radius)
    for column, other in zip(pairs, expected, strict=True):
        np.testing.assert_array_equal(column, other)
    return len(expected[0])


def flipped(hashes, most, rng):
    """Flip up to `most` bits, not always different ones, of each hash."""
    flipped = hashes.copy()
    for _ in range(most):
        flip = rng.random(len(hashes)) < 0.8
        flipped[flip] ^= np.uint64(1) << rng.integers(0, 64, flip.sum()).astype(np.uint64)
    return flipped


hashes_64 = st.one_of(
    st.integers(0, 2**64 - 1),
    st.integers(0, 255),
    st.integers(0, 63).map(lambda bit: 1 << bit),
    st.integers(0, 63).map(lambda bit: (1 << 64) - 1 - (1 << bit)),
)


@settings(deadline=None, max_examples=200)
@given(st.lists(hashes_64, max_size=40), st.integers(0, 16))
def test_any_hashes(hashes, radius):
    check(hashes, radius)


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 2**64 - 1), st.lists(st.sets(st.integers(0, 63), max_size=18)), st.integers(0, 16))
def test_hashes_around_one(centre, flips, radius):
    check([centre, *(centre ^ sum(1 << bit for bit in bits) for bits in flips)], radius)


@pytest.mark.parametrize("radius", range(17))
def test_planted_pairs_are_found_among_thousands(radius):
    rng = np.random.default_rng(radius)
    hashes = rng.integers(0, 2**64, 2000, dtype=np.uint64)
    pairs = check(np.concatenate([hashes, flipped(hashes[:500], radius + 1, rng)]), radius)
    assert pairs >= (100 if radius else 0)


@pytest.mark.parametrize("radius", range(17))
def test_pairs_at_the_very_edge(radius):
    """`radius` bits, evenly spread or in a row, are near; one bit more is too far."""
    centre = 0x9E3779B97F4A7C15

    def spread(count):
        return {
            sum(1 << bit for bit in {(start + step * n) % 64 for n in range(count)})
            for start in range(64)
            for step in (1, 3, 7, 13)
        }

    inside, outside = spread(radius) - {0}, spread(radius + 1)
    hashes = np.array([centre, *(centre ^ mask for mask in [*inside, *outside])], dtype=np.uint64)
    first, second, distance = neighbours(hashes, radius)
    near = {mask.bit_count() for mask in inside}
    assert set(distance[first == 0].tolist()) == near
    assert second[first == 0].tolist() == list(range(1, 1 + len(inside)))
    assert check(hashes, radius) == len(first)


@pytest.mark.parametrize(
    ("count", "spread", "radius"), [(1500, 3, 8), (1000, 10, 8), (3000, 20, 8), (600, 6, 16)]
)
def test_crowds(count, spread, radius):
    """Hashes that are all close, like those of a photo series."""
    rng = np.random.default_rng(count)
    check(flipped(np.full(count, 0x0123456789ABCDEF, np.uint64), spread, rng), radius)


def test_hashes_that_share_most_bits():
    """pHashes are not random: some bits hardly ever change in a set of portraits."""
    rng = np.random.default_rng(5)
    few = rng.choice(64, 14, replace=False).astype(np.uint64)
    values = rng.integers(0, 2, (3000, 14)).astype(np.uint64)
    hashes = np.bitwise_xor.reduce(values << few, axis=1) ^ np.uint64(0xDEADBEEF12345678)
    for radius in (0, 2, 8):
        check(hashes, radius)


@pytest.mark.parametrize("radius", [0, 1, 4, 8, 16])
@pytest.mark.parametrize("chunk", [1, 100, 1 << 16])
def test_pairs_within_and_between_two_sets(radius, chunk, monkeypatch):
    """Some hashes are in both sets, some are close, and many agree on a block: chunks of every size occur."""
    rng = np.random.default_rng(radius)
    own = rng.integers(0, 2**64, 400, dtype=np.uint64)
    own[:150] &= np.uint64(0xFFF)
    other = np.concatenate([flipped(own[::2], radius + 1, rng), own[:20]])
    own, other = np.unique(own), rng.permutation(np.unique(other))
    rng.shuffle(own)
    monkeypatch.setattr(hash_blocks, "CHUNK", chunk)
    monkeypatch.setattr(hamming, "CHUNK", chunk)
    within, between = pairs_with(own, other, radius)
    for column, expected in zip(within, brute_force(own, radius), strict=True):
        np.testing.assert_array_equal(column, expected)
    distance = np.bitwise_count(own[:, None] ^ other)
    first, second = np.nonzero(distance <= radius)
    assert len(first) >= 20
    for column, expected in zip(between, (first, second, distance[first, second]), strict=True):
        np.testing.assert_array_equal(column, expected)


def test_none_and_one():
    for hashes in ([], [7]):
        for radius in (0, 8, 16):
            first, second, distance = neighbours(np.array(hashes, np.uint64), radius)
            assert len(first) == len(second) == len(distance) == 0


def test_a_crowd_does_not_fill_the_memory():
    """A pair agrees on many masks: stored once for each, the pairs would take many times their size."""
    rng = np.random.default_rng(1)
    crowd = flipped(np.full(1200, 5, np.uint64), 3, rng)
    hashes = np.unique(np.concatenate([crowd, rng.integers(0, 2**64, 8_000, dtype=np.uint64)]))
    tracemalloc.start()
    pairs = len(neighbours(hashes, 8)[0])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert pairs > 400_000
    assert peak < pairs * 8 * 8


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_comparing_all_with_all_finds_what_the_search_finds(data):
    value = st.integers(0, 2**64 - 1).map(lambda bits: f"{bits & 0xFFFF0000FFFF:016x}")
    ours, theirs = (data.draw(st.lists(value, max_size=30)) for _ in range(2))
    theirs += ours[:3]
    radius = data.draw(st.integers(0, 16))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(hamming, "BLOCK", 64)
        compared = neighbours_between(ours, theirs, radius)
        patch.setattr(hamming, "MAX_COMPARISONS", -1)
        searched = neighbours_between(ours, theirs, radius)
    np.testing.assert_array_equal(compared, searched)
    assert compared.tolist() == [
        [i, j, hamming_distance(own, other)]
        for i, own in enumerate(ours)
        for j, other in enumerate(theirs)
        if hamming_distance(own, other) <= radius
    ]
