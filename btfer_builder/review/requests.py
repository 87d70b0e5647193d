"""What may be asked of the review page: addresses and bodies, every value checked."""

from collections.abc import Iterable
from typing import Annotated, Literal, TypeVar, cast

import msgspec
from msgspec import Meta
from starlette.exceptions import HTTPException
from starlette.requests import Request

from btfer_builder.config import ReviewRecipe, explain
from btfer_builder.errors import BtferError
from btfer_builder.labels import Emotion, parse_emotion
from btfer_builder.reasons import REVIEW_REASONS
from btfer_builder.records import Kind
from btfer_builder.review.filters import BLIND_SHOWS, SHOWS, ItemQuery, Show
from btfer_builder.review.ordering import SORTS, Sort
from btfer_builder.review.session import KINDS, RoundName

#: Most decisions that are posted or taken back at once: a page.
MOST = 200


class DecisionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/decisions`."""

    item_id: str
    kind: Kind
    verdict: Literal["accept", "reject", "skip"]
    emotion: Emotion | None = None
    reason: str | None = None


class DecisionsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/decisions/batch`: all are recorded, or none."""

    decisions: Annotated[list[DecisionBody], Meta(min_length=1, max_length=MOST)]


class UndoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/undo`; the latest decision is taken back unless others are named."""

    round: RoundName
    decision_id: int | None = None
    decision_ids: Annotated[list[int], Meta(max_length=MOST)] | None = None


AnyBody = TypeVar("AnyBody", DecisionBody, DecisionsBody, UndoBody)


def parse_body(body: bytes, kind: type[AnyBody]) -> AnyBody:
    """Read a JSON body.

    Raises
    ------
    HTTPException
        400 if it is no JSON, or not of this form.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as problem:
        raise HTTPException(400, explain(problem)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise HTTPException(400, f"not JSON: {problem}") from None


def check_reason(asked: DecisionBody) -> None:
    """Refuse a rejection without a reason, and a reason there is none of.

    Raises
    ------
    HTTPException
        400.
    """
    if asked.reason not in (REVIEW_REASONS if asked.verdict == "reject" else (None, *REVIEW_REASONS)):
        raise HTTPException(400, f"reason: a rejection needs one of {', '.join(REVIEW_REASONS)}")


def kind_of(request: Request) -> Kind:
    """Return the round an address names; the faces if it names none.

    Raises
    ------
    HTTPException
        400 if there is no such round.
    """
    return KINDS[cast(RoundName, _one_of(request, "round", "faces", KINDS))]


def emotion_of(request: Request) -> Emotion | None:
    """Return the emotion an address names, by whatever synonym; None if it names none.

    Raises
    ------
    HTTPException
        400 if it is none of the seven.
    """
    word = request.query_params.get("emotion", "")
    try:
        return parse_emotion(word[:40]) if word else None
    except BtferError as problem:
        raise HTTPException(400, f"emotion: {problem}") from None


def asked_for(request: Request, recipe: ReviewRecipe) -> ItemQuery:
    """Return the page of items an address asks for.

    Raises
    ------
    HTTPException
        400 if anything in it is unknown, out of range, or not for those who review blind.
    """
    if recipe.blind:
        show = _one_of(request, "show", "all", BLIND_SHOWS)
        sort = _one_of(request, "sort", "found", ("found",))
    else:
        show, sort = _one_of(request, "show", "all", SHOWS), _one_of(request, "sort", "found", SORTS)
    return ItemQuery(
        emotion=emotion_of(request),
        show=cast(Show, show),
        sort=cast(Sort, sort),
        page=_number(request, "page", 1, 1_000_000),
        per_page=_number(request, "per_page", recipe.per_page, 500),
        at=request.query_params.get("at"),
        keep=request.query_params.get("keep") == "1",
    )


def _one_of(request: Request, name: str, default: str, known: Iterable[str]) -> str:
    word = request.query_params.get(name) or default
    if word not in known:
        raise HTTPException(400, f"{name}: {word[:40]!r} is none of {', '.join(known)}")
    return word


def _number(request: Request, name: str, default: int, most: int) -> int:
    word = request.query_params.get(name) or str(default)
    if not (word.isascii() and word.isdigit() and len(word) <= 9 and 1 <= int(word) <= most):
        raise HTTPException(400, f"{name}: {word[:40]!r} is no whole number from 1 to {most}")
    return int(word)
