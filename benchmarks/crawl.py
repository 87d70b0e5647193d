"""Speed of `btfer crawl` against stock icrawler over one loopback web: files a second, and a grid without results.

2,000 pictures of about 100 kB under 20 hosts (127.0.0.1 to 127.0.0.20); every answer comes 50 ms after its request.
Both crawlers have the same number of connections, run in processes of their own, and take turns. Stock icrawler is
`BingImageCrawler` as it is installed; only the address it asks is ours.

    python benchmarks/crawl.py [--rounds N] [--connections N]
"""

import argparse
import asyncio
import io
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.record import Figure, add_option, record

FILES, HOSTS, LATENCY = 2000, 20, 0.05
GRID = 1500
STOCK = "icrawler 0.6.10"
#: How the 2,000 pictures are asked for: as the paper's crawl did, and in the way that suits stock icrawler best (its
#: own limit for a query is 1,000).
SHAPES = {"20 phrases of 100": (20, 100), "2 phrases of 1,000": (2, 1000)}


# The web ---------------------------------------------------------------------------------------------


def a_picture() -> bytes:
    """Return a JPEG of about 100 kB; what is appended to it makes it another file and the same picture."""
    from PIL import Image

    noise = Image.frombytes("RGB", (400, 400), random.Random(1).randbytes(400 * 400 * 3))  # noqa: S311
    file = io.BytesIO()
    noise.save(file, "JPEG", quality=75)
    return file.getvalue()


class Web(asyncio.Protocol):
    """Answers every request 50 ms after it came, on as many connections as there are."""

    picture = b""
    port = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self.transport: Any = transport
        self.rest = b""

    def data_received(self, data: bytes) -> None:
        """Have each whole request answered after the latency."""
        *requests, self.rest = (self.rest + data).split(b"\r\n\r\n")
        for request in requests:
            path = request.split(b" ", 2)[1].decode()
            asyncio.get_running_loop().call_later(LATENCY, self.answer, path)

    def answer(self, path: str) -> None:
        """Answer with a page of results or a picture."""
        if self.transport.is_closing():
            return
        address = urlsplit(path)
        if address.path == "/images/async":
            status, kind, body = "200 OK", "text/html", self.bing(parse_qs(address.query))
        elif address.path == "/v1/images/":
            body = b'{"result_count": 0, "page_count": 0, "page_size": 20, "page": 1, "results": []}'
            status, kind = "200 OK", "application/json"
        elif address.path.endswith(".jpg"):
            status, kind, body = "200 OK", "image/jpeg", self.picture + path.encode()
        else:
            status, kind, body = "404 Not Found", "text/plain", b"no such page"
        head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
        self.transport.write(head.encode() + body)

    def bing(self, asked: dict[str, list[str]]) -> bytes:
        """Return a page of results of a phrase "N of M", which has the Nth M pictures; none for other phrases.

        Stock icrawler asks for twenty results from 0, btfer for as many as it says from 1.
        """
        words, first = asked["q"][0].split(), int(asked["first"][0])
        count = int(asked["count"][0]) if "count" in asked else 20
        first -= "count" in asked
        if len(words) != 3:
            return b"<html><body></body></html>"
        number, size = int(words[0]), int(words[2])
        items = []
        for place in range(number * size + first, number * size + min(first + count, size)):
            url = f"http://127.0.0.{1 + place % HOSTS}:{self.port}/{place}.jpg"
            told = json.dumps({"murl": url, "purl": url, "t": "t"}, separators=(",", ":")).replace(
                '"', "&quot;"
            )
            items.append(f'<div class="imgpt"><a m="{told}"></a></div>')
        return f"<html><body>{''.join(items)}</body></html>".encode()


async def serve() -> None:
    """Serve until killed; the port is the first line on stdout."""
    Web.picture = a_picture()
    server = await asyncio.get_running_loop().create_server(Web, "0.0.0.0", 0, backlog=1000)  # noqa: S104 - 127.0.0.*
    Web.port = server.sockets[0].getsockname()[1]
    print(Web.port, flush=True)
    await server.serve_forever()


# The crawlers, each in a process of its own ------------------------------------------------------------


def ours(port: int, phrases: list[str], per_phrase: int, connections: int, folder: Path, engine: str) -> int:
    """Crawl with btfer; return the number of files that are there afterwards."""
    from btfer_builder.config import CrawlRecipe
    from btfer_builder.crawl.stage import crawl
    from btfer_builder.queries.phrases import Query
    from btfer_builder.workspace import create_workspace

    path = {"bing": "/images/async", "openverse": "/v1/images/"}[engine]
    recipe = CrawlRecipe(
        engine=(engine,),  # type: ignore[arg-type]  # one of two
        engine_url={engine: f"http://127.0.0.1:{port}{path}"},
        per_query=per_phrase,
        concurrent_searches=8,
        connections=connections,
        per_host=8,
        allow_private_hosts=True,
    )
    queries = [Query(phrase, "en", "happy", "latino", "female", "adult", phrase) for phrase in phrases]
    workspace = create_workspace(folder)
    crawl(workspace, recipe, queries, ("happy",))
    return sum(1 for path in (workspace.data / "images").rglob("*.jpg") if path.is_file())


def stock(port: int, phrases: list[str], per_phrase: int, connections: int, folder: Path) -> int:
    """Crawl with icrawler's BingImageCrawler as it is, but for the address of its feeder."""
    import logging

    from icrawler.builtin import BingImageCrawler
    from icrawler.builtin.bing import BingFeeder

    class Feeder(BingFeeder):  # type: ignore[misc]  # icrawler is untyped
        def feed(self, keyword: str, offset: int, max_num: int, filters: object = None) -> None:
            for first in range(offset, offset + max_num, 20):
                query = urlencode({"q": keyword, "first": first})
                self.out_queue.put(f"http://127.0.0.1:{port}/images/async?{query}")

    for number, phrase in enumerate(phrases):
        crawler = BingImageCrawler(
            feeder_cls=Feeder,
            downloader_threads=connections,
            storage={"root_dir": str(folder / str(number))},
            log_level=logging.CRITICAL,
        )
        crawler.crawl(keyword=phrase, max_num=per_phrase)
    return sum(1 for path in folder.rglob("*.jpg") if path.is_file())


def run(
    which: str, port: int, phrases: list[str], per_phrase: int, connections: int, engine: str = "bing"
) -> dict[str, float]:
    """Run a crawler in a process of its own and return its files, its seconds and its seconds of CPU."""
    with tempfile.TemporaryDirectory() as folder:
        asked = [which, port, phrases, per_phrase, connections, folder, engine]
        done = subprocess.run(
            [sys.executable, __file__, "--one", json.dumps(asked)], capture_output=True, text=True, check=True
        )
    return dict(json.loads(done.stdout.splitlines()[-1]))


def one(
    which: str, port: int, phrases: list[str], per_phrase: int, connections: int, folder: str, engine: str
) -> None:
    """Be that process. What is imported first is not counted, in either."""
    import btfer_builder.crawl.stage  # noqa: F401 - and so is the line above

    started, used = time.perf_counter(), time.process_time()
    if which == "ours":
        files = ours(port, phrases, per_phrase, connections, Path(folder) / "faces", engine)
    else:
        files = stock(port, phrases, per_phrase, connections, Path(folder))
    seconds, cpu = time.perf_counter() - started, time.process_time() - used
    print(json.dumps({"files": files, "seconds": seconds, "cpu": cpu}))


# What is measured --------------------------------------------------------------------------------------


def compare(port: int, rounds: int, connections: int) -> Iterator[Figure]:
    """Print files a second of both, round by round, and yield their ratios."""
    for shape, (count, per_phrase) in SHAPES.items():
        phrases, ratios, ours = [f"{number} of {per_phrase}" for number in range(count)], [], []
        for _ in range(rounds):
            rates = {}
            for which in ("ours", "stock"):
                done = run(which, port, phrases, per_phrase, connections)
                rates[which] = done["files"] / done["seconds"]
                print(
                    f"{shape:20} {which:6} {done['files']:.0f} files in {done['seconds']:6.1f} s = "
                    f"{rates[which]:5.0f} files/s, {done['cpu']:5.1f} s CPU",
                    flush=True,
                )
            ours.append(rates["ours"])
            ratios.append(rates["ours"] / rates["stock"])
        print(f"{shape:20} ratio  {statistics.median(ratios):.1f} (median of {rounds})", flush=True)
        what = f"crawling {count * per_phrase:,} files, {shape}"
        yield _figure(what, ratios, "×", peer=STOCK, goal="≥ 5")
        yield _figure(what, ours, "files/s")


def _figure(what: str, values: list[float], unit: str, **more: str) -> Figure:
    return Figure(
        figure=what, value=statistics.median(values), unit=unit, low=min(values), high=max(values), **more
    )


def empty_grid(port: int) -> Iterator[Figure]:
    """Print and yield the time of the paper's grid over an engine without results, and that of stock icrawler."""
    done = run("ours", port, [f"phrase number {number} here" for number in range(GRID)], 100, 16, "openverse")
    few = run("stock", port, [f"phrase number {number} here" for number in range(3)], 100, 16)
    each = few["seconds"] / 3
    print(f"empty grid           ours   {GRID} queries in {done['seconds']:.1f} s")
    print(f"empty grid           stock  {each * GRID / 60:.0f} min ({each:.1f} s a query, of 3)")
    what = f"{GRID:,} phrases without results"
    yield Figure(figure=what, goal="≤ 120", value=done["seconds"], unit="s")
    yield Figure(figure=f"{what}, {STOCK}", value=each * GRID / 60, unit="min")


def main() -> None:
    """Serve, compare, and stop."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    add_option(parser)
    given = parser.parse_args()
    if given.one:
        one(*json.loads(given.one))
    elif given.serve:
        asyncio.run(serve())
    else:
        server = subprocess.Popen([sys.executable, __file__, "--serve"], stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None  # noqa: S101 - a pipe
            port = int(server.stdout.readline())
            figures = [*compare(port, given.rounds, given.connections), *empty_grid(port)]
            if given.record:
                record("crawl", figures)
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    main()
