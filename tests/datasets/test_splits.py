from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfer_builder.datasets.readers.base import split_folders
from btfer_builder.datasets.splits import read_splits, select, split_off
from btfer_builder.errors import BtferError
from btfer_builder.evaluate import LabelledFace
from btfer_builder.labels import EMOTIONS, SPLITS


def make(root: Path, *names: str, count: int = 4) -> None:
    for name in names:
        (root / name).mkdir(parents=True)
        for number in range(count):
            (root / name / f"{number}.png").write_bytes(b"")


def some_faces(counts: dict[str, int]) -> list[LabelledFace]:
    return [
        LabelledFace(Path(f"{emotion}/{number}.png"), emotion, f"{emotion}/{number}.png")
        for emotion, count in counts.items()
        for number in range(count)
    ]


def test_class_folders_alone_are_train(tmp_path):
    make(tmp_path, "Happiness", "sad")
    splits = read_splits(tmp_path)
    assert list(splits) == ["train"]
    assert Counter(face.emotion for face in splits["train"]) == {"happy": 4, "sad": 4}


def test_folders_of_splits_go_by_their_usual_names(tmp_path):
    make(tmp_path, "Testing/sad", "validation/sad", "TRAIN/sad")
    make(tmp_path, "notes", count=1)
    splits = read_splits(tmp_path)
    assert list(splits) == ["train", "val", "test"]
    assert splits["val"][0].path == tmp_path / "validation" / "sad" / "0.png"
    assert splits["val"][0].face_id == "sad/0.png"


@pytest.mark.parametrize("names", [("train_set", "val_set", "test_set"), ("Training", "dev", "testing")])
def test_an_import_and_a_training_know_the_same_names_of_splits(tmp_path, names):
    make(tmp_path, *(f"{name}/sad" for name in names))
    assert list(read_splits(tmp_path)) == list(SPLITS)
    assert set(split_folders(tmp_path).values()) == set(SPLITS)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["test/sad", "val/sad"], "no train folder"),
        (["train/sad", "training/sad"], "both train"),
        (["train/sad", "val/gloomy"], "gloomy"),
        (["gloomy"], "gloomy"),
    ],
)
def test_a_folder_that_is_no_set_is_said(tmp_path, names, message):
    make(tmp_path, *names)
    with pytest.raises(BtferError, match=message):
        read_splits(tmp_path)


def test_a_missing_folder_is_said(tmp_path):
    with pytest.raises(BtferError, match="no such folder"):
        read_splits(tmp_path / "nowhere")


def test_the_best_epoch_is_never_chosen_on_test_unless_as_the_authors():
    train, val, test = (some_faces({"sad": 10, "happy": 10}) for _ in range(3))
    whole = {"train": train, "val": val, "test": test}
    assert select(whole).name == "val"
    assert select(whole).validation == tuple(val)
    without = select({"train": train, "test": test}, share=0.2)
    assert without.name == "20 % of train"
    assert len(without.train) == 16
    assert not set(without.validation) & set(without.train)
    paper = select(whole, paper=True)
    assert (paper.name, paper.validation) == ("test, as the authors", tuple(test))
    assert select({"train": train}, paper=True).name == "10 % of train"


@given(
    st.dictionaries(st.sampled_from(EMOTIONS), st.integers(2, 60), min_size=1),
    st.floats(0.01, 0.99),
    st.integers(0, 5),
    st.randoms(use_true_random=False),
)
def test_a_share_is_taken_of_every_class_and_depends_on_the_seed_alone(counts, share, seed, random):
    faces = some_faces(counts)
    kept, apart = split_off(faces, share, seed)
    assert sorted(kept + apart, key=lambda face: face.face_id) == sorted(faces, key=lambda face: face.face_id)
    for emotion, count in counts.items():
        taken = sum(face.emotion == emotion for face in apart)
        assert 1 <= taken < count
        assert abs(taken - share * count) <= 1
    random.shuffle(faces)
    assert set(split_off(faces, share, seed)[1]) == set(apart)


def test_another_seed_takes_others():
    faces = some_faces({"sad": 50})
    assert split_off(faces, 0.2, 1) != split_off(faces, 0.2, 2)


def test_a_class_of_one_face_cannot_be_split():
    with pytest.raises(BtferError, match="sad: a single face"):
        split_off(some_faces({"sad": 1, "happy": 5}), 0.1, 0)
