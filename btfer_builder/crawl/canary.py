"""The canary: put one known query to each engine and see whether its answer can still be read."""

import threading
from dataclasses import asdict, dataclass

from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.discover import CANARY, page_pause, page_session
from btfer_builder.crawl.engines import SEARCH_ENGINES
from btfer_builder.crawl.engines.base import Ask, SearchError, search_pages
from btfer_builder.crawl.rate_limit import RateLimiter


@dataclass(frozen=True)
class EngineCheck:
    """What came of the known query; `complete` are the results with page and title, `licensed` with a licence."""

    engine: str
    ok: bool
    results: int
    complete: int
    licensed: int
    error: str

    def to_dict(self) -> dict[str, object]:
        """Return the form of `btfer crawl --check --json`."""
        return asdict(self)


def check_engine(name: str, recipe: CrawlRecipe) -> EngineCheck:
    """Ask an engine for one page of a query it must have results for; nothing is fetched or written down.

    Parameters
    ----------
    name
        One of `SEARCH_ENGINES`.
    recipe
        Its base URL and contact; the licences are left out, so that the answer depends on the engine alone.
    """
    engine = SEARCH_ENGINES[name]
    session = page_session(engine, recipe, RateLimiter(page_pause(engine, recipe)), threading.Event())
    session.headers["Accept-Language"] = "en"
    found, error = [], ""
    try:
        pages = search_pages(
            engine,
            Ask(CANARY, "en"),
            session,
            limit=engine.feeder.page_size,
            base_url=recipe.engine_url.get(name),
        )
        found = [candidate for page in pages for candidate in page.candidates]
    except SearchError as failure:
        error = str(failure)
    finally:
        session.close()
    if not found and not error:
        error = f"nothing found for {CANARY!r}"
    return EngineCheck(
        engine=name,
        ok=not error,
        results=len(found),
        complete=sum(bool(candidate.page_url and candidate.title) for candidate in found),
        licensed=sum(candidate.license != "unknown" for candidate in found),
        error=error,
    )
