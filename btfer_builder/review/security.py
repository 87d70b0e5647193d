"""Who may talk to the review page: its own tab and programs that know the token, nobody else."""

import hashlib
import hmac
from collections.abc import Collection, MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: The longest body of a POST, in bytes. A decision takes about 200, a page of 200 of them 40 000.
MAX_BODY = 65_536

HEADERS = {
    # Everything the page needs is served beside it; nothing is inline, so nothing injected can run.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}

_STRANGER = (
    "This page opens with the address that `btfer review` printed, which ends in a token of its own for every "
    "start. If you just followed that address from another page, reload this one."
)


class AuthMiddleware:
    """ASGI middleware that refuses other hosts (DNS rebinding), strangers and other origins (CSRF).

    Parameters
    ----------
    app
        What is guarded.
    token
        The secret of this start of the server.
    allowed_hosts
        `name:port` for one port of a name, `name` for any: an SSH tunnel ends at a port of its own, and a
        rebound name is refused whatever its port.
    """

    def __init__(self, app: ASGIApp, token: str, allowed_hosts: Collection[str]) -> None:
        self.app = app
        self.token = token.encode()
        self.allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        # Browsers send a cookie to every port of a host: two servers must not take each other's.
        self.cookie = "btfer_" + hashlib.sha256(self.token).hexdigest()[:12]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it; every answer carries `HEADERS`."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        request = Request(scope)
        answer = self._refuse_host(request) or self._enter(request) or self._refuse_stranger(request)
        await (answer or self.app)(scope, receive, send_with_headers)

    def _refuse_host(self, request: Request) -> Response | None:
        host = request.headers.get("host", "").lower()
        name = host.rpartition(":")[0] or host
        if host in self.allowed_hosts or name in self.allowed_hosts or host == _own_address(request.scope):
            return None
        return _refusal(request, 403, "This page answers to its own address only, not to this host name.")

    def _enter(self, request: Request) -> Response | None:
        """Turn the token of the printed address into a cookie, and take it out of the address."""
        if request.method != "GET" or request.url.path != "/" or "token" not in request.query_params:
            return None
        if not self._is_token(request.query_params["token"]):
            return _refusal(request, 401, _STRANGER)
        url = request.url.remove_query_params("token")
        answer = RedirectResponse(f"/?{url.query}" if url.query else "/", status_code=303)
        answer.set_cookie(self.cookie, self.token.decode(), httponly=True, samesite="strict")
        return answer

    def _refuse_stranger(self, request: Request) -> Response | None:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        by_header = scheme.lower() == "bearer" and self._is_token(bearer.strip())
        if not by_header and not self._is_token(request.cookies.get(self.cookie, "")):
            return _refusal(request, 401, _STRANGER)
        if request.method in {"GET", "HEAD"}:
            return None
        # A browser names the origin of every POST; only a program, which sends no cookie, may leave it out.
        origin = request.headers.get("origin")
        own = f"{request.url.scheme}://{request.headers['host']}".lower()
        if (origin is None and by_header) or (origin is not None and origin.lower() == own):
            return None
        return _refusal(request, 403, "Decisions are taken from the review page itself only.")

    def _is_token(self, word: str) -> bool:
        return hmac.compare_digest(word.encode(), self.token)


async def read_body(request: Request) -> bytes:
    """Return the body of a JSON request of at most `MAX_BODY` bytes.

    Raises
    ------
    HTTPException
        413 for a longer body, 415 for one that is not JSON.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "expected JSON (Content-Type: application/json)")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY:
            raise HTTPException(413, f"more than {MAX_BODY} bytes")
    return body


def error(status: int, text: str, headers: MutableMapping[str, str] | None = None) -> JSONResponse:
    """Return an error as programs read it: one clear line."""
    return JSONResponse({"error": text}, status, headers)


def _own_address(scope: Scope) -> str | None:
    """Return the address by number that a request came to: no name can be rebound to look like it."""
    server = scope.get("server")
    if not server or server[1] is None:
        return None
    host, port = server
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _refusal(request: Request, status: int, text: str) -> Response:
    headers: dict[str, Any] = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
    if request.url.path.startswith("/api/"):
        return error(status, text, headers)
    return PlainTextResponse(text + "\n", status, headers)
