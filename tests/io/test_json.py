"""All JSON of the package is strict: no NaN and no Infinity, whatever was computed."""

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import btfer_builder
from btfer_builder.cli.output import emit_json
from btfer_builder.io.json import json_text, write_json


def strict(text: str | bytes) -> object:
    """Read JSON like a parser that only accepts the standard."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda part: st.lists(part) | st.dictionaries(st.text(), part) | st.tuples(part, part),
)


@given(VALUES)
def test_any_value_becomes_strict_json(value):
    read = strict(json_text(value))
    if "NaN" not in json.dumps(value) and "Infinity" not in json.dumps(value):
        assert json_text(value) == json.dumps(value)
        assert read == json.loads(json.dumps(value))


def test_what_is_not_finite_is_null_and_nothing_else_changes(tmp_path, capsys):
    value = {"a": math.nan, "b": [1.5, math.inf, (-math.inf, "NaN")], "c": np.float64("nan"), "ü": 1}
    expected = {"a": None, "b": [1.5, None, [None, "NaN"]], "c": None, "ü": 1}
    assert strict(json_text(value, sort_keys=True)) == expected
    write_json(tmp_path / "x.json", value, ensure_ascii=False)
    assert strict((tmp_path / "x.json").read_bytes()) == expected
    emit_json(value)
    assert strict(capsys.readouterr().out) == expected


def test_there_is_one_way_to_write_json():
    root = Path(btfer_builder.__file__).parent
    writers = {
        path.relative_to(root).as_posix()
        for path in root.rglob("*.py")
        if re.search(
            r"\bjson\.dumps?\(|\.to_json\(|\bimport orjson|\btojson\b",
            re.sub(r"msgspec\.json", "", path.read_text()),
        )
    }
    assert writers == {"io/json.py"}


@pytest.mark.parametrize("name", ["tojson", "application/json"])
def test_no_page_has_json_in_it(name):
    root = Path(btfer_builder.__file__).parent
    assert not [path for path in root.rglob("*.j2") if name in path.read_text()]
