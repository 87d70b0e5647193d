"""What a crawl still has to ask: phrases, requests and days for each engine, known before anything is asked."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from btfer_builder.catalog import Catalog
from btfer_builder.catalog.searches import DAY, SearchProgress, all_progress
from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.engine_access import EngineAccess, Limits
from btfer_builder.crawl.engines import SEARCH_ENGINES
from btfer_builder.crawl.engines.base import SearchEngine
from btfer_builder.crawl.rate_limit import Clock
from btfer_builder.crawl.ssrf_guard import is_loopback
from btfer_builder.queries.phrases import Query
from btfer_builder.records import Search

#: A phrase that finds less is asked again with fewer words, if the engine finds only what has all of them.
HANDFUL = 5


@dataclass(frozen=True)
class PlannedSearch:
    """A search and the phrases to ask: its own, then those with fewer words for an engine that needs them."""

    search: Search
    phrases: tuple[str, ...]

    def is_done(self, progress: SearchProgress, per_query: int) -> bool:
        """Return whether nothing is left to ask."""
        return progress.requested >= per_query and not self.needs_fewer_words(progress, per_query)

    def needs_fewer_words(self, progress: SearchProgress, per_query: int) -> bool:
        """Return whether a phrase that was asked to its end found too little, and there is another."""
        return progress.found < min(HANDFUL, per_query) and progress.simplification + 1 < len(self.phrases)


@dataclass(frozen=True)
class EnginePlan:
    """What one engine will be asked: phrases, result pages, most pages a day (None: no limit), and days."""

    engine: str
    phrases: int
    requests: int
    per_day: int | None
    seconds: float

    @property
    def days(self) -> float:
        """Return the least number of days, of 24 hours each."""
        return self.seconds / DAY

    @property
    def duration(self) -> str:
        """Return the time as text."""
        for unit, length in (("days", DAY), ("hours", 3600.0), ("minutes", 60.0)):
            if self.seconds >= length:
                return f"{self.seconds / length:.1f} {unit}"
        return f"{self.seconds:.0f} seconds"

    def to_dict(self) -> dict[str, object]:
        """Return the form of `btfer crawl --plan --json`."""
        fields = asdict(self)
        fields.pop("seconds")
        return fields | {"days": round(self.days, 3)}


def planned_searches(
    catalog: Catalog, engine: SearchEngine, queries: Sequence[Query], per_query: int
) -> list[PlannedSearch]:
    """Return the searches of an engine that earlier crawls did not finish, in the order of the queries."""
    progress = all_progress(catalog, engine.name)
    planned = (
        PlannedSearch(_search(engine.name, query), (query.query, *(query.fewer if engine.all_words else ())))
        for query in queries
    )
    return [
        item
        for item in planned
        if not item.is_done(
            progress.get((item.search.query, item.search.emotion), SearchProgress()), per_query
        )
    ]


def plan_crawl(
    catalog: Catalog, queries: Sequence[Query], recipe: CrawlRecipe, clock: Clock | None = None
) -> list[EnginePlan]:
    """Return what each search engine of a recipe will be asked; nothing is requested.

    Requests are those of phrases that bring as many results as wanted. A phrase with fewer results needs fewer, or one
    or two more when it is asked again with fewer words.
    """
    plans = []
    for engine in (SEARCH_ENGINES[name] for name in dict.fromkeys(recipe.engine) if name in SEARCH_ENGINES):
        progress = all_progress(catalog, engine.name)
        planned = planned_searches(catalog, engine, queries, recipe.per_query)
        asked = [
            progress.get((item.search.query, item.search.emotion), SearchProgress()).requested
            for item in planned
        ]
        requests = sum(pages(engine, done, recipe.per_query) for done in asked)
        access = engine_access(engine, recipe, catalog, clock)
        limits = access.limits
        seconds = limits.seconds(requests, access.left)
        plans.append(EnginePlan(engine.name, len(planned), requests, limits.per_day or None, seconds))
    return plans


def pages(engine: SearchEngine, asked: int, per_query: int) -> int:
    """Return how many result pages are missing to have asked for so many results."""
    size, last = engine.feeder.page_size, min(per_query, engine.max_results)
    return max(1, -(-last // size) - asked // size)


def requests_per_day(catalog: Catalog, recipe: CrawlRecipe) -> float:
    """Return how many result pages the search engines of a recipe allow in a day, all together."""
    names = [name for name in dict.fromkeys(recipe.engine) if name in SEARCH_ENGINES]
    return sum(engine_access(SEARCH_ENGINES[name], recipe, catalog).limits.daily for name in names)


def engine_access(
    engine: SearchEngine, recipe: CrawlRecipe, catalog: Catalog | None = None, clock: Clock | None = None
) -> EngineAccess:
    """Return how an engine may be asked with a recipe: without limits on loopback, and with the user's account.

    Credentials are sent to the engine itself only, never to an address of `engine_url`.
    """
    url = recipe.engine_url.get(engine.name)
    if url is not None and _is_here(url):
        return EngineAccess(engine.name, Limits(0.0), clock=clock)
    credentials = engine.account.credentials(clock) if engine.account and url is None else None
    return EngineAccess(
        engine.name, engine.limits, credentials, catalog, least_pause=recipe.query_delay, clock=clock
    )


def account_hint(engine: SearchEngine, access: EngineAccess) -> str:
    """Return how to have more requests a day, if a registered user has."""
    if not engine.account or access.credentials or os.environ.get(engine.account.token):
        return ""
    limits = engine.account.limits
    return f" ({limits.per_day:,} a day with {engine.account.client_id} and {engine.account.client_secret})"


def _is_here(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:  # "http://[": the request reports it
        return False


def _search(engine: str, query: Query) -> Search:
    return Search(
        engine=engine,
        query=query.query,
        language=query.language,
        emotion=query.emotion,
        query_ethnicity=query.query_ethnicity,
        query_gender=query.query_gender,
        query_age=query.query_age,
        expression=query.expression,
    )
