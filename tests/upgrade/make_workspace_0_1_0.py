"""Make the archive of a whole workspace of version 0.1.0, and what 0.1.0 answers when it is asked about it.

This must run with the code of 0.1.0 (commit da5f483), for it is what 0.1.0 wrote that later versions must read:

    git worktree add --detach ../0.1.0 da5f483
    PYTHONPATH=../0.1.0 python tests/upgrade/make_workspace_0_1_0.py
    git worktree remove ../0.1.0

Modules are imported by their names of 0.1.0. It takes some minutes and needs Linux, where all of 127.0.0.0/8 is
loopback: the photographs come from a server at 127.0.0.31, where later nothing answers. Only commands and the page's
own API write into the workspace, but for three things: weights lose digits so that the archive is small, a training run
is stopped after its first epoch, and figures that a command writes again anyway are left out.
"""

import csv
import html
import io
import json
import shutil
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import chain
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import cv2
import httpx
import msgspec
import numpy as np
from btfer_builder.emotions import EMOTIONS
from btfer_builder.recipe import BenchmarkRecipe, QueriesRecipe, Recipe
from PIL import Image
from skimage import data
from upgrade_archive import ANSWERS, ARCHIVE, QUESTIONS, answer_of, arguments_of, pack, unpack

from btfer_builder import __version__
from btfer_builder.queries.plan import default_vocabulary, plan_queries
from demo.pictures import LOOKS_LIKE, bomb, encode, grace_hopper, portrait

ADDRESS = ("127.0.0.31", 8931)
URL = f"http://{ADDRESS[0]}:{ADDRESS[1]}"
PER_EMOTION = 6
LFW = data.lfw_subset()[:100]

TRAIN = """\
head = "flatten"
units = "256-256"
loss = "focal"
batch_size = 16
learning_rate = 0.002
phase1_epochs = 1
phase2_epochs = 2
plateau_patience = 3
plateau_factor = 0.4
min_learning_rate = 1e-8
stop_patience = 5
augment = false
validation_share = 0.2
mixed_precision = false
deterministic = true
memory = 64
workers = 1
paper = false
"""
EVAL = """\
labels = ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
scale = "-1,1"
color = "rgb"
size = 0
mean = [0.1]
std = [0.5]
resize = "bilinear"
crop = 0.95
preset = "none"
batch_size = 16
workers = 1
scheduler = ""
corruptions = false
resolutions = [24]
efficiency = false
resamples = 200
seed = 3
set_hash = ""
trust_model = false
"""
#: Every setting there is, most of them not at their default.
RECIPE = f"""\
[storage]
data = ""

[queries]
language = ["en"]
emotion = ["angry", "disgust", "fear", "happy", "neutral", "sad", "surprise"]
ethnicity = ["white"]
gender = ["female"]
age = ["adult"]
no_minors = true

[crawl]
engine = ["openverse"]
engine_url = {{ openverse = "{URL}/v1/images/" }}
license = ["cc0", "by", "by-sa", "unknown"]
per_query = 20
target = 50
query_delay = 0.0
searches = 1
connections = 4
per_host = 4
host_rate = 10.0
tries = 1
max_wait = 2.0
deadline = 5.0
max_bytes = 1000000
contact = "ana@example.org"
allow_private_hosts = true

[dedupe]
radius = 7
mirrored = true
exact_hash = false
face_radius = 3
face_difference = 0.2
max_pixels = 10000000
workers = 0
scheduler = ""

[crop]
detector = "mtcnn"
size = 72
margin = 6
margin_unit = "output"
fit = "square"
faces = "all"
min_confidence = 0.9
min_face_size = 30
max_upscale = 8.0
align = true
blur_others = true
max_pixels = 10000000
workers = 0
scheduler = ""

[hashes]
max_pixels = 10000000
workers = 0

[leakage]
radius = 9
fine_radius = 60

[review]
reviewer = "ana"
host = "127.0.0.1"
port = 0
per_page = 20
blind = false
seed = 3
reviewers = ["ana", "bo"]
overlap = 0.6
min_votes = 1
agreement = 0.6

[agreement]
confidence = 0.9
resamples = 200
seed = 4

[sample]
per_class = 3
seed = 5
allow_short = true
stratify = ["query_gender"]
per_photo = 1
per_host = 30
per_creator = 2
agreement = 0.5
license = ["cc0", "by", "by-sa"]
splits = {{ train = 2, test = 1 }}
reserve = 1

[release]
name = "faces"
contact = "ana@example.org"
include_unlicensed = false
urls_only = false
webdataset = true

[dataset]
val_share = 0.2
test_share = 0.2
leaked = "drop"
radius = 3
fine_radius = 24
max_side = 24
seed = 6
paper = false
max_pixels = 1000000
workers = 0

[train]
network = "lenet5"
size = 48
pretraining = "scratch"
weights = ""
balancing = "conservative"
seed = 7
{TRAIN.replace('units = "256-256"', 'units = "auto"')}
[eval]
{EVAL}"""
GRID = f"""\
networks = ["lenet5"]
sizes = [48]
pretrainings = ["scratch"]
balancings = ["simple", "conservative"]
seeds = [1]
btfer = "."
out = "benchmark"
workers = 1
scheduler = ""

[datasets]
people = "sets/people"

[weights]
vgg16-vggface = "weights/vgg16.h5"

[train]
{TRAIN}
[eval]
{EVAL.replace("[24]", "[]")}"""
#: How our own model is fed, with everything a sidecar may say.
SIDECAR = """\
[input]
size = 32
color = "bgr"
scale = "0,255"
mean = [103.9, 116.8, 123.7]
std = [57.4, 57.1, 58.4]
resize = "area"
crop = 0.9

[labels]
outputs = ["happiness", "sadness", "anger", "fear", "surprise", "disgust", "neutral"]

[about]
made_by = "hand"
epochs = 0
share = 0.5
trained = false
"""
#: Settings of [train] that the grid gives each run.
OF_THE_GRID = {"network", "size", "pretraining", "weights", "balancing", "seed"}


def main() -> None:
    """Build the workspace, pack it, and ask it everything in a place of its own."""
    if __version__ != "0.1.0":
        sys.exit(f"this is version {__version__}; run me with 0.1.0 (see my first lines)")
    check_complete()
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder).resolve() / "faces"
        taken_down = build(workspace)
        pack(workspace)
    print(f"{ARCHIVE.name}: {ARCHIVE.stat().st_size / 1e6:.2f} MB")
    with tempfile.TemporaryDirectory() as folder:
        ask(Path(folder).resolve() / "faces", taken_down)


def check_complete() -> None:
    """Check that no setting of 0.1.0 is left to its default."""
    import tomllib

    said = tomllib.loads(RECIPE)
    grid = tomllib.loads(GRID)
    for section in msgspec.structs.fields(Recipe):
        names = {field.name for field in msgspec.structs.fields(type(section.default))}
        assert said[section.name].keys() == names, names ^ said[section.name].keys()
    assert grid.keys() == {field.name for field in msgspec.structs.fields(BenchmarkRecipe)}
    assert grid["train"].keys() == said["train"].keys() - OF_THE_GRID
    assert grid["eval"].keys() == said["eval"].keys()


def btfer(workspace: Path, *arguments: str) -> str:
    """Run a command in the workspace and return what it prints."""
    print("$ btfer", *arguments, flush=True)
    done = subprocess.run(
        [sys.executable, "-m", "btfer_builder", *arguments],
        cwd=workspace,
        check=False,
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return done.stdout


def build(workspace: Path) -> str:
    """Walk the whole way and return the id of the image that was taken down."""
    btfer(workspace.parent, "init", workspace.name)
    (workspace / "btfer.toml").write_text(RECIPE, encoding="utf-8")
    (workspace / "benchmark.toml").write_text(GRID, encoding="utf-8")
    served = web()
    write_inputs(workspace)
    crawl(workspace, served)
    btfer(workspace, "dedupe")
    review(workspace, "ana", "images", look_at_images)
    review(workspace, "bo", "images", look_at_images)
    btfer(workspace, "crop")
    btfer(workspace, "dedupe", "--faces")
    import_people(workspace)
    train(workspace)
    review(workspace, "ana", "faces", look_at_faces, suspect="runs/lenet5/model.keras")
    review(workspace, "bo", "faces", look_at_faces)
    review(workspace, "ana", "faces", adjudicate, adjudicating=True)
    btfer(workspace, "agreement")
    search_rival(workspace)
    btfer(workspace, "sample")
    btfer(workspace, "release", "releases/faces")
    shutil.copytree(workspace / "releases/faces", workspace / "releases/first")
    gone = next(row for row in manifest(workspace, "sample") if row["engine"] == "openverse")
    btfer(workspace, "takedown", gone["face_id"], "--why", "asked to")
    btfer(workspace, "sample")
    btfer(workspace, "release", "releases/addresses", "--urls-only")
    write_own_layers(workspace / "models/own_layers.keras")
    btfer(workspace, "eval", "models/own_layers.keras", "runs/lenet5/model.keras")
    run_grid(workspace)
    for reviewer in ("ana", "bo"):
        btfer(workspace, "review", "--reviewer", reviewer, "--export", f"decisions-{reviewer}.csv")
    for figure in chain(workspace.glob("benchmark/**/*.png"), workspace.glob("data/thumbs/**/*.jpg")):
        figure.unlink()
    return gone["image_id"]


def manifest(workspace: Path, name: str) -> list[dict[str, str]]:
    """Read a CSV of the workspace."""
    with (workspace / "manifests" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


# --- the web -----------------------------------------------------------------------------------------


def photo(person: int) -> np.ndarray:
    """Return a photograph of 384×320 pixels with one face."""
    return cv2.resize(portrait(LFW[person], seed=person), (384, 320), interpolation=cv2.INTER_AREA)


def two_people(one: int, other: int) -> np.ndarray:
    """Return a photograph with two faces beside each other."""
    halves = [cv2.resize(portrait(LFW[person], seed=person), (200, 168)) for person in (one, other)]
    return np.hstack(halves)


def web() -> dict[str, tuple[bytes, str, int, dict[str, Any]]]:
    """Return every file of the server: path → content, content type, status, what the search says of it."""
    served: dict[str, tuple[bytes, str, int, dict[str, Any]]] = {}
    licenses = [("by", "4.0"), ("cc0", "1.0"), ("by-sa", "3.0")]

    def add(
        path: str, content: bytes, *emotions: str, kind: str = "image/jpeg", status: int = 200, **told: Any
    ):
        served[path] = (content, kind, status, {"emotions": emotions, **told})

    for emotion in EMOTIONS:
        people = LOOKS_LIKE[emotion][:PER_EMOTION]
        for number, person in enumerate(people):
            code, version = licenses[number % 3]
            creator = f"Photographer {person}" if number > 1 else f"Studio {emotion}"
            about = {"license": code, "version": version, "creator": creator}
            add(f"/photos/{emotion}-{number}.jpg", encode(photo(person), quality=80), emotion, **about)
        first = photo(people[0])
        smaller = encode(cv2.resize(first, (300, 250), interpolation=cv2.INTER_AREA), quality=70)
        add(f"/copies/{emotion}-smaller.jpg", smaller, emotion)
        mirrored = np.ascontiguousarray(photo(people[1])[:, ::-1])
        add(f"/copies/{emotion}-mirrored.png", encode(mirrored, "WEBP"), emotion, kind="image/webp")
    astronaut = encode(cv2.resize(data.astronaut(), (360, 360), interpolation=cv2.INTER_AREA), quality=80)
    add("/photos/astronaut.jpg", astronaut, "happy", license="pdm", version="1.0", creator="NASA")
    hopper = encode(
        cv2.resize(grace_hopper(), None, fx=0.6, fy=0.6, interpolation=cv2.INTER_AREA), quality=80
    )
    add("/photos/hopper.jpg", hopper, "neutral", "sad", creator="US Navy")
    add("/photos/afraid.jpg", encode(photo(77), quality=80), "fear", "surprise", creator="Somebody")
    add("/photos/friends.jpg", encode(two_people(85, 94), quality=80), "happy", creator="A friend")
    add("/photos/sold.jpg", encode(photo(11), quality=80), "sad", license="by-nc", version="2.0")
    coffee = encode(cv2.resize(data.coffee(), (150, 100)), quality=80)
    add("/junk/coffee.jpg", coffee, "disgust")
    with Image.open(io.BytesIO(coffee)) as image:
        add("/copies/coffee.png", encode(np.asarray(image), "PNG"), "disgust", kind="image/png")
    add("/junk/rocket.jpg", encode(cv2.resize(data.rocket(), (200, 134)), quality=80), "surprise")
    add("/junk/cat.jpg", encode(cv2.resize(data.chelsea(), (240, 160)), quality=80), "angry")
    add("/junk/truncated.jpg", astronaut[: len(astronaut) // 3], "fear")
    add("/junk/page.jpg", b"<!DOCTYPE html><title>Sign in to see this picture</title>", "sad")
    add("/junk/empty.jpg", b"", "sad")
    add("/junk/bomb.png", bomb(), "surprise", kind="image/png")
    add("/junk/gone.jpg", b"gone", "fear", kind="text/plain", status=404)
    add("/junk/broken.jpg", b"broken", "fear", kind="text/plain", status=500)
    add("/private/noai.jpg", encode(photo(13), quality=80), "neutral", headers={"X-Robots-Tag": "noai"})
    add("/hidden/robots.jpg", encode(photo(15), quality=80), "neutral")
    add("/listed/same-bytes.jpg", astronaut)
    add("/listed/own.jpg", encode(photo(9), quality=80))
    return served


@contextmanager
def serve(served: dict[str, tuple[bytes, str, int, dict[str, Any]]]) -> Iterator[Counter[str]]:
    """Serve the files and a search in Openverse's form; yields how often each path was asked for."""
    emotion_of = {query.query: query.emotion for query in plan_queries(default_vocabulary(), QueriesRecipe())}
    asked: Counter[str] = Counter()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            address = urlsplit(self.path)
            asked[address.path] += 1
            if address.path == "/v1/images/":
                emotion = emotion_of[parse_qs(address.query)["q"][0]]
                found = [path for path, (*_, told) in served.items() if emotion in told["emotions"]]
                answer = {
                    "result_count": len(found),
                    "page_count": 1,
                    "page": 1,
                    "results": list(map(result, found)),
                }
                self.answer(200, "application/json", json.dumps(answer).encode())
            elif address.path == "/robots.txt":
                self.answer(200, "text/plain", b"User-agent: *\nDisallow: /hidden/\n")
            elif address.path in served:
                content, kind, status, told = served[address.path]
                self.answer(status, kind, content, told.get("headers", {}))
            else:
                page = f'<a rel="license" href="https://creativecommons.org/licenses/by/4.0/">{html.escape(self.path)}</a>'
                self.answer(200, "text/html; charset=utf-8", page.encode())

        def answer(
            self, status: int, kind: str, content: bytes, headers: dict[str, str] | None = None
        ) -> None:
            self.send_response(status)
            for name, value in {
                "Content-Type": kind,
                "Content-Length": str(len(content)),
                **(headers or {}),
            }.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    def result(path: str) -> dict[str, Any]:
        told = served[path][3]
        code, version = told.get("license", "by"), told.get("version", "4.0")
        kind = "publicdomain" if code in {"cc0", "pdm"} else "licenses"
        name = {"cc0": "zero", "pdm": "mark"}.get(code, code)
        return {
            "url": URL + path,
            "foreign_landing_url": f"{URL}/pages{path}.html",
            "title": f"Photo {path}",
            "license": code,
            "license_version": version,
            "license_url": f"https://creativecommons.org/{kind}/{name}/{version}/",
            "creator": told.get("creator", "Ana & Bo"),
            "attribution": f'"{path}" by {told.get("creator", "Ana & Bo")}',
        }

    with ThreadingHTTPServer(ADDRESS, Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield asked
        finally:
            server.shutdown()
            thread.join()


def write_inputs(workspace: Path) -> None:
    """Write what the user has: a list of addresses, a folder of pictures, a labelled set."""
    with (workspace / "list.csv").open("w", newline="", encoding="utf-8") as file:
        columns = [
            "url",
            "emotion",
            "query",
            "language",
            "query_ethnicity",
            "query_gender",
            "query_age",
            "page_url",
        ]
        writer = csv.writer(file)
        writer.writerow([*columns, "title", "license", "creator"])
        person = ["my list", "en", "white", "female", "adult", ""]
        writer.writerow([f"{URL}/listed/same-bytes.jpg", "happy", *person, "same", "PDM", "NASA"])
        writer.writerow([f"{URL}/listed/own.jpg", "neutral", *person, "=mine", "CC BY-SA 4.0", "Ana"])
    for emotion, name, pixels in (
        ("happy", "own.png", photo(LOOKS_LIKE["happy"][1])[30:290, 40:340]),
        ("sad", "other.jpg", photo(59)),
    ):
        path = workspace / "pictures" / emotion / name
        path.parent.mkdir(parents=True)
        path.write_bytes(encode(pixels, "JPEG" if name.endswith("jpg") else "PNG", quality=80))
    for emotion in EMOTIONS:
        folder = workspace / "people" / emotion
        folder.mkdir(parents=True)
        for number, person in enumerate(LOOKS_LIKE[emotion]):
            Image.fromarray((LFW[person] * 255).astype(np.uint8)).save(folder / f"{number}.png")
    shutil.copy(workspace / "people/happy/0.png", workspace / "people/happy/again.png")
    shutil.copy(workspace / "people/happy/0.png", workspace / "people/sad/found-twice.png")
    (workspace / "people/fear/broken.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")


def crawl(workspace: Path, served: dict[str, tuple[bytes, str, int, dict[str, Any]]]) -> None:
    """Crawl until there is nothing left to ask for."""
    with serve(served) as asked:
        for _ in range(3):  # the server's error is met three times
            btfer(workspace, "crawl")
        btfer(workspace, "crawl", "--engine", "urls", "--path", "list.csv")
        btfer(workspace, "crawl", "--engine", "folder", "--path", "pictures")
        before = asked.copy()
        btfer(workspace, "crawl")
        btfer(workspace, "crawl", "--engine", "urls", "--path", "list.csv")
        assert asked == before, asked - before


# --- reviewers ---------------------------------------------------------------------------------------

Answer = dict[str, str] | None


def review(
    workspace: Path,
    reviewer: str,
    round_name: str,
    answer: Callable[[str, int, dict[str, Any]], Answer],
    *,
    adjudicating: bool = False,
    suspect: str = "",
) -> None:
    """Decide through the API of the page; the second decision is taken back and made again."""
    arguments = ["review", "--reviewer", reviewer, "--round", round_name, "--json"]
    arguments += ["--adjudicate"] * adjudicating + ["--suspect", suspect] * bool(suspect)
    print("$ btfer", *arguments, flush=True)
    command = [sys.executable, "-m", "btfer_builder", *arguments]
    server = subprocess.Popen(
        command, cwd=workspace, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    assert server.stdout is not None
    try:
        url = httpx.URL(json.loads(server.stdout.readline())["url"])
        token = {"Authorization": f"Bearer {url.params['token']}"}
        with httpx.Client(base_url=url.copy_with(query=None), headers=token) as page:
            asked = {"round": round_name, "per_page": 200}
            items = page.get("/api/items", params=asked).raise_for_status().json()["items"]
            made = Counter[str]()
            for number, item in enumerate(items):
                word = answer(reviewer, number, item)
                if word is None:
                    continue
                body = {"item_id": item["item_id"], "kind": item["kind"]} | word
                if sum(made.values()) == 1 and not adjudicating:
                    wrong = body | {"verdict": "reject", "reason": "other"}
                    wrong.pop("emotion", None)
                    page.post("/api/decisions", json=wrong).raise_for_status()
                    page.post("/api/undo", json={"round": round_name}).raise_for_status()
                page.post("/api/decisions", json=body).raise_for_status()
                made[word["verdict"]] += 1
            print(f"  {len(items)} items, {dict(made)}")
    finally:
        server.terminate()
        server.wait()


def look_at_images(_reviewer: str, number: int, item: dict[str, Any]) -> Answer:
    """Reject a few photos, skip one, say nothing of most."""
    if number % 17 == 3:
        return {"verdict": "reject", "reason": "irrelevant"}
    if number % 17 == 5:
        return {"verdict": "skip"}
    if number % 17 in {7, 8} and item["emotion"]:
        return {"verdict": "accept", "emotion": item["emotion"]}
    return None


def look_at_faces(reviewer: str, _number: int, item: dict[str, Any]) -> Answer:
    """Accept most; bo sees some faces otherwise."""
    spot = int(item["item_id"], 16) % 97
    if item["confidence"] < 0.93 or spot == 0:
        return {"verdict": "reject", "reason": "non_human"}
    if spot % 16 == 1:
        return {"verdict": "skip"}
    if reviewer == "bo" and spot % 6 == 2:
        emotion = EMOTIONS[(EMOTIONS.index(item["listed_under"]) + 1) % len(EMOTIONS)]
        return {"verdict": "accept", "emotion": emotion}
    if item["conflict"]:
        return {"verdict": "accept", "emotion": "neutral"} if "neutral" in item["found_under"] else None
    return {"verdict": "accept", "emotion": item["emotion"]}


def adjudicate(_reviewer: str, number: int, item: dict[str, Any]) -> Answer:
    """Settle every second disagreement, one by a rejection."""
    if number % 2:
        return None
    if number == 2:
        return {"verdict": "reject", "reason": "low_quality"}
    return {"verdict": "accept", "emotion": item["votes"][0]["answer"]}


# --- models ------------------------------------------------------------------------------------------


def import_people(workspace: Path) -> None:
    """Import a labelled set."""
    btfer(workspace, "dataset", "import", "folder", "people", "sets/people")


def coarse(path: Path) -> None:
    """Drop the last 19 of the 23 digits of a model's weights: what is random does not compress."""
    import keras

    network = keras.models.load_model(path)
    network.set_weights([coarse_array(array) for array in network.get_weights()])
    network.save(path)


def coarse_array(array: np.ndarray) -> np.ndarray:
    """Return an array of floats with four digits of each number left."""
    if array.dtype != np.float32:
        return array
    return (
        (np.ascontiguousarray(array).view(np.uint32) & np.uint32(0xFFF80000))
        .view(np.float32)
        .reshape(array.shape)
    )


def train(workspace: Path) -> None:
    """Train a network to the end, and another one for one epoch."""
    btfer(workspace, "train", "sets/people", "--out", "runs/lenet5")
    coarse(workspace / "runs/lenet5/model.keras")
    from btfer_builder.protocol.splits import read_splits, select
    from btfer_builder.protocol.training import train as run
    from btfer_builder.recipe.recipe import load_recipe

    class Stopped(Exception):
        pass

    def stop(moment: Any) -> None:
        if moment.finished:
            raise Stopped

    recipe = load_recipe(workspace / "btfer.toml").train
    faces = select(read_splits(workspace / "sets/people"))
    folder = workspace / "runs/interrupted"
    try:
        run(faces.train, faces.validation, recipe, folder, selection=faces.name, watch=stop)
    except Stopped:
        print("  stopped after an epoch")
    coarse(folder / "model.keras")
    with np.load(folder / ".state.npz") as state:
        arrays = {name: coarse_array(state[name]) for name in state.files}
    np.savez(folder / ".state.npz", **arrays)


def run_grid(workspace: Path) -> None:
    """Run the grid; then once more, so that it is scored with the weights that are kept."""
    btfer(workspace, "benchmark")
    for result in list(workspace.glob("benchmark/runs/*/result.json")):
        coarse(result.with_name("model.keras"))
        result.unlink()
    btfer(workspace, "benchmark")


def write_own_layers(path: Path) -> None:
    """Save a model with all of the package's own layers, and its sidecar."""
    import keras
    from btfer_builder.protocol.layers import AddPositions, LocalResponseNormalization, StopHalfGradient
    from keras import layers

    keras.utils.set_random_seed(0)
    x = inputs = layers.Input((32, 32, 3))
    x = layers.Rescaling(0.5)(x)
    x = layers.Conv2D(8, 4, strides=4, activation="relu")(x)
    x = StopHalfGradient()(x)
    x = LocalResponseNormalization()(x)
    x = layers.Reshape((-1, 8))(x)
    x = AddPositions(name="positions")(x)
    x = layers.Flatten()(x)
    model = keras.Model(inputs, layers.Dense(7, activation="softmax")(x), name="own_layers")
    path.parent.mkdir()
    model.save(path)
    path.with_suffix(".btfer.toml").write_text(SIDECAR, encoding="utf-8")


def search_rival(workspace: Path) -> None:
    """Search the faces in another set, two of which are in it: as a folder, and as a file of hashes."""
    accepted = [row for row in manifest(workspace, "faces") if row["verdict"] == "accept" and row["path"]]
    train_folder = workspace / "rival/train"
    for number, row in enumerate(accepted[3:5]):
        pixels = cv2.imread(str(workspace / row["path"]), cv2.IMREAD_GRAYSCALE)
        pixels = cv2.resize(pixels, (48, 48), interpolation=cv2.INTER_AREA)
        folder = train_folder / row["emotion"]
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[:, ::-1] if number else pixels).save(folder / f"{number}.png")
    Image.fromarray(cv2.resize(data.camera(), (48, 48))).save(train_folder / accepted[3]["emotion"] / "x.png")
    btfer(workspace, "hashes", "rival/train", "--out", "rival.csv")
    btfer(workspace, "leakage", "--against", "rival/train")
    btfer(workspace, "leakage", "--against", "rival.csv")


# --- answers -----------------------------------------------------------------------------------------


def ask(workspace: Path, taken_down: str) -> None:
    """Unpack the archive elsewhere and write down what 0.1.0 answers."""
    unpack(workspace)
    sampled = next(row["face_id"] for row in manifest(workspace, "sample") if row["engine"] == "openverse")
    names = {"sampled": sampled, "taken down": taken_down}
    answers = {
        name: answer_of(btfer(workspace, *arguments_of(question, names)), workspace)
        for name, question in QUESTIONS.items()
    }
    hashes = {
        path.name: json.loads((path / "release.json").read_text())["content_hash"]
        for path in sorted((workspace / "releases").iterdir())
    }
    said = {"names": names, "content_hashes": hashes, "answers": answers}
    ANSWERS.write_text(json.dumps(said, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
