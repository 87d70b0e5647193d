"""The requests the review page accepts: query parameters and JSON bodies, every value checked."""

from collections.abc import Iterable
from typing import Annotated, Literal, TypeVar, cast

import msgspec
from msgspec import Meta
from starlette.exceptions import HTTPException
from starlette.requests import Request

from btfer_builder.config import ReviewRecipe, explain
from btfer_builder.errors import BtferError
from btfer_builder.labels import Emotion, parse_emotion
from btfer_builder.reasons import REASONS
from btfer_builder.records import Kind
from btfer_builder.review.filters import FILTERS, ItemQuery
from btfer_builder.review.ordering import ORDERS
from btfer_builder.review.session import KINDS, RoundName

#: A row number of SQLite.
DecisionId = Annotated[int, Meta(ge=1, le=2**63 - 1)]

#: The most decisions in one request; a page holds as many.
MAX_DECISIONS = 200


class DecisionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/decisions`."""

    item_id: str
    kind: Kind
    verdict: Literal["accept", "reject", "skip"]
    emotion: Emotion | None = None
    reason: str | None = None


class DecisionsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/decisions/batch`: all are recorded, or none."""

    decisions: Annotated[list[DecisionBody], Meta(min_length=1, max_length=MAX_DECISIONS)]


class UndoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/undo`; undoes the latest decision unless others are named."""

    round: RoundName
    decision_id: DecisionId | None = None
    decision_ids: Annotated[list[DecisionId], Meta(max_length=MAX_DECISIONS)] | None = None


AnyBody = TypeVar("AnyBody", DecisionBody, DecisionsBody, UndoBody)


def parse_body(body: bytes, kind: type[AnyBody]) -> AnyBody:
    """Read a JSON body.

    Raises
    ------
    HTTPException
        400 if it is not JSON, or not of this form.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as problem:
        raise HTTPException(400, explain(problem)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise HTTPException(400, f"not JSON: {problem}") from None


def check_reason(body: DecisionBody) -> None:
    """Refuse a rejection without a reason, and an unknown reason.

    Raises
    ------
    HTTPException
        400.
    """
    known = REASONS["review"]
    if body.reason not in known and (body.reason is not None or body.verdict == "reject"):
        raise HTTPException(400, f"reason: a rejection needs one of {', '.join(known)}")


def kind_of(request: Request) -> Kind:
    """Return the kind of the requested round; faces if the address names none.

    Raises
    ------
    HTTPException
        400 if there is no such round.
    """
    return KINDS[cast(RoundName, _one_of(request, "round", "faces", KINDS))]


def emotion_of(request: Request) -> Emotion | None:
    """Return the requested emotion, which may be a synonym; None if the address names none.

    Raises
    ------
    HTTPException
        400 if it is not one of the seven.
    """
    value = request.query_params.get("emotion", "")
    try:
        return parse_emotion(value[:40]) if value else None
    except BtferError as problem:
        raise HTTPException(400, f"emotion: {problem}") from None


def item_query(request: Request, recipe: ReviewRecipe) -> ItemQuery:
    """Return the requested page of items.

    Raises
    ------
    HTTPException
        400 if a value is unknown, out of range, or not allowed in a blind review.
    """
    filters = [each.name for each in FILTERS.values() if each.blind or not recipe.blind]
    return ItemQuery(
        emotion=emotion_of(request),
        show=_one_of(request, "show", "all", filters),
        sort=_one_of(request, "sort", "found", ["found"] if recipe.blind else ORDERS),
        page=_number(request, "page", 1, 1_000_000),
        per_page=_number(request, "per_page", recipe.per_page, 500),
        at=request.query_params.get("at"),
        keep=request.query_params.get("keep") == "1",
    )


def _one_of(request: Request, name: str, default: str, known: Iterable[str]) -> str:
    value = request.query_params.get(name) or default
    if value not in known:
        raise HTTPException(400, f"{name}: {value[:40]!r} is not one of {', '.join(known)}")
    return value


def _number(request: Request, name: str, default: int, maximum: int) -> int:
    value = request.query_params.get(name) or str(default)
    if not (value.isascii() and value.isdigit() and len(value) <= 9 and 1 <= int(value) <= maximum):
        raise HTTPException(400, f"{name}: {value[:40]!r} is not a whole number from 1 to {maximum}")
    return int(value)
