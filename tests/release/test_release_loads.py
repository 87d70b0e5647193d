"""Other people's programs load a release: datasets, Keras, pyarrow, WebDataset, mlcroissant."""

import io
import json
import logging

import numpy as np
import pytest
from PIL import Image

from btfer_builder.labels import EMOTIONS
from tests.release.small_set import PER_CLASS

FACES = 7 * PER_CLASS


@pytest.fixture
def datasets(monkeypatch, tmp_path):
    """The library of Hugging Face, with a cache of its own and no network."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_DATASETS_OFFLINE", "1")
    library = pytest.importorskip("datasets", reason="datasets is not installed")
    library.disable_progress_bars()
    monkeypatch.setattr(library.config, "HF_DATASETS_CACHE", str(tmp_path / "cache"))
    return library


def pixels(row):
    return np.asarray(row["image"])


def by_id(out):
    """Return the pixels of every face, by id."""
    return {path.stem: np.asarray(Image.open(path)) for path in (out / "test").rglob("*.png")}


def check(rows, out):
    faces = by_id(out)
    assert len(rows) == len(faces) == FACES
    for row in rows:
        assert np.array_equal(pixels(row), faces[row["face_id"]])
        assert EMOTIONS[row["label"]] == row["emotion"]
        assert (out / "test" / row["emotion"] / f"{row['face_id']}.png").is_file()


def test_imagefolder(datasets, released, tmp_path):
    loaded = datasets.load_dataset("imagefolder", data_dir=str(released.path), cache_dir=str(tmp_path))
    assert list(loaded) == ["test"]
    check(loaded["test"], released.path)


def test_the_folder_itself(datasets, released, tmp_path):
    loaded = datasets.load_dataset(str(released.path), cache_dir=str(tmp_path))
    assert list(loaded) == ["test"]
    check(loaded["test"], released.path)


def test_parquet_with_class_names(datasets, released, tmp_path):
    path = str(released.path / "faces.parquet")
    loaded = datasets.load_dataset(
        "parquet", data_files={"test": path}, split="test", cache_dir=str(tmp_path)
    )
    check(loaded, released.path)
    assert tuple(loaded.features["label"].names) == EMOTIONS


def test_parquet_holds_the_very_bytes(released):
    import pyarrow.parquet as pq

    for row in pq.read_table(released.path / "faces.parquet").to_pylist():
        path = released.path / row["split"] / row["emotion"] / row["image"]["path"]
        assert row["image"]["bytes"] == path.read_bytes()


def test_webdataset(released):
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    shard = str(released.path / "shards" / "test-000000.tar")
    rows = list(webdataset.WebDataset(shard, shardshuffle=False))
    assert len(rows) == FACES
    for row in rows:
        said = json.loads(row["json"])
        assert int(row["cls"]) == said["label"]
        face = np.asarray(Image.open(io.BytesIO(row["png"])))
        assert np.array_equal(face, by_id(released.path)[row["__key__"]])


def test_croissant(released, caplog):
    mlcroissant = pytest.importorskip("mlcroissant", reason="mlcroissant is not installed")
    with caplog.at_level(logging.WARNING):
        data = mlcroissant.Dataset(released.path / "croissant.json")
    about = [
        line for line in caplog.messages if "datePublished" not in line
    ]  # no fetch of the test has a date
    assert about == []
    assert not data.metadata.issues.errors
    rows = list(data.records("faces"))
    assert len(rows) == FACES
    faces = by_id(released.path)
    for row in rows:
        face_id = row["faces/face_id"].decode()
        assert EMOTIONS[row["faces/label"]] == row["faces/emotion"].decode()
        assert np.array_equal(np.asarray(row["faces/image"]), faces[face_id])
    said = json.loads((released.path / "croissant.json").read_text())
    assert "http://mlcommons.org/croissant/RAI/1.0" in said["conformsTo"]
    assert {"rai:dataCollection", "rai:dataBiases", "rai:personalSensitiveInformation"} <= said.keys()


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
def test_keras(released):
    import keras

    loaded = keras.utils.image_dataset_from_directory(
        released.path / "test", image_size=(48, 48), shuffle=False, verbose=False
    )
    assert tuple(loaded.class_names) == EMOTIONS
    labels = np.concatenate([batch for _, batch in loaded])
    assert labels.tolist() == [label for label in range(7) for _ in range(PER_CLASS)]
