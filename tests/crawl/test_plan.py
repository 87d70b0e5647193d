"""A crawl can be planned: its requests and days are known before, kept within, and any part of it is balanced."""

import json
import tempfile
import threading
from collections import Counter, deque
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from btfer_builder.cli.main import main
from btfer_builder.config import CrawlRecipe, QueriesRecipe, override
from btfer_builder.crawl.discover import discover_searches
from btfer_builder.crawl.download import CrawlCounts
from btfer_builder.crawl.engine_access import Limits, granted_limits
from btfer_builder.crawl.engines import SEARCH_ENGINES
from btfer_builder.crawl.plan import plan_crawl
from btfer_builder.crawl.stage import crawl
from btfer_builder.labels import EMOTIONS
from btfer_builder.queries.phrases import Query
from btfer_builder.queries.plan import default_vocabulary, interleaved, plan_queries
from btfer_builder.workspace import create_workspace
from tests.crawl.openverse_simulation import DAY, SimulatedClock, serve_openverse

GRID = interleaved(plan_queries(default_vocabulary(), QueriesRecipe()))
EMOTION_OF = {query.query: query.emotion for query in GRID}
#: A grid of six of the cells with all words of all emotions in both languages: several days, in a second.
SMALL_GRID = interleaved(
    plan_queries(
        default_vocabulary(), QueriesRecipe(ethnicity=("black",), age=("adult", "elderly", "middle-aged"))
    )
)
RECIPE = CrawlRecipe(engine=("openverse",), concurrent_searches=1, query_delay=0, per_query=40)
PAGES = 2  # of a phrase


@pytest.fixture
def openverse(monkeypatch):
    """Serve a simulated Openverse in the place of the real one, with the limits of the real one."""
    for name in ("OPENVERSE_TOKEN", "OPENVERSE_CLIENT_ID", "OPENVERSE_CLIENT_SECRET"):
        monkeypatch.delenv(name, raising=False)
    with serve_openverse(SimulatedClock()) as service:
        engine = SEARCH_ENGINES["openverse"]
        account = replace(engine.account, token_url=service.token_url)
        monkeypatch.setitem(
            SEARCH_ENGINES, "openverse", replace(engine, base_url=service.search_url, account=account)
        )
        yield service


@pytest.fixture
def workspace(tmp_path):
    """Create a workspace in memory where that is possible: thousands of requests are committed one by one."""
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as folder:
        yield create_workspace(Path(folder) / "faces")


@pytest.fixture
def discover(openverse, workspace):
    """Return a function that does the searches of one crawl, as `btfer crawl` would, without the downloads."""

    def run(queries=GRID, **changes):
        recipe = override(RECIPE, **changes)
        counts = CrawlCounts()
        return discover_searches(
            workspace.catalog, queries, recipe, threading.Event(), counts, openverse.clock
        )

    return run


def largest_difference(emotions):
    """Return the largest difference between the counts of two emotions over all beginnings."""
    counts, worst = Counter(dict.fromkeys(EMOTIONS, 0)), 0
    for emotion in emotions:
        counts[emotion] += 1
        worst = max(worst, max(counts.values()) - min(counts.values()))
    return worst


def test_the_plan_of_the_whole_grid(openverse, workspace, monkeypatch):
    requests = len(GRID) * PAGES
    (plan,) = plan_crawl(workspace.catalog, GRID, RECIPE, openverse.clock)
    assert (plan.phrases, plan.requests, plan.per_day) == (len(GRID), requests, 200)
    assert plan.days == pytest.approx(requests / 200 - 1 + 200 * 3 / DAY), "the first 200 take ten minutes"
    monkeypatch.setenv("OPENVERSE_CLIENT_ID", "me")
    monkeypatch.setenv("OPENVERSE_CLIENT_SECRET", "geheim")
    (plan,) = plan_crawl(workspace.catalog, GRID, RECIPE, openverse.clock)
    assert (plan.requests, plan.per_day) == (requests, 10_000)
    assert plan.days == pytest.approx(requests * 0.63 / DAY)


def test_a_grid_without_an_account_takes_the_days_of_the_plan(openverse, workspace, discover, capfd):
    (plan,) = plan_crawl(workspace.catalog, SMALL_GRID, RECIPE, openverse.clock)
    assert plan.requests == len(SMALL_GRID) * PAGES == 2 * 200 + 104
    assert plan.days == pytest.approx(2 + 104 * 3 / DAY)
    started, closed = openverse.clock.now, "not begun"
    while closed:
        (queue,) = discover(SMALL_GRID)
        assert queue.failures == []
        if closed := queue.closed:
            assert "its 200 requests for 24 hours are used up; it can be asked again at" in closed
            openverse.clock.now += DAY - 600  # the same time on the next day
    assert openverse.refused == {}, "the service never has to refuse"
    assert len(openverse.searched) == plan.requests
    days = (openverse.clock.now - started) / DAY
    assert plan.days <= days <= plan.days + 1
    assert largest_difference(EMOTION_OF[phrase] for phrase, page in openverse.pages if page == 1) == 1
    assert largest_difference(EMOTION_OF[phrase] for phrase in openverse.searched) == PAGES, (
        "one phrase's pages"
    )
    assert "10,000 a day with OPENVERSE_CLIENT_ID" in capfd.readouterr().err


def test_with_an_account_a_grid_takes_minutes(openverse, workspace, discover, monkeypatch):
    monkeypatch.setenv("OPENVERSE_CLIENT_ID", "me")
    monkeypatch.setenv("OPENVERSE_CLIENT_SECRET", "geheim")
    (plan,) = plan_crawl(workspace.catalog, SMALL_GRID, RECIPE, openverse.clock)
    started = openverse.clock.now
    (queue,) = discover(SMALL_GRID)
    assert (queue.failures, queue.closed) == ([], "")
    assert openverse.refused == {}
    assert len(openverse.searched) == plan.requests
    assert openverse.clock.now - started == pytest.approx(plan.requests * 0.63, rel=0.1)


def test_a_token_is_renewed_before_it_ends_and_when_it_is_not_known(openverse, discover, monkeypatch):
    monkeypatch.setenv("OPENVERSE_CLIENT_ID", "me")
    monkeypatch.setenv("OPENVERSE_CLIENT_SECRET", "geheim")
    discover(GRID[:2])
    assert list(openverse.tokens) == ["token0"]
    openverse.tokens["token0"] = 0.0  # revoked
    (queue,) = discover(GRID[2:4])
    assert (queue.failures, list(openverse.tokens)) == ([], ["token0", "token1"])
    assert all(header["Authorization"].startswith("Bearer token") for header in openverse.headers)
    assert not any("Referer" in header for header in openverse.headers)


def test_a_short_token_is_not_fetched_for_every_request(openverse, discover, monkeypatch):
    monkeypatch.setenv("OPENVERSE_CLIENT_ID", "me")
    monkeypatch.setenv("OPENVERSE_CLIENT_SECRET", "geheim")
    openverse.token_seconds = 60
    discover(GRID[:10])
    assert len(openverse.searched) == 20
    assert list(openverse.tokens) == ["token0"], "it is good for half a minute"


def test_a_renewal_that_fails_for_a_moment_is_tried_again(openverse, discover, monkeypatch):
    monkeypatch.setenv("OPENVERSE_CLIENT_ID", "me")
    monkeypatch.setenv("OPENVERSE_CLIENT_SECRET", "geheim")
    openverse.failing_tokens = 2
    (queue,) = discover(GRID[:1])
    assert (queue.failures, len(openverse.searched), list(openverse.tokens)) == ([], 2, ["token0"])


def test_wrong_credentials_are_named_and_not_told(openverse, discover, monkeypatch):
    monkeypatch.setenv("OPENVERSE_CLIENT_ID", "me")
    monkeypatch.setenv("OPENVERSE_CLIENT_SECRET", "falsch")
    (queue,) = discover(GRID[:1])
    ((_, error),) = queue.failures
    assert "HTTP 401" in error
    assert "check OPENVERSE_CLIENT_ID and OPENVERSE_CLIENT_SECRET" in error
    assert "falsch" not in error
    assert openverse.searched == []


def test_a_token_that_is_taken_for_anonymous_is_told_and_the_anonymous_limits_hold(
    openverse, workspace, discover, monkeypatch, capfd
):
    monkeypatch.setenv("OPENVERSE_CLIENT_ID", "me")
    monkeypatch.setenv("OPENVERSE_CLIENT_SECRET", "geheim")
    openverse.forgets_accounts = True
    (queue,) = discover()
    assert "openverse: the account is not recognized" in capfd.readouterr().err
    assert "its 200 requests for 24 hours" in queue.closed
    assert openverse.refused[429] <= 1
    assert 199 <= len(openverse.searched) <= 200


def test_requests_of_an_earlier_crawl_count_and_come_back_one_by_one(openverse, discover):
    discover(GRID[:75])
    assert len(openverse.searched) == 150
    openverse.clock.now += DAY / 2
    (queue,) = discover()
    assert len(openverse.searched) == 200
    assert queue.closed
    openverse.clock.now += DAY / 2
    discover()
    assert len(openverse.searched) == 350, "those of the first crawl are a day old, the other fifty are not"


def test_requests_of_a_clock_that_was_years_ahead_block_nothing(openverse, discover):
    now = openverse.clock.now
    openverse.clock.now += 4 * 365 * DAY
    (queue,) = discover()
    assert queue.closed
    openverse.clock.now = now
    openverse.history.clear()
    discover(GRID[100:101])
    assert len(openverse.searched) == 202


def test_what_others_at_this_address_have_used_is_no_failure(openverse, workspace, discover):
    (queue,) = discover(GRID[:1])
    for _ in range(195):
        openverse.history["anon_sustained"].append(openverse.clock.now)
    openverse.clock.now += 120
    (queue,) = discover(GRID[1:4])
    assert queue.failures == []
    assert "it can be asked again at" in queue.closed
    assert openverse.refused == {429: 1}


def test_a_phrase_that_finds_little_is_asked_with_fewer_words(openverse, workspace, discover):
    queries = [
        Query("elderly black woman with a neutral expression", "en", "neutral", "black", "female", "elderly",
              "with a neutral expression", ("black woman with a neutral expression", "black woman neutral")),
        Query("black man crying", "en", "sad", "black", "male", "adult", "crying"),
        Query("elderly white man crying", "en", "sad", "white", "male", "elderly", "crying", ("white man crying",)),
    ]  # fmt: skip
    numbers = {"elderly black woman with a neutral expression": 2, "black woman with a neutral expression": 1,
               "black woman neutral": 30, "elderly white man crying": 5}  # fmt: skip
    openverse.results_for = lambda phrase: numbers.get(phrase, 0)
    discover(queries, per_query=40)
    assert openverse.pages == [
        ("elderly black woman with a neutral expression", 1), ("black woman with a neutral expression", 1),
        ("black woman neutral", 1), ("black woman neutral", 2), ("black man crying", 1),
        ("elderly white man crying", 1),
    ]  # fmt: skip
    rows = workspace.catalog.rows(
        "SELECT query, query_age, expression, count(*) AS n FROM candidate_fates GROUP BY 1, 2, 3 ORDER BY 1"
    )
    assert [tuple(row) for row in rows] == [
        ("black woman neutral", "elderly", "with a neutral expression", 30),
        ("black woman with a neutral expression", "elderly", "with a neutral expression", 1),
        ("elderly black woman with a neutral expression", "elderly", "with a neutral expression", 2),
        ("elderly white man crying", "elderly", "crying", 5),
    ]
    before = len(openverse.pages)
    discover(queries, per_query=40)
    assert len(openverse.pages) == before, "what is finished stays finished"


def test_a_crawl_that_stopped_on_the_ladder_goes_on_there(openverse, workspace, discover):
    query = Query("elderly man sad", "en", "sad", "white", "male", "elderly", "sad", ("man sad",))
    openverse.results_for = lambda phrase: 0 if "elderly" in phrase else 100
    openverse.history["anon_sustained"] = deque([openverse.clock.now] * 198)
    discover([query], per_query=100)
    assert openverse.pages == [("elderly man sad", 1), ("man sad", 1)]
    openverse.clock.now += DAY
    discover([query], per_query=100)
    assert openverse.pages[2:] == [("man sad", page) for page in (2, 3, 4, 5)]


@pytest.mark.parametrize(
    ("headers", "limits"),
    [
        ({}, Limits(3.0, 200)),
        ({"X-RateLimit-Limit-anon_burst": "20/min", "X-RateLimit-Limit-anon_sustained": "200/day"}, Limits(3.15, 200)),
        ({"x-ratelimit-limit-enhanced_burst": "200/m", "x-ratelimit-limit-enhanced_sustained": "20000/d"},
         Limits(0.315, 20_000)),
        ({"X-RateLimit-Limit-x": "0/day", "X-RateLimit-Limit": "1, 15000"}, Limits(3.0, 200)),
        ({"X-RateLimit-Limit-a": "1/second", "X-RateLimit-Limit-b": "10/hour"}, Limits(378.0, 200)),
    ],
)  # fmt: skip
def test_the_limits_are_those_that_answers_state(headers, limits):
    granted = granted_limits(headers, Limits(3.0, 200))
    assert (granted.pause, granted.per_day) == (pytest.approx(limits.pause), limits.per_day)


def test_every_beginning_of_the_grid_is_balanced():
    assert largest_difference(query.emotion for query in GRID) == 1
    for emotion in EMOTIONS:
        languages, cells = Counter(en=0, es=0), Counter()
        for number, query in enumerate((query for query in GRID if query.emotion == emotion), 1):
            languages[query.language] += 1
            cells[query.query_ethnicity, query.query_gender, query.query_age] += 1
            assert languages["en"] - languages["es"] in {0, 1}
            assert max(cells.values()) - (min(cells.values()) if len(cells) == 50 else 0) <= 1
            assert len(cells) == min(number, 50)


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(GRID), unique=True, max_size=200), st.randoms())
def test_any_choice_of_queries_is_balanced_as_long_as_it_can_be(queries, random):
    ordered = interleaved(queries)
    assert sorted(map(str, ordered)) == sorted(map(str, queries))
    left = Counter(query.emotion for query in queries)
    total, counts = left.copy(), Counter()
    for query in ordered:
        counts[query.emotion] += 1
        open_ones = [emotion for emotion in total if counts[emotion] < total[emotion]]
        assert (
            max(counts.values()) - min((counts[emotion] for emotion in open_ones), default=0) <= 1
            or not open_ones
        )


def test_the_plan_is_printed_before_anything_is_asked(workspace):
    options = ["-w", str(workspace.root), "--plan", "--engine", "openverse", "--engine", "bing"]
    done = CliRunner().invoke(main, ["crawl", *options, "--json", "--no-minors"], catch_exceptions=False)
    openverse, bing = json.loads(done.stdout)["engines"]
    phrases = len(GRID) * 3 // 5
    assert openverse == {
        "engine": "openverse", "phrases": phrases, "requests": phrases * 5, "per_day": 200,
        "days": pytest.approx(31.0, abs=0.01),
    }  # fmt: skip
    assert (bing["engine"], bing["per_day"]) == ("bing", None)
    text = CliRunner().invoke(main, ["crawl", *options], catch_exceptions=False).stdout
    assert "52.0 days" in text


def test_a_long_crawl_says_so_at_its_start_and_while_it_runs(workspace, openverse, capfd):
    openverse.results_for = lambda _phrase: 0
    recipe = override(RECIPE, contact="a@b.example")
    crawl(workspace, recipe, GRID[:201], EMOTIONS, clock=openverse.clock)
    said = capfd.readouterr().err
    assert "openverse: 402 requests for 201 phrases will take about 2.0 days at its limits" in said
    assert "/201 searches (openverse: again at 20" in said, "the time of the next slot"
    assert str(CrawlCounts(to_search=1, forecast="openverse: about 2.0 days")).startswith(
        "crawl: 0/1 searches (openverse: about 2.0 days)"
    )
