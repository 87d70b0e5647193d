"""The figures of a release."""

import pytest

from btfer_builder.release.writers.figures import in_order


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
