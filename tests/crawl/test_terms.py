"""On what terms a picture came: licences asked for and checked, wishes of owners and hosts, one address a picture."""

import csv
import hashlib

import pytest

from btfer_builder.catalog.funnel import funnel
from btfer_builder.catalog.review import item_origins, review_items
from btfer_builder.catalog.tombstones import url_sha256
from btfer_builder.dedupe.stage import dedupe
from btfer_builder.errors import BtferError
from btfer_builder.review.ordering import ReviewSignals
from btfer_builder.review.serialization import item_json
from tests.crawl.crawl_web import picture

ALL = ("openverse", "wikimedia", "flickr", "bing", "google", "baidu")


@pytest.fixture
def rows(workspace):
    """Return a function that reads a manifest."""

    def read(name: str = "candidates") -> list[dict[str, str]]:
        with (workspace.manifests / f"{name}.csv").open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))

    return read


@pytest.fixture(autouse=True)
def _accounts(workspace):
    """Check after every test: in = kept + Σ dropped, and nothing was forgotten."""
    yield
    stage = funnel(workspace.catalog)[0]
    total = workspace.catalog.value("SELECT count(*) FROM candidates")
    assert stage.came_in == stage.kept + sum(stage.dropped.values()) == total - stage.waiting
    assert stage.kept == workspace.catalog.value("SELECT count(*) FROM images")


@pytest.fixture
def crawl(web, run_crawl, monkeypatch):
    """Return a function that crawls with some engines, all of them served here."""
    monkeypatch.setenv("FLICKR_API_KEY", "geheim")

    def run(*phrases, engine=("openverse",), **settings):
        return run_crawl(*phrases, engine=engine, engine_url=web.engine_url(*engine), **settings)

    return run


def test_all_engines_together_and_every_image_with_its_source(web, workspace, crawl, rows):
    sha1 = hashlib.sha1(picture("own.jpg")).hexdigest()
    web.results["q"] = [
        {"murl": f"{web.url}/own.jpg", "purl": "https://a.example/1", "t": "One", "sha1": sha1}
    ]
    crawl("q", engine=ALL)
    assert [(row["engine"], row["state"], row["reason"]) for row in rows()] == [
        ("openverse", "kept", ""), *((name, "dropped", "same_url") for name in ALL[1:]),
    ]  # fmt: skip
    (image,) = rows("images")
    assert (image["license"], image["creator"], image["title"], image["engine"]) == (
        "by",
        "",
        "One",
        "openverse",
    )
    assert image["license_url"] == "https://creativecommons.org/licenses/by/2.0/"
    (row, *_) = rows()
    kept = {
        "query": "q",
        "rank": "0",
        "http_status": "200",
        "content_type": "image/jpeg",
        "found_url": "",
        "tries": "1",
    }
    assert {name: row[name] for name in kept} == kept
    assert (row["image_id"], int(row["bytes"])) == (
        hashlib.sha256(picture("own.jpg")).hexdigest(),
        len(picture("own.jpg")),
    )
    assert row["fetched_at"].endswith("+00:00")


def test_the_terms_of_an_image_are_those_an_engine_has_stated(web, crawl, rows):
    """Bing finds it first and knows nothing; Openverse knows the terms of the same bytes elsewhere."""
    web.results["q"] = ["/a.jpg"]
    crawl("q", engine=("bing",))
    assert [row["license"] for row in rows("images")] == ["unknown"]
    web.results["q"] = [{"murl": f"{web.url}/a.jpg?copy", "creator": "Ana", "t": "t"}]
    crawl("q", engine=("openverse",))
    (image,) = rows("images")
    assert (image["engine"], image["license"], image["creator"]) == ("bing", "by", "Ana")
    assert [row["license"] for row in rows()] == ["unknown", "by"], "each candidate says what its engine said"


def test_licences_are_asked_for_and_what_comes_back_is_checked(web, workspace, crawl, rows):
    codes = ["cc0", "by", "by-sa", "by-nc", "pdm", "nonsense"]
    web.results["q"] = [
        {"murl": f"{web.url}/{code}.jpg", "license": code, "version": "1.0", "license_url": None}
        for code in codes
    ]
    assert crawl("q", license=("cc0", "by")) == 2
    assert web.parameters[0]["license"] == "cc0,by"
    assert [(row["license"], row["reason"]) for row in rows()] == [
        ("cc0", ""), ("by", ""), ("by-sa", "license"), ("by-nc", "license"), ("pdm", "license"),
        ("unknown", "license"),
    ]  # fmt: skip
    assert web.requests["/by-sa.jpg"] == 0
    assert crawl("q", license=("cc0", "by")) == 0
    assert crawl("q", license=("cc0", "by", "by-sa")) == 1, "who asks for less gets what was left out"
    assert crawl("q") == 3
    assert funnel(workspace.catalog)[0].kept == 6


def test_one_engine_that_states_a_wanted_licence_is_enough(web, crawl, rows):
    web.results["q"] = [
        {"murl": f"{web.url}/a.jpg", "license": "CC BY-SA 4.0", "license_url": "", "version": ""}
    ]
    crawl("q", engine=("openverse", "wikimedia"), license=("by-sa",))
    assert [(row["engine"], row["license"], row["reason"]) for row in rows()] == [
        ("openverse", "by-sa", ""), ("wikimedia", "by-sa", "same_url"),
    ]  # fmt: skip


def test_owners_who_want_no_computer_vision_are_heard_whoever_found_the_photo(web, crawl, rows):
    web.results["q"] = [
        {"murl": f"{web.url}/a.jpg", "tags": "smile no_cv", "t": "A"},
        {"murl": f"{web.url}/b.jpg", "tags": "smile", "t": "B"},
    ]
    crawl("q", engine=("flickr", "openverse"))
    assert [(row["engine"], row["title"], row["reason"]) for row in rows()] == [
        ("flickr", "A", "no_cv"), ("flickr", "B", ""), ("openverse", "A", "same_url"), ("openverse", "B", "same_url"),
    ]  # fmt: skip
    assert crawl("q", engine=("flickr", "openverse")) == 0


def test_who_is_known_to_refuse_is_not_asked(web, crawl, rows):
    web.results["q"] = [{"murl": f"{web.url}/a.jpg", "tags": "smile no_cv", "t": "A"}]
    crawl("q", engine=("flickr",))
    assert [row["reason"] for row in rows()] == ["no_cv"]
    assert web.requests["/a.jpg"] == 0


def test_a_refusal_that_comes_late_is_heeded(web, workspace, crawl, rows):
    web.results["q"] = [{"murl": f"{web.url}/{name}.jpg", "t": name} for name in ("a", "b")]
    web.results["again"] = [{"murl": f"{web.url}/a.jpg?copy", "t": "copy"}]
    crawl("q", "again", engine=("openverse",))
    assert [row["reason"] for row in rows()] == ["", "", "same_bytes"]
    kept = {row["title"]: workspace.root / row["path"] for row in rows("images")}
    web.results["q"] = [{"murl": f"{web.url}/a.jpg", "t": "a", "tags": "no_cv"}]
    crawl("q", engine=("flickr",))
    assert [row["reason"] for row in rows()] == ["no_cv", "", "no_cv", "same_url"]
    assert [row["title"] for row in rows("images")] == ["b"]
    assert {name: path.is_file() for name, path in kept.items()} == {"a": False, "b": True}


def test_of_a_late_refusal_of_what_is_in_use_a_person_is_told(web, workspace, crawl, rows, capsys):
    web.results["q"] = [{"murl": f"{web.url}/a.jpg", "t": "a"}]
    crawl("q", engine=("openverse",))
    (image,) = rows("images")
    dedupe(workspace, workspace.recipe.dedupe)
    web.results["q"][0]["tags"] = "no_cv"
    crawl("q", engine=("flickr",))
    assert f"btfer takedown {image['image_id']}" in capsys.readouterr().err
    assert len(rows("images")) == 1


def test_rights_of_the_person_shown_are_kept(web, workspace, crawl, rows):
    web.results["q"] = [{"murl": f"{web.url}/a.jpg", "t": "A", "restrictions": "personality|trademarked"}]
    crawl("q", engine=("wikimedia",))
    assert [row["restrictions"] for row in rows()] == ["personality|trademarked"]
    assert [row["restrictions"] for row in rows("images")] == ["personality|trademarked"]
    dedupe(workspace, workspace.recipe.dedupe)
    (item,) = review_items(workspace.catalog, "image")
    origin = item_origins(workspace.catalog, "image", [item.item_id])[item.item_id]
    assert origin.restrictions == "personality|trademarked"
    nobody = ReviewSignals()
    assert item_json(item, "image", None, [], [], nobody, origin)["restrictions"] == [
        "personality",
        "trademarked",
    ]


def test_a_smaller_copy_is_fetched_where_the_host_refuses_the_large_one(web, crawl, rows):
    web.results["q"] = [
        {"murl": f"{web.url}/403?k", "small": f"{web.url}/small.jpg", "t": "A"},
        {"murl": f"{web.url}/500", "small": f"{web.url}/other.jpg", "t": "B"},
    ]
    crawl("q", engine=("flickr",), tries=1)
    (kept, failed) = rows()
    assert (kept["url"], kept["state"]) == (f"{web.url}/403?k", "kept")
    assert kept["image_id"] == hashlib.sha256(picture("small.jpg")).hexdigest()
    assert (failed["reason"], web.requests["/other.jpg"]) == ("server_error", 0)


def test_wikimedia_is_asked_by_those_only_who_say_who_they_are(run_crawl):
    with pytest.raises(BtferError, match=r"engine wikimedia asks programs to say who runs them.*--contact"):
        run_crawl(engine=("wikimedia",), engine_url={})
    run_crawl(engine=("wikimedia",), engine_url={}, contact="ana@example.org")


def test_a_file_that_is_not_the_one_described_is_dropped(web, crawl, rows):
    web.results["q"] = [{"murl": f"{web.url}/a.jpg", "sha1": "0" * 40, "t": "A"}]
    crawl("q", engine=("wikimedia",))
    assert [row["reason"] for row in rows()] == ["other_file"]


def test_one_picture_under_many_addresses_of_its_own_is_fetched_once(web, crawl, rows):
    tracked = [f"{web.url}/a.jpg?{extra}" for extra in ("utm_source=x", "fbclid=1&gclid=2", "")]
    capital = web.url.replace("http", "HTTP") + "/a.jpg#top"
    web.results |= {"q": [*tracked, "/a.jpg"], "r": [capital, f"{web.url}/%61.jpg"]}
    crawl("q", "r", engine=("bing",))
    assert [row["reason"] for row in rows()] == ["", *["same_url"] * 5]
    assert {row["url"] for row in rows()} == {f"{web.url}/a.jpg"}
    assert [row["found_url"] for row in rows()] == [*tracked, "", capital, f"{web.url}/%61.jpg"]
    assert web.requests["/a.jpg"] == 1


def test_the_same_bytes_from_two_hosts_are_one_image(web, crawl, rows):
    web.results["q"] = ["/a.jpg", f"http://localhost:{web.url.rpartition(':')[2]}/a.jpg"]
    crawl("q", engine=("bing",))
    assert [row["reason"] for row in rows()] == ["", "same_bytes"]
    assert (web.requests["/a.jpg"], web.requests["/robots.txt"]) == (2, 2)


def test_who_gives_no_contact_is_told(run_crawl, capfd):
    run_crawl(engine=("openverse",), engine_url={})  # no phrase: nobody is asked
    assert "No contact is set" in capfd.readouterr().err
    run_crawl(engine=("openverse",), engine_url={}, contact="ana@example.org")
    assert "contact" not in capfd.readouterr().err


def test_what_hosts_refuse_is_dropped_for_its_reason(web, workspace, crawl):
    web.robots = "User-agent: *\nDisallow: /private\n"
    web.results["q"] = ["/a.jpg", "/private/a.jpg", "/private/b.jpg", "/noai", "/tdm"]
    assert crawl("q", engine=("bing",)) == 5
    stage = funnel(workspace.catalog)[0]
    assert (stage.kept, stage.dropped) == (1, {"robots": 2, "noai": 1, "tdm_reserved": 1})
    assert web.requests["/robots.txt"] == 1


def test_what_was_taken_down_never_comes_back(web, workspace, crawl, rows):
    web.results["q"] = ["/gone.jpg", "/same.jpg", "/kept.jpg"]
    with workspace.catalog.transaction() as db:
        for url, image in ((f"{web.url}/gone.jpg", ""), ("https://elsewhere.example/x", picture("same.jpg"))):
            image_id = hashlib.sha256(image).hexdigest() if image else None
            db.execute(
                "INSERT INTO tombstones (url_sha256, image_id, taken_down_at, reason) VALUES (?, ?, '', '')",
                (url_sha256(url), image_id),
            )
    crawl("q", engine=("bing",))
    assert [row["reason"] for row in rows()] == ["taken_down", "taken_down", ""]
    assert "gone" not in rows()[0]["url"] + rows()[0]["title"] + rows()[0]["page_url"]
    assert web.requests["/gone.jpg"] == 0
    assert len([path for path in (workspace.data / "images").rglob("*") if path.is_file()]) == 1
    assert crawl("q", engine=("bing",)) == 0


def test_engines_that_state_no_licence_may_be_asked_if_none_is_wanted(web, crawl, rows):
    web.results["q"] = ["/a.jpg"]
    crawl("q", engine=("bing",), license=("cc0", "unknown"))
    assert [row["state"] for row in rows()] == ["kept"]
    with pytest.raises(BtferError, match="with --license, use openverse, wikimedia, flickr"):
        crawl("q", engine=("openverse", "google"), license=("cc0",))
