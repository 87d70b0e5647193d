"""The audit of labelled sets: what it finds, what it writes, and that it changes nothing."""

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from skimage import data

from btfer_builder.cli.main import main
from btfer_builder.config import DatasetRecipe
from btfer_builder.datasets.audit import audit_datasets
from btfer_builder.datasets.measure import measure_items
from btfer_builder.datasets.readers.base import Item
from btfer_builder.errors import BtferError
from demo.pictures import encode
from tests.datasets.test_import_dataset import leaky, rows_of, save

ALONE = DatasetRecipe(workers=0)


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_repeats_conflicts_and_pictures_across_splits_are_named_and_nothing_is_changed(tmp_path):
    root = leaky(tmp_path)
    save(root, "train/contempt/1.png", seed=90)
    (root / "train" / "happy" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    before = contents(root)
    result = audit_datasets([root], tmp_path / "audit", ALONE, faces=False)
    assert contents(root) == before
    assert result.came_in == result.pictures + sum(result.dropped.values()) == 16
    assert result.dropped == {"other_class": 1, "unreadable": 1}
    assert (result.repeated, result.across, result.conflicts) == (3, 3, 1)
    assert result.no_face is None
    assert result.counts["leaky train"]["happy"] == 5
    rows = rows_of(tmp_path / "audit" / "duplicates.csv")
    (conflict,) = [row for row in rows if row["first_emotion"] != row["second_emotion"]]
    assert {conflict["first"], conflict["second"]} == {"train/happy/2.png", "val/angry/mirrored.png"}
    assert conflict["kind"] == "mirrored"
    assert len(rows_of(tmp_path / "audit" / "pictures.csv")) == 16
    assert json.loads((tmp_path / "audit" / "audit.json").read_text()) == result.to_dict()
    page = (tmp_path / "audit" / "report.html").read_text()
    assert "mirrored.png" in page
    assert page.count("data:image/jpeg;base64,") == 2 * (1 + 3 + 0) + 3 * 14
    assert "http" not in page.replace("http-equiv", "")


def test_two_sets_are_compared_with_each_other(tmp_path):
    save(tmp_path / "one", *(f"train/happy/{n}.png" for n in range(4)))
    save(tmp_path / "two", *(f"test/sad/{n}.png" for n in range(4)), seed=3)
    result = audit_datasets([tmp_path / "one", tmp_path / "two"], tmp_path / "audit", ALONE, faces=False)
    assert (result.across, result.conflicts) == (1, 1)
    (row,) = rows_of(tmp_path / "audit" / "duplicates.csv")
    assert (row["first"], row["second"]) == ("one: train/happy/3.png", "two: test/sad/0.png")
    with pytest.raises(BtferError, match="already exists"):
        audit_datasets([tmp_path / "one"], tmp_path / "audit", ALONE, faces=False)
    with pytest.raises(BtferError, match="two datasets are called one"):
        audit_datasets([tmp_path / "one"] * 2, tmp_path / "again", ALONE, faces=False)
    with pytest.raises(BtferError, match="is inside the dataset"):
        audit_datasets([tmp_path / "one"], tmp_path / "one" / "audit", ALONE, faces=False)


def test_faces_are_found_in_small_crops_and_missed_in_pictures_without_any(tmp_path):
    face = data.astronaut()[20:200, 140:300]
    small = cv2.resize(face, (48, 48), interpolation=cv2.INTER_AREA)
    both = np.concatenate([face, face], axis=1)
    pictures = {"small": small, "nothing": data.coffee()[:200, :200], "both": both}
    for name, pixels in pictures.items():
        (tmp_path / f"{name}.png").write_bytes(encode(np.ascontiguousarray(pixels), "PNG"))
    items = [Item(name, "train", "happy", "happy", tmp_path / f"{name}.png") for name in pictures]
    found = {one.picture.item.name: one for one in measure_items(items, max_pixels=10**6, faces=True)}
    assert {name: one.faces for name, one in found.items()} == {"small": 1, "nothing": 0, "both": 2}
    assert (found["small"].width, found["small"].height) == (48, 48)
    assert found["small"].brightness == pytest.approx(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).mean(), abs=1)


def test_the_command_says_what_it_found(tmp_path):
    root = leaky(tmp_path)
    command = ["dataset", "audit", str(root), "--no-faces", "--workers", "0"]
    shown = CliRunner().invoke(main, [*command, "--out", str(tmp_path / "a")])
    assert shown.exit_code == 0, shown.output
    assert "3 repeat an earlier one; 3 pairs across splits; 1 pairs under two emotions" in shown.stdout
    asked = CliRunner().invoke(main, [*command, "--json", "--out", str(tmp_path / "b")])
    assert json.loads(asked.stdout)["two_emotions"] == 1
