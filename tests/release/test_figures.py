"""The figures of a release."""

import random
from types import SimpleNamespace

import pytest

from btfer_builder.catalog.sample import ATTRIBUTES
from btfer_builder.images import plot_style
from btfer_builder.labels import EMOTIONS
from btfer_builder.release.writers import figures
from btfer_builder.release.writers.figures import in_order, write_groups
from tests.images.drawn import overlaps, within


@pytest.mark.parametrize(
    ("values", "ordered"),
    [
        (["", "elderly", "adult", "", "toddler"], ["toddler", "adult", "elderly", ""]),
        (["white", "", "asian", "white"], ["asian", "white", ""]),
        (["adult", "", "teenager"], ["adult", "teenager", ""]),
        ([""], [""]),
    ],
)
def test_what_was_not_searched_for_is_last(values, ordered):
    assert in_order(values) == ordered


def test_the_groups_are_named_and_inside_the_picture(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(figures, "to_png", lambda figure: drawn.append(figure) or plot_style.to_png(figure))
    chance = random.Random(0)
    values = {
        "query_ethnicity": ["", "white", "people of the islands and of the whole coast " * 3],
        "query_gender": ["", "male"],
        "query_age": ["elderly", "", "toddler"],
    }
    faces = [
        SimpleNamespace(
            emotion=chance.choice(EMOTIONS),
            face=SimpleNamespace(attributes={name: chance.choice(values[name]) for name in ATTRIBUTES}),
        )
        for _ in range(300)
    ]
    write_groups(tmp_path / "groups.png", faces)
    (figure,) = drawn
    assert within(figure)
    for axes in figure.axes:
        names = [label.get_text() for label in axes.get_yticklabels()]
        assert names[-1] == "(not searched for)"
        assert names.count("(not searched for)") == 1
        assert overlaps(figure, axes.get_yticklabels()) == []
        assert axes.get_window_extent().width > figure.bbox.width / 2, "the counts have room"
