"""Faces of an earlier pass are not decoded again, are never those of another set, and are bounded."""

import os
from dataclasses import replace

import numpy as np
import pytest

from btfer_builder.config import EvalRecipe
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.evaluate import make_job
from btfer_builder.evaluate.inference import prefetch as ahead
from btfer_builder.evaluate.inference.kept_faces import as_it_is
from btfer_builder.evaluate.inference.predict import predict_jobs
from btfer_builder.evaluate.robustness import corruption_view, resolution_view
from btfer_builder.evaluate.signature import content_digests
from btfer_builder.images.face_cache import MemoryCache
from btfer_builder.labels import EMOTIONS

VIEWS = [as_it_is, corruption_view("noise", 3, 0), resolution_view(4)]


@pytest.fixture
def faces(make_set):
    return make_set({emotion: [20 + 30 * number, 200] for number, emotion in enumerate(EMOTIONS)})


@pytest.fixture
def decoded(monkeypatch):
    """The number of files that were decoded since it was cleared."""
    calls = []
    real = ahead.decode_plain_png
    monkeypatch.setattr(ahead, "decode_plain_png", lambda content: calls.append(content) or real(content))
    return calls


def score(model, faces, cache, *, views=VIEWS, memory=1, digests=None, **recipe):
    job = make_job(model, EvalRecipe(**recipe))
    answers = predict_jobs(
        [job],
        faces,
        batch_size=5,
        progress=iter,
        views=views,
        digests=content_digests(faces) if digests is None else digests,
        cache=cache,
        memory=memory,
    )
    return [view[0].outputs for view in answers]


def test_a_later_pass_decodes_nothing_and_answers_the_same(faces, brightness_model, decoded):
    cache = MemoryCache()
    first = score(brightness_model, faces, cache)
    assert len(decoded) == len(faces)
    again = score(brightness_model, faces, cache)
    other = score(
        replace(brightness_model, predict=lambda batch: batch.mean(axis=(1, 2)).repeat(7, 1)), faces, cache
    )
    assert len(decoded) == len(faces)
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    scaled = score(brightness_model, faces, cache, scale="-1,1")
    assert len(decoded) == len(faces), "the scale follows the resizing"
    np.testing.assert_array_equal(scaled, score(brightness_model, faces, MemoryCache(), scale="-1,1"))


def test_another_geometry_view_or_order_is_not_taken_for_it(faces, brightness_model, decoded):
    cache = MemoryCache()
    score(brightness_model, faces, cache)
    for change in (
        {"crop": 0.8},
        {"resize": "nearest"},
        {"views": [as_it_is, corruption_view("noise", 3, 1)]},
        {"views": [as_it_is, corruption_view("noise", 4, 0)]},
    ):
        decoded.clear()
        np.testing.assert_array_equal(
            score(brightness_model, faces, cache, **change),
            score(brightness_model, faces, MemoryCache(), **change),
        )
        assert len(decoded) == 2 * len(faces), change
    turned = score(brightness_model, faces[::-1], cache)
    np.testing.assert_array_equal(turned, score(brightness_model, faces[::-1], MemoryCache()))


def test_a_changed_file_is_another_set_also_with_its_size_and_time(faces, brightness_model):
    cache = MemoryCache()
    before = score(brightness_model, faces, cache)
    path, other = faces[0].path, faces[-1].path
    known = path.stat()
    content = other.read_bytes()
    path.write_bytes(content)
    os.utime(path, ns=(known.st_atime_ns, known.st_mtime_ns))
    after = score(brightness_model, faces, cache)
    np.testing.assert_array_equal(after[0][0], after[0][-1])
    assert not np.array_equal(before[0][0], after[0][0])


@pytest.mark.parametrize("memory", [0, 1])
def test_a_file_that_changes_between_its_hash_and_its_decoding_is_an_error(faces, brightness_model, memory):
    cache = MemoryCache()
    digests = content_digests(faces)
    faces[3].path.write_bytes(faces[0].path.read_bytes())
    with pytest.raises(BtferError, match=r"changed while it was scored"):
        score(brightness_model, faces, cache, digests=digests, memory=memory)
    faces[3].path.write_bytes(faces[2].path.read_bytes())
    fresh = score(brightness_model, faces, cache)
    np.testing.assert_array_equal(fresh, score(brightness_model, faces, MemoryCache()))


def test_what_is_kept_is_bounded_and_what_does_not_fit_is_decoded(make_set, brightness_model, decoded):
    faces = make_set({emotion: [20, 200] for emotion in EMOTIONS})
    cache = MemoryCache()
    large = replace(brightness_model, height=160, width=160, channels=3)  # 14 faces are 1.1 MB
    expected = score(large, faces, MemoryCache(), memory=0)
    decoded.clear()
    for _ in range(2):
        np.testing.assert_array_equal(score(large, faces, cache), expected)
    assert len(decoded) == 2 * len(faces)
    medium = replace(brightness_model, height=100, width=100, channels=3)  # 0.4 MB: two of three views
    decoded.clear()
    for _ in range(2):
        score(medium, faces, cache)
        assert sum(kept.pixels.nbytes for kept in cache._kept.values()) <= 1_000_000
    assert len(decoded) == 2 * len(faces)
    decoded.clear()
    score(medium, faces, cache, views=VIEWS[:2])
    assert decoded == []


def test_a_function_may_change_its_batch(faces, brightness_model):
    def spoil(batch):
        answers = batch.astype(np.float32).mean(axis=(1, 2)).repeat(7, 1)[:, :7]
        batch[:] = 0
        return answers

    cache = MemoryCache()
    function = replace(brightness_model, channels=3, takes="uint8 rgb", predict=spoil)
    first = score(function, faces, cache)
    assert np.any(first)
    np.testing.assert_array_equal(first, score(function, faces, cache))


def test_faces_that_say_an_unknown_interpolation_are_decoded_again(faces, brightness_model, decoded):
    class Hostile(MemoryCache):
        def load(self, *wanted):
            found = super().load(*wanted)
            return found and replace(found, interpolations=frozenset({"<script>"}))

    cache = Hostile()
    first = score(brightness_model, faces, cache)
    decoded.clear()
    np.testing.assert_array_equal(first, score(brightness_model, faces, cache))
    assert len(decoded) == len(faces)
