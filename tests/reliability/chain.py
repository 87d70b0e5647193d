"""A small chain of all stages over two real photographs from a web on loopback, and what must hold of its files."""

import re
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

import cv2

from btfer_builder.catalog.backup import back_up
from btfer_builder.catalog.item_counts import OUTCOMES, ItemCounts
from btfer_builder.catalog.review import add_decisions
from btfer_builder.config import CrawlRecipe, CropRecipe, DedupeRecipe, ReleaseRecipe, SampleRecipe
from btfer_builder.crawl.stage import crawl
from btfer_builder.crop.stage import crop
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.images.thumbnails import thumbnail
from btfer_builder.labels import EMOTIONS
from btfer_builder.reconcile import owned_names
from btfer_builder.records import Decision
from btfer_builder.release.rebuild import rebuild
from btfer_builder.release.released_faces import ReleasedFace
from btfer_builder.release.stage import release
from btfer_builder.release.takedown.stage import take_down
from btfer_builder.release.writers.figures import write_groups
from btfer_builder.sample.stage import sample
from btfer_builder.workspace import Workspace, create_workspace
from demo.pictures import encode
from tests.photos import astronaut, hopper

CRAWL = CrawlRecipe(engine=("urls",), allow_private_hosts=True, connections=2, timeout=20, tries=1)
NAME = "eileen collins"
#: Where the photographs seem to be: a release has no address of this machine. Each has a host, and so its own rate.
DOMAIN = "photos.example"


#: The drawn figures by what they show: hundreds of releases have the same, and drawing one costs more than the rest.
_drawn: dict[tuple[object, ...], bytes] = {}


def write_groups_once(path: Path, faces: Sequence[ReleasedFace]) -> None:
    """Draw the figure of a release, or write the one that was drawn of such faces."""
    shown = tuple(sorted((face.emotion, *sorted(face.face.attributes.items())) for face in faces))
    if shown not in _drawn:
        write_groups(path, faces)
        _drawn[shown] = path.read_bytes()
    path.write_bytes(_drawn[shown])


class Chain:
    """The folder of one set: workspace, releases beside it, the served photographs, and a copy that somebody sends."""

    def __init__(self, root: Path, port: int) -> None:
        self.root, self.port = root, port
        self.asked = root.parent / "asked.jpg"

    def url(self, name: str) -> str:
        """Return the address of a photograph."""
        return f"http://{name}.{DOMAIN}:{self.port}/{name}.jpg"

    @property
    def workspace(self) -> Workspace:
        """A workspace without an open catalog."""
        return Workspace(self.root / "w")

    def make(self) -> None:
        workspace = create_workspace(self.root / "w")
        rows = [f"{self.url(name)},{emotion},{title}" for name, emotion, title in PHOTOS]
        (workspace.root / "list.csv").write_text("\n".join(["url,emotion,title", *rows, ""]))

    def crawl(self) -> None:
        crawl(self.workspace, CRAWL, [], EMOTIONS, self.workspace.root / "list.csv")

    def dedupe(self) -> None:
        dedupe(self.workspace, DedupeRecipe(workers=0))

    def crop(self) -> None:
        crop(self.workspace, CropRecipe(workers=0, size=64))

    def review(self) -> None:
        catalog = self.workspace.catalog
        faces = catalog.rows("SELECT face_id, emotion, path FROM face_rows WHERE state = 'kept'")
        add_decisions(
            catalog,
            [Decision(row["face_id"], "face", "accept", row["emotion"], None, "ana") for row in faces],
        )

    def sample(self) -> None:
        sample(self.workspace, SampleRecipe(per_class=1, allow_short=True))

    def release(self) -> None:
        recipe = ReleaseRecipe(include_unlicensed=True)
        if not (self.root / "out").exists():
            release(self.workspace, self.root / "out", recipe)

    def release_urls(self) -> None:
        release(self.workspace, self.root / "urls", ReleaseRecipe(urls_only=True))

    def rebuild(self) -> None:
        assert not rebuild(self.root / "urls", CRAWL).failed

    def surround(self) -> None:
        """Write what names or shows a person besides: thumbnails, a report, a table, a small copy, a backup."""
        workspace = self.workspace
        for kind in ("image", "face"):
            for row in workspace.catalog.rows(
                f"SELECT {kind}_id AS id, path FROM {kind}s WHERE path IS NOT NULL"
            ):
                thumbnail(workspace.root, kind, row["id"], row["path"])
        face, url, photo = workspace.catalog.rows(
            """SELECT f.face_id, c.url, i.path FROM faces f JOIN images i USING (image_id) JOIN fetches USING (image_id)
               JOIN candidates c USING (url) WHERE c.title = ?""", NAME
        )[0]  # fmt: skip
        report = workspace.reports / "model"
        report.mkdir(parents=True)
        (report / "predictions.csv").write_text(f"face_id\n{face}\n")
        (workspace.reports / "recheck.csv").write_text(f"url\n{url}\n")
        (workspace.reports / "kept.csv").write_text("face_id\n0000000000000000\n")
        (workspace.reports / "small").mkdir()
        small = cv2.resize(cv2.imread(str(workspace.root / photo)), None, fx=0.5, fy=0.5)
        cv2.imwrite(str(workspace.reports / "small" / "teaser.jpg"), small)
        back_up(workspace.catalog.connection, workspace.backups)

    def take_down(self) -> None:
        take_down(self.workspace, str(self.asked))

    def find_again(self) -> None:
        """Crawl a smaller and a mirrored copy of the one that was taken down, and the same file elsewhere."""
        (self.workspace.root / "list.csv").write_text(
            "url,emotion,title\n" + "".join(f"{self.url(name)},happy,{NAME}\n" for name in AGAIN)
        )
        self.crawl()


PHOTOS = (("eileen", "happy", NAME), ("grace", "neutral", "grace hopper"), ("gone", "sad", "nobody"))
AGAIN = ("eileen-small", "eileen-mirrored", "eileen-again")


@contextmanager
def photographs(folder: Path) -> Iterator[int]:
    """Serve the photographs on loopback, under names of `DOMAIN`, and yield the port."""
    folder.mkdir()
    eileen = astronaut()
    small = cv2.resize(eileen, (272, 240), interpolation=cv2.INTER_AREA)
    files = {"eileen": encode(eileen), "grace": encode(hopper()), "eileen-small": encode(small)}
    files |= {"eileen-mirrored": encode(eileen[:, ::-1].copy(), quality=85), "eileen-again": files["eileen"]}
    for name, content in files.items():
        (folder / f"{name}.jpg").write_bytes(content)

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    look_up = socket.getaddrinfo

    def resolve(host: Any, *arguments: Any, **options: Any) -> Any:
        return look_up("127.0.0.1" if str(host).endswith(DOMAIN) else host, *arguments, **options)

    try:
        with patch("socket.getaddrinfo", resolve):  # the only part of the web that is not there
            yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


#: What a rerun may do at another time, or in another number of tries. What was made of the tables may be there or not.
_TIMES = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:\+00:00|Z)?")
_OTHER_EACH_TIME = {"runs", "intentions", "csv_views", "item_counts", "sqlite_sequence", "sqlite_stat1"}


def outcome(root: Path) -> dict[str, object]:
    """Return everything that a chain made: files with their bytes, and the rows of the catalog, without times."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if (
            path.is_file()
            and "btfer.sqlite" not in name
            and "backups/" not in name
            and path.suffix != ".lock"
        ):
            found[name] = _TIMES.sub(b"", path.read_bytes())
    catalog = Workspace(root / "w").catalog
    for (table,) in catalog.rows("SELECT name FROM sqlite_master WHERE type = 'table'"):
        if table not in _OTHER_EACH_TIME:
            columns = [
                row["name"]
                for row in catalog.rows(f"PRAGMA table_info({table})")
                if not row["name"].endswith("_at") and row["name"] != "tombstone_id"
            ]
            found[table] = sorted(
                {repr(tuple(row)) for row in catalog.rows(f"SELECT {', '.join(columns)} FROM {table}")}
            )
    counts = ItemCounts(catalog)
    found["counts"] = [sorted(f"{item}: {n}" for item, n in counts.of(name)) for name in OUTCOMES]
    return found


def check_owners(root: Path) -> None:
    """Check that every file of a chain belongs to a row, and that nothing unfinished is left."""
    assert {path.name for path in root.iterdir()} <= {"w", "out", "urls"}
    workspace = Workspace(root / "w")
    owned = owned_names(workspace)
    for path in root.rglob("*"):
        name = path.relative_to(root / "w").as_posix() if path.is_relative_to(root / "w") else path.name
        assert path.suffix not in {".part", ".building", ".old"}, path
        assert path.suffix == ".lock" or not path.name.startswith((".photos.", ".sample.")), path
        assert not (name.startswith("data/") and path.is_file()) or owned(name), f"{path} belongs to nobody"
    assert workspace.catalog.rows("SELECT * FROM intentions") == []


def check_gone(chain: Chain) -> None:
    """Check that nothing of the one who was taken down is in any byte below the workspace and its releases.

    What a search has found and nobody has fetched yet is known to be hers when it is: it is fetched first.
    """
    chain.crawl()
    photo = chain.asked.read_bytes()
    marks = {b"the photo": photo[len(photo) // 2 :][:64], b"the address": b"//eileen"}
    marks[b"the name"] = NAME.encode()
    for path in chain.root.rglob("*"):
        if path.is_file() and path.name != "list.csv":  # the user's own list
            content = path.read_bytes()
            for what, mark in marks.items():
                assert mark not in content, f"{path} has {what.decode()}"
            if path.suffix in {".png", ".jpg"} and path.name not in {"groups.png", "contact_sheet.png"}:
                assert not _is_eileen(path, chain), f"{path} shows her"


def _is_eileen(path: Path, chain: Chain) -> bool:
    """Whether a picture is a copy of her photo or face, by its correlation with both at 32×32 pixels."""
    seen = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
    if seen is None:
        return False
    photo = cv2.imread(str(chain.asked), cv2.IMREAD_GRAYSCALE)
    small = [cv2.resize(each, (32, 32), interpolation=cv2.INTER_AREA).astype(float) for each in (seen, photo)]
    alike = cv2.matchTemplate(small[0].astype("float32"), small[1].astype("float32"), cv2.TM_CCOEFF_NORMED)
    return float(alike[0, 0]) > 0.9 or path.stem in chain_faces(chain)


def chain_faces(chain: Chain) -> set[str]:
    """Return the ids of the faces that have a tombstone."""
    rows = chain.workspace.catalog.rows("SELECT face_id FROM tombstones WHERE face_id IS NOT NULL")
    return {row["face_id"] for row in rows}
