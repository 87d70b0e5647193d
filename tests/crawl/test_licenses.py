"""Every way to write a licence maps to its code, and everything else to `unknown`."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from btfer_builder.crawl.licenses import CC_CODES, license_code, license_page, with_code
from btfer_builder.records import Candidate


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("cc0", "cc0"), ("CC0", "cc0"), ("CC0 1.0", "cc0"), ("cc-zero", "cc0"), ("CC0 1.0 Universal", "cc0"),
        ("pdm", "pdm"), ("pdm 1.0", "pdm"), ("Public domain", "pdm"), ("PD", "pdm"), ("public-domain", "pdm"),
        ("No restrictions", "pdm"), ("No known copyright restrictions", "pdm"),
        ("United States government work", "pdm"),
        ("by", "by"), ("by 2.0", "by"), ("BY", "by"), ("CC BY 4.0", "by"), ("CC-BY-4.0", "by"), ("cc by", "by"),
        ("Creative Commons Attribution 4.0 International", "by"), ("CC BY 3.0 de", "by"), ("CC BY 2.5 IGO", "by"),
        ("by-sa", "by-sa"), ("CC BY-SA 4.0", "by-sa"), ("CC-BY-SA", "by-sa"), ("by_sa", "by-sa"),
        ("Creative Commons Attribution-ShareAlike 3.0", "by-sa"), ("Attribution-ShareAlike", "unknown"),
        ("Creative Commons Attribution-Share Alike License", "by-sa"),
        ("by-nd 2.0", "by-nd"), ("Creative Commons Attribution-NoDerivs 2.0", "by-nd"),
        ("by-nc", "by-nc"), ("Creative Commons Attribution-NonCommercial 4.0", "by-nc"),
        ("by-nc-sa 2.0", "by-nc-sa"), ("CC BY-NC-SA 4.0", "by-nc-sa"), ("by-sa-nc", "by-nc-sa"),
        ("by-nc-nd", "by-nc-nd"), ("CC BY-ND-NC 1.0", "by-nc-nd"),
        ("Creative Commons Attribution-NonCommercial-NoDerivatives 4.0 International", "by-nc-nd"),
        ("", "unknown"), ("unknown", "unknown"), ("All rights reserved", "unknown"), ("GFDL", "unknown"),
        ("Attribution", "unknown"), ("by Ana", "unknown"), ("by-sa-nd", "unknown"), ("by-xx", "unknown"),
        ("CC BY-SA 2.5-2.0-1.0", "by-sa"), ("CC BY-SA 4.0,3.0,2.5", "by-sa"), ("CC BY-SA 2.5 scotland", "by-sa"),
        ("Attribution 4.0 International (CC BY 4.0)", "by"), ("CC0 1.0 Universal (CC0 1.0)", "cc0"),
        ("CC BY 4.0 (CC BY-NC 4.0)", "unknown"), ("Attribution 4.0 International", "unknown"),
        ("CC BY 9.9", "unknown"), ("CC BY 4.0 de", "unknown"), ("CC0 2.0", "unknown"), ("PD-US", "unknown"),
        ("CC BY-", "unknown"), ("by -nc", "unknown"), ("CC BY-NC-NC", "unknown"), ("ccby", "unknown"),
        ("MIT", "unknown"), ("sampling+", "unknown"), ("CC SA 1.0", "unknown"), ("standby", "unknown"),
    ],
)  # fmt: skip
def test_names_and_codes(text, code):
    assert license_code(text) == code


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("https://creativecommons.org/licenses/by/4.0/", "by"),
        ("http://creativecommons.org/licenses/by-sa/3.0/de/deed.en", "by-sa"),
        ("https://www.creativecommons.org/licenses/by-nc-nd/2.0", "by-nc-nd"),
        ("https://creativecommons.org/licenses/by-nd-nc/1.0/", "by-nc-nd"),
        ("https://creativecommons.org/publicdomain/zero/1.0/", "cc0"),
        ("https://creativecommons.org/publicdomain/mark/1.0/", "pdm"),
        ("HTTPS://CreativeCommons.org/Licenses/BY/4.0/", "by"),
        ("https://creativecommons.org/licenses/sampling+/1.0/", "unknown"),
        ("https://creativecommons.org.evil.example/licenses/by/4.0/", "unknown"),
        ("https://evil.example/creativecommons.org/licenses/by/4.0/", "unknown"),
        ("https://creativecommons.org@evil.example/licenses/by/4.0/", "unknown"),
        ("https://creativecommons.org\\@evil.example/licenses/by/4.0/", "unknown"),
        ("https://evil.example/?u=https://creativecommons.org/licenses/by/4.0/", "unknown"),
        ("https://creativecommons.org/licenses/by/4.0/../../by-nc/4.0/", "unknown"),
        ("https://creativecommons.org/licenses/by/9.0/", "unknown"),
        ("https://creativecommons.org/licenses/by-nc", "by-nc"),
        ("https://creativecommons.org/licenses/by/4.0/legalcode", "by"),
        ("https://creativecommons.org/licenses/by-sa/3.0/de/legalcode.de", "by-sa"),
        ("https://creativecommons.org/licenses/by-sa/4.0/deed.es?ref=x#y", "by-sa"),
        ("https://creativecommons.org/licenses/by/4.0/ and more", "unknown"),
        ("https://creativecommons.org/licenses/publicdomain/", "pdm"),
        ("http://www.creativecommons.org/publicdomain/mark/1.0/deed.pt_BR", "pdm"),
        ("https://creativecommons.org/publicdomain/zero/1.0/deed.zh-hans", "cc0"),
        ("https://creativecommons.org/share-your-work/public-domain/", "unknown"),
        ("https://www.gnu.org/licenses/fdl.html", "unknown"),
        ("", "unknown"),
    ],
)
def test_pages_in_either_column(url, code):
    assert license_code("", url) == license_code(url) == license_code(url, url) == code
    assert license_code("unknown", url) == code
    done = with_code(Candidate(0, "u", license=url))
    assert (done.license, done.license_url) == (code, url if code != "unknown" else "")


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("CC BY 4.0", "https://creativecommons.org/licenses/by-nc/4.0/"),
        ("CC BY-NC 4.0", "https://creativecommons.org/licenses/by/4.0/"),
        ("Public domain", "https://creativecommons.org/publicdomain/zero/1.0/"),
        ("All rights reserved", "https://creativecommons.org/licenses/by/4.0/"),
        ("see page", "https://creativecommons.org/licenses/by/4.0/"),
        ("CC BY 4.0", "https://creativecommons.org/licenses/sampling+/1.0/"),
        ("https://creativecommons.org/licenses/by/4.0/", "https://creativecommons.org/licenses/by-sa/4.0/"),
        ("CC BY 4.0", "//creativecommons.org/licenses/by-nc/4.0/"),
        ("CC BY 4.0", "creativecommons.org/licenses/by-nc/4.0"),
        ("CC BY 4.0", "https://creativecommons.org:443/licenses/by-nc/4.0/"),
        ("CC BY 4.0", "https://web.archive.org/web/2020/http://creativecommons.org/licenses/by-nc/4.0/"),
        ("Public domain", "https://rightsstatements.org/vocab/InC/1.0/"),
    ],
)
def test_a_text_and_a_page_that_contradict_state_nothing(text, url):
    assert license_code(text, url) == "unknown"
    done = with_code(Candidate(0, "u", license=text, license_url=url))
    assert (done.license, done.license_url) == ("unknown", "")
    # So it stays when it is read again, as a release does.
    assert license_code(done.license, done.license_url) == "unknown"


@pytest.mark.parametrize("start", ["//", "", "//www."])
def test_a_page_may_have_no_scheme(start):
    page = f"{start}creativecommons.org/licenses/by-nc/4.0/"
    for candidate in (Candidate(0, "u", license=page), Candidate(0, "u", license_url=page)):
        done = with_code(candidate)
        assert done.license == "by-nc"
        assert done.license_url.endswith("creativecommons.org/licenses/by-nc/4.0/")
        assert done.license_url.startswith("https://")


def test_a_text_and_a_page_that_agree():
    by = "https://creativecommons.org/licenses/by/2.0/"
    for text in ("CC BY 2.0", "by", "Attribution 2.0 Generic", by):
        assert license_code(text, by) == "by"
    assert license_code("CC BY 4.0", "https://example.org/our-terms") == "by"
    done = with_code(Candidate(0, "u", license=by, license_url="https://example.org/our-terms"))
    assert (done.license, done.license_url) == ("by", by)


#: Whole phrases, and words no phrase has.
KNOWN = [
    "CC0",
    "CC0 1.0",
    "pdm",
    "Public domain",
    "No known copyright restrictions",
    "CC BY 4.0",
    "by-sa",
    "CC BY-NC-ND 4.0",
]
WORDS = [
    "not", "non", "no", "may", "formerly", "claimed", "see page", "or", "and", "except", "in the USA", "your country",
    "?", "-like", "(not", "maybe)", "<b>", "GFDL", "dominio público", "ist nicht", "kein", "pas de", "n/a", "unless",
    "CC BY-NC", "CC0,", "/", ":", "non-", "!", "*",
]  # fmt: skip


@given(
    st.sampled_from(KNOWN),
    st.sampled_from([*WORDS, ""]),
    st.sampled_from([*WORDS, ""]),
    st.sampled_from(["", " "]),
)
def test_a_known_phrase_with_any_other_word_is_unknown(phrase, before, after, gap):
    text = f"{before}{gap}{phrase}{gap}{after}"
    if before or after:
        assert license_code(text) == "unknown"


@given(st.sampled_from(KNOWN), st.text(max_size=30), st.text(max_size=30))
def test_a_known_phrase_in_any_text_is_unknown(phrase, before, after):
    text = f"{before} {phrase} {after}"
    grammar = r"(?i)\s*(?:[\s_-]|cc|0|zero|by|nc|nd|sa|1|2|3|4)*"
    if re.sub(grammar, "", before + after):
        assert license_code(text) == "unknown"


@pytest.mark.parametrize(
    "text",
    [
        "Not public domain", "non-CC0", "may not be public domain in your country", "CC BY-NC claimed, see page",
        "formerly CC0", "All rights reserved (not CC BY)", "CC BY-like", "CC BY or GFDL", "CC BY-SA / CC BY-NC",
        "CC0 (public domain)", "Gemeinfrei", "Namensnennung 4.0", "domaine public", "<a href='x'>CC BY</a>",
        "CC BY 4.0 or later", "public domain?", "No restrictions except commercial use", "was CC BY", "PDM-owner",
        "no known copyright restrictions in the US", "by permission", "CC BY 4.0, CC BY-NC 4.0",
    ],
)  # fmt: skip
def test_what_only_contains_a_licence_is_unknown(text):
    assert license_code(text) == "unknown"
    assert license_page(text) == ""


def test_the_page_of_a_licence_with_its_version():
    assert license_page("by-sa 2.0") == "https://creativecommons.org/licenses/by-sa/2.0/"
    assert license_page("CC0") == "https://creativecommons.org/publicdomain/zero/1.0/"
    assert license_page("CC BY 3.0 de") == "https://creativecommons.org/licenses/by/3.0/de/"
    assert license_page("by-sa") == license_page("GFDL 1.2") == license_page("") == ""


@given(st.sampled_from(CC_CODES), st.sampled_from(["1.0", "2.0", "2.5", "3.0", "4.0"]))
def test_what_we_write_is_what_we_read(code, version):
    assert license_code(code) == license_code(f"CC {code.upper()} {version}") == code
    assert license_code("", license_page(f"{code} {version}")) == code


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_has_a_code(text, url):
    assert license_code(text, url) in {*CC_CODES, "cc0", "pdm", "unknown"}


def test_a_candidate_gets_its_code_and_page():
    done = with_code(Candidate(0, "u", license="CC BY 4.0"))
    assert (done.license, done.license_url) == ("by", "https://creativecommons.org/licenses/by/4.0/")
    done = with_code(Candidate(0, "u", license="unknown", license_url="javascript:alert(1)"))
    assert (done.license, done.license_url) == ("unknown", "")
    done = with_code(Candidate(0, "u", license="", license_url="https://example.org/terms"))
    assert (done.license, done.license_url) == ("unknown", "https://example.org/terms")
