"""No row vanishes: sizes that are unknown, accuracies that are missing, ties; and the domain shift by class."""

import csv
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from scipy import stats

import btfer_builder
from btfer_builder.benchmark.domain_shift import domain_shift_tables
from btfer_builder.benchmark.figures import make_figures
from btfer_builder.benchmark.network_figures import _listed
from btfer_builder.benchmark.protocol_figure import protocol_stages
from btfer_builder.benchmark.published import published_grid, published_results
from btfer_builder.benchmark.report import write_report
from btfer_builder.benchmark.results import ClassScore, as_frame, of_report, read_result
from btfer_builder.benchmark.table import SIZE_UNKNOWN
from btfer_builder.benchmark.tables import make_tables, write_tables
from btfer_builder.config import TrainRecipe
from btfer_builder.config.models import ROTATION, SHIFT, ZOOM
from btfer_builder.datasets.class_weights import CAP
from btfer_builder.labels import EMOTIONS
from tests.benchmark.benchmark_grid import result, with_predictions


def table(results, name):
    (found,) = [item for item in make_tables(results) if item.name == name]
    return found


def chosen(results):
    found = {}
    for row in table(results, "table-6").facts:
        found.setdefault(row["aim"], []).append(row["network"])
    return found


def with_classes(item, side, recalls):
    """Return a result whose score on one side has these recalls, 100 faces each."""
    scores = tuple(ClassScore(emotion=name, n=100, recall=value) for name, value in recalls.items())
    return msgspec.structs.replace(
        item, **{side: msgspec.structs.replace(getattr(item, side), per_class=scores)}
    )


def test_sequential_4_conv_is_the_best_small_network_of_figure_19():
    frame = as_frame(published_grid())
    part = frame[(frame["dataset"] == "raf-db") & (frame["size"] == 48)]
    listed = _listed(part)
    assert list(listed["network"])[:2] == ["sequential-4-conv", "sequential-simple"]
    assert listed["params"].iloc[0] == 2_840_775


def test_a_size_that_was_counted_says_so():
    counted = {
        item.network: item.params for item in published_results() if item.note.startswith("size counted")
    }
    assert counted == {
        "alexnet": 21_612_295, "sequential-4-conv": 2_840_775, "smmb": 5_512_455, "vgg16": 14_879_815,
        "vgg19": 20_189_511,
    }  # fmt: skip


def test_a_network_of_unknown_size_is_shown_with_the_small_ones():
    results = [result(network=f"small-{n}", own=0.5 + 0.01 * n, btfer=0.4) for n in range(8)]
    results += [
        result(network="unknown-good", own=0.9, btfer=0.6, params=None),
        result(network="unknown-poor", own=0.2, btfer=0.1, params=None),
        result(network="large", own=0.95, btfer=0.3, params=99_000_000),
    ]
    assert list(_listed(as_frame(results))["network"]) == [
        "unknown-good",
        *(f"small-{n}" for n in (7, 6, 5, 4, 3)),
    ]
    found = chosen(results)
    assert found["not compared by size, which is unknown"] == ["unknown-good"]
    assert SIZE_UNKNOWN in table(results, "table-2").to_markdown()
    assert len(table(results, "table-2").rows) == len(results)
    alone = [result(params=None)]
    assert chosen(alone)["not compared by size, which is unknown"] == ["vgg16"]
    assert {item.number: item.missing for item in make_figures(alone)}[19] == ""


def test_equal_networks_are_all_named(tmp_path):
    names = [f"réseau-{n:02d}" for n in range(40)]
    results = [result(network=name) for name in names]
    found = chosen(results)
    for aim in ("most accurate on BTFER", "most accurate on its own dataset"):
        assert found[aim] == names
    places = [row[2] for row in table(results, "table-4").rows]
    assert places == ["1="] * 40
    results[7] = result(network=names[7], own=0.71, btfer=0.51)
    assert chosen(results)["most accurate on BTFER"] == [names[7]]
    assert [row[2] for row in table(results, "table-4").rows][:2] == ["1", "2="]
    write_tables(tmp_path, make_tables(results))
    with (tmp_path / "table-4.csv").open(newline="") as file:
        assert [row["place"] for row in csv.DictReader(file)][:3] == ["1", "2", "2"]


def test_a_missing_btfer_accuracy_is_said_and_compared_on_the_own_split():
    results = [
        result(size=48, network="scored", own=0.6, btfer=0.5),
        result(size=48, network="unscored", own=0.9, btfer=None),
        result(size=224, network="unscored", own=0.9, btfer=None),
    ]
    found = table(results, "table-6")
    assert any("unscored – scratch (raf-db, simple)" in note for note in found.notes)
    aims = {(row["size"], row["aim"]): row["network"] for row in found.facts}
    assert aims[48, "most accurate on its own dataset"] == "unscored"
    assert aims[48, "most accurate on BTFER"] == "scored"
    assert aims[224, "most accurate on its own dataset"] == "unscored"


def test_simple_comes_before_conservative_everywhere():
    results = [
        result(network=n, balancing=b)
        for n in ("b", "a")
        for b in ("smote", "conservative", "none", "simple")
    ]
    order = ["none", "simple", "conservative", "smote"]
    assert [row[4] for row in table(results, "table-2").rows] == order * 2
    assert list(dict.fromkeys(row[1] for row in table(results, "table-4").rows)) == order


def test_classes_of_tables_4_and_5_are_those_of_the_report(tmp_path):
    right = np.arange(70) % 7 != 2  # never fear
    written = with_predictions(tmp_path, result(), right)
    folder = tmp_path / "runs" / written.run_id
    metrics = folder / "btfer" / "model" / "metrics.json"
    assert read_result(folder).btfer.per_class == ()  # a report of an earlier version
    stored = msgspec.json.decode(metrics.read_bytes())
    per_class = {name: {"support": 10, "recall": float(name != "fear")} for name in EMOTIONS[:6]}
    per_class["surprise"] = {"support": 0, "recall": 0.0}
    metrics.write_bytes(msgspec.json.encode(stored | {"per_class": per_class}))
    read = read_result(folder)
    assert read.btfer.per_class == of_report(stored | {"per_class": per_class})["per_class"]
    assert (read.btfer.classes, read.own.classes) == (6, 7)
    found = table([read], "table-4")
    row = dict(zip(found.columns, found.rows[0], strict=True))
    assert (row["fear"], row["happy"]) == ("0.00", "1.00")
    assert "surprise" not in row
    assert found.facts[0]["btfer_recall_fear"] == 0
    assert found.facts[0]["btfer_recall_surprise"] is None


def test_the_authors_classes_add_up_to_their_accuracies():
    known = [item.btfer for item in published_results() if item.btfer and item.btfer.per_class]
    assert len(known) > 220
    for item in known:
        assert sum(one.n for one in item.per_class) == item.n
        assert sum(one.n * one.recall for one in item.per_class) / item.n == pytest.approx(
            item.accuracy, abs=0.004
        )


def test_the_domain_shift_is_over_networks_and_by_class():
    rng = np.random.default_rng(1)
    results, losses = [], {}
    for n, network in enumerate(("a", "b", "c", "d")):
        for seed in range(1 + 5 * (n == 0)):  # the seeds of one network are not several networks
            own, btfer = float(rng.uniform(0.6, 0.9)), float(rng.uniform(0.3, 0.6))
            losses.setdefault(network, []).append(btfer - own)
            one = with_classes(result(network=network, seed=seed), "own", {"happy": own, "sad": 0.5})
            results.append(with_classes(one, "btfer", {"happy": btfer, "fear": 0.1}))
    (found,) = domain_shift_tables(results)
    rows = {row["class"]: row for row in found.facts}
    means = [np.mean(values) for values in losses.values()]
    assert rows["happy"]["difference"] == pytest.approx(np.mean(means))
    interval = stats.ttest_1samp(means, 0).confidence_interval(0.95)
    assert (rows["happy"]["low"], rows["happy"]["high"]) == pytest.approx(tuple(interval))
    assert rows["happy"]["networks"] == 4
    assert (rows["sad"]["btfer"], rows["sad"]["difference"], rows["fear"]["own"]) == (None, None, None)
    assert "angry" not in rows
    assert rows["all faces"]["difference"] == pytest.approx(-0.2)
    assert domain_shift_tables([result(btfer=None)]) == []


def test_chance_follows_from_the_number_of_classes(monkeypatch):
    drawn = []
    monkeypatch.setattr(
        "btfer_builder.images.plot_style.chance_line", lambda _axes, level: drawn.append(level)
    )
    four = dict.fromkeys(EMOTIONS[:4], 0.5)
    results = [with_classes(result(balancing=way), "own", four) for way in ("simple", "conservative")]
    assert all(item.png or item.missing for item in make_figures(results))
    assert set(drawn) == {1 / 4, 1 / 7}


def test_bars_are_over_the_settings_that_have_the_accuracy_on_both_sides():
    from btfer_builder.benchmark.settings import matched

    results = [result(network=n, balancing=b, btfer=None if (n, b) == ("a", "simple") else 0.5)
               for n in ("a", "b") for b in ("simple", "conservative")]  # fmt: skip
    frame = as_frame(results)
    assert len(matched(frame, "balancing", ["simple", "conservative"], "own")) == 4
    assert set(matched(frame, "balancing", ["simple", "conservative"], "btfer")["network"]) == {"b"}


def test_the_protocol_is_drawn_with_what_was_run():
    results = [result(network=name, pretraining=way) for name in "abcdef" for way in ("imagenet", "scratch")]
    stages = protocol_stages(results, TrainRecipe(finetune_epochs=1, batch_size=17))
    text = "\n".join(line for stage in stages for line in stage.lines)
    for words in (
        "(6 in all)",
        "scratch, imagenet",
        "batches of 17",
        "up to 1 epoch\n",
        f"{ROTATION:g}°",
        f"{SHIFT:.0%}",
    ):
        assert words in text
    assert f"zoom up to {ZOOM:.0%}" in text
    assert f"{CAP:g}" not in next(stage for stage in stages if "balancing" in stage.lines[0]).lines[0]
    for stage in stages:
        path = Path(btfer_builder.__file__).parent / stage.module.replace(".", "/")
        assert path.with_suffix(".py").is_file(), stage
    assert "none" in protocol_stages(results, TrainRecipe(augment=False))[1].lines


@pytest.mark.parametrize("name", ["lenet5", "x" * 40, "名前"])
def test_figures_of_one_run_with_any_name_are_drawn(tmp_path, name, recwarn):
    write_report(tmp_path, [result(network=name, dataset=name, params=None)], resamples=0)
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert drawn == {"figure-2.png", "figure-19.png", "figure-21.png", "networks-48.png"}
    for path in (tmp_path / "figures").iterdir():
        with Image.open(path) as image:
            assert np.asarray(image.convert("L")).std() > 5
