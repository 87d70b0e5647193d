"""The documentation site: it builds without a warning, has every page, and loads nothing from other hosts."""

import html.parser
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("material", reason="MkDocs Material is not installed: pip install -e '.[docs]'")

ROOT = Path(__file__).resolve().parents[2]
#: Attributes by which a page loads a file; a link that the reader may follow is no such.
LOADS = {
    ("script", "src"),
    ("img", "src"),
    ("iframe", "src"),
    ("link", "href"),
    ("source", "src"),
    ("use", "href"),
}
#: Relations of a `link` that load nothing.
NAMES = {"canonical", "next", "prev"}


class Loaded(html.parser.HTMLParser):
    """The addresses that a page loads, and its ids."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.ids.add(values.get("id") or "")
        if values.get("rel") not in NAMES:
            self.addresses += [value for name, value in attrs if (tag, name) in LOADS and value]


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_on_the_site_and_can_be_searched(site):
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert {path.stem for path in site.glob("*.html")} == pages | {"404"}
    index = json.loads((site / "search" / "search_index.json").read_text(encoding="utf-8"))
    found = {item["location"].partition(".html")[0] for item in index["docs"]}
    assert pages - {"index"} <= found
    assert not list(site.rglob("*.py"))


def test_pages_load_nothing_from_other_hosts(site):
    loaded = {
        (page.name, address)
        for page in site.rglob("*.html")
        for address in Loaded(page.read_text(encoding="utf-8")).addresses
    }
    assert {item for item in loaded if re.match(r"(?:[a-z]+:)?//", item[1])} == set()
    missing = {
        (page, address)
        for page, address in loaded
        if page != "404.html"
        and not address.startswith("data:")
        and not (site / address.partition("#")[0]).is_file()
    }
    assert missing == set()
    for sheet in site.rglob("*.css"):
        assert (
            re.findall(r"(?:url\(|@import )[\"']?(?:[a-z]+:)?//[^)\"']+", sheet.read_text(encoding="utf-8"))
            == []
        )


def test_the_site_has_light_and_dark_colours(site):
    page = (site / "index.html").read_text(encoding="utf-8")
    assert re.findall(r'data-md-color-scheme="(\w+)"', page)[1:] == ["default", "default", "slate"]


def test_links_of_the_readme_lead_to_pages_and_their_headings(site):
    linked = re.findall(
        r"\]\(docs/([\w-]+)\.md(?:#([\w-]+))?\)", (ROOT / "README.md").read_text(encoding="utf-8")
    )
    linked += re.findall(
        r"\]\(docs/([\w-]+)\.md(?:#([\w-]+))?\)", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    )
    assert linked
    for page, heading in linked:
        text = (site / f"{page}.html").read_text(encoding="utf-8")
        assert not heading or heading in Loaded(text).ids, f"{page}.md#{heading}"
