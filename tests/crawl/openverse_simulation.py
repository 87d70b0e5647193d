"""Openverse over loopback: pages, limits of anonymous and registered users, tokens, and a clock of its own."""

import json
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from btfer_builder.crawl.rate_limit import Clock

DAY = 86400.0
PAGE, DEPTH = 20, 240
#: Requests in a time, for users with and without an account, and the names of these limits.
ANONYMOUS = {"anon_burst": (20, 60.0, "20/min"), "anon_sustained": (200, DAY, "200/day")}
REGISTERED = {
    "oauth2_client_credentials_burst": (100, 60.0, "100/min"),
    "oauth2_client_credentials_sustained": (10_000, DAY, "10000/day"),
}
TOKEN_SECONDS = 12 * 3600


class SimulatedClock(Clock):
    """A clock that is moved on by waiting."""

    def __init__(self, start: float = 1_800_000_000.0) -> None:
        self.now = start

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def wait(self, seconds: float, stop: threading.Event) -> None:
        self.now += seconds


@dataclass
class Openverse:
    """The service: what it has found for a phrase, and whom it has served."""

    clock: SimulatedClock
    url: str = ""
    #: How many pictures it has for a phrase.
    results_for: Callable[[str], int] = lambda _phrase: 100
    #: Whether tokens are taken without being recognized.
    forgets_accounts: bool = False
    #: Seconds for which a token is good, and how many requests for one fail from now on.
    token_seconds: float = TOKEN_SECONDS
    failing_tokens: int = 0
    searched: list[str] = field(default_factory=list)  # phrases of the pages that were served
    pages: list[tuple[str, int]] = field(default_factory=list)
    refused: Counter[int] = field(default_factory=Counter)  # by status
    tokens: dict[str, float] = field(default_factory=dict)  # token → end
    headers: list[dict[str, str]] = field(default_factory=list)
    history: dict[str, deque[float]] = field(default_factory=dict)

    @property
    def search_url(self) -> str:
        return f"{self.url}/v1/images/"

    @property
    def token_url(self) -> str:
        return f"{self.url}/v1/auth_tokens/token/"

    def answer(self, path: str, headers: dict[str, str]) -> tuple[int, dict[str, str], object]:
        """Answer a search."""
        self.headers.append(headers)
        asked = {name: values[0] for name, values in parse_qs(urlsplit(path).query).items()}
        token = headers.get("Authorization", "").removeprefix("Bearer ")
        if token and self.tokens.get(token, 0) <= self.clock.now:
            return self.refuse(401, {}, "The access token has expired.")
        registered = bool(token) and not self.forgets_accounts
        told = {"x-ov-client-application-name": "faces"} if registered else {}
        for scope, (number, seconds, rate) in (REGISTERED if registered else ANONYMOUS).items():
            served = self.history.setdefault(scope, deque())
            while served and served[0] <= self.clock.now - seconds:
                served.popleft()
            told |= {
                f"X-RateLimit-Limit-{scope}": rate,
                f"X-RateLimit-Available-{scope}": str(number - len(served)),
            }
            if len(served) >= number:
                pause = served[0] + seconds - self.clock.now
                return self.refuse(
                    429, {**told, "Retry-After": str(int(pause) + 1)}, "Request was throttled."
                )
        for scope in REGISTERED if registered else ANONYMOUS:
            self.history[scope].append(self.clock.now)
        page, size = int(asked["page"]), int(asked["page_size"])
        if size > PAGE or page * size > DEPTH:
            return self.refuse(401, told, f"page_size may not exceed {PAGE} for anonymous requests")
        phrase = asked["q"]
        self.searched.append(phrase)
        self.pages.append((phrase, page))
        total = min(self.results_for(phrase), DEPTH)
        found = [
            {"url": f"https://a.example/{phrase.replace(' ', '-')}/{number}.jpg", "license": "by", "tags": []}
            for number in range((page - 1) * size, min(page * size, total))
        ]
        return (
            200,
            told,
            {"result_count": total, "page_count": -(-total // size), "page": page, "results": found},
        )

    def refuse(self, status: int, headers: dict[str, str], detail: str) -> tuple[int, dict[str, str], object]:
        self.refused[status] += 1
        return status, headers, {"detail": detail}

    def give_token(self, form: dict[str, list[str]]) -> tuple[int, dict[str, str], object]:
        """Answer a request for a token."""
        if self.failing_tokens:
            self.failing_tokens -= 1
            return 503, {}, {}
        if form != {"grant_type": ["client_credentials"], "client_id": ["me"], "client_secret": ["geheim"]}:
            return 401, {}, {"error": "invalid_client"}
        token = f"token{len(self.tokens)}"
        self.tokens[token] = self.clock.now + self.token_seconds
        return (
            200,
            {},
            {
                "access_token": token,
                "expires_in": self.token_seconds,
                "token_type": "Bearer",
                "scope": "read",
            },
        )


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    service: Openverse

    def do_GET(self) -> None:
        self.send(*self.service.answer(self.path, dict(self.headers)))

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.send(*self.service.give_token(parse_qs(body)))

    def send(self, status: int, headers: dict[str, str], content: object) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        for name, value in {
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **headers,
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve_openverse(clock: SimulatedClock) -> Iterator[Openverse]:
    """Serve a new Openverse until the block ends."""
    service = Openverse(clock)
    handler = type("OpenverseHandler", (Handler,), {"service": service})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        service.url = f"http://127.0.0.1:{server.server_address[1]}"
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield service
        finally:
            server.shutdown()
