"""Text from outside is shown in one line."""

import doctest

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfer_builder.io import text
from btfer_builder.io.text import one_line, printable


def test_the_examples():
    assert doctest.testmod(text).failed == 0


@given(st.text(st.characters()))
def test_whatever_it_is_it_is_one_line(value):
    for shown in (printable(value), one_line(value)):
        assert shown.isprintable()
        shown.encode("utf-8")
    assert printable(printable(value)) == printable(value)


@pytest.mark.parametrize("name", ["Zoë", "a b.keras", "写真.png"])
def test_what_can_be_shown_is_shown(name):
    assert printable(name) == one_line(name) == name
