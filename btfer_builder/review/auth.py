"""Access control of the review page: only its own tab and programs with the token."""

import hashlib
import hmac
from collections.abc import Collection, MutableMapping
from typing import Any

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: The largest body of a POST, in bytes. A decision takes about 200, a batch of 200 takes 40 000.
MAX_BODY = 65_536

HEADERS = {
    # The page loads only its own files and has nothing inline, so injected code cannot run.
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

_HOW_TO_OPEN = (
    "Open this page with the address that `btfer review` printed: it contains a token, which is new at every "
    "start. If you followed that address from another page, reload this one."
)


class AuthMiddleware:
    """ASGI middleware that refuses other hosts (DNS rebinding), requests without the token and other origins (CSRF).

    Parameters
    ----------
    app
        The protected app.
    token
        The secret of this run of the server.
    allowed_hosts
        `name:port` for one port of a name, `name` for any port: an SSH tunnel may use another port, and a rebound
        name is refused on every port.
    """

    def __init__(self, app: ASGIApp, token: str, allowed_hosts: Collection[str]) -> None:
        self.app = app
        self.token = token.encode()
        self.allowed_hosts = frozenset(host.lower() for host in allowed_hosts)
        # Browsers send a cookie to every port of a host, so each server needs its own name.
        self.cookie = "btfer_" + hashlib.sha256(self.token).hexdigest()[:12]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse a request; every response has `HEADERS`."""
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
        answer = self._refuse_host(request) or self._enter(request) or self._refuse_without_token(request)
        await (answer or self.app)(scope, receive, send_with_headers)

    def _refuse_host(self, request: Request) -> Response | None:
        host = request.headers.get("host", "").lower()
        name = host.rpartition(":")[0] or host
        if host in self.allowed_hosts or name in self.allowed_hosts or host == _own_address(request.scope):
            return None
        return _refusal(
            request, 403, "This page is available at its own address only, not under this host name."
        )

    def _enter(self, request: Request) -> Response | None:
        """Turn the token of the printed address into a cookie, and redirect to the address without it."""
        if request.method != "GET" or request.url.path != "/" or "token" not in request.query_params:
            return None
        if not self._is_token(request.query_params["token"]):
            return _refusal(request, 401, _HOW_TO_OPEN)
        url = request.url.remove_query_params("token")
        answer = RedirectResponse(f"/?{url.query}" if url.query else "/", status_code=303)
        answer.set_cookie(self.cookie, self.token.decode(), httponly=True, samesite="strict")
        return answer

    def _refuse_without_token(self, request: Request) -> Response | None:
        scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
        by_header = scheme.lower() == "bearer" and self._is_token(bearer.strip())
        if not by_header and not self._is_token(request.cookies.get(self.cookie, "")):
            return _refusal(request, 401, _HOW_TO_OPEN)
        if request.method in {"GET", "HEAD"}:
            return None
        # A browser sends the origin of every POST; only programs, which send no cookie, may omit it.
        origin = request.headers.get("origin")
        own = f"{request.url.scheme}://{request.headers['host']}".lower()
        if (origin is None and by_header) or (origin is not None and origin.lower() == own):
            return None
        return _refusal(request, 403, "Decisions are accepted only from the review page itself.")

    def _is_token(self, value: str) -> bool:
        return hmac.compare_digest(value.encode(), self.token)


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
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_BODY:
                raise HTTPException(413, f"more than {MAX_BODY} bytes")
    except ClientDisconnect:  # nobody reads the answer
        raise HTTPException(400, "the connection was closed before the body ended") from None
    return body


def error(status: int, text: str, headers: MutableMapping[str, str] | None = None) -> JSONResponse:
    """Return an error as JSON: one clear line."""
    return JSONResponse({"error": text}, status, headers)


def _own_address(scope: Scope) -> str | None:
    """Return the IP address a request came to, which no DNS name can imitate."""
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
