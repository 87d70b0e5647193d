from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfer_builder.datasets.class_weights import class_counts, class_weights, epoch_length, epoch_order
from btfer_builder.datasets.labelled_faces import LabelledFace
from btfer_builder.labels import EMOTIONS

#: Training faces of each class as the authors' notebooks print them.
RAF_DB = (606, 613, 248, 4169, 2242, 1722, 1133)
FER2013 = (3995, 436, 4097, 7215, 4965, 4830, 3171)
AFFECTNET = (2910, 2093, 2897, 4036, 4105, 2744, 3436)

PUBLISHED = [
    # Figs. 11 and 13 of the paper.
    (RAF_DB, "simple", (6.88, 6.80, 16.81, 1, 1.86, 2.42, 3.68)),
    (RAF_DB, "conservative", (3, 3, 3, 1, 1.86, 2.42, 3)),
    # Printed in the notebooks.
    (FER2013, "simple", (1.8060, 16.5482, 1.7610, 1, 1.4532, 1.4938, 2.2753)),
    (FER2013, "conservative", (1.8060, 3, 1.7610, 1, 1.4532, 1.4938, 2.2753)),
    (AFFECTNET, "simple", (1.4107, 1.9613, 1.4170, 1.0171, 1, 1.4960, 1.1947)),
    (AFFECTNET, "conservative", (1.4107, 1.9613, 1.4170, 1.0171, 1, 1.4960, 1.1947)),
    (RAF_DB, "none", (1,) * 7),
    (RAF_DB, "oversample", (1,) * 7),
]

labels_of_classes = st.lists(st.integers(1, 40), min_size=1, max_size=7).map(
    lambda counts: np.repeat(np.arange(len(counts)), counts)
)


@pytest.mark.parametrize(("counts", "balancing", "published"), PUBLISHED)
def test_the_weights_are_those_of_the_paper(counts, balancing, published):
    weights = class_weights(dict(zip(EMOTIONS, counts, strict=True)), balancing)
    assert list(weights) == list(EMOTIONS)
    digits = 4 if any(value != round(value, 2) for value in published) else 2
    assert [round(weight, digits) for weight in weights.values()] == list(published)


def test_a_class_without_faces_has_no_weight_of_its_own():
    faces = [LabelledFace(Path("a"), "sad", "a"), LabelledFace(Path("b"), "sad", "b")]
    counts = class_counts(faces)
    assert counts["sad"] == 2
    assert set(class_weights(counts, "simple").values()) == {1.0}


@given(labels_of_classes, st.integers(0, 3))
def test_oversampling_takes_every_face_and_every_class_as_often_as_the_largest(labels, seed):
    order = epoch_order(labels, "oversample", np.random.default_rng(seed))
    sizes = np.bincount(labels)
    assert np.bincount(labels[order]).tolist() == [sizes.max()] * len(sizes)
    assert len(order) == epoch_length(labels, "oversample")
    times = np.bincount(order, minlength=len(labels))
    for label, size in enumerate(sizes):
        mine = times[labels == label]
        assert mine.min() == sizes.max() // size
        assert mine.max() - mine.min() <= 1


@given(labels_of_classes, st.integers(0, 3))
def test_undersampling_takes_no_face_twice_and_every_class_as_often_as_the_smallest(labels, seed):
    order = epoch_order(labels, "undersample", np.random.default_rng(seed))
    sizes = np.bincount(labels)
    assert np.bincount(labels[order]).tolist() == [sizes.min()] * len(sizes)
    assert len(order) == epoch_length(labels, "undersample") == len(set(order.tolist()))


@given(labels_of_classes, st.sampled_from(["none", "simple", "conservative"]))
def test_else_an_epoch_is_every_face_once_in_an_order_of_the_seed(labels, balancing):
    order = epoch_order(labels, balancing, np.random.default_rng(1))
    assert sorted(order) == list(range(len(labels)))
    assert order.tolist() == epoch_order(labels, balancing, np.random.default_rng(1)).tolist()
