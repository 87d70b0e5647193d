"""The best of overlapping boxes is kept, compared with a plain implementation."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btfer_builder.crop.detectors.mtcnn import nms as overlap
from btfer_builder.crop.detectors.mtcnn.nms import suppress


def one_by_one(boxes, threshold, of_smaller):
    kept = []
    for index, (x1, y1, x2, y2) in enumerate(boxes[:, :4]):
        for a1, b1, a2, b2 in boxes[:index, :4]:
            shared = max(0, min(x2, a2) - max(x1, a1)) * max(0, min(y2, b2) - max(y1, b1))
            area, other = (x2 - x1) * (y2 - y1), (a2 - a1) * (b2 - b1)
            whole = min(area, other) if of_smaller else area + other - shared
            if whole > 0 and shared / whole > threshold:
                break
        else:
            kept.append(index)
    return boxes[kept]


sides = st.integers(1, 30)
many_boxes = st.lists(st.tuples(st.integers(-9, 90), st.integers(-9, 90), sides, sides), max_size=60)


@pytest.mark.parametrize("chunk", [512, 7])
@settings(max_examples=60, deadline=None)
@given(many_boxes, st.sampled_from([0.3, 0.5, 0.7]), st.booleans())
def test_the_rule_whole_and_in_chunks(chunk, given_boxes, threshold, of_smaller):
    boxes = np.array([(x, y, x + w, y + h, n) for n, (x, y, w, h) in enumerate(given_boxes)], dtype=float)
    boxes = boxes.reshape(-1, 5)
    before, overlap.CHUNK = overlap.CHUNK, chunk
    try:
        kept = suppress(boxes, threshold, of_smaller=of_smaller)
    finally:
        overlap.CHUNK = before
    np.testing.assert_array_equal(kept, one_by_one(boxes, threshold, of_smaller))


def test_a_box_that_was_dropped_still_drops_others():
    boxes = np.array([[0, 0, 10, 10, 0.9], [2, 0, 12, 10, 0.8], [4, 0, 14, 10, 0.7]], dtype=float)
    assert len(suppress(boxes, 0.5)) == 1  # the third overlaps the first by 0.43 only


def test_a_photo_full_of_windows_takes_little_memory():
    import tracemalloc

    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 2000, (20_000, 2))
    boxes = np.column_stack([corner, corner + 20, np.sort(rng.random(20_000))[::-1]])
    tracemalloc.start()
    kept = suppress(boxes, 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 < len(kept) < 20_000
    assert peak < 100_000_000
