"""The labels that a model doubts are those that cleanlab finds."""

import numpy as np

from btfer_builder.datasets.confident_learning import doubted, find_doubts, suggested_labels
from btfer_builder.datasets.convert import ConvertedItem
from btfer_builder.datasets.readers.base import Item
from btfer_builder.labels import EMOTIONS

#: Found by `cleanlab.filter.find_label_issues(…, filter_by="confident_learning")` of cleanlab 2.9.0 in `noisy(1, 120)`.
OF_CLEANLAB = [1, 5, 23, 33, 36, 39, 41, 55, 67, 80, 94, 112, 116]


def noisy(seed, count):
    """Return probabilities of a fair model that is too sure of one class, and labels of which 15 % are drawn."""
    random = np.random.default_rng(seed)
    truth = random.integers(7, size=count)
    labels = np.where(random.random(count) < 0.15, random.integers(7, size=count), truth)
    logits = random.normal(size=(count, 7))
    logits[np.arange(count), truth] += 2.0
    logits[:, 3] += 0.8
    return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), labels


def test_the_rule_is_that_of_cleanlab():
    assert sorted(doubted(*noisy(1, 120)).tolist()) == OF_CLEANLAB


def test_the_most_doubtful_label_is_first():
    probabilities = np.array([[0.9, 0.1], [0.9, 0.1], [0.1, 0.9], [0.8, 0.2], [0.92, 0.08], [0.95, 0.05]])
    labels = np.array([0, 0, 1, 1, 1, 1])  # the mean of the first class is 0.9
    assert suggested_labels(probabilities, labels).tolist() == [0, 0, 1, -1, 0, 0]
    assert doubted(probabilities, labels).tolist() == [5, 4]


def test_pictures_of_classes_that_a_model_lacks_are_not_judged():
    probabilities = np.full((3, len(EMOTIONS)), np.nan)
    happy, sad = EMOTIONS.index("happy"), EMOTIONS.index("sad")
    probabilities[:, [happy, sad]] = [[0.9, 0.1], [0.8, 0.2], [0.9, 0.1]]
    labels = ("happy", "fear", "sad")
    pictures = [ConvertedItem(Item(str(n), "train", label, label, b"")) for n, label in enumerate(labels)]
    judged, (doubt,) = find_doubts(probabilities, pictures)
    assert (judged, doubt.index, doubt.suggested) == (2, 2, "happy")
    assert find_doubts(np.full((3, len(EMOTIONS)), np.nan), pictures) == (0, [])
