"""Visit addresses as a crawl does: politely, safely, many hosts at a time but each at its pace."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.fetch import Fetched, Page, open_fetcher
from btfer_builder.crawl.rate_limit import HostScheduler
from btfer_builder.io.terminal import bar


@dataclass(frozen=True, slots=True)
class FetchRequest:
    """An address to visit; a page is read as text, anything else is fetched as a picture."""

    url: str
    page: bool = False

    @property
    def host(self) -> str:
        """The host and port it is on."""
        try:
            return urlsplit(self.url).netloc
        except ValueError:  # the fetcher will say so
            return ""


def visit(
    visits: Sequence[FetchRequest],
    root: Path,
    recipe: CrawlRecipe,
    done: Callable[[FetchRequest, Fetched | Page], None],
    description: str,
) -> None:
    """Visit every address once and tell `done` what came of each, as it comes; a bad one ends nothing.

    Parameters
    ----------
    visits
        The addresses.
    root
        Pictures are fetched into `root/data/images`.
    recipe
        How hosts are spared, and within which bounds.
    done
        Told the fate of a picture; the text of a page, or why it could not be read.
    description
        What the progress bar says.
    """
    asyncio.run(_visit(visits, root, recipe, done, description))


async def _visit(
    visits: Sequence[FetchRequest],
    root: Path,
    recipe: CrawlRecipe,
    done: Callable[[FetchRequest, Fetched | Page], None],
    description: str,
) -> None:
    fetcher = open_fetcher(root, recipe)
    turns: HostScheduler[FetchRequest] = HostScheduler(recipe)
    for one in visits:
        turns.add(one)
    left = len(visits)
    tries: dict[FetchRequest, int] = {}

    async def work() -> None:
        nonlocal left
        while True:
            one = await turns.take()
            answer = await (fetcher.page if one.page else fetcher.fetch)(one.url)
            reason, pause = (
                (answer.reason, None) if isinstance(answer, Page) else (answer.fate.reason, answer.pause)
            )
            turns.done(one, answered=reason not in {"unreachable", "timeout"})
            tries[one] = tries.get(one, 0) + 1
            if pause is not None and pause <= recipe.max_wait and tries[one] < recipe.tries:
                turns.pause(one.host, pause)
                turns.add(one, first=True)
                continue
            await asyncio.to_thread(done, one, answer)
            progress.update()
            left -= 1
            if not left:
                finished.set()

    finished = asyncio.Event()
    with bar(len(visits), description, "addresses") as progress:
        workers = [asyncio.create_task(work()) for _ in range(recipe.connections)]
        try:
            if visits:
                await _first(finished.wait(), workers)
        finally:
            for worker in workers:
                worker.cancel()
            await asyncio.gather(*workers, return_exceptions=True)
            await fetcher.close()


async def _first(end: Awaitable[object], workers: Sequence[asyncio.Task[None]]) -> None:
    """Wait for the end, or for a worker that failed (a full disk, or a mistake of ours)."""
    ending = asyncio.ensure_future(end)
    await asyncio.wait([ending, *workers], return_when=asyncio.FIRST_COMPLETED)
    for worker in workers:
        if worker.done():
            worker.result()
    ending.cancel()
