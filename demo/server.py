"""The demo's web: an image search whose result pages have Bing's form, and the pictures they point to."""

import html
import json
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from btfer_builder.config import QueriesRecipe
from btfer_builder.queries.plan import default_vocabulary, plan_queries
from demo.pictures import Served

PAGE_SIZE = 35


@dataclass
class Web:
    """A running server: its address, and how often each path was asked for."""

    url: str
    requests: Counter[str] = field(default_factory=Counter)

    @property
    def search_url(self) -> str:
        """What `--engine-url bing=…` takes."""
        return f"{self.url}/images/async"


def results_page(base: str, results: Sequence[Served]) -> str:
    """Return a page of results in the form of Bing's: JSON in the attribute `m` of each result's link."""
    items = []
    for result in results:
        told = {
            "murl": base + result.path,
            "purl": f"{base}/pages{result.path}.html",
            "t": f"Photo {result.path}",
        }
        items.append(
            f'<div class="imgpt"><a class="iusc" m="{html.escape(json.dumps(told))}" href="#"></a></div>'
        )
    return f"<html><body>{''.join(items)}</body></html>"


@contextmanager
def serve(pictures: Sequence[Served], port: int = 0) -> Iterator[Web]:
    """Serve the pictures and a search over them on loopback until the block ends.

    Parameters
    ----------
    pictures
        The files; a search for a phrase of an emotion shows those with this emotion.
    port
        0 takes a free one.
    """
    emotion_of = {query.query: query.emotion for query in plan_queries(default_vocabulary(), QueriesRecipe())}
    files = {picture.path: picture for picture in pictures}

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # head and body are sent apart: the second would wait 40 ms

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            web.requests[address.path] += 1
            if address.path == "/images/async":
                asked = parse_qs(address.query)
                emotion, first = emotion_of.get(asked["q"][0]), int(asked["first"][0]) - 1
                found = [picture for picture in pictures if emotion in picture.emotions]
                page = results_page(web.url, found[first : first + PAGE_SIZE])
                self._answer(200, "text/html; charset=utf-8", page.encode())
            elif picture := files.get(address.path):
                self._answer(picture.status, picture.content_type, picture.content)
            else:
                self._answer(404, "text/plain", b"no such page")

        def _answer(self, status: int, content_type: str, content: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        server.daemon_threads = True
        web = Web(f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield web
        finally:
            server.shutdown()
            thread.join()
