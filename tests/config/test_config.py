"""The recipe: defaults stated, values checked, one source for file, flags and library."""

import inspect

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfer_builder import config as recipe
from btfer_builder.config import CropRecipe, Recipe, Section, load_recipe, override, recipe_text, settings_of
from btfer_builder.errors import BtferError
from docs.make_settings import FILE, PAGE, recipe_page

SECTIONS = [kind for _, kind in inspect.getmembers(recipe, inspect.isclass) if issubclass(kind, Section)]


def test_the_recipe_that_init_writes_states_exactly_the_defaults(tmp_path):
    (tmp_path / "btfer.toml").write_text(recipe_text(), encoding="utf-8")
    assert load_recipe(tmp_path / "btfer.toml") == Recipe()
    for section in msgspec.structs.fields(Recipe):
        for setting in settings_of(type(section.default)):
            assert f"\n{setting.name} = " in recipe_text()


def test_an_empty_recipe_is_the_default_one(tmp_path):
    (tmp_path / "btfer.toml").write_text("")
    assert load_recipe(tmp_path / "btfer.toml") == Recipe()


@pytest.mark.parametrize(
    "section", [kind for kind in SECTIONS if kind is not Section], ids=lambda kind: kind.__name__
)
def test_every_setting_has_a_meaning(section):
    assert [setting.name for setting in settings_of(section) if not setting.help] == []


def test_the_paper_s_numbers_are_the_defaults():
    paper = Recipe()
    assert (paper.crop.size, paper.crop.margin) == (256, 20)  # §2, stage 3
    assert paper.sample.per_class == 300  # §2, stage 4


@given(st.integers())
def test_a_size_is_taken_or_refused_but_never_bent(size):
    if 16 <= size <= 2048:
        assert override(CropRecipe(), size=size).size == size
    else:
        with pytest.raises(msgspec.ValidationError):
            override(CropRecipe(), size=size)


def test_none_leaves_a_setting_as_it_is():
    assert override(CropRecipe(size=128), size=None, margin=4) == CropRecipe(size=128, margin=4)


def test_a_file_that_is_no_text_is_said(tmp_path):
    (tmp_path / "btfer.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(BtferError, match=r"btfer\.toml"):
        load_recipe(tmp_path / "btfer.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[queries]\nemotion = []", "queries.emotion: name at least one; choose from angry, disgust, fear"),
        ("[queries]\nlanguage = []", "queries.language: name at least one$"),
        ("[crawl]\nengine = []", "crawl.engine: name at least one; choose from baidu, bing, flickr"),
    ],
)
def test_a_list_that_needs_a_value_names_the_choices(tmp_path, text, said):
    (tmp_path / "btfer.toml").write_text(text)
    with pytest.raises(BtferError, match=said):
        load_recipe(tmp_path / "btfer.toml")


def test_the_recipe_of_this_repository_states_every_setting():
    """Its root is a workspace; a new setting or meaning is written there with: make docs."""
    assert FILE.read_text(encoding="utf-8") == recipe.recipe_text()
    assert PAGE.read_text(encoding="utf-8") == recipe_page()
