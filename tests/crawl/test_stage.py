"""The whole stage in this process: everything found is accounted for, once, and a second crawl goes on."""

import csv
import hashlib

import pytest

from btfer_builder.catalog.funnel import funnel
from btfer_builder.catalog.intentions import intentions
from btfer_builder.errors import BtferError
from tests.crawl.crawl_web import picture

#: All that a result can point to, and what becomes of it.
FATES = {
    "/a.jpg": None,
    "/b.png": None,
    "/c.webp": None,
    "/redirect": None,
    "/404": "not_found",
    "/410": "not_found",
    "/403": "forbidden",
    "/500": "server_error",
    "/hang": "timeout",
    "/drip": "timeout",
    "/reset": "unreachable",
    "/close": "unreachable",
    "/length-too-long": "unreachable",
    "/sized/1100000.png": "too_big",
    "/endless": "too_big",
    "/empty": "empty",
    "/page": "not_an_image",
    "/zip": "not_an_image",
    "/svg": "unsupported_format",
    "/redirect-loop": "too_many_redirects",
    "http://[": "bad_url",
    "ftp://127.0.0.1/x.jpg": "bad_url",
    "file:///etc/passwd": "bad_url",
    "javascript:alert(1)": "bad_url",
    "": "bad_url",
    "x" * 10_000: "bad_url",
}


@pytest.fixture
def candidates(workspace):
    """Return a function that reads candidates.csv."""

    def read() -> list[dict[str, str]]:
        with (workspace.manifests / "candidates.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return read


@pytest.fixture(autouse=True)
def _accounts(workspace):
    """Check after every test: in = kept + Σ dropped, every image has its file, and nothing else lies about."""
    yield
    stage = funnel(workspace.catalog)[0]
    (all_of_them,) = workspace.catalog.rows("SELECT count(*) AS n FROM candidates")
    assert stage.came_in == stage.kept + sum(stage.dropped.values()) == all_of_them["n"] - stage.waiting
    images = workspace.catalog.rows("SELECT image_id, path, bytes FROM images")
    assert stage.kept == len(images)
    for image in images:
        content = (workspace.root / image["path"]).read_bytes()
        assert (hashlib.sha256(content).hexdigest(), len(content)) == (image["image_id"], image["bytes"])
    files = [path for path in (workspace.data / "images").rglob("*") if path.is_file()]
    assert len(files) == len(images)


def count(workspace, table: str) -> int:
    return workspace.catalog.value(f"SELECT count(*) FROM {table}")


def stage_of(workspace):
    return funnel(workspace.catalog)[0]


def test_every_kind_of_result_gets_the_one_right_fate(web, workspace, run_crawl, candidates):
    web.results["q"] = list(FATES)
    assert run_crawl("q", timeout=1) == len(FATES)
    rows = candidates()
    assert {row["url"].removeprefix(web.url): row["reason"] or None for row in rows} == FATES
    assert [int(row["rank"]) for row in rows] == list(range(len(FATES)))
    assert {row["state"] for row in rows if not row["reason"]} == {"kept"}
    assert rows[0]["page_url"] == "https://pages.example/a.jpg.html"
    assert rows[0]["title"] == "Photo /a.jpg"
    assert (rows[0]["engine"], rows[0]["query"], rows[0]["emotion"]) == ("bing", "q", "happy")
    assert (rows[0]["query_ethnicity"], rows[0]["query_gender"], rows[0]["query_age"]) == (
        "latino",
        "female",
        "adult",
    )
    suffixes = {path.suffix for path in (workspace.data / "images").rglob("*") if path.is_file()}
    assert suffixes == {".jpg", ".png", ".webp"}
    assert stage_of(workspace).waiting == 0


def test_nothing_private_is_fetched_unless_allowed(web, workspace, run_crawl):
    web.results["q"] = ["/a.jpg", "http://169.254.169.254/latest/meta-data/", "http://[::1]/x.jpg"]
    run_crawl("q", allow_private_hosts=False)
    assert stage_of(workspace).dropped == {"private_address": 3}
    assert web.files_asked == 0


def test_a_second_crawl_asks_nobody_anything(web, workspace, run_crawl):
    passing = {"timeout", "unreachable", "server_error"}
    web.results["q"] = [path for path, reason in FATES.items() if reason not in passing]
    run_crawl("q", timeout=1, per_query=20)
    before = web.requests.copy(), workspace.catalog.rows("SELECT * FROM candidate_fates")
    assert run_crawl("q", timeout=1, per_query=20) == 0
    after = web.requests, workspace.catalog.rows("SELECT * FROM candidate_fates")
    assert after == before


def test_what_may_pass_is_tried_by_three_crawls_and_no_more(web, workspace, run_crawl, candidates):
    passing = ["/500", "/503", "/reset", "/close", "/drip"]
    web.results["q"] = ["/a.jpg", "/404", *passing]
    for crawls in (1, 2, 3):
        assert run_crawl("q", timeout=0.5, per_query=20, tries=1) == (7 if crawls == 1 else 5)
        tries = {row["url"].removeprefix(web.url): int(row["tries"]) for row in candidates()}
        assert tries == {"/a.jpg": 1, "/404": 1, **dict.fromkeys(passing, crawls)}
        assert stage_of(workspace).waiting == 0
    before = web.requests.copy()
    assert run_crawl("q", timeout=0.5, per_query=20) == 0
    assert web.requests == before


def test_a_passing_trouble_that_has_passed_leaves_an_image(
    web, workspace, run_crawl, candidates, monkeypatch
):
    web.results["q"] = ["/broken-once/1"]
    run_crawl("q", tries=1)
    assert [row["reason"] for row in candidates()] == ["server_error"]
    assert run_crawl("q", tries=1) == 1
    assert [(row["reason"], row["tries"], row["detail"]) for row in candidates()] == [("", "2", "")]
    assert stage_of(workspace).kept == 1


def test_the_same_bytes_from_two_addresses_are_one_image(web, workspace, run_crawl, candidates):
    web.results["q"] = ["/a.jpg", "/a.jpg?copy", "/b.jpg"]
    run_crawl("q")
    assert [row["reason"] for row in candidates()] == ["", "same_bytes", ""]
    assert candidates()[0]["image_id"] == candidates()[1]["image_id"]
    assert count(workspace, "images") == 2


def test_one_address_under_two_queries_is_fetched_once(web, workspace, run_crawl, candidates):
    web.results |= {"q": ["/a.jpg", "/404"], "r": ["/404", "/a.jpg"]}
    run_crawl("q", "r")
    assert [row["reason"] for row in candidates()] == ["", "not_found", "same_url", "same_url"]
    assert (web.requests["/a.jpg"], web.requests["/404"]) == (1, 1)


def test_one_picture_under_two_emotions_keeps_both(web, workspace, run_crawl, candidates):
    web.results |= {"q": ["/a.jpg"], "r": ["/b.jpg", "/a.jpg?elsewhere", "/a.jpg"]}
    run_crawl(("q", "happy"), ("r", "sad"))
    fates = [
        (row["emotion"], row["url"].removeprefix(web.url), row["state"], row["reason"])
        for row in candidates()
    ]
    assert fates == [
        ("happy", "/a.jpg", "kept", ""),
        ("sad", "/b.jpg", "kept", ""),
        ("sad", "/a.jpg?elsewhere", "dropped", "same_bytes"),
        ("sad", "/a.jpg", "dropped", "same_url"),
    ]
    assert stage_of(workspace).per_emotion == {"happy": 1, "sad": 1}


@pytest.mark.parametrize("fault", ["form", "captcha", "503", "close", "half"])
def test_an_engine_that_fails_leaves_nothing_false_and_is_asked_again(web, workspace, run_crawl, fault):
    web.results["q"], web.engine_fault = ["/a.jpg", "/b.jpg"], {None: fault}
    with pytest.raises(
        BtferError, match=r"1 search failed\. The first: bing, 'q': .*; crawl again to continue"
    ):
        run_crawl("q")
    assert (count(workspace, "candidates"), count(workspace, "images"), web.files_asked) == (0, 0, 0)
    assert workspace.catalog.value("SELECT error FROM searches")
    web.engine_fault = {}
    assert run_crawl("q") == 2
    assert workspace.catalog.value("SELECT error FROM searches") is None


@pytest.mark.parametrize("fault", ["503", "close", "half"])
def test_pages_before_a_broken_one_are_kept_and_the_search_is_asked_again(web, workspace, run_crawl, fault):
    web.results["q"], web.engine_fault = [f"/{n}.jpg" for n in range(60)], {40: fault}
    with pytest.raises(BtferError, match="1 search failed"):
        run_crawl("q", per_query=60)
    assert stage_of(workspace).kept == 40
    web.engine_fault, web.requests = {}, type(web.requests)()
    assert run_crawl("q", per_query=60) == 20
    ranks = workspace.catalog.rows("SELECT rank, url FROM candidates ORDER BY candidate_id")
    assert [(row["rank"], row["url"]) for row in ranks] == [(n, f"{web.url}/{n}.jpg") for n in range(60)]
    assert web.files_asked == 20, "what is there already is not fetched again"


def test_one_search_that_fails_does_not_stop_the_others(web, workspace, run_crawl):
    web.results |= {"q": ["/a.jpg"] * 40, "r": ["/c.jpg"] * 40, "s": ["/b.jpg"] * 40}
    web.engine_fault, web.faults = {None: "captcha"}, 1
    with pytest.raises(
        BtferError, match=r"1 search failed\. The first: bing, 'q'.*asks whether we are human"
    ):
        run_crawl("q", "r", "s", concurrent_searches=1)
    assert stage_of(workspace).kept == 2
    searched = len(web.searched)
    assert run_crawl("q", "r", "s") == 1
    assert web.searched[searched:] == [("q", 0), ("q", 20)]


def test_an_engine_that_only_fails_is_soon_left_alone(web, workspace, run_crawl, capfd):
    web.engine_fault = {None: "503"}
    with pytest.raises(BtferError, match=r"3 searches failed\..* 5 more were not sent to bing"):
        run_crawl(*"abcdefgh", concurrent_searches=1)
    assert {query for query, _ in web.searched} == {"a", "b", "c"}
    assert "gets no more searches" in capfd.readouterr().err


def test_more_results_a_query_go_on_where_the_search_ended(web, workspace, run_crawl):
    web.results["q"] = [f"/{n}.jpg" for n in range(70)]
    run_crawl("q", per_query=20)
    assert web.searched == [("q", 0)]
    assert run_crawl("q", per_query=50) == 30
    assert web.searched == [("q", 0), ("q", 20), ("q", 40)]
    assert run_crawl("q", per_query=30) == 0
    assert len(web.searched) == 3, "fewer are already there"
    ranks = workspace.catalog.rows("SELECT rank, url FROM candidates ORDER BY candidate_id")
    assert [(row["rank"], row["url"]) for row in ranks] == [(n, f"{web.url}/{n}.jpg") for n in range(50)]


def test_what_an_engine_says_cannot_break_the_catalog(web, workspace, run_crawl, candidates):
    web.results["q"] = [
        {"murl": f"{web.url}/a.jpg", "t": "half a character \ud83d", "purl": "\udcff"},
        {"murl": "http://\ud800/x.jpg"},
        {"murl": f"{web.url}/b.jpg", "t": "=cmd|' /C calc'!A0\r\n\0'; DROP TABLE images; --", "purl": 7},
        {"murl": f"{web.url}/c.jpg", "t": "x" * 100_000},
    ]
    run_crawl("q")
    titles = [row["title"] for row in workspace.catalog.rows("SELECT title FROM candidates ORDER BY rank")]
    assert titles[0] == "half a character ?"
    assert titles[2].startswith("=cmd|")
    assert stage_of(workspace).kept == 3
    assert candidates()[2]["title"].startswith("'=cmd|")


def test_many_files_at_a_time_but_few_from_one_host(web, workspace, run_crawl):
    port = web.url.rpartition(":")[2]
    hosts = [f"127.0.0.1:{port}", f"localhost:{port}"]
    web.results["q"] = [f"http://{host}/slow/{host[:3]}{n}.jpg" for n in range(15) for host in hosts]
    run_crawl("q", per_host=2, connections=16)
    assert web.most_at_once == dict.fromkeys(hosts, 2)
    assert stage_of(workspace).kept == 30


def test_a_search_is_asked_in_the_language_of_its_phrase_by_name(web, run_crawl):
    web.results["q"] = ["/a.jpg"]
    run_crawl("q", contact="ana@example.org")
    assert web.headers[0]["Accept-Language"] == "en"
    assert "btfer-builder/" in web.headers[0]["User-Agent"]
    assert web.headers[0]["User-Agent"].endswith("; ana@example.org)")
    run_crawl("r" if web.results.update(r=["/b.jpg"]) is None else "")
    assert not web.headers[-1]["User-Agent"].endswith("; )")


def test_a_list_of_addresses_is_fetched(web, workspace, run_crawl, tmp_path, candidates):
    path = tmp_path / "list.csv"
    path.write_text(
        f"url,emotion,license\n{web.url}/a.jpg,sad,CC0\nfile:///etc/passwd,sad,\n{web.url}/404,fear,\n{web.url}/b.jpg,happy,\n"
    )
    run_crawl(engine=("urls",), path=path, emotions=("sad", "fear"))
    assert [(row["emotion"], row["reason"], row["license"]) for row in candidates()] == [
        ("sad", "", "cc0"), ("sad", "bad_url", "unknown"), ("fear", "not_found", "unknown"),
    ]  # fmt: skip
    with path.open("a") as file:
        file.write(f"{web.url}/c.jpg,sad,\n")
    assert run_crawl(engine=("urls",), path=path, emotions=("sad", "fear")) == 1
    assert web.searched == []


def test_a_folder_of_pictures_is_copied(web, workspace, run_crawl, tmp_path, candidates):
    for name in ("happy/1.jpg", "happy/2.png", "sad/3.webp"):
        (tmp_path / "mine" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "mine" / name).write_bytes(picture(name))
    (tmp_path / "mine" / "sad" / "notes.txt").write_text("no picture")
    (tmp_path / "mine" / "sad" / "caf\udce9.jpg").write_bytes(picture("latin.jpg"))
    run_crawl(engine=("folder",), path=tmp_path / "mine", allow_private_hosts=False)
    assert stage_of(workspace).per_emotion == {"happy": 2, "sad": 2}
    assert stage_of(workspace).dropped == {"not_an_image": 1}
    assert {"caf?.jpg", "1.jpg"} <= {row["title"] for row in candidates()}
    assert run_crawl(engine=("folder",), path=tmp_path / "mine") == 0


def test_a_search_result_cannot_read_this_machine_even_beside_a_folder(web, workspace, run_crawl, tmp_path):
    secret = tmp_path / "secret.jpg"
    secret.write_bytes(picture("secret.jpg"))
    (tmp_path / "mine" / "happy").mkdir(parents=True)
    (tmp_path / "mine" / "happy" / "1.jpg").write_bytes(picture("1.jpg"))
    web.results["q"] = [secret.as_uri(), "/a.jpg"]
    run_crawl("q", engine=("bing", "folder"), path=tmp_path / "mine")
    assert (stage_of(workspace).kept, stage_of(workspace).dropped) == (2, {"bad_url": 1})


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"engine": ("urls",)}, "name it with --path"),
        ({"engine": ("urls", "folder"), "path": "."}, "name it with --path"),
        ({"path": "."}, "--path is for the engines urls and folder"),
        (
            {"engine_url": {"bong": "http://127.0.0.1/"}},
            "engine_url: 'bong' is not one of openverse, wikimedia",
        ),
        ({"engine": ("flickr",)}, "set the environment variable FLICKR_API_KEY"),
        ({"license": ("cc0", "by")}, "engine bing does not state licences"),
        ({"engine": ("folder",), "path": "nowhere"}, "nowhere"),
        ({"contact": "José"}, "contact: 'José' cannot be sent"),
        ({"contact": "a\r\nHost: b"}, "cannot be sent to hosts"),
    ],
)
def test_a_wrong_setting_is_said_before_anything_is_asked(
    web, workspace, run_crawl, tmp_path, settings, said
):
    with pytest.raises(BtferError) as error:
        run_crawl(
            "q", **{**settings, **({"path": tmp_path / settings["path"]} if "path" in settings else {})}
        )
    assert said in str(error.value)
    assert web.connections == 0
    assert intentions(workspace.catalog) == []


def test_two_crawls_of_one_workspace_are_refused(web, workspace, run_crawl):
    with workspace.stage("crawl"), pytest.raises(BtferError, match="another btfer crawl is running"):
        run_crawl("q")
    assert web.connections == 0


def test_every_run_is_recorded_with_its_outcome(web, workspace, run_crawl):
    web.results["q"] = ["/a.jpg"]
    run_crawl("q")
    (row,) = workspace.catalog.rows("SELECT * FROM runs")
    assert (row["command"], row["outcome"], row["counts"]) == ("crawl", "done", '{"fetched": 1}')
    assert '"per_query": 40' in row["recipe"]
