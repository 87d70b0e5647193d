"""The search phrases of a recipe: read, checked for duplicates, filtered, in a fixed order."""

import re
from collections import Counter, deque
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path

from btfer_builder.config import Age, QueriesRecipe
from btfer_builder.errors import BtferError
from btfer_builder.queries.phrases import Query, folded, make_phrases, read_vocabulary

#: Ages that `no_minors` excludes.
MINORS: tuple[Age, ...] = ("toddler", "child")

#: A language tag (BCP 47), as `pt` or `pt-BR`; it is also sent as `Accept-Language`.
_TAG = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")


def plan_queries(vocabulary_dir: Path, recipe: QueriesRecipe) -> list[Query]:
    """Return the search phrases of a recipe.

    Parameters
    ----------
    vocabulary_dir : Path
        Folder with `<language>.yaml` for each language of the recipe; other files are not read.
    recipe : QueriesRecipe
        Languages, emotions, ethnicities, genders and ages; `no_minors` excludes `MINORS`.

    Returns
    -------
    list of Query
        Ordered by language (alphabetically), emotion, expression (as in the vocabulary), ethnicity, gender and
        age, each in the order of its type in `config`, not in that of the recipe; may be empty.

    Raises
    ------
    BtferError
        If a vocabulary is missing or invalid, or two of its phrases, selected or not, are the same search.
    """
    known = languages_in(vocabulary_dir)
    queries: list[Query] = []
    for language in sorted(set(recipe.language)):
        if language not in known:
            raise BtferError(f"{vocabulary_dir}: {_missing(language, known)}")
        queries += make_phrases(read_vocabulary(vocabulary_dir / f"{language}.yaml"), language)
    _refuse_duplicates(queries, vocabulary_dir)
    return [query for query in queries if _is_selected(query, recipe)]


def interleaved(queries: Sequence[Query], *, in_turn: bool = True) -> list[Query]:
    """Return the queries in an order of which every beginning is balanced.

    Among the first k, the numbers of any two emotions differ by at most one, as long as both have queries left. The
    same holds for the languages of an emotion. Its cells (ethnicity × gender × age) come in turn, too, and those with
    attributes that came less often first.

    Parameters
    ----------
    queries : sequence of Query
        Queries in any order, which decides where the rest is equal.
    in_turn : bool
        Whether languages and cells come in turn; otherwise the queries of an emotion stay in their order.
    """
    by_emotion: dict[str, list[Query]] = {}
    for query in queries:
        by_emotion.setdefault(query.emotion, []).append(query)
    rounds = zip_longest(*(_in_turn(group) if in_turn else group for group in by_emotion.values()))
    return [query for each in rounds for query in each if query is not None]


def _in_turn(queries: Sequence[Query]) -> list[Query]:
    """Return the queries of one emotion with languages and cells in turn."""
    cells: dict[str, dict[tuple[str, ...], deque[Query]]] = {}
    for query in queries:
        own: tuple[str, ...] = (query.query_ethnicity, query.query_gender, query.query_age)
        cells.setdefault(query.language, {}).setdefault(own, deque()).append(query)
    used: Counter[str | tuple[str, ...]] = Counter()
    ordered = []
    while cells:
        for language in list(cells):
            waiting = cells[language]
            cell = min(waiting, key=lambda cell: (used[cell], sum(used[value] for value in cell)))
            ordered.append(waiting[cell].popleft())
            used.update([cell, *cell])
            if not waiting[cell]:
                del waiting[cell]
            if not waiting:
                del cells[language]
    return ordered


def languages_in(vocabulary_dir: Path) -> list[str]:
    """Return the languages of a folder, one for each file `<language>.yaml`, in alphabetical order."""
    return sorted(path.stem for path in vocabulary_dir.glob("*.yaml") if _TAG.fullmatch(path.stem))


def default_vocabulary() -> Path:
    """Return the folder of the shipped vocabulary files, in an installed package or a source checkout."""
    here = Path(__file__).resolve().parent
    installed = (
        here / "defaults"
    )  # pyproject.toml copies the repository's queries/ there when a wheel is built
    return installed if installed.is_dir() else here.parents[1] / "queries"


def _missing(language: str, known: list[str]) -> str:
    shipped = language in languages_in(default_vocabulary())
    step = "`btfer init` writes it" if shipped else "copy that of another language and translate it"
    return f"no vocabulary {language}.yaml, only {', '.join(known) or 'none'}; {step}"


def _is_selected(query: Query, recipe: QueriesRecipe) -> bool:
    return (
        query.emotion in recipe.emotion
        and query.query_ethnicity in recipe.ethnicity
        and query.query_gender in recipe.gender
        and query.query_age in recipe.age
        and not (recipe.no_minors and query.query_age in MINORS)
    )


def _refuse_duplicates(queries: Iterable[Query], folder: Path) -> None:
    """Raise for two phrases that are the same search, whose images would get two sets of attributes."""
    first: dict[str, Query] = {}
    for query in queries:
        known = first.setdefault(folded(query.query), query)
        if known is not query:
            files = " and ".join(dict.fromkeys(f"{folder / each.language}.yaml" for each in (known, query)))
            raise BtferError(
                f"{files}: {_described(known)} and {_described(query)} are the same search; change one"
            )


def _described(query: Query) -> str:
    cell = f"{query.query_ethnicity}, {query.query_gender}, {query.query_age}"
    return f"{query.query!r} ({query.language}, {query.emotion}, {query.expression!r}, {cell})"
