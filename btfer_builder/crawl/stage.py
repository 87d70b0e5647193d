"""The crawl stage: engines are asked in one thread while the files already found are fetched in another."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from btfer_builder.catalog.manifests import write_manifests
from btfer_builder.crawl.discover import discover_listed, discover_searches
from btfer_builder.crawl.download import download
from btfer_builder.crawl.engines import SEARCH_ENGINES
from btfer_builder.emotions import Emotion
from btfer_builder.errors import BtferError
from btfer_builder.queries.phrases import Query
from btfer_builder.recipe import CrawlRecipe
from btfer_builder.workspace import Workspace


def crawl(
    workspace: Workspace,
    recipe: CrawlRecipe,
    queries: Sequence[Query],
    emotions: tuple[Emotion, ...],
    path: Path | None = None,
) -> int:
    """Ask the recipe's engines for the queries and fetch what they find (§2, stage 1).

    A second crawl goes on where the first was: searches that worked are not asked again and no URL is fetched
    twice.

    Parameters
    ----------
    workspace, recipe
        Where and how.
    queries
        What search engines are asked.
    emotions
        What is taken of a list or folder.
    path
        The list of the `urls` engine or the folder of the `folder` engine.

    Returns
    -------
    int
        Number of files fetched, kept or not.

    Raises
    ------
    BtferError
        If a search failed, everything else being done and committed by then; or if the disk is full.
    """
    listed = [engine for engine in recipe.engine if engine not in SEARCH_ENGINES]
    if listed and (path is None or len(listed) > 1):
        raise BtferError(f"engine {listed[0]} reads one list or folder: say which with --path")
    if path is not None and not listed:
        raise BtferError("--path is what the engines urls and folder read: name one with --engine")
    if not (recipe.contact.isascii() and recipe.contact.isprintable()):
        raise BtferError(f"contact: {recipe.contact!r} cannot be sent to hosts; expected ASCII letters only")
    if unknown := set(recipe.engine_url) - set(SEARCH_ENGINES):
        raise BtferError(f"engine_url: {sorted(unknown)[0]!r} is none of {', '.join(SEARCH_ENGINES)}")
    catalog, stop = workspace.catalog, threading.Event()
    with workspace.stage("crawl"), catalog.run("crawl", recipe) as counts:
        for engine in listed:
            assert path is not None  # noqa: S101 - checked above
            discover_listed(catalog, engine, path, emotions)
        with ThreadPoolExecutor(1) as thread:
            discovery = thread.submit(discover_searches, catalog, queries, recipe, stop)
            try:
                counts["fetched"] = download(workspace, recipe, recipe.engine, discovery.done)
            finally:
                stop.set()
        failures = discovery.result()
        write_manifests(catalog, workspace.manifests, "candidates", "images")
    if failures:
        search, error = failures[0]
        raise BtferError(
            f"{len(failures)} searches failed. The first: {search.engine}, {search.query!r}: {error}. "
            "What the others found is kept; crawl again to repeat only the failed ones"
        )
    return int(counts["fetched"])
