"""One language's vocabulary, and every search phrase that can be made of it."""

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, get_args

import msgspec
import yaml
from msgspec import Meta

from btfer_builder.config import Age, Ethnicity, Gender, Language, explain
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS, Emotion


@dataclass(frozen=True, slots=True)
class Query:
    """One search phrase; its attributes say what was searched for, never who a person is.

    `expression` is the word as its vocabulary writes it (of two forms the male one, as in dictionaries).
    """

    query: str
    language: Language
    emotion: Emotion
    query_ethnicity: Ethnicity
    query_gender: Gender
    query_age: Age
    expression: str

    def to_dict(self) -> dict[str, str]:
        """Return the public form: the phrase, its language and emotion, and its three query attributes."""
        return {
            "query": self.query,
            "language": self.language,
            "emotion": self.emotion,
            "query_ethnicity": self.query_ethnicity,
            "query_gender": self.query_gender,
            "query_age": self.query_age,
        }


Text = Annotated[str, Meta(min_length=1)]


# Tables are Structs with their keys spelled out, and not dicts, so that an error can name the very place.
class Forms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A word that differs by gender."""

    female: Text
    male: Text


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How a person of one age is called, with `{ethnicity}` where that word goes."""

    female: str
    male: str

    def __post_init__(self) -> None:
        _expect_placeholders(self.female, "{ethnicity}")
        _expect_placeholders(self.male, "{ethnicity}")


Word = Text | Forms
Words = Annotated[tuple[Word, ...], Meta(min_length=1)]


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """A person of each age."""

    toddler: Person
    child: Person
    adult: Person
    middle_aged: Person
    elderly: Person


class Ethnicities(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The word for each ethnicity."""

    white: Word
    black: Word
    asian: Word
    latino: Word
    indian: Word


class Expressions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The words searched for each emotion."""

    angry: Words
    disgust: Words
    fear: Words
    happy: Words
    neutral: Words
    sad: Words
    surprise: Words


class Vocabulary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All words of one language and the order they are put in."""

    phrase: str
    people: People
    ethnicities: Ethnicities
    expressions: Expressions

    def __post_init__(self) -> None:
        _expect_placeholders(self.phrase, "{person}", "{expression}")


def read_vocabulary(path: Path) -> Vocabulary:
    """Read and check the vocabulary file of one language.

    Raises
    ------
    BtferError
        If the file is missing, is no YAML, lacks a word or has an unknown key; the text says where.
    """
    try:
        text = path.read_text(encoding="utf-8")
        vocabulary = msgspec.convert(yaml.safe_load(text), Vocabulary)
        _refuse_repeated_keys(yaml.compose(text, yaml.SafeLoader))
    except FileNotFoundError:
        raise BtferError(f"{path}: no such vocabulary; `btfer init` writes it") from None
    except OSError as error:
        raise BtferError(f"{path}: cannot be read: {error.strerror}") from None
    except msgspec.ValidationError as error:
        raise BtferError(f"{path}: {explain(error)}") from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise BtferError(f"{path}: {line}not valid YAML: {error.problem}") from None
    except (
        yaml.YAMLError,
        ValueError,
    ) as error:  # a forbidden character, bytes that are no UTF-8, a false date
        reason = " ".join(str(error).split())
        raise BtferError(f"{path}: not valid YAML: {reason}") from None
    return vocabulary


def make_phrases(vocabulary: Vocabulary, language: Language) -> list[Query]:
    """Make every phrase of the grid expression × ethnicity × gender × age (§2, stage 1).

    Parameters
    ----------
    vocabulary : Vocabulary
        The words of the language.
    language : {"en", "es"}
        The language the queries are marked with.

    Returns
    -------
    list of Query
        Ordered by emotion, expression (as in the vocabulary), ethnicity, gender and age: 50 an expression.
        Whether two of them are alike is not checked here.
    """
    words = ((emotion, word) for emotion in EMOTIONS for word in getattr(vocabulary.expressions, emotion))
    grid = product(words, get_args(Ethnicity), get_args(Gender), get_args(Age))
    return [
        Query(
            query=_phrase(vocabulary, word, ethnicity, gender, age),
            language=language,
            emotion=emotion,
            query_ethnicity=ethnicity,
            query_gender=gender,
            query_age=age,
            expression=_form(word, "male"),
        )
        for (emotion, word), ethnicity, gender, age in grid
    ]


def folded(phrase: str) -> str:
    """Return the phrase as a search engine sees it: without capitals, accents and punctuation."""
    letters = unicodedata.normalize("NFKD", phrase.casefold())
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(re.findall(r"\w+", bare))


def _phrase(vocabulary: Vocabulary, word: Word, ethnicity: Ethnicity, gender: Gender, age: Age) -> str:
    people: Person = getattr(vocabulary.people, age.replace("-", "_"))
    person = getattr(people, gender).replace(
        "{ethnicity}", _form(getattr(vocabulary.ethnicities, ethnicity), gender)
    )
    phrase = vocabulary.phrase.replace("{person}", person).replace("{expression}", _form(word, gender))
    return " ".join(phrase.split())


def _form(word: Word, gender: Gender) -> str:
    if isinstance(word, str):
        return word
    return word.female if gender == "female" else word.male


def _expect_placeholders(pattern: str, *names: str) -> None:
    """Raise ValueError, to which msgspec adds the place, unless each name stands there once."""
    if sorted(re.findall(r"\{.*?\}", pattern)) != sorted(names):
        raise ValueError(f"Expected {' and '.join(names)} exactly once and no other braces in {pattern!r}")


def _refuse_repeated_keys(node: yaml.Node | None) -> None:
    """Raise a YAML error for a key written twice: PyYAML would silently forget the first one."""
    for table in _tables(node):
        seen: set[str] = set()
        for key, _ in table.value:
            if key.value in seen:
                problem = f"the key {key.value!r} is written twice"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)


def _tables(node: yaml.Node | None) -> Iterator[yaml.MappingNode]:
    if isinstance(node, yaml.MappingNode):
        yield node
        for _, value in node.value:
            yield from _tables(value)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            yield from _tables(item)
