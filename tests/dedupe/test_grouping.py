"""Groups of duplicates are stars around the best image, whatever the order of the images."""

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btfer_builder.catalog.dedupe import HashedImage
from btfer_builder.dedupe.grouping import group_duplicates
from btfer_builder.labels import EMOTIONS
from btfer_builder.reasons import REASONS
from btfer_builder.records import DedupeResult

FAR = (0, 0xFFFFFFFF, 0xFFFFFFFF00000000, 0x5555555555555555)
KIND = {"same_pixels": "pixels", "near_duplicate": "near", "mirrored_duplicate": "mirrored"}


def image(name, phash, mirrored=0x0F0F0F0F0F0F0F0F, **fields):
    """An image with sensible values for what a test does not care about."""
    given = dict(
        width=100, height=100, phash_256="0" * 64, phash_256_mirrored="0" * 64, parts="",
        pixel_sha256=f"pixels of {name}", reason=None, licensed=False, order=0,
        emotions=frozenset({"happy"}),
    )  # fmt: skip
    return HashedImage(
        image_id=name, phash=f"{phash:016x}", phash_mirrored=f"{mirrored:016x}", **given | fields
    )


def distance(one, other):
    return (int(one, 16) ^ int(other, 16)).bit_count()


def turned(one, other):
    """Return the distance of one to the mirror image of the other, in the closer direction."""
    return min(distance(one.phash, other.phash_mirrored), distance(one.phash_mirrored, other.phash))


def by_id(images, radius=8, mirrored=True):
    results = group_duplicates(images, radius, mirrored)
    assert len({result.image_id for result in results}) == len(results)
    return {result.image_id: result for result in results}


@st.composite
def some_images(draw):
    """Images around a few hashes, so that there are duplicates of every kind, and some that failed."""
    near_hash = st.builds(
        lambda centre, flips: centre ^ sum(1 << bit for bit in flips),
        st.sampled_from(FAR),
        st.sets(st.integers(0, 63), max_size=7),
    )
    images = []
    for order in range(draw(st.integers(0, 15))):
        side = draw(st.sampled_from([50, 100, 200]))
        made = image(
            f"i{order}",
            draw(near_hash),
            draw(near_hash),
            width=side,
            height=side + draw(st.sampled_from([0, 1])),
            licensed=draw(st.booleans()),
            order=order,
            emotions=frozenset(draw(st.sets(st.sampled_from(EMOTIONS), min_size=1, max_size=2))),
        )
        if images and draw(st.integers(0, 3)) == 0:  # the same pixels give the same hashes
            twin = draw(st.sampled_from(images))
            if twin.reason is None:
                made = replace(
                    twin, image_id=made.image_id, licensed=made.licensed, order=order, emotions=made.emotions
                )
        if draw(st.integers(0, 7)) == 0:
            failed = dict(width=0, height=0, pixel_sha256="", phash="", phash_mirrored="")
            made = replace(made, reason=draw(st.sampled_from(["unreadable", "too_large"])), **failed)
        images.append(made)
    return images


def rank(image):
    return (-image.width * image.height, not image.licensed, image.order)


@settings(deadline=None, max_examples=40)
@given(some_images(), st.integers(0, 16), st.booleans(), st.randoms())
def test_what_holds_for_any_images(images, radius, mirrored, shuffling):
    results = by_id(images, radius, mirrored)
    known = {image.image_id: image for image in images}
    assert results.keys() == known.keys()  # every image once

    kept = [known[name] for name, result in results.items() if result.state == "kept"]
    groups = {image.image_id: [image] for image in kept}
    for name, result in results.items():
        one = known[name]
        if one.reason is not None:
            assert result == DedupeResult(name, "dropped", one.reason)
        elif result.state == "kept":
            assert (result.reason, result.duplicate_of, result.kind, result.distance) == (None,) * 4
        else:
            keeper = known[result.duplicate_of]
            assert results[keeper.image_id].state == "kept"  # never a chain
            groups[keeper.image_id].append(one)
            assert result.reason in REASONS["dedupe"]
            assert KIND[result.reason] == result.kind
            assert rank(keeper) < rank(one)
            # It is said how they are alike, by the closest way there is.
            plain, flipped = distance(keeper.phash, one.phash), turned(keeper, one)
            if one.pixel_sha256 == keeper.pixel_sha256:
                assert (result.kind, result.distance) == ("pixels", 0)
            elif mirrored and flipped < plain:
                assert (result.kind, result.distance) == ("mirrored", flipped)
            else:
                assert (result.kind, result.distance) == ("near", plain)
            assert result.distance <= radius

    for number, one in enumerate(sorted(kept, key=rank)):
        for other in sorted(kept, key=rank)[number + 1 :]:
            assert distance(one.phash, other.phash) > radius
            assert not mirrored or turned(one, other) > radius

    for members in groups.values():
        conflict = len(frozenset().union(*(member.emotions for member in members))) > 1
        assert {results[member.image_id].conflict for member in members} == {conflict}

    shuffled = list(images)
    shuffling.shuffle(shuffled)
    assert by_id(shuffled, radius, mirrored) == results


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"width": 101, "order": 9}, {"licensed": True, "order": 1}),
        ({"licensed": True, "order": 9}, {"order": 1}),
        ({"order": 1}, {"order": 9}),
        ({"width": 200, "height": 60, "order": 9}, {"width": 110, "height": 100, "order": 1}),
    ],
    ids=["more pixels", "licence known", "found earlier", "pixels, not a side"],
)
def test_the_best_is_kept(better, worse):
    results = by_id([image("worse", 0, **worse), image("better", 1, **better)])
    assert results["better"].state == "kept"
    assert results["worse"] == DedupeResult(
        "worse", "dropped", "near_duplicate", "better", "near", 1, conflict=False, fine_distance=0
    )


def test_a_chain_of_near_duplicates_does_not_make_one_group():
    """Each is 8 bits from the next, so the far ends show different pictures."""
    chain = [image(f"i{n}", (1 << 8 * n) - 1, order=n) for n in range(5)]
    results = by_id(chain)
    assert [name for name, result in results.items() if result.state == "kept"] == ["i0", "i2", "i4"]
    assert results["i1"].duplicate_of == "i0"
    assert results["i3"].duplicate_of == "i2"


def test_the_radius_is_inclusive():
    eight, nine = 0xFF, 0x1FF << 20
    results = by_id([image("a", 0), image("b", eight, order=1), image("c", nine, order=2)])
    assert (results["b"].state, results["c"].state) == ("dropped", "kept")
    assert results["b"].distance == 8


def test_exact_copies_are_told_from_look_alikes():
    results = by_id(
        [
            image("a", 0, pixel_sha256="p"),
            image("same", 0, pixel_sha256="p", order=1),
            image("alike", 0, pixel_sha256="q", order=2),
        ]
    )
    assert (results["same"].reason, results["same"].distance) == ("same_pixels", 0)
    assert (results["alike"].reason, results["alike"].distance) == ("near_duplicate", 0)


def test_mirrored_copies_count_only_when_asked():
    images = [image("a", FAR[1], FAR[2] ^ 1), image("m", FAR[2], FAR[1] ^ 1, order=1)]
    assert by_id(images)["m"] == DedupeResult(
        "m", "dropped", "mirrored_duplicate", "a", "mirrored", 1, fine_distance=0
    )
    assert {result.state for result in by_id(images, mirrored=False).values()} == {"kept"}


def test_a_symmetric_picture_is_near_and_not_mirrored():
    images = [image("a", FAR[1], FAR[1]), image("b", FAR[1] ^ 2, FAR[1] ^ 2, order=1)]
    assert (by_id(images)["b"].kind, by_id(images)["b"].distance) == ("near", 1)


def test_a_group_under_two_emotions_is_a_conflict():
    happy, sad = {"emotions": frozenset({"happy"})}, {"emotions": frozenset({"sad"})}
    results = by_id(
        [
            image("a", 0, **happy),
            image("b", 1, order=1, **happy),
            image("c", 2, order=2, **sad),
            image("alone", FAR[1], order=3, emotions=frozenset({"fear", "sad"})),
            image("peace", FAR[2], order=4, **sad),
        ]
    )
    assert {name for name, result in results.items() if result.conflict} == {"a", "b", "c", "alone"}


def test_no_images():
    assert group_duplicates([], 8, mirrored=True) == []
    failed = image("x", 0, reason="unreadable")
    assert group_duplicates([replace(failed, phash="", phash_mirrored="")], 8, mirrored=True) == [
        DedupeResult("x", "dropped", "unreadable")
    ]


def test_a_thousand_copies_of_one_picture_take_no_thousand_comparisons_each():
    rng = random.Random(3)
    images = [image(f"i{n}", 0, order=n, pixel_sha256=str(rng.randrange(3))) for n in range(20_000)]
    results = by_id(images)
    assert sum(result.state == "kept" for result in results.values()) == 1
