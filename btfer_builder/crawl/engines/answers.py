"""Read what an API answers: JSON of a known form, and words out of whatever stands where words should."""

import json
from typing import Any

from bs4 import BeautifulSoup


def json_object(text: str | bytes, *, strict: bool = True) -> dict[str, Any]:
    """Return the JSON object an API answered; with `strict` off, texts in it may hold control characters.

    Raises
    ------
    ValueError
        If it answered something else, an error page for one.
    """
    try:
        answer = json.loads(text, strict=strict)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    if not isinstance(answer, dict):
        raise ValueError(f"expected a JSON object, found {str(answer)[:100]}")  # noqa: TRY004 - the answer is wrong
    return answer


def member(table: dict[str, Any], name: str, kind: type) -> Any:  # noqa: ANN401 - of that kind
    """Return an entry that must be there.

    Raises
    ------
    ValueError
        If it is not, or is of another kind.
    """
    value = table.get(name)
    if not isinstance(value, kind):
        raise ValueError(f"expected {name!r} to be a {kind.__name__}, found {str(table)[:200]}")  # noqa: TRY004 - the answer is wrong
    return value


def words(value: object) -> str:
    """Return a text, and nothing for what is none."""
    return value if isinstance(value, str) else ""


def plain(markup: object) -> str:
    """Return the words of a piece of HTML on one line."""
    text = words(markup)
    if "<" in text or "&" in text:
        text = BeautifulSoup(text[:20_000], "lxml").get_text(" ")
    return " ".join(text.split())
