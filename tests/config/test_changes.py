"""When settings count as others than before: properties over every stage's recipe."""

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfer_builder.config import (
    CropRecipe,
    DedupeRecipe,
    ReviewRecipe,
    SampleRecipe,
    changes,
    outcome_settings,
    override,
)
from btfer_builder.config.base import toml_value

RECIPES = st.sampled_from([CropRecipe, DedupeRecipe, ReviewRecipe, SampleRecipe])

#: What 0.1.0 stored of `btfer crop`, letter by letter.
CROPPED_BY_0_1_0 = (
    '{"align": false, "blur_others": false, "detector": "mtcnn", "faces": "largest", "fit": "square", "margin": 20, '
    '"margin_unit": "output", "max_pixels": 100000000, "max_upscale": 0.0, "min_confidence": 0.95, '
    '"min_face_size": 40, "scheduler": null, "size": 256, "workers": null}'
)


def others(value):
    """Return values of the same kind that are not this one."""
    if isinstance(value, bool):
        return st.just(not value)
    if isinstance(value, int | float):
        return st.integers(0, 10**6).filter(lambda other: other != value)
    if isinstance(value, str):
        return st.text(max_size=8).filter(lambda other: other != value)
    if isinstance(value, dict):
        return st.just(value | {"other": 1})
    return st.just([*value, "other"])


@given(RECIPES, st.data())
def test_what_was_stored_is_the_same_setting_whatever_was_added_since(section, data):
    recipe = section()
    stored = outcome_settings(recipe)
    added_since = data.draw(st.sets(st.sampled_from(sorted(stored))))
    order = data.draw(st.permutations(sorted(stored.keys() - added_since)))
    earlier = {name: stored[name] for name in order}
    gone_since = data.draw(st.dictionaries(st.text("abc_", min_size=20), st.integers(), max_size=2))
    assert changes(json.loads(json.dumps(earlier | gone_since)), recipe) == []


@given(RECIPES, st.data())
def test_each_other_value_is_found_with_both_values(section, data):
    recipe = section()
    stored = outcome_settings(recipe)
    names = data.draw(st.sets(st.sampled_from(sorted(stored))))
    before = stored | {name: data.draw(others(stored[name])) for name in sorted(names)}
    found = changes(json.loads(json.dumps(before)), recipe)
    assert {change.name for change in found} == names
    assert all((change.before, change.now) == (before[change.name], stored[change.name]) for change in found)


@given(RECIPES, st.integers(0, 1024), st.text(max_size=20))
def test_how_a_stage_works_is_no_other_setting(section, workers, scheduler):
    assert changes({"workers": workers, "scheduler": scheduler}, section()) == []


def test_crops_of_the_first_version_are_not_made_again():
    stored = json.loads(CROPPED_BY_0_1_0)
    assert changes(stored, CropRecipe(workers=7)) == []
    assert [str(change) for change in changes(stored, CropRecipe(margin=24))] == ["margin 20 → 24"]
    assert changes(stored | {"max_upscale": 0}, CropRecipe()) == []  # 0 and 0.0


def test_crops_are_not_made_again_because_the_search_begins_elsewhere_now():
    assert changes(json.loads(CROPPED_BY_0_1_0), CropRecipe(search="fast", device="cuda")) == []
    stored = outcome_settings(CropRecipe())
    assert "device" not in stored
    (change,) = changes(stored, CropRecipe(search="full"))
    assert str(change) == 'search "safe" → "full"'


@pytest.mark.parametrize(
    "settings",
    [{"blur_others": True}, {"faces": "single"}, {"detector": "mtcnn-reference"}, {"already_cropped": True}],
)
def test_sizes_are_no_other_setting_where_all_are_searched(settings):
    recipe = CropRecipe(search="fast", **settings)
    assert recipe.smallest_searched == 0
    assert changes(outcome_settings(recipe), override(recipe, search="full")) == []


def test_the_smallest_size_follows_from_the_smallest_face():
    sizes = {
        name: CropRecipe(min_face_size=40, search=name).smallest_searched for name in ("full", "safe", "fast")
    }
    assert sizes == pytest.approx({"full": 0, "safe": 28.28, "fast": 40}, abs=0.01)


def test_before_the_first_time_nothing_was_another_setting():
    assert changes(None, CropRecipe(margin=24)) == []


@pytest.mark.parametrize(
    "recipe",
    [
        SampleRecipe(splits={"train": 2, "test": 1}, license=("cc0", "by"), stratify=("query_age",)),
        ReviewRecipe(reviewer='Ana "the \\ first"', agreement=0.6, blind=True),
        CropRecipe(max_upscale=2.5),
    ],
)
def test_settings_as_they_are_printed_are_read_back(recipe):
    import tomllib

    lines = [f"{name} = {toml_value(value)}" for name, value in outcome_settings(recipe).items()]
    read = override(type(recipe)(), **tomllib.loads("\n".join(lines)))
    assert msgspec.to_builtins(read) == msgspec.to_builtins(recipe)


TEXT = st.text(st.characters(codec="utf-8"), max_size=5)


@given(st.dictionaries(TEXT, TEXT))
def test_any_text_is_printed_as_valid_toml(table):
    import tomllib

    assert tomllib.loads(f"table = {toml_value(table)}") == {"table": table}
