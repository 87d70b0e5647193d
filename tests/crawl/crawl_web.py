"""A web on loopback whose every path is one case, and searches in the forms of all engines that can break."""

import contextlib
import gzip
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

from tests.crawl.crawl_pictures import HTML, MEDIA, SVG, archive, picture
from tests.crawl.engines.engine_faults import ENGINE_FAULTS
from tests.crawl.engines.engine_forms import FORMS, Form

SEARCH = "/images/async"
Result = str | dict[str, object]
#: Where searches are asked, each in the form of its engine.
SEARCHES = {form.path: form for form in FORMS.values()}
if len(SEARCHES) < len(FORMS):
    raise ValueError("two engines have the same path in FORMS; every engine here needs one of its own")


class Web:
    """The running web: what was asked of it, what its search knows, and how it misbehaves."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: Counter[str] = Counter()
        self.searched: list[tuple[str, int]] = []  # (query, first result of the page), as they came
        self.headers: list[dict[str, str]] = []  # of searches
        self.parameters: list[dict[str, str]] = []  # of their addresses
        self.connections = 0
        self.sent_endlessly = 0
        #: What a search finds: paths, whole addresses, or all that a result says. None: `found_for` is asked.
        self.results: dict[str, list[Result]] = {}
        #: What robots.txt says; None: there is none.
        self.robots: str | None = None
        self.found_for: Callable[[str], list[Result]] = lambda _query: []
        #: How the page with this first result (None: any) misbehaves: one of `ENGINE_FAULTS`.
        self.engine_fault: dict[int | None, str] = {}
        self.faults = 1_000_000  # how often it still does
        #: Called with the number of pictures asked for so far, before one is sent.
        self.on_picture: Callable[[int], None] = lambda _number: None
        self.pictures = 0
        self.asked_at: list[float] = []  # of pages that fail at first
        self.at_once: Counter[str] = Counter()  # host → connections that are fetching a /slow-… picture
        self.most_at_once: Counter[str] = Counter()
        self.closing = threading.Event()
        self.release = threading.Event()  # for a test to hold answers back with
        self.lock = threading.Lock()

    @property
    def search_url(self) -> str:
        return self.url + SEARCH

    def engine_url(self, *names: str) -> dict[str, str]:
        """Return what `engine_url` takes to have these engines asked here."""
        return {name: self.url + FORMS[name].path for name in names}

    def found(self, query: str) -> list[Result]:
        return self.results.get(query) or self.found_for(query)

    def accepted(self, connections: int) -> bool:
        """Wait a moment for the server to have seen this many connections, and return whether it has no others."""
        until = time.monotonic() + 2
        while self.connections < connections and time.monotonic() < until:
            time.sleep(0.01)
        return self.connections == connections

    @property
    def files_asked(self) -> int:
        return sum(count for path, count in self.requests.items() if path not in {*SEARCHES, "/robots.txt"})


def as_told(web: Web, path: str) -> dict[str, object]:
    url = web.url + path if path.startswith("/") else path
    return {"murl": url, "purl": f"https://pages.example{path}.html", "t": f"Photo {path}"}


class Handler(BaseHTTPRequestHandler):
    """Answers a path with its case; any other path that ends like a picture is one."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # or each answer's body waits 40 ms for the client's word on its head
    web: Web

    def do_GET(self) -> None:
        address = urlsplit(self.path)
        with self.web.lock:
            self.web.requests[address.path] += 1
        name = address.path[1:]
        if form := SEARCHES.get(address.path):
            self.search(form, parse_qs(address.query))
        elif address.path == "/robots.txt" and self.web.robots is not None:
            self.answer(200, self.web.robots.encode(), "text/plain")
        elif case := CASES.get(name.partition("/")[0]):
            case(self)
        elif name.rpartition(".")[2] in MEDIA:
            with self.web.lock:
                self.web.pictures += 1
                number = self.web.pictures
            self.web.on_picture(number)
            self.answer(200, picture(name), MEDIA[name.rpartition(".")[2]][1])
        else:
            self.answer(404, b"no such page", "text/plain")

    def search(self, form: Form, asked: dict[str, list[str]]) -> None:
        query, first = form.asked(asked)
        with self.web.lock:
            self.web.searched.append((query, first))
            self.web.headers.append(dict(self.headers))
            self.web.parameters.append({name: values[0] for name, values in asked.items()})
        fault = self.web.engine_fault.get(first) or self.web.engine_fault.get(None)
        results = [
            as_told(self.web, result) if isinstance(result, str) else result
            for result in self.web.found(query)
        ]
        size = int(asked["count"][0]) if "count" in asked else form.size
        page = form.page(results[first : first + size], first, len(results))
        if fault and self.web.faults:
            self.web.faults -= 1
            ENGINE_FAULTS[fault](self, page)
        else:
            self.answer(200, page, form.content_type)

    def answer(
        self, status: int, body: bytes = b"", content_type: str = "image/jpeg", **headers: str
    ) -> None:
        self.head(status, content_type, content_length=str(len(body)), **headers)
        self.wfile.write(body)

    def head(self, status: int, content_type: str, **headers: str) -> None:
        """Send a head whose body ends with the connection unless it has a Content-Length."""
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        if "content_length" not in headers:
            self.send_header("Connection", "close")
            self.close_connection = True
        self.end_headers()

    def redirect(self, location: str, status: int = 302) -> None:
        self.answer(status, b"elsewhere", "text/plain", location=location)

    def reset(self) -> None:
        """Break the connection off with a TCP reset."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()
        self.close_connection = True

    def hang(self) -> None:
        self.web.closing.wait(30)
        self.close_connection = True

    def drip(self, body: bytes, pause: float = 0.03) -> None:
        for byte in body:
            if self.web.closing.wait(pause):
                return
            self.wfile.write(bytes([byte]))

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def hop(handler: Handler) -> None:
    """Redirect /hop/N to /hop/N-1, and /hop/1 to a picture."""
    left = int(handler.path.rpartition("/")[2])
    handler.redirect(f"/hop/{left - 1}" if left > 1 else "/end-of-hops.png")


def endless(handler: Handler) -> None:
    handler.head(200, "image/png")
    with contextlib.suppress(OSError):
        while not handler.web.closing.is_set():
            handler.web.sent_endlessly += handler.connection.send(picture("endless.png") * 10)


def noai_endless(handler: Handler) -> None:
    handler.head(200, "image/png", x_robots_tag="noai")
    with contextlib.suppress(OSError):
        while not handler.web.closing.is_set():
            handler.web.sent_endlessly += handler.connection.send(picture("endless.png") * 10)


def failing(handler: Handler, times: int, status: int, **headers: str) -> None:
    """Fail so often with a status, then send a picture."""
    with handler.web.lock:
        handler.web.asked_at.append(time.monotonic())
        failed = handler.web.requests[urlsplit(handler.path).path] > times
    if failed:
        handler.answer(200, picture(f"{handler.path.rpartition('/')[2]}.jpg"))
    else:
        handler.answer(status, b"later", "text/plain", **headers)


def slow(handler: Handler) -> None:
    """Send a picture after a moment, counting how many of these are under way at each host's name."""
    web, host = handler.web, handler.headers["Host"]
    with web.lock:
        web.at_once[host] += 1
        web.most_at_once[host] = max(web.most_at_once[host], web.at_once[host])
    time.sleep(0.03)
    with web.lock:
        web.at_once[host] -= 1
    handler.answer(200, picture(handler.path.rpartition("/")[2]))


def dripping(handler: Handler) -> None:
    handler.head(200, "image/jpeg")
    handler.drip(picture("drip.jpg"))


def half_then_reset(handler: Handler) -> None:
    body = picture("reset.jpg")
    handler.head(200, "image/jpeg", content_length=str(len(body)))
    handler.wfile.write(body[: len(body) // 2])
    time.sleep(0.02)
    handler.reset()


def with_length(wrong: Callable[[bytes], int]) -> Callable[[Handler], None]:
    def lie(handler: Handler) -> None:
        body = picture("lie.jpg")
        handler.close_connection = True
        handler.head(200, "image/jpeg", content_length=str(wrong(body)))
        handler.wfile.write(body)

    return lie


def signed(handler: Handler) -> None:
    """Send a picture only to whom asks for exactly the address that was signed."""
    if handler.path == SIGNED:
        handler.answer(200, picture("signed.jpg"))
    else:
        handler.answer(403, b"SignatureDoesNotMatch", "application/xml")


SIGNED = "/signed/a%27b%40c%2Fd%3Ae%2cf.jpg?Signature=x%2By%2fz%3D&Policy='(1)'&p=a+b|c&utm_source=x&%61=1"


def ranged(first: int, last: int) -> Callable[[Handler], None]:
    """Send a picture as a part of a file of a hundred bytes more, fewer or none."""

    def send(handler: Handler) -> None:
        body = picture("part.jpg")
        total = len(body) + last
        handler.answer(206, body, content_range=f"bytes {first}-{len(body) - 1}/{total}")

    return send


def sized(handler: Handler) -> None:
    """Send /sized/N.png as a picture of about N bytes."""
    side = round((int(handler.path.rpartition("/")[2].partition(".")[0]) / 3) ** 0.5)
    handler.answer(200, picture("sized.png", side), "image/png")


def raw(answer: bytes) -> Callable[[Handler], None]:
    """Send an answer as it is, head and body, and close the connection."""

    def send(handler: Handler) -> None:
        handler.close_connection = True
        with contextlib.suppress(OSError):
            handler.wfile.write(answer)

    return send


OK = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


#: The first part of a path → what happens there.
CASES: dict[str, Callable[[Handler], None]] = {
    "404": lambda h: h.answer(404),
    "410": lambda h: h.answer(410, picture("gone.jpg")),
    "401": lambda h: h.answer(401),
    "403": lambda h: h.answer(403, HTML, "text/html"),
    "451": lambda h: h.answer(451),
    "500": lambda h: h.answer(500),
    "503": lambda h: h.answer(503),
    "429": lambda h: h.answer(429),
    "204": lambda h: h.answer(204),
    "203": lambda h: h.answer(203, picture("proxied.jpg")),
    "206-all": ranged(0, 0),
    "206-more": ranged(0, 100),
    "206-later": ranged(50, 0),
    "signed": signed,
    "encoding-none": lambda h: h.answer(200, picture("plain.jpg"), content_encoding="none"),
    "encoding-charset": lambda h: h.answer(200, picture("plain.jpg"), content_encoding="UTF-8"),
    "encoding-gzip-of-none": lambda h: h.answer(200, picture("plain.jpg"), content_encoding="gzip"),
    "encoding-br": lambda h: h.answer(200, b"\x0b\x02\x80brotli\x03", content_encoding="br"),
    "206": lambda h: h.answer(206, picture("part.jpg")),
    "304": lambda h: h.answer(304),
    "300-without-location": lambda h: h.answer(302),
    "hang": Handler.hang,
    "drip": dripping,
    "drip-head": lambda h: h.drip(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 10_000),
    "endless": endless,
    "endless-head": lambda h: h.wfile.write(b"HTTP/1.1 200 OK\r\nX: " + b"x" * 3_000_000),
    "length-too-long": with_length(lambda body: len(body) * 2),
    "length-too-short": with_length(lambda body: len(body) - 100),
    "length-nonsense": with_length(lambda _: -5),
    "reset": half_then_reset,
    "close": lambda h: setattr(h, "close_connection", True),
    "no-http": lambda h: h.wfile.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n"),
    "empty": lambda h: h.answer(200),
    "page": lambda h: h.answer(200, HTML),
    "svg": lambda h: h.answer(200, SVG, "image/svg+xml"),
    "psd": lambda h: h.answer(200, b"8BPS\0\1" + bytes(100)),
    "zip": lambda h: h.answer(200, archive()),
    "text": lambda h: h.answer(200, b"   \n  "),
    "noai": lambda h: h.answer(200, picture("noai.jpg"), x_robots_tag="noai, noimageai"),
    "noindex": lambda h: h.answer(200, picture("noindex.jpg"), x_robots_tag="noindex"),
    "noai-for-others": lambda h: h.answer(200, picture("others.jpg"), x_robots_tag="otherbot: noai"),
    "tdm": lambda h: h.answer(200, picture("tdm.jpg"), tdm_reservation="1"),
    "tdm-allowed": lambda h: h.answer(200, picture("tdm-allowed.jpg"), tdm_reservation="0"),
    "noai-endless": noai_endless,
    "busy-once": lambda h: failing(h, 1, 429, retry_after="1"),
    "busy-then": lambda h: failing(h, 2, 503),
    "broken-once": lambda h: failing(h, 1, 500),
    "busy-for-an-hour": lambda h: h.answer(429, retry_after="3600"),
    "mislabelled": lambda h: h.answer(200, picture("mislabelled.png"), "text/html"),
    "gzip": lambda h: h.answer(200, gzip.compress(picture("gzip.png")), content_encoding="gzip"),
    "gzip-members": lambda h: h.answer(
        200,
        gzip.compress(picture("gzip.png")[:50]) + gzip.compress(picture("gzip.png")[50:]) + b"\0" * 9,
        content_encoding="gzip",
    ),
    "gzip-twice": lambda h: h.answer(
        200, gzip.compress(gzip.compress(bytes(10_000_000))), content_encoding="gzip, gzip"
    ),
    "gzip-bomb": lambda h: h.answer(200, gzip.compress(bytes(20_000_000)), content_encoding="gzip"),
    "gzip-broken": lambda h: h.answer(200, b"no gzip at all", content_encoding="gzip"),
    "type-of-bytes": raw(b"HTTP/1.1 200 OK\r\nContent-Type: \xff\xfe\r\n\r\nabcd"),
    "long-type": lambda h: h.answer(200, picture("type.jpg"), "image/jpeg; x=" + "y" * 20_000),
    "chunks-broken": raw(CHUNKED + b"4\r\nabcd\r\nxyz\r\nabcd\r\n"),
    "chunks-endless": raw(CHUNKED + b"f" * 40_000),
    "chunks-negative": raw(CHUNKED + b"-4\r\nabcd\r\n0\r\n\r\n"),
    "header-without-colon": raw(OK + b"no colon here\r\n\r\nabcd"),
    "header-of-bytes": raw(OK + b"X-\xff: \xfe\xff\r\nX-Robots-Tag: \xff\r\n\r\nabcd"),
    "header-with-nul": raw(OK + b"X-Y: a\0b\r\n\r\nabcd"),
    "many-headers": raw(OK + b"".join(b"X-%d: y\r\n" % n for n in range(20_000)) + b"\r\nabcd"),
    "status-nonsense": raw(b"HTTP/1.1 abc OK\r\n\r\n"),
    "status-999": raw(b"HTTP/1.1 999 No\r\nContent-Length: 0\r\nRetry-After: \xff\r\n\r\n"),
    "length-of-letters": raw(OK + b"Content-Length: four\r\n\r\nabcd"),
    "lengths-differ": raw(OK + b"Content-Length: 4\r\nContent-Length: 2\r\n\r\nabcd"),
    "encoding-nonsense": raw(OK + b"Content-Encoding: \xff\r\n\r\nabcd"),
    "charset-nonsense": raw(
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=no\0\xff\r\n\r\nabcd".replace(b"\0", b"")
    ),
    "gzip-empty": raw(OK + b"Content-Encoding: gzip\r\nContent-Length: 0\r\n\r\n"),
    "deflate-empty-chunk": raw(
        CHUNKED.replace(b"\r\n\r\n", b"\r\nContent-Encoding: deflate\r\n\r\n") + b"0\r\n\r\n"
    ),
    "redirect-raw": raw(b"HTTP/1.1 302 Found\r\nLocation: http://\xff\xfe/\x80\r\nContent-Length: 0\r\n\r\n"),
    "redirect-latin-1": raw(b"HTTP/1.1 302 Found\r\nLocation: /caf\xe9%2f1.jpg\r\nContent-Length: 0\r\n\r\n"),
    "redirect-utf-8": raw(b"HTTP/1.1 302 Found\r\nLocation: /caf\xc3\xa9.jpg\r\nContent-Length: 0\r\n\r\n"),
    "redirect-signed": lambda h: h.redirect(SIGNED),
    "redirect-without-end": raw(
        b"HTTP/1.1 302 Found\r\nLocation: /\xed\xa0\x80" + b"x" * 20_000 + b"\r\nContent-Length: 0\r\n\r\n"
    ),
    "redirect": lambda h: h.redirect("/redirected.jpg"),
    "redirect-moved": lambda h: h.redirect(h.web.url + "/moved.webp", 301),
    "redirect-loop": lambda h: h.redirect("/redirect-loop"),
    "redirect-to": lambda h: h.redirect(unquote(h.path.partition("?")[2])),
    "hop": hop,
    "slow": slow,
    "sized": sized,
}


class Server(ThreadingHTTPServer):
    """Counts connections; a client that goes away is no error."""

    daemon_threads = True
    request_queue_size = 64
    web: Web

    def process_request(self, *arguments: object) -> None:
        self.web.connections += 1
        super().process_request(*arguments)  # type: ignore[arg-type]

    def handle_error(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve() -> Iterator[Web]:
    """Serve a new web until the block ends."""
    web = Web()
    handler = type("WebHandler", (Handler,), {"web": web})
    with Server(("127.0.0.1", 0), handler) as server:
        server.web = web
        web.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        try:
            yield web
        finally:
            web.closing.set()
            server.shutdown()
            thread.join()
