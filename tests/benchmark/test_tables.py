"""The tables and figures, on the authors' own results and on results made for the purpose."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from statsmodels.stats.proportion import proportion_confint

from btfer_builder.benchmark.figures import make_figures, write_figures
from btfer_builder.benchmark.published import (
    known_dataset,
    published,
    published_grid,
    published_results,
)
from btfer_builder.benchmark.report import write_report
from btfer_builder.benchmark.results import Failure, as_frame, read_result, write_result
from btfer_builder.benchmark.settings import matched
from btfer_builder.benchmark.tables import make_tables, write_tables
from btfer_builder.cli.main import main
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.metrics.scores import share_interval
from btfer_builder.networks.registry import NETWORKS
from tests.benchmark.benchmark_grid import result, with_predictions

#: In one process, for the page of the authors' results is written once.
pytestmark = pytest.mark.xdist_group("tables")


@pytest.fixture(scope="module")
def authors(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("authors")
    write_report(out, published_grid(), authors=True, resamples=200)
    return out


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_published_numbers_are_those_of_the_papers_table_5():
    # Table 5 of the paper, as far as its runs were published: validation and BTFER accuracy.
    table = {
        ("simple", "resnet50"): (0.86, 0.62),
        ("conservative", "resnet50"): (0.87, 0.60),
        ("conservative", "senet50"): (0.86, 0.59),
        ("conservative", "vgg16"): (0.85, 0.60),
    }
    for (balancing, network), numbers in table.items():
        (published_result,) = published("RAF-DB", 224, network, "vggface", balancing)
        assert (round(published_result.own.accuracy, 2), round(published_result.btfer.accuracy, 2)) == numbers


def test_table_4_ranks_the_published_results_as_the_text_says(authors):
    rows = [
        row
        for row in rows_of(authors / "tables" / "table-2.csv")
        if row["dataset"] == "raf-db" and row["balancing"] == "conservative"
    ]
    ranked = sorted(rows, key=lambda row: -float(row["own_accuracy"]))
    assert ranked[0]["network"] == "resnet18"  # "the model achieving the highest performance is ResNet18"
    assert ranked[5]["network"] == "sequential-4-conv"  # "Sequential 4 Conv (ranked sixth)"
    listed = [
        row["network"]
        for row in rows_of(authors / "tables" / "table-4.csv")
        if row["dataset"] == "raf-db" and row["balancing"] == "conservative"
    ]
    assert listed == [row["network"] for row in ranked[:5]]


def test_every_published_row_is_a_network_of_ours_with_numbers_that_fit():
    results = published_results()
    assert len(results) > 200
    for item in results:
        assert item.network in NETWORKS, item.run_id
        assert item.pretraining in NETWORKS[item.network].pretrainings, item.run_id
        for score in filter(None, (item.own, item.btfer)):
            hits = score.accuracy * score.n
            assert abs(hits - round(hits)) <= 0.00005 * score.n, (item.run_id, score)  # printed with 4 digits


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("RAF-DB", "raf-db"),
        ("rafdb", "raf-db"),
        ("AffectNet7", "affectnet"),
        ("fer2013", "fer2013"),
        ("mine", None),
    ],
)
def test_datasets_are_known_by_their_usual_names(name, known):
    assert known_dataset(name) == known


def test_what_was_filed_under_another_network_stands_behind():
    assert len(published("fer2013", 48, "modular", "scratch", "conservative")) == 1
    assert len(published("fer2013", 48, "sequential-simple", "scratch", "conservative")) == 2
    assert published("mine", 48, "modular", "scratch", "conservative") == []
    assert published("raf-db", 48, "alexnet", "scratch", "none") == []


def test_intervals_are_wilsons(authors):
    for row in rows_of(authors / "tables" / "table-3.csv"):
        n, accuracy = float(row["own_n"]), float(row["own_accuracy"])
        low, high = proportion_confint(round(n * accuracy), n, method="wilson")
        exact = 1e-9 if row["seeds"] == "1" else 1e-3  # of several notebooks, the ends are means
        assert (float(row["own_low"]), float(row["own_high"])) == pytest.approx((low, high), abs=exact)
        assert row["own_sources"] == ""


def test_intervals_are_those_of_the_scoring_and_count_shared_sources(tmp_path):
    rng, sources = np.random.default_rng(0), np.repeat(np.arange(12), 20)
    results = []
    for seed in (0, 1):
        right = rng.random(240) < rng.beta(2, 1, 12)[sources]
        with_predictions(tmp_path, result(dataset="mine", seed=seed), right, sources)
        written = read_result(tmp_path / "runs" / result(dataset="mine", seed=seed).run_id)
        assert written.btfer.interval == share_interval(right, sources)
        assert written.btfer.sources == 12
        results.append(written)
    write_tables(tmp_path, make_tables(results))
    ends = np.mean([item.btfer.interval for item in results], axis=0)
    faces = proportion_confint(
        round(240 * np.mean([item.btfer.accuracy for item in results])), 240, method="wilson"
    )
    for name in ("table-2", "table-4", "table-6"):
        row = rows_of(tmp_path / f"{name}.csv")[0]
        assert (float(row["btfer_low"]), float(row["btfer_high"])) == pytest.approx(ends)
        assert float(row["btfer_low"]) < faces[0]
        assert (row["btfer_sources"], row["own_sources"]) == ("12", "")
        text = (tmp_path / f"{name}.md").read_text()
        assert "counts these sources instead of faces: BTFER (240 faces of 12 sources)." in text
        assert text.count("Wilson's") == text.count("Wilson's where no faces share photos or creators;") == 1
    for table in make_tables([result()]):
        text = table.to_markdown()
        assert "sources" not in text
        assert text.count("Wilson's") == ("accuracy [95 %]" in text), text


def test_the_authors_number_stands_beside_ours_only_where_the_setting_is_the_same(tmp_path):
    setting = {"network": "vgg16", "pretraining": "imagenet", "params": 14_879_815}
    results = [
        result(dataset="raf-db", balancing="none", **setting),
        result(dataset="raf-db", balancing="conservative", **setting),
        result(dataset="my-faces", balancing="conservative", **setting),
    ]
    write_tables(tmp_path, make_tables(results))
    beside = [(row["published_own"], row["published_btfer"]) for row in rows_of(tmp_path / "table-2.csv")]
    (theirs,) = published("raf-db", 48, "vgg16", "imagenet", "conservative")
    assert beside == [("", ""), (f"{theirs.own.accuracy:.4f}", f"{theirs.btfer.accuracy:.4f}"), ("", "")]
    text = (tmp_path / "table-2.md").read_text()
    assert text.count("0.790 / 0.525") == 1
    assert "on a split of their own that also chose the epoch" in text


def test_the_authors_number_is_left_out_of_a_network_of_another_size(tmp_path):
    setting = {"dataset": "raf-db", "network": "sequential-3-conv", "balancing": "conservative"}
    for params, beside in ((1_365_703, "0.7157"), (9_230_023, ""), (None, "0.7157")):
        write_tables(tmp_path, make_tables([result(**setting, params=params)]))
        assert [row["published_own"] for row in rows_of(tmp_path / "table-2.csv")] == [beside]
    # Where a notebook does not say it, its number stands.
    setting = {"network": "efficientnetv2b0", "pretraining": "imagenet", "balancing": "conservative"}
    write_tables(tmp_path, make_tables([result(**setting, params=1)]))
    assert [row["published_own"] for row in rows_of(tmp_path / "table-2.csv")] == ["0.6756"]


def test_every_published_number_is_found_by_a_network_of_ours():
    # The parameters of our networks, see tests/networks.
    path = Path(__file__).parents[1] / "networks" / "printed_parameters.csv"
    ours = {(row["network"], int(row["size"]), int(row["params"])) for row in rows_of(path)}
    known = [item for item in published_results() if item.params is not None]
    (unknown,) = set(published_results()) - set(known)  # of which the authors ran two heads
    assert (unknown.network, unknown.size, unknown.dataset) == ("efficientnetv2b0", 48, "raf-db")
    for item in known:
        assert (item.network, item.size, item.params) in ours, item.run_id
        matches = published(
            item.dataset, item.size, item.network, item.pretraining, item.balancing, params=item.params
        )
        assert item in matches or item.note.startswith(("filed as", "another run"))


def test_the_authors_own_tables_have_no_column_beside_themselves(authors):
    for number in range(2, 7):
        text = (authors / "tables" / f"table-{number}.md").read_text()
        assert "authors:" not in text
        assert "seeds" not in text
        (row, *_) = rows_of(authors / "tables" / f"table-{number}.csv")
        assert not [name for name in row if name.startswith("published")]
    assert "Means over the notebooks" in (authors / "tables" / "table-2.md").read_text()
    known = {"network": "alexnet", "balancing": "conservative", "params": 21_612_295}
    heads = make_tables([result(seed=0, **known), result(seed=1, **known)])[0].to_markdown()
    assert "| authors: own / BTFER |" in heads
    assert "Means over the seeds;" in heads
    for number in (2, 4):  # as many cells as heads
        lines = (authors / "tables" / f"table-{number}.md").read_text().splitlines()
        assert len({line.count("|") for line in lines if line.startswith("|")}) == 1


def test_a_column_with_nothing_in_it_is_left_out():
    (table, *_) = make_tables([result(dataset="mine"), result(dataset="mine", network="lenet5")])
    text = table.to_markdown()
    assert "authors" not in text
    assert "BTFER accuracy" in text
    assert len({line.count("|") for line in text.splitlines() if line.startswith("|")}) == 1


def test_bold_are_the_best_three_and_no_more(tmp_path):
    names = ["lenet5", "alexnet", "zfnet", "vgg16", "vgg19"]
    results = [result(own=0.5 + 0.05 * n, btfer=0.4, network=name) for n, name in enumerate(names)]
    text = make_tables(results)[0].to_markdown()
    bold = re.findall(r"\| (\S+) \| scratch .*?\*\*(0\.\d+)\*\*", text)
    assert {name for name, _ in bold} == {"zfnet", "vgg16", "vgg19"}
    assert text.count("**") == 6  # the BTFER accuracies are all the same: none is the best


def test_seeds_are_averaged_with_their_spread():
    frame = as_frame([result(own=own, seed=seed) for seed, own in enumerate((0.6, 0.7, 0.8))])
    (row,) = frame.to_dict("records")
    assert row["own_accuracy"] == pytest.approx(0.7)
    assert row["own_sd"] == pytest.approx(np.std([0.6, 0.7, 0.8], ddof=1))
    assert row["seeds"] == 3
    assert (
        "0.700 ± 0.100 ["
        in make_tables([result(own=o, seed=s) for s, o in enumerate((0.6, 0.7, 0.8))])[0].to_markdown()
    )


def test_table_6_names_the_best_the_small_and_the_smallest_as_good(tmp_path):
    results = [
        result(network="vgg16", btfer=0.60, own=0.7, params=15_000_000),
        result(network="resnet18", btfer=0.59, own=0.8, params=11_000_000),
        result(network="lenet5", btfer=0.58, own=0.6, params=200_000),
        result(network="alexnet", btfer=0.30, own=0.5, params=100_000),
    ]
    write_tables(tmp_path, make_tables(results))
    chosen = {row["aim"]: row["network"] for row in rows_of(tmp_path / "table-6.csv")}
    assert chosen == {
        "most accurate on BTFER": "vgg16",
        "most accurate on its own dataset": "resnet18",
        "most accurate below 10 million parameters": "lenet5",
        "smallest that may be as good as the best": "lenet5",
    }


def test_other_resolutions_and_no_btfer_sample_have_tables_too():
    names = {table.name for table in make_tables([result(size=96, btfer=None)])}
    assert names == {"table-performance-96", "table-top-96", "table-6"}
    assert make_tables([]) == []


def test_every_figure_is_drawn_of_the_authors_results(authors):
    figures = sorted((authors / "figures").iterdir())
    assert {path.name for path in figures} == {
        "figure-2.png", *(f"figure-{number}.png" for number in range(14, 29)), "networks-48.png", "networks-224.png"
    }  # fmt: skip
    for path in figures:
        with Image.open(path) as image:
            assert image.width > 900
            assert np.asarray(image.convert("L")).std() > 10, path  # not blank
            assert not image.info.get("Software")
    page = (authors / "README.md").read_text()
    for link in re.findall(r"!\[\]\((.*?)\)", page):
        assert (authors / link).is_file()


def test_a_figure_that_has_nothing_to_show_says_what_is_missing(tmp_path):
    (tmp_path / "figure-14.png").write_bytes(b"of an older grid")
    figures = make_figures([result(balancing="simple"), result(balancing="conservative")])
    missing = {figure.number: figure.missing for figure in figures if figure.missing}
    assert missing[14] == "all runs have 48 pixels"
    assert missing[15] == "no network was trained from more than one kind of weights"
    assert missing[26] == "no run with pretrained weights has 48 pixels"
    assert [path.name for path in write_figures(tmp_path, figures)] == [
        "figure-2.png", "figure-19.png", "figure-21.png", "figure-22.png", "figure-25.png", "networks-48.png",
    ]  # fmt: skip
    assert not (tmp_path / "figure-14.png").exists()
    assert all(figure.missing for figure in make_figures([]))


def test_averages_are_over_the_settings_that_both_sides_have():
    frame = as_frame(
        [
            result(size=48, network="vgg16"),
            result(size=224, network="vgg16"),
            result(size=224, network="inceptionv3", own=0.99),  # cannot be at 48
        ]
    )
    assert set(matched(frame, "size", [48, 224], "own")["network"]) == {"vgg16"}


def test_a_result_is_read_back_as_it_was_written_and_a_damaged_one_is_said(tmp_path):
    item = result(own=0.123456789)
    write_result(tmp_path, item)
    assert read_result(tmp_path) == item
    assert read_result(tmp_path / "nowhere") is None
    for text in ('{"run_id": "x"}', "[]", "{", '{"own": 3}'):
        (tmp_path / "result.json").write_text(text)
        with pytest.raises(BtferError, match="remove the file"):
            read_result(tmp_path)


def test_the_page_lists_what_failed(tmp_path):
    write_report(tmp_path, [result()], [Failure(run_id="raf-db-48-x", error="the loss is no number")])
    page = (tmp_path / "README.md").read_text()
    assert "1 run finished, 1 failed" in page
    assert "* `raf-db-48-x`: the loss is no number" in page


def test_the_command_writes_the_authors_results_without_a_grid(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(
        main, ["benchmark", "--published", "--questions", "--out", str(tmp_path / "theirs")]
    )
    assert done.exit_code == 0, done.output
    assert "224 px is better than 48 px by 0.098, over the 15 networks that were run" in done.stdout
    assert (tmp_path / "theirs" / "questions.md").is_file()
