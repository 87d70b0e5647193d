"""Fetch everything that waits in the catalog, many files at a time but few, and not too often, from one host."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import urlsplit

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.catalog import now
from btfer_builder.catalog.crawl import (
    QueryCell,
    WaitingUrl,
    add_fetches,
    buried_images,
    images_in_cell,
    refused_images,
    settle_unfetchable,
    take_back,
    waiting_urls,
)
from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.counts import Counts
from btfer_builder.crawl.fetch import Fetched, Fetcher, open_fetcher
from btfer_builder.crawl.rate_limit import HostScheduler, backoff, unlimited
from btfer_builder.crawl.temp_file import sweep
from btfer_builder.io.terminal import StatusLine, echo_stderr
from btfer_builder.records import Fetch, Image
from btfer_builder.workspace import Workspace

#: Fates are committed together this often, in seconds, or when so many have come together: what `kill -9` can cost
#: is fetched again.
COMMIT_EVERY = 0.5
COMMIT_FILES = 32


Answer = TypeVar("Answer")


@dataclass(frozen=True)
class FileJob:
    """A URL that waits for its host, and how often it was asked for in this crawl."""

    waiting: WaitingUrl
    host: str
    attempt: int = 0


def download(
    workspace: Workspace,
    recipe: CrawlRecipe,
    engines: Sequence[str],
    discovered: Callable[[], bool],
    counts: Counts,
) -> int:
    """Fetch what waits until nothing does and `discovered()` says nothing more will; return the number of files.

    Every URL is fetched once, whatever queries found it, and its fate committed with the image it led to.
    """
    sweep(workspace.files)
    with StatusLine() as line:
        asyncio.run(
            _Download(workspace, recipe, engines, counts).run(discovered, lambda: line.show(str(counts)))
        )
    return counts.fetched


class _Download:
    """The state of one download: what is under way, and what is finished but not committed."""

    def __init__(
        self, workspace: Workspace, recipe: CrawlRecipe, engines: Sequence[str], counts: Counts
    ) -> None:
        self.root = workspace.files
        self.catalog: Catalog = workspace.catalog
        self.recipe = recipe
        self.engines = engines
        self.counts = counts
        self.met: set[str] = set()  # URLs of this crawl
        self.left = 0  # of them, those not finished
        self.finished: list[tuple[Fetch, Image | None]] = []
        self.many = asyncio.Event()
        self.images: dict[QueryCell, set[str]] = {}
        #: Hosts that are asked for nothing more, each with the reason its URLs are dropped for, if they are.
        self.closed: dict[str, tuple[str | None, str]] = {}
        self.buried: frozenset[str] = frozenset()
        self.turns: HostScheduler[FileJob] = HostScheduler(recipe)
        self.thread = ThreadPoolExecutor(1)

    async def run(self, discovered: Callable[[], bool], show: Callable[[], None]) -> None:
        """Fetch until there is nothing left to do."""
        fetcher = open_fetcher(self.root, self.recipe)
        fetcher.robots.on_delay = lambda host, seconds: self.turns.slow_down(
            host, min(seconds, self.recipe.max_wait)
        )
        with self.thread:
            self.buried = await self._ask_catalog(buried_images, self.catalog)
            tasks = [asyncio.create_task(self._work(fetcher)) for _ in range(self.recipe.connections)]
            tasks.append(asyncio.create_task(self._keep_committing(show)))
            tasks.append(asyncio.create_task(self._fill(discovered)))
            try:
                ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    task.result()  # a full disk, or a mistake of ours: not to be swallowed
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                await fetcher.close()
                await self._ask_catalog(self._commit)  # after one that may still be under way
                show()
            await self._ask_catalog(settle_unfetchable, self.catalog, self.engines, self.recipe.license)
            await self._ask_catalog(self._take_back)
            show()

    async def _ask_catalog(self, function: Callable[..., Answer], *arguments: object) -> Answer:
        """Call a function in the catalog's own thread: its disk must not keep the network waiting."""
        return await asyncio.get_running_loop().run_in_executor(self.thread, function, *arguments)

    def _take_back(self) -> None:
        """Heed owners of whose wish an engine told us after the photo was fetched."""
        refused = refused_images(self.catalog)
        new = [image for image in refused if not image.used]
        for image in new:
            (self.root / image.path).unlink(missing_ok=True)
        take_back(self.catalog, new)
        self.counts.add(kept=-len(new))
        for image in refused:
            if image.used:
                echo_stderr(
                    f"{image.url}: its owner refuses ({image.reason}); take it out: btfer takedown {image.image_id}"
                )

    async def _work(self, fetcher: Fetcher) -> None:
        while True:
            job = await self.turns.take()
            url = job.waiting
            self._finish(job, await fetcher.fetch(url.url, url.language, local=url.local, sha1=url.sha1))

    async def _keep_committing(self, show: Callable[[], None]) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(COMMIT_EVERY):
                    await self.many.wait()
            self.many.clear()
            await self._ask_catalog(self._commit)
            show()

    async def _fill(self, discovered: Callable[[], bool]) -> None:
        """Bring new URLs until there are no more and all have their fate."""
        seen, final, pause = -1, False, 0.02
        while not (final and not self.left):
            if not final:
                final = discovered()  # asked before looking: nothing found in between is missed
                started = time.monotonic()
                version = await self._ask_catalog(self._version)
                if version != seen or final:
                    seen = version
                    self._add(*await self._ask_catalog(self._look))
                pause = min(max(0.02, 5 * (time.monotonic() - started)), 5.0)
            self.counts.idle = 0 if self.left or self.finished else self.counts.idle + 1
            await asyncio.sleep(pause)

    def _version(self) -> int:
        """Return a number that changes when another thread has committed something: a page of a search."""
        return int(self.catalog.value("PRAGMA data_version"))

    def _look(self) -> tuple[list[WaitingUrl], dict[QueryCell, set[str]]]:
        """Return the URLs that are new, and the images of the cells that are new."""
        waiting = waiting_urls(self.catalog, self.engines, self.recipe.license)
        new = [url for url in waiting if url.url not in self.met]
        cells = {url.cell for url in new} - self.images.keys() if self.recipe.target else set()
        return new, {cell: images_in_cell(self.catalog, cell) for cell in cells}

    def _add(self, new: list[WaitingUrl], images: dict[QueryCell, set[str]]) -> None:
        self.images.update(images)
        self.met.update(url.url for url in new)
        for url in new:
            job = FileJob(url, _host(url.url))
            if job.host in self.closed:
                self._set_aside([job])
            elif not self._is_enough(url.cell):
                self.turns.add(job)
                self.left += 1
                self.counts.add(to_fetch=1)

    def _is_enough(self, cell: QueryCell) -> bool:
        """Return whether a cell has all that was asked for; its other URLs may wait for another crawl."""
        return bool(self.recipe.target) and len(self.images.get(cell, ())) >= self.recipe.target

    def _finish(self, job: FileJob, done: Fetched) -> None:
        """Note the fate of a URL, or let it wait for another try."""
        fate, image = done.fate, done.image
        silent = fate.reason in {"unreachable", "timeout"} and fate.http_status is None
        self.turns.done(job, answered=not silent)
        if fate.reason in {"busy", "server_error"} and fate.http_status and self._try_again(job, done.pause):
            return
        if image and image.image_id in self.buried:
            (self.root / image.path).unlink(missing_ok=True)
            fate, image = replace(fate, image_id=None, reason="taken_down"), None
        self._settle(job, fate, image)
        if silent and job.host not in self.closed and self.turns.is_dead(job.host):
            self._close(
                job.host, fate.reason, f"not asked: its host gave no answer to others. {fate.detail}"[:500]
            )

    def _try_again(self, job: FileJob, pause: float | None) -> bool:
        """Let a busy host rest and a job wait, unless there were enough tries; return whether it is to wait."""
        if pause is not None and pause > self.recipe.max_wait:
            if job.host not in self.closed:
                self._close(job.host)
                echo_stderr(
                    f"{job.host} asks for a pause of {pause:.0f} s: what it has left waits for another crawl"
                )
            return False
        free = unlimited(job.host, self.recipe)
        self.turns.pause(job.host, backoff(job.attempt, loopback=free) if pause is None else pause)
        if job.attempt + 1 >= self.recipe.tries or job.host in self.closed:
            return False
        self.turns.add(replace(job, attempt=job.attempt + 1), first=True)
        return True

    def _close(self, host: str, reason: str | None = None, detail: str = "") -> None:
        """Ask a host for nothing more in this crawl; its URLs are dropped for the reason, or wait for another."""
        self.closed[host] = reason, detail
        left = self.turns.withdraw(host)
        self.left -= len(left)
        self.counts.add(to_fetch=-len(left))
        self._set_aside(left)

    def _set_aside(self, jobs: list[FileJob]) -> None:
        for job in jobs:
            reason, detail = self.closed[job.host]
            if reason:
                self.left += 1
                self.counts.add(to_fetch=1)
                self._settle(
                    job, Fetch(job.waiting.url, reason=reason, detail=detail, fetched_at=now()), None
                )

    def _settle(self, job: FileJob, fate: Fetch, image: Image | None) -> None:
        self.finished.append((replace(fate, tries=job.waiting.tries + 1), image))
        self.left -= 1
        if len(self.finished) >= COMMIT_FILES:
            self.many.set()
        self.counts.add(fetched=1, kept=1 if image else 0)
        if image and self.recipe.target:
            cell = job.waiting.cell
            self.images[cell].add(image.image_id)
            if self._is_enough(cell):
                spared = self.turns.discard(lambda other: other.waiting.cell == cell)
                self.left -= spared
                self.counts.add(to_fetch=-spared)

    def _commit(self) -> None:
        batch = self.finished.copy()
        add_fetches(self.catalog, batch)
        del self.finished[: len(batch)]


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:  # "http://[": the fetcher will say so
        return ""
