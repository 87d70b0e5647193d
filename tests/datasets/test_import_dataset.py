"""Other people's labelled sets: every layout, every fault, every picture accounted for."""

import csv
import json
from collections import Counter
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from btfer_builder.cli.main import main
from btfer_builder.config import DatasetKind, DatasetRecipe
from btfer_builder.datasets import import_dataset
from btfer_builder.datasets.class_counts import classes_figure, classes_png, classes_table
from btfer_builder.datasets.convert import ConvertedItem
from btfer_builder.datasets.draw_splits import draw_splits
from btfer_builder.datasets.duplicates import DuplicatePair, find_duplicates, find_leakage
from btfer_builder.datasets.readers import LAYOUTS
from btfer_builder.datasets.readers.base import DROP_REASONS, Item
from btfer_builder.errors import BtferError
from btfer_builder.images.same_picture import connected_groups
from btfer_builder.labels import EMOTIONS
from tests.images.drawn import overlaps, within

PLAIN = DatasetRecipe(workers=0, val_share=0, test_share=0)


def picture(seed: int, side: int = 48) -> Image.Image:
    """Return a smooth picture that looks like no other seed's."""
    blots = np.random.default_rng(seed).integers(0, 256, (6, 6), dtype=np.uint8)
    return Image.fromarray(blots).resize((side, side), Image.Resampling.BICUBIC)


def row(seed: int, label: int, usage: str) -> list[object]:
    return [label, " ".join(str(value) for value in np.asarray(picture(seed)).ravel()), usage]


def write_fer(path: Path, rows: list[list[object]], header=("emotion", "pixels", "Usage")) -> Path:
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def save(root: Path, *names: str, seed: int = 0) -> None:
    for number, name in enumerate(names):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture(seed + number, 60).convert("RGB").save(root / name)


def emotions_of(out: Path, split: str) -> dict[str, int]:
    return {folder.name: len(list(folder.iterdir())) for folder in sorted((out / split).iterdir())}


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_kind_of_dataset_has_a_layout():
    assert tuple(LAYOUTS) == get_args(DatasetKind)


def test_fer2013_keeps_every_pixel_and_every_split(tmp_path):
    usages = ["Training", "Training", "PublicTest", "PrivateTest"]
    rows = [row(seed, seed % 7, usages[seed % 4]) for seed in range(28)]
    result = import_dataset("fer2013", write_fer(tmp_path / "fer2013.csv", rows), tmp_path / "out", PLAIN)
    assert {split: sum(classes.values()) for split, classes in result.counts.items()} == {
        "train": 14, "val": 7, "test": 7,
    }  # fmt: skip
    order = ["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
    where = {row["name"]: row["path"] for row in rows_of(tmp_path / "out" / "pictures.csv")}
    for seed in range(28):
        path = tmp_path / "out" / where[f"line {seed + 2}"]
        assert path.parent.name == order[seed % 7]
        assert path.parent.parent.name == {"T": "train", "P": "val"}.get(
            usages[seed % 4][0] if seed % 4 < 3 else "-", "test"
        )
        with Image.open(path) as image:
            assert image.mode == "L"
            np.testing.assert_array_equal(np.asarray(image), np.asarray(picture(seed)))


def test_fer2013_as_it_was_published_a_second_time_has_spaces_and_another_order(tmp_path):
    rows = [[cells[0], cells[2], cells[1]] for cells in (row(1, 6, "Training"), row(2, 0, "PrivateTest"))]
    path = write_fer(tmp_path / "icml_face_data.csv", rows, ("emotion", " Usage", " pixels"))
    result = import_dataset("fer2013", path.parent, tmp_path.with_name("out-spaces"), PLAIN)
    assert result.counts["train"]["neutral"] == result.counts["test"]["angry"] == 1


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ([3, "1 2 3", "Training"], "unreadable"),
        ([3, "", "Training"], "unreadable"),
        ([3, "256 " * 2304, "Training"], "unreadable"),
        ([3, "-1 " * 2304, "Training"], "unreadable"),
        ([3, "x " * 2304, "Training"], "unreadable"),
        ([3, "99999999999999999999 " * 9, "Training"], "unreadable"),
        (["=cmd()", row(0, 0, "")[1], "Training"], "unknown_label"),
        ([7, row(0, 0, "")[1], "Training"], "unknown_label"),
    ],
)
def test_a_bad_row_of_fer2013_is_dropped_listed_and_counted(tmp_path, cells, reason):
    path = write_fer(tmp_path / "fer2013.csv", [row(1, 3, "Training"), cells])
    result = import_dataset("fer2013", path, tmp_path / "out", PLAIN)
    assert result.dropped == {reason: 1}
    assert result.came_in == 2
    (listed,) = rows_of(tmp_path / "out" / "dropped.csv")
    assert (listed["name"], listed["reason"]) == ("line 3", reason)
    assert not listed["label"].startswith("=")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("emotion,usage\n3,Training", "expected emotion, pixels, Usage"),
        ("", "expected emotion, pixels, Usage"),
        ("emotion,pixels,Usage\n3,1 2,Holdout", "line 2: Usage is 'Holdout'"),
        ("emotion,pixels,Usage\n3,1 2", "line 2: has 2 cells"),
        ("emotion,pixels,Usage\n3," + "1 " * 40_000 + ",Training", "line 2: longer than 36864"),
    ],
)
def test_a_file_that_is_not_fer2013_is_said_in_one_line(tmp_path, text, message):
    path = tmp_path / "fer2013.csv"
    path.write_text(text)
    with pytest.raises(BtferError, match=message) as error:
        import_dataset("fer2013", path, tmp_path / "out", PLAIN)
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def test_rafdb_is_read_by_its_list(tmp_path):
    root = tmp_path / "basic"
    labels = {"train_00001": 1, "train_00002": 2, "train_00003": 4, "test_0001": 7, "train_00004": 5}
    save(root / "Image" / "aligned", *(f"{name}_aligned.jpg" for name in list(labels)[:4]))
    (root / "EmoLabel").mkdir()
    lines = [f"{name}.jpg {label}" for name, label in labels.items()] + ["test_0002.jpg 12", ""]
    (root / "EmoLabel" / "list_patition_label.txt").write_text("\n".join(lines))
    result = import_dataset("rafdb", tmp_path, tmp_path.with_name("out-raf"), PLAIN)
    assert {emotion for emotion, n in result.counts["train"].items() if n} == {"surprise", "fear", "happy"}
    assert {emotion for emotion, n in result.counts["test"].items() if n} == {"neutral"}
    assert result.dropped == {"missing_file": 1, "unknown_label": 1}
    assert result.came_in == 6


def test_the_authors_splits_have_no_test(tmp_path):
    save(tmp_path / "raf", *(f"train/{number}/{n}.jpg" for number in range(1, 8) for n in range(7)))
    save(tmp_path / "raf", *(f"test/{number}/{n}.jpg" for number in range(1, 8) for n in range(3)), seed=90)
    paper = DatasetRecipe(workers=0, paper=True)
    raf = import_dataset("rafdb", tmp_path / "raf", tmp_path / "out", paper)
    assert raf.counts == {"train": dict.fromkeys(EMOTIONS, 7), "val": dict.fromkeys(EMOTIONS, 3)}
    usages = ["Training", "PublicTest", "PrivateTest"]
    path = write_fer(tmp_path / "fer2013.csv", [row(seed, 3, usages[seed % 3]) for seed in range(6)])
    fer = import_dataset("fer2013", path, tmp_path / "fer", paper)
    assert {split: classes["happy"] for split, classes in fer.counts.items()} == {"train": 2, "val": 4}


@pytest.mark.parametrize("line", ["../../etc/passwd 3", "train_00001.jpg", "<html>", "train_00009.jpg 5"])
def test_a_list_of_rafdb_with_another_form_is_refused_or_finds_nothing_outside(tmp_path, line):
    save(tmp_path / "set", "train_00009_aligned.jpg")
    (tmp_path / "set" / "list_patition_label.txt").write_text(f"train_00009.jpg 4\n{line}\n")
    with pytest.raises(BtferError, match="line 2"):
        import_dataset("rafdb", tmp_path / "set", tmp_path / "out", PLAIN)


def test_rafdb_is_read_from_numbered_folders_too(tmp_path):
    save(tmp_path / "raf", *(f"train/{number}/{number}.jpg" for number in range(1, 8)))
    result = import_dataset("rafdb", tmp_path / "raf", tmp_path / "out", PLAIN)
    assert result.counts["train"] == dict.fromkeys(EMOTIONS, 1)


def test_affectnet_leaves_contempt_out_and_counts_it(tmp_path):
    save(tmp_path / "a", *(f"{split}/{n}/{n}.jpg" for split in ("train", "val") for n in range(8)))
    (tmp_path / "a" / "train" / "3" / "3.jpg").write_bytes(b"\xff\xd8 no picture")
    result = import_dataset("affectnet", tmp_path / "a", tmp_path / "out", PLAIN)
    assert result.dropped == {"other_class": 2, "unreadable": 1}
    assert result.labels_dropped == {"7": 2}
    assert result.counts["val"] == dict.fromkeys(EMOTIONS, 1)
    assert result.counts["train"]["surprise"] == 0
    # The seeds of the splits differ by 8, so no picture has a duplicate in the other split.
    where = {row["name"]: row["path"] for row in rows_of(tmp_path / "out" / "pictures.csv")}
    means = ["neutral", "happy", "sad", "surprise", "fear", "disgust", "angry"]
    assert [where[f"val/{n}/{n}.jpg"].split("/")[1] for n in range(7)] == means


def test_a_folder_needs_no_splits_and_knows_synonyms(tmp_path):
    save(tmp_path / "set", *(f"Anger/{n}.png" for n in range(10)), *(f"joy/{n}.png" for n in range(10)))
    save(tmp_path / "set", "contempt/1.png", "happy/.hidden.png", "joy/Thumbs.db.png", seed=50)
    recipe = DatasetRecipe(workers=0, val_share=0.2, test_share=0.1)
    result = import_dataset("folder", tmp_path / "set", tmp_path / "out", recipe)
    assert result.dropped == {"other_class": 1}
    assert {split: (classes["angry"], classes["happy"]) for split, classes in result.counts.items()} == {
        "train": (7, 8), "val": (2, 2), "test": (1, 1),
    }  # fmt: skip


@pytest.mark.parametrize("kind", LAYOUTS)
def test_a_set_that_is_laid_out_otherwise_is_said_in_one_line(tmp_path, kind):
    (tmp_path / "set" / "stuff").mkdir(parents=True)
    with pytest.raises(BtferError, match=r"has no .*name|expected|nothing") as error:
        import_dataset(kind, tmp_path / "set", tmp_path / "out", PLAIN)
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set"]


def leaky(tmp_path: Path) -> Path:
    """Write a set with a copy, a recompressed copy and a mirrored one across splits, and one under two emotions."""
    root = tmp_path / "leaky"
    save(root, *(f"train/happy/{n}.png" for n in range(5)))
    save(root, *(f"test/sad/{n}.png" for n in range(3)), seed=20)
    save(root, *(f"val/sad/{n}.png" for n in range(3)), seed=40)
    same = picture(0, 60).convert("RGB")
    (root / "test" / "happy").mkdir()
    (root / "val" / "angry").mkdir()
    same.save(root / "test" / "happy" / "copy.png")
    picture(1, 60).convert("RGB").save(root / "test" / "happy" / "again.jpg", quality=70)
    ImageOps.mirror(picture(2, 60)).convert("RGB").save(root / "val" / "angry" / "mirrored.png")
    return root


def test_leakage_across_splits_is_found_reported_and_dropped_on_demand(tmp_path):
    root = leaky(tmp_path)
    result = import_dataset("folder", root, tmp_path / "kept", PLAIN)
    assert result.leakage == {"train-val": 1, "train-test": 2, "val-test": 0}
    assert result.conflicts == 1
    twins = rows_of(tmp_path / "kept" / "twins.csv")
    assert Counter(twin["kind"] for twin in twins) == {"pixels": 1, "near": 1, "mirrored": 1}
    assert {twin["splits"] for twin in twins} == {"train-test", "train-val"}
    drop = DatasetRecipe(workers=0, val_share=0, test_share=0, leaked="drop")
    dropped = import_dataset("folder", root, tmp_path / "dropped", drop)
    assert dropped.dropped == {"leaked": 3}
    assert dropped.counts["train"]["happy"] == 2
    assert emotions_of(tmp_path / "dropped", "test") == {"happy": 2, "sad": 3}
    assert rows_of(tmp_path / "dropped" / "dropped.csv")[0]["name"] == "train/happy/0.png"


def test_what_is_in_equals_what_is_kept_and_dropped_and_a_second_import_is_the_same(tmp_path):
    root = leaky(tmp_path)
    (root / "train" / "fear").mkdir()
    (root / "train" / "fear" / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    for workers, out in ((0, tmp_path / "one"), (2, tmp_path / "two")):
        result = import_dataset("folder", root, out, DatasetRecipe(workers=workers, leaked="drop"))
        counts = json.loads((out / "import.json").read_text())
        files = [path for path in out.rglob("*.png") if path.name != "classes.png"]
        assert counts["in"] == counts["kept"] + sum(counts["dropped"].values()) == 15
        assert counts["kept"] == len(files) == sum(sum(c.values()) for c in result.counts.values())
        assert set(counts["dropped"]) <= set(DROP_REASONS)
    names = [
        sorted(p.relative_to(out).as_posix() for p in out.rglob("*"))
        for out in (tmp_path / "one", tmp_path / "two")
    ]
    assert names[0] == names[1]


def test_a_folder_with_something_in_it_is_never_written_over(tmp_path):
    save(tmp_path / "set", "happy/1.png")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.doc").write_text("mine")
    with pytest.raises(BtferError, match="already exists"):
        import_dataset("folder", tmp_path / "set", tmp_path / "out", PLAIN)
    with pytest.raises(BtferError, match="is inside the dataset"):
        import_dataset("folder", tmp_path / "set", tmp_path / "set" / "out", PLAIN)


def converted(pixels: str, split="train", emotion="happy", phash=None) -> ConvertedItem:
    code = f"{hash(pixels) % 2**64:016x}" if phash is None else f"{phash:016x}"
    return ConvertedItem(
        Item(pixels, split, emotion, emotion, Path()), "f.png", pixels, code, "0" * 64, "f" * 16, "f" * 64
    )


def test_a_thousand_copies_are_a_thousand_pairs_not_half_a_million():
    black = [converted("black", emotion=EMOTIONS[n % 7], phash=0) for n in range(1000)]
    duplicates = find_duplicates(black, 4, 32)
    assert len(duplicates) < 1100
    assert len({pair.second for pair in duplicates}) == 999
    assert sum(black[p.first].item.emotion != black[p.second].item.emotion for p in duplicates) >= 21


@given(
    st.lists(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=40),
    st.lists(st.sampled_from(EMOTIONS), min_size=30, max_size=30),
    st.integers(0, 5),
)
def test_drawing_never_parts_twins_and_never_takes_more_than_its_share(pairs, emotions, seed):
    pictures = [converted(f"p{n}", emotion=emotion) for n, emotion in enumerate(emotions)]
    duplicates = [DuplicatePair(*sorted(pair), "near") for pair in pairs if pair[0] != pair[1]]
    drawn = draw_splits(pictures, duplicates, DatasetRecipe(seed=seed, val_share=0.2, test_share=0.2))
    assert [picture.item.name for picture in drawn] == [picture.item.name for picture in pictures]
    groups = connected_groups(len(pictures), ((pair.first, pair.second) for pair in duplicates))
    for group in set(groups):
        assert (
            len({picture.item.split for picture, own in zip(drawn, groups, strict=True) if own == group}) == 1
        )
    total = Counter(emotions)
    taken = Counter((picture.item.split, picture.item.emotion) for picture in drawn)
    for emotion in total:
        assert taken["val", emotion] <= round(0.2 * total[emotion])
        assert taken["test", emotion] <= round(0.2 * total[emotion])
    assert all(not places for places in find_leakage(drawn, duplicates).values())


def test_the_table_of_classes_shows_the_weights_of_the_paper():
    # The counts behind the authors' weights of RAF-DB (Fig. 11: 6.88, 6.80, 16.81, 1, 1.86, 2.42, 3.68)
    counts = {"train": dict(zip(EMOTIONS, (606, 613, 248, 4169, 2242, 1722, 1133), strict=True))}
    ratios = [line.split("|")[-2].strip() for line in classes_table(counts).splitlines()[2:-1]]
    assert ratios == ["6.88", "6.80", "16.81", "1.00", "1.86", "2.42", "3.68"]
    assert classes_png("RAF-DB", counts).startswith(b"\x89PNG")


@pytest.mark.parametrize("most", [4, 134_415])
def test_the_number_of_a_bar_lies_on_no_other_bar(most):
    counts = {
        split: {emotion: max(1, most // (place * (n + 1))) for n, emotion in enumerate(EMOTIONS)}
        for place, split in enumerate(("train", "val", "test"), 1)
    }
    figure = classes_figure("a set", counts)
    figure.canvas.draw()
    (axes,) = figure.axes
    numbers = [text for text in axes.texts if text.get_text()]
    assert len(numbers) == 3 * len(EMOTIONS)
    assert within(figure)
    assert overlaps(figure, numbers) == []
    boxes = [bar.get_window_extent() for bar in axes.patches]
    assert not any(text.get_window_extent().overlaps(box) for text in numbers for box in boxes)


def test_a_split_of_nothing_is_said(tmp_path):
    save(tmp_path / "few", *(f"{emotion}/{n}.png" for emotion in EMOTIONS for n in range(3)))
    command = ["dataset", "import", "folder", str(tmp_path / "few"), str(tmp_path / "out"), "--workers", "0"]
    shown = CliRunner().invoke(main, [*command, "--val-share", "0.1", "--test-share", "0.4"])
    assert shown.exit_code == 0, shown.output
    assert "no val: 10 % of each class is less than one image; use a larger --val-share" in shown.stdout
    assert "no test" not in shown.stdout


def test_the_command_says_what_came_in_and_gives_json(tmp_path):
    root = leaky(tmp_path)
    command = ["dataset", "import", "folder", str(root)]
    shown = CliRunner().invoke(main, [*command, str(tmp_path / "a"), "--workers", "0"])
    assert shown.exit_code == 0, shown.output
    assert "14 images read; dropped: none" in shown.stdout
    assert "leakage: 2 images of train are also in test" in shown.stdout
    assert "--leaked drop drops them" in shown.stdout
    left = CliRunner().invoke(main, [*command, str(tmp_path / "c"), "--workers", "0", "--leaked", "drop"])
    assert "leakage" not in left.stdout
    asked = CliRunner().invoke(main, [*command, str(tmp_path / "b"), "--workers", "0", "--json"])
    assert json.loads(asked.stdout)["leakage"]["train-val"] == 1
    again = CliRunner().invoke(main, [*command, str(tmp_path / "b")])
    assert again.exit_code == 1
    assert again.stderr.count("\n") == 1


def test_images_are_found_by_content_and_the_rest_is_counted(tmp_path, capsys):
    for emotion, kind in (("happy", "JPEG"), ("sad", "PNG"), ("sad", "PPM")):
        path = tmp_path / "set" / emotion / f"a face without a suffix {kind}"
        path.parent.mkdir(exist_ok=True, parents=True)
        Image.fromarray(np.random.default_rng(len(kind)).integers(0, 255, (48, 48, 3), np.uint8)).save(
            path, kind
        )
    (tmp_path / "set/Thumbs.db").write_bytes(b"x")
    (tmp_path / "set/sad/notes.txt").write_text("x")
    (tmp_path / "set/top.png").write_bytes(path.read_bytes())
    (tmp_path / "set/sad/gone.png").symlink_to("nowhere.png")
    result = import_dataset("folder", tmp_path / "set", tmp_path / "out", DatasetRecipe())
    assert (result.came_in, sum(result.counts["train"].values())) == (3, 3)
    assert result.to_dict()["left_out"] == {"system": 1, "broken_link": 1, "not_an_image": 1, "unlisted": 1}
    assert "left out" in capsys.readouterr().err
