"""The replication's tables follow from what is kept, and its settings are those of the notebooks."""

import csv
from pathlib import Path

import msgspec
import numpy as np
import pytest

from btfer_builder.benchmark.grid import load_benchmark, plan_runs
from btfer_builder.benchmark.results import Score, write_result
from btfer_builder.labels import EMOTIONS
from docs.replication import SHARES, grid, keep, order
from docs.replication_tables import (
    BY_DEFAULT,
    KEPT,
    PAGE,
    PROTOCOLS,
    SETTINGS,
    Spread,
    figure,
    half_width,
    outcomes,
    pooled_spread,
    tables,
    verdict,
    with_tables,
)
from tests.benchmark.benchmark_grid import result

PRINTED = Path(__file__).resolve().parents[1] / "networks" / "printed_parameters.csv"


def test_the_page_is_made_from_what_is_kept():
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_tables(page, outcomes()), "run: python -m docs.replication --tables-only"


def test_what_is_kept_agrees_with_itself_and_is_small():
    assert sum(path.stat().st_size for path in KEPT.rglob("*") if path.is_file()) < 2_000_000
    for outcome in outcomes():
        if outcome.result is None:
            continue
        with np.load(
            KEPT / outcome.protocol / f"{outcome.setting.name}-s{outcome.seed}" / "predictions.npz",
            allow_pickle=False,
        ) as file:
            assert set(file.files) == {"emotion", "predicted", "emotions"}, "no face, and no name of one"
            right = file["emotion"] == file["predicted"]
        assert right.mean() == pytest.approx(outcome.result.own.accuracy)
        assert (len(right), len(outcome.history)) == (outcome.result.own.n, outcome.result.epochs)
        assert outcome.result.params == outcome.setting.params
        if (
            outcome.protocol not in BY_DEFAULT
        ):  # the saved epoch is the best one on the faces that are reported
            assert max(outcome.accuracies) == pytest.approx(outcome.result.own.accuracy, abs=2e-3)


@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_settings_have_the_head_and_the_parameters_of_the_notebooks(setting, tmp_path):
    with PRINTED.open(encoding="utf-8", newline="") as file:
        counts = {
            (row["network"], row["head"]): int(row["params"])
            for row in csv.DictReader(file)
            if row["size"] == "48" and row["pretraining"] == "scratch"
        }
    (path := tmp_path / "benchmark.toml").write_text(grid(setting, "paper", 2), encoding="utf-8")
    plan = plan_runs(load_benchmark(path), {"fer2013": "0"})
    assert [run.setting.seed for run in plan.runs] == [0, 1]
    train = plan.runs[0].train
    heads = [head for network, head in counts if network == setting.network]
    assert setting.params == counts[setting.network, heads[0] if train.head == "auto" else train.head]
    assert (train.head, train.paper, train.batch_size) == (setting.head, True, 64)
    assert train.learning_rate == setting.learning_rate
    assert setting.authors
    path.write_text(grid(setting, "chance", 1, "/all faces"), encoding="utf-8")
    (run,) = plan_runs(load_benchmark(path), {"fer2013": "0"}).runs
    assert run.data == Path("/all faces")
    assert run.train == msgspec.structs.replace(train, validation_share=0.2)
    path.write_text(grid(setting, "defaults", 1), encoding="utf-8")
    (run,) = plan_runs(load_benchmark(path), {"fer2013": "0"}).runs
    path.write_text(grid(setting, "rate", 1), encoding="utf-8")
    (faster,) = plan_runs(load_benchmark(path), {"fer2013": "0"}).runs
    assert faster.train == msgspec.structs.replace(run.train, learning_rate=setting.learning_rate)
    usual = msgspec.structs.replace(
        run.train, head="auto", balancing="none", network="resnet18", precision="float32"
    )
    assert usual == type(usual)()


def test_the_split_is_as_large_as_the_authors():
    sizes = (4953, 547, 5121, 8989, 6198, 6077, 4002)
    share = float(SHARES[SHARES.index("--test-share") + 1])
    test = sum(round(share * size) for size in sizes)
    assert abs(test - 7178) <= 20
    assert abs(sum(sizes) - test - 28_709) <= 20


def test_a_seed_of_everything_comes_before_the_second_of_anything():
    seeds = [seeds for _, protocol, seeds in order(large=True) if protocol in ("paper", "defaults")]
    assert seeds == sorted(seeds)
    assert len(seeds) == 2 * sum(setting.seeds for setting in SETTINGS)
    explaining = [protocol for _, protocol, _ in order(large=True) if protocol not in ("paper", "defaults")]
    assert explaining.count("chance") == len(SETTINGS)
    assert explaining.count("rate") == sum(setting.learning_rate != 1e-4 for setting in SETTINGS)
    assert len(set(order(large=True))) == len(seeds) + len(explaining)
    assert {protocol for _, protocol, _ in order(large=False)} == set(PROTOCOLS)
    assert {setting.network for setting, _, _ in order(large=False)} == {
        "lenet5", "sequential-simple", "sequential-3-conv",
    }  # fmt: skip


def write_run(out: Path, protocol: str, seed: int, accuracies: list[float], *, finished: bool) -> None:
    """Write a run of lenet5 as the benchmark does, of seven faces, the last of which is missed."""
    run_id = f"fer2013-48-lenet5-scratch-simple-s{seed}-01234567"
    folder = out / protocol / "runs" / run_id
    (folder / "test" / "model").mkdir(parents=True)
    rows = [f"2,{i},1.0,0.5,1.1,{value},0.001,36" for i, value in enumerate(accuracies, 1)]
    head = "phase,epoch,loss,accuracy,val_loss,val_accuracy,learning_rate,seconds"
    (folder / "history.csv").write_text("\n".join([head, *rows]) + "\n")
    if not finished:
        return
    predicted = [*EMOTIONS[:-1], EMOTIONS[0]]
    np.savez(
        folder / "test" / "model" / "predictions.npz", emotion=EMOTIONS, predicted=predicted, face_id=EMOTIONS
    )
    score = Score(name="test", n=7000, accuracy=max(accuracies), f1=0.4, report="test/model")
    run = msgspec.structs.replace(
        result(network="lenet5", seed=seed, params=169_271), run_id=run_id, own=score, epochs=len(accuracies)
    )
    write_result(folder, run)


def test_runs_are_kept_without_their_faces_and_tabulated(tmp_path):
    out, kept = tmp_path / "out", tmp_path / "kept"
    write_run(out, "paper", 0, [0.2, 0.49, 0.47], finished=True)
    write_run(out, "paper", 1, [0.2, 0.48], finished=True)
    write_run(out, "defaults", 0, [0.3, 0.4], finished=False)
    keep(out, kept)
    found = outcomes(kept)
    with np.load(kept / "paper" / "lenet5-simple-s1" / "predictions.npz", allow_pickle=False) as file:
        assert [str(file["emotions"][index]) for index in file["emotion"]] == list(EMOTIONS)
        assert file["predicted"].tolist() == [0, 1, 2, 3, 4, 5, 0]
        assert "face_id" not in file.files
    text = tables(found)
    (row,) = [line for line in text.splitlines() if line.startswith("| lenet5")]
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:5] == ["lenet5", "simple", "169,271", "0.480", "0.475 [0.463, 0.487]"]
    assert cells[5].startswith("−0.005 ± ")
    assert cells[6:] == ["yes", "0.485", "0.43", "0.40", "2", "7,000", "3, 2", "0.1"]
    assert "Standard deviation over seeds: 0.0071 (1 degrees of freedom)" in text
    assert "* lenet5-simple, defaults, seed 0: 2 epochs, 0.0 hours; accuracy 0.400 in the last" in text
    keep(tmp_path / "nothing", kept)
    assert outcomes(kept) == found
    assert figure(found).startswith(b"\x89PNG")


def test_agreement_counts_sampling_and_repetition():
    theirs = Score(name="val", n=7168, accuracy=0.5)
    sampling = 1.96 * np.sqrt(0.25 / 7168 + 0.25 / 7168)
    assert half_width(theirs, [0.5], 7168, None) == pytest.approx(sampling)
    # Student's t with 4 degrees of freedom: 2.776
    wide = half_width(theirs, [0.49, 0.5, 0.51], 7168, Spread(0.01, 4))
    assert wide == pytest.approx(np.sqrt(sampling**2 + (2.776 * 0.01) ** 2 * (1 + 1 / 3)), rel=1e-3)
    assert pooled_spread([[0.5], [0.4]]) is None
    pooled = pooled_spread([[0.49, 0.5, 0.51], [0.3], [0.4, 0.42]])
    assert pooled == Spread(pytest.approx(np.sqrt((0.0002 + 0.0002) / 3)), 3)
    assert [verdict(gap, 0.02, spread) for gap in (0.01, -0.03) for spread in (None, pooled)] == [
        "yes", "yes", "open: one seed", "**no**",
    ]  # fmt: skip


def test_a_simulation_of_equal_protocols_agrees_in_95_of_100():
    rng = np.random.default_rng(0)
    n, deviation, agreed = 7000, 0.008, 0
    for _ in range(400):
        accuracies = rng.normal(0.5, deviation, 7)
        theirs = Score(name="val", n=n, accuracy=rng.binomial(n, accuracies[0]) / n)
        shift = rng.normal(0, np.sqrt(0.25 / n))  # our seeds are scored on the same faces
        ours = [float(value + shift) for value in accuracies[1:4]]
        others = [float(value) for value in accuracies[4:]]
        spread = pooled_spread([ours, others])
        half = half_width(theirs, ours, n, spread)
        agreed += abs(np.mean(ours) - theirs.accuracy) <= half
    assert 0.92 < agreed / 400 < 0.99
