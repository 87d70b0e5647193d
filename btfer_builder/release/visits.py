"""Visit addresses as a crawl does: politely, safely, many hosts at a time but each at its pace."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp

from btfer_builder.crawl.fetch import Fetched, Fetcher, open_fetcher
from btfer_builder.crawl.politeness import Turns
from btfer_builder.progress import bar
from btfer_builder.recipe import CrawlRecipe

#: The largest web page that is read, in bytes.
PAGE_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class Visit:
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
    visits: Sequence[Visit],
    root: Path,
    recipe: CrawlRecipe,
    done: Callable[[Visit, Fetched | str | None], None],
    description: str,
) -> None:
    """Visit every address once and tell `done` what came of each, as it comes.

    Parameters
    ----------
    visits
        The addresses.
    root
        Pictures are fetched into `root/data/images`.
    recipe
        How hosts are spared, and within which bounds.
    done
        Told the fate of a picture; the text of a page, or None if it could not be read.
    description
        What the progress bar says.
    """
    asyncio.run(_visit(visits, root, recipe, done, description))


async def _visit(
    visits: Sequence[Visit],
    root: Path,
    recipe: CrawlRecipe,
    done: Callable[[Visit, Fetched | str | None], None],
    description: str,
) -> None:
    fetcher = open_fetcher(root, recipe)
    turns: Turns[Visit] = Turns(recipe)
    for one in visits:
        turns.add(one)
    left = len(visits)
    tries: dict[Visit, int] = {}

    async def work() -> None:
        nonlocal left
        while True:
            one = await turns.take()
            answer: Fetched | str | None = None
            answered, pause = True, None
            try:
                if one.page:
                    answer, answered = await _page(fetcher, one.url)
                else:
                    fetched = await fetcher.fetch(one.url)
                    answer, pause = fetched, fetched.pause
                    answered = fetched.fate.http_status is not None
            finally:
                turns.done(one, answered=answered)
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


async def _page(fetcher: Fetcher, url: str) -> tuple[str | None, bool]:
    """Return the text of a web page, and whether its host answered; robots.txt and private addresses are minded."""
    recipe = fetcher.recipe
    try:
        async with asyncio.timeout(recipe.deadline):
            if await fetcher.robots.refusal(url):
                return None, True
            headers = {"Accept": "text/html"}
            async with fetcher.session.get(
                url, headers=headers, max_redirects=5, auto_decompress=True
            ) as response:
                if response.status != 200:
                    return None, True
                content = b""
                async for chunk in response.content.iter_any():
                    content += chunk
                    if len(content) >= PAGE_BYTES:
                        response.close()
                        break
                return content[:PAGE_BYTES].decode("utf-8", "replace"), True
    except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
        return None, False
