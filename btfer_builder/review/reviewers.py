"""Who a reviewer is: names that differ only in case, spaces or Unicode form are one person's."""

import getpass
import unicodedata
from collections.abc import Collection, Iterable

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.review import reviewer_names
from btfer_builder.config import ReviewRecipe, override
from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import echo_stderr


def reviewer_name(recipe: ReviewRecipe) -> str:
    """Return the name that signs the decisions: the recipe's reviewer, or the current user.

    Raises
    ------
    BtferError
        If the name is invalid, or the current user is unknown.
    """
    if recipe.reviewer.strip():
        return check_reviewer(recipe.reviewer)
    try:
        return check_reviewer(getpass.getuser())
    except (KeyError, OSError):
        raise BtferError("the current user is unknown: name the reviewer with --reviewer") from None


def check_reviewer(name: str) -> str:
    """Return a reviewer's name without surrounding whitespace.

    Raises
    ------
    BtferError
        If it is empty, longer than 80 characters, or holds line breaks or other control characters.
    """
    name = name.strip()
    if not name or len(name) > 80 or not name.isprintable():
        raise BtferError(f"{name[:80]!r} is not a valid reviewer name; expected 1 to 80 printable characters")
    return name


def known_as(name: str, known: Collection[str]) -> str:
    """Return the name under which a person is known, or else the name as it is given, in Unicode's composed form.

    A line is printed where both look different. Two names that are known exactly so stay two, as earlier versions
    recorded them.

    Raises
    ------
    BtferError
        If the name is invalid; see `check_reviewer`.
    """
    name = check_reviewer(name)
    if name in known:
        return name
    name = _composed(name)
    if name in known:
        return name
    found = next((other for other in known if _key(other) == _key(name)), name)
    if _composed(found) != name:
        echo_stderr(f"reviewer {name}: the decisions are those of {found}, who is known already")
    return found


def settle_reviewers(catalog: Catalog, recipe: ReviewRecipe) -> ReviewRecipe:
    """Return the recipe with those who share the work under the names that the catalog has, each person once."""
    known = reviewer_names(catalog)
    for name in recipe.reviewers:
        known.append(known_as(name, known))
    people = known[len(known) - len(recipe.reviewers) :]
    return override(recipe, reviewers=tuple(dict.fromkeys(people)))


def settle_names(catalog: Catalog, recipe: ReviewRecipe) -> ReviewRecipe:
    """Return the recipe with the reviewer, too, under the name that the catalog or the recipe has."""
    recipe = settle_reviewers(catalog, recipe)
    known = [*reviewer_names(catalog), *recipe.reviewers]
    return override(recipe, reviewer=known_as(reviewer_name(recipe), known))


def warn_of_namesakes(catalog: Catalog) -> None:
    """Name the reviewers whom an earlier version recorded twice because their names were written differently."""
    for names in _namesakes(reviewer_names(catalog)):
        echo_stderr(
            f"reviewers {' and '.join(names)}: recorded as different people, and their votes count as such. If they "
            "are one person, use one of the names from now on, and leave the other out of the measures with --reviewers"
        )


def _namesakes(names: Iterable[str]) -> list[list[str]]:
    people: dict[str, list[str]] = {}
    for name in names:
        people.setdefault(_key(name), []).append(name)
    return [sorted(same) for same in people.values() if len(same) > 1]


def _key(name: str) -> str:
    folded = unicodedata.normalize("NFKC", name).casefold()
    return " ".join(unicodedata.normalize("NFKC", folded).split())


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)
