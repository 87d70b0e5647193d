"""Read what an API answers: JSON of a known form, and words out of whatever stands where words should."""

import json
import re
from collections.abc import Iterable
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


def refusal(tags: Iterable[str]) -> str:
    """Return `no_cv` if one of a photo's tags says that its owner wants no use of it in computer vision.

    The tag is written `no_cv`, `nocv`, `No-CV`, ..., or is part of a machine tag (`rights:no_cv=1`). The search of
    Flickr writes tags without their underscores.
    """
    parts = (re.sub(r"[\W_]", "", part.lower()) for tag in tags for part in re.split("[:=]", tag))
    return "no_cv" if "nocv" in parts else ""
