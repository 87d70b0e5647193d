"""Results are the same for any number of workers, and an item that kills its worker loses no others."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btfer_builder.errors import BtferError
from btfer_builder.parallel import CRASHED, Runner
from tests.parallel.shards import die, die_late, double, fail, pids
from tests.processes import alive, children_of, wait_for


def results(runner, function, items):
    got = [pair for shard in runner.map(function, items) for pair in shard]
    assert sorted(item for item, _ in got) == sorted(items), "an item is lost or there twice"
    return dict(got)


@pytest.mark.parametrize("workers", [0, 1, 3])
@pytest.mark.parametrize("count", [0, 1, 50])
def test_any_number_of_workers_gives_the_same(workers, count):
    assert results(Runner(workers, 4), double, range(count)) == {n: n * 2 for n in range(count)}


@settings(deadline=None)
@given(st.lists(st.integers(), unique=True), st.integers(1, 9))
def test_shards_are_never_larger_than_asked_and_lose_nothing(items, size):
    shards = list(Runner(0, size).map(double, items))
    assert all(0 < len(shard) <= size for shard in shards)
    assert [pair for shard in shards for pair in shard] == [(item, item * 2) for item in items]


def test_workers_are_other_processes_and_as_many_as_asked():
    assert set(results(Runner(0), pids, range(3)).values()) == {os.getpid()}
    others = set(results(Runner(2, 1), pids, range(40)).values())
    assert os.getpid() not in others
    assert len(others) == 2


@pytest.mark.parametrize("how", ["exit", "kill", "segfault"])
def test_a_death_costs_the_guilty_item_only(how):
    got = results(Runner(2, 8), partial(die, how=how, guilty={11}), range(24))
    assert got == {n: CRASHED if n == 11 else n * 2 for n in range(24)}


@pytest.mark.parametrize("workers", [1, 3])
def test_many_deaths_lose_nothing(workers):
    guilty = {0, 7}
    got = results(Runner(workers, 1), partial(die, how="exit", guilty=guilty), range(10))
    assert got == {n: CRASHED if n in guilty else n * 2 for n in range(10)}


def test_a_death_while_results_are_put_away_loses_nothing():
    """The pool breaks between two results that arrive together, and refuses the next shard."""
    got = {}
    for shard in Runner(2, 1).map(partial(die_late, guilty={0}), range(9)):
        got |= dict(shard)
        if len(got) <= 3:
            time.sleep(0.5)  # a slow disk
    assert got == {n: n * 2 if n else CRASHED for n in range(9)}


@pytest.mark.parametrize("workers", [0, 2])
def test_an_exception_of_the_function_comes_through(workers):
    with pytest.raises(LookupError, match="five"):
        results(Runner(workers, 2), fail, range(20))


def test_what_is_not_asked_for_is_not_worked_on_and_the_workers_go():
    before = children_of(os.getpid())
    shards = Runner(2, 1).map(pids, range(200))
    worker = next(shards)[0][1]
    assert worker in children_of(os.getpid())
    shards.close()
    wait_for(lambda: not alive(worker))
    left = children_of(os.getpid()) - before
    assert not {pid for pid in left if b"resource_tracker" not in Path(f"/proc/{pid}/cmdline").read_bytes()}


def test_a_script_without_a_guard_does_not_run_again_in_its_workers(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from btfer_builder.parallel import Runner\n"
        f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})\n"
        "from tests.parallel.shards import double\n"
        "print('begun')\n"
        "print(list(Runner(2, 1).map(double, [1])), __spec__, __file__ == sys.argv[0])\n"
    )
    ran = subprocess.run(
        [sys.executable, str(script)], check=False, capture_output=True, text=True, timeout=60
    )
    assert ran.stdout.splitlines() == ["begun", "[[(1, 2)]] None True"], ran.stderr


def test_workers_that_cannot_start_are_not_blamed_on_the_items(monkeypatch):
    monkeypatch.setattr("btfer_builder.parallel.local._start_worker", die_at_once)
    with pytest.raises(BtferError, match="worker processes die at startup"):
        results(Runner(1), double, [1])


def die_at_once():
    os._exit(1)


PARENT = f"""
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background job is started without it
sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})
from tests.parallel.shards import endless
from btfer_builder.parallel import Runner
if __name__ == "__main__":
    list(Runner(2, 1).map(endless, [1, 2, 3]))
"""


def test_workers_die_with_a_parent_that_was_killed(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT)
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py")], stdout=subprocess.PIPE, text=True
    )
    assert [parent.stdout.readline() for _ in range(2)] == ["working\n"] * 2
    workers = children_of(parent.pid)
    assert len(workers) >= 2
    parent.kill()
    parent.wait()
    wait_for(lambda: not any(alive(pid) for pid in workers))


def test_ctrl_c_ends_the_parent_and_its_workers_without_their_tracebacks(tmp_path):
    (tmp_path / "parent.py").write_text(PARENT.replace("endless", "one_slow"))
    parent = subprocess.Popen(
        [sys.executable, str(tmp_path / "parent.py")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert [parent.stdout.readline() for _ in range(3)] == ["working\n"] * 3
    workers = children_of(parent.pid)
    time.sleep(0.3)  # one worker is busy, the other waits for work
    os.killpg(parent.pid, signal.SIGINT)  # as a terminal does: everybody gets it
    _, errors = parent.communicate(timeout=30)
    assert parent.returncode != 0
    assert errors.count("KeyboardInterrupt") == 1
    wait_for(lambda: not any(alive(pid) for pid in workers))
