"""How fast the review page is: a key until it shows, a decision until it is answered, five reviewers at full speed.

    python benchmarks/review.py [--faces 10000] [--seconds 30] [--workspace DIR]

Prints medians and 95th percentiles in milliseconds, and checks that every acknowledged decision is in the catalog.
"""

import argparse
import contextlib
import itertools
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.record import Figure, add_option, record  # noqa: E402
from btfer_builder.catalog import Catalog  # noqa: E402
from btfer_builder.labels import EMOTIONS  # noqa: E402
from btfer_builder.workspace import Workspace, create_workspace  # noqa: E402
from tests.factories import fill_catalog  # noqa: E402
from tests.review.browser import CHROMIUM, READY, Chromium  # noqa: E402

#: In milliseconds.
DECISION_GOAL, KEY_GOAL = "< 20", "< 50"
REVIEWERS = ("ana", "bo", "cy", "di", "el")


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--faces", type=int, default=10_000)
    options.add_argument("--seconds", type=float, default=30)
    options.add_argument("--workspace", type=Path, help="use this one, and fill it if it is not there")
    add_option(options)
    asked = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        workspace = filled(asked.workspace or Path(folder) / "set", asked.faces)
        print(f"{asked.faces} faces, {asked.seconds:g} s for each measurement")
        figures = [*alone(workspace, asked.seconds), *together(workspace, asked.seconds)]
        if CHROMIUM:
            figures += keys(workspace)
        else:
            print("no Chromium here: keys were not measured")
    if asked.record:
        named = (replace(one, figure=f"review of {asked.faces:,} faces: {one.figure}") for one in figures)
        record("review", named)


def filled(root: Path, faces: int) -> Workspace:
    """Return a workspace with so many faces, and all their thumbnails."""
    if (root / "manifests" / "btfer.sqlite").exists():
        return Workspace(root)
    workspace = create_workspace(root)
    fill_catalog(workspace, per_emotion=-(-faces // len(EMOTIONS)), conflicts=10)
    from btfer_builder.review.prepare_thumbnails import prepare_thumbnails

    begin = time.perf_counter()
    made = prepare_thumbnails(workspace, ["face"], threading.Event(), workers=2)
    print(f"thumbnails: {made / (time.perf_counter() - begin):.0f} a second with two workers")
    return workspace


@contextlib.contextmanager
def served(workspace: Workspace, reviewer: str) -> Iterator[httpx.URL]:
    """Run `btfer review` for a reviewer."""
    command = [
        sys.executable,
        "-m",
        "btfer_builder",
        "review",
        "--port",
        "0",
        "--json",
        "--reviewer",
        reviewer,
    ]
    server = subprocess.Popen(
        [*command, "-w", str(workspace.root)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    try:
        yield httpx.URL(json.loads(server.stdout.readline())["url"])  # type: ignore[union-attr]  # a pipe
    finally:
        server.terminate()
        server.wait()


def post(url: httpx.URL, items: list[str], until: float, times: list[float], acknowledged: list[int]) -> None:
    """Decide as fast as the server answers."""
    token = {"Authorization": f"Bearer {url.params['token']}"}
    with httpx.Client(base_url=url.copy_with(query=None), headers=token, trust_env=False, timeout=60) as page:
        for number, item in enumerate(itertools.cycle(items)):
            begin = time.perf_counter()
            if begin > until:
                return
            emotion = EMOTIONS[(number // len(items) + number) % len(EMOTIONS)]
            body = {"item_id": item, "kind": "face", "verdict": "accept", "emotion": emotion}
            answer = page.post("/api/decisions", json=body)
            times.append(time.perf_counter() - begin)
            answer.raise_for_status()
            acknowledged.append(answer.json()["decision_id"])


def alone(workspace: Workspace, seconds: float) -> Iterator[Figure]:
    """One reviewer."""
    with served(workspace, "zoe") as url:
        times: list[float] = []
        post(url, face_ids(workspace), time.perf_counter() + min(seconds, 10), times, [])
        yield from report("one reviewer, a decision answered", times, DECISION_GOAL)
        token = {"Authorization": f"Bearer {url.params['token']}"}
        with httpx.Client(base_url=url.copy_with(query=None), headers=token, trust_env=False) as page:
            turns = []
            for number in range(1, 60):
                begin = time.perf_counter()
                page.get(
                    "/api/items", params={"round": "faces", "page": number, "keep": 1}
                ).raise_for_status()
                turns.append(time.perf_counter() - begin)
            yield from report("one reviewer, a page of items", turns)


def together(workspace: Workspace, seconds: float) -> list[Figure]:
    """All reviewers at once, each through a server of their own."""
    with contextlib.ExitStack() as stack:
        urls = [stack.enter_context(served(workspace, name)) for name in REVIEWERS]
        times: list[list[float]] = [[] for _ in urls]
        acknowledged: list[list[int]] = [[] for _ in urls]
        until = time.perf_counter() + seconds
        items = face_ids(workspace)
        threads = [
            threading.Thread(target=post, args=(url, items, until, *lists))
            for url, *lists in zip(urls, times, acknowledged, strict=True)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    whole = [one for each in times for one in each]
    figures = report(f"{len(urls)} reviewers at full speed, a decision answered", whole, DECISION_GOAL)
    ids = {one for each in acknowledged for one in each}
    held = {row[0] for row in Catalog(workspace.catalog.path).rows("SELECT decision_id FROM decisions")}
    print(f"{len(ids)} decisions acknowledged, {len(ids - held)} of them not in the catalog")
    if not ids <= held:
        sys.exit("decisions were lost")
    return figures


def keys(workspace: Workspace) -> Iterator[Figure]:
    """Measure the time from a key to the picture on the screen that shows its effect, in a real browser."""
    script = """
      window.times = [];
      document.addEventListener('keydown', (event) => {
        const channel = new MessageChannel();
        channel.port1.onmessage = () => window.times.push(performance.now() - event.timeStamp);
        requestAnimationFrame(() => channel.port2.postMessage(0));  // the message comes after the frame is painted
      }, true);
    """
    with (
        served(workspace, "kim") as url,
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile,
        Chromium(Path(profile)) as chromium,
        chromium.tab() as page,
    ):
        page.open(str(url))
        page.eval(script)
        for name, pressed in (
            ("labels", "1234567"),
            ("moves", ["ArrowRight", "ArrowLeft"]),
            ("pages", ["PageDown"]),
        ):
            page.eval("window.times.length = 0")
            for key in itertools.islice(itertools.cycle(pressed), 56 if name == "labels" else 40):
                page.press(key)
                page.until(READY)
            page.until("document.getElementById('saved').textContent === 'All saved'")
            shown = [one / 1000 for one in page.eval("window.times")]
            yield from report(f"a key until it shows, {name}", shown, KEY_GOAL)


def face_ids(workspace: Workspace) -> list[str]:
    """Return the faces of a workspace."""
    return [row[0] for row in workspace.catalog.rows("SELECT face_id FROM faces ORDER BY face_id")]


def report(what: str, seconds: list[float], goal: str = "") -> list[Figure]:
    """Print a line, and return its median and 95th percentile."""
    ranked = sorted(seconds)
    p95 = ranked[min(len(ranked) - 1, int(0.95 * len(ranked)))]
    print(
        f"{what}: median {statistics.median(ranked) * 1000:.1f} ms, p95 {p95 * 1000:.1f} ms, "
        f"slowest {ranked[-1] * 1000:.0f} ms (n = {len(ranked)})",
        flush=True,
    )
    shares = {"median": statistics.median(ranked), "p95": p95}
    return [
        Figure(figure=f"{what}, {name}", goal=goal, value=1000 * value, unit="ms")
        for name, value in shares.items()
    ]


if __name__ == "__main__":
    main()
