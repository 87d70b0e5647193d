"""Read JSON responses of APIs: required members, texts, and opt-out tags."""

import re
from collections.abc import Iterable
from typing import Any

from bs4 import BeautifulSoup

from btfer_builder.io.json import parse_json


def json_object(text: str | bytes, *, strict: bool = True) -> dict[str, Any]:
    """Return the JSON object of a response; without `strict`, texts may contain control characters.

    Raises
    ------
    ValueError
        If the response is something else, such as an error page.
    """
    value = parse_json(text, strict=strict)
    if not isinstance(value, dict):
        raise ValueError(f"expected a JSON object, found {str(value)[:100]}")  # noqa: TRY004 - a wrong response
    return value


def require_member(table: dict[str, Any], name: str, kind: type) -> Any:  # noqa: ANN401 - of that type
    """Return a required member of a JSON object.

    Raises
    ------
    ValueError
        If it is missing or has another type.
    """
    value = table.get(name)
    if not isinstance(value, kind):
        raise ValueError(f"expected {name!r} to be a {kind.__name__}, found {str(table)[:200]}")  # noqa: TRY004 - a wrong response
    return value


def text_of(value: object) -> str:
    """Return the value if it is a text, else an empty text."""
    return value if isinstance(value, str) else ""


def plain_text(markup: object) -> str:
    """Return the text of an HTML fragment on one line."""
    text = text_of(markup)
    if "<" in text or "&" in text:
        text = BeautifulSoup(text[:20_000], "lxml").get_text(" ")
    return " ".join(text.split())


def opt_out_reason(tags: Iterable[str]) -> str:
    """Return `no_cv` if a tag of the photo opts out of computer vision, else an empty text.

    The tag is written `no_cv`, `nocv`, `No-CV`, ..., or is part of a machine tag (`rights:no_cv=1`). Flickr's search
    returns tags without underscores.
    """
    parts = (re.sub(r"[\W_]", "", part.lower()) for tag in tags for part in re.split("[:=]", tag))
    return "no_cv" if "nocv" in parts else ""
