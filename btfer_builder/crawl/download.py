"""Fetch everything that waits in the catalog, many files at a time but few from one host."""

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.crawl import WaitingUrl, add_fetches, waiting_urls
from btfer_builder.crawl.fetch import open_fetcher, sweep
from btfer_builder.progress import bar
from btfer_builder.recipe import CrawlRecipe
from btfer_builder.records import Fetch, Image
from btfer_builder.workspace import Workspace

#: Fates are committed together this often, in seconds: what `kill -9` can cost is fetched again.
COMMIT_EVERY = 0.5


def download(
    workspace: Workspace, recipe: CrawlRecipe, engines: Sequence[str], discovered: Callable[[], bool]
) -> int:
    """Fetch what waits until nothing does and `discovered()` says nothing more will; return the number of files.

    Every URL is fetched once, whatever queries found it, and its fate committed with the image it led to.
    """
    return asyncio.run(_download(workspace, recipe, engines, discovered))


async def _download(
    workspace: Workspace, recipe: CrawlRecipe, engines: Sequence[str], discovered: Callable[[], bool]
) -> int:
    sweep(workspace.root)
    fetcher = open_fetcher(workspace.root, recipe)
    todo: asyncio.Queue[WaitingUrl] = asyncio.Queue(maxsize=recipe.connections * 4)
    finished: list[tuple[Fetch, Image | None]] = []
    hosts: dict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(recipe.per_host))
    under_way: set[str] = set()
    total = 0

    async def work() -> None:
        while True:
            url = await todo.get()
            async with hosts[_host(url.url)]:
                finished.append(await fetcher.fetch(url.url, url.language, local=url.local))

    async def fill() -> None:
        """Bring new URLs until there are no more; return when all have their fate."""
        while True:
            ended = discovered()  # asked before looking, so that nothing found in between is missed
            waiting = [url for url in waiting_urls(catalog, engines) if url.url not in under_way]
            under_way.update(url.url for url in waiting)
            progress.total = len(under_way)
            for url in waiting:
                await todo.put(url)
            if ended and not waiting:
                return
            if not waiting:
                await asyncio.sleep(0.1)

    def commit(catalog: Catalog) -> None:
        nonlocal total
        batch = finished.copy()
        del finished[: len(batch)]
        if batch:
            add_fetches(catalog, batch)
            total += len(batch)
            progress.update(len(batch))

    catalog = workspace.catalog
    with bar(0, "fetch", "files") as progress:
        tasks = [asyncio.create_task(work()) for _ in range(recipe.connections)]
        filling = asyncio.create_task(fill())
        try:
            started = time.monotonic()
            while not filling.done() or total + len(finished) < len(under_way):
                await asyncio.wait([*tasks, filling], timeout=0.02, return_when=asyncio.FIRST_EXCEPTION)
                for task in (*tasks, filling):
                    if task.done():
                        task.result()  # a full disk, or a mistake of ours: not to be swallowed
                if time.monotonic() - started >= COMMIT_EVERY:
                    commit(catalog)
                    started = time.monotonic()
        finally:
            for task in (*tasks, filling):
                task.cancel()
            await asyncio.gather(*tasks, filling, return_exceptions=True)
            commit(catalog)
            await fetcher.client.aclose()
    return total


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc
    except ValueError:  # "http://[": the fetcher will say so
        return ""
