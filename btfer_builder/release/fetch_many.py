"""Fetch a list of addresses as a crawl does: in parallel, with the rate limit of each host."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.fetch import Fetched, Page, open_fetcher
from btfer_builder.crawl.rate_limit import HostScheduler, backoff, unlimited
from btfer_builder.crawl.temp_file import place
from btfer_builder.crawl.urls import host_of
from btfer_builder.io.event_loop import run_coroutine
from btfer_builder.io.terminal import bar

#: Reasons for which a host is asked again after a pause, as in a crawl.
_RETRIED = {"busy", "server_error"}


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """An address to fetch: a page is read as text, anything else is stored as an image."""

    url: str
    page: bool = False

    @property
    def host(self) -> str:
        """Host and port of the address."""
        return host_of(self.url)


def fetch_many(
    requests: Sequence[FetchRequest],
    root: Path,
    recipe: CrawlRecipe,
    done: Callable[[FetchRequest, Fetched | Page], None],
    description: str,
) -> None:
    """Fetch each address and call `done` with each result as it arrives; a failure does not stop the others.

    Parameters
    ----------
    requests
        The addresses to fetch.
    root
        Images are stored in `root/data/images`.
    recipe
        Rate limits, retries and size limits.
    done
        Called with the request and its result.
    description
        The text of the progress bar.
    """
    run_coroutine(_fetch_many(requests, root, recipe, done, description))


async def _fetch_many(
    requests: Sequence[FetchRequest],
    root: Path,
    recipe: CrawlRecipe,
    done: Callable[[FetchRequest, Fetched | Page], None],
    description: str,
) -> None:
    fetcher = open_fetcher(root, recipe)
    scheduler: HostScheduler[FetchRequest] = HostScheduler(recipe)
    fetcher.robots.on_delay = lambda host, seconds: scheduler.slow_down(host, min(seconds, recipe.max_wait))
    for request in requests:
        scheduler.add(request)
    left = len(requests)
    tries: Counter[FetchRequest] = Counter()

    def place_and_report(request: FetchRequest, result: Fetched | Page) -> None:
        if isinstance(result, Fetched) and result.image and result.file:
            place(root, result.file, result.image.path)
        done(request, result)

    async def work() -> None:
        nonlocal left
        while True:
            request = await scheduler.take()
            result = await (fetcher.page if request.page else fetcher.fetch)(request.url)
            reason, pause = (
                (result.reason, None) if isinstance(result, Page) else (result.fate.reason, result.pause)
            )
            scheduler.done(request, answered=reason not in {"unreachable", "timeout"})
            if reason in _RETRIED and (pause or 0) <= recipe.max_wait:
                attempt = tries[request]
                free = unlimited(request.host, recipe)
                scheduler.pause(request.host, backoff(attempt, loopback=free) if pause is None else pause)
                tries[request] += 1
                if tries[request] < recipe.tries:
                    scheduler.add(request, first=True)
                    continue
            await asyncio.to_thread(place_and_report, request, result)
            progress.update()
            left -= 1
            if not left:
                finished.set()

    finished = asyncio.Event()
    with bar(len(requests), description, "addresses") as progress:
        workers = [asyncio.create_task(work()) for _ in range(recipe.connections)]
        try:
            if requests:
                await _first(finished.wait(), workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await fetcher.close()


async def _first(end: Awaitable[object], workers: Sequence[asyncio.Task[None]]) -> None:
    """Wait for the end, or raise the error of a worker that failed."""
    ending = asyncio.ensure_future(end)
    await asyncio.wait([ending, *workers], return_when=asyncio.FIRST_COMPLETED)
    for worker in workers:
        if worker.done():
            worker.result()
    ending.cancel()
