"""The order's own line, typed in the repository's root: crawl, dedupe, crop, review, sample, eval model.keras."""

import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from btfer_builder.labels import EMOTIONS
from demo.pictures import web
from demo.run import review
from demo.server import serve

pytestmark = [pytest.mark.e2e, pytest.mark.tensorflow, pytest.mark.xdist_group("tensorflow")]

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Return a copy of the root as it is checked out, which is a workspace."""
    for name in ("queries", "data", "manifests"):
        (tmp_path / name).mkdir()
        for path in (ROOT / name).glob(".gitkeep"):
            shutil.copy(path, tmp_path / name)
    for path in (ROOT / "queries").glob("*.yaml"):
        shutil.copy(path, tmp_path / "queries")
    shutil.copy(ROOT / "btfer.toml", tmp_path)
    return tmp_path


def set_values(root: Path, **values: str) -> None:
    """State settings in btfer.toml, as a user edits them."""
    text = (root / "btfer.toml").read_text()
    for name, value in values.items():
        text, count = re.subn(rf"(?m)^{name} = [^#\n]*", f"{name} = {value} ", text)
        assert count >= 1, name
    (root / "btfer.toml").write_text(text)


def save_model(path: Path) -> None:
    import keras

    keras.utils.set_random_seed(0)
    layers = [
        keras.layers.Input((48, 48, 1)), keras.layers.Conv2D(4, 5, strides=4, activation="relu"),
        keras.layers.Flatten(), keras.layers.Dense(7, activation="softmax"),
    ]  # fmt: skip
    keras.Sequential(layers).save(path)


def test_the_six_commands_make_a_balanced_set_and_a_score(root):
    def btfer(*arguments: str) -> str:
        command = [sys.executable, "-m", "btfer_builder", *arguments]
        done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    with serve(web()) as site:
        set_values(
            root, engine='["bing"]', engine_url=f'{{ bing = "{site.search_url}" }}', allow_private_hosts="true",
            query_delay="0.0", ethnicity='["white"]', age='["adult"]', language='["en"]', per_class="4",
        )  # fmt: skip
        btfer("crawl")
    btfer("dedupe")
    btfer("crop")
    assert review(root) > 28
    btfer("sample")
    save_model(root / "model.keras")
    printed = btfer("eval", "model.keras")

    drawn = Counter(path.parent.name for path in (root / "data/sample").rglob("*.png"))
    assert drawn == dict.fromkeys(EMOTIONS, 4)
    assert "accuracy" in printed
    assert (root / "reports/model/report.html").is_file()
