"""The crawl stage: engines are asked in some threads while the files already found are fetched in another."""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from btfer_builder.catalog.manifests import write_manifests
from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.counts import Counts
from btfer_builder.crawl.discover import EngineQueue, discover_listed, discover_searches
from btfer_builder.crawl.download import download
from btfer_builder.crawl.engines import SEARCH_ENGINES
from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.labels import Emotion
from btfer_builder.queries.phrases import Query
from btfer_builder.workspace import Workspace


def crawl(
    workspace: Workspace,
    recipe: CrawlRecipe,
    queries: Sequence[Query],
    emotions: tuple[Emotion, ...],
    path: Path | None = None,
) -> int:
    """Ask the recipe's engines for the queries and fetch what they find (§2, stage 1).

    A second crawl goes on where the first was: a search goes on at the page where it was, and no URL is fetched
    twice, unless it failed for a passing reason.

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
        Number of files that were asked for, kept or not.

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
    check_engines(recipe)
    if not recipe.contact and any(
        name not in recipe.engine_url and name not in listed for name in recipe.engine
    ):
        echo_stderr("No contact is set: whoever minds the crawl can only block it. Give yours with --contact")
    catalog, stop, counts = workspace.catalog, threading.Event(), Counts()
    with workspace.stage("crawl"), catalog.run("crawl", recipe) as numbers:
        for engine in listed:
            assert path is not None  # noqa: S101 - checked above
            discover_listed(catalog, engine, path, emotions)
        with ThreadPoolExecutor(1) as thread:
            discovery = thread.submit(discover_searches, catalog, queries, recipe, stop, counts)
            try:
                numbers["fetched"] = download(workspace, recipe, recipe.engine, discovery.done, counts)
            finally:
                stop.set()
        asked = discovery.result()
        write_manifests(catalog, workspace.manifests, "candidates", "images")
    _say_failures(asked)
    return int(numbers["fetched"])


def check_engines(recipe: CrawlRecipe) -> None:
    """Check what the engines of a recipe need before anything is asked.

    Raises
    ------
    BtferError
        If a key is missing, an engine cannot answer what is asked, or a setting cannot be sent.
    """
    if not (recipe.contact.isascii() and recipe.contact.isprintable()):
        raise BtferError(f"contact: {recipe.contact!r} cannot be sent to hosts; expected ASCII letters only")
    if unknown := set(recipe.engine_url) - set(SEARCH_ENGINES):
        raise BtferError(f"engine_url: {sorted(unknown)[0]!r} is none of {', '.join(SEARCH_ENGINES)}")
    for engine in (SEARCH_ENGINES[name] for name in recipe.engine if name in SEARCH_ENGINES):
        if engine.key and not os.environ.get(engine.key):
            raise BtferError(
                f"engine {engine.name} needs a key: put yours into the environment as {engine.key}"
            )
        if recipe.license and not engine.states_license and "unknown" not in recipe.license:
            able = ", ".join(other.name for other in SEARCH_ENGINES.values() if other.states_license)
            raise BtferError(
                f"engine {engine.name} does not say under which licence a picture is: with --license ask {able}"
            )


def _say_failures(asked: Sequence[EngineQueue]) -> None:
    failures = [failure for engine in asked for failure in engine.failures]
    if not failures:
        return
    search, error = failures[0]
    left = "".join(
        f"{engine.left} more were not put to {engine.engine.name}: {engine.closed}. "
        for engine in asked
        if engine.left
    )
    raise BtferError(
        f"{len(failures)} searches failed. The first: {search.engine}, {search.query!r}: {error}. {left}"
        "What the others found is kept; crawl again to go on with the failed ones"
    )
