"""The table and the figures of labelled sets."""

import csv
import json
import xml.etree.ElementTree as ET

import pytest
from click.testing import CliRunner
from PIL import Image

from btfer_builder.benchmark.labelled_sets import read_set
from btfer_builder.benchmark.latex import latex_table
from btfer_builder.benchmark.set_figures import (
    chosen_samples,
    resampling_figure,
    sample_figure,
    weighting_figure,
)
from btfer_builder.benchmark.set_tables import credits_page, tabulate_sets
from btfer_builder.cli.main import main
from btfer_builder.errors import BtferError
from btfer_builder.images.plot_style import to_png, to_svg
from btfer_builder.labels import EMOTIONS
from tests.datasets.test_import_dataset import picture, save
from tests.images.drawn import overlaps, within

#: Faces of each licence in the release: two can be shown, of one consent was refused, of one there are other rights.
LICENCES = {"0": "by", "1": "by-nc", "2": "unknown", "3": "cc0", "4": "by-sa", "5": "by"}


@pytest.fixture
def sets(tmp_path):
    """An imported set of grey pictures with splits, and a release of one split."""
    root = tmp_path / "sets"
    numbers = [("train", "happy", 4), ("train", "sad", 1), ("test", "happy", 2), ("test", "fear", 1)]
    for split, emotion, count in numbers:
        save(root / "own_set", *(f"{split}/{emotion}/{n}.png" for n in range(count)), seed=10 * count)
    (root / "own_set" / "import.json").write_text('{"kind": "folder"}')
    (root / "readme.txt").write_text("no set")
    release = root / "release"
    (release / "test" / "angry").mkdir(parents=True)
    rows = []
    for number, code in LICENCES.items():
        name = f"angry/{number}.png"
        picture(int(number), 90).convert("RGB").resize((60, 60)).save(release / "test" / name)
        consent = "no" if number == "5" else "unknown"
        rows.append({"file_name": name, "face_id": number, "license": code, "consent": consent})
    (release / "test" / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (release / "LICENSES.csv").write_text(
        "face_id,creator,source,restrictions\n0,Ana,https://photos.example/0,\n3,,,personality\n4,Bo,,\n"
    )
    return root


def test_table_1_counts_every_set_and_split(sets, tmp_path):
    out = tmp_path / "out"
    result = tabulate_sets(sorted(sets.iterdir()), out)
    with (out / "table-1.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["set"], row["split"], row["all"]) for row in rows] == [
        ("own_set", "all", "8"), ("own_set", "train", "5"), ("own_set", "test", "3"),
        ("release", "all", "6"), ("release", "test", "6"),
    ]  # fmt: skip
    assert (rows[0]["kind"], rows[0]["happy"], rows[0]["imbalance"], rows[0]["disgust"]) == (
        "folder",
        "6",
        "6.0",
        "0",
    )
    assert rows[3]["pixels"] == "60×60"
    assert "| own_set | 0 | 0 | 1 | 6 | 0 | 1 | 0 | 8 |" in (out / "table-1.md").read_text()
    assert r"own\_set & 0 & 0 & 1 & 6" in (out / "table-1.tex").read_text()
    assert {path.name for path in result.files} == {path.name for path in out.iterdir()}
    assert result.not_shown == ("own_set",)
    assert result.to_dict()["sets"][0]["all"] == 8
    with Image.open(out / "figure-1.png") as figure:
        assert figure.width > 5 * figure.height  # one row
    stems = {"figure-1", "figure-9-own_set", "figure-9-release"}
    stems |= {
        f"figure-{name}-own_set" for name in ("10-11", "12-13", "resampling")
    }  # the release trains nothing
    assert {path.stem for path in out.glob("*.png")} == {path.stem for path in out.glob("*.svg")} == stems
    for path in out.glob("*.svg"):
        assert ET.parse(path).getroot().tag.endswith("svg")
    weights = (out / "figure-10-11-own_set.svg").read_text()
    assert ">4.00<" in weights.replace("\n", "")  # sad, of which there is one to four happy ones
    figure = weighting_figure("own_set", read_set(sets / "own_set").counts("train"), "simple")
    assert to_png(figure) == (out / "figure-10-11-own_set.png").read_bytes()
    assert to_svg(figure).decode() == weights


def test_only_faces_with_a_known_and_free_licence_are_shown(sets, tmp_path):
    shown = read_set(sets / "release").shown
    assert [credit.face.face_id for credit in shown] == ["angry/0.png", "angry/4.png"]
    assert [credit.face.face_id for credit in chosen_samples(read_set(sets / "release"))] == ["angry/0.png"]
    assert read_set(sets / "own_set").shown == []
    credits = credits_page([read_set(sets / "release")])
    assert "* release, angry: CC BY by Ana, https://photos.example/0" in credits
    assert sample_figure([read_set(sets / "own_set")]) is None


def test_what_is_no_set_is_said(sets, tmp_path):
    (tmp_path / "raw").mkdir()
    with pytest.raises(BtferError, match="a set in its own layout has to be imported first"):
        tabulate_sets([sets / "own_set", tmp_path / "raw"], tmp_path / "out")
    with pytest.raises(BtferError, match="two sets are called own_set"):
        tabulate_sets([sets / "own_set"] * 2, tmp_path / "out")
    with pytest.raises(BtferError, match="no folder of a labelled set"):
        tabulate_sets([sets / "readme.txt"], tmp_path / "out")


def test_the_table_fits_a_terminal(sets, tmp_path):
    command = ["dataset", "table", str(sets / "release"), "--out", str(tmp_path / "out")]
    shown = CliRunner().invoke(main, command)
    assert shown.exit_code == 0, shown.output
    assert max(map(len, shown.stdout.split("wrote")[0].splitlines())) <= 80
    assert "not in Fig. 1" not in shown.stdout


def test_latex_prints_every_character():
    text = latex_table(["a_b", "%"], [["R&D {x} #1 ~^\\", "48×48"]], "50 % of $x$", "tab:a")
    assert r"R\&D \{x\} \#1 \textasciitilde{}\textasciicircum{}\textbackslash{} & 48$\times$48 \\" in text
    assert r"\caption{50 \% of \$x\$}\label{tab:a}" in text
    assert r"\begin{tabular}{lr}" in text


def test_the_figures_of_a_large_set_are_read_on_a_page():
    counts = dict(zip(EMOTIONS, (24_882, 3_803, 6_378, 134_415, 74_874, 25_459, 14_090), strict=True))
    for figure in (weighting_figure("affectnet", counts, "simple"), resampling_figure("affectnet", counts)):
        assert figure.get_size_inches()[0] < 10, "wider ones are shrunk until nobody reads their numbers"
        assert within(figure)
        assert all(overlaps(figure, axes.texts) == [] for axes in figure.axes)
        assert "100,000" in [label.get_text() for label in figure.axes[0].get_yticklabels()]
