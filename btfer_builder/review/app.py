"""The review page and what it asks of the server; programs may ask the same."""

import re
from collections.abc import Awaitable, Callable, Collection
from dataclasses import asdict, dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

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

from btfer_builder.catalog.duplicates_of import peers
from btfer_builder.catalog.review import item_path
from btfer_builder.config import ReviewRecipe
from btfer_builder.errors import BtferError
from btfer_builder.images.thumbnails import preview, thumbnail
from btfer_builder.labels import EMOTIONS
from btfer_builder.reasons import REASONS, REVIEW_REASONS
from btfer_builder.records import Decision
from btfer_builder.review.filters import BLIND_SHOWS, SHOWS
from btfer_builder.review.ordering import SORTS
from btfer_builder.review.requests import (
    DecisionBody,
    DecisionsBody,
    UndoBody,
    asked_for,
    check_reason,
    kind_of,
    parse_body,
)
from btfer_builder.review.security import AuthMiddleware, error, read_body
from btfer_builder.review.session import KINDS, Session
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

#: The key of each filter, after `f`, and of each order, after `o`.
SHOW_KEYS = {
    "all": "a", "undecided": "u", "decided": "d", "skipped": "s", "conflict": "c", "duplicates": "n",
}  # fmt: skip
SORT_KEYS = {
    "found": "f", "suspicion": "s", "confidence": "c", "sharpness": "b", "upscale": "e", "duplicates": "n",
    "model": "m",
}  # fmt: skip

_ITEM_ID = re.compile(r"[0-9a-f]{16,64}")


def create_app(
    workspace: Workspace,
    reviewer: str,
    token: str,
    allowed_hosts: Collection[str],
    *,
    recipe: ReviewRecipe | None = None,
    adjudicate: bool = False,
    model: str | None = None,
) -> Starlette:
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
    recipe
        Whether blind, and who shares the work; without one, the defaults.
    adjudicate
        Show what reviewers disagree on, and settle it.
    model
        The name under which the catalog holds what the model of `--suspect` says.
    """
    recipe = recipe or ReviewRecipe()
    session = Session(workspace.catalog, reviewer, recipe, adjudicate=adjudicate, model=model)
    page = _Page(workspace, session)
    return Starlette(
        routes=[
            Route("/", page.index),
            Route("/api/items", page.items),
            Route("/api/progress", page.progress),
            Route("/api/peers/{kind}/{item_id}", page.peers),
            Route("/api/picture/{kind}/{item_id:path}", page.picture),
            Route("/api/decisions", _posting(page.decide), methods=["POST"]),
            Route("/api/decisions/batch", _posting(page.decide_all), methods=["POST"]),
            Route("/api/undo", _posting(page.undo), methods=["POST"]),
            Mount("/static", StaticFiles(directory=Path(str(files(__package__) / "static")))),
        ],
        middleware=[Middleware(AuthMiddleware, token=token, allowed_hosts=allowed_hosts)],
        exception_handlers={HTTPException: _refused, BtferError: _failed},
    )


@dataclass(frozen=True)
class _Page:
    """The endpoints. Each runs in a thread, so that a slow picture or a busy catalog holds up no other."""

    workspace: Workspace
    session: Session

    def index(self, request: Request) -> Response:
        kind_of(request)  # a mistyped address is told now, not by an empty page
        asked_for(request, self.session.recipe)
        session = self.session
        html = _TEMPLATES.get_template("review.html.j2").render(
            reviewer=session.reviewer,
            workspace=self.workspace.root.name,
            emotions=EMOTIONS,
            reasons=[(REASON_KEYS[reason], reason, REASONS["review"][reason]) for reason in REVIEW_REASONS],
            shows=[
                (SHOW_KEYS[show], show, meaning)
                for show, meaning in SHOWS.items()
                if not session.recipe.blind or show in BLIND_SHOWS
            ],
            sorts=[
                (SORT_KEYS[sort], sort, meaning)
                for sort, meaning in SORTS.items()
                if sort != "model" or session.model
            ],
            blind=session.recipe.blind,
            adjudicate=session.adjudicate,
            per_page=session.recipe.per_page,
        )
        return HTMLResponse(html)

    def items(self, request: Request) -> Response:
        kind, asked = kind_of(request), asked_for(request, self.session.recipe)
        view = {"round": f"{kind}s", "emotion": asked.emotion, "show": asked.show, "sort": asked.sort}
        return JSONResponse({**view, **self.session.page(kind, asked)})

    def progress(self, request: Request) -> Response:
        return JSONResponse(self.session.progress(kind_of(request)))

    def peers(self, request: Request) -> Response:
        kind, item_id, _ = self._item(request)
        found = [asdict(peer) for peer in peers(self.workspace.catalog, kind, item_id)]
        if self.session.recipe.blind:
            found = [{**peer, "found": []} for peer in found]
        return JSONResponse({"peers": found})

    def picture(self, request: Request) -> Response:
        kind, item_id, path = self._item(request)
        root = self.workspace.files
        small = request.query_params.get("thumb") == "1"
        jpeg = thumbnail(root, kind, item_id, path) if small else preview(root, path)
        if jpeg is None:
            raise HTTPException(404, "the file is gone or cannot be decoded")
        # An id is a hash of what the picture shows: it never shows anything else.
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})

    def _item(self, request: Request) -> tuple[Any, str, str]:
        """Return kind, id and path of the item that an address names."""
        kind, item_id = request.path_params["kind"], request.path_params["item_id"]
        known = kind in KINDS.values() and _ITEM_ID.fullmatch(item_id)
        path = item_path(self.workspace.catalog, kind, item_id) if known else None
        if path is None:
            raise HTTPException(404, "no such picture")
        return kind, item_id, path

    def decide(self, body: bytes) -> dict[str, Any]:
        asked = parse_body(body, DecisionBody)
        (decision_id,) = self.session.decide([self._decision(asked)])
        return {"decision_id": decision_id, "progress": self.session.progress(asked.kind, fresh=False)}

    def decide_all(self, body: bytes) -> dict[str, Any]:
        asked = parse_body(body, DecisionsBody).decisions
        ids = self.session.decide([self._decision(each) for each in asked])
        return {"decision_ids": ids, "progress": self.session.progress(asked[-1].kind, fresh=False)}

    def _decision(self, asked: DecisionBody) -> Decision:
        check_reason(asked)
        if self.session.recipe.blind and asked.verdict == "accept" and asked.emotion is None:
            raise HTTPException(400, "emotion: who reviews blind is proposed no label and must name one")
        known = _ITEM_ID.fullmatch(asked.item_id)
        if not known or item_path(self.workspace.catalog, asked.kind, asked.item_id) is None:
            raise HTTPException(404, f"no such {asked.kind}; it may have been cropped anew: reload the page")
        word = msgspec.structs.asdict(asked)
        return Decision(**word, reviewer=self.session.reviewer, adjudicates=self.session.adjudicate)

    def undo(self, body: bytes) -> dict[str, Any]:
        asked = parse_body(body, UndoBody)
        kind, ids = KINDS[asked.round], asked.decision_ids
        if ids is None and asked.decision_id is not None:
            ids = [asked.decision_id]
        undone = self.session.undo(kind, ids)
        if undone is None:
            raise HTTPException(404, f"no decision {', '.join(map(str, ids or []))} of this reviewer")
        first = undone[0] if undone else {"item_id": None, "my": None}
        return {**first, "undone": undone, "progress": self.session.progress(kind, fresh=False)}


def _posting(answer: Callable[[bytes], dict[str, Any]]) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        body = await read_body(request)
        return JSONResponse(await run_in_threadpool(answer, body))

    return endpoint


def _refused(request: Request, problem: Exception) -> Response:
    assert isinstance(problem, HTTPException)  # noqa: S101 - registered for it
    if request.url.path.startswith("/api/"):
        return error(problem.status_code, problem.detail)
    return PlainTextResponse(problem.detail + "\n", problem.status_code)


def _failed(_: Request, problem: Exception) -> Response:
    return error(503, str(problem))  # the catalog stayed locked, or the disk is full: worth another try


_TEMPLATES = Environment(loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined)
