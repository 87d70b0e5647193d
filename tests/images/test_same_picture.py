"""Two pictures are the same only if two signals agree: different people are kept, copies are found."""

import io
import random
from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from btfer_builder.catalog.dedupe import HashedImage
from btfer_builder.catalog.fingerprints import ImageFingerprint
from btfer_builder.dedupe import match_tombstones
from btfer_builder.dedupe.candidates import CandidateIndex
from btfer_builder.dedupe.grouping import group_duplicates
from btfer_builder.dedupe.match_tombstones import hold_for_review, mark_taken_down
from btfer_builder.images.alignment import grey, likeness
from btfer_builder.images.face_hashing import face_hash
from btfer_builder.images.hamming import hamming_distance
from btfer_builder.images.hashing import perceptual_hashes
from btfer_builder.images.same_picture import (
    PARTS,
    RADIUS,
    SAME_BITS,
    SAME_LIKENESS,
    connected_groups,
    decide,
    find_candidates,
    fine_distance,
    hash_matrix,
)
from btfer_builder.leakage.hash_manifest import ManifestRow
from btfer_builder.leakage.stage import find_leaks
from tests.photos import astronaut, hopper, mirror
from tests.strangers import before_one_wall, strangers

distances = st.integers(0, 64)
fine_distances = st.none() | st.integers(0, 256)
likenesses = st.none() | st.floats(-1, 1)


@given(distances, fine_distances, likenesses, st.integers(0, 16), st.integers(0, 128))
def test_what_the_decision_keeps_to(distance, fine, alike, radius, same_bits):
    verdict = decide(distance, fine, alike, radius=radius, same_bits=same_bits)
    if verdict == "same":  # two signals agree
        assert distance <= radius
        assert (fine is not None and fine <= same_bits) or (alike is not None and alike >= SAME_LIKENESS)
    if verdict == "undecided":
        assert alike is None
    if verdict == "different" and distance <= radius:
        assert alike is not None


@given(distances, st.integers(0, 256), st.floats(-1, 1), st.integers(0, 64), st.integers(0, 256))
def test_closer_pictures_are_never_more_different(distance, fine, alike, nearer, finer):
    if decide(distance, fine, alike) == "same":
        assert decide(min(distance, nearer), min(fine, finer), alike) == "same"


def image(name, pixels, order=0):
    height, width = pixels.shape[:2]
    hashes = perceptual_hashes(pixels)
    return HashedImage(name, width, height, "", *hashes, None, False, order, frozenset({"happy"}))


def grouped(**pictures):
    """Group pictures and compare their aligned pixels, as the stage does."""

    def measure(pairs):
        return {
            pair: likeness(
                grey(pictures[pair.image_id]),
                grey(mirror(pictures[pair.item_id]) if pair.mirrored else pictures[pair.item_id]),
            )
            for pair in pairs
        }

    images = [image(name, pixels, order) for order, (name, pixels) in enumerate(pictures.items())]
    return {
        result.image_id: result for result in group_duplicates(images, RADIUS, mirrored=True, measure=measure)
    }


@pytest.mark.parametrize("turned", [False, True])
def test_different_pictures_of_one_64_bit_hash_are_kept(turned):
    first, second = strangers()
    second = mirror(second) if turned else second
    pair = image("a", first), image("b", second)
    close = hamming_distance(pair[0].phash, pair[1].phash_mirrored if turned else pair[1].phash)
    assert close <= RADIUS  # as 0.1.0 took them for the same
    assert fine_distance(*pair, mirrored=turned) > SAME_BITS
    results = grouped(a=first, b=second)
    assert {result.state for result in results.values()} == {"kept"}


@pytest.mark.parametrize("turned", [False, True])
def test_different_people_in_front_of_one_background_are_kept(turned):
    photos = [before_one_wall(person) for person in range(30)]
    looks = [image(str(number), photo) for number, photo in enumerate(photos)]
    pairs = [pair for pair in combinations(looks, 2) if fine_distance(*pair, mirrored=False) <= SAME_BITS]
    assert pairs  # the hashes take them for the same
    kept = 0
    for one, other in pairs[:10]:
        second = photos[int(other.image_id)]
        results = grouped(a=photos[int(one.image_id)], b=mirror(second) if turned else second)
        kept += {result.state for result in results.values()} == {"kept"}
    assert kept >= 7
    copies = grouped(a=photos[0], b=compressed(photos[0]), c=mirror(photos[0]))
    assert [result.state for result in copies.values()].count("kept") == 1


def test_pictures_without_structure_are_decided_by_their_hashes():
    flat = np.full((90, 120, 3), 200, np.uint8)
    assert likeness(grey(flat), grey(flat)) is None
    results = grouped(a=flat, b=cv2.resize(flat, (60, 45)), c=astronaut())
    assert [result.state for result in results.values()].count("kept") == 2


def cropped(pixels):
    height, width = pixels.shape[:2]
    return pixels[: round(height * 0.95), : round(width * 0.95)]


def compressed(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=30)
    return np.asarray(Image.open(file))


EDITS = {
    "compressed": compressed,
    "half": lambda pixels: cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "flat": lambda pixels: (pixels * 0.7 + 40).astype(np.uint8),
    "cropped": cropped,
    "border": lambda pixels: np.asarray(ImageOps.expand(Image.fromarray(pixels), 9, "white")),
    "border, cropped": lambda pixels: cropped(
        np.asarray(ImageOps.expand(Image.fromarray(pixels), 9, "black"))
    ),
}


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("photo", [astronaut(), hopper()], ids=["astronaut", "hopper"])
def test_copies_are_found(photo, edit, turned):
    copy = EDITS[edit](photo)
    results = grouped(photo=photo, copy=np.ascontiguousarray(mirror(copy) if turned else copy))
    (dropped,) = (result for result in results.values() if result.state == "dropped")
    assert dropped.kind == ("mirrored" if turned else "near")
    assert dropped.distance <= RADIUS
    assert dropped.fine_distance <= SAME_BITS or dropped.likeness >= SAME_LIKENESS


@settings(deadline=None, max_examples=30)
@given(st.data())
def test_the_index_finds_what_comparing_each_with_each_finds(data):
    hashes = st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 3, 0xFFFF, 2**64 - 1])

    def an_image(name):
        plain, mirrored, *parts = (f"{data.draw(hashes):016x}" for _ in range(10))
        known = data.draw(st.booleans())
        return HashedImage(
            name, 1, 1, "", plain, mirrored, "", "", "".join(parts) if known else "", None, False, 0, frozenset()
        )  # fmt: skip

    images = [an_image(str(number)) for number in range(data.draw(st.integers(0, 5)))]
    radius, turned = data.draw(st.integers(0, 3)), data.draw(st.booleans())
    index = CandidateIndex(images, radius, turned) if images else None
    for number, own in enumerate(images):
        expected = find_candidates(own, hash_matrix(images), radius, turned)
        assert sorted(index.of(number)) == sorted(found for found in expected if found[0] != number)


@given(st.integers(0, 12), st.data())
def test_groups_are_named_by_their_lowest_member(count, data):
    item = st.integers(0, max(0, count - 1))
    pairs = data.draw(st.lists(st.tuples(item, item), max_size=12 if count else 0))
    expected = list(range(count))
    for _ in range(count):
        for pair in pairs:
            low, high = sorted(expected[number] for number in pair)
            expected = [low if group == high else group for group in expected]
    assert connected_groups(count, pairs) == expected


def test_only_a_person_decides_on_what_a_64_bit_tombstone_matches():
    face, other = strangers()
    images = [image("a", face), image("b", other), image("c", hopper())]
    plain, turned, *rest = perceptual_hashes(face)
    marked, held = mark_taken_down(
        images, [ImageFingerprint("", "", "", plain, turned, "", "", "")], RADIUS, mirrored=True
    )
    assert [found.reason for found in marked] == [None] * 3
    assert held.keys() == {"a", "b"}
    assert held["a"] == (0, None)
    marked, held = mark_taken_down(
        images, [ImageFingerprint("", "", "", plain, turned, *rest)], RADIUS, mirrored=True
    )
    assert [found.reason for found in marked] == ["taken_down", None, None]
    assert held.keys() == {"b"}
    results = {
        result.image_id: result for result in hold_for_review(group_duplicates(marked, RADIUS, True), held)
    }
    assert (results["b"].state, results["b"].kind, results["b"].conflict) == ("kept", "taken_down", True)
    assert (results["c"].kind, results["c"].conflict) == (None, False)


def test_many_tombstones_mark_what_each_of_them_marks(monkeypatch):
    rng = random.Random(5)

    def look(near: int) -> str:
        return f"{near ^ (1 << rng.randrange(64)) ^ (1 << rng.randrange(64)):016x}"

    bases = [rng.getrandbits(64) for _ in range(12)]

    def hashes() -> list[str]:
        plain, turned = look(rng.choice(bases)), look(rng.choice(bases))
        fine = [f"{rng.choice(bases):064x}" if rng.random() < 0.6 else "" for _ in range(2)]
        return [
            plain,
            turned,
            *fine,
            "".join(look(rng.choice(bases)) for _ in range(2 + len(PARTS))) * rng.randrange(2),
        ]

    stones = [ImageFingerprint("", "", "", *hashes()) for _ in range(40)]
    images = [replace(image(f"{number}", hopper()), **dict(zip(
        ("phash", "phash_mirrored", "phash_256", "phash_256_mirrored", "parts"), hashes(), strict=True
    ))) for number in range(60)]  # fmt: skip
    for turned in (False, True):
        monkeypatch.setattr(match_tombstones, "FEW", 100)
        one_by_one = mark_taken_down(images, stones, RADIUS, turned)
        monkeypatch.setattr(match_tombstones, "FEW", 0)
        assert mark_taken_down(images, stones, RADIUS, turned) == one_by_one
    assert {found.reason for found in one_by_one[0]} == {None, "taken_down"}
    assert one_by_one[1]


@pytest.mark.parametrize("turned", [False, True])
def test_a_copy_of_what_was_taken_down_is_dropped(turned):
    copy = compressed(EDITS["half"](hopper()))
    stone = ImageFingerprint("", "", "", *perceptual_hashes(hopper()))
    marked, held = mark_taken_down(
        [image("a", mirror(copy) if turned else copy)], [stone], RADIUS, mirrored=True
    )
    assert ([found.reason for found in marked], held) == (["taken_down"], {})


def test_a_training_set_is_looked_into_where_the_hashes_leave_it_open():
    face, other = (
        face_hash(name, Image.fromarray(p).convert("L")) for name, p in zip("ab", strangers(), strict=True)
    )
    theirs = [ManifestRow("b.png", other.phash, other.phash_256, other.phash_48, other.phash_256_48)]
    assert find_leaks([face], theirs, "set", 8, 128)  # a list of hashes: better one too many
    assert not find_leaks([face], theirs, "set", 8, 128, lambda *_: 0.5)
    assert find_leaks([face], theirs, "set", 8, 128, lambda *_: 0.99)
    itself = [ManifestRow("a.png", face.phash, face.phash_256, face.phash_48, face.phash_256_48)]
    assert find_leaks([face], itself, "set", 8, 128, lambda *_: 0.0)  # the hashes decide: not looked at
