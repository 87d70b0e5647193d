"""Small real photographs in a workspace, put there by the `folder` engine, and the real commands over it."""

import subprocess
import sys
from collections.abc import Mapping

import cv2
import numpy as np
from PIL import Image, ImageOps
from skimage import data

from btfer_builder.config import CrawlRecipe
from btfer_builder.labels import EMOTIONS
from btfer_builder.workspace import Workspace
from demo.pictures import encode, grace_hopper

BTFER = (sys.executable, "-m", "btfer_builder")


def astronaut(left: int = 60, top: int = 0, right: int = 400, bottom: int = 300) -> np.ndarray:
    """Return Eileen Collins, RGB; the face stays in the picture."""
    return np.ascontiguousarray(data.astronaut()[top:bottom, left:right])


def hopper(zoom: float = 0.6) -> np.ndarray:
    """Return Grace Hopper, RGB, with a face of some 100 pixels."""
    return cv2.resize(grace_hopper(), None, fx=zoom, fy=zoom, interpolation=cv2.INTER_AREA)


def mirror(pixels: np.ndarray) -> np.ndarray:
    return np.asarray(ImageOps.mirror(Image.fromarray(pixels)))


def some_photos() -> dict[str, dict[str, bytes]]:
    """Return nine files in three classes: three faces, one without, one broken, and every kind of duplicate."""
    photo = astronaut()
    return {
        "happy": {
            "a.png": encode(photo, "PNG"),
            "pixels.bmp": encode(photo, "BMP"),
            "near.jpg": encode(cv2.resize(photo, (272, 240), interpolation=cv2.INTER_AREA), quality=60),
            "mirrored.jpg": encode(mirror(photo), quality=80),
        },
        "neutral": {"hopper.jpg": encode(hopper()), "other.jpg": encode(astronaut(0, 20, 330, 330))},
        "surprise": {
            "coffee.jpg": encode(data.coffee()[:200, :300]),
            "cut.jpg": encode(photo)[:2000],
            "hopper-again.png": encode(hopper(), "PNG"),
        },
    }


def crawl_files(workspace: Workspace, files: Mapping[str, Mapping[str, bytes]]) -> None:
    """Crawl files (class → name → content) as a user's folder of pictures."""
    from btfer_builder.crawl.stage import crawl  # most tests need no network code

    folder = workspace.root / "pictures"
    for emotion, contents in files.items():
        (folder / emotion).mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (folder / emotion / name).write_bytes(content)
    crawl(workspace, CrawlRecipe(engine=("folder",)), [], EMOTIONS, folder)


def table(workspace: Workspace, name: str) -> list[tuple]:
    """Return all rows of a table of the catalog."""
    return [tuple(row) for row in workspace.catalog.rows(f"SELECT * FROM {name} ORDER BY 1")]


def face_files(workspace: Workspace) -> dict[str, bytes]:
    """Return every file below data/faces with its bytes."""
    folder = workspace.data / "faces"
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def btfer(workspace: Workspace, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the real command."""
    return subprocess.run(
        [*BTFER, *arguments, "-w", str(workspace.root)],
        check=False,
        capture_output=True,
        text=True,
        timeout=240,
    )


def start_btfer(workspace: Workspace, *arguments: str) -> subprocess.Popen[str]:
    """Start the real command and don't wait for it."""
    return subprocess.Popen(
        [*BTFER, *arguments, "-w", str(workspace.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
