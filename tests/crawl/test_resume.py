"""Nothing is lost and nothing asked twice: within a search, when engines and hosts have enough of us, in any order."""

import time

import pytest
import requests

from btfer_builder.catalog.funnel import funnel
from btfer_builder.errors import BtferError
from tests.crawl.crawl_web import CASES, Web, picture


def pictures(number: int, name: str = "") -> list[str]:
    return [f"/{name}{n}.jpg" for n in range(number)]


def searches(workspace) -> list[tuple[str, int, str | None]]:
    return [
        tuple(row)
        for row in workspace.catalog.rows("SELECT query, results_requested, error FROM searches ORDER BY 1")
    ]


def asked(web: Web, query: str) -> list[int]:
    return [first for phrase, first in web.searched if phrase == query]


def test_a_search_goes_on_at_the_page_that_failed(web, workspace, run_crawl):
    web.results["q"], web.engine_fault = pictures(100), {60: "503"}
    with pytest.raises(BtferError, match="HTTP 503"):
        run_crawl("q", per_query=100)
    assert [row[1] for row in searches(workspace)] == [60]
    assert funnel(workspace.catalog)[0].kept == 60
    web.searched.clear()
    web.engine_fault = {}
    assert run_crawl("q", per_query=100) == 40
    assert asked(web, "q") == [60, 80]
    assert searches(workspace) == [("q", 100, None)]
    ranks = workspace.catalog.rows("SELECT rank, url FROM candidates ORDER BY candidate_id")
    assert [(row["rank"], row["url"]) for row in ranks] == [(n, f"{web.url}/{n}.jpg") for n in range(100)]


def test_more_results_of_an_api_go_on_within_its_page(web, workspace, run_crawl):
    settings = {"engine": ("openverse",), "engine_url": web.engine_url("openverse")}
    web.results["q"] = pictures(100)
    assert run_crawl("q", per_query=30, **settings) == 30
    web.searched.clear()
    assert run_crawl("q", per_query=50, **settings) == 20
    assert asked(web, "q") == [20, 40]
    ranks = workspace.catalog.rows("SELECT rank FROM candidates ORDER BY candidate_id")
    assert [row["rank"] for row in ranks] == list(range(50))


def test_a_phrase_without_results_is_asked_once_and_fails_nothing(web, workspace, run_crawl):
    settings = {"engine": ("openverse",), "engine_url": web.engine_url("openverse")}
    web.results["q"] = pictures(5)
    run_crawl("nothing", "q", **settings)
    assert searches(workspace) == [("nothing", 40, None), ("q", 40, None)]
    run_crawl("nothing", "q", **settings)
    assert len(web.searched) == 2


def test_a_page_without_results_is_an_end_if_the_engine_still_speaks(web, workspace, run_crawl):
    """Bing's pages do not tell. What it has found for another phrase, or for this one, must still come."""
    web.results |= {"q": pictures(25), "r": pictures(40, "r")}
    run_crawl("q", "r", "nothing", concurrent_searches=1)
    assert searches(workspace) == [("nothing", 0, None), ("q", 40, None), ("r", 40, None)]
    assert asked(web, "nothing") == [0, 0]
    assert funnel(workspace.catalog)[0].kept == 65
    web.searched.clear()
    web.results["nothing"] = pictures(3, "late")
    run_crawl("q", "r", "nothing")
    assert asked(web, "nothing") == [0, 20, 0, 20], "an empty page closes no phrase for good"
    assert funnel(workspace.catalog)[0].kept == 68
    web.searched.clear()
    run_crawl("q", "r")
    assert web.searched == []


def test_different_phrases_with_one_page_are_decoys(web, workspace, run_crawl):
    web.found_for = lambda query: [*pictures(19, "decoy"), f"/{query}.jpg"]
    with pytest.raises(BtferError, match=r"different phrases with the same page \('a', 'b', 'c'\)"):
        run_crawl(*"abcd", per_query=20, concurrent_searches=1)
    asked_for = {phrase: number for phrase, number, _ in searches(workspace)}
    assert asked_for == dict.fromkeys("abcd", 0), "all of them are asked again"
    web.found_for = lambda query: [*pictures(10, "shared"), *pictures(10, query)]
    run_crawl(*"abcd", per_query=20, concurrent_searches=1)
    assert {number for _, number, _ in searches(workspace)} == {20}


def test_the_first_phrase_may_be_the_one_without_results(web, workspace, run_crawl):
    web.results["smiling face"] = pictures(3)
    run_crawl("nothing", concurrent_searches=1)
    assert searches(workspace) == [("nothing", 0, None)]
    assert web.searched == [("nothing", 0), ("smiling face", 0), ("nothing", 0)]
    assert web.files_asked == 0, "the canary is no search of ours"


@pytest.mark.parametrize("fault", ["captcha", "sign-in", "form", "empty"])
def test_a_captcha_in_the_middle_is_no_end_and_loses_nothing(web, workspace, run_crawl, fault):
    web.results["q"] = pictures(100)

    def found_for(query: str) -> list[str]:
        return pictures(100) if query == "q" else []

    web.found_for = found_for
    pages = []

    def from_the_third_page(first: int | None, default: object = None) -> object:
        pages.append(first)
        return fault if len(pages) > 2 * 2 else default

    web.engine_fault = type("Faults", (), {"get": staticmethod(from_the_third_page)})()
    with pytest.raises(BtferError, match="1 search failed"):
        run_crawl("q", per_query=100)
    assert [row[1] for row in searches(workspace)] == [40], "it goes on where it was"
    web.engine_fault = {}
    run_crawl("q", per_query=100)
    assert searches(workspace) == [("q", 100, None)]
    assert funnel(workspace.catalog)[0].kept == 100


def test_an_engine_that_asks_for_an_hour_is_left_alone_at_once(web, workspace, run_crawl, capfd):
    web.found_for = lambda query: pictures(5, query)
    settings = {"engine": ("openverse",), "engine_url": web.engine_url("openverse"), "concurrent_searches": 1}
    web.engine_fault = {None: "429-for-an-hour"}
    run_crawl(*"abcde", **settings)  # its requests for today are used up, which is no failure
    assert len(web.searched) == 1
    assert [row[1:] for row in searches(workspace)] == [(0, None)] * 5
    said = capfd.readouterr().err
    assert "openverse: it asks for a long pause; it can be asked again at 20" in said
    assert "(10,000 a day with OPENVERSE_CLIENT_ID and OPENVERSE_CLIENT_SECRET)" in said
    settings["engine_url"] = web.engine_url("bing")
    settings["engine"] = ("bing",)
    with pytest.raises(BtferError, match=r"1 search failed\. .*HTTP 429.* 4 more were not sent to bing"):
        run_crawl(*"abcde", **settings)
    assert "bing: it asks for a pause of 1.0 h" in capfd.readouterr().err
    web.engine_fault = {}
    settings["engine_url"] = web.engine_url("openverse")
    settings["engine"] = ("openverse",)
    assert run_crawl(*"abcde", **settings) == 25


def test_a_token_is_sent_to_the_engine_itself_only(web, run_crawl, monkeypatch):
    from btfer_builder.config import CrawlRecipe
    from btfer_builder.crawl.engines import SEARCH_ENGINES
    from btfer_builder.crawl.plan import engine_access

    monkeypatch.setenv("OPENVERSE_TOKEN", "geheim")
    run_crawl("q", engine=("openverse",), engine_url=web.engine_url("openverse"))
    assert "Authorization" not in web.headers[0]
    own = engine_access(SEARCH_ENGINES["openverse"], CrawlRecipe()).credentials
    request = requests.Request("GET", "https://api.openverse.org/", auth=own).prepare()
    assert request.headers["Authorization"] == "Bearer geheim"


def test_engines_keep_their_own_pace_outside_loopback(monkeypatch):
    from btfer_builder.config import CrawlRecipe
    from btfer_builder.crawl.engines import SEARCH_ENGINES
    from btfer_builder.crawl.plan import engine_access

    def page_pause(engine, recipe):
        return engine_access(engine, recipe).limits.pause

    monkeypatch.delenv("OPENVERSE_TOKEN", raising=False)
    openverse = SEARCH_ENGINES["openverse"]
    for engine in SEARCH_ENGINES.values():
        assert page_pause(engine, CrawlRecipe(query_delay=0)) >= 1, "the floor is the engine's"
        assert page_pause(engine, CrawlRecipe(query_delay=60)) == 60
    here = CrawlRecipe(query_delay=60, engine_url={"openverse": "http://127.0.0.1:1/"})
    assert page_pause(openverse, here) == 0
    there = CrawlRecipe(query_delay=0, engine_url={"openverse": "http://10.0.0.1/"}, allow_private_hosts=True)
    assert page_pause(openverse, there) == 3
    monkeypatch.setenv("OPENVERSE_TOKEN", "x")
    assert page_pause(openverse, CrawlRecipe()) == 1


def test_a_busy_host_is_waited_for_and_asked_again(web, workspace, run_crawl):
    web.results["q"] = ["/busy-once/x", *pictures(3)]
    assert run_crawl("q") == 4
    assert funnel(workspace.catalog)[0].kept == 4
    first, second = web.asked_at
    assert second - first >= 1, "Retry-After: 1 is honoured on loopback too"


def test_a_host_that_is_broken_for_a_moment_is_asked_again(web, workspace, run_crawl):
    web.results["q"] = ["/broken-once/x", "/busy-then/y"]
    run_crawl("q", tries=3)
    assert funnel(workspace.catalog)[0].kept == 2
    web.results["r"] = ["/busy-then/z"]
    run_crawl("r", tries=2)
    assert funnel(workspace.catalog)[0].dropped == {"busy": 1}


def test_files_of_a_host_that_asks_for_an_hour_wait_for_another_crawl(
    web, workspace, run_crawl, capfd, monkeypatch
):
    port = web.url.rpartition(":")[2]
    web.results["q"] = [
        "/busy-for-an-hour",
        *pictures(30),
        *(f"http://localhost:{port}/{n}.png" for n in range(5)),
    ]
    run_crawl("q", per_host=1, connections=1)
    stage = funnel(workspace.catalog)[0]
    assert (stage.kept, stage.dropped, stage.waiting) == (5, {"busy": 1}, 30)
    assert "asks for a pause of 3600 s" in capfd.readouterr().err
    monkeypatch.setitem(CASES, "busy-for-an-hour", lambda h: h.answer(200, picture("at-last.jpg")))
    assert run_crawl("q") == 31
    stage = funnel(workspace.catalog)[0]
    assert (stage.kept, stage.dropped, stage.waiting) == (36, {}, 0)


def test_the_rest_of_a_dead_host_is_not_waited_for(web, workspace, run_crawl):
    web.results["q"] = [
        *(f"/hang?{n}" for n in range(30)),
        *(f"http://localhost:{web.url[-5:]}/{n}.png" for n in range(3)),
    ]
    started = time.monotonic()
    assert run_crawl("q", timeout=0.3, per_host=2) == 33
    assert time.monotonic() - started < 10
    stage = funnel(workspace.catalog)[0]
    assert (stage.kept, stage.dropped) == (3, {"timeout": 30})
    assert sum(count for path, count in web.requests.items() if path == "/hang") <= 7


def test_the_order_of_answers_changes_nothing(web, tmp_path, recipe):
    from btfer_builder.config import override
    from btfer_builder.crawl.stage import crawl
    from btfer_builder.queries.phrases import Query
    from btfer_builder.workspace import create_workspace

    web.found_for = lambda query: [*pictures(15, query), *pictures(10, "shared"), "/404"]
    queries = [Query(letter, "en", "happy", "latino", "female", "adult", letter) for letter in "abcdefgh"]
    outcomes = []
    for number, settings in enumerate(
        ({"concurrent_searches": 1, "connections": 1}, {"concurrent_searches": 8, "connections": 32})
    ):
        workspace = create_workspace(tmp_path / str(number))
        engines = ("openverse", "bing")
        asks = override(recipe, engine=engines, engine_url=web.engine_url(*engines), **settings)
        crawl(workspace, asks, queries, ("happy",))
        columns = "candidate_id, search_id, rank, url, engine, query, state, reason, image_id"
        outcomes.append(
            [tuple(row) for row in workspace.catalog.rows(f"SELECT {columns} FROM candidate_fates")]
        )
    assert outcomes[0] == outcomes[1]
    assert len(outcomes[0]) == 2 * 8 * 26


def test_a_cell_with_enough_images_is_searched_no_further(web, workspace, run_crawl):
    web.found_for = lambda query: pictures(20, query)
    phrases = [
        (letter, emotion) for emotion in ("happy", "sad") for letter in (f"{emotion}{n}" for n in range(6))
    ]
    run_crawl(*phrases, target=30, per_query=20, concurrent_searches=1, connections=2)
    per_emotion = funnel(workspace.catalog)[0].per_emotion
    assert all(30 <= per_emotion[emotion] <= 33 for emotion in ("happy", "sad")), per_emotion
    assert len(web.searched) == 4, "two phrases of twenty are enough"
    assert funnel(workspace.catalog)[0].waiting >= 14, "what was found beyond that may wait"
    files = web.files_asked
    run_crawl(*phrases, target=30, per_query=20)
    assert (len(web.searched), web.files_asked) == (4, files)
    run_crawl(*phrases, target=45, per_query=20, concurrent_searches=1)
    assert funnel(workspace.catalog)[0].per_emotion["happy"] >= 45
    assert len(web.searched) == 6


def test_a_cell_that_never_fills_is_searched_to_the_end(web, workspace, run_crawl):
    web.found_for = lambda query: ["/404?" + query, *pictures(3, query), "/shared.jpg"]
    run_crawl(*"abcd", target=100, engine=("openverse",), engine_url=web.engine_url("openverse"))
    assert funnel(workspace.catalog)[0].kept == 4 * 3 + 1
    assert len(web.searched) == 4
