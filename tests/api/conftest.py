"""One small workspace out of photographs that packages carry: two people an emotion, crawled to the sample."""

from pathlib import Path

import numpy as np
import pytest
from skimage import data

import btfer_builder as bt
from demo.pictures import LOOKS_LIKE, encode, portrait

#: Without worker processes, whose start takes longer than the work.
HERE = "workers = 0"


#: In the photographs of these two the detector is not sure of a face.
UNSURE = {1, 22}


def write_photos(folder: Path) -> None:
    """Write two photographs in a folder for each emotion."""
    lfw = data.lfw_subset()[:100]
    for emotion, people in LOOKS_LIKE.items():
        (folder / emotion).mkdir(parents=True)
        for person in [person for person in people if person not in UNSURE][:2]:
            (folder / emotion / f"{person}.jpg").write_bytes(encode(portrait(lfw[person], seed=person)))


def quiet_workspace(folder: Path) -> bt.Workspace:
    """Create a workspace that works in this process."""
    bt.create_workspace(folder)
    recipe = folder / "btfer.toml"
    recipe.write_text(recipe.read_text().replace("workers = 2 ", f"{HERE} ", 4))
    return bt.open_workspace(folder)


@pytest.fixture(scope="package")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("api")
    write_photos(folder / "photos")
    (folder / "other-photos").mkdir()
    for name in ("coffee", "chelsea"):
        (folder / "other-photos" / f"{name}.jpg").write_bytes(encode(getattr(data, name)()))
    return folder


@pytest.fixture(scope="package")
def ws(place: Path) -> bt.Workspace:
    workspace = quiet_workspace(place / "faces")
    workspace.crawl(engine=["folder"], path=place / "photos", progress=False)
    workspace.dedupe(progress=False)
    workspace.crop(progress=False)
    workspace.dedupe_faces(progress=False)
    faces = workspace.export_decisions(round="faces", reviewer="ana")
    workspace.import_decisions(faces.assign(verdict="accept"), reviewer="ana")
    workspace.sample(per_class=2, progress=False)
    return workspace


@pytest.fixture(scope="package")
def released(place: Path, ws: bt.Workspace) -> Path:
    return ws.release(place / "released", include_unlicensed=True).path


@pytest.fixture
def here(place: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(place)
    return place


def always_happy(batch: np.ndarray) -> np.ndarray:
    """Answer every uint8 RGB batch of shape (n, h, w, 3) with "happy"."""
    assert batch.dtype == np.uint8
    assert batch.shape[1:] == (256, 256, 3)
    return np.tile(np.eye(7)[bt.EMOTIONS.index("happy")], (len(batch), 1))
