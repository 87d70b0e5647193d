"""No host is asked more often than it may be, and none that must wait holds up another."""

import asyncio
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import pairwise

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfer_builder.config import CrawlRecipe, override
from btfer_builder.crawl.engine_access import BudgetSpentError
from btfer_builder.crawl.rate_limit import (
    BACKOFF,
    DEAD_AFTER,
    MAX_BACKOFF,
    HostScheduler,
    RateLimiter,
    TokenBucket,
    backoff,
    retry_after,
    unlimited,
)


@given(st.floats(0.01, 10), st.integers(1, 8), st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_a_bucket_never_gives_more_than_burst_and_rate_allow(interval, burst, steps):
    bucket, now, taken = TokenBucket(interval, burst), 100.0, []
    for step in steps:
        now += step
        if bucket.ready_at() <= now:
            bucket.take(now)
            taken.append(now)
    for first in range(len(taken)):
        for last in range(first, len(taken)):
            allowed = burst + (taken[last] - taken[first]) / interval
            assert last - first + 1 <= allowed + 1 + 1e-6


def test_a_bucket_saves_up_no_more_than_its_burst():
    bucket = TokenBucket(1.0, 3)
    for _ in range(3):
        assert bucket.ready_at() <= 1000
        bucket.take(1000)
    assert bucket.ready_at() == pytest.approx(1001)
    bucket.pause(1050)
    assert bucket.ready_at() == pytest.approx(1050)
    bucket.take(1050)
    assert bucket.ready_at() == pytest.approx(1051), "one at a time after a pause"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("0", 0), ("120", 120), (" 7 ", 7), ("99999999999999999999", 1e9), (None, None), ("", None), ("soon", None),
        ("-5", None), ("1.5", None), ("٣", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0), ("Wed, 99 Oct", None),
        ("1e9", None), ("\0", None),
    ],
)  # fmt: skip
def test_retry_after_is_seconds_or_a_date(value, seconds):
    assert retry_after(value) == seconds


def test_retry_after_a_date_to_come():
    for zone in (UTC, None):
        later = datetime.now(UTC).replace(tzinfo=zone) + timedelta(seconds=90)
        assert retry_after(format_datetime(later)) == pytest.approx(90, abs=2)


def test_a_pause_without_end_has_a_date():
    pause = retry_after("Fri, 31 Dec 9999 23:59:59 GMT")
    assert pause == 1e9
    assert "it can be asked again at 20" in str(BudgetSpentError(1_800_000_000.0 + pause))


@given(st.text(max_size=40))
def test_no_retry_after_is_an_error(value):
    assert retry_after(value) is None or retry_after(value) >= 0


def test_backoff_doubles_with_jitter_up_to_a_limit():
    for attempt in range(12):
        longest = min(BACKOFF * 2**attempt, MAX_BACKOFF)
        waits = [backoff(attempt) for _ in range(50)]
        assert all(longest / 2 <= wait <= longest for wait in waits)
        assert len(set(waits)) > 10
    assert backoff(0, loopback=True) < 0.1


def test_only_loopback_that_is_allowed_needs_no_sparing():
    allowed, default = CrawlRecipe(allow_private_hosts=True), CrawlRecipe()
    assert unlimited("127.0.0.1:8000", allowed)
    assert unlimited("localhost", allowed)
    assert unlimited("[::1]:80", allowed)
    assert not unlimited("127.0.0.1:8000", default)
    for host in (
        "photos.example",
        "10.0.0.1",
        "192.168.0.1:80",
        "127.0.0.1.example",
        "127.0.0.1@photos.example",
        "[",
    ):
        assert not unlimited(host, allowed), host


@pytest.mark.parametrize(
    "below",
    [{"requests_per_second": 11}, {"requests_per_second": 0}, {"per_host": 9}, {"tries": 6},
     {"concurrent_searches": 9}, {"query_delay": -1}, {"max_wait": -1}, {"connections": 257}],
)  # fmt: skip
def test_nobody_goes_below_the_floors_by_accident(below):
    with pytest.raises(msgspec.ValidationError):
        override(CrawlRecipe(), **below)


@dataclass(frozen=True)
class Job:
    host: str
    number: int = 0


class Clock:
    """A clock that asyncio's sleeping moves: nothing waits in these tests."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def run(turns: HostScheduler, clock: Clock, count: int, *, hold: float = 0.0) -> list[tuple[float, Job]]:
    """Take jobs as fast as is allowed; return when each was taken. Each is done `hold` seconds later."""

    async def take_all() -> list[tuple[float, Job]]:
        taken: list[tuple[float, Job]] = []
        active: list[tuple[float, Job]] = []
        while len(taken) < count:
            for until, job in [entry for entry in active if entry[0] <= clock.now]:
                active.remove((until, job))
                turns.done(job, answered=True)
            try:
                async with asyncio.timeout(0):
                    job = await turns.take()
            except TimeoutError:
                clock.now += 0.05
                assert clock.now < 5000, "nobody's turn comes"
                continue
            taken.append((clock.now, job))
            active.append((clock.now + hold, job))
        return taken

    return asyncio.run(take_all())


def test_a_host_is_asked_at_its_rate_and_its_connections_are_bounded():
    clock = Clock()
    turns: HostScheduler[Job] = HostScheduler(CrawlRecipe(requests_per_second=2, per_host=2), clock)
    for number in range(10):
        turns.add(Job("photos.example", number))
    taken = run(turns, clock, 10)
    assert [job.number for _, job in taken] == list(range(10))
    spans = [taken[n + 2][0] - taken[n][0] for n in range(8)]
    assert min(spans[1:]) >= 0.9, "two a second"
    assert taken[-1][0] - taken[0][0] == pytest.approx(4, abs=0.5)


def test_slow_answers_hold_connections_and_not_the_other_hosts():
    clock = Clock()
    turns: HostScheduler[Job] = HostScheduler(CrawlRecipe(requests_per_second=10, per_host=1), clock)
    for number in range(5):
        turns.add(Job("slow.example", number))
    for number in range(5):
        turns.add(Job(f"fast{number}.example"))
    taken = run(turns, clock, 10, hold=3)
    assert max(at for at, job in taken if job.host.startswith("fast")) - 1000 < 0.5
    slow = [at for at, job in taken if job.host == "slow.example"]
    assert all(later - earlier >= 3 for earlier, later in pairwise(slow))


def test_a_pause_holds_up_one_host_only():
    clock = Clock()
    turns: HostScheduler[Job] = HostScheduler(CrawlRecipe(requests_per_second=10), clock)
    for host in ("busy.example", "other.example"):
        for number in range(3):
            turns.add(Job(host, number))
    turns.pause("busy.example", 60)
    taken = run(turns, clock, 6)
    assert max(at for at, job in taken if job.host == "other.example") < 1002
    busy = [at for at, job in taken if job.host == "busy.example"]
    assert min(busy) >= 1060
    assert busy == sorted(busy)


def test_a_host_can_ask_for_a_delay_of_its_own():
    clock = Clock()
    turns: HostScheduler[Job] = HostScheduler(CrawlRecipe(requests_per_second=10), clock)
    turns.slow_down("slow.example", 5)
    turns.slow_down("slow.example", 1)  # a file that asks for less changes nothing
    for number in range(3):
        turns.add(Job("slow.example", number))
    at = [moment for moment, _ in run(turns, clock, 3)]
    assert [later - earlier for earlier, later in pairwise(at)] == pytest.approx([5, 5], abs=0.1)


def test_allowed_loopback_and_local_files_wait_for_nobody():
    clock = Clock()
    turns: HostScheduler[Job] = HostScheduler(
        CrawlRecipe(allow_private_hosts=True, requests_per_second=1), clock
    )
    for number in range(20):
        turns.add(Job("127.0.0.1:8000", number))
        turns.add(Job("", number))
    assert run(turns, clock, 40)[-1][0] - 1000 < 3


def test_jobs_can_be_taken_back():
    turns: HostScheduler[Job] = HostScheduler(CrawlRecipe())
    for number in range(4):
        turns.add(Job("a.example", number))
        turns.add(Job("b.example", number))
    assert [job.number for job in turns.withdraw("a.example")] == [0, 1, 2, 3]
    assert turns.withdraw("a.example") == []
    assert turns.discard(lambda job: job.number % 2 == 0) == 2
    assert [job.number for job in turns.withdraw("b.example")] == [1, 3]


def test_a_host_without_any_answer_is_dead_and_one_answer_revives_it():
    clock = Clock()
    turns: HostScheduler[Job] = HostScheduler(CrawlRecipe(allow_private_hosts=True), clock)

    async def fail(times: int, host: str, *, answered: bool) -> None:
        for _ in range(times):
            turns.add(Job(host))
            turns.done(await turns.take(), answered=answered)

    asyncio.run(fail(DEAD_AFTER - 1, "127.0.0.1", answered=False))
    asyncio.run(fail(1, "127.0.0.1", answered=True))
    asyncio.run(fail(DEAD_AFTER - 1, "127.0.0.1", answered=False))
    assert not turns.is_dead("127.0.0.1")
    asyncio.run(fail(1, "127.0.0.1", answered=False))
    assert turns.is_dead("127.0.0.1")
    asyncio.run(fail(DEAD_AFTER, "", answered=False))
    assert not turns.is_dead(""), "files of this machine have no host"


def test_threads_share_one_pace():
    pace, at, lock = RateLimiter(0.05), [], threading.Lock()

    def ask() -> None:
        for _ in range(3):
            pace.wait(threading.Event())
            with lock:
                at.append(time.monotonic())

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    at.sort()
    assert at[-1] - at[0] >= 8 * 0.05 - 0.02


def test_nobody_waits_for_a_turn_when_all_is_to_stop():
    pace, stop = RateLimiter(60), threading.Event()
    pace.wait(stop)
    threading.Timer(0.05, stop.set).start()
    started = time.monotonic()
    pace.wait(stop)
    assert time.monotonic() - started < 2
