"""The search phrases that the settings select, in a fixed order."""

from collections.abc import Iterable
from pathlib import Path
from typing import get_args

from btfer_builder.config import Age, Language, QueriesRecipe
from btfer_builder.errors import BtferError
from btfer_builder.queries.phrases import Query, folded, make_phrases, read_vocabulary

#: The age groups that `no_minors` excludes.
MINORS: tuple[Age, ...] = ("toddler", "child")


def plan_queries(vocabulary_dir: Path, recipe: QueriesRecipe) -> list[Query]:
    """Return the search phrases that the settings select.

    Parameters
    ----------
    vocabulary_dir : Path
        The folder with `<language>.yaml` for each selected language; other languages are not read.
    recipe : QueriesRecipe
        The selected languages, emotions, ethnicities, genders and age groups; `no_minors` excludes `MINORS`.

    Returns
    -------
    list of Query
        Ordered by language, emotion, expression (as in the vocabulary), ethnicity, gender and age, each in
        the order of its type in `config.collection`; may be empty.

    Raises
    ------
    BtferError
        If a vocabulary is missing or invalid, or two phrases, selected or not, are the same search.
    """
    languages = [language for language in get_args(Language) if language in recipe.language]
    queries = [
        query
        for language in languages
        for query in make_phrases(read_vocabulary(vocabulary_dir / f"{language}.yaml"), language)
    ]
    _refuse_duplicates(queries, vocabulary_dir)
    return [query for query in queries if _is_selected(query, recipe)]


def default_vocabulary() -> Path:
    """Return the folder of the shipped vocabulary files, in an installed package or a source checkout."""
    here = Path(__file__).resolve().parent
    installed = here / "defaults"  # pyproject.toml puts the repository's queries/ there when a wheel is built
    return installed if installed.is_dir() else here.parents[1] / "queries"


def _is_selected(query: Query, recipe: QueriesRecipe) -> bool:
    return (
        query.emotion in recipe.emotion
        and query.query_ethnicity in recipe.ethnicity
        and query.query_gender in recipe.gender
        and query.query_age in recipe.age
        and not (recipe.no_minors and query.query_age in MINORS)
    )


def _refuse_duplicates(queries: Iterable[Query], folder: Path) -> None:
    """Raise an error for two phrases that are the same search: its images would get two sets of attributes."""
    first: dict[str, Query] = {}
    for query in queries:
        earlier = first.setdefault(folded(query.query), query)
        if earlier is not query:
            files = " and ".join(dict.fromkeys(f"{folder / each.language}.yaml" for each in (earlier, query)))
            raise BtferError(
                f"{files}: {_described(earlier)} and {_described(query)} are the same search; change one"
            )


def _described(query: Query) -> str:
    cell = f"{query.query_ethnicity}, {query.query_gender}, {query.query_age}"
    return f"{query.query!r} ({query.language}, {query.emotion}, {query.expression!r}, {cell})"
