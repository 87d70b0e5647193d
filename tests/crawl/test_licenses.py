"""Every way a licence is written comes to its code, and what is none of them to `unknown`."""

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
        ("https://www.gnu.org/licenses/fdl.html", "unknown"),
        ("", "unknown"),
    ],
)
def test_pages(url, code):
    assert license_code("", url) == code


def test_a_page_counts_for_more_than_words():
    assert license_code("CC BY 4.0", "https://creativecommons.org/licenses/by-nc/4.0/") == "by-nc"
    assert license_code("CC BY 4.0", "https://example.org/our-terms") == "by"


def test_the_page_of_a_licence_with_its_version():
    assert license_page("by-sa 2.0") == "https://creativecommons.org/licenses/by-sa/2.0/"
    assert license_page("CC0") == "https://creativecommons.org/publicdomain/zero/1.0/"
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
