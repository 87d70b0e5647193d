"""The review page and its API, which programs may use as well."""

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
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.labels import EMOTIONS
from btfer_builder.next_step import next_step
from btfer_builder.reasons import REASONS
from btfer_builder.records import Decision
from btfer_builder.review.agreement import agreement_so_far
from btfer_builder.review.auth import AuthMiddleware, error, read_body
from btfer_builder.review.filters import FILTERS
from btfer_builder.review.ordering import ORDERS
from btfer_builder.review.requests import (
    DecisionBody,
    DecisionsBody,
    UndoBody,
    check_reason,
    item_query,
    kind_of,
    parse_body,
)
from btfer_builder.review.session import KINDS, Session
from btfer_builder.workspace import Workspace

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
    wanted: int = 0,
) -> Starlette:
    """Return the review page of a workspace.

    Parameters
    ----------
    workspace
        The workspace whose items are reviewed.
    reviewer
        The name that signs the decisions.
    token
        The secret that `GET /?token=…` or `Authorization: Bearer …` must contain.
    allowed_hosts
        Accepted values of the Host header: `name:port`, or `name` for any port.
    recipe
        Settings of the review; defaults if None.
    adjudicate
        Show what reviewers disagree on, and record adjudications.
    model
        The name under which the catalog holds the predictions of the model of `--model`.
    wanted
        Faces of each emotion that the sample is to have; 0 for those of `btfer.toml`.
    """
    recipe = recipe or ReviewRecipe()
    session = Session(workspace.catalog, reviewer, recipe, adjudicate=adjudicate, model=model)
    page = _Page(workspace, session, wanted)
    return Starlette(
        routes=[
            Route("/", page.index),
            Route("/api/items", page.items),
            Route("/api/progress", page.progress),
            Route("/api/next", page.next_step),
            Route("/api/peers/{kind}/{item_id}", page.peers),
            Route("/api/picture/{kind}/{item_id:path}", page.picture),
            Route("/api/decisions", _posting(page.decide), methods=["POST"]),
            Route("/api/decisions/batch", _posting(page.decide_all), methods=["POST"]),
            Route("/api/undo", _posting(page.undo), methods=["POST"]),
            Mount("/static", StaticFiles(directory=Path(str(files(__package__) / "static")))),
        ],
        middleware=[Middleware(AuthMiddleware, token=token, allowed_hosts=allowed_hosts)],
        exception_handlers={HTTPException: _refused, BtferError: _failed, Exception: _unexpected},
    )


@dataclass(frozen=True)
class _Page:
    """The endpoints. Each runs in a thread, so that a slow picture or a busy catalog blocks no other request."""

    workspace: Workspace
    session: Session
    wanted: int

    def index(self, request: Request) -> Response:
        kind_of(request)  # report a mistyped address now instead of showing an empty page
        item_query(request, self.session.recipe)
        session, blind = self.session, self.session.recipe.blind
        html = _TEMPLATES.get_template("review.html.j2").render(
            reviewer=session.reviewer,
            workspace=self.workspace.root.name,
            emotions=EMOTIONS,
            reasons=REASONS["review"].values(),
            filters=[each for each in FILTERS.values() if each.blind or not blind],
            orders=[each for each in ORDERS.values() if each.name != "model" or session.model],
            blind=blind,
            adjudicate=session.adjudicate,
            per_page=session.recipe.per_page,
        )
        return HTMLResponse(html)

    def items(self, request: Request) -> Response:
        kind, query = kind_of(request), item_query(request, self.session.recipe)
        view = {"round": f"{kind}s", "emotion": query.emotion, "show": query.show, "sort": query.sort}
        return JSONResponse({**view, **self.session.page(kind, query)})

    def progress(self, request: Request) -> Response:
        return JSONResponse(self.session.progress(kind_of(request)))

    def next_step(self, request: Request) -> Response:
        kind = kind_of(request)
        agreement = agreement_so_far(self.workspace.catalog, kind, self.workspace.recipe.agreement)
        step = next_step(self.workspace, wanted=self.wanted)
        return JSONResponse({"next": step.to_dict(), "agreement": agreement})

    def peers(self, request: Request) -> Response:
        kind, item_id, _ = self._item(request)
        answer = [asdict(peer) for peer in peers(self.workspace.catalog, kind, item_id)]
        if self.session.recipe.blind:
            answer = [{**peer, "found": []} for peer in answer]
        return JSONResponse({"peers": answer})

    def picture(self, request: Request) -> Response:
        kind, item_id, path = self._item(request)
        root = self.workspace.files
        as_thumbnail = request.query_params.get("thumb") == "1"
        jpeg = thumbnail(root, kind, item_id, path) if as_thumbnail else preview(root, path)
        if jpeg is None:
            raise HTTPException(404, "the file is missing or cannot be decoded")
        # The id is a hash of the content, so the picture never changes.
        return Response(jpeg, media_type="image/jpeg", headers={"Cache-Control": "private, max-age=86400"})

    def _item(self, request: Request) -> tuple[Any, str, str]:
        """Return kind, id and path of the requested item."""
        kind, item_id = request.path_params["kind"], request.path_params["item_id"]
        known = kind in KINDS.values() and _ITEM_ID.fullmatch(item_id)
        path = item_path(self.workspace.catalog, kind, item_id) if known else None
        if path is None:
            raise HTTPException(404, "no such picture")
        return kind, item_id, path

    def decide(self, body: bytes) -> dict[str, Any]:
        request = parse_body(body, DecisionBody)
        (decision_id,) = self.session.decide([self._decision(request)])
        return {"decision_id": decision_id, "progress": self.session.progress(request.kind, fresh=False)}

    def decide_all(self, body: bytes) -> dict[str, Any]:
        requests = parse_body(body, DecisionsBody).decisions
        ids = self.session.decide([self._decision(request) for request in requests])
        return {"decision_ids": ids, "progress": self.session.progress(requests[-1].kind, fresh=False)}

    def _decision(self, request: DecisionBody) -> Decision:
        check_reason(request)
        if self.session.recipe.blind and request.verdict == "accept" and request.emotion is None:
            raise HTTPException(400, "emotion: a blind review proposes no label, so an acceptance needs one")
        valid = _ITEM_ID.fullmatch(request.item_id)
        if not valid or item_path(self.workspace.catalog, request.kind, request.item_id) is None:
            raise HTTPException(
                404, f"no such {request.kind}; it may have been cropped again: reload the page"
            )
        fields = msgspec.structs.asdict(request)
        return Decision(**fields, reviewer=self.session.reviewer, adjudicates=self.session.adjudicate)

    def undo(self, body: bytes) -> dict[str, Any]:
        request = parse_body(body, UndoBody)
        kind, ids = KINDS[request.round], request.decision_ids
        if ids is None and request.decision_id is not None:
            ids = [request.decision_id]
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
    return error(503, str(problem))  # a locked catalog or a full disk: the client may try again


def _unexpected(request: Request, problem: Exception) -> Response:
    echo_stderr(f"{request.method} {request.url.path}: unexpected {type(problem).__name__}: {problem}")
    return error(500, "an error of the program; its window says more")


_TEMPLATES = Environment(loader=PackageLoader(__package__), autoescape=True, undefined=StrictUndefined)
