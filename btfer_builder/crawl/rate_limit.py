"""Rate limits of hosts: token buckets, pauses that hosts ask for, and the scheduler of their jobs."""

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

#: Seconds before the first retry if the host names no pause: doubled at each try, half of it random.
BACKOFF = 2.0
MAX_BACKOFF = 60.0
LOOPBACK_BACKOFF = 0.02
#: Seconds that a host may ask for, some thirty years: later times may have no date.
LONGEST_PAUSE = 1e9
#: After so many requests in a row without an answer, a host counts as dead for this crawl.
DEAD_AFTER = 5


def user_agent(version: str, contact: str) -> str:
    """Return our user agent, with the contact of the recipe."""
    return f"btfer-builder/{version} (research dataset builder{f'; {contact}' if contact else ''})"


class Clock:
    """The time, and waiting for it; a simulation has its own."""

    def time(self) -> float:
        """Return the seconds since 1970."""
        return time.time()

    def monotonic(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def wait(self, seconds: float, stop: threading.Event) -> None:
        """Wait, or until `stop` is set."""
        stop.wait(seconds)


@dataclass
class TokenBucket:
    """One token every `interval` seconds, at most `burst` of them saved; times are seconds of one clock."""

    interval: float
    burst: int = 1
    _full_at: float = 0.0  # time when the bucket is full again

    def ready_at(self) -> float:
        """Return the time when the next token is available."""
        return self._full_at - self.interval * (self.burst - 1)

    def take(self, now: float) -> None:
        """Take a token; one that is not available yet is borrowed."""
        self._full_at = max(self._full_at, now) + self.interval

    def pause(self, until: float) -> None:
        """Give no token before this time, and only one then."""
        self._full_at = max(self._full_at, until + self.interval * (self.burst - 1))


class RateLimiter:
    """Rate limit of one engine, shared by all threads that request its pages.

    Parameters
    ----------
    interval
        Seconds between two requests.
    clock
        The time.
    """

    def __init__(self, interval: float, clock: Clock | None = None) -> None:
        self._bucket = TokenBucket(interval)
        self._clock = clock or Clock()
        self._lock = threading.Lock()

    def wait(self, stop: threading.Event) -> None:
        """Wait until this thread may send a request, or until `stop` is set."""
        with self._lock:
            now = self._clock.monotonic()
            start = max(self._bucket.ready_at(), now)
            self._bucket.take(start)
        if start > now:
            self._clock.wait(start - now, stop)

    def pause(self, seconds: float) -> None:
        """Allow no request for so many seconds."""
        with self._lock:
            self._bucket.pause(self._clock.monotonic() + seconds)

    def set_interval(self, seconds: float) -> None:
        """Change the seconds between two requests, from the next one on."""
        with self._lock:
            self._bucket.interval = seconds


def retry_after(value: str | None) -> float | None:
    """Return the seconds of a `Retry-After` header, which has seconds or a date; None if it has neither."""
    text = (value or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:12]), LONGEST_PAUSE)
    try:
        date = parsedate_to_datetime(text)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return min(max(0.0, (date - datetime.now(UTC)).total_seconds()), LONGEST_PAUSE)


def backoff(attempt: int, *, loopback: bool = False) -> float:
    """Return the seconds to wait after try `attempt`, counted from 0: exponential, half of it random."""
    longest = min((LOOPBACK_BACKOFF if loopback else BACKOFF) * 2**attempt, MAX_BACKOFF)
    return random.uniform(longest / 2, longest)  # noqa: S311 - not for cryptography


#: Hosts whose operators allow fewer simultaneous connections than a recipe may.
HOST_CONNECTIONS = {"upload.wikimedia.org": 2}


def unlimited(netloc: str, recipe: CrawlRecipe) -> bool:
    """Return whether a host (with its port) has no rate limit: it is this machine, and the user allows it."""
    try:
        host = urlsplit(f"//{netloc}").hostname or ""
    except ValueError:
        return False
    return recipe.allow_private_hosts and is_loopback(host)


class Job(Protocol):
    """A URL to fetch."""

    @property
    def host(self) -> str:
        """Host and port of the URL."""


AnyJob = TypeVar("AnyJob", bound=Job)


@dataclass
class _Host(Generic[AnyJob]):
    bucket: TokenBucket
    connections: int
    waiting: deque[AnyJob] = field(default_factory=deque)
    active: int = 0
    queued: bool = False  # in the heap
    unanswered: int = 0  # requests in a row


class HostScheduler(Generic[AnyJob]):
    """Schedule jobs: they queue at their host, and a host that must wait does not block others.

    Parameters
    ----------
    recipe
        `per_host` connections at a time and `requests_per_second` files a second for each host.
    clock
        Function that returns the time in seconds; tests replace it.
    """

    def __init__(self, recipe: CrawlRecipe, clock: Callable[[], float] = time.monotonic) -> None:
        self.recipe = recipe
        self.clock = clock
        self.hosts: dict[str, _Host[AnyJob]] = {}
        self._ready: list[tuple[float, int, str]] = []  # a heap of (time, order, host)
        self._order = 0
        self._changed = asyncio.Event()

    def add(self, job: AnyJob, *, first: bool = False) -> None:
        """Queue a job at its host, at the end or at the front."""
        host = self._host(job.host)
        (host.waiting.appendleft if first else host.waiting.append)(job)
        self._queue(job.host, host)

    async def take(self) -> AnyJob:
        """Wait for a job whose host may be requested now; `done` must follow."""
        while True:
            now = self.clock()
            while self._ready and self._ready[0][0] <= now:
                _, _, name = heapq.heappop(self._ready)
                host = self.hosts[name]
                host.queued = False
                if not host.waiting or host.active >= host.connections:
                    continue
                if host.bucket.ready_at() > now:  # paused since it was queued
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
        """Release the connection of a job; `answered` is whether its host answered at all."""
        host = self.hosts[job.host]
        host.active -= 1
        host.unanswered = 0 if answered else host.unanswered + 1
        self._queue(job.host, host)

    def pause(self, name: str, seconds: float) -> None:
        """Send no request to a host for so many seconds."""
        self._host(name).bucket.pause(self.clock() + seconds)

    def slow_down(self, name: str, interval: float) -> None:
        """Set the least number of seconds between two requests to a host."""
        bucket = self._host(name).bucket
        if interval > bucket.interval:
            bucket.interval, bucket.burst = interval, 1

    def withdraw(self, name: str) -> list[AnyJob]:
        """Remove and return the waiting jobs of a host."""
        host = self._host(name)
        jobs, host.waiting = list(host.waiting), deque()
        return jobs

    def discard(self, unwanted: Callable[[AnyJob], bool]) -> int:
        """Remove the unwanted waiting jobs, and return their number."""
        count = 0
        for host in self.hosts.values():
            kept = deque(job for job in host.waiting if not unwanted(job))
            count += len(host.waiting) - len(kept)
            host.waiting = kept
        return count

    def is_dead(self, name: str) -> bool:
        """Return whether a host has not answered `DEAD_AFTER` requests in a row."""
        return bool(name) and self._host(name).unanswered >= DEAD_AFTER

    def _host(self, name: str) -> _Host[AnyJob]:
        host = self.hosts.get(name)
        if host is None:
            free = not name or unlimited(name, self.recipe)  # without a name: files of this machine
            interval = 0.0 if free else 1 / self.recipe.requests_per_second
            connections = min(self.recipe.per_host, HOST_CONNECTIONS.get(name, self.recipe.per_host))
            host = self.hosts[name] = _Host(TokenBucket(interval, connections), connections)
        return host

    def _queue(self, name: str, host: _Host[AnyJob]) -> None:
        if host.waiting and not host.queued and host.active < host.connections:
            host.queued = True
            self._order += 1
            heapq.heappush(self._ready, (host.bucket.ready_at(), self._order, name))
            self._changed.set()
