"""A real grid in miniature: run, killed, gone on with, failing in part, and on a Dask cluster."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner

from btfer_builder.benchmark import gpus as cards
from btfer_builder.benchmark import stage
from btfer_builder.benchmark.grid import Shard, load_benchmark
from btfer_builder.benchmark.results import read_result
from btfer_builder.benchmark.run import RunContext, run_all
from btfer_builder.benchmark.stage import plan_of, report_benchmark, run_benchmark
from btfer_builder.cli.main import main
from btfer_builder.config import BenchmarkRecipe
from btfer_builder.errors import BtferError
from btfer_builder.io.atomic import write_bytes
from btfer_builder.io.locks import lock_file
from btfer_builder.labels import EMOTIONS
from tests.benchmark.benchmark_grid import GRID, write_grid, write_stripes
from tests.parallel.dask_cluster import ENVIRONMENT, cluster
from tests.processes import alive, children_of, wait_for

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("networks")]


def here(path: Path, **changes) -> BenchmarkRecipe:
    """Return a grid whose runs are worked on in this process, which has TensorFlow already."""
    return msgspec.structs.replace(load_benchmark(path), workers=0, **changes)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Run a whole grid once: a network, two balancings."""
    root = tmp_path_factory.mktemp("grid")
    path = write_grid(root)
    return path, run_benchmark(here(path))


def test_every_run_is_trained_and_scored_on_its_own_test_split_and_across(finished):
    _, done = finished
    assert (len(done.results), done.ran, done.failed) == (2, 2, ())
    for result in done.results:
        folder = done.out / "runs" / result.run_id
        assert {"model.keras", "model.btfer.toml", "history.csv", "run.json", "result.json"} <= {
            file.name for file in folder.iterdir()
        }
        assert (result.own.name, result.own.n, result.selected_on_own) == ("test", 14, False)
        assert (result.btfer.name, result.btfer.n) == ("btfer", 14)
        for score in (result.own, result.btfer):
            metrics = json.loads((folder / score.report / "metrics.json").read_text())
            assert metrics["accuracy"] == score.accuracy
            assert metrics["preprocessing"]["declared_by"].startswith("sidecar")
            rows = (folder / score.report / "predictions.csv").read_text().splitlines()
            assert len(rows) == 1 + score.n
        run = json.loads((folder / "run.json").read_text())
        assert run["train"]["n"] == 28
        assert result.params == run["params"]
    assert max(result.btfer.accuracy for result in done.results) > 0.5  # stripes are easy


def test_tables_figures_and_answers_are_written_from_the_results(finished):
    _, done = finished
    names = {path.relative_to(done.out).as_posix() for path in done.files}
    assert {
        "README.md",
        "questions.md",
        "tables/table-2.md",
        "tables/table-4.csv",
        "figures/figure-25.png",
    } <= names
    assert all(path.stat().st_size > 100 for path in done.files)
    assert "stripes" in (done.out / "README.md").read_text()
    questions = (done.out / "questions.md").read_text()
    assert "| conservative – none | 48 px, from scratch | BTFER | 1 (1) |" in questions
    assert {result.btfer.classes for result in done.results} == {len(EMOTIONS)}
    assert all(len(result.own.per_class) == len(EMOTIONS) for result in done.results)


def test_a_second_time_nothing_is_run_and_a_larger_grid_runs_what_is_new(finished):
    path, done = finished
    before = {
        result.run_id: (done.out / "runs" / result.run_id / "result.json").stat().st_mtime_ns
        for result in done.results
    }
    again = run_benchmark(here(path))
    assert (again.ran, again.results) == (0, done.results)
    larger = run_benchmark(here(path, seeds=(0, 5), balancings=("none",)))
    assert larger.ran == 1
    assert {result.seed for result in larger.results} == {0, 5}
    assert before == {name: (done.out / "runs" / name / "result.json").stat().st_mtime_ns for name in before}


def test_another_btfer_sample_is_scored_without_training_again(finished, tmp_path):
    path, done = finished
    write_stripes(tmp_path / "other", 1, seed=9)
    small = here(path, networks=("lenet5",), balancings=("none",), btfer=str(tmp_path / "other"))
    (before,) = [
        result for result in done.results if (result.network, result.balancing) == ("lenet5", "none")
    ]
    model = done.out / "runs" / before.run_id / "model.keras"
    trained = model.stat().st_mtime_ns
    (after,) = run_benchmark(small).results
    assert (after.btfer.n, after.own) == (7, before.own)
    assert after.btfer.set_hash != before.btfer.set_hash
    assert model.stat().st_mtime_ns == trained
    run_benchmark(msgspec.structs.replace(small, btfer=str(path.parent / "cross")))  # as the others expect it


def test_another_way_of_scoring_is_done_without_training_again(finished):
    path, done = finished
    small = here(path, balancings=("none",))
    (before,) = [result for result in done.results if result.balancing == "none"]
    trained = (done.out / "runs" / before.run_id / "model.keras").stat().st_mtime_ns
    other = msgspec.structs.replace(small, eval=msgspec.structs.replace(small.eval, resamples=50))
    assert report_benchmark(other).missing == 1
    (after,) = run_benchmark(other).results
    assert after.scoring != before.scoring
    assert after.own == before.own
    assert (done.out / "runs" / before.run_id / "model.keras").stat().st_mtime_ns == trained
    assert run_benchmark(other).ran == 0
    run_benchmark(small)  # as the others expect it


def test_one_failure_does_not_end_the_others_and_is_tried_again(tmp_path):
    path = write_grid(tmp_path, GRID.replace('stripes = "set"', 'broken = "broken"\nstripes = "set"'))
    shutil.copytree(tmp_path / "set", tmp_path / "broken")
    whole = (tmp_path / "set" / "train" / "happy" / "0.png").read_bytes()
    (tmp_path / "broken" / "train" / "happy" / "0.png").write_bytes(whole[:60])
    recipe = here(path, networks=("lenet5",), balancings=("none",), sizes=(48,))
    done = run_benchmark(recipe)
    (failure,) = done.failed
    assert "0.png" in failure.error
    assert [result.dataset for result in done.results] == ["stripes"]
    assert (done.out / "runs" / failure.run_id / "error.txt").read_text() == failure.error + "\n"
    assert failure.error in (done.out / "README.md").read_text()
    asked = CliRunner().invoke(main, ["benchmark", str(path), "--plan", "--json"])
    states = {run["run_id"]: run["finished"] for run in json.loads(asked.stdout)["runs"]}
    assert states[failure.run_id] is False
    shown = CliRunner().invoke(main, ["benchmark", str(path), "--report"])
    assert shown.exit_code == 0, shown.output
    assert "1 failed" in shown.stdout
    again = run_benchmark(recipe)
    assert (again.ran, len(again.failed), len(again.results)) == (0, 1, 1)


def test_killed_with_9_it_goes_on_with_what_is_missing(tmp_path):
    path = write_grid(tmp_path)
    command = [sys.executable, "-m", "btfer_builder", "benchmark", str(path)]
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, stderr=log, stdout=log)
    out = tmp_path / "benchmark"
    try:
        wait_for(lambda: list(out.glob("runs/*/result.json")) or process.poll() is not None, 120)
        assert process.poll() is None, (tmp_path / "log").read_text()
        workers = children_of(process.pid)
    finally:
        process.kill()
        process.wait()
    wait_for(lambda: not any(alive(pid) for pid in workers))  # a worker dies with its parent
    first = [read_result(file.parent) for file in out.glob("runs/*/result.json")]
    assert len(first) == 1
    done = run_benchmark(here(path))
    assert (len(done.results), done.ran) == (2, 1)
    assert set(map(str, first)) <= set(map(str, done.results))


def test_shards_run_side_by_side_and_a_report_takes_what_is_finished(tmp_path):
    path = write_grid(tmp_path)
    recipe = here(path)
    out = tmp_path / "benchmark"
    empty = CliRunner().invoke(main, ["benchmark", str(path), "--report"])
    assert (empty.exit_code, "0 runs finished" in empty.stdout) == (0, True)
    assert "0 runs finished, 0 failed, 2 missing" in (out / "README.md").read_text()
    (out / "README.md").unlink()
    with lock_file(out / ".benchmark-2-of-2.lock", "held"):
        done = run_benchmark(recipe, Shard(1, 2))
    assert (len(done.results), done.ran, done.missing, done.files) == (1, 1, 0, ())
    assert not (out / "README.md").exists(), "other shards may be at work"
    failed = next(run for run in plan_of(recipe).runs if run.run_id != done.results[0].run_id)
    for run_id in (
        failed.run_id,
        done.results[0].run_id,
    ):  # the second was finished since, by another process
        write_bytes(out / "runs" / run_id / "error.txt", b"its machine was restarted\n")
    shown = CliRunner().invoke(main, ["benchmark", str(path), "--report"])
    assert shown.exit_code == 0, shown.output
    assert "1 run finished, 0 of them now; 1 failed" in shown.stdout
    page = (out / "README.md").read_text()
    assert "1 run finished, 1 failed" in page
    assert page.count("its machine was restarted") == 1
    asked = CliRunner().invoke(main, ["benchmark", str(path), "--shard", "1/2"])
    assert "shard 1/2: 1 run finished, 0 of them now; 0 failed" in asked.stdout
    assert f"when all shards are done: btfer benchmark {path} --report" in asked.stdout


def test_a_run_elsewhere_ends_with_the_command_that_started_it(tmp_path):
    recipe = here(write_grid(tmp_path, GRID.replace("finetune_epochs = 2", "finetune_epochs = 10000")))
    run, *_ = plan_of(recipe).runs
    shared = RunContext(Path(recipe.out), recipe.btfer, recipe.eval, mark=tmp_path / "gone")
    (outcome,) = run_all([run], shared)
    assert outcome.error == "the command that started it has ended"
    assert not (shared.out / "runs" / run.run_id / "error.txt").exists(), "it has not failed"


def test_ctrl_c_ends_it_and_says_how_to_go_on(tmp_path):
    path = write_grid(tmp_path, GRID.replace("finetune_epochs = 2", "finetune_epochs = 10000"))
    command = [sys.executable, "-m", "btfer_builder", "benchmark", str(path)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_for(lambda: children_of(process.pid) or process.poll() is not None, 120)
    workers = children_of(process.pid)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert f"to go on: btfer benchmark {path}\n" in errors
    assert "Traceback" not in errors
    wait_for(lambda: not any(alive(pid) for pid in workers))


def test_an_interrupted_shard_says_how_to_go_on_with_it(tmp_path, monkeypatch):
    path = write_grid(tmp_path)

    def interrupted(recipe: BenchmarkRecipe, shard: Shard) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stage, "run_benchmark", interrupted)
    asked = CliRunner().invoke(main, ["benchmark", str(path), "--shard", "1/2"])
    assert f"to go on: btfer benchmark {path} --shard 1/2\n" in asked.stderr
    assert asked.exit_code == 130


def test_a_dask_cluster_works_on_the_same_runs(finished, tmp_path):
    pytest.importorskip("distributed")
    path, done = finished
    grid = path.parent / "lenet.toml"
    grid.write_text(GRID.replace(', "conservative"', ""))
    with cluster(tmp_path, workers=1, environment=ENVIRONMENT) as scheduler:
        out = tmp_path / "elsewhere"
        asked = CliRunner().invoke(
            main,
            ["benchmark", str(grid), "--out", str(out), "--scheduler", scheduler, "--json"],
            catch_exceptions=False,
        )
    assert asked.exit_code == 0, asked.stderr
    answer = json.loads(asked.stdout)
    assert (answer["ran"], answer["failed"]) == (1, [])
    (theirs,) = answer["runs"]
    (ours,) = [result for result in done.results if result.run_id == theirs["run_id"]]
    assert (theirs["params"], theirs["epochs"]) == (ours.params, ours.epochs)
    for name, score in (("own", ours.own), ("btfer", ours.btfer)):
        assert (theirs[name]["set_hash"], theirs[name]["n"]) == (score.set_hash, score.n)
    assert "table-2.md" in " ".join(answer["files"])


def test_two_at_once_are_refused(finished):
    path, done = finished
    from filelock import FileLock

    with FileLock(done.out / ".benchmark.lock"):
        process = subprocess.run(
            [sys.executable, "-m", "btfer_builder", "benchmark", str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
    assert process.returncode == 1
    assert "another btfer benchmark is running" in process.stderr


def test_questions_and_report_run_nothing(finished):
    path, _ = finished
    asked = CliRunner().invoke(main, ["benchmark", str(path), "--questions", "--json"])
    assert asked.exit_code == 0, asked.stderr
    rq3 = json.loads(asked.stdout)["questions"][2]["contrasts"]
    assert {result["measure"]: result["pairs"] for result in rq3} == {"btfer": 1, "own": 1}
    assert all(result["faces"] is None or np.isfinite(result["faces"]).all() for result in rq3)
    written = CliRunner().invoke(main, ["benchmark", str(path), "--report", "--json"])
    assert json.loads(written.stdout)["ran"] == 0


def test_a_damaged_result_is_left_out_of_report_and_questions_with_a_line(finished, tmp_path):
    shutil.copytree(finished[0].parent, tmp_path / "copy")
    path = tmp_path / "copy" / finished[0].name
    damaged = sorted(path.parent.rglob("result.json"))[0]
    damaged.write_text("{")
    for what in ("--report", "--questions"):
        done = CliRunner().invoke(main, ["benchmark", str(path), what, "--json"])
        assert done.exit_code == 0, done.stderr
        assert f"left out: {damaged}: not a result of this btfer" in done.stderr
    report = CliRunner().invoke(main, ["benchmark", str(path), "--report", "--json"])
    assert (len(json.loads(report.stdout)["runs"]), json.loads(report.stdout)["missing"]) == (1, 1)
    again = CliRunner().invoke(main, ["benchmark", str(path)])
    assert again.exit_code == 1, "a run that may be of a newer version is not overwritten"
    assert "remove the file to run it again" in again.stderr


def test_questions_before_any_run_are_said(tmp_path):
    asked = CliRunner().invoke(main, ["benchmark", str(write_grid(tmp_path)), "--questions"])
    assert asked.exit_code == 1
    assert "no run is finished yet" in asked.stderr


def test_without_a_test_split_the_own_score_is_flattered_and_says_so(tmp_path):
    path = write_grid(tmp_path, GRID.replace('"none", ', ""))
    (tmp_path / "set" / "test").rename(tmp_path / "apart")
    (result,) = run_benchmark(here(path, btfer="")).results
    assert (result.own.name, result.own.n, result.selected_on_own, result.btfer) == ("val", 7, True, None)
    text = (tmp_path / "benchmark" / "tables" / "table-2.md").read_text()
    assert "The own split of stripes also chose the best epoch" in text


def test_a_set_that_is_none_is_said_before_anything_is_run(tmp_path):
    path = write_grid(tmp_path)
    with pytest.raises(BtferError, match="nowhere"):
        run_benchmark(here(path, btfer=str(tmp_path / "nowhere")))
    assert not (tmp_path / "benchmark" / "runs").exists()


def test_each_worker_takes_a_card_of_its_own(tmp_path, monkeypatch):
    code = (
        "import sys, os; from btfer_builder.benchmark.gpus import acquire_gpu;"
        "print(acquire_gpu(), os.environ['CUDA_VISIBLE_DEVICES'], flush=True); sys.stdin.read()"
    )
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "4,7", "TMPDIR": str(tmp_path)}
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(3)
    ]
    try:
        answer = sorted(worker.stdout.readline().split()[1] for worker in workers)
    finally:
        for worker in workers:
            worker.communicate("")
    assert answer == ["-1", "4", "7"]  # the third works on the processor
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(cards, "_DRIVER", tmp_path / "gone")
    assert cards.visible_gpus() == []
