"""Queries of takedowns."""

import pytest

from btfer_builder.catalog import takedown


@pytest.mark.parametrize("at_once", [1, 3, 4, 7, 100])
def test_a_word_is_found_wherever_reading_divides_it(tmp_path, monkeypatch, at_once):
    monkeypatch.setattr(takedown, "_READ_AT_ONCE", at_once)
    for place in range(12):
        file = tmp_path / "file"
        file.write_bytes(b"." * place + b"word" + b"." * (12 - place))
        assert takedown._has_any(file, [b"longer word", b"word"])
        assert not takedown._has_any(file, [b"words", b"wor."])
