"""The audit of labelled sets: what it finds, what it writes, and that it changes nothing."""

import json

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from skimage import data

from btfer_builder.cli.main import main
from btfer_builder.config import DatasetRecipe, EvalRecipe
from btfer_builder.datasets.audit import audit_datasets
from btfer_builder.datasets.measure import measure_items
from btfer_builder.datasets.readers.base import Item
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.dataset_predictions import predictor
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


def test_a_face_is_found_in_the_dark_mirrored_or_turned(tmp_path):
    """MTCNN alone misses these."""
    face = cv2.resize(data.astronaut()[20:200, 140:300], (48, 48), interpolation=cv2.INTER_AREA)
    turn = cv2.getRotationMatrix2D((24, 24), 55, 1.0)
    pictures = {
        "dark": (face * 0.05).astype(np.uint8),
        "turned": cv2.warpAffine(face, turn, (48, 48), borderMode=cv2.BORDER_REPLICATE),
    }
    for name, pixels in pictures.items():
        (tmp_path / f"{name}.png").write_bytes(encode(pixels, "PNG"))
    items = [Item(name, "train", "happy", "happy", tmp_path / f"{name}.png") for name in pictures]
    assert [one.faces for one in measure_items(items, max_pixels=10**6, faces=True)] == [1, 1]


def test_signs_and_empty_pictures_come_first_among_those_without_a_face(tmp_path):
    sign = np.full((96, 96, 3), 20, np.uint8)
    cv2.circle(sign, (48, 48), 30, (200, 30, 30), 4)
    pictures = {"a gravel": data.gravel()[:96, :96], "b sign": sign, "c coffee": data.coffee()[:96, :96]}
    (tmp_path / "set" / "happy").mkdir(parents=True)
    for name, pixels in pictures.items():
        (tmp_path / "set" / "happy" / f"{name}.png").write_bytes(encode(np.ascontiguousarray(pixels), "PNG"))
    result = audit_datasets([tmp_path / "set"], tmp_path / "audit", ALONE, faces=True)
    assert result.no_face == 3
    page = (tmp_path / "audit" / "report.html").read_text()
    section = page.partition("<h2>No face found</h2>")[2].partition("<h2>")[0]
    assert section.index("b sign") < section.index("c coffee") < section.index("a gravel")


def by_brightness(batch):
    """A model that says happy of bright pictures and sad of dark ones, the surer the brighter or darker."""
    bright = batch.mean(axis=(1, 2, 3)) / 255
    return np.stack([bright, 1 - bright], axis=1)


def test_labels_that_a_model_doubts_are_named_most_doubtful_first(tmp_path):
    """The pictures are rows of a table, and have to be written for the model."""
    greys = [(200 + n, "happy") for n in range(6)] + [(50 - n, "sad") for n in range(6)]
    greys += [
        (250, "sad"),
        (60, "happy"),
        (128, "fear"),
    ]  # two wrong labels, and a class that the model lacks
    rows = [f"{emotion},{' '.join([str(grey)] * 48 * 48)}" for grey, emotion in greys]
    (tmp_path / "fer2013.csv").write_text("\n".join(["emotion,pixels", *rows]) + "\n")
    predict = predictor(by_brightness, EvalRecipe(labels=("happy", "sad"), size=32))
    out = tmp_path / "audit"
    result = audit_datasets([tmp_path / "fer2013.csv"], out, ALONE, faces=False, predict=predict)
    assert (result.pictures, result.judged, result.doubted) == (15, 14, 2)
    assert [list(row.values())[1:] for row in rows_of(out / "doubts.csv")] == [
        ["line 14", "train", "sad", "happy", "0.0196", "0.9804"],
        ["line 15", "train", "happy", "sad", "0.2353", "0.7647"],
    ]
    page = (out / "report.html").read_text()
    assert "happy 0.98, its label 0.02" in page.partition("<h2>Labels that the model doubts</h2>")[2]
    assert json.loads((out / "audit.json").read_text()) == result.to_dict()
    assert result.to_dict()["doubted"] == 2


def test_the_command_asks_a_model_as_eval_does(tmp_path):
    save(tmp_path / "set", *(f"{emotion}/{n}.png" for emotion in ("happy", "sad") for n in range(4)))
    command = [
        "dataset",
        "audit",
        str(tmp_path / "set"),
        "--no-faces",
        "--workers",
        "0",
        "--out",
        str(tmp_path / "a"),
    ]
    refused = CliRunner().invoke(main, [*command, "--model-labels", "happy,sad"])
    assert "--model-labels needs --model" in refused.output
    model = [
        "--model",
        "tests.datasets.test_audit:by_brightness",
        "--model-labels",
        "happy, sad",
        "--size",
        "32",
    ]
    shown = CliRunner().invoke(main, [*command, *model])
    assert shown.exit_code == 0, shown.output
    assert (
        f"{len(rows_of(tmp_path / 'a' / 'doubts.csv'))} labels of 8 are doubted by the model" in shown.stdout
    )
    assert "doubts.csv, audit.json" in shown.stdout


def test_a_model_that_fails_costs_no_audit(tmp_path):
    save(tmp_path / "set", "happy/a: b.png", "sad/a: b.png")

    def predict(items):
        raise BtferError("model.onnx: gives NaN")

    with pytest.raises(BtferError, match=r"gives NaN; .*audit has the audit without the model"):
        audit_datasets([tmp_path / "set"], tmp_path / "audit", ALONE, faces=False, predict=predict)
    assert json.loads((tmp_path / "audit" / "audit.json").read_text())["judged"] is None
    assert {path.name for path in (tmp_path / "audit").iterdir()} == {
        "audit.json", "duplicates.csv", "pictures.csv", "report.html",
    }  # fmt: skip


def test_a_picture_that_is_removed_during_the_audit_costs_no_report(tmp_path):
    save(tmp_path / "set", "happy/1.png", "sad/2.png")

    def predict(items):
        (tmp_path / "set/happy/1.png").unlink()
        return np.full((len(items), 7), 1 / 7)

    result = audit_datasets([tmp_path / "set"], tmp_path / "audit", ALONE, faces=False, predict=predict)
    assert result.pictures == 2


def test_a_colon_in_a_name_is_no_dataset(tmp_path):
    save(tmp_path / "set", "happy/a: 1.png")
    save(tmp_path / "set", "happy/b: 1.png")
    audit_datasets([tmp_path / "set"], tmp_path / "audit", ALONE, faces=False)
    page = (tmp_path / "audit" / "report.html").read_text()
    assert page.index("Repeated within a split") < page.index("the same pixels")
