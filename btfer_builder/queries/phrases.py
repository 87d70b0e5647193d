"""The vocabulary of a language, and all search phrases made of it."""

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

from btfer_builder.config import Age, Ethnicity, Gender, explain
from btfer_builder.errors import BtferError
from btfer_builder.io.limits import check_depth, read_text, too_deep
from btfer_builder.labels import EMOTIONS, Emotion


@dataclass(frozen=True, slots=True)
class Query:
    """A search phrase. Its attributes describe what was searched for, never who a person is.

    `expression` is the word in its vocabulary (the male form of two, as in dictionaries). `fewer` are phrases with
    fewer words, for an engine that finds only what has all of them.
    """

    query: str
    language: str
    emotion: Emotion
    query_ethnicity: Ethnicity
    query_gender: Gender
    query_age: Age
    expression: str
    fewer: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, str]:
        """Return the public fields: phrase, language, emotion and the three query attributes."""
        return {
            "query": self.query,
            "language": self.language,
            "emotion": self.emotion,
            "query_ethnicity": self.query_ethnicity,
            "query_gender": self.query_gender,
            "query_age": self.query_age,
        }


Text = Annotated[str, Meta(min_length=1)]


# Tables are Structs with explicit keys instead of dicts, so that an error names the exact place.
class Forms(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A word that differs by gender."""

    female: Text
    male: Text


class Person(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Words for a person of one age, with the placeholder `{ethnicity}`."""

    female: str
    male: str

    def __post_init__(self) -> None:
        _expect_placeholders(self.female, "{ethnicity}")
        _expect_placeholders(self.male, "{ethnicity}")


Word = Text | Forms
Words = Annotated[tuple[Word, ...], Meta(min_length=1)]


class People(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Words for a person of each age."""

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
    """The search words for each emotion."""

    angry: Words
    disgust: Words
    fear: Words
    happy: Words
    neutral: Words
    sad: Words
    surprise: Words


class Vocabulary(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """All words of one language, and the pattern of its phrases."""

    phrase: str
    people: People
    ethnicities: Ethnicities
    expressions: Expressions
    shorter: dict[Text, Text] = {}

    def __post_init__(self) -> None:
        _expect_placeholders(self.phrase, "{person}", "{expression}")


class _PlainLoader(yaml.SafeLoader):
    """Reads YAML without aliases, with which a small file can stand for gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            problem = "aliases are not read; write the words out"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def read_vocabulary(path: Path) -> Vocabulary:
    """Read and check the vocabulary file of one language.

    Raises
    ------
    BtferError
        If the file is missing or not valid YAML, lacks a word or has an unknown key; the message names the place.
    """
    try:
        text = read_text(path)
        words = yaml.load(text, _PlainLoader)  # noqa: S506 - a SafeLoader
        check_depth(words)
        vocabulary = msgspec.convert(words, Vocabulary)
        _refuse_repeated_keys(yaml.compose(text, _PlainLoader))
    except FileNotFoundError:
        raise BtferError(f"{path}: no such vocabulary; `btfer init` writes it") from None
    except OSError as error:
        raise BtferError(f"{path}: cannot be read: {error.strerror}") from None
    except msgspec.ValidationError as error:
        raise BtferError(f"{path}: {explain(error)}") from None
    except yaml.MarkedYAMLError as error:
        line = f"line {error.problem_mark.line + 1}: " if error.problem_mark else ""
        raise BtferError(f"{path}: {line}not valid YAML: {error.problem}") from None
    except RecursionError:
        raise BtferError(f"{path}: not valid YAML: {too_deep()}") from None
    except (yaml.YAMLError, ValueError) as error:  # a forbidden character, invalid UTF-8, an invalid date
        reason = " ".join(str(error).split())
        raise BtferError(f"{path}: not valid YAML: {reason}") from None
    return vocabulary


def make_phrases(vocabulary: Vocabulary, language: str) -> list[Query]:
    """Make every phrase of the grid expression × ethnicity × gender × age (§2, stage 1).

    Parameters
    ----------
    vocabulary : Vocabulary
        The words of the language.
    language : str
        The language tag of the queries, as `pt`.

    Returns
    -------
    list of Query
        Ordered by emotion, expression (as in the vocabulary), ethnicity, gender and age; 50 per expression.
        Duplicates are not checked here.
    """
    words = ((emotion, word) for emotion in EMOTIONS for word in getattr(vocabulary.expressions, emotion))
    grid = product(words, get_args(Ethnicity), get_args(Gender), get_args(Age))
    return [
        Query(
            query=(phrase := _phrase(vocabulary, word, ethnicity, gender, age)),
            language=language,
            emotion=emotion,
            query_ethnicity=ethnicity,
            query_gender=gender,
            query_age=age,
            expression=_form(word, "male"),
            fewer=_fewer_words(vocabulary, word, ethnicity, gender, age, phrase),
        )
        for (emotion, word), ethnicity, gender, age in grid
    ]


def folded(phrase: str) -> str:
    """Return the phrase in lower case and without accents and punctuation, as search engines compare it."""
    letters = unicodedata.normalize("NFKD", phrase.casefold())
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return " ".join(re.findall(r"\w+", bare))


#: The age whose words for a person say nothing about the age, or less.
_WITHOUT_AGE: dict[Age, Age] = {"toddler": "child", "middle-aged": "adult", "elderly": "adult"}


def _fewer_words(
    vocabulary: Vocabulary, word: Word, ethnicity: Ethnicity, gender: Gender, age: Age, phrase: str
) -> tuple[str, ...]:
    """Return the phrase without the words for the age, then also with the shorter form of its expression."""
    ageless = _WITHOUT_AGE.get(age, age)
    form = _form(word, gender)
    steps = (form, vocabulary.shorter.get(form, form))
    phrases = (_phrase(vocabulary, step, ethnicity, gender, ageless) for step in steps)
    return tuple(dict.fromkeys(step for step in phrases if step != phrase))


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
    """Raise ValueError, to which msgspec adds the place, unless each name occurs exactly once."""
    if sorted(re.findall(r"\{.*?\}", pattern)) != sorted(names):
        raise ValueError(f"Expected {' and '.join(names)} exactly once and no other braces in {pattern!r}")


def _refuse_repeated_keys(node: yaml.Node | None) -> None:
    """Raise a YAML error for a repeated key; PyYAML would silently drop the first one."""
    for table in _tables(node):
        seen: set[str] = set()
        for key, _ in table.value:
            if key.value in seen:
                problem = f"the key {key.value!r} is repeated"
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
