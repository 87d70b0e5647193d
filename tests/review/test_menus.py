"""The reasons, filters and orders: each list is in one place, and the page, its API and the documentation follow it."""

import re
from html.parser import HTMLParser

import pytest

from btfer_builder.config import ReviewRecipe
from btfer_builder.reasons import REASONS, Reason
from btfer_builder.review.decisions import import_decisions
from btfer_builder.review.filters import FILTERS, Filter
from btfer_builder.review.ordering import ORDERS, Order
from docs.make_reasons import LIST, PAGE, reasons_page, with_reasons_table

SUNGLASSES = Reason("dark_glasses", "sunglasses cover the eyes", "g")


class Page(HTMLParser):
    """The buttons of each menu as (key, value, text), and the text of each section."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.section = ""
        self.buttons: dict[str, list[list[str]]] = {}
        self.text: dict[str, str] = {}
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        values = dict(attributes)
        if tag == "section" and "menu" in (values.get("class") or ""):
            self.section = values["id"]
        if tag == "button" and "data-value" in values:
            self.buttons.setdefault(self.section, []).append([values["data-key"], values["data-value"]])

    def handle_data(self, data):
        self.text[self.section] = self.text.get(self.section, "") + data


def menu(server, name: str) -> list[list[str]]:
    return Page(server.client.get("/").text).buttons[name]


@pytest.mark.parametrize(
    ("name", "entries"),
    [("reasons", REASONS["review"]), ("shows", FILTERS), ("sorts", ORDERS)],
)
def test_a_menu_offers_every_entry_under_its_own_letter(start, filled, name, entries):
    assert menu(start(model="m"), name) == [[entry.key, entry.name] for entry in entries.values()]
    keys = [entry.key for entry in entries.values()]
    assert len(set(keys)) == len(keys)
    assert all(re.fullmatch("[a-z]", key) for key in keys)
    assert all(key == entry.name for key, entry in entries.items())


def test_only_reviewers_give_reasons_by_key():
    assert {stage for stage, reasons in REASONS.items() if any(r.key for r in reasons.values())} == {"review"}


def test_a_new_reason_is_one_line(monkeypatch, server, workspace, filled, tmp_path):
    face, other = filled.face_ids[1:3]
    assert server.decide(face, "reject", reason="dark_glasses").status_code == 400
    monkeypatch.setitem(REASONS["review"], "dark_glasses", SUNGLASSES)

    page = Page(server.client.get("/").text)
    assert ["g", "dark_glasses"] in page.buttons["reasons"]
    assert "dark glasses" in page.text["reasons"]
    assert "sunglasses cover the eyes" in page.text["reasons"]
    assert "gdark glasses" in page.text["help"]  # the key, then the name
    assert "| `g` | dark glasses | sunglasses cover the eyes |" in with_reasons_table(PAGE.read_text("utf-8"))

    assert server.decide(face, "reject", reason="dark_glasses").status_code == 200
    assert "dark_glasses" in server.decide(face, "reject", reason="ugly").json()["error"]
    table = tmp_path / "table.csv"
    table.write_text(f"item_id,kind,verdict,reason\n{other},face,reject,dark_glasses\n", encoding="utf-8")
    assert import_decisions(workspace.catalog, table, reviewer="ana").added == 1
    assert [server.decisions()[item]["reason"] for item in (face, other)] == ["dark_glasses"] * 2


def test_a_new_filter_is_one_line(monkeypatch, start, filled):
    rejected = Filter("rejected", "r", "what you have rejected", lambda item, verdict: verdict == "reject")
    monkeypatch.setitem(FILTERS, "rejected", rejected)
    for server in (start("ana"), start("bo", recipe=ReviewRecipe(blind=True))):
        assert ["r", "rejected"] in menu(server, "shows")
        server.decide(filled.face_ids[4], "reject", reason="minor")
        (item,) = server.get("/api/items", show="rejected")["items"]
        assert item["item_id"] == filled.face_ids[4]


def test_a_new_order_is_one_line_and_counts_as_suspicion(monkeypatch, server, workspace, filled):
    monkeypatch.setitem(
        ORDERS, "id", Order("id", "i", "the one named", lambda item, _: item.item_id == filled.face_ids[5])
    )
    assert ["i", "id"] in menu(server, "sorts")
    for sort in ("id", "suspicion"):
        assert server.get("/api/items", sort=sort)["items"][0]["item_id"] == filled.face_ids[5]


def test_the_documentation_lists_the_reasons():
    text = PAGE.read_text("utf-8")
    assert text == with_reasons_table(text), "run `make docs`"
    assert LIST.read_text("utf-8") == reasons_page(), "run `make docs`"
    named = [name for reasons in REASONS.values() for name in reasons]
    assert re.findall(r"^\| `(\w+)` \|", reasons_page(), re.MULTILINE) == named
