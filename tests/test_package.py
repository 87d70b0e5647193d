"""The package as others get it: built, installed into an empty environment, and used outside the checkout."""

import json
import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.photos import astronaut, hopper

pytest.importorskip("hatchling", reason="hatchling is not installed: pip install -e '.[dev]'")

ROOT = Path(__file__).resolve().parents[1]

#: Prints where the package and its data are, as an installed user finds them.
LOOK = """
import json
from importlib.metadata import version
from importlib.resources import files
import btfer_builder
package = files("btfer_builder")
print(json.dumps([btfer_builder.__file__, version("btfer-builder") == btfer_builder.__version__,
                  (package / "py.typed").is_file()]))
"""


def build(target: str, source: Path, out: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = out.iterdir()
    return built


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """Build the source distribution from the checkout, and the wheel from that, as installers do."""
    folder = tmp_path_factory.mktemp("dist")
    with tarfile.open(build("sdist", ROOT, folder / "sdist")) as tar:
        tar.extractall(folder / "unpacked", filter="data")
    (source,) = (folder / "unpacked").iterdir()
    return build("wheel", source, folder / "wheel")


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory) -> Path:
    """Install the wheel into an environment that has the dependencies of this one, but not the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    install = [
        sys.executable,
        "-m",
        "pip",
        "--python",
        str(python),
        "install",
        "--quiet",
        "--no-deps",
        "--no-index",
    ]
    subprocess.run([*install, str(wheel)], check=True, capture_output=True)
    packages = sysconfig.get_path("purelib", vars={"base": str(folder)})
    # The editable installation is a .pth file, and those are not read in a folder that is named in another one.
    dependencies = [path for path in sys.path if Path(path).name in {"site-packages", "dist-packages"}]
    (Path(packages) / "dependencies.pth").write_text("\n".join(dependencies), encoding="utf-8")
    return folder / "bin"


@pytest.fixture(scope="module")
def elsewhere(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("elsewhere")


def outside() -> dict[str, str]:
    """Return the environment without what leads to the checkout."""
    return {
        name: value for name, value in os.environ.items() if name not in {"PYTHONPATH", "BTFER_WORKSPACE"}
    }


@pytest.fixture(scope="module")
def btfer(installed, elsewhere) -> Callable[..., dict]:
    """Return a function that runs the installed command in a folder outside the checkout."""

    def run(*arguments: str) -> dict:
        command = [str(installed / "btfer"), *arguments, "--json"]
        done = subprocess.run(
            command, cwd=elsewhere, env=outside(), capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


def test_the_wheel_has_every_file_of_the_package_and_the_query_words(wheel):
    with zipfile.ZipFile(wheel) as archive:
        packed = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = {
        path.relative_to(ROOT).as_posix()
        for path in (ROOT / "btfer_builder").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    words = {f"btfer_builder/queries/defaults/{path.name}" for path in (ROOT / "queries").glob("*.yaml")}
    assert packed == files | words


def test_the_installed_package_is_typed_and_states_its_version(installed, elsewhere):
    command = [str(installed / "python"), "-c", LOOK]
    done = subprocess.run(command, cwd=elsewhere, env=outside(), capture_output=True, text=True, check=True)
    where, same_version, typed = json.loads(done.stdout)
    assert Path(where).is_relative_to(installed.parent)
    assert same_version
    assert typed


def test_a_set_is_begun_with_the_installed_package(btfer, installed, elsewhere):
    for emotion, name, pixels in (
        ("happy", "a", astronaut()),
        ("happy", "copy", astronaut()),
        ("sad", "b", hopper()),
    ):
        (elsewhere / "photos" / emotion).mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(elsewhere / "photos" / emotion / f"{name}.png")
    btfer("init", "set")
    assert len(btfer("queries", "-w", "set", "--language", "es")["queries"]) == len(
        btfer("queries", "-w", "set", "--language", "en")["queries"]
    )
    btfer("crawl", "-w", "set", "--engine", "folder", "--path", "photos")
    btfer("dedupe", "-w", "set", "--workers", "0")
    btfer("crop", "-w", "set", "--workers", "0")
    stages = {stage["stage"]: stage for stage in btfer("status", "-w", "set")["stages"]}
    assert (stages["crawl"]["in"], stages["dedupe"]["kept"], stages["crop"]["kept"]) == (3, 2, 2)
    review_page(installed, elsewhere)


def review_page(installed: Path, folder: Path) -> None:
    """Start the page, and load it with all its files and a face."""
    command = [str(installed / "btfer"), "review", "-w", "set", "--round", "faces", "--port", "0", "--json"]
    process = subprocess.Popen(
        command, cwd=folder, env=outside(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        assert line, process.stderr.read()
        with httpx.Client(follow_redirects=True, trust_env=False) as client:
            page = client.get(json.loads(line)["url"])
            assert page.status_code == 200
            static = ROOT / "btfer_builder" / "review" / "static"
            for path in static.iterdir():
                assert client.get(page.url.join(f"/static/{path.name}")).content == path.read_bytes()
            items = client.get(page.url.join("/api/items"), params={"round": "faces", "page": 1}).json()[
                "items"
            ]
            assert len(items) == 2
    finally:
        process.kill()
        process.communicate()
