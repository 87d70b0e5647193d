"""A Dask cluster gives the same results as this machine, even if workers die."""

import os
import signal
import threading
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from btfer_builder.config import DedupeRecipe
from btfer_builder.datasets.labelled_faces import faces_in_folder
from btfer_builder.dedupe import stage
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.inference.kept_faces import as_it_is, open_kept_faces
from btfer_builder.evaluate.inference.prefetch import prefetch, prepare_on_cluster
from btfer_builder.evaluate.robustness import resolution_view
from btfer_builder.evaluate.signature import content_digests
from btfer_builder.networks.preprocessing import Preprocessing
from btfer_builder.parallel import CRASHED, Runner
from btfer_builder.parallel import dask as module
from btfer_builder.workspace import create_workspace
from demo.pictures import bomb
from tests.parallel.dask_cluster import cluster, scheduler, start_worker, stop
from tests.parallel.deadly import die_on
from tests.parallel.shards import die, double, fail, slowly
from tests.parallel.test_runner import results
from tests.photos import btfer, crawl_files, some_photos, table
from tests.processes import alive


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with cluster(tmp_path_factory.mktemp("cluster")) as address:
        yield address


@pytest.fixture
def runner(address, tmp_path):
    return Runner(0, 4, address, tmp_path)


@pytest.mark.parametrize("count", [0, 50])
def test_a_cluster_gives_the_same(runner, count):
    assert results(runner, double, range(count)) == {n: n * 2 for n in range(count)}


def test_the_workers_are_other_processes_and_two(runner, tmp_path):
    results(runner, partial(slowly, folder=tmp_path), range(24))
    pids = {path.name.partition("-")[2] for path in tmp_path.glob("*-*")}
    assert len(pids) == 2
    assert str(os.getpid()) not in pids


def test_a_death_costs_the_guilty_item_only(runner):
    got = results(runner, partial(die, how="kill", guilty={11}), range(24))
    assert got == {n: CRASHED if n == 11 else n * 2 for n in range(24)}


def test_an_exception_of_the_function_comes_through(runner):
    with pytest.raises(LookupError, match="five"):
        results(runner, fail, range(20))


def test_a_worker_killed_in_the_middle_costs_nothing(runner, tmp_path):
    killed = []

    def kill_one():
        while not (started := list(tmp_path.glob("*-*"))):
            time.sleep(0.02)
        killed.append(int(started[0].name.partition("-")[2]))
        os.kill(killed[0], signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    assert results(runner, partial(slowly, folder=tmp_path), range(40)) == {n: n * 2 for n in range(40)}
    killer.join()
    assert not alive(killed[0])
    assert len({path.name.partition("-")[2] for path in tmp_path.glob("*-*")}) >= 2


def test_what_is_not_asked_for_is_not_worked_on(runner, tmp_path):
    shards = runner.map(partial(slowly, folder=tmp_path), range(400))
    next(shards)
    shards.close()
    time.sleep(0.7)
    begun = len(list(tmp_path.glob("*-*")))
    time.sleep(0.7)
    assert len(list(tmp_path.glob("*-*"))) == begun <= 10
    assert not list((tmp_path / "manifests").glob(".cluster-*"))


def filled(folder):
    workspace = create_workspace(folder)
    crawl_files(workspace, some_photos() | {"sad": {"bomb.png": bomb(12_000)}})
    return workspace


def test_the_catalog_comes_out_the_same(address, tmp_path):
    here, there = filled(tmp_path / "here"), filled(tmp_path / "there")
    dedupe(here, DedupeRecipe(workers=0))
    done = btfer(there, "dedupe", "--scheduler", address)
    assert done.returncode == 0, done.stderr
    for name in ("hashes", "dedupes", "duplicate_groups"):
        assert table(there, name) == table(here, name)
    for name in ("images.csv", "duplicates.csv"):
        ours, theirs = ((workspace.manifests / name).read_text() for workspace in (here, there))
        assert theirs.replace(str(there.root), "") == ours.replace(str(here.root), "")


def test_a_file_that_kills_its_workers_is_dropped_alone(address, tmp_path, monkeypatch):
    workspace = filled(tmp_path)
    guilty = workspace.catalog.value("SELECT image_id FROM fetches WHERE url LIKE '%coffee.jpg'")
    monkeypatch.setattr(stage, "hash_images", partial(die_on, guilty=guilty))
    dedupe(workspace, DedupeRecipe(scheduler=address))
    reasons = {row["image_id"]: row["reason"] for row in workspace.catalog.rows("SELECT * FROM hashes")}
    assert len(reasons) == 10
    assert reasons.pop(guilty) == "crashed_decoder"
    assert sorted(filter(None, reasons.values())) == ["too_large", "unreadable"]


def test_without_a_scheduler_it_says_what_to_do(tmp_path):
    workspace = create_workspace(tmp_path)
    crawl_files(workspace, {"sad": {"bomb.png": bomb(12_000)}})
    done = btfer(workspace, "dedupe", "--scheduler", "tcp://127.0.0.1:1")
    assert done.returncode == 1
    assert "no Dask scheduler answers there" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("address", ["foo", "http:foo", "a b:1"])
def test_what_is_no_address_is_said_at_once(address):
    with pytest.raises(BtferError, match="tcp://HOST:8786"), module._client(address):
        pass


def test_a_cluster_that_has_lost_its_workers_is_not_waited_for_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "PATIENCE", 1.0)
    with scheduler(tmp_path) as address:
        with pytest.raises(BtferError, match="no worker"):
            results(Runner(0, 4, address, tmp_path), double, range(9))
        monkeypatch.undo()
        worker = start_worker(address, tmp_path)  # one that comes later is welcome
        assert results(Runner(0, 4, address, tmp_path), double, range(9)) == {n: n * 2 for n in range(9)}
        stop(worker)


def test_a_worker_that_sees_another_folder_refuses(tmp_path):
    """Two machines may have folders of the same name: the temporary file distinguishes them."""
    with pytest.raises(BtferError, match="does not see"):
        module._work(double, tmp_path / "manifests" / "token", module.__version__, [1])


def test_a_worker_of_another_version_refuses(tmp_path):
    token = tmp_path / "token"
    token.touch()
    with pytest.raises(BtferError, match=r"not 0\.0\.0"):
        module._work(double, token, "0.0.0", [1])
    assert module._work(double, token, module.__version__, [1]) == [2]


def test_the_package_is_only_needed_for_a_cluster(tmp_path, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(BtferError, match=r"\.\[dask\]"):
        results(Runner(0, 4, "tcp://127.0.0.1:1", Path(tmp_path)), double, range(3))


def test_faces_are_prepared_for_models_there_as_here(address, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    (tmp_path / "happy").mkdir()
    for number in range(37):
        Image.fromarray(rng.integers(0, 256, (20, 24, 3), np.uint8)).save(
            tmp_path / "happy" / f"{number}.png"
        )
    monkeypatch.chdir(tmp_path)
    faces = faces_in_folder(Path())
    preprocessings = [Preprocessing(12, 12, 3, "rgb", "0,1"), Preprocessing(16, 8, 1, "grey", "-1,1")]
    views = [as_it_is, resolution_view(8)]
    for_views = [preprocessings] * len(views)
    none = open_kept_faces(faces, (), for_views, views, None, 0)
    here = list(prefetch(faces, for_views, views, 8, 2, none))
    there = list(prepare_on_cluster(faces, (), for_views, views, 8, address))
    assert [view for view, _, _ in there] == [view for view, _, _ in here] == [0, 1] * 5
    for (_, arrays, ways), (_, others, same) in zip(here, there, strict=True):
        assert ways == same
        for preprocessing in preprocessings:
            np.testing.assert_array_equal(arrays[preprocessing], others[preprocessing])
    digests = content_digests(faces)
    faces[20].path.write_bytes(faces[21].path.read_bytes())
    with pytest.raises(BtferError, match="changed while it was scored"):
        list(prepare_on_cluster(faces, digests, for_views, views, 8, address))
    faces[20].path.write_bytes(b"broken")
    with pytest.raises(BtferError, match="not a readable face image"):
        list(prepare_on_cluster(faces, (), for_views, views, 8, address))
