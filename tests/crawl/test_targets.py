"""The loop closes: what a sample still needs is forecast, and a crawl asks for that, the most fruitful first."""

import json
from collections import Counter

import pytest
from click.testing import CliRunner

from btfer_builder.catalog.forecast import EmotionProgress, forecasts
from btfer_builder.catalog.review import add_decisions
from btfer_builder.catalog.search_yield import phrase_yields, yields
from btfer_builder.cli.main import main
from btfer_builder.crawl.targets import most_fruitful_first
from btfer_builder.queries.phrases import Query
from btfer_builder.records import Decision
from tests.factories import fill_catalog


def status(workspace, *options):
    arguments = ["status", "-w", str(workspace.root), "--json", *options]
    return json.loads(CliRunner().invoke(main, arguments, catch_exceptions=False).stdout)


def progress(**counts):
    return EmotionProgress(**{"emotion": "happy", "requests": 0, "images": 0, "faces": 0, "accepted": 0,
                              "rejected": 0} | counts)  # fmt: skip


def test_the_missing_faces_at_the_rates_so_far():
    item = progress(requests=100, images=400, faces=200, accepted=50, rejected=50)
    share, low, high = item.acceptance()
    assert share == 0.5
    assert (low, high) == (pytest.approx(0.404, abs=1e-3), pytest.approx(0.596, abs=1e-3))  # Wilson, by hand
    # 300 - 50 - half of the 100 that wait = 200, of which a request brings one.
    assert item.missing_faces(300, share) == 200
    assert item.requests_for(300, share) == 200
    assert item.missing_images(300) == 800
    assert item.requests_for(90, share) == 0
    assert progress().requests_for(300, 0.3) is None


def test_a_forecast_has_an_interval_and_nothing_where_nothing_is_known(workspace):
    fill_catalog(workspace)
    with workspace.catalog.transaction() as db:
        db.execute("UPDATE searches SET requests = 10")
    lines = {line.emotion: line for line in forecasts(workspace.catalog, 300, requests_per_day=200)}
    angry = lines["angry"]
    assert angry.short == 300 - angry.accepted
    expected, low, high = angry.requests
    assert low <= expected
    assert high is None or high >= expected
    assert angry.days[0] == pytest.approx(expected / 200)
    told = {line["emotion"]: line for line in status(workspace)["forecast"]}
    assert told["angry"]["requests"]["expected"] == pytest.approx(expected, abs=0.01)
    assert set(told["angry"]) == {
        "emotion", "wanted", "accepted", "short", "waiting", "requests", "days", "review_hours",
    }  # fmt: skip


def test_an_empty_workspace_needs_everything_and_says_no_number(workspace):
    for line in status(workspace)["forecast"]:
        assert (line["short"], line["requests"]["expected"]) == (300, None)
    done = CliRunner().invoke(main, ["status", "-w", str(workspace.root), "--yield"], catch_exceptions=False)
    assert done.stdout == "nothing has been searched for yet: btfer crawl\n"


def test_requests_are_counted_by_phrase(web, workspace, run_crawl):
    web.results = {"q": [f"/{n}.jpg" for n in range(60)], "r": ["/r.jpg"]}
    run_crawl(("q", "happy"), ("r", "sad"), per_query=60, engine=("openverse",),
              engine_url=web.engine_url("openverse"))  # fmt: skip
    assert {line.emotion: (line.requests, line.kept) for line in phrase_yields(workspace.catalog)} == {
        "happy": (3, 60), "sad": (1, 1),
    }  # fmt: skip
    (engine,) = [line for line in yields(workspace.catalog) if line.by == "engine"]
    assert (engine.requests, engine.per_request) == (4, 0.0)
    (line,) = [line for line in status(workspace, "--yield")["yield"] if line["by"] == "engine"]
    assert (line["requests"], line["accepted_per_request"]) == (4, 0.0)


def test_the_most_fruitful_words_and_cells_come_first(web, workspace, run_crawl):
    web.results = {"rich": [f"/{n}.jpg" for n in range(20)], "poor": ["/p.jpg"]}
    asked = [Query(word, "en", "happy", "latino", "female", "adult", word) for word in ("poor", "rich")]
    run_crawl("poor", "rich", engine=("openverse",), engine_url=web.engine_url("openverse"))
    # run_crawl gives every phrase the expression of its emotion: words are distinguished by their search here.
    with workspace.catalog.transaction() as db:
        db.execute("UPDATE searches SET expression = query")
    assert [query.query for query in most_fruitful_first(workspace.catalog, asked)] == ["rich", "poor"]


def test_without_any_yield_the_order_stays(workspace):
    asked = [Query(f"q{n}", "en", "happy", "latino", "female", "adult", f"w{n}") for n in range(9)]
    assert most_fruitful_first(workspace.catalog, asked) == asked


def test_a_crawl_for_a_sample_asks_for_what_is_missing_and_stops(web, workspace, run_crawl, capfd):
    web.found_for = lambda query: [f"/{query}-{n}.jpg" for n in range(20)]
    phrases = [(f"{emotion}{n}", emotion) for n in range(6) for emotion in ("happy", "sad")]
    settings = {"per_query": 20, "concurrent_searches": 1, "connections": 2, "engine": ("openverse",),
                "engine_url": web.engine_url("openverse")}  # fmt: skip
    run_crawl(*phrases, for_sample=9, **settings)
    # Nothing is known: three in ten faces of an image each are accepted, so 30 images fill a class.
    counts = Counter(row["emotion"] for row in workspace.catalog.rows("SELECT emotion FROM image_rows"))
    assert all(30 <= counts[emotion] <= 33 for emotion in ("happy", "sad")), counts
    assert len(web.searched) == 4
    capfd.readouterr()


def test_emotions_that_are_full_are_not_asked(web, workspace, run_crawl, capfd):
    filled = fill_catalog(workspace)
    faces = [Decision(face, "face", "accept", "angry", reviewer="ana") for face in filled.faces["angry"]]
    rejected = [
        Decision(face, "face", "reject", reason="occluded", reviewer="ana") for face in filled.faces["sad"]
    ]
    add_decisions(workspace.catalog, [*faces, *rejected])
    settings = {"engine": ("openverse",), "engine_url": web.engine_url("openverse"), "for_sample": 3}
    run_crawl(("more anger", "angry"), ("more sadness", "sad"), **settings)
    assert {query for query, _ in web.searched} == {"more sadness"}
    assert "enough for 3 faces a class once reviewed: angry" in capfd.readouterr().err
