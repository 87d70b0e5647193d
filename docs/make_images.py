"""Make the pictures of the documentation from the workspace of the demo: `make demo images`. Needs Chromium."""

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlencode

import cv2
import numpy as np
from numpy.typing import NDArray

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.review import add_decisions, review_items
from btfer_builder.images.decode import Undecodable, decode_image
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Decision

ROOT = Path(__file__).resolve().parents[1]
WORKSPACE = ROOT / "demo" / "workspace"
IMAGES = ROOT / "docs" / "images"
TILE = 84
#: The photograph that the picture of the review page shows large.
SHOWN = "/photos/astronaut.jpg"
INK = (60, 60, 60)


def way() -> NDArray[np.uint8]:
    """Return three strips: images (those dropped crossed out), face crops, the sample."""
    catalog = Catalog(WORKSPACE / "manifests" / "btfer.sqlite")
    found = catalog.rows("SELECT path, state FROM image_rows ORDER BY candidate_id LIMIT 28")
    faces = catalog.rows(
        "SELECT path, verdict FROM face_rows WHERE state = 'kept' ORDER BY candidate_id LIMIT 28"
    )
    sample = catalog.rows("SELECT path, emotion, rank FROM sample ORDER BY rank, emotion")
    strips = [
        _strip(
            "crawl and dedupe: images found, duplicates crossed out",
            [(r["path"], r["state"] != "kept") for r in found],
        ),
        _strip(
            "crop and review: face crops of 256 x 256 pixels, rejected ones crossed out",
            [(r["path"], r["verdict"] == "reject") for r in faces],
        ),
        _strip(
            "sample: the same number of each class  -  " + ", ".join(EMOTIONS),
            [(r["path"], False) for r in sample],
            len(EMOTIONS) * 2,
        ),
    ]
    return np.vstack(strips)


def _strip(title: str, pictures: list[tuple[str, bool]], columns: int = 14) -> NDArray[np.uint8]:
    tiles = [_tile(WORKSPACE / path, crossed) for path, crossed in pictures]
    rows = [tiles[i : i + columns] for i in range(0, len(tiles), columns)]
    blank = np.full((TILE, TILE, 3), 255, np.uint8)
    grid = np.vstack([np.hstack(row + [blank] * (columns - len(row))) for row in rows])
    head = np.full((34, grid.shape[1], 3), 255, np.uint8)
    cv2.putText(head, title, (6, 23), cv2.FONT_HERSHEY_SIMPLEX, 0.52, INK, 1, cv2.LINE_AA)
    return np.vstack([head, grid])


def _tile(path: Path, crossed: bool) -> NDArray[np.uint8]:
    try:
        picture = decode_image(path)
    except Undecodable:
        picture = np.full((TILE, TILE, 3), 220, np.uint8)
    side = min(picture.shape[:2])
    top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
    square = picture[top : top + side, left : left + side]
    tile = cv2.resize(square, (TILE - 6, TILE - 6), interpolation=cv2.INTER_AREA)
    if crossed:
        tile = (tile * 0.45 + 255 * 0.55).astype(np.uint8)
        cv2.line(tile, (8, 8), (TILE - 14, TILE - 14), (200, 30, 30), 2, cv2.LINE_AA)
        cv2.line(tile, (8, TILE - 14), (TILE - 14, 8), (200, 30, 30), 2, cv2.LINE_AA)
    return cv2.copyMakeBorder(tile, 3, 3, 3, 3, cv2.BORDER_CONSTANT, value=(255, 255, 255))


def screenshot(url: str, path: Path, width: int, height: int) -> None:
    """Take a screenshot of a page in headless Chromium."""
    browser = shutil.which("chromium") or shutil.which("google-chrome")
    if browser is None:
        sys.exit("Chromium is not installed: the screenshots are unchanged")
    with tempfile.TemporaryDirectory() as profile:
        subprocess.run(
            [
                browser, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars",
                "--disable-background-networking", f"--user-data-dir={profile}", "--virtual-time-budget=4000",
                f"--window-size={width},{height}", f"--screenshot={path}", url,
            ],
            check=True,
            capture_output=True,
        )  # fmt: skip


def review_pages() -> None:
    """Take screenshots of the review page: its views, blind, and a disagreement of two reviewers."""
    eli = ["--reviewer", "eli"]
    pages = {
        "review.png": (["--reviewer", "ana"], {}),
        "review-conflict.png": (
            [*eli, "--round", "images"],
            {"show": "conflict", "view": "compare", "page": 1},
        ),
        "review-duplicates.png": (eli, {"show": "duplicates", "view": "compare", "page": 1}),
        "review-suspicion.png": (eli, {"sort": "suspicion", "page": 1}),
        "review-blind.png": (["--reviewer", "bo", "--blind"], {}),
        "review-adjudicate.png": (["--reviewer", "chief", "--adjudicate"], {"page": 1}),
    }
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "workspace"  # so that the workspace of the demo does not change
        shutil.copytree(WORKSPACE, copy)
        disagree(copy)
        half_reviewed(copy, "ana")
        for name, (options, address) in pages.items():
            command = [sys.executable, "-m", "btfer_builder", "review", *options, "--port", "0", "--json"]
            with subprocess.Popen([*command, "-w", str(copy)], stdout=subprocess.PIPE, text=True) as server:
                try:
                    url = json.loads(server.stdout.readline())["url"]  # type: ignore[union-attr]  # a pipe
                    screenshot(f"{url}&{urlencode(address)}", IMAGES / name, 1440, 900)
                finally:
                    server.terminate()


def release_and_leaderboard() -> None:
    """Release the demo's sample for its contact sheet, and compare two public models on it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "demo"
        shutil.copytree(WORKSPACE, copy)
        for command in (
            ["release", f"{folder}/faces", "--contact", "you@university.edu", "--include-unlicensed"],
            ["eval", "--preset", "facex"],
            ["compare", "reports/emotion_model", "reports/model_optimized"],
        ):
            subprocess.run(
                [sys.executable, "-m", "btfer_builder", *command], cwd=copy, check=True, capture_output=True
            )
        shutil.copy(Path(folder) / "faces" / "figures" / "contact_sheet.png", IMAGES / "contact-sheet.png")
        leaderboard = copy / "reports" / "comparison" / "leaderboard.html"
        screenshot(leaderboard.as_uri(), IMAGES / "leaderboard.png", 1000, 610)


def disagree(workspace: Path) -> None:
    """Add decisions of two more reviewers, who disagree on some faces."""
    catalog = Catalog(workspace / "manifests" / "btfer.sqlite")
    faces = [item.item_id for item in review_items(catalog, "face")]
    decisions = []
    for index, face in enumerate(faces[:24]):
        for number, reviewer in enumerate(("bo", "cy")):
            emotion = EMOTIONS[(index // 8 + (index % 5 == number)) % len(EMOTIONS)]
            decisions.append(Decision(face, "face", "accept", emotion, None, reviewer))
    add_decisions(catalog, decisions)


def half_reviewed(workspace: Path, reviewer: str) -> None:
    """Add the decisions of a reviewer who has come as far as the photograph that is shown large."""
    catalog = Catalog(workspace / "manifests" / "btfer.sqlite")
    (shown,) = catalog.rows("SELECT face_id FROM face_rows WHERE state = 'kept' AND url LIKE ?", f"%{SHOWN}")
    decisions = []
    for item in review_items(catalog, "face"):
        if item.item_id == shown["face_id"]:
            break
        emotion = None if item.conflict else item.listed_under
        decisions.append(Decision(item.item_id, "face", "accept", emotion, None, reviewer))
    add_decisions(catalog, decisions)


def curves() -> None:
    """Draw the curves of a short run of lenet5 on synthetic faces: noise with a bright bar for each emotion."""
    chance = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as folder:
        for split, count in (("train", 12), ("val", 4)):
            for index, emotion in enumerate(EMOTIONS):
                faces = Path(folder) / "set" / split / emotion
                faces.mkdir(parents=True)
                for number in range(count):
                    pixels = chance.normal(110, 40, (48, 48))
                    pixels[6 * index + 3 : 6 * index + 9] += 30
                    cv2.imwrite(str(faces / f"{number}.png"), pixels.clip(0, 255).astype(np.uint8))
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "btfer_builder", "train", f"{folder}/set", "--out", str(run)]
        options = [
            "--network",
            "lenet5",
            "--finetune-epochs",
            "40",
            "--batch-size",
            "16",
            "--learning-rate",
            "0.001",
        ]
        subprocess.run([*command, *options], check=True, capture_output=True)
        shutil.copy(run / "curves.png", IMAGES / "curves.png")


def main() -> None:
    """Make all pictures."""
    IMAGES.mkdir(exist_ok=True)
    cv2.imwrite(str(IMAGES / "way.png"), way()[..., ::-1])
    report = next((WORKSPACE / "reports").glob("*/report.html"))
    screenshot(report.as_uri(), IMAGES / "report.png", 1180, 900)
    review_pages()
    release_and_leaderboard()
    curves()


if __name__ == "__main__":
    main()
