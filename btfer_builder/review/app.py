"""The review page and what it asks of the server; programs may ask the same."""

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar

import msgspec
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from btfer_builder.catalog.review import add_decision, item_path, last_word, review_items, undo
from btfer_builder.emotions import EMOTIONS, Emotion, parse_emotion
from btfer_builder.errors import BtferError
from btfer_builder.reasons import REASONS, REVIEW_REASONS
from btfer_builder.recipe import explain
from btfer_builder.records import Decision, Kind
from btfer_builder.review.decisions import complete
from btfer_builder.review.pictures import PREVIEW_SIDE, THUMB_SIDE, picture_jpeg
from btfer_builder.review.rounds import KINDS, PER_PAGE, RoundName, Rounds, word_json
from btfer_builder.review.security import Guard, error, read_body
from btfer_builder.workspace import Workspace

#: The key of each reason, after `x`.
REASON_KEYS = {
    "non_human": "h",
    "irrelevant": "i",
    "no_face": "f",
    "duplicate": "d",
    "text_or_watermark": "t",
    "occluded": "c",
    "wrong_detection": "w",
    "several_people": "p",
    "minor": "m",
    "low_quality": "q",
    "other": "o",
}

_ITEM_ID = re.compile(r"[0-9a-f]{16,64}")


class DecisionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/decisions`."""

    item_id: str
    kind: Kind
    verdict: Literal["accept", "reject", "skip"]
    emotion: Emotion | None = None
    reason: str | None = None


class UndoBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The body of `POST /api/undo`; without a `decision_id` the latest decision is taken back."""

    round: RoundName
    decision_id: int | None = None


AnyBody = TypeVar("AnyBody", DecisionBody, UndoBody)


def create_app(workspace: Workspace, reviewer: str, token: str, allowed_hosts: Collection[str]) -> Starlette:
    """Return the review page of a workspace.

    Parameters
    ----------
    workspace
        Whose items are reviewed.
    reviewer
        Who signs the decisions.
    token
        The secret that `GET /?token=…` or `Authorization: Bearer …` must name.
    allowed_hosts
        Values of the Host header that are answered: `name:port`, or `name` for any port.
    """
    page = _Page(workspace, reviewer, Rounds(workspace.catalog, reviewer))
    return Starlette(
        routes=[
            Route("/", page.index),
            Route("/api/items", page.items),
            Route("/api/progress", page.progress),
            Route("/api/picture/{kind}/{item_id:path}", page.picture),
            Route("/api/decisions", _posting(page.decide), methods=["POST"]),
            Route("/api/undo", _posting(page.undo), methods=["POST"]),
            Mount("/static", StaticFiles(directory=Path(str(files(__package__) / "static")))),
        ],
        middleware=[Middleware(Guard, token=token, allowed_hosts=allowed_hosts)],
        exception_handlers={HTTPException: _refused, BtferError: _failed},
    )


@dataclass(frozen=True)
class _Page:
    """The endpoints. Each runs in a thread, so that a slow picture or a busy catalog holds up no other."""

    workspace: Workspace
    reviewer: str
    rounds: Rounds

    def index(self, request: Request) -> Response:
        _kind(request)  # a mistyped address is told now, not by an empty page
        _emotion(request)
        html = _TEMPLATES.get_template("review.html.j2").render(
            reviewer=self.reviewer,
            workspace=self.workspace.root.name,
            emotions=EMOTIONS,
            reasons=[(REASON_KEYS[reason], reason, REASONS["review"][reason]) for reason in REVIEW_REASONS],
            per_page=PER_PAGE,
        )
        return HTMLResponse(html)

    def items(self, request: Request) -> Response:
        page = self.rounds.page(
            kind := _kind(request),
            emotion := _emotion(request),
            _number(request, "page", 1, 1_000_000),
            _number(request, "per_page", PER_PAGE, 500),
            request.query_params.get("at"),
        )
        return JSONResponse({"round": f"{kind}s", "emotion": emotion, **page})

    def progress(self, request: Request) -> Response:
        return JSONResponse(self.rounds.progress(_kind(request)))

    def picture(self, request: Request) -> Response:
        kind, item_id = request.path_params["kind"], request.path_params["item_id"]
        known = kind in KINDS.values() and _ITEM_ID.fullmatch(item_id)
        path = item_path(self.workspace.catalog, kind, item_id) if known else None
        if path is None:
            raise HTTPException(404, "no such picture")
        side = THUMB_SIDE if request.query_params.get("thumb") == "1" else PREVIEW_SIDE
        jpeg = picture_jpeg(self.workspace.root, path, side)
        if jpeg is None:
            raise HTTPException(404, "the file is gone or cannot be decoded")
        # An id is a hash of what the picture shows: it never shows anything else.
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})

    def decide(self, body: bytes) -> dict[str, Any]:
        asked = _parse(body, DecisionBody)
        if asked.reason not in (REVIEW_REASONS if asked.verdict == "reject" else (None, *REVIEW_REASONS)):
            raise HTTPException(400, f"reason: a rejection needs one of {', '.join(REVIEW_REASONS)}")
        catalog = self.workspace.catalog
        if not _ITEM_ID.fullmatch(asked.item_id) or item_path(catalog, asked.kind, asked.item_id) is None:
            raise HTTPException(404, f"no such {asked.kind}; it may have been cropped anew: reload the page")
        decision = Decision(**msgspec.structs.asdict(asked), reviewer=self.reviewer)
        proposed = None
        if asked.verdict == "accept" and asked.emotion is None:
            items = {item.item_id: item.proposed for item in review_items(catalog, asked.kind)}
            proposed = items.get(asked.item_id)
        decision_id = add_decision(catalog, complete(decision, proposed))
        return {"decision_id": decision_id, "progress": self.rounds.progress(asked.kind, fresh=False)}

    def undo(self, body: bytes) -> dict[str, Any]:
        asked = _parse(body, UndoBody)
        kind = KINDS[asked.round]
        undone = undo(self.workspace.catalog, kind, self.reviewer, asked.decision_id)
        if undone is None and asked.decision_id is not None:
            raise HTTPException(404, f"no decision {asked.decision_id} of this reviewer")
        item_id = undone and undone.decision.item_id
        word = last_word(self.workspace.catalog, kind, self.reviewer, item_id) if item_id else None
        return {
            "item_id": item_id,
            "my": word_json(word),
            "progress": self.rounds.progress(kind, fresh=False),
        }


def _posting(answer: Callable[[bytes], dict[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = await read_body(request)
        return JSONResponse(await run_in_threadpool(answer, body))

    return endpoint


def _parse(body: bytes, kind: type[AnyBody]) -> AnyBody:
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as problem:
        raise HTTPException(400, explain(problem)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as problem:
        raise HTTPException(400, f"not JSON: {problem}") from None


def _kind(request: Request) -> Kind:
    name = request.query_params.get("round", "faces")
    for round_name, kind in KINDS.items():
        if name == round_name:
            return kind
    raise HTTPException(400, f"round: {name[:40]!r} is none of {', '.join(KINDS)}")


def _emotion(request: Request) -> Emotion | None:
    word = request.query_params.get("emotion", "")
    try:
        return parse_emotion(word[:40]) if word else None
    except BtferError as problem:
        raise HTTPException(400, f"emotion: {problem}") from None


def _number(request: Request, name: str, default: int, most: int) -> int:
    word = request.query_params.get(name) or str(default)
    if not (word.isascii() and word.isdigit() and len(word) <= 9 and 1 <= int(word) <= most):
        raise HTTPException(400, f"{name}: {word[:40]!r} is no whole number from 1 to {most}")
    return int(word)


def _refused(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)  # noqa: S101 - registered for it
    if request.url.path.startswith("/api/"):
        return error(problem.status_code, problem.detail)
    return PlainTextResponse(problem.detail + "\n", problem.status_code)


def _failed(_: Request, problem: Exception) -> Response:
    return error(503, str(problem))  # the catalog stayed locked, or the disk is full: worth another try


_TEMPLATES = Environment(loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined)
