"""How the cost of each command grows with the catalog: processor seconds on made-up catalogs of several sizes.

    python -m benchmarks.scale [--photos 20000 60000 200000] [--only status sample]

The exponent is the slope of log(seconds) over log(photos): 1 is linear. No photo is decoded: all hashes are there. The
memory is that of the largest process. A million photos need 10 GB of disk and take half an hour.
"""

import argparse
import math
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from benchmarks.record import Figure, add_option, record  # noqa: E402
from btfer_builder.workspace import Workspace, create_workspace  # noqa: E402
from tests.synthetic import FACE_FILE, fill_tables  # noqa: E402

VIEWS = """
import sys
from pathlib import Path
from btfer_builder.catalog.manifests import MANIFESTS, write_manifests
from btfer_builder.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
write_manifests(workspace.catalog, workspace.manifests, *MANIFESTS)
"""

LEFT_TO_CROP = """
import sys
from pathlib import Path
from btfer_builder.catalog.crop import stored_settings, uncropped_images
from btfer_builder.io.storage import sizes_below
from btfer_builder.workspace import Workspace
workspace = Workspace(Path(sys.argv[1]))
sizes = sizes_below(workspace.files, "data/faces")
uncropped_images(workspace.catalog, stored_settings(workspace.catalog), sizes)
"""

REVIEW_OPENS = """
import sys
from pathlib import Path
from btfer_builder.config import ReviewRecipe
from btfer_builder.review.filters import ItemQuery
from btfer_builder.review.session import Session
from btfer_builder.workspace import Workspace
session = Session(Workspace(Path(sys.argv[1])).catalog, "ana", ReviewRecipe(reviewer="ana"))
session.progress("face")
session.page("face", ItemQuery())
"""

COMMANDS = {
    "status": ("-m", "btfer_builder", "status", "--json", "-w", "{root}"),
    "sample": ("-m", "btfer_builder", "sample", "--per-class", "300", "--allow-short", "-w", "{root}"),
    "review --export": ("-m", "btfer_builder", "review", "--export", "{root}/export.csv", "-w", "{root}"),
    "review opens": ("-c", REVIEW_OPENS, "{root}"),
    "CSV views": ("-c", VIEWS, "{root}"),
    "crop: what is left": ("-c", LEFT_TO_CROP, "{root}"),
    # Last, as they write what the others read.
    "dedupe": ("-m", "btfer_builder", "dedupe", "-w", "{root}"),
    "takedown of one id": ("-m", "btfer_builder", "takedown", "{image}", "-w", "{root}"),
}


def main() -> None:
    """Measure and print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    options.add_argument("--photos", type=int, nargs="+", default=[20_000, 60_000, 200_000])
    options.add_argument("--only", nargs="+", choices=COMMANDS, default=list(COMMANDS), metavar="COMMAND")
    add_option(options)
    given = options.parse_args()
    sizes = sorted(set(given.photos))
    seconds: dict[str, list[float]] = {name: [] for name in given.only}
    memory: dict[str, list[float]] = {name: [] for name in given.only}
    for photos in sizes:
        folder = Path(tempfile.mkdtemp())
        try:
            root = filled(folder / "set", photos)
            image = Workspace(root).catalog.value("SELECT max(image_id) FROM images")
            for name in given.only:
                cost, size = measure([word.format(root=root, image=image) for word in COMMANDS[name]])
                print(f"{photos:,} photos, {name}: {cost:.2f} s, {size:.0f} MB", flush=True)
                seconds[name].append(cost)
                memory[name].append(size)
        finally:
            shutil.rmtree(folder)
    print(f"{'processor seconds':20}" + "".join(f"{photos:>12,}" for photos in sizes) + "   exponent  MB")
    for name, costs in seconds.items():
        row = "".join(f"{cost:12.2f}" for cost in costs)
        print(f"{name:20}{row}{slope(sizes, costs):11.2f}{max(memory[name]):6.0f}")
    if given.record:
        record("scale", [
            Figure(figure=f"processor seconds of {name}, {photos:,} photos", value=cost, unit="s")
            for name, costs in seconds.items() for photos, cost in zip(sizes, costs, strict=True)
        ])  # fmt: skip


def filled(root: Path, photos: int) -> Path:
    """Return a workspace with so many photos in its catalog, and the one file its faces name."""
    workspace = create_workspace(root)
    fill_tables(workspace.catalog, photos)
    (root / "data" / "images").mkdir()
    (root / FACE_FILE).parent.mkdir()
    Image.new("RGB", (256, 256)).save(root / FACE_FILE)
    workspace.catalog.connection.execute(
        "UPDATE faces SET bytes = NULL"
    )  # as 0.1 wrote them: all lengths are right
    return root


def measure(arguments: list[str]) -> tuple[float, float]:
    """Return the processor seconds of a Python process and its children, and the megabytes of the largest one."""
    process = subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, process.args)
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def slope(sizes: list[int], costs: list[float]) -> float:
    """Return the exponent between the smallest and the largest size; not a number for a single one."""
    if len(sizes) < 2:
        return math.nan
    return math.log(costs[-1] / costs[0]) / math.log(sizes[-1] / sizes[0])


if __name__ == "__main__":
    main()
