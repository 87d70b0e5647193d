"""Who is let in: the tab that was opened with the token and programs that know it, nobody else."""

from html.parser import HTMLParser
from typing import ClassVar

import httpx
import pytest

from btfer_builder.review.auth import MAX_BODY


@pytest.fixture
def stranger(server):
    with httpx.Client(base_url=server.url, trust_env=False) as client:
        yield client


@pytest.fixture
def tab(server, stranger):
    """A browser's tab that was opened with the printed address."""
    answer = stranger.get("/", params={"token": server.token, "round": "faces", "emotion": "fear"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/?round=faces&emotion=fear"
    cookie = answer.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert server.token not in answer.headers["location"]
    return stranger


PATHS = ["/", "/api/items", "/api/progress", "/api/picture/face/" + "0" * 64, "/static/review.js", "/nothing"]
PATHS.append("/api/peers/face/" + "0" * 64)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "header", [None, "Bearer wrong", "Bearer", "Basic correct-horse-battery-staple", "Bearer é"]
)
def test_without_the_token_nothing_is_told(server, stranger, path, header):
    headers = {"Authorization": header.encode()} if header else {}
    answer = stranger.get(path, headers=headers)
    assert answer.status_code == 401
    assert "btfer review" in answer.text


@pytest.mark.parametrize("token", ["", "wrong", "correct-horse-battery-stapl", "é" * 20])
def test_a_wrong_token_opens_nothing(stranger, token):
    answer = stranger.get("/", params={"token": token})
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_without_the_token_nothing_is_decided(server, stranger, filled):
    body = {"item_id": filled.face_ids[0], "kind": "face", "verdict": "skip"}
    assert stranger.post("/api/decisions", json=body).status_code == 401
    assert stranger.post("/api/decisions/batch", json={"decisions": [body]}).status_code == 401
    assert stranger.post("/api/undo", json={"round": "faces"}).status_code == 401
    assert server.get("/api/progress", round="faces")["decided"] == 0


def test_the_cookie_lets_the_page_and_its_decisions_in(server, tab, filled):
    page = tab.get("/?round=faces")
    assert page.status_code == 200
    assert "ana" in page.text
    body = {"item_id": filled.face_ids[0], "kind": "face", "verdict": "skip"}
    assert tab.post("/api/decisions", json=body, headers={"Origin": server.url}).status_code == 200


@pytest.mark.parametrize(
    "origin", [None, "null", "https://evil.example", "http://127.0.0.1:1", "http://localhost"]
)
def test_another_origin_decides_nothing(server, tab, filled, origin):
    headers = {} if origin is None else {"Origin": origin}
    body = {"item_id": filled.face_ids[0], "kind": "face", "verdict": "skip"}
    assert tab.post("/api/decisions", json=body, headers=headers).status_code == 403
    if origin is not None:  # a program that sends a wrong origin is a browser in disguise
        assert server.client.post("/api/decisions", json=body, headers=headers).status_code == 403
    assert server.get("/api/progress", round="faces")["decided"] == 0


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1:1", "127.0.0.1.evil.example", "localhost.evil.example", ""]
)
def test_another_host_name_is_refused(server, tab, host):
    for client in (tab, server.client):
        answer = client.get("/api/items", headers={"Host": host})
        assert answer.status_code == 403
        assert "items" not in answer.json()


@pytest.mark.parametrize("host", ["localhost", "localhost:9000", "LOCALHOST:1"])
def test_an_ssh_tunnel_may_end_at_any_port_of_localhost(server, host, filled):
    headers = {"Host": host, "Origin": f"http://{host}".lower()}
    assert server.client.get("/api/items", headers=headers).status_code == 200
    body = {"item_id": filled.face_ids[0], "kind": "face", "verdict": "skip"}
    assert server.client.post("/api/decisions", json=body, headers=headers).status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_carries_the_headers(server, stranger, path):
    for client in (server.client, stranger):
        headers = client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert "cache-control" in headers


def test_the_page_has_nothing_inline(server):
    class Seen(HTMLParser):
        attributes: ClassVar[list[str]] = []
        tags: ClassVar[list[str]] = []

        def handle_starttag(self, tag, attrs):
            self.tags.append(tag)
            self.attributes.extend(name for name, _ in attrs)

    Seen().feed(server.client.get("/").text)
    assert Seen.tags.count("script") == 1
    assert "style" not in {*Seen.tags, *Seen.attributes}
    assert "src" in Seen.attributes
    assert not [name for name in Seen.attributes if name.startswith("on")]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_long_body_is_refused(server, filled, chunked):
    body = b'{"item_id":"' + b"a" * MAX_BODY + b'"}'
    content = iter([body[:100], body[100:]]) if chunked else body
    answer = server.client.post(
        "/api/decisions", content=content, headers={"Content-Type": "application/json"}
    )
    assert answer.status_code == 413
    assert str(MAX_BODY) in answer.json()["error"]


def test_a_form_is_not_a_decision(server):
    answer = server.client.post("/api/decisions", data={"verdict": "skip"})
    assert answer.status_code == 415


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/api/decisions"), ("POST", "/api/items"), ("DELETE", "/")]
)
def test_other_methods_are_refused(server, method, path):
    answer = server.client.request(method, path)
    assert answer.status_code == 405


def test_a_reviewers_name_and_a_query_are_text(workspace, start):
    from tests.factories import fill_catalog

    fill_catalog(workspace, ["fear"], per_emotion=1, query="<img src=x onerror=alert(1)>")
    server = start("<script>alert(1)</script>")
    html = server.client.get("/").text
    assert "&lt;script&gt;alert(1)" in html
    assert html.count("<script") == 1
    answer = server.client.get("/api/items?round=faces")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["items"][0]["query"] == "<img src=x onerror=alert(1)>"
