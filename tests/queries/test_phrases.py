"""Phrases read as people type them, and a bad vocabulary is refused with its place."""

import re
from collections import Counter
from pathlib import Path
from typing import get_args

import msgspec
import pytest

from btfer_builder.config import Age, Ethnicity, Gender
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS
from btfer_builder.queries import phrases
from btfer_builder.queries.phrases import Query, folded, make_phrases, read_vocabulary
from btfer_builder.queries.plan import default_vocabulary, languages_in

SHIPPED = {
    language: make_phrases(read_vocabulary(default_vocabulary() / f"{language}.yaml"), language)
    for language in languages_in(default_vocabulary())
}
EVERY = [query for phrases_of_language in SHIPPED.values() for query in phrases_of_language]
MINIMAL = (default_vocabulary() / "en.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("phrase", "attributes"),
    [
        ("Indian boy smiling", "en happy indian male child"),
        ("elderly black woman crying", "en sad black female elderly"),
        ("middle-aged white man angry", "en angry white male middle-aged"),
        ("Latina woman surprised", "en surprise latino female adult"),
        ("Latino toddler boy scared", "en fear latino male toddler"),
        ("Asian toddler girl serious", "en neutral asian female toddler"),
        ("elderly Indian man disgusted", "en disgust indian male elderly"),
        ("mujer asiática triste", "es sad asian female adult"),
        ("niño de la India sonriendo", "es happy indian male child"),
        ("mujer mayor negra llorando", "es sad black female elderly"),
        ("hombre blanco de mediana edad enfadado", "es angry white male middle-aged"),
        ("mujer latina de mediana edad asustada", "es fear latino female middle-aged"),
        ("niña pequeña blanca con cara de asco", "es disgust white female toddler"),
        ("hombre mayor asiático con expresión neutra", "es neutral asian male elderly"),
        ("niño pequeño negro asombrado", "es surprise black male toddler"),
        ("mujer mayor de la India seria", "es neutral indian female elderly"),
        ("homem idoso negro chorando", "pt sad black male elderly"),
        ("mulher da Índia com cara de nojo", "pt disgust indian female adult"),
        ("homme noir d'âge moyen en colère", "fr angry black male middle-aged"),
        ("toute petite fille asiatique souriante", "fr happy asian female toddler"),
    ],
)
def test_a_known_phrase_is_made_once_with_its_attributes(phrase, attributes):
    same = [query for query in EVERY if query.query == phrase]
    assert [f"{q.language} {q.emotion} {q.query_ethnicity} {q.query_gender} {q.query_age}" for q in same] == [
        attributes
    ]


@pytest.mark.parametrize("language", SHIPPED)
@pytest.mark.parametrize("emotion", EMOTIONS)
def test_every_cell_of_the_grid_is_asked_equally_often(language, emotion):
    cells = Counter(
        (q.query_ethnicity, q.query_gender, q.query_age) for q in SHIPPED[language] if q.emotion == emotion
    )
    assert len(cells) == len(get_args(Ethnicity)) * len(get_args(Gender)) * len(get_args(Age))
    # as many words for each emotion in each language: a crawl is balanced to its end
    assert set(cells.values()) == {3}


@pytest.mark.parametrize(
    ("emotion", "words"),
    [
        ("happy", "happy smiling laughing"),
        ("sad", "sad crying sorrowful"),
        ("fear", "fearful scared screaming"),
        ("neutral", "neutral serious"),
        ("angry", "angry"),
        ("surprise", "surprised amazed"),
        ("disgust", "disgusted"),
    ],
)
def test_the_words_of_the_paper_are_searched_for(emotion, words):
    searched = " ".join({q.expression for q in SHIPPED["en"] if q.emotion == emotion}).split()
    assert set(words.split()) <= set(searched)


def test_words_that_offend_or_mean_something_else_are_not_searched_for():
    words = {word for query in EVERY for word in query.query.lower().split()}
    assert words & {"indio", "india", "anciano", "anciana", "mad", "índio"} == {"india"}
    assert all("de la india" in q.query.lower() for q in EVERY if "india" in q.query.lower().split())


@pytest.mark.parametrize(
    ("phrase", "fewer"),
    [
        ("Asian woman crying", ()),
        ("white toddler boy scared", ("white boy scared",)),
        ("elderly black woman with a neutral expression",
         ("black woman with a neutral expression", "black woman neutral")),
        ("mujer mayor negra con cara de asco", ("mujer negra con cara de asco", "mujer negra asco")),
        ("garçon noir en pleurs", ("garçon noir pleurs",)),
    ],
)  # fmt: skip
def test_fewer_words_leave_out_the_age_first_then_what_surrounds_the_expression(phrase, fewer):
    (query,) = (query for query in EVERY if query.query == phrase)
    assert query.fewer == fewer


def test_a_phrase_with_fewer_words_never_makes_a_child_of_an_adult_or_back():
    minors = {"girl", "boy", "niña", "niño", "fille", "garçon", "menina", "menino"}
    for query in EVERY:
        minor = query.query_age in {"toddler", "child"}
        assert all(bool(set(phrase.split()) & minors) == minor for phrase in query.fewer)


def test_no_two_phrases_are_one_search():
    assert [phrase for phrase, n in Counter(folded(q.query) for q in EVERY).items() if n > 1] == []


def disagreeing(phrase: str) -> list[str]:
    """Words of a Spanish phrase of another gender than its noun; what never changes is left out."""
    noun, *rest = re.sub(r" de mediana edad| de la India| con .*| haciendo .*| \w+ndo$", "", phrase).split()
    wrong = {"mujer": "o", "niña": "o", "hombre": "a", "niño": "a"}[noun]
    return [word for word in rest if word.endswith(wrong)]


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("mujer blanco de mediana edad triste", ["blanco"]),
        ("niño pequeña india asustada", ["pequeña", "india", "asustada"]),
        ("mujer mayor negra asustado", ["asustado"]),
        ("hombre latino con expresión neutra", []),
        ("mujer india llorando", []),
    ],
)
def test_the_rule_of_agreement_sees_a_wrong_ending(phrase, words):
    assert disagreeing(phrase) == words


def test_spanish_words_agree_with_their_noun():
    assert {q.query: disagreeing(q.query) for q in SHIPPED["es"] if disagreeing(q.query)} == {}


@pytest.mark.parametrize(
    ("language", "nouns"),
    [
        ("en", {"female": {"girl", "woman"}, "male": {"boy", "man"}}),
        ("es", {"female": {"niña", "mujer"}, "male": {"niño", "hombre"}}),
        ("pt", {"female": {"menina", "mulher"}, "male": {"menino", "homem"}}),
        ("fr", {"female": {"fille", "femme"}, "male": {"garçon", "homme"}}),
    ],
)
def test_the_noun_is_of_the_gender_searched_for(language, nouns):
    every = nouns["female"] | nouns["male"]
    wrong = [
        q.query
        for q in SHIPPED[language]
        if len(nouns_found := every & set(q.query.split())) != 1 or not nouns_found <= nouns[q.query_gender]
    ]
    assert wrong == []


def test_the_expression_is_one_word_for_both_genders():
    words = {q.query_gender: {p.expression for p in EVERY if p.query_gender == q.query_gender} for q in EVERY}
    assert words["female"] == words["male"]
    assert "enfadado" in words["female"]
    assert "enfadada" not in words["female"]


def test_the_public_form_has_six_keys_in_order():
    query = Query("mujer asiática triste", "es", "sad", "asian", "female", "adult", "triste")
    assert list(query.to_dict().items()) == [
        ("query", "mujer asiática triste"),
        ("language", "es"),
        ("emotion", "sad"),
        ("query_ethnicity", "asian"),
        ("query_gender", "female"),
        ("query_age", "adult"),
    ]


@pytest.mark.parametrize("phrase", ["niña ASIÁTICA  feliz", "nina asiatica feliz", "Niña, asiática: feliz!"])
def test_folding_takes_away_what_search_engines_ignore(phrase):
    assert folded(phrase) == "nina asiatica feliz"


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (phrases.People, get_args(Age)),
        (phrases.Ethnicities, get_args(Ethnicity)),
        (phrases.Expressions, EMOTIONS),
    ],
)
def test_the_tables_have_the_keys_of_the_recipe(table, words):
    assert tuple(field.encode_name for field in msgspec.structs.fields(table)) == words


def test_an_added_synonym_is_searched_in_its_place_and_form(tmp_path):
    text = MINIMAL.replace("[sad, crying,", "[sad, {female: her  tears, male: his tears}, crying,")
    made = make_phrases(read_vocabulary(written(tmp_path, text)), "en")
    sad = [q for q in made if q.emotion == "sad"]
    assert list(dict.fromkeys(q.expression for q in sad)) == ["sad", "his tears", "crying", "sorrowful"]
    assert {"Asian woman her tears", "Asian man his tears"} <= {q.query for q in sad}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("phrase:", "phrase: [", "line 1[0-9]: not valid YAML"),
        ("phrase:", "\x07phrase:", "not valid YAML: .*special characters"),
        ("phrase:", "sentence: x\nphrase:", "unknown field `sentence"),
        ("{person} {expression}", "{person}", r"Expected \{person\} and \{expression\} exactly once"),
        ("{ethnicity} girl", "girl", r"people.child: Expected \{ethnicity\} exactly once .* 'girl'"),
        ("{ethnicity} man", "{ethnicity} {age} man", r"people.adult: .* no other braces"),
        ("  middle-aged:", "  middle_aged:", r"people: .*(unknown|missing).*middle.aged"),
        (", male: Latino}", "}", "ethnicities.latino: .*missing required field `male`"),
        ("male: Latino}", "male: Latino, plural: Latinos}", "ethnicities.latino: .*unknown field `plural`"),
        ("  indian: Indian\n", "", "ethnicities: .*missing required field `indian`"),
        ("  fear: [fearful, scared, screaming]\n", "", "expressions: .*missing required field `fear`"),
        ("[fearful, scared, screaming]", "[]", "expressions.fear: .*length >= 1"),
        ("[sad, crying,", '[sad, "",', r"expressions.sad\[1\]: .*length >= 1"),
        ("[sad, crying,", "[sad, no,", r"expressions.sad\[1\]: Expected .*`str.*got `bool`"),
        (
            "  sad: [",
            "  happy: [glad]\n  sad: [",
            "line .*: not valid YAML: the key 'happy' is repeated",
        ),
    ],
)
def test_a_bad_vocabulary_is_refused_with_file_and_place(tmp_path, old, new, message):
    path = written(tmp_path, MINIMAL[MINIMAL.index("phrase: ") :].replace(old, new, 1))
    path.write_text("# a comment\n" * 9 + path.read_text(encoding="utf-8"), encoding="utf-8")
    with pytest.raises(BtferError, match=message) as caught:
        read_vocabulary(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"- a list", b"phrase: \xff", b"phrase: 2024-99-99"])
def test_what_is_no_vocabulary_at_all_is_refused(tmp_path, content):
    path = tmp_path / "en.yaml"
    path.write_bytes(content)
    with pytest.raises(BtferError, match=re.escape(str(path))):
        read_vocabulary(path)


def test_a_folder_is_no_vocabulary(tmp_path):
    with pytest.raises(BtferError, match="cannot be read"):
        read_vocabulary(tmp_path)


def written(folder: Path, text: str) -> Path:
    path = folder / "en.yaml"
    path.write_text(text, encoding="utf-8")
    return path
