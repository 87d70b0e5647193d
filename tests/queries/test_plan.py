"""A plan is the part of the grid the recipe asks for, always in the same order."""

import re
import shutil
from typing import get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btfer_builder.config import Age, Ethnicity, Gender, QueriesRecipe
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS
from btfer_builder.queries import plan
from btfer_builder.queries.plan import default_vocabulary, languages_in, plan_queries

EVERY = plan_queries(default_vocabulary(), QueriesRecipe())


def some(words):
    return st.lists(st.sampled_from(words), max_size=2 * len(words)).map(tuple)  # any order, repeats too


@settings(deadline=None, max_examples=40)
@given(
    st.builds(
        QueriesRecipe,
        language=some(("en", "es")),
        emotion=some(EMOTIONS),
        ethnicity=some(get_args(Ethnicity)),
        gender=some(get_args(Gender)),
        age=some(get_args(Age)),
        no_minors=st.booleans(),
    )
)
def test_filters_take_a_subset_by_attribute_and_keep_the_order(recipe):
    ages = set(recipe.age) - ({"toddler", "child"} if recipe.no_minors else set())
    assert plan_queries(default_vocabulary(), recipe) == [
        q
        for q in EVERY
        if q.language in recipe.language
        and q.emotion in recipe.emotion
        and q.query_ethnicity in recipe.ethnicity
        and q.query_gender in recipe.gender
        and q.query_age in ages
    ]


def test_the_order_is_that_of_the_recipe_types():
    words = {
        lang: list(dict.fromkeys(q.expression for q in EVERY if q.language == lang)) for lang in ("en", "es")
    }
    places = [
        (
            ("en", "es").index(q.language),
            EMOTIONS.index(q.emotion),
            words[q.language].index(q.expression),
            ("white", "black", "asian", "latino", "indian").index(q.query_ethnicity),
            ("female", "male").index(q.query_gender),
            ("toddler", "child", "adult", "middle-aged", "elderly").index(q.query_age),
        )
        for q in EVERY
    ]
    assert places == sorted(places)
    assert len(EVERY) == 2100


def test_without_minors_no_child_is_searched_for():
    queries = plan_queries(default_vocabulary(), QueriesRecipe(no_minors=True))
    assert {q.query_age for q in queries} == {"adult", "middle-aged", "elderly"}
    words = {word for q in queries for word in q.query.split()}
    assert words & {"toddler", "girl", "boy", "niña", "niño", "pequeña", "pequeño"} == set()


def test_a_language_that_is_not_asked_needs_no_file(tmp_path):
    shutil.copy(default_vocabulary() / "es.yaml", tmp_path)
    assert len(plan_queries(tmp_path, QueriesRecipe(language=("es",)))) == 1050
    with pytest.raises(BtferError, match=r"no vocabulary en\.yaml, only es; `btfer init` writes it"):
        plan_queries(tmp_path, QueriesRecipe())


def test_a_language_is_a_file(tmp_path):
    text = (default_vocabulary() / "es.yaml").read_text(encoding="utf-8")
    for name in ("pt-BR.yaml", "es.yaml~", "es (copy).yaml", "README.yaml"):
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert languages_in(tmp_path) == ["pt-BR"]
    queries = plan_queries(tmp_path, QueriesRecipe(language=("pt-BR",)))
    assert (len(queries), {query.language for query in queries}) == (1050, {"pt-BR"})


@pytest.mark.parametrize("language", ["de", "EN", "", "../es", "es (copy)", "*"])
def test_a_language_without_a_file_is_refused_by_name(tmp_path, language):
    shutil.copy(default_vocabulary() / "es.yaml", tmp_path / "es (copy).yaml")
    shutil.copy(default_vocabulary() / "es.yaml", tmp_path)
    with pytest.raises(
        BtferError, match=rf"no vocabulary {re.escape(language)}\.yaml, only es; copy that of"
    ):
        plan_queries(tmp_path, QueriesRecipe(language=(language,)))


@pytest.mark.parametrize("twin", ["Crying", "cryíng", "'crying!'"])
def test_two_alike_phrases_are_refused_by_name_even_when_filtered_out(tmp_path, twin):
    text = (default_vocabulary() / "en.yaml").read_text(encoding="utf-8")
    (tmp_path / "en.yaml").write_text(text.replace("[fearful,", f"[{twin}, fearful,"), encoding="utf-8")
    with pytest.raises(BtferError) as caught:
        plan_queries(tmp_path, QueriesRecipe(language=("en",), emotion=("happy",)))
    message = str(caught.value)
    assert message.startswith(str(tmp_path / "en.yaml"))
    assert f"'white toddler girl {twin.strip(chr(39))}' (en, fear, " in message
    assert "'white toddler girl crying' (en, sad, 'crying', white, female, toddler)" in message


def test_a_phrase_alike_in_two_languages_names_both_files(tmp_path):
    for language in ("en", "es"):
        shutil.copy(default_vocabulary() / "en.yaml", tmp_path / f"{language}.yaml")
    with pytest.raises(BtferError, match=r"en\.yaml and .*es\.yaml: .* \(en, angry.* \(es, angry"):
        plan_queries(tmp_path, QueriesRecipe())


def test_the_shipped_vocabulary_is_found_in_a_checkout_and_in_an_installed_package(tmp_path, monkeypatch):
    assert {"en", "es"} <= set(languages_in(default_vocabulary()))
    module = tmp_path / "site-packages" / "btfer_builder" / "queries" / "plan.py"
    (module.parent / "defaults").mkdir(parents=True)
    monkeypatch.setattr(plan, "__file__", str(module))
    assert default_vocabulary() == module.parent / "defaults"
