"""A small workspace with a sample, as the stages would leave it, and a web that serves its photos again."""

import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random

from click.testing import CliRunner, Result

from btfer_builder.catalog.dedupe import add_hashes, unhashed_images
from btfer_builder.catalog.review import add_decisions
from btfer_builder.cli.main import main
from btfer_builder.config import CrawlRecipe, SampleRecipe
from btfer_builder.crop.render import render_crop
from btfer_builder.images.decode import decode_image
from btfer_builder.images.encode import png
from btfer_builder.images.hashing import hash_images
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Decision
from btfer_builder.release.stage import write_checksums
from btfer_builder.sample.stage import sample
from btfer_builder.workspace import Workspace, create_workspace
from tests.factories import Filled, fill_catalog

FACES = 5
PER_CLASS = 3
SIZE = 48

VISITS = CrawlRecipe(allow_private_hosts=True, timeout=5, connections=4, tries=1)


def small_set(
    root: Path,
    shuffle: Random | None = None,
    license: str = "CC BY 4.0",
    creator: Callable[[int], str] = lambda _: "Ana",
    **recipe,
) -> tuple[Workspace, Filled]:
    """Make a workspace with five accepted faces of each emotion and a sample of three."""
    workspace = create_workspace(root)
    emotions = list(EMOTIONS)
    if shuffle:
        shuffle.shuffle(emotions)
    filled = fill_catalog(workspace, emotions, FACES, license=license)
    cut_again(workspace)
    catalog = workspace.catalog
    with catalog.transaction() as db:
        for (candidate,) in db.execute("SELECT candidate_id FROM candidates").fetchall():
            values = (creator(candidate), candidate)
            db.execute("UPDATE candidates SET creator = ? WHERE candidate_id = ?", values)
    add_hashes(catalog, hash_images(unhashed_images(catalog), workspace.root, 10_000_000))
    rows = catalog.rows("SELECT face_id, emotion FROM face_rows ORDER BY face_id")
    decisions = [
        Decision(row["face_id"], "face", "accept", row["emotion"], reviewer=reviewer)
        for row in rows
        for reviewer in ("ana", "bo")
    ]
    if shuffle:
        shuffle.shuffle(decisions)
    add_decisions(catalog, decisions)
    sample(workspace, SampleRecipe(**{"per_class": PER_CLASS} | recipe))
    return workspace, filled


def cut_again(workspace: Workspace) -> None:
    """Put what a crop of its photo would be in the place of every face file."""
    rows = workspace.catalog.rows("SELECT f.*, i.path AS photo FROM faces f JOIN images i USING (image_id)")
    for row in rows:
        photo = decode_image(workspace.root / row["photo"])
        (workspace.root / row["path"]).write_bytes(png(render_crop(row, photo, SIZE)))


def tree(folder: Path) -> dict[str, bytes]:
    """Return every file below a folder with its bytes."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def times(folder: Path) -> set[float]:
    return {path.stat().st_mtime for path in folder.rglob("*")}


def redirect(folder: Path, base: str) -> None:
    """Let the addresses of a release be those of `web_of`: `release` itself writes no private address."""
    path = folder / "sources.jsonl"
    path.write_text(
        path.read_text(encoding="utf-8").replace("https://photos.example", base), encoding="utf-8"
    )
    write_checksums(folder)


@contextmanager
def web_of(workspace: Workspace, record: bool = True) -> Iterator[dict[str, tuple[int, str, bytes]]]:
    """Serve the photos of a workspace on loopback, and let the catalog say (`record`) that they came from there.

    Yields
    ------
    dict
        (status, content type, body) by path, or a list of them; may be changed. `url` of the server stands under "".
    """
    pages: dict[str, tuple[int, str, bytes]] = {}
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            answer = pages.get(self.path, (404, "text/plain", b"no"))
            if isinstance(answer, list):  # one answer after the other
                answer = answer.pop(0) if len(answer) > 1 else answer[0]
            status, kind, body = answer
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    base = f"http://127.0.0.1:{server.server_port}"
    rows = workspace.catalog.rows(
        "SELECT DISTINCT c.url, i.path FROM candidates c JOIN fetches f USING (url) JOIN images i USING (image_id)"
    )
    with workspace.catalog.transaction() as db:
        for row in rows:
            path = row["url"].removeprefix("https://photos.example")
            pages[path] = (200, "image/png", (workspace.root / row["path"]).read_bytes())
            license = "https://creativecommons.org/licenses/by/4.0/"
            pages[f"{path}.html"] = (200, "text/html", f'<a rel="license" href="{license}">CC</a>'.encode())
            if not record:
                continue
            for table in ("candidates", "fetches"):
                db.execute(f"UPDATE {table} SET url = ? WHERE url = ?", (base + path, row["url"]))
            db.execute(
                "UPDATE candidates SET page_url = ? WHERE url = ?", (f"{base}{path}.html", base + path)
            )
    pages[""] = (0, base, b"")
    pages["asked"] = asked  # type: ignore[assignment]
    try:
        yield pages
    finally:
        server.shutdown()
        server.server_close()


def btfer(workspace: Workspace, *arguments: str) -> Result:
    """Run a command in this process: starting another one for each takes seconds."""
    return CliRunner().invoke(main, [*arguments, "-w", str(workspace.root)], catch_exceptions=False)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def is_root() -> bool:
    return os.geteuid() == 0
