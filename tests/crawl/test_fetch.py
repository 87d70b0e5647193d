"""One file at a time: every way a host can answer ends in an image or in the one right reason."""

import asyncio
import hashlib
import ssl
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from btfer_builder.config import override
from btfer_builder.crawl import ssrf_guard
from btfer_builder.crawl.fetch import open_fetcher
from btfer_builder.crawl.ssrf_guard import GuardedResolver
from btfer_builder.crawl.temp_file import place as put
from btfer_builder.errors import BtferError
from btfer_builder.reasons import REASONS
from btfer_builder.records import Fetch, Image
from tests.crawl.crawl_web import CASES, SIGNED, picture


async def _fetch(root: Path, recipe, url: str, **options) -> tuple[Fetch, Image | None]:
    fetcher = open_fetcher(root, recipe)
    try:
        fetched = await fetcher.fetch(url, **options)
        if fetched.image:
            put(root, fetched.file, fetched.image.path)
    finally:
        await fetcher.close()
    return fetched.fate, fetched.image


@pytest.fixture
def fetch(tmp_path, recipe):
    """Return a function that fetches a URL, checks what holds for every fate, and returns it."""

    def run(url: str, *, language: str = "", local: bool = False, **settings) -> tuple[Fetch, Image | None]:
        fate, image = asyncio.run(
            _fetch(tmp_path, override(recipe, **settings), url, language=language, local=local)
        )
        assert fate.url == url
        assert (fate.image_id is None) != (fate.reason is None)
        assert (image is None) == (fate.image_id is None)
        assert fate.reason is None or fate.reason in REASONS["crawl"]
        assert len(fate.detail) <= 500
        left = [path for path in (tmp_path / "data" / "images").rglob("*") if path.is_file()]
        assert left == ([tmp_path / image.path] if image else []), "only whole files stay"
        return fate, image

    return run


@pytest.mark.parametrize("name", ["a.jpg", "b.png", "c.webp"])
def test_an_image_is_kept_under_the_hash_of_its_bytes(web, fetch, tmp_path, name):
    fate, image = fetch(f"{web.url}/{name}")
    content, digest = picture(name), hashlib.sha256(picture(name)).hexdigest()
    assert (tmp_path / image.path).read_bytes() == content
    assert image.path == f"data/images/{digest[:2]}/{digest}.{name[-4:].lstrip('.')}"
    assert (image.image_id, image.bytes, fate.bytes) == (digest, len(content), len(content))
    assert (fate.http_status, fate.content_type[:6], fate.fetched_at[-6:]) == (200, "image/", "+00:00")
    assert (tmp_path / image.path).stat().st_mode & 0o777 == 0o644


REFUSED = {
    "404": "not_found",
    "410": "not_found",
    "401": "forbidden",
    "403": "forbidden",
    "451": "forbidden",
    "500": "server_error",
    "429": "busy",
    "503": "busy",
    "204": "http_error",
    "206": "http_error",
    "206-more": "http_error",
    "206-later": "http_error",
    "encoding-br": "unsupported_format",
    "304": "http_error",
    "300-without-location": "http_error",
    "length-too-long": "unreachable",
    "length-nonsense": "unreachable",
    "reset": "unreachable",
    "close": "unreachable",
    "no-http": "unreachable",
    "endless-head": "unreachable",
    "gzip-broken": "unreachable",
    "empty": "empty",
    "page": "not_an_image",
    "zip": "not_an_image",
    "text": "not_an_image",
    "svg": "unsupported_format",
    "psd": "unsupported_format",
    "gzip-twice": "unsupported_format",
    "gzip-bomb": "too_big",
    "sized/1100000.png": "too_big",
    "redirect-loop": "too_many_redirects",
    "hop/6": "too_many_redirects",
    "redirect-to?file:///etc/passwd": "bad_url",
    "redirect-to?ftp://127.0.0.1/x.jpg": "bad_url",
    "redirect-to?http://[": "bad_url",
    "redirect-to?http://127.0.0.1:1/x.jpg": "unreachable",
}


@pytest.mark.parametrize("path", REFUSED)
def test_everything_else_is_dropped_for_its_reason(web, fetch, path):
    fate, _ = fetch(f"{web.url}/{path}")
    assert fate.reason == REFUSED[path], fate
    assert web.requests["/" + path.partition("?")[0]] >= 1
    if path.isdecimal():
        assert fate.http_status == int(path)


@pytest.mark.parametrize("path", ["hang", "drip", "drip-head"])
def test_the_deadline_is_for_the_whole_file_and_not_for_each_read(web, fetch, path):
    started = time.monotonic()
    fate, _ = fetch(f"{web.url}/{path}", timeout=0.3)
    assert fate.reason == "timeout", fate
    assert 0.3 <= time.monotonic() - started < 4


def test_an_endless_body_is_read_up_to_the_cap_and_no_further(web, fetch):
    fate, _ = fetch(f"{web.url}/endless", max_bytes=50_000)
    assert fate.reason == "too_big"
    time.sleep(0.1)  # what the server's last call still put into the socket
    sent = web.sent_endlessly
    assert sent < 20_000_000, "no more than the buffers of two sockets hold"
    time.sleep(0.1)
    assert web.sent_endlessly == sent, "the connection is closed"


def test_a_file_of_exactly_the_cap_is_kept(web, fetch):
    size = len(picture("a.png", 48))
    assert fetch(f"{web.url}/a.png", max_bytes=size - 1)[0].reason == "too_big"
    assert fetch(f"{web.url}/a.png", max_bytes=size)[1].bytes == size


def test_a_body_longer_than_its_length_is_cut_there_or_refused(web, fetch):
    fate, _ = fetch(f"{web.url}/length-too-short")
    assert fate.reason == "unreachable" or fate.bytes == len(picture("lie.jpg")) - 100


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("redirect", "redirected.jpg"),
        ("redirect-moved", "moved.webp"),
        ("hop/5", "end-of-hops.png"),
        ("mislabelled", "mislabelled.png"),
        ("gzip", "gzip.png"),
        ("gzip-members", "gzip.png"),
        ("long-type", "type.jpg"),
        ("203", "proxied.jpg"),
        ("206-all", "part.jpg"),
        ("encoding-none", "plain.jpg"),
        ("encoding-charset", "plain.jpg"),
        ("encoding-gzip-of-none", "plain.jpg"),
        (SIGNED[1:], "signed.jpg"),
        ("redirect-signed", "signed.jpg"),
        ("redirect-latin-1", "caf%E9%2f1.jpg"),
        ("redirect-utf-8", "caf%C3%A9.jpg"),
        ("length-too-short-not/é ñ.png?q=ü", "length-too-short-not/%C3%A9%20%C3%B1.png"),
        (f"long.jpg?{'x' * 10_000}", "long.jpg"),
    ],
)
def test_odd_ways_to_a_picture(web, fetch, path, name):
    fate, image = fetch(f"{web.url}/{path}")
    assert image, fate
    assert image.image_id == hashlib.sha256(picture(name)).hexdigest()
    assert len(fate.content_type) <= 200


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "/happy.jpg", "//127.0.0.1/x.jpg", "http://", "http:///x.jpg", "http://[", "http://[::1", "https://",
        "http://127.0.0.1:99999/x.jpg", "http://127.0.0.1:x/", "http://127.0.0.1:0/", "http://\0/", "http://a\nb/",
        "ftp://127.0.0.1/x.jpg", "file:///etc/passwd", "file://localhost/etc/passwd", "javascript:alert(1)",
        "data:image/png;base64,AAAA", "blob:http://127.0.0.1/x", "http://℀.example/", "x" * 10_000, "http://xn--/",
        "http://no thing.invalid/x.jpg", f"http://{'a' * 64}.invalid/x.jpg", "http://a%2Fb/", "http://%5B/",
    ],
)  # fmt: skip
@pytest.mark.parametrize("allow_private_hosts", [True, False])
def test_what_is_no_address_is_no_error(fetch, url, allow_private_hosts):
    fate, _ = fetch(url, allow_private_hosts=allow_private_hosts)
    assert fate.reason == "bad_url", fate


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "[::1]", "0x7f000001", "0x7f.1", "2130706433", "127.1", "0177.0.0.1", "0",
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::127.0.0.1]", "[::]", "169.254.169.254", "[fd00:ec2::254]",
        "user@127.0.0.1", "LOCALHOST", "localhost.", "①②⑦.0.0.1",
    ],
)  # fmt: skip
def test_private_hosts_are_refused_before_they_are_contacted(web, fetch, host):
    fate, _ = fetch(web.url.replace("127.0.0.1", host) + "/a.jpg", allow_private_hosts=False)
    assert fate.reason in {"private_address", "unreachable", "bad_url"}
    odd = {"localhost.", "0177.0.0.1", "①②⑦.0.0.1", "2130706433", "127.1", "0"}
    if host not in odd:  # libraries and resolvers differ
        assert fate.reason == "private_address", fate
    assert web.connections == 0


def test_a_redirect_to_a_private_host_is_refused_too(web, fetch, monkeypatch):
    monkeypatch.setattr(
        ssrf_guard, "is_public", lambda address: address == "127.0.0.1"
    )  # the one public host
    for place in ("169.254.169.254/latest/meta-data/", "[::1]:80/x.jpg", "127.0.0.2/x.jpg"):
        fate, _ = fetch(f"{web.url}/redirect-to?http://{place}", allow_private_hosts=False)
        assert fate.reason == "private_address", fate
        assert place.partition("/")[0].strip("[]").removesuffix("]:80") in fate.detail


def test_a_host_in_letters_of_any_language_is_resolved(fetch, monkeypatch):
    asked = []

    async def lookup(_self, host: str, _family: int = 0) -> list[str]:
        asked.append(host)
        return ["10.0.0.1"]

    monkeypatch.setattr(GuardedResolver, "lookup", lookup)
    fate, _ = fetch("http://bücher.example/glücklich.jpg", allow_private_hosts=False)
    assert asked == ["xn--bcher-kva.example"]
    assert fate.reason == "private_address"


def test_a_host_that_does_not_exist_or_listen_is_unreachable(fetch):
    for place in ("nothing.invalid", f"{'a.' * 100}invalid", "127.0.0.1:1"):
        assert fetch(f"http://{place}/x.jpg")[0].reason == "unreachable", place
    assert fetch("https://127.0.0.1:1/x.jpg")[0].reason == "unreachable"


def test_tls_to_a_server_that_speaks_none_is_unreachable(web, fetch):
    assert fetch(web.url.replace("http:", "https:") + "/a.jpg")[0].reason == "unreachable"


def test_tls_that_breaks_in_the_middle_is_unreachable_and_no_full_disk(web, tmp_path, recipe):
    """`ssl.SSLError` is an OSError, as a full disk is."""

    class BrokenTls:
        async def __aenter__(self) -> None:
            raise ssl.SSLError(1, "[SSL: DECRYPTION_FAILED_OR_BAD_RECORD_MAC]")

        async def __aexit__(self, *_: object) -> None:
            raise AssertionError("it was never entered")

    async def broken() -> Fetch:
        fetcher = open_fetcher(tmp_path, recipe)
        await fetcher.robots.refusal(f"{web.url}/a.jpg")
        await fetcher.session.close()
        asks_nobody = type("Session", (), {"get": lambda *_, **__: BrokenTls()})()
        return (await replace(fetcher, session=asks_nobody).fetch(f"{web.url}/a.jpg")).fate

    fate = asyncio.run(broken())
    assert fate.reason == "unreachable"
    assert "BAD_RECORD_MAC" in fate.detail


def test_hosts_are_told_who_asks_and_in_which_language(web, fetch, monkeypatch):
    seen = {}
    monkeypatch.setitem(CASES, "echo", lambda h: (seen.update(h.headers), h.answer(200, picture("e.jpg"))))
    fetch(f"{web.url}/echo", language="es", contact="ana@example.org")
    assert seen["Accept-Language"] == "es"
    assert seen["User-Agent"].startswith("btfer-builder/")
    assert "ana@example.org" in seen["User-Agent"]
    assert seen["Accept-Encoding"] == "identity"


def test_a_proxy_of_the_environment_does_not_get_around_the_check(web, fetch, monkeypatch):
    for name in ("http_proxy", "all_proxy"):
        monkeypatch.setenv(name, web.url)
    assert fetch("http://10.0.0.1/x.jpg", allow_private_hosts=False)[0].reason == "private_address"
    assert web.connections == 0


def test_a_file_the_user_named_is_read(fetch, tmp_path):
    for name in ("a.png", "with space #1 100%?.png", "glücklich.jpg"):
        path = tmp_path / "pictures" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(picture(name))
        _, image = fetch(path.as_uri(), local=True)
        assert image.image_id == hashlib.sha256(picture(name)).hexdigest()
        (tmp_path / image.path).unlink()
    assert fetch((tmp_path / "gone.jpg").as_uri(), local=True)[0].reason == "unreachable"
    assert fetch(tmp_path.as_uri(), local=True)[0].reason == "unreachable"
    assert fetch(path.as_uri(), local=True, max_bytes=1024)[0].reason == "too_big"
    path.write_bytes(b"")
    assert fetch(path.as_uri(), local=True)[0].reason == "empty"


def test_a_file_whose_name_is_no_utf8_is_read(fetch, tmp_path):
    path = tmp_path / "caf\udce9.jpg"
    try:
        path.write_bytes(picture("latin.jpg"))
    except OSError:
        pytest.skip("this file system has UTF-8 names only")
    assert fetch(path.as_uri(), local=True)[1].bytes == len(picture("latin.jpg"))


def test_the_same_bytes_are_one_file(web, fetch):
    again = partial(fetch, f"{web.url}/same.jpg")
    assert again()[1] == again()[1]


def test_a_folder_that_cannot_be_written_is_said_in_one_line(web, tmp_path, recipe):
    (tmp_path / "data").write_text("a file where the folder should be")
    with pytest.raises(BtferError, match=r"data/images: cannot be written: .*crawl again"):
        asyncio.run(_fetch(tmp_path, recipe, f"{web.url}/a.jpg"))
