"""What was taken down and comes back in another form is deleted with all that was said of it."""

import hashlib

import cv2
import numpy as np
import pytest

from btfer_builder.catalog.review import add_decisions
from btfer_builder.catalog.takedown import is_taken_down
from btfer_builder.config import DedupeRecipe
from btfer_builder.dedupe.erase import TakenDownInUse
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.records import Decision
from btfer_builder.release.takedown.stage import take_down
from btfer_builder.workspace import create_workspace
from demo.pictures import encode
from tests.photos import astronaut, crawl_files, hopper, mirror
from tests.release.small_set import btfer

ALONE = DedupeRecipe(workers=0)


def forms(photo):
    bright = np.clip(photo.astype(int) + 20, 0, 255).astype(np.uint8)
    grey = cv2.cvtColor(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    height, width = photo.shape[:2]
    cropped = {
        f"cropped-{cut}": photo[
            round(cut * height) : -round(cut * height), round(cut * width) : -round(cut * width)
        ]
        for cut in (0.01, 0.025, 0.035, 0.05)
    }
    half = cv2.resize(photo, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    return {"half": half, "mirrored": mirror(photo), "grey": grey, "bright": bright, **cropped}


@pytest.fixture
def workspace(tmp_path):
    """A workspace from which one photo was taken down."""
    workspace = create_workspace(tmp_path / "faces")
    crawl_files(
        workspace, {"happy": {"eileen.jpg": encode(astronaut())}, "sad": {"grace.jpg": encode(hopper())}}
    )
    dedupe(workspace, ALONE)
    take_down(workspace, hashlib.sha256(encode(astronaut())).hexdigest())
    (workspace.root / "pictures/happy/eileen.jpg").unlink()
    return workspace


def images(workspace):
    return {row["image_id"] for row in workspace.catalog.rows("SELECT image_id FROM images")}


def test_every_form_goes_with_its_metadata_and_no_look_is_added(workspace, tmp_path):
    stones = workspace.catalog.value("SELECT count(*) FROM tombstones WHERE phash IS NOT NULL")
    kept = images(workspace)
    files = {f"{name}.jpg": encode(photo, quality=92) for name, photo in forms(astronaut()).items()}
    crawl_files(workspace, {"happy": files})
    assert len(images(workspace) - kept) == len(files)
    dedupe(workspace, ALONE)
    assert images(workspace) == kept
    for name, content in files.items():
        digest = hashlib.sha256(content).hexdigest()
        assert is_taken_down(workspace.catalog, digest)
        assert is_taken_down(workspace.catalog, (workspace.root / "pictures/happy" / name).as_uri())
        assert not list(workspace.data.rglob(f"{digest}*"))
        for path in workspace.manifests.iterdir():
            assert path.is_dir() or f"pictures/happy/{name}".encode() not in path.read_bytes(), path
    assert workspace.catalog.value("SELECT count(*) FROM tombstones WHERE phash IS NOT NULL") == stones
    assert (
        workspace.catalog.value("SELECT count(*) FROM candidates WHERE url LIKE 'taken-down:%'")
        == len(files) + 1
    )


def test_a_reviewed_one_stops_it_until_that_is_meant(workspace):
    kept = images(workspace)
    crawl_files(workspace, {"happy": {"half.jpg": encode(forms(astronaut())["half"], quality=92)}})
    (image_id,) = images(workspace) - kept
    add_decisions(workspace.catalog, [Decision(image_id, "image", "accept", "happy", None, "ana")])
    stones = workspace.catalog.value("SELECT count(*) FROM tombstones WHERE phash IS NOT NULL")
    with pytest.raises(TakenDownInUse, match=r"1 photo is the same picture .*1 reviewed photos.*--take-down"):
        dedupe(workspace, ALONE)
    stopped = btfer(workspace, "dedupe", "--workers", "0")
    assert stopped.exit_code == 1
    assert stopped.stderr.strip().splitlines()[-1].startswith("Error: dedupe: 1 photo is the same picture")
    assert images(workspace) == kept | {image_id}
    assert btfer(workspace, "dedupe", "--workers", "0", "--take-down").exit_code == 0
    assert images(workspace) == kept
    assert workspace.catalog.value("SELECT count(*) FROM tombstones WHERE phash IS NOT NULL") == stones
