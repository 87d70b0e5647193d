"""The same picture has one address, and another picture never gets it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfer_builder.crawl.urls import TRACKING, ascii_host, canonical_url, redirect_url, request_url


@pytest.mark.parametrize(
    ("url", "canonical"),
    [
        ("HTTP://Photos.Example/A.jpg", "http://photos.example/A.jpg"),
        ("http://photos.example:80/a.jpg", "http://photos.example/a.jpg"),
        ("https://photos.example:443/a.jpg", "https://photos.example/a.jpg"),
        ("https://photos.example:80/a.jpg", "https://photos.example:80/a.jpg"),
        ("http://photos.example/a.jpg#top", "http://photos.example/a.jpg"),
        ("http://photos.example", "http://photos.example/"),
        ("http://photos.example/a.jpg?utm_source=x&UTM_Campaign=y", "http://photos.example/a.jpg"),
        (
            "http://photos.example/a.jpg?w=300&fbclid=1&h=200&gclid=2",
            "http://photos.example/a.jpg?w=300&h=200",
        ),
        ("http://photos.example/a.jpg?h=1&w=2", "http://photos.example/a.jpg?h=1&w=2"),
        ("http://photos.example/a.jpg?", "http://photos.example/a.jpg"),
        ("http://photos.example/caf%c3%a9.jpg", "http://photos.example/caf%C3%A9.jpg"),
        ("http://photos.example/café.jpg", "http://photos.example/caf%C3%A9.jpg"),
        ("http://photos.example/a b.jpg", "http://photos.example/a%20b.jpg"),
        ("http://photos.example/%7Eana/%61.jpg", "http://photos.example/~ana/a.jpg"),
        ("http://photos.example/a%2Fb.jpg", "http://photos.example/a%2Fb.jpg"),
        ("http://bücher.example/a.jpg", "http://xn--bcher-kva.example/a.jpg"),
        ("http://[2001:DB8::1]:80/a.jpg", "http://[2001:db8::1]/a.jpg"),
        ("http://ana@photos.example/a.jpg", "http://ana@photos.example/a.jpg"),
        (
            "http://photos.example/a.jpg?utmost=1&xutm_source=2",
            "http://photos.example/a.jpg?utmost=1&xutm_source=2",
        ),
    ],
)
def test_what_says_nothing_of_the_picture_goes(url, canonical):
    assert canonical_url(url) == canonical


@pytest.mark.parametrize(
    "url",
    [
        "", "x", "http://[", "http://", "ftp://A.example:80/x#y", "file:///etc/Passwd#x", "javascript:alert(1)",
        "http://a\nb/", "http://a.example:99999/", "http://a.example:x/", "http://\ud800.example/", "data:image/png,x",
        "http://a.example\\@b.example/",
    ],
)  # fmt: skip
def test_what_is_no_address_of_the_web_stays_as_it_is(url):
    assert canonical_url(url) == url


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        (
            "http://a.example/x%27%40%2F%3A%2c.jpg?s=%27%2b+|'",
            "http://a.example/x%27%40%2F%3A%2c.jpg?s=%27%2b+|'",
        ),
        ("http://a.example/a b/é.jpg?q=ü&r={x}", "http://a.example/a%20b/%C3%A9.jpg?q=%C3%BC&r={x}"),
        ("http://a.example?x#top", "http://a.example/?x"),
        ("http://ana:x@A.example:8080/%zz", "http://ana:x@a.example:8080/%zz"),
        ("http://[2001:db8::1]:8080/", "http://[2001:db8::1]:8080/"),
        ("http://straße.example/", "http://xn--strae-oqa.example/"),
    ],
)
def test_what_is_sent_is_what_was_found(url, sent):
    assert str(request_url(url)) == sent


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("straße.de", "xn--strae-oqa.de"), ("xn--strae-oqa.de", "xn--strae-oqa.de"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("faß.de", "xn--fa-hia.de"), ("例え.テスト", "xn--r8jz45g.xn--zckzah"), ("a。example", "a.example"),
        ("A_b.Example", "a_b.example"),
    ],
)  # fmt: skip
def test_names_are_those_that_browsers_look_up(host, name):
    assert ascii_host(host) == name


def test_two_names_that_browsers_tell_apart_have_two_keys():
    assert canonical_url("http://straße.de/a.jpg") != canonical_url("http://strasse.de/a.jpg")
    assert canonical_url("http://straße.de/a.jpg") == canonical_url("http://xn--strae-oqa.de/a.jpg")


def test_bytes_of_a_redirect_are_kept():
    location = b"/caf\xe9/\xc3\xa9%2f".decode("utf-8", "surrogateescape")
    assert (
        str(request_url(redirect_url("http://a.example/x", location))) == "http://a.example/caf%E9/%C3%A9%2f"
    )


URLS = st.builds(
    lambda scheme, host, port, path, pairs, fragment: (
        f"{scheme}://{host}{port}/{path}" + (f"?{'&'.join(pairs)}" if pairs else "") + fragment
    ),
    st.sampled_from(["http", "https", "HTTP"]),
    st.from_regex(r"[a-zA-Z0-9]{1,8}\.example", fullmatch=True),
    st.sampled_from(["", ":80", ":443", ":8080"]),
    st.text(st.characters(exclude_characters="?#\\", exclude_categories=["Cs", "Cc"]), max_size=20),
    st.lists(st.from_regex(r"[a-z]{1,8}=[a-zA-Z0-9%]{0,6}", fullmatch=True), max_size=4),
    st.sampled_from(["", "#x"]),
)


@given(URLS)
def test_a_canonical_address_is_its_own(url):
    assert canonical_url(canonical_url(url)) == canonical_url(url)


@given(URLS, st.sampled_from(sorted(TRACKING)), st.text("abc123", max_size=5))
def test_a_tracking_parameter_changes_nothing(url, name, value):
    base, hash_, fragment = url.partition("#")
    tracked = f"{base}{'&' if '?' in base else '?'}{name}={value}{hash_}{fragment}"
    assert canonical_url(tracked) == canonical_url(url)


@given(st.text(max_size=200))
def test_anything_has_a_form(text):
    assert isinstance(canonical_url(text), str)
