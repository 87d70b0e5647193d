"""The field's datasets in exactly the form in which their owners hand them out."""

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from btfer_builder.cli.main import main
from btfer_builder.config import DatasetRecipe
from btfer_builder.datasets import import_dataset
from btfer_builder.datasets.labelled_faces import faces_in_folder
from btfer_builder.datasets.readers import recognise
from btfer_builder.datasets.readers.ferplus import majority
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS
from tests.datasets.test_import_dataset import row, rows_of, save, write_fer

HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
PLAIN = DatasetRecipe(workers=0, val_share=0, test_share=0)
#: In the order of AffectNet's numbers.
AFFECTNET = ["neutral", "happy", "sad", "surprise", "fear", "disgust", "angry"]


def labels_of(out):
    """Return the emotion and split of each picture by its name in the dataset."""
    return {one["name"]: tuple(reversed(one["path"].split("/")[:2])) for one in rows_of(out / "pictures.csv")}


def take(tmp_path, kind, recipe=PLAIN, source=None):
    """Import what is recognised as `kind`."""
    source = source or tmp_path / "set"
    assert recognise(source, recipe).kind == kind
    result = import_dataset("auto", source, tmp_path / "out", recipe)
    assert result.kind == kind
    return result, labels_of(tmp_path / "out")


def affectnet(root):
    """Write AffectNet as its owners pack it."""
    for number in range(9):
        split = "train_set" if number else "val_set"
        save(root / split / "images", f"{number}.jpg", seed=number)
        (root / split / "annotations").mkdir(exist_ok=True)
        for ending, value in (("exp", str(number)), ("aro", "-0.1"), ("val", "0.2")):
            np.save(root / split / "annotations" / f"{number}_{ending}.npy", value)


def test_affectnet_as_its_owners_pack_it(tmp_path):
    affectnet(tmp_path / "set")
    annotations = tmp_path / "set" / "train_set" / "annotations"
    (annotations / "1_exp.npy").unlink()
    np.save(annotations / "2_exp.npy", np.array([{"label": 2}], dtype=object))  # a pickle, never loaded
    (annotations / "3_exp.npy").write_bytes(b"\x93NUMPY")
    result, labels = take(tmp_path, "affectnet")
    assert result.dropped == {"missing_file": 1, "other_class": 2, "unknown_label": 2}
    assert labels == {
        "val_set/images/0.jpg": ("neutral", "val"),
        **{f"train_set/images/{n}.jpg": (AFFECTNET[n], "train") for n in (4, 5, 6)},
    }


@pytest.mark.parametrize("header", [True, False])
def test_the_manual_tables_of_affectnet_cut_the_faces_out(tmp_path, header):
    root = tmp_path / "set"
    save(root / "Manually_Annotated_Images" / "689", *(f"{n}.jpg" for n in range(8)))
    columns = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    lines = [f"689/{n}.jpg,5,10,40,30,1.0;2.0,{n},0.1,0.2" for n in range(8)]
    lines += ["../../etc/x.jpg,0,0,9,9,,1,0,0", "689/0.jpg,NULL,NULL,NULL,NULL,,10,-2,-2"]
    (root / "training.csv").write_text("\n".join([columns] * header + lines[:8]))
    (root / "validation.csv").write_text("\n".join([columns] * header + lines[8:]))
    result, labels = take(tmp_path, "affectnet")
    assert labels == {f"689/{n}.jpg": (AFFECTNET[n], "train") for n in range(7)}
    assert result.dropped == {"missing_file": 1, "other_class": 2}
    for path in (tmp_path / "out" / "train").rglob("*.png"):
        with Image.open(path) as image:
            assert image.size == (40, 30)


@pytest.mark.parametrize("names", [AFFECTNET, [str(n) for n in range(8)]])
def test_affectnet_in_folders(tmp_path, names):
    save(tmp_path / "set", *(f"{split}/{name}/1.jpg" for split in ("train", "val") for name in names))
    _, labels = take(tmp_path, "affectnet" if names[0] == "0" else "folder")
    assert {names.index(name.split("/")[1]): emotion for name, (emotion, _) in labels.items()} == dict(
        enumerate(AFFECTNET)
    )


def test_numbers_that_two_datasets_use_are_refused(tmp_path):
    save(tmp_path / "set", *(f"train/{n}/1.jpg" for n in range(7)))
    with pytest.raises(
        BtferError, match=r"AffectNet's .0 is neutral. or FER2013's .0 is angry.; name the kind"
    ):
        recognise(tmp_path / "set", PLAIN)
    import_dataset("fer2013", tmp_path / "set", tmp_path / "out", PLAIN)
    assert labels_of(tmp_path / "out")["train/0/1.jpg"] == ("angry", "train")


@pytest.mark.parametrize("gap", [" ", "\t"])
@pytest.mark.parametrize("word", ["patition", "partition"])
def test_rafdb_one_folder_up_with_its_compound_set_beside(tmp_path, gap, word):
    root = tmp_path / "set"
    save(root / "basic" / "Image" / "aligned", "train_00001_aligned.jpg", "test_0001_aligned.jpg")
    save(root / "compound" / "Image" / "aligned", "train_00001_aligned.jpg", seed=9)
    for subset, label in (("basic", "3"), ("compound", "4")):
        (root / subset / "EmoLabel").mkdir()
        (root / subset / "EmoLabel" / f"list_{word}_label.txt").write_text(
            f"train_00001.jpg{gap}{label}\r\ntest_0001.jpg{gap}7\r\n"
        )
    _, labels = take(tmp_path, "rafdb")
    assert labels == {"train_00001.jpg": ("disgust", "train"), "test_0001.jpg": ("neutral", "test")}
    (face,) = (tmp_path / "out" / "train").rglob("*.png")
    with Image.open(face) as ours, Image.open(root / "basic/Image/aligned/train_00001_aligned.jpg") as theirs:
        np.testing.assert_array_equal(np.asarray(ours), np.asarray(theirs))
    with pytest.raises(BtferError, match=r"4 is a compound label of RAF-DB \(Sadly Angry\).*basic/"):
        import_dataset("rafdb", root / "compound", tmp_path / "compound", PLAIN)
    with pytest.raises(BtferError, match="compound label"):
        import_dataset("auto", root / "compound", tmp_path / "compound", PLAIN)


def test_compound_labels_are_refused_also_where_the_folder_has_another_name(tmp_path):
    save(tmp_path / "set", "train_00001_aligned.jpg")
    (tmp_path / "set" / "list_patition_label.txt").write_text("train_00001.jpg 3\ntest_0002.jpg 11\n")
    with pytest.raises(
        BtferError, match=r"line 2: 11 is a compound label of RAF-DB \(Disgustedly Surprised\)"
    ):
        import_dataset("rafdb", tmp_path / "set", tmp_path / "out", PLAIN)


def test_rafdb_in_numbered_folders_one_folder_up(tmp_path):
    save(
        tmp_path / "set", *(f"DATASET/{split}/{n}/1.jpg" for split in ("train", "test") for n in range(1, 8))
    )
    _, labels = take(tmp_path, "rafdb")
    assert labels["DATASET/test/6/1.jpg"] == ("angry", "test")


@pytest.mark.parametrize("label", ["3", "3.0", "happy", "Happiness"])
@pytest.mark.parametrize("usage", [True, False])
def test_fer2013_with_other_labels_and_without_usage(tmp_path, label, usage):
    columns = ("emotion", "pixels", "Usage") if usage else ("emotion", "pixels")
    rows = [row(n, 0, "PrivateTest")[: len(columns)] for n in range(2)]
    for one in rows:
        one[0] = label
    (tmp_path / "set").mkdir()
    write_fer(tmp_path / "set" / "fer2013.csv", rows, columns)
    _, labels = take(tmp_path, "fer2013")
    assert labels["line 2"] == ("happy", "test" if usage else "train")


def test_ferplus_is_the_majority_and_keeps_the_votes(tmp_path):
    root = tmp_path / "set"
    (root / "ferplus").mkdir(parents=True)
    counts = [
        ("PrivateTest", 4, 0, 0, 1, 0, 0, 0, 0, 0, 0),
        ("PrivateTest", 0, 6, 0, 0, 4, 0, 0, 0, 0, 0),
        ("PrivateTest", 0, 5, 0, 0, 5, 0, 0, 0, 0, 0),
        ("Training", 0, 0, 0, 0, 0, 0, 0, 10, 0, 0),
        ("Training", 0, 0, 0, 0, 0, 0, 0, 0, 0, 10),
        ("Training", 0, 0, 0, 0, 0, 0, 9, 1, 0, 0),
    ]
    write_fer(root / "fer2013.csv", [row(n, 3, votes[0]) for n, votes in enumerate(counts)])
    lines = [f"{votes[0]},fer{n:07}.png,{','.join(map(str, votes[1:]))}" for n, votes in enumerate(counts)]
    table = root / "ferplus" / "fer2013new.csv"
    table.write_text("\n".join([f"{HEADER}", *lines]))
    result, labels = take(tmp_path, "ferplus")
    assert labels == {"line 2": ("neutral", "test"), "line 3": ("happy", "test"), "line 7": ("fear", "train")}
    assert result.dropped == {"no_majority": 1, "other_class": 2}
    faces = faces_in_folder(tmp_path / "out" / "test")
    votes = {face.emotion: dict(face.votes) for face in faces}
    assert votes == {"neutral": {"neutral": 4, "sad": 1}, "happy": {"happy": 6, "angry": 4}}
    table.write_text("\n".join([f"{HEADER}", *lines[:-1]]))
    with pytest.raises(BtferError, match="not as many rows"):
        import_dataset("ferplus", root, tmp_path / "short", PLAIN)
    (root / "fer2013.csv").unlink()
    with pytest.raises(BtferError, match=r"no fer2013\.csv, which has the pictures"):
        import_dataset("ferplus", root, tmp_path / "alone", PLAIN)


def test_single_votes_are_outliers():
    assert majority({"happy": 4, "sad": 1, "fear": 1, "angry": 1, "disgust": 3}) == "happy"
    assert majority({"happy": 1, "sad": 1}) == ""


def test_expw_cuts_several_faces_out_of_a_photo(tmp_path):
    root = tmp_path / "set"
    save(root / "origin", "angry_actor_104.jpg", "x.jpg")
    (root / "label.lst").write_text(
        "angry_actor_104.jpg 0 28 13 46 51 22.9849 3\nangry_actor_104.jpg 1 5 -4 20 15 52.3891 6\n"
        "gone.jpg 0 1 1 9 9 10 0\nx.jpg 0 1 1 9 9 10 7\nx.jpg 0 90 90 95 95 10 1\n"
    )
    result, labels = take(tmp_path, "expw")
    assert labels == {
        "angry_actor_104.jpg line 1": ("happy", "train"),
        "angry_actor_104.jpg line 2": ("neutral", "train"),
    }
    assert result.dropped == {"missing_file": 1, "unknown_label": 1, "unreadable": 1}
    sizes = {path.parent.name: Image.open(path).size for path in (tmp_path / "out" / "train").rglob("*.png")}
    assert sizes == {"happy": (33, 23), "neutral": (20, 10)}


def test_ckplus_takes_the_last_frames_and_the_first_as_neutral(tmp_path):
    root = tmp_path / "set"
    for number, (person, label) in enumerate([("S005", 3), ("S010", 2), ("S011", 7)]):
        frames = [f"{person}_001_{frame:08}" for frame in range(1, 7)]
        folder = root / "cohn-kanade-images" / person / "001"
        save(folder, *(f"{frame}.png" for frame in frames), seed=10 * number)
        (root / "Emotion" / person / "001").mkdir(parents=True)
        (root / "Emotion" / person / "001" / f"{frames[-1]}_emotion.txt").write_text(
            f"   {label}.0000000e+00\n"
        )
    save(root / "cohn-kanade-images" / "S999" / "001", "S999_001_00000001.png", seed=90)  # without a label
    result, labels = take(tmp_path, "ckplus", DatasetRecipe(workers=0, val_share=0, test_share=0.5))
    assert result.dropped == {"other_class": 3}
    assert {name.rpartition("/")[2][:-4]: emotion for name, (emotion, _) in labels.items()} == {
        **{f"S005_001_{n:08}": "disgust" for n in (4, 5, 6)},
        **{f"S011_001_{n:08}": "surprise" for n in (4, 5, 6)},
        **{f"{person}_001_00000001": "neutral" for person in ("S005", "S010", "S011")},
    }
    for person in ("S005", "S011"):
        assert len({split for name, (_, split) in labels.items() if person in name}) == 1


def test_ck48_does_not_part_a_person(tmp_path):
    names = [f"CK+48/{e}/S{p:03}_001_{n:08}.png" for p in range(10) for n, e in enumerate(("anger", "happy"))]
    save(tmp_path / "set", *names, "CK+48/contempt/S001_002_00000003.png")
    result, labels = take(tmp_path, "ckplus", DatasetRecipe(workers=0, val_share=0, test_share=0.3))
    assert result.dropped == {"other_class": 1}
    assert result.counts["test"]["angry"] == result.counts["test"]["happy"] == 3
    splits = {(name.split("/")[-1][:4], split) for name, (_, split) in labels.items()}
    assert len(splits) == 10


def test_codes_in_file_names_of_jaffe_and_kdef(tmp_path):
    jaffe = ["AN", "DI", "FE", "HA", "NE", "SA", "SU"]
    save(tmp_path / "jaffe", *(f"KA.{code}1.{n}.tiff" for n, code in enumerate(jaffe)), "KA.XX1.9.tiff")
    result, labels = take(tmp_path, "jaffe", source=tmp_path / "jaffe")
    assert [emotion for emotion, _ in labels.values()] == list(EMOTIONS)
    assert result.dropped == {"unknown_label": 1}
    kdef = ["AN", "DI", "AF", "HA", "NE", "SA", "SU"]
    save(tmp_path / "kdef" / "AF01", *(f"AF01{code}{angle}.JPG" for code in kdef for angle in ("S", "FL")))
    assert recognise(tmp_path / "kdef", PLAIN).kind == "kdef"
    result = import_dataset("kdef", tmp_path / "kdef", tmp_path / "out-kdef", PLAIN)
    assert result.counts["train"] == dict.fromkeys(EMOTIONS, 2)


def test_sfew_and_the_authors_own_set(tmp_path):
    save(tmp_path / "sfew", "Train_Aligned_Faces/Angry/a_1.png", "Train_Aligned_Faces/Happy/b_1.png")
    save(tmp_path / "sfew" / "Val_Aligned_Faces_new", "Val_Aligned_Faces/Angry/c.png", seed=8)
    result, labels = take(tmp_path, "sfew", source=tmp_path / "sfew")
    assert sorted(labels.values()) == [("angry", "train"), ("angry", "val"), ("happy", "train")]
    save(tmp_path / "btfer" / "Batch_Ready 7", *(f"{emotion.title()}/1.jpg" for emotion in EMOTIONS))
    for source in (tmp_path / "btfer", tmp_path / "btfer" / "Batch_Ready 7"):
        assert recognise(source, PLAIN).kind == "btfer"
    result = import_dataset("auto", source, tmp_path / "out-btfer", PLAIN)
    assert result.counts == {"test": dict.fromkeys(EMOTIONS, 1)}


def test_labels_in_a_table_or_in_the_names(tmp_path):
    save(tmp_path / "set", "a/1.jpg", "a/2_joy_test.jpg", "a/3.jpg")
    save(tmp_path, "secret.jpg", seed=7)
    table = tmp_path / "labels.csv"
    table.write_text("Image;Label;Split\na/1.jpg;anger;train\na/3.jpg;bored;val\n../secret.jpg;sad;test\n")
    result, labels = take(tmp_path, "labels", DatasetRecipe(workers=0, labels=str(table), val_share=0))
    assert labels == {"a/1.jpg": ("angry", "train")}
    assert result.dropped == {"missing_file": 1, "unknown_label": 1}
    pattern = r"_(?P<emotion>[a-z]+)_(?P<split>\w+)\."
    recipe = DatasetRecipe(workers=0, pattern=pattern, val_share=0)
    result = import_dataset("pattern", tmp_path / "set", tmp_path / "named", recipe)
    assert labels_of(tmp_path / "named") == {"a/2_joy_test.jpg": ("happy", "test")}
    assert result.dropped == {"unknown_label": 2}


@pytest.mark.parametrize("word", ["contempt", "7_Contempt", "uncertain"])
def test_an_eighth_class_has_the_same_reason_in_every_layout(tmp_path, word):
    for folder in (word, "happy"):
        save(tmp_path / "set" / folder, f"a_{folder}.jpg", seed=len(folder))
    lines = [f"{folder}/a_{folder}.jpg,{folder}" for folder in (word, "happy")]
    (tmp_path / "labels.csv").write_text("\n".join(["path,emotion", *lines]))
    plain = {"workers": 0, "val_share": 0, "test_share": 0}
    for kind, more in (
        ("folder", {}),
        ("labels", {"labels": str(tmp_path / "labels.csv")}),
        ("pattern", {"pattern": r"/a_(?P<emotion>\w+)\."}),
    ):
        recipe = DatasetRecipe(**plain, **more)
        result = import_dataset(kind, tmp_path / "set", tmp_path / kind, recipe)
        assert (result.dropped, result.labels_dropped) == ({"other_class": 1}, {word: 1}), kind


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("(", "not a regular expression"),
        ("x", "has no group"),
        ("(?P<emotion>zz)", "matches none of its 1"),
        ("", "--pattern"),
    ],
)
def test_a_pattern_that_cannot_work_is_said(tmp_path, pattern, message):
    save(tmp_path / "set", "a.jpg")
    with pytest.raises(BtferError, match=message):
        import_dataset("pattern", tmp_path / "set", tmp_path / "out", DatasetRecipe(pattern=pattern))


def test_the_command_says_what_it_took_the_folder_for_and_why_not_for_others(tmp_path):
    affectnet(tmp_path / "set")
    command = ["dataset", "import", "auto", str(tmp_path / "set"), str(tmp_path / "out"), "--workers", "0"]
    shown = CliRunner().invoke(main, command)
    assert shown.exit_code == 0, shown.output
    assert "is read as affectnet" in shown.stdout
    assert "not rafdb: has no list_patition_label.txt (nor train/1 … test/7)" in shown.stdout
    (tmp_path / "empty").mkdir()
    refused = CliRunner().invoke(main, [*command[:3], str(tmp_path / "empty"), str(tmp_path / "no")])
    assert refused.exit_code == 1
    assert refused.stderr.count("\n") == 1
    assert "in no layout that is known" in refused.stderr
