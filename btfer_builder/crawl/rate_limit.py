"""How often a host is asked: tokens, pauses it asks for, and whose turn is next."""

import asyncio
import heapq
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlsplit

from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.ssrf_guard import is_loopback

#: Seconds before a busy host is asked again, if it names no time itself: doubled at each try, half of it at random.
BACKOFF = 2.0
BACKOFF_MOST = 60.0
#: On loopback nobody else is disturbed.
LOOPBACK_BACKOFF = 0.02
#: After so many troubles in a row without a single answer a host counts as dead for this crawl.
DEAD_AFTER = 5


def user_agent(version: str, contact: str) -> str:
    """Return the name we give ourselves, with the contact of the recipe."""
    return f"btfer-builder/{version} (research dataset builder{f'; {contact}' if contact else ''})"


@dataclass
class TokenBucket:
    """A token every `interval` seconds, up to `burst` of them saved up; moments are in seconds of one clock."""

    interval: float
    burst: int = 1
    _full_at: float = 0.0  # when the bucket would be full again

    def ready_at(self) -> float:
        """Return the moment from which there is a token."""
        return self._full_at - self.interval * (self.burst - 1)

    def take(self, now: float) -> None:
        """Take a token; taking one that is not there yet borrows it."""
        self._full_at = max(self._full_at, now) + self.interval

    def pause(self, until: float) -> None:
        """Give no token before this moment, and only one then."""
        self._full_at = max(self._full_at, until + self.interval * (self.burst - 1))


class RateLimiter:
    """The pace of one engine, kept by all threads that ask it.

    Parameters
    ----------
    interval
        Seconds between two pages.
    """

    def __init__(self, interval: float) -> None:
        self._bucket = TokenBucket(interval)
        self._lock = threading.Lock()

    def wait(self, stop: threading.Event) -> None:
        """Wait for this thread's turn; less if everything is to stop."""
        with self._lock:
            now = time.monotonic()
            turn = max(self._bucket.ready_at(), now)
            self._bucket.take(turn)
        if turn > now:
            stop.wait(turn - now)

    def pause(self, seconds: float) -> None:
        """Let nobody ask for so long."""
        with self._lock:
            self._bucket.pause(time.monotonic() + seconds)


def retry_after(value: str | None) -> float | None:
    """Return the seconds a `Retry-After` header asks for, given as such or as a date; None if it says neither."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return float(min(int(text[:12]), 10**9))
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())


def backoff(attempt: int, *, loopback: bool = False) -> float:
    """Return the seconds to wait before try `attempt` + 1 (the first is 0): exponential, half of it at random."""
    longest = min((LOOPBACK_BACKOFF if loopback else BACKOFF) * 2**attempt, BACKOFF_MOST)
    return random.uniform(longest / 2, longest)  # noqa: S311 - no secret


def unlimited(netloc: str, recipe: CrawlRecipe) -> bool:
    """Return whether a host (with its port) needs no sparing: it is this machine, and the user has allowed it."""
    try:
        host = urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return False
    return recipe.allow_private_hosts and is_loopback(host)


class Job(Protocol):
    """Something to be fetched."""

    @property
    def host(self) -> str:
        """The host and port it is fetched from."""


AnyJob = TypeVar("AnyJob", bound=Job)


@dataclass
class _Host(Generic[AnyJob]):
    bucket: TokenBucket
    waiting: deque[AnyJob] = field(default_factory=deque)
    active: int = 0
    queued: bool = False  # in the heap
    troubles: int = 0  # in a row, without an answer


class HostScheduler(Generic[AnyJob]):
    """Whose turn is next: jobs wait at their host, and a host that must wait holds up no other.

    Parameters
    ----------
    recipe
        `per_host` connections at a time and `requests_per_second` files a second for each host.
    clock
        Seconds, for tests.
    """

    def __init__(self, recipe: CrawlRecipe, clock: Callable[[], float] = time.monotonic) -> None:
        self.recipe = recipe
        self.clock = clock
        self.hosts: dict[str, _Host[AnyJob]] = {}
        self._ready: list[tuple[float, int, str]] = []  # a heap of (when, in which order, host)
        self._order = 0
        self._changed = asyncio.Event()

    def add(self, job: AnyJob, *, first: bool = False) -> None:
        """Let a job wait for its turn, behind the others of its host or before them."""
        host = self._host(job.host)
        (host.waiting.appendleft if first else host.waiting.append)(job)
        self._queue(job.host, host)

    async def take(self) -> AnyJob:
        """Wait for a job whose host may be asked now; `done` must follow."""
        while True:
            now = self.clock()
            while self._ready and self._ready[0][0] <= now:
                _, _, name = heapq.heappop(self._ready)
                host = self.hosts[name]
                host.queued = False
                if not host.waiting or host.active >= self.recipe.per_host:
                    continue
                if host.bucket.ready_at() > now:  # it has asked for a pause since
                    self._queue(name, host)
                    continue
                host.active += 1
                host.bucket.take(now)
                job = host.waiting.popleft()
                self._queue(name, host)
                return job
            self._changed.clear()
            wait = self._ready[0][0] - now if self._ready else None
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                continue

    def done(self, job: AnyJob, *, answered: bool) -> None:
        """Give the connection of a job back; `answered` says whether its host has said anything at all."""
        host = self.hosts[job.host]
        host.active -= 1
        host.troubles = 0 if answered else host.troubles + 1
        self._queue(job.host, host)

    def pause(self, name: str, seconds: float) -> None:
        """Ask nothing of a host for so long."""
        self._host(name).bucket.pause(self.clock() + seconds)

    def slow_down(self, name: str, interval: float) -> None:
        """Take at least so many seconds between two files of a host."""
        bucket = self._host(name).bucket
        if interval > bucket.interval:
            bucket.interval, bucket.burst = interval, 1

    def withdraw(self, name: str) -> list[AnyJob]:
        """Return the jobs that wait for a host; they wait no more."""
        host = self._host(name)
        left, host.waiting = list(host.waiting), deque()
        return left

    def discard(self, unwanted: Callable[[AnyJob], bool]) -> int:
        """Let some jobs wait no more, and return how many."""
        count = 0
        for host in self.hosts.values():
            wanted = deque(job for job in host.waiting if not unwanted(job))
            count += len(host.waiting) - len(wanted)
            host.waiting = wanted
        return count

    def is_dead(self, name: str) -> bool:
        """Return whether a host has given no sign of life for `DEAD_AFTER` tries."""
        return bool(name) and self._host(name).troubles >= DEAD_AFTER

    def _host(self, name: str) -> _Host[AnyJob]:
        host = self.hosts.get(name)
        if host is None:
            free = not name or unlimited(name, self.recipe)  # without a name: files of this machine
            interval = 0.0 if free else 1 / self.recipe.requests_per_second
            host = self.hosts[name] = _Host(TokenBucket(interval, self.recipe.per_host))
        return host

    def _queue(self, name: str, host: _Host[AnyJob]) -> None:
        if host.waiting and not host.queued and host.active < self.recipe.per_host:
            host.queued = True
            self._order += 1
            heapq.heappush(self._ready, (host.bucket.ready_at(), self._order, name))
            self._changed.set()
