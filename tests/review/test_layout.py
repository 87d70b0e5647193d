"""The page on every screen: what fits where, by mouse and by touch."""

import pytest

from btfer_builder.catalog.review import add_decisions, current_decisions
from btfer_builder.records import Decision
from tests.review.browser import CHROMIUM, READY

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this computer")

SAVED = "document.getElementById('saved').textContent === 'All saved'"

#: Whether all elements that match lie within the window.
INSIDE = """(selector) => [...document.querySelectorAll(selector)].every((element) => {
  const {left, top, right, bottom} = element.getBoundingClientRect();
  return left >= 0 && top >= 0 && right <= innerWidth && bottom <= innerHeight;
})"""


@pytest.fixture
def filled(workspace, fill):
    return fill(workspace, 10)


@pytest.fixture
def phone(chromium, server):
    with chromium.tab(390, 844) as tab:
        tab.open(f"{server.url}/?token={server.token}&round=faces")
        yield tab


@pytest.fixture
def page(chromium, server):
    with chromium.tab(1280, 800) as tab:
        tab.open(f"{server.url}/?token={server.token}&round=faces")
        yield tab


def inside(tab, selector: str) -> bool:
    return tab.eval(f"({INSIDE})({selector!r})")


def box(tab, selector: str) -> dict:
    return tab.eval(f"document.querySelector({selector!r}).getBoundingClientRect().toJSON()")


def brightness(tab) -> int:
    return tab.eval("Number(/\\d+/.exec(getComputedStyle(document.body).backgroundColor)[0])")


@pytest.mark.parametrize(
    ("width", "height", "columns"),
    [(390, 844, 2), (760, 900, 4), (1000, 900, 6), (1280, 800, 8), (1920, 1080, 11), (3840, 2160, 10)],
)
def test_everything_fits(chromium, server, width, height, columns):
    with chromium.tab(width, height) as tab:
        tab.open(f"{server.url}/?token={server.token}&round=faces")
        colors = []
        for dark in (False, True):
            tab.dark(dark)
            for key in ("f", "Escape", "v", "v"):  # with a menu, without, and both layouts
                tab.press_each(key)
                assert tab.eval("document.documentElement.scrollWidth <= innerWidth")
                assert tab.eval("document.documentElement.scrollHeight <= innerHeight")
            colors.append(brightness(tab))
        assert colors[0] > 200 > 60 > colors[1]
        across = "getComputedStyle(document.getElementById('grid')).gridTemplateColumns.split(' ').length"
        assert tab.eval(across) == columns
        sheet, panel = box(tab, ".sheet"), box(tab, ".panel")
        two_rows = ("#item-0", f"#item-{columns}")  # above the fold
        for selector in (*two_rows, ".labels button", ".top button", ".pager button"):
            assert inside(tab, selector), selector
        if width < 600:  # below
            assert panel["top"] >= sheet["bottom"]
            assert tab.eval(
                "[...document.querySelectorAll('.labels button')].every((b) => b.offsetHeight >= 44)"
            )
        else:  # aside
            assert panel["left"] >= sheet["right"]
            assert sheet["width"] > panel["width"]
        tab.press("?")
        assert inside(tab, "#help")
        assert tab.eval(
            "document.getElementById('help').scrollHeight <= document.getElementById('help').clientHeight"
        )
        assert tab.complaints() == []


@pytest.mark.parametrize(("width", "height"), [(390, 844), (760, 900), (1280, 800), (1920, 1080)])
def test_everything_fits_when_all_is_done(chromium, workspace, filled, start, width, height):
    add_decisions(
        workspace.catalog,
        [Decision(face, "face", "accept", "sad", reviewer="ana") for face in filled.face_ids],
    )
    for options in ({}, {"adjudicate": True}):
        server = start("ana", **options)
        with chromium.tab(width, height) as tab:
            tab.navigate(f"{server.url}/?token={server.token}&round=faces")
            tab.until(
                "document.readyState === 'complete' && document.querySelector('#filter .count')?.textContent !== '–'"
            )
            if not options:
                tab.until("document.querySelector('#finished code') !== null")
                assert inside(tab, ".labels button")  # the banner does not push them out
            # Also with the counts of a large set.
            tab.eval(
                "document.querySelectorAll('#filter .count').forEach((count) => count.textContent = '12,345/12,345')"
            )
            cut = "[...document.querySelectorAll('#filter .name, .done')].filter((e) => e.scrollWidth > e.clientWidth)"
            assert tab.eval(f"{cut}.map((e) => e.textContent)") == []
            assert tab.eval("document.documentElement.scrollWidth <= innerWidth")


def test_on_a_phone_a_tap_selects_and_labels(phone, workspace, filled):
    phone.swipe("#item-2")
    phone.until("document.querySelector('#item-2').classList.contains('current')")
    phone.swipe("[data-label=sad]")
    phone.until("document.querySelector('#item-2').dataset.verdict === 'accept'")
    phone.until(SAVED)
    (decision,) = current_decisions(workspace.catalog, "face", "ana").values()
    assert (decision.decision.item_id, decision.decision.emotion) == (filled.face_ids[2], "sad")


def test_on_a_phone_a_swipe_accepts_or_rejects(phone, workspace, filled):
    phone.swipe("#item-1", right=120)
    phone.until("document.querySelector('#item-1').dataset.verdict === 'accept'")
    phone.swipe("#item-3", right=-120)
    phone.until("!document.getElementById('reasons').hidden")
    phone.click("#reasons [data-key=m]")
    phone.until("document.querySelector('#item-3').dataset.verdict === 'reject'")
    phone.swipe("#item-2", right=20)  # too short
    phone.swipe("#item-2", right=30, down=-120)  # scrolls
    phone.until(SAVED)
    decisions = current_decisions(workspace.catalog, "face", "ana")
    assert {item: each.decision.reason for item, each in decisions.items()} == {
        filled.face_ids[1]: None, filled.face_ids[3]: "minor",
    }  # fmt: skip
    assert phone.complaints() == []


def test_a_double_click_or_a_click_on_the_picture_opens_it_large(page):
    shown = "document.getElementById('main').dataset.view"
    page.click("#item-3", times=2)
    assert page.eval(shown) == "single"
    assert page.eval("document.getElementById('large').dataset.url") == page.eval(
        "document.querySelector('#item-3 img').getAttribute('src').split('?')[0]"
    )
    page.click("#single")
    assert page.eval(shown) == "sheet"
    page.click(".preview")
    assert page.eval(shown) == "single"
    assert page.eval("document.activeElement.id") == "grid"


def test_what_limits_the_list_is_shown_and_removed(page):
    chips = "[...document.querySelectorAll('#active .chip')].map((chip) => chip.textContent)"
    assert page.eval("document.getElementById('active').hidden")
    page.press_each("o", "p", "f", "3", "f", "s")
    assert page.eval(chips) == ["show: skipped ×", "emotion: fear ×", "order: padding ×"]
    assert page.eval("document.querySelector('#nothing span').textContent") == (
        "No faces under fear match the filter: what you have skipped."
    )
    page.click("#nothing [data-without=show]")
    page.until("document.querySelectorAll('#grid li').length === 10")
    page.until(READY)
    assert page.eval(chips) == ["emotion: fear ×", "order: padding ×"]
    assert page.eval("document.getElementById('nothing').hidden")
    for name in ("emotion", "sort"):
        page.click(f"#active [data-without={name}]")
        page.until(f"!document.querySelector('#active [data-without={name}]')")
        page.until(READY)
    assert page.eval("document.getElementById('active').hidden")
    assert page.eval("location.search") == "?round=faces&page=1"
    assert page.eval("document.activeElement.id") == "grid"


def test_a_tile_of_an_adjudicator_has_the_answers(chromium, workspace, filled, start):
    faces = filled.faces["sad"][:2]
    answers = {faces[0]: ("disgust", "happy"), faces[1]: ("sad", "fear", "sad")}
    add_decisions(
        workspace.catalog,
        [
            Decision(face, "face", "accept", emotion, reviewer=f"r{number}")
            for face, emotions in answers.items()
            for number, emotion in enumerate(emotions)
        ],
    )
    server = start("chief", adjudicate=True)
    with chromium.tab(390, 844) as tab:
        tab.open(f"{server.url}/?token={server.token}&round=faces")
        badges = tab.eval("[...document.querySelectorAll('#grid .badge')].map((badge) => badge.textContent)")
        assert sorted(badges) == ["≠disgust / happy", "≠sad ×2 / fear"]
        assert tab.eval("document.documentElement.scrollWidth <= innerWidth")
