"""Canary test of an engine: send one known query and check that its result page can be parsed."""

import threading
from dataclasses import asdict, dataclass

from btfer_builder.config import CrawlRecipe
from btfer_builder.crawl.discover import CANARY, page_session
from btfer_builder.crawl.engine_access import BudgetSpentError
from btfer_builder.crawl.engines import SEARCH_ENGINES
from btfer_builder.crawl.engines.base import SearchError, SearchRequest, search_pages
from btfer_builder.crawl.plan import engine_access


@dataclass(frozen=True)
class EngineCheck:
    """Outcome of the known query; `complete` results have page and title, `licensed` results a licence."""

    engine: str
    ok: bool
    results: int
    complete: int
    licensed: int
    error: str

    def to_dict(self) -> dict[str, object]:
        """Return the output of `btfer crawl --check --json`."""
        return asdict(self)


def check_engine(name: str, recipe: CrawlRecipe) -> EngineCheck:
    """Request one page of a query that must have results; nothing is downloaded or stored.

    Parameters
    ----------
    name
        Key of `SEARCH_ENGINES`.
    recipe
        Base URL and contact; the licences are ignored, so that the result depends on the engine only.
    """
    engine = SEARCH_ENGINES[name]
    session = page_session(engine, recipe, engine_access(engine, recipe), threading.Event())
    session.headers["Accept-Language"] = "en"
    candidates, error = [], ""
    try:
        pages = search_pages(
            engine,
            SearchRequest(CANARY, "en"),
            session,
            limit=engine.feeder.page_size,
            base_url=recipe.engine_url.get(name),
        )
        candidates = [candidate for page in pages for candidate in page.candidates]
    except (SearchError, BudgetSpentError) as failure:
        error = str(failure)
    finally:
        session.close()
    if not candidates and not error:
        error = f"nothing found for {CANARY!r}"
    return EngineCheck(
        engine=name,
        ok=not error,
        results=len(candidates),
        complete=sum(bool(candidate.page_url and candidate.title) for candidate in candidates),
        licensed=sum(candidate.license != "unknown" for candidate in candidates),
        error=error,
    )
