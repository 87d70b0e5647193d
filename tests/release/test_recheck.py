"""The sources of a release are visited again: what vanished, changed, or has another licence."""

import json
import time

import pandas as pd
import pytest
from msgspec.structs import replace

from btfer_builder.config import ReleaseRecipe
from btfer_builder.errors import BtferError
from btfer_builder.release.recheck import recheck
from btfer_builder.release.stage import release
from tests.factories import picture_png
from tests.release.small_set import VISITS, btfer, tree, web_of

#: Addresses no host can have.
HOSTLESS = [
    "http://[::1",
    "http://a..b/",
    "http://127.0.0.1:65536/",
    "http://a\x01b/",
    "http://%zz/",
    "http://xn--a/",
]


@pytest.fixture
def web(workspace):
    with web_of(workspace) as pages:
        yield pages


def sources(workspace, web):
    rows = workspace.catalog.rows(
        """SELECT s.face_id, c.url FROM sample s JOIN faces f USING (face_id) JOIN fetches USING (image_id)
           JOIN candidates c USING (url) ORDER BY s.face_id"""
    )
    return {row["face_id"]: row["url"].removeprefix(web[""][1]) for row in rows}


def test_everything_is_as_it_was(workspace, web):
    before = tree(workspace.data)
    found = recheck(workspace, VISITS).to_dict()
    assert (found["states"], found["licenses"], found["faces"]) == ({"same": 21}, {"same": 21}, [])
    assert tree(workspace.data) == before
    table = pd.read_csv(workspace.reports / "recheck.csv")
    assert len(table) == 21
    assert set(table["state"]) == {"same"}


def test_what_is_not_as_it_was(workspace, web, tmp_path):
    out = release(workspace, tmp_path / "out", ReleaseRecipe()).path
    ids, paths = zip(*sources(workspace, web).items(), strict=True)
    web[paths[0]] = (410, "text/plain", b"")
    web[paths[1]] = (200, "image/png", picture_png("another"))
    web[paths[2]] = (500, "text/plain", b"")
    web[f"{paths[3]}.html"] = (200, "text/html", b"https://creativecommons.org/licenses/by-nc-nd/2.0/")
    web[f"{paths[4]}.html"] = (200, "text/html", b"all rights reserved")
    web[f"{paths[5]}.html"] = (404, "text/html", b"")
    done = btfer(workspace, "recheck", str(out), "--allow-private-hosts", "--tries", "1", "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["states"] == {"changed": 1, "same": 18, "unclear": 1, "vanished": 1}
    assert found["licenses"] == {"changed": 1, "not stated": 2, "same": 18}
    listed = {
        face["face_id"]: (face["state"], face["reason"], face["license_now"]) for face in found["faces"]
    }
    assert listed == {
        ids[0]: ("vanished", "not_found", "by"),
        ids[1]: ("changed", "", "by"),
        ids[3]: ("same", "", "by-nc-nd"),
    }
    text = btfer(workspace, "recheck", "--allow-private-hosts", "--tries", "1").stdout
    assert ids[0][:32] in text  # the table is 80 columns wide, and its ids continue in the next line
    assert "1 vanished" in text


def test_addresses_that_cannot_be_asked_end_no_batch(workspace, web):
    bad = [*HOSTLESS, "http://127.0.0.1:1/x", "http://127.0.0.1:1/y"]
    ids, paths = zip(*sources(workspace, web).items(), strict=True)
    base = web[""][1]
    with workspace.catalog.transaction() as db:
        for number, (path, url) in enumerate(zip(paths, bad, strict=False)):
            column = ("url", "page_url")[number % 2]
            if column == "url":
                db.execute("UPDATE fetches SET url = ? WHERE url = ?", (url, base + path))
            db.execute(f"UPDATE candidates SET {column} = ? WHERE url = ?", (url, base + path))
    done = btfer(workspace, "recheck", "--allow-private-hosts", "--tries", "1", "--timeout", "2", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["states"] == {
        "same": 21 - (len(bad) + 1) // 2,
        "unclear": (len(bad) + 1) // 2,
    }
    table = pd.read_csv(workspace.reports / "recheck.csv", keep_default_na=False).set_index("face_id")
    for number, (face_id, url) in enumerate(zip(ids, bad, strict=False)):
        row = table.loc[face_id]
        assert row["page_reason" if number % 2 else "reason"] in {"bad_url", "unreachable", "timeout"}, url


def keep_in_sample(workspace, count):
    with workspace.catalog.transaction() as db:
        db.execute(
            "DELETE FROM sample WHERE face_id NOT IN (SELECT face_id FROM sample ORDER BY face_id LIMIT ?)",
            (count,),
        )


def test_pages_at_private_addresses_have_their_reason(workspace, web):
    keep_in_sample(workspace, 3)
    done = btfer(workspace, "recheck", "--tries", "1", "--requests-per-second", "10", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["states"] == {"unclear": 3}
    table = pd.read_csv(workspace.reports / "recheck.csv")
    assert set(table["reason"]) == set(table["page_reason"]) == {"private_address"}
    assert set(table["license_state"]) == {"not stated"}


def test_busy_hosts_are_asked_again_as_in_a_crawl(workspace, web):
    """A status without Retry-After, for a file and for a page."""
    paths = list(sources(workspace, web).values())
    for path, status in ((paths[0], 503), (paths[1], 500), (f"{paths[2]}.html", 429)):
        web[path] = [(status, "text/plain", b""), web[path]]
    web[paths[3]] = (503, "text/plain", b"")
    found = recheck(workspace, replace(VISITS, tries=2)).to_dict()
    assert (found["states"], found["licenses"]) == ({"same": 20, "unclear": 1}, {"same": 21})
    assert web["asked"].count(paths[3]) == 2


def test_the_delay_of_a_host_is_kept_as_in_a_crawl(workspace, web):
    web["/robots.txt"] = (200, "text/plain", b"User-agent: *\nCrawl-delay: 0.25\n")
    keep_in_sample(workspace, 5)
    start = time.monotonic()
    found = recheck(workspace, VISITS).to_dict()
    assert found["states"] == {"same": 5}
    assert time.monotonic() - start > 1  # ten addresses of one host


def test_nothing_to_check(workspace, tmp_path):
    with workspace.catalog.transaction() as db:
        db.execute("DELETE FROM sample")
    with pytest.raises(BtferError, match="has no sample yet"):
        recheck(workspace, VISITS)
