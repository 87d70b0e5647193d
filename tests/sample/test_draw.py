"""Caps, cells, splits and the reserve of a draw: nothing is broken, and nothing is left short without need."""

from collections import Counter, defaultdict

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from btfer_builder.catalog.dedupe import HashedImage
from btfer_builder.labels import EMOTIONS
from btfer_builder.sample.choose import by_rank, choose
from btfer_builder.sample.source_limits import Eligible, SourceLimits, SplitAllocator
from btfer_builder.sample.split_groups import group_photos

#: A machine that is busy is no failure.
EASY = settings(deadline=None, max_examples=60)
CELLS = [("x", "f"), ("x", "m"), ("y", "f")]


@st.composite
def pools(draw):
    """Faces in a few photos; a photo has one host and one creator, and photos of a creator are one group."""
    size = draw(st.integers(0, 60))
    faces = []
    for number in range(size):
        photo = draw(st.integers(0, 40))
        faces.append(
            Eligible(
                f"{number:03x}",
                draw(st.sampled_from(EMOTIONS[:3])),
                f"photo{photo}",
                f"host{photo % 5}",
                f"creator{photo % 7}" if photo % 3 else "",
                draw(st.sampled_from(CELLS)),
                f"group{photo % 7}" if photo % 3 else f"photo{photo}",
            )
        )
    return faces


def chosen_faces(draw, faces):
    ids = {face_id for own in draw.chosen.values() for face_id in own}
    return [face for face in faces if face.face_id in ids]


@EASY
@given(pools(), st.integers(1, 6), st.integers(0, 3), st.integers(0, 3), st.integers(0, 3), st.integers(0, 9))
def test_no_cap_is_broken_and_what_was_passed_over_has_its_reason(faces, n, photo, host, creator, seed):
    draw = choose(faces, n, seed, caps=SourceLimits(photo, host, creator), reserve=2)
    drawn = chosen_faces(draw, faces)
    for cap, name in ((photo, "photo"), (host, "host"), (creator, "creator")):
        counts = Counter(value for face in drawn if (value := getattr(face, name)))
        assert not cap or max(counts.values(), default=0) <= cap
    assert {face.face_id for face in faces} == draw.split_of.keys() | draw.passed_over.keys()
    assert not draw.split_of.keys() & draw.passed_over.keys()
    short = set(draw.short)
    for face in faces:
        reason = draw.passed_over.get(face.face_id)
        assert reason in {None, "not_drawn", "reserve", "photo_cap", "host_cap", "creator_cap"}
        if reason in {"not_drawn", "reserve"}:
            assert face.emotion not in short  # a class is short only if caps are in the way
    for emotion, reserve in draw.reserve.items():
        rest = [
            face.face_id for face in by_rank(faces, seed) if draw.passed_over.get(face.face_id) == "reserve"
        ]
        assert reserve == [face_id for face_id in rest if face_id in reserve]
        assert not set(reserve) & set(draw.chosen[emotion])


@EASY
@given(pools(), st.integers(1, 6), st.randoms(), st.booleans())
def test_the_order_of_the_faces_does_not_matter(faces, n, random, divided):
    options = dict(
        caps=SourceLimits(1, 3, 2),
        reserve=3,
        cells=CELLS,
        splits={"train": n, "test": 1} if divided else None,
    )
    shuffled = list(faces)
    random.shuffle(shuffled)
    assert choose(shuffled, n, 4, **options) == choose(faces, n, 4, **options)


@EASY
@given(pools(), st.integers(1, 12), st.integers(0, 9))
def test_cells_are_filled_as_evenly_as_can_be(faces, n, seed):
    draw = choose(faces, n, seed, caps=SourceLimits(0), cells=CELLS)
    drawn = {face.face_id: face for face in chosen_faces(draw, faces)}
    for emotion in EMOTIONS:
        there = Counter(face.cell for face in faces if face.emotion == emotion)
        got = Counter(drawn[face_id].cell for face_id in draw.chosen[emotion])
        assert sum(got.values()) == min(n, sum(there.values()))
        # A cell that gave less than another by more than one had no more to give.
        for cell in CELLS:
            if got[cell] < max(got.values(), default=0) - 1:
                assert got[cell] == there[cell]
        counts = {count.cell: count for count in draw.cells if count.emotion == emotion}
        assert set(counts) == set(CELLS)
        assert sum(count.asked for count in counts.values()) == n
        assert max(c.asked for c in counts.values()) - min(c.asked for c in counts.values()) <= 1
        assert {cell: count.got for cell, count in counts.items()} == {cell: got[cell] for cell in CELLS}


@EASY
@given(pools(), st.integers(1, 4), st.integers(1, 4), st.integers(0, 3), st.integers(0, 9))
def test_splits_share_no_photo_creator_or_group(faces, train, test, val, seed):
    sizes = {"train": train, "test": test} | ({"val": val} if val else {})
    draw = choose(faces, 1, seed, splits=sizes, caps=SourceLimits(0))
    for name in ("photo", "creator", "group"):
        splits = defaultdict(set)
        for face in chosen_faces(draw, faces):
            splits[getattr(face, name)].add(draw.split_of[face.face_id])
        splits.pop("", None)
        assert all(len(own) == 1 for own in splits.values())
    emotion = {face.face_id: face.emotion for face in faces}
    counts = Counter((split, emotion[face_id]) for face_id, split in draw.split_of.items())
    assert all(n <= sizes[split] for (split, _), n in counts.items())
    for each, missing in draw.short.items():
        assert missing == sum(sizes.values()) - sum(counts[split, each] for split in sizes)
        assert "not_drawn" not in {draw.passed_over.get(f.face_id) for f in faces if f.emotion == each}


def test_splits_are_filled_when_there_is_enough():
    faces = [
        Eligible(f"{emotion}{n}", emotion, f"p{emotion}{n}", group=f"g{n}")
        for emotion in EMOTIONS
        for n in range(40)
    ]
    draw = choose(faces, 1, 0, splits={"train": 14, "val": 3, "test": 3})
    counts = Counter(draw.split_of.values())
    assert counts == {"train": 7 * 14, "val": 7 * 3, "test": 7 * 3}


def test_cells_are_spread_over_the_splits():
    faces = [
        Eligible(f"{n}{cell}", "happy", cell=(cell,), group=f"{n}{cell}") for n in range(50) for cell in "ab"
    ]
    draw = choose(faces, 1, 0, splits={"train": 20, "test": 10}, cells=[("a",), ("b",)])
    counts = Counter((split, face_id[-1]) for face_id, split in draw.split_of.items())
    assert counts == {("train", "a"): 10, ("train", "b"): 10, ("test", "a"): 5, ("test", "b"): 5}


def test_a_common_class_does_not_take_the_photos_of_a_rare_one():
    happy = [Eligible(f"h{n}", "happy", f"p{n}") for n in range(30)]
    fear = [Eligible(f"f{n}", "fear", f"p{n}") for n in range(3)]
    for seed in range(20):
        draw = choose([*happy, *fear], 3, seed)
        assert len(draw.chosen["fear"]) == len(draw.chosen["happy"]) == 3


def test_the_reserve_is_next_in_rank_and_can_be_put_in():
    faces = [Eligible(f"{n:02}", "sad", f"p{n // 2}", creator=f"c{n // 6}") for n in range(40)]
    draw = choose(faces, 5, 3, caps=SourceLimits(1, 0, 2), reserve=4)
    room = SplitAllocator(SourceLimits(1, 0, 2), {})
    for face in chosen_faces(draw, faces):
        room.put(face, "test")
    by_id = {face.face_id: face for face in faces}
    order = [face.face_id for face in by_rank(faces, 3) if face.face_id not in draw.split_of]
    fitting = [face for face in order if room.fits(by_id[face], "test")]
    assert draw.reserve["sad"] == fitting[:4]
    assert len(choose(faces, 5, 3, reserve=0).reserve["sad"]) == 0


def image(name, phash, mirrored="ffffffffffffffff", reason=None):
    return HashedImage(
        name, 10, 10, name, phash, mirrored, "0" * 64, "0" * 64, "", reason, False, 0, frozenset({"happy"})
    )


def test_groups_follow_chains_of_likeness_and_creators():
    images = [
        image("a", "0000000000000000"),
        image("b", "000000000000000f"),  # 4 from a
        image("c", "00000000000000ff"),  # 4 from b, 8 from a
        image("d", "0f0f0f0f0f0f0f0f", mirrored="f0f0000000000000"),
        image("e", "f0f0000000000001", mirrored="00ff00ff00ff00ff"),  # looks like d mirrored
        image("f", "3333333333333333", mirrored="5555555555555555"),
        image("g", "", reason="unreadable"),
    ]
    creators = dict.fromkeys("abcdefg", "") | {"c": "Ana", "f": "Ana"}
    groups = group_photos(creators, images, {}, radius=4, mirrored=True)
    assert groups == {"a": "a", "b": "a", "c": "a", "f": "a", "d": "d", "e": "d", "g": "g"}
    assert group_photos(creators, images[::-1], {}, 4, True) == groups
    apart = group_photos(dict.fromkeys("abcdefg", ""), images, {}, radius=3, mirrored=False)
    assert apart == {name: name for name in "abcdefg"}
    assert group_photos({}, [], {}, 8, True) == {}


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 12), st.integers(2, 40), st.integers(0, 2**32))
def test_groups_agree_with_networkx(radius, count, seed):
    import networkx

    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**16, size=count, dtype=np.uint64)  # few bits, so that some are near
    images = [
        image(f"{n:02}", f"{value:016x}", f"{value ^ np.uint64(0xFFFF00000000):016x}")
        for n, value in enumerate(hashes)
    ]
    graph = networkx.Graph()
    graph.add_nodes_from(each.image_id for each in images)
    for each in images:
        for other in images:
            if (int(each.phash, 16) ^ int(other.phash, 16)).bit_count() <= radius:
                graph.add_edge(each.image_id, other.image_id)
    expected = {name: min(part) for part in networkx.connected_components(graph) for name in part}
    assert group_photos(dict.fromkeys(graph.nodes, ""), images, {}, radius, False) == expected
