"""The crawl stage: search engines in some threads, and download what they find in another."""

import os
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.forecast import emotion_progress
from btfer_builder.catalog.intentions import ERASED, is_intended
from btfer_builder.catalog.manifests import write_manifests
from btfer_builder.catalog.searches import QueryCell
from btfer_builder.config import CrawlRecipe, SourceRecipe
from btfer_builder.crawl.canary import EngineCheck, check_engine
from btfer_builder.crawl.discover import discover_listed, discover_searches
from btfer_builder.crawl.download import CrawlCounts, download
from btfer_builder.crawl.engine_queue import EngineQueue
from btfer_builder.crawl.engines import SEARCH_ENGINES
from btfer_builder.crawl.engines.own_sources import own_source
from btfer_builder.crawl.engines.urls import ListOptions
from btfer_builder.crawl.plan import EnginePlan, plan_crawl
from btfer_builder.crawl.rate_limit import Clock
from btfer_builder.crawl.reach import require_network
from btfer_builder.crawl.targets import Targets, most_fruitful_first, sample_targets
from btfer_builder.errors import BtferError
from btfer_builder.io.terminal import echo_stderr
from btfer_builder.io.text import counted
from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.queries.phrases import Query
from btfer_builder.queries.plan import interleaved
from btfer_builder.reconcile import finish_erasure, writing
from btfer_builder.workspace import Workspace


def crawl(
    workspace: Workspace,
    recipe: CrawlRecipe,
    queries: Sequence[Query],
    emotions: tuple[Emotion, ...],
    path: Path | None = None,
    *,
    list_options: ListOptions | None = None,
    clock: Clock | None = None,
    source: SourceRecipe | None = None,
) -> int:
    """Search the recipe's engines for the queries and download the results (§2, stage 1).

    A second crawl continues the first: a search continues at the page where it stopped, and no URL is fetched twice
    unless it failed temporarily.

    Parameters
    ----------
    workspace, recipe
        Workspace and settings.
    queries
        Queries for the search engines.
    emotions
        Emotions that are read from a list or folder.
    path
        List of the `urls` engine, or folder of the `folder` engine.
    list_options
        How to read the list of the `urls` engine.
    clock
        The time of the engines' limits; a simulation has its own.
    source
        What is true of the pictures of the `folder` engine.

    Returns
    -------
    int
        Number of requested files, kept or not.

    Raises
    ------
    BtferError
        If no engine can be reached, a search failed (everything else is done and committed), or the disk is full.
    """
    listed = [engine for engine in recipe.engine if engine not in SEARCH_ENGINES]
    if listed and (path is None or len(listed) > 1):
        raise BtferError(f"engine {listed[0]} reads one list or folder: name it with --path")
    if path is not None and not listed:
        raise BtferError("--path is for the engines urls and folder: name one with --engine")
    own = own_source(source or SourceRecipe())
    check_engines(recipe)
    if queries:
        require_network(recipe)
    if not recipe.contact and any(
        name not in recipe.engine_url and name not in listed for name in recipe.engine
    ):
        echo_stderr(
            "No contact is set: hosts that object to the crawl can only block it. Set yours with --contact"
        )
    catalog, stop, counts = workspace.catalog, threading.Event(), CrawlCounts()
    with workspace.stage("crawl"), catalog.run("crawl", recipe) as numbers:
        queries, targets = _ordered(catalog, queries, recipe)
        for line in plan_crawl(catalog, queries, recipe, clock):
            if line.days > 1:
                counts.forecast = f"{line.engine}: about {line.duration}"
                echo_stderr(
                    f"{line.engine}: {counted(line.requests, 'request')} for {counted(line.phrases, 'phrase')} will "
                    f"take about {line.duration} at its limits; crawl again each day to go on. Any part of the crawl "
                    "is balanced"
                )
        for engine in listed:
            assert path is not None  # noqa: S101 - checked above
            discover_listed(catalog, engine, path, emotions, list_options or ListOptions(), own)
        with writing(workspace, "crawl", "data/images"):
            with ThreadPoolExecutor(1) as thread:
                discovery = thread.submit(
                    discover_searches, catalog, queries, recipe, stop, counts, clock, targets
                )
                try:
                    numbers["fetched"] = download(
                        workspace, recipe, recipe.engine, discovery.done, counts, targets
                    )
                finally:
                    stop.set()
            engine_queues = discovery.result()
            write_manifests(catalog, workspace.manifests, "candidates", "images")
            if is_intended(catalog, ERASED):  # the file of one that was taken down, at other addresses
                finish_erasure(workspace)
    _raise_failures(engine_queues)
    return int(numbers["fetched"])


def plan(
    workspace: Workspace, recipe: CrawlRecipe, queries: Sequence[Query], clock: Clock | None = None
) -> list[EnginePlan]:
    """Return what a crawl would ask each search engine; nothing is requested."""
    ordered, _ = _ordered(workspace.catalog, queries, recipe)
    return plan_crawl(workspace.catalog, ordered, recipe, clock)


def _ordered(catalog: Catalog, queries: Sequence[Query], recipe: CrawlRecipe) -> tuple[list[Query], Targets]:
    """Return the queries that are worth asking, in their order, and when there is enough."""
    targets = Targets(recipe.target)
    if recipe.for_sample:
        targets = sample_targets(catalog, emotion_progress(catalog), recipe.for_sample)
        full = [emotion for emotion in EMOTIONS if not targets.of(QueryCell(emotion, None, None, None))]
        if full:
            echo_stderr(
                f"enough for {counted(recipe.for_sample, 'face')} a class once reviewed: {', '.join(full)}"
            )
        queries = [query for query in queries if query.emotion not in full]
    ordered = interleaved(queries)
    return (most_fruitful_first(catalog, ordered) if targets else ordered), targets


def ask_engines(recipe: CrawlRecipe) -> list[EngineCheck]:
    """Send one known query to each search engine of a recipe and check its answer; nothing is stored.

    Raises
    ------
    BtferError
        If a requirement of an engine is not met; see `check_engines`.
    """
    check_engines(recipe)
    return [check_engine(name, recipe) for name in dict.fromkeys(recipe.engine) if name in SEARCH_ENGINES]


def check_engines(recipe: CrawlRecipe) -> None:
    """Check the requirements of a recipe's engines before anything is requested.

    Raises
    ------
    BtferError
        If a key is missing, an engine does not support a setting, or a setting cannot be sent.
    """
    if not (recipe.contact.isascii() and recipe.contact.isprintable()):
        raise BtferError(f"contact: {recipe.contact!r} cannot be sent to hosts; expected ASCII letters only")
    if unknown := set(recipe.engine_url) - set(SEARCH_ENGINES):
        raise BtferError(f"engine_url: {sorted(unknown)[0]!r} is not one of {', '.join(SEARCH_ENGINES)}")
    for engine in (SEARCH_ENGINES[name] for name in recipe.engine if name in SEARCH_ENGINES):
        if engine.needs_contact and not recipe.contact and engine.name not in recipe.engine_url:
            raise BtferError(
                f"engine {engine.name} asks programs to say who runs them, and limits others to a few requests: set "
                "your e-mail address or web page with --contact"
            )
        if engine.key and not os.environ.get(engine.key):
            raise BtferError(f"engine {engine.name} needs a key: set the environment variable {engine.key}")
        if recipe.license and not engine.states_license and "unknown" not in recipe.license:
            able = ", ".join(name for name, known in SEARCH_ENGINES.items() if known.states_license)
            raise BtferError(f"engine {engine.name} does not state licences: with --license, use {able}")


def _raise_failures(queues: Sequence[EngineQueue]) -> None:
    failures = [failure for queue in queues for failure in queue.failures]
    if not failures:
        return
    search, error = failures[0]
    skipped = "".join(
        f"{queue.skipped} more were not sent to {queue.engine.name}: {queue.closed}. "
        for queue in queues
        if queue.skipped
    )
    raise BtferError(
        f"{counted(len(failures), 'search', 'searches')} failed. The first: {search.engine}, {search.query!r}: {error}"
        f". {skipped}"
        "The results of the others are kept; crawl again to continue the failed ones"
    )
