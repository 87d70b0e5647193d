"""A web to crawl, a workspace to crawl into, and one crawl of it."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from btfer_builder.config import CrawlRecipe, override
from btfer_builder.crawl.engines.bing import BingFeeder
from btfer_builder.crawl.stage import crawl
from btfer_builder.labels import EMOTIONS, Emotion
from btfer_builder.queries.phrases import Query
from btfer_builder.workspace import Workspace, create_workspace
from tests.crawl.crawl_web import Web, serve


@pytest.fixture(autouse=True)
def _pages_of_twenty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Bing, which many tests ask for any engine, send small pages."""
    monkeypatch.setattr(BingFeeder, "page_size", 20)


@pytest.fixture
def web() -> Iterator[Web]:
    with serve() as web:
        yield web


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return create_workspace(tmp_path / "faces")


@pytest.fixture
def recipe(web: Web) -> CrawlRecipe:
    """Return a recipe that asks the test's own search engine and has no patience."""
    return CrawlRecipe(
        engine=("bing",),
        engine_url={"bing": web.search_url},
        per_query=40,
        query_delay=0,
        timeout=5,
        max_bytes=1_000_000,
        allow_private_hosts=True,
    )


@pytest.fixture
def run_crawl(workspace: Workspace, recipe: CrawlRecipe) -> Callable[..., int]:
    """Return a function that crawls for the phrases, each with its emotion; keywords are settings of the recipe."""

    def run(
        *phrases: str | tuple[str, Emotion],
        path: Path | None = None,
        emotions: Sequence[Emotion] = EMOTIONS,
        **settings: Any,
    ) -> int:
        queries = [_query(phrase) for phrase in phrases]
        return crawl(workspace, override(recipe, **settings), queries, tuple(emotions), path)

    return run


def _query(phrase: str | tuple[str, Emotion]) -> Query:
    text, emotion = (phrase, "happy") if isinstance(phrase, str) else phrase
    return Query(text, "en", emotion, "latino", "female", "adult", emotion)
