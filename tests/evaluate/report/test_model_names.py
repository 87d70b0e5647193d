"""Names and folders of models: none is another's, whatever they are called."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfer_builder.evaluate.report.model_names import (
    COMPARISON,
    distinct_names,
    identity,
    place_of,
    report_folder,
)

parts = st.lists(st.sampled_from(["a", "b", "m.keras"]), min_size=1, max_size=4)


def own(folder: Path, model) -> Path:
    """Write what tells whose report this is."""
    (folder / "metrics.json").write_text(json.dumps({"model_path": identity(model)}))
    return folder


def test_names_are_as_long_as_it_takes():
    places = [Path(name) for name in ("/x/a/m.keras", "/y/a/m.keras", "/x/b/m.keras", "/x/a/n.keras")]
    assert distinct_names(places) == ["x/a/m.keras", "y/a/m.keras", "b/m.keras", "n.keras"]
    assert distinct_names([Path("m"), Path("/a/m")]) == ["m", "a/m"]
    assert distinct_names([Path("/a/m.keras")] * 2) == ["m.keras"] * 2
    assert distinct_names([Path("package.module:function")]) == ["package.module:function"]


@given(st.lists(parts, max_size=5))
def test_different_files_have_different_names(paths):
    places = [Path("/", *path) for path in paths]
    assert len(set(distinct_names(places))) == len(set(places))


@pytest.mark.parametrize("name", ["a\nb.keras", "\x1b[31m.keras", "\udcff.keras", "\u202ea.keras"])
def test_names_are_a_line_of_text(name):
    (shown,) = distinct_names([Path("/models") / name])
    assert shown.isprintable()
    assert "\\" in shown
    assert distinct_names([Path(shown)]) == [shown], "what is escaped stays as it is"


def test_a_report_of_another_model_of_that_name_is_never_overwritten(tmp_path, brightness_model):
    models = [replace(brightness_model, path=tmp_path / place / "m.keras") for place in "abc"]
    folders = [own(report_folder(tmp_path / "out", model), model) for model in models]
    assert folders[0].name == "m"
    assert len(set(folders)) == 3
    assert [report_folder(tmp_path / "out", model) for model in models[::-1]] == folders[::-1]
    assert [str(place_of(model)) for model in models] == [str(tmp_path / p / "m.keras") for p in "abc"]
    # Somebody's report that cannot be read is left alone, too.
    (tmp_path / "out" / "m" / "metrics.json").write_text("{")
    assert report_folder(tmp_path / "out", models[0]).name.startswith("m-")


@pytest.mark.parametrize("name", ["comparison.keras", "Comparison.onnx", "comparison", "...keras", "..keras"])
def test_folders_that_are_not_to_be_had(tmp_path, brightness_model, name):
    out = tmp_path / "out"
    folder = report_folder(out, replace(brightness_model, path=tmp_path / name))
    assert folder.parent == out
    assert folder.resolve().parent == out.resolve(), "not the folder itself nor the one above"
    assert folder.name.casefold() != COMPARISON
    assert folder.is_dir()


def test_a_name_that_digits_would_make_too_long(tmp_path, brightness_model):
    models = [replace(brightness_model, path=tmp_path / p / ("é" * 120 + ".keras")) for p in "ab"]
    folders = [own(report_folder(tmp_path / "out", model), model) for model in models]
    assert len(set(folders)) == 2
