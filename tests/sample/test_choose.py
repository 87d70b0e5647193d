"""The draw: exactly n a class, decided by seed and face alone."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from btfer_builder.labels import EMOTIONS
from btfer_builder.sample.choose import by_rank, choose
from btfer_builder.sample.source_limits import Eligible

face_ids = st.text("0123456789abcdef", min_size=1, max_size=6)
pools = st.dictionaries(face_ids, st.sampled_from(EMOTIONS), max_size=60).map(lambda pool: list(pool.items()))
seeds = st.integers(0, 2**64)


@given(pools, st.integers(1, 12), seeds)
def test_exactly_n_of_each_class_or_the_number_that_is_missing(faces, per_class, seed):
    draw = choose(faces, per_class, seed)
    assert tuple(draw.chosen) == EMOTIONS
    emotion_of = dict(faces)
    for emotion, chosen in draw.chosen.items():
        there = sum(each == emotion for each in emotion_of.values())
        assert len(chosen) == len(set(chosen)) == min(per_class, there)
        assert {emotion_of[face] for face in chosen} <= {emotion}
        assert draw.short.get(emotion, 0) == max(0, per_class - there)
    assert all(missing > 0 for missing in draw.short.values())


@given(pools, st.integers(1, 12), seeds, st.randoms())
def test_the_order_of_the_faces_does_not_matter(faces, per_class, seed, random):
    shuffled = list(faces)
    random.shuffle(shuffled)
    assert choose(shuffled, per_class, seed) == choose(faces, per_class, seed)


@given(pools, face_ids, st.sampled_from(EMOTIONS), st.integers(1, 12), seeds)
def test_a_face_more_or_less_only_moves_the_others_up(faces, new, emotion, per_class, seed):
    without = [(face, each) for face, each in faces if face != new]
    before, after = choose(without, per_class, seed), choose([*without, (new, emotion)], per_class, seed)
    for each in EMOTIONS:
        if each != emotion:
            assert after.chosen[each] == before.chosen[each]
    stayed = [face for face in after.chosen[emotion] if face != new]
    assert stayed == before.chosen[emotion][: len(stayed)]
    assert len(before.chosen[emotion]) - len(stayed) <= 1


@given(pools, st.integers(1, 6), st.integers(1, 6), seeds)
def test_a_larger_sample_holds_the_smaller_one(faces, first, second, seed):
    small, large = choose(faces, min(first, second), seed), choose(faces, max(first, second), seed)
    for emotion in EMOTIONS:
        assert large.chosen[emotion][: len(small.chosen[emotion])] == small.chosen[emotion]


def test_seeds_draw_differently():
    faces = [(f"{n:04x}", "happy") for n in range(200)]
    drawn = [set(choose(faces, 50, seed).chosen["happy"]) for seed in range(20)]
    assert len({frozenset(each) for each in drawn}) == 20
    # 50 of 200: two independent draws share 12.5 faces on average.
    shared = [len(drawn[n] & drawn[n + 1]) for n in range(19)]
    assert 9 < sum(shared) / len(shared) < 16


def test_every_face_has_the_same_chance():
    faces = [(f"{n:04x}", "sad") for n in range(20)]
    times = dict.fromkeys((face for face, _ in faces), 0)
    for seed in range(2000):
        for face in choose(faces, 5, seed).chosen["sad"]:
            times[face] += 1
    assert all(420 < n < 580 for n in times.values())  # 500 expected, standard deviation 19


def test_the_rank_is_as_documented():
    """So that anybody can draw again without this program."""
    ids = [hashlib.sha256(str(n).encode()).hexdigest()[:16] for n in range(30)]
    drawn = [face.face_id for face in by_rank([Eligible(face_id, "happy") for face_id in ids], 7)]
    assert drawn == sorted(ids, key=lambda face: hashlib.sha256(b"7|" + face.encode()).hexdigest())
