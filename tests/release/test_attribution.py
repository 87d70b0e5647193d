"""What creators and engines say comes out as text, whatever it is."""

import csv
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from btfer_builder.catalog.sample import Source
from btfer_builder.config import ReleaseRecipe
from btfer_builder.release.stage import release
from btfer_builder.release.writers.attribution import markdown, safe_url
from btfer_builder.sample.provenance import best_source, license_of, licenses_in


class Seen(HTMLParser):
    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, _):
        self.tags.append(tag)

    def handle_data(self, data):
        self.text += data


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_text_from_outside_is_text_in_markdown(text):
    seen = Seen(MarkdownIt("commonmark").render(f"by {markdown(text)}, x"))
    assert seen.tags == ["p"]
    shown = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    assert " ".join(seen.text.split()) == " ".join(f"by {shown}, x".split())


@settings(deadline=None, max_examples=60)
@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_an_address_cannot_end_its_link(text):
    seen = Seen(MarkdownIt("commonmark").render(f"[source](<{safe_url('https://x.example/' + text)}>)"))
    assert seen.tags == ["p", "a"]
    assert seen.text.strip() == "source"


def test_a_hostile_creator_in_a_release(workspace, tmp_path):
    name = "=cmd|' /C calc'!A0\n# x <script>alert(1)</script> [a](http://evil.example)"
    with workspace.catalog.transaction() as db:
        db.execute("UPDATE candidates SET creator = ?", (name,))
    out = release(workspace, tmp_path / "out", ReleaseRecipe()).path
    html = MarkdownIt("commonmark").render((out / "ATTRIBUTION.md").read_text())
    assert "<script" not in html
    assert 'href="http://evil' not in html
    with (out / "LICENSES.csv").open(newline="") as file:
        assert all(row["creator"].startswith("'=cmd") for row in csv.DictReader(file))


def test_names_stand_only_where_the_licence_asks_for_them(workspace, tmp_path):
    with workspace.catalog.transaction() as db:
        db.execute("UPDATE candidates SET license = 'cc0', license_url = ''")
    out = release(workspace, tmp_path / "out", ReleaseRecipe()).path
    with (out / "LICENSES.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["creator"] for row in rows} == {""}
    assert all(row["source"].startswith("https://photos.example/") for row in rows)
    assert {row["license_url"] for row in rows} == {"https://creativecommons.org/publicdomain/zero/1.0/"}


def test_other_rights_are_stated_at_each_image(workspace, tmp_path):
    with workspace.catalog.transaction() as db:
        db.execute("UPDATE candidates SET restrictions = 'personality|trademarked' WHERE candidate_id % 2")
    out = release(workspace, tmp_path / "out", ReleaseRecipe()).path
    with (out / "LICENSES.csv").open(newline="") as file:
        stated = [row["restrictions"] for row in csv.DictReader(file)]
    number = stated.count("personality|trademarked")
    assert number > 0
    assert set(stated) <= {"", "personality|trademarked"}
    text = (out / "ATTRIBUTION.md").read_text()
    assert f"Sources of {number} images state rights other than copyright" in text
    assert text.count("other rights: personality, trademarked") == number


def source(license="unknown", url="https://x.example/1", license_url="", creator=""):
    return Source(url, "", license, license_url, creator)


@settings(deadline=None, max_examples=60)
@given(st.permutations([source("by"), source("unknown"), source("by-nc"), source("cc0", creator="A")]))
def test_the_strictest_known_licence_whatever_the_order(sources):
    assert license_of(best_source(sources)) == "by-nc"


def test_no_source_is_an_unknown_licence():
    assert license_of(best_source([])) == "unknown"
    assert license_of(source("All rights reserved")) == "unknown"
    assert (
        license_of(source("by-sa", license_url="https://creativecommons.org/licenses/by-sa/2.0/")) == "by-sa"
    )


@pytest.mark.parametrize(
    ("page", "codes"),
    [
        ('<a rel="license" href="https://creativecommons.org/licenses/by-nc-sa/3.0/">', ["by-nc-sa"]),
        ("http://creativecommons.org/publicdomain/zero/1.0/ and /licenses/by/4.0/", ["cc0"]),
        ("creativecommons.org/licenses/by/2.0/ creativecommons.org/licenses/by/4.0/", ["by"]),
        ("nothing", []),
        ("https://creativecommons.org/licenses/BY-SA/3.0/de/deed.de.", ["by-sa"]),
        ("<a href=//creativecommons.org/licenses/by/4.0/>", ["by"]),
        (r'{"license":"https:\/\/creativecommons.org\/publicdomain\/zero\/1.0\/"}', ["cc0"]),
        ("https://evil.example/creativecommons.org/licenses/by/4.0/", []),
        ("https://creativecommons.org.evil.example/licenses/by/4.0/", []),
        ("https://notcreativecommons.org/licenses/by/4.0/", []),
        ("https://evil.example/?to=https://creativecommons.org/licenses/by/4.0/", []),
        (
            "https://creativecommons.org/licenses/by/9.0/ https://creativecommons.org/licenses/by-like/4.0/",
            [],
        ),
    ],
)
def test_licences_on_a_page(page, codes):
    assert licenses_in(page) == codes


def test_the_deed_follows_what_is_known(made):
    from dataclasses import replace

    from btfer_builder.release.released_faces import released_faces

    face = released_faces(made[0], ReleaseRecipe())[0]
    assert face.license_url.endswith("/by/4.0/")
    for other in (source("by"), source("by", license_url="javascript:x")):
        assert replace(face, source=other).license_url.endswith("/cclicenses/")
    assert replace(face, license="unknown").license_url == ""
