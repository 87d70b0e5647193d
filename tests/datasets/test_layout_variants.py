"""Datasets as other machines and tools leave them: another case, Windows paths, byte-order marks, one folder more."""

import os
import pickle
import unicodedata

import numpy as np
import pytest

from btfer_builder.config import DatasetRecipe
from btfer_builder.datasets import import_dataset
from btfer_builder.datasets.audit import audit_datasets
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS
from tests.datasets.test_import_dataset import row, save, write_fer
from tests.datasets.test_layouts import HEADER, PLAIN, labels_of, take

MARK = "\ufeff"


def upper(root):
    """Give every file and folder a name in upper case."""
    for path in sorted(root.rglob("*"), key=lambda path: -len(path.parts)):
        path.rename(path.with_name(path.name.upper()))


def test_affectnet_in_upper_case_and_one_folder_down(tmp_path):
    for split in ("train_set", "val_set"):
        folder = tmp_path / "set" / "AffectNet" / split
        save(folder / "images", "1.jpg", seed=len(split))
        (folder / "annotations").mkdir()
        np.save(folder / "annotations" / "1_exp.npy", "6")
    upper(tmp_path / "set")
    _, labels = take(tmp_path, "affectnet")
    assert set(labels.values()) == {("angry", "train"), ("angry", "val")}


@pytest.mark.parametrize("prefix", ["", "C:\\data\\Manually_Annotated\\", "/home/ana/images/"])
@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_the_tables_of_affectnet_with_paths_of_another_machine(tmp_path, prefix, ending):
    root = tmp_path / "set"
    save(root / "Manual" / "689", *(f"{n}.JPG" for n in range(7)))
    columns = (
        "no,subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,Expression,valence"
    )
    gap = "\\" if "\\" in prefix else "/"
    lines = [f"{n},{prefix}689{gap}{n}.jpg,5,10,40,30,1.0;2.0,{n},0.1" for n in range(7)]
    (root / "Training.csv").write_bytes((MARK + ending.join([columns, *lines])).encode())
    _, labels = take(tmp_path, "affectnet")
    assert {emotion for emotion, _ in labels.values()} == set(EMOTIONS)


@pytest.mark.parametrize("name", ["train_00001.jpg", "TRAIN_00001.JPG"])
def test_rafdb_in_another_case(tmp_path, name):
    root = tmp_path / "set"
    save(root / "Basic" / "Image" / "Aligned", "train_00001_aligned.JPG", "test_0001_aligned.JPG")
    save(root / "Basic" / "Image" / "Original", "train_00001.JPG", seed=9)  # the aligned one is taken
    (root / "Basic" / "EmoLabel").mkdir()
    table = root / "Basic" / "EmoLabel" / "List_Patition_Label.TXT"
    table.write_bytes(f"{MARK}{name} 4\r\ntest_0001.jpg 5\r\n\r\n".encode())
    result, labels = take(tmp_path, "rafdb")
    assert labels == {name: ("happy", "train"), "test_0001.jpg": ("sad", "test")}
    assert result.left_out["unlisted"] == 1


def test_fer2013_with_other_columns_case_and_mark(tmp_path):
    (tmp_path / "set" / "archive").mkdir(parents=True)
    rows = [[n, "x", *row(n, 3, usage)] for n, usage in enumerate(("training", "PUBLICTEST", " PrivateTest"))]
    file = tmp_path / "set" / "archive" / "FER2013.CSV"
    write_fer(file, rows, ("", "note", "Emotion", " pixels", "Usage"))
    file.write_bytes(MARK.encode() + file.read_bytes())
    _, labels = take(tmp_path, "fer2013")
    assert sorted(labels.values()) == [("happy", "test"), ("happy", "train"), ("happy", "val")]


def test_fer2013_in_folders_of_its_usages(tmp_path):
    names = [
        f"{usage}/{e}/1.JPG" for usage in ("Training", "PublicTest", "PrivateTest") for e in ("Happy", "SAD")
    ]
    save(tmp_path / "set" / "fer", *names)
    result, _ = take(tmp_path, "folder")
    assert list(result.counts) == ["train", "val", "test"]


def test_ferplus_with_another_column_and_windows_ends(tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    write_fer(root / "fer2013.csv", [row(0, 3, "Training")])
    lines = [f"id,{HEADER}", "7,training,fer0000000.png,0,9,1,0,0,0,0,0,0,0", ""]
    (root / "FER2013New.csv").write_bytes((MARK + "\r\n".join(lines)).encode())
    _, labels = take(tmp_path, "ferplus")
    assert labels == {"line 2": ("happy", "train")}


def test_expw_in_another_case_and_with_decimals(tmp_path):
    save(tmp_path / "set" / "Image" / "origin", "A_1.JPG")
    (tmp_path / "set" / "Label.LST").write_bytes(f"{MARK}a_1.jpg 0 8.0 3.0 46.0 51.0 22.9 3\r\n".encode())
    _, labels = take(tmp_path, "expw")
    assert list(labels.values()) == [("happy", "train")]


def test_ckplus_in_another_case(tmp_path):
    root = tmp_path / "set"
    frames = [f"S005_001_{n:08}" for n in range(1, 5)]
    save(root / "CK" / "cohn-kanade-images" / "S005" / "001", *(f"{frame}.png" for frame in frames))
    (root / "CK" / "Emotion" / "S005" / "001").mkdir(parents=True)
    label = root / "CK" / "Emotion" / "S005" / "001" / f"{frames[-1]}_emotion.txt"
    label.write_text(f"{MARK}   3.0000000e+00\r\n")
    upper(root)
    result, _ = take(tmp_path, "ckplus")
    assert result.counts["train"]["disgust"] == 3
    names = [f"data/ck+48/{emotion}/s010_004_0000001{n}.PNG" for n, emotion in enumerate(EMOTIONS)]
    save(tmp_path / "small", *names)
    result = import_dataset("auto", tmp_path / "small", tmp_path / "out-small", PLAIN)
    assert (result.kind, result.counts["train"]) == ("ckplus", dict.fromkeys(EMOTIONS, 1))


def test_jaffe_kdef_sfew_and_btfer_in_another_case(tmp_path):
    save(tmp_path / "jaffe" / "all", "ka.an1.39.TIFF", "km.ha2.5.TIFF")
    save(tmp_path / "kdef" / "af01", "af01ans.jpg", "af01hahr.jpg")
    save(tmp_path / "sfew" / "SFEW 2.0", "train_aligned_faces/angry/a.PNG", "val_aligned_faces/HAPPY/b.PNG")
    save(tmp_path / "btfer" / "batch_ready 7", *(f"{emotion.upper()}/1.JPG" for emotion in EMOTIONS))
    for kind, count in (("jaffe", 2), ("kdef", 2), ("sfew", 2), ("btfer", 7)):
        result = import_dataset("auto", tmp_path / kind, tmp_path / f"out-{kind}", PLAIN)
        assert (result.kind, sum(sum(c.values()) for c in result.counts.values())) == (kind, count)
        assert result.dropped == {}


@pytest.mark.parametrize("name", ["{0}", "{1}_{0}", "{1}-{0}", "0{1}. {0}"])
def test_class_folders_with_numbers_before_their_names(tmp_path, name):
    folders = [name.format(emotion, n) for n, emotion in enumerate(EMOTIONS)]
    save(tmp_path / "set" / "faces" / "v2", *(f"Train/{folder}/1.PNG" for folder in folders))
    result, _ = take(tmp_path, "folder")
    assert result.counts == {"train": dict.fromkeys(EMOTIONS, 1)}


PATHS = (
    "a/1.jpg", "a\\1.JPG", "C:\\Users\\ana\\set\\a\\1.jpg", "/home/ana/a/1.jpg", "set/a/1.jpg", "a/1", "./a/1.jpg",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_a_table_of_labels_with_paths_of_another_machine(tmp_path, path):
    save(tmp_path / "set", "a/1.jpg", "b/1.jpg")
    table = tmp_path / "labels.csv"
    lines = ["id,Image_Path,Emotion,note", f"1,{path},HAPPY,x", "2,c/9.jpg,sad,", ""]
    table.write_bytes((MARK + "\r\n".join(lines)).encode())
    recipe = DatasetRecipe(workers=0, labels=str(table), val_share=0, test_share=0)
    result, labels = take(tmp_path, "labels", recipe)
    assert (list(labels.values()), result.dropped) == ([("happy", "train")], {"missing_file": 1})


@pytest.mark.parametrize("path", ["../secret.jpg", "a/../../secret.jpg", "/etc/secret.jpg", "1.jpg"])
def test_no_path_of_a_table_leads_out_of_the_folder_or_is_guessed(tmp_path, path):
    """The last one is the name of two pictures in folders, none of which is meant for sure."""
    save(tmp_path / "set", "a/1.jpg", "b/1.jpg", "c.jpg")
    save(tmp_path, "secret.jpg", seed=7)
    table = tmp_path / "labels.csv"
    table.write_text(f"path,emotion\n{path},happy\nc.jpg,sad\n")
    recipe = DatasetRecipe(workers=0, labels=str(table), val_share=0, test_share=0)
    result = import_dataset("labels", tmp_path / "set", tmp_path / "out", recipe)
    assert result.dropped == {"missing_file": 1}
    assert set(labels_of(tmp_path / "out")) == {"c.jpg"}


@pytest.mark.parametrize("again", ["a.jpg", "./a.jpg", "A.JPG", "a", "C:\\photos\\a.jpg"])
def test_a_picture_that_a_table_lists_twice_is_refused_however_it_is_written(tmp_path, again):
    save(tmp_path / "set", "a.jpg")
    (tmp_path / "labels.csv").write_text(f"path,emotion\na.jpg,happy\n{again},sad\n")
    recipe = DatasetRecipe(workers=0, labels=str(tmp_path / "labels.csv"))
    with pytest.raises(BtferError, match=r"line 3: .* is listed twice"):
        import_dataset("labels", tmp_path / "set", tmp_path / "out", recipe)


@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_accents_are_those_of_the_file_in_either_form(tmp_path, form):
    save(tmp_path / "set", unicodedata.normalize("NFD" if form == "NFC" else "NFC", "fröhlich/é.jpg"))
    (tmp_path / "labels.csv").write_text(unicodedata.normalize(form, "path,emotion\nfröhlich/é.jpg,happy\n"))
    recipe = DatasetRecipe(workers=0, labels=str(tmp_path / "labels.csv"), val_share=0, test_share=0)
    _, labels = take(tmp_path, "labels", recipe)
    assert list(labels.values()) == [("happy", "train")]


@pytest.mark.parametrize(
    ("header", "says"),
    [
        ("path,emotion", r"2 unknown_label \('3', 'Wut'\); expected angry, .*, as words"),
        ("path,emotion,Emotion", "the header has emotion twice"),
    ],
)
def test_labels_that_nobody_knows_are_named(tmp_path, header, says):
    save(tmp_path / "set", "a.jpg", "b.jpg")
    (tmp_path / "labels.csv").write_text(f"{header}\na.jpg,3\nb.jpg,Wut\n")
    recipe = DatasetRecipe(workers=0, labels=str(tmp_path / "labels.csv"))
    with pytest.raises(BtferError, match=says):
        import_dataset("labels", tmp_path / "set", tmp_path / "out", recipe)


NAN = np.array(np.nan)


def stating(shape):
    """Return an annotation whose header states a shape that the file does not have."""
    text = f"{{'descr': '<f8', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "annotation",
    [
        stating("(999999999999,)"),
        stating("(99999999999999999999999999,)"),
        stating("(-1,)"),
        stating("()"),  # without its value
        stating("(" * 40),
        b"\x93NUMPY\x09\x00" + bytes(200),
        b"\x93NUM",
        b"",
        b"PK\x03\x04 no archive",
        pickle.dumps("3"),
        NAN,
        np.arange(3),
        np.array([3], dtype=object),
        np.array([(3, 3)], dtype="i4,i4"),
        np.array("2020-01-01", dtype="datetime64"),
    ],
)
def test_an_annotation_that_is_no_number_is_an_unknown_label(tmp_path, annotation):
    folder = tmp_path / "set" / "train_set"
    save(folder / "images", "1.jpg", "2.jpg")
    (folder / "annotations").mkdir()
    np.save(folder / "annotations" / "1_exp.npy", np.float32(3))
    path = folder / "annotations" / "2_exp.npy"
    if isinstance(annotation, bytes):
        path.write_bytes(annotation)
    else:
        np.save(path, annotation)
    result, labels = take(tmp_path, "affectnet")
    assert labels == {"train_set/images/1.jpg": ("surprise", "train")}
    assert result.dropped == {"unknown_label": 1}


def ckplus(root, label=b"   3.0000000e+00\n"):
    save(root / "cohn-kanade-images/S005/001", *(f"S005_001_{n:08d}.png" for n in range(1, 6)))
    for folder in ("Emotion", "Emotion_labels/Emotion"):  # unpacked twice
        path = root / folder / "S005/001/S005_001_00000005_emotion.txt"
        path.parent.mkdir(parents=True)
        path.write_bytes(label)
    return path


def test_labels_of_ckplus_that_are_there_twice_count_once(tmp_path):
    second = ckplus(tmp_path / "set")
    result, _ = take(tmp_path, "ckplus")
    assert (result.came_in, result.counts["train"]["disgust"]) == (4, 3)
    second.write_text("5.0")
    with pytest.raises(BtferError, match="has another label than"):
        import_dataset("ckplus", tmp_path / "set", tmp_path / "other", PLAIN)


def test_a_damaged_label_of_ckplus_is_unknown(tmp_path):
    ckplus(tmp_path / "set", b"\xff\xfe\x00")
    result, labels = take(tmp_path, "ckplus")
    assert result.dropped == {"unknown_label": 3}
    assert set(labels.values()) == {("neutral", "train")}


def test_names_that_are_not_utf8_are_imported_and_audited(tmp_path):
    save(tmp_path / "set", "happy/1.png", "sad/1.png")
    name = os.fsdecode(b"caf\xe9")
    (tmp_path / "set/happy/1.png").rename(tmp_path / "set/happy" / f"{name}.png")
    (tmp_path / "set" / name).mkdir()
    save(tmp_path / "set" / name, "2.png", seed=5)
    result, labels = take(tmp_path, "folder")
    assert labels["happy/caf\\udce9.png"] == ("happy", "train")
    assert result.labels_dropped == {"caf\\udce9": 1}
    audit = audit_datasets([tmp_path / "set"], tmp_path / "audit", PLAIN, faces=False)
    assert (audit.came_in, audit.dropped) == (3, {"other_class": 1})


def test_paths_that_lead_out_of_the_folder_or_are_too_long_are_missing(tmp_path):
    save(tmp_path / "set", "in.png")
    save(tmp_path, "out.png", seed=3)
    names = ["in.png", "../out.png", str(tmp_path / "out.png"), "x" * 5000, "a/../../out.png"]
    (tmp_path / "labels.csv").write_text("path,emotion\n" + "".join(f"{name},happy\n" for name in names))
    recipe = DatasetRecipe(workers=0, val_share=0, test_share=0, labels=str(tmp_path / "labels.csv"))
    result, labels = take(tmp_path, "labels", recipe)
    assert list(labels) == ["in.png"]
    assert result.dropped == {"missing_file": 4}
