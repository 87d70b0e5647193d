"""The benchmark of the paper in miniature, from Python: planned, run, reported, answered."""

import pytest

import btfer_builder as bt
from tests.benchmark.benchmark_grid import write_grid

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("networks")]


def test_a_grid_of_keyword_arguments(tmp_path, monkeypatch):
    write_grid(tmp_path, 'networks = ["resnet18"]')
    monkeypatch.chdir(tmp_path)
    grid = {
        "networks": "lenet5",
        "balancings": ["none", "simple"],
        "datasets": {"stripes": tmp_path / "set"},
        "btfer": "cross",
        "train": {"finetune_epochs": 1, "batch_size": 16},
        "eval": {"resamples": 0},
        "workers": 1,
    }
    with pytest.raises(bt.BtferError, match=r"no run is finished yet; run the grid first: benchmark\(\)$"):
        bt.answer_questions(**grid)
    done = bt.benchmark(**grid, progress=False)
    table = done.to_frame()
    assert (done.ran, done.failed, table["balancing"].tolist()) == (2, (), ["none", "simple"])
    assert table["own_accuracy"].between(0, 1).all()
    html = done._repr_html_()
    assert "2 runs finished, 0 failed, 0 missing" in html
    assert html.count("lenet5") == 2
    assert bt.benchmark(**grid, progress=False).ran == 0
    assert bt.plan_benchmark(**grid)["finished"].tolist() == [True, True]
    # The file and the arguments give the same grid.
    from_file = bt.report_benchmark("benchmark.toml", **grid, out="benchmark")
    assert from_file.to_frame().equals(table)
    assert (from_file.out / "tables" / "table-4.csv").is_file()
    answers = bt.answer_questions(**grid)
    assert answers.path.read_text().startswith("#")
    assert len(answers.comparisons) > 0


def test_failures_are_shown_and_escaped(tmp_path):
    from btfer_builder.benchmark.outcome import Benchmark
    from btfer_builder.benchmark.results import Failure

    html = Benchmark((), 0, (Failure(run_id="a", error="<b>x"),), 0, (), tmp_path, ())._repr_html_()
    assert "<li>a: &lt;b&gt;x</li>" in html
