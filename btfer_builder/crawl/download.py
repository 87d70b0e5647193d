"""Download all waiting URLs of the catalog, many at a time but within the limits of each host."""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TypeVar

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.catalog import now
from btfer_builder.catalog.fetches import (
    WaitingUrl,
    add_fetches,
    drop_images,
    images_in_cell,
    opted_out_images,
    settle_unfetchable,
    waiting_urls,
)
from btfer_builder.catalog.purge import purged_ids
from btfer_builder.catalog.searches import QueryCell
from btfer_builder.catalog.tombstones import taken_down_images
from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.fetch import Fetched, Fetcher, open_fetcher
from btfer_builder.crawl.rate_limit import HostScheduler, backoff, unlimited
from btfer_builder.crawl.targets import Targets
from btfer_builder.crawl.temp_file import TempFile, place_all
from btfer_builder.crawl.urls import host_of
from btfer_builder.io.event_loop import run_coroutine
from btfer_builder.io.terminal import StatusLine, echo_stderr
from btfer_builder.io.text import counted
from btfer_builder.records import Fetch, Image
from btfer_builder.workspace import Workspace

#: Outcomes are committed after so many seconds or files. After `kill -9`, the others are fetched again.
COMMIT_EVERY = 0.5
COMMIT_FILES = 32
#: Files that may wait for their commit, the small ones in memory; with more, no download begins.
UNCOMMITTED_FILES = 256

Result = TypeVar("Result")


@dataclass(frozen=True)
class FileJob:
    """A waiting URL, its host, and the number of requests for it in this crawl."""

    waiting: WaitingUrl
    host: str
    attempt: int = 0


@dataclass
class CrawlCounts:
    """Counts of a running crawl, shared by its threads and shown on one line; changed only under a lock."""

    searched: int = 0
    to_search: int = 0
    fetched: int = 0
    to_fetch: int = 0
    kept: int = 0
    #: How long the searches will take, if that is long.
    forecast: str = ""
    #: How many times in a row the download found nothing to do.
    idle: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def add(self, **numbers: int) -> None:
        """Add to some of the counts."""
        with self._lock:
            for name, number in numbers.items():
                setattr(self, name, getattr(self, name) + number)

    def __str__(self) -> str:
        """Return the line."""
        forecast = f" ({self.forecast})" if self.forecast else ""
        searches = f"{self.searched}/{self.to_search} searches{forecast}, " if self.to_search else ""
        return (
            f"crawl: {searches}{self.fetched}/{counted(self.to_fetch, 'file')}, {counted(self.kept, 'image')}"
        )


def download(
    workspace: Workspace,
    recipe: CrawlRecipe,
    engines: Sequence[str],
    discovered: Callable[[], bool],
    counts: CrawlCounts,
    targets: Targets | None = None,
) -> int:
    """Download until no URL waits and `discovered()` returns true, and return the number of files.

    Each URL is fetched once, even if several queries found it. Its outcome is committed together with its image.
    """
    with StatusLine() as line:
        run_coroutine(
            _Download(workspace, recipe, engines, counts, targets or Targets()).run(
                discovered, lambda: line.show(str(counts))
            )
        )
    return counts.fetched


class _Download:
    """State of a download: URLs in progress, and outcomes that are not committed."""

    def __init__(
        self,
        workspace: Workspace,
        recipe: CrawlRecipe,
        engines: Sequence[str],
        counts: CrawlCounts,
        targets: Targets,
    ) -> None:
        self.root = workspace.files
        self.catalog: Catalog = workspace.catalog
        self.recipe = recipe
        self.engines = engines
        self.counts = counts
        self.targets = targets
        self.seen: set[str] = set()  # URLs of this crawl
        self.unfinished = 0  # number of these that are not finished
        self.finished: list[tuple[Fetch, Image | None, TempFile | None]] = []
        self.batch_full = asyncio.Event()
        self.has_room = asyncio.Event()  # for more files that wait for their commit
        self.has_room.set()
        self.images: dict[QueryCell, set[str]] = {}
        #: Hosts without further requests, with the reason and detail of their dropped URLs; no reason: they wait.
        self.closed: dict[str, tuple[str | None, str]] = {}
        self.taken_down: frozenset[str] = frozenset()
        self.purged: set[str] = set()
        self.scheduler: HostScheduler[FileJob] = HostScheduler(recipe)
        self.thread = ThreadPoolExecutor(1)

    async def run(self, discovered: Callable[[], bool], show: Callable[[], None]) -> None:
        """Download until nothing is left to do."""
        fetcher = open_fetcher(self.root, self.recipe)
        fetcher.robots.on_delay = lambda host, seconds: self.scheduler.slow_down(
            host, min(seconds, self.recipe.max_wait)
        )
        with self.thread:
            self.taken_down = await self._in_catalog_thread(taken_down_images, self.catalog)
            self.purged = await self._in_catalog_thread(purged_ids, self.catalog, "image")
            tasks = [asyncio.create_task(self._work(fetcher)) for _ in range(self.recipe.connections)]
            tasks.append(asyncio.create_task(self._commit_regularly(show)))
            tasks.append(asyncio.create_task(self._add_waiting(discovered)))
            try:
                ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()  # raises its error: a full disk or a bug
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await fetcher.close()
                try:
                    await self._in_catalog_thread(self._commit)  # after a commit that may still be running
                finally:
                    await self._in_catalog_thread(self._delete_uncommitted)
                show()
            await self._in_catalog_thread(settle_unfetchable, self.catalog, self.engines, self.recipe.license)
            await self._in_catalog_thread(self._drop_opted_out)
            show()

    async def _in_catalog_thread(self, function: Callable[..., Result], *arguments: object) -> Result:
        """Call a function in the thread of the catalog, so that its disk does not delay the network."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, function, *arguments)

    def _drop_opted_out(self) -> None:
        """Drop images whose owner's opt-out was found after the download."""
        opted_out = opted_out_images(self.catalog)
        new = [image for image in opted_out if not image.used]
        for image in new:
            (self.root / image.path).unlink(missing_ok=True)
        drop_images(self.catalog, new)
        self.counts.add(kept=-len(new))
        for image in opted_out:
            if image.used:
                echo_stderr(
                    f"{image.url}: its owner opted out ({image.reason}); remove it with btfer takedown {image.image_id}"
                )

    async def _work(self, fetcher: Fetcher) -> None:
        while True:
            await self.has_room.wait()
            job = await self.scheduler.take()
            url = job.waiting
            done = await fetcher.fetch(url.address, url.language, local=url.local, sha1=url.sha1)
            if url.fallback and done.fate.reason in {"forbidden", "not_found"}:
                done = await fetcher.fetch(url.fallback, url.language)
            self._finish(job, done._replace(fate=replace(done.fate, url=url.url)))

    async def _commit_regularly(self, show: Callable[[], None]) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(COMMIT_EVERY):
                    await self.batch_full.wait()
            self.batch_full.clear()
            await self._in_catalog_thread(self._commit)
            if len(self.finished) < UNCOMMITTED_FILES:
                self.has_room.set()
            show()

    async def _add_waiting(self, discovered: Callable[[], bool]) -> None:
        """Add new URLs until there are no more and all are finished."""
        last_version, final, pause = -1, False, 0.02
        while not (final and not self.unfinished):
            if not final:
                final = discovered()  # before the catalog is read, so that no URL found in between is missed
                started = time.monotonic()
                version = await self._in_catalog_thread(self._version)
                if version != last_version or final:
                    last_version = version
                    self._add(*await self._in_catalog_thread(self._read_new))
                pause = min(max(0.02, 5 * (time.monotonic() - started)), 5.0)
            self.counts.idle = 0 if self.unfinished or self.finished else self.counts.idle + 1
            await asyncio.sleep(pause)

    def _version(self) -> int:
        """Return a number that changes when another thread commits, as after each result page."""
        return int(self.catalog.value("PRAGMA data_version"))

    def _read_new(self) -> tuple[list[WaitingUrl], dict[QueryCell, set[str]]]:
        """Return the new URLs, and the images of their cells that are new."""
        waiting = waiting_urls(self.catalog, self.engines, self.recipe.license)
        new = [url for url in waiting if url.url not in self.seen]
        cells = {self.targets.unit(url.cell) for url in new} - self.images.keys() if self.targets else set()
        return new, {cell: images_in_cell(self.catalog, cell) for cell in cells}

    def _add(self, new: list[WaitingUrl], images: dict[QueryCell, set[str]]) -> None:
        self.images.update(images)
        self.seen.update(url.url for url in new)
        for url in new:
            job = FileJob(url, host_of(url.url))
            if job.host in self.closed:
                self._drop_or_leave([job])
            elif not self._is_enough(url.cell):
                self.scheduler.add(job)
                self.unfinished += 1
                self.counts.add(to_fetch=1)

    def _is_enough(self, cell: QueryCell) -> bool:
        """Return whether a cell has reached the target; its other URLs wait for another crawl."""
        unit = self.targets.unit(cell)
        return bool(self.targets) and len(self.images.get(unit, ())) >= self.targets.of(unit)

    def _finish(self, job: FileJob, done: Fetched) -> None:
        """Record the outcome of a URL, or schedule another try."""
        outcome, image = done.fate, done.image
        self.scheduler.done(job, answered=done.answered)
        busy = outcome.reason in {"busy", "server_error"} and outcome.http_status
        if busy and self._retry(job, done.pause):
            return
        if image and image.image_id in self.taken_down:
            outcome, image = replace(outcome, image_id=None, reason="taken_down"), None
            if done.file:
                done.file.discard()
        file = done.file
        if (
            file and image and image.image_id in self.purged
        ):  # at another address: its file is not wanted again
            file.discard()
            file = None
        self._record(job, outcome, image, file)
        if not done.answered and job.host not in self.closed and self.scheduler.is_dead(job.host):
            self._close(
                job.host,
                outcome.reason,
                f"not requested: its host did not answer other requests. {outcome.detail}"[:500],
            )

    def _retry(self, job: FileJob, pause: float | None) -> bool:
        """Pause a busy host and schedule another try, unless there were enough; return whether it is scheduled."""
        if pause is not None and pause > self.recipe.max_wait:
            if job.host not in self.closed:
                self._close(job.host)
                echo_stderr(
                    f"{job.host} asks for a pause of {pause:.0f} s: its remaining files wait for another crawl"
                )
            return False
        free = unlimited(job.host, self.recipe)
        self.scheduler.pause(job.host, backoff(job.attempt, loopback=free) if pause is None else pause)
        if job.attempt + 1 >= self.recipe.tries or job.host in self.closed:
            return False
        self.scheduler.add(replace(job, attempt=job.attempt + 1), first=True)
        return True

    def _close(self, host: str, reason: str | None = None, detail: str = "") -> None:
        """Send no more requests to a host; its URLs are dropped for the reason, or wait for another crawl."""
        self.closed[host] = reason, detail
        waiting = self.scheduler.withdraw(host)
        self.unfinished -= len(waiting)
        self.counts.add(to_fetch=-len(waiting))
        self._drop_or_leave(waiting)

    def _drop_or_leave(self, jobs: list[FileJob]) -> None:
        for job in jobs:
            reason, detail = self.closed[job.host]
            if reason:
                self.unfinished += 1
                self.counts.add(to_fetch=1)
                self._record(job, Fetch(job.waiting.url, reason=reason, detail=detail, fetched_at=now()))

    def _record(
        self, job: FileJob, outcome: Fetch, image: Image | None = None, file: TempFile | None = None
    ) -> None:
        self.finished.append((replace(outcome, tries=job.waiting.tries + 1), image, file))
        self.unfinished -= 1
        if len(self.finished) >= COMMIT_FILES:
            self.batch_full.set()
        if len(self.finished) >= UNCOMMITTED_FILES:
            self.has_room.clear()
        self.counts.add(fetched=1, kept=1 if image else 0)
        if image and self.targets:
            unit = self.targets.unit(job.waiting.cell)
            self.images[unit].add(image.image_id)
            if self._is_enough(unit):
                discarded = self.scheduler.discard(
                    lambda queued: self.targets.unit(queued.waiting.cell) == unit
                )
                self.unfinished -= discarded
                self.counts.add(to_fetch=-discarded)

    def _commit(self) -> None:
        """Put the images of a batch into their places, synced, and commit its outcomes."""
        batch = self.finished.copy()
        place_all(self.root, [(file, image.path) for _, image, file in batch if image and file])
        add_fetches(self.catalog, [(fetch, image) for fetch, image, _ in batch])
        del self.finished[: len(batch)]

    def _delete_uncommitted(self) -> None:
        """Delete the temporary files that a full disk kept from their places: their URLs are fetched again."""
        for _, _, file in self.finished:
            if file:
                file.discard()
