"""The page in a real browser: what each key does, what a refresh keeps, what happens when saving fails."""

import time

import pytest
from browser import CHROMIUM, Browser
from factories import fill_catalog

from btfer_builder.catalog.review import last_words

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this computer")

SAVED = "document.getElementById('saved').textContent === 'All saved'"


@pytest.fixture
def filled(workspace):
    return fill_catalog(workspace, per_emotion=10, conflicts=1)  # 70 items: two pages


@pytest.fixture
def browser(tmp_path):
    with Browser(tmp_path / "profile") as browser:
        yield browser


@pytest.fixture
def page(browser, server):
    browser.open(f"{server.url}/?token={server.token}&round=faces")
    return browser


def said(workspace) -> dict[str, tuple]:
    words = last_words(workspace.catalog, "face", "ana")
    return {
        item: (word.decision.verdict, word.decision.emotion or word.decision.reason)
        for item, word in words.items()
    }


def eventually(holds) -> None:
    deadline = time.monotonic() + 15
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def selected(page) -> int:
    return page.eval("Number(document.querySelector('[aria-selected=true]').dataset.index)")


def badge(page, place: int) -> str:
    return page.eval(f"document.querySelector('#item-{place} .badge').textContent")


def test_keys_decide_and_go_on(page, workspace, filled):
    assert page.eval("document.activeElement.id") == "grid"
    page.press("4", "Enter", "Space", "x", "f", "s", "7")
    assert selected(page) == 6
    assert [badge(page, n) for n in range(7)] == [
        "→happy", "✓angry", "✓angry", "✕no face", "–skipped", "→surprise", "angry?",
    ]  # fmt: skip
    assert page.text("#done") == "6 done"
    assert page.text("#filter [data-emotion=angry] .count") == "6/10"
    page.until(SAVED)
    words = [
        ("accept", "happy"), ("accept", "angry"), ("accept", "angry"), ("reject", "no_face"), ("skip", None),
        ("accept", "surprise"),
    ]  # fmt: skip
    assert said(workspace) == dict(zip(filled.face_ids, words, strict=False))
    assert page.complaints() == []


def test_a_conflict_is_not_accepted_without_a_label(page, workspace):
    assert badge(page, 0) == "?conflict"
    assert "angry, disgust" in page.text("#proposed")
    page.press("Enter")
    assert selected(page) == 0
    assert "press 1–7" in page.text("#verdict")
    page.press("2")
    page.until(SAVED)
    assert list(said(workspace).values()) == [("accept", "disgust")]


def test_every_step_is_undone_across_pages_and_sessions(page, server, workspace, filled):
    server.decide(filled.face_ids[2], "skip")
    page.open(f"{server.url}/?round=faces&page=1")
    page.press("End", "3", "3")  # the last of page 1, then on page 2
    page.until("location.search.includes('page=2')")
    page.until("document.querySelector('[aria-selected=true]') !== null")
    page.press("x", "o")
    page.until(SAVED)
    before = said(workspace)
    assert len(before) in (2, 3)
    for left in range(len(before) - 1, 0, -1):
        page.press("u")
        page.until(SAVED)
        assert len(said(workspace)) == left
    page.until("location.search.includes('page=1')")
    page.until("document.querySelector('[aria-selected=true]')?.dataset.index === '59'")
    page.press("u")  # decided before the page was opened
    page.until("document.querySelector('[aria-selected=true]').dataset.index === '2'")
    assert said(workspace) == {}
    page.press("u")
    assert page.text("#verdict") == "Nothing to undo"
    assert page.text("#done") == "0 done"


def test_arrows_move_and_turn_the_page_without_deciding(page, workspace):
    across = page.eval(
        "getComputedStyle(document.getElementById('grid')).gridTemplateColumns.split(' ').length"
    )
    page.press("ArrowRight", "ArrowDown", "ArrowLeft")
    assert selected(page) == across
    page.press("ArrowUp", "ArrowLeft")
    assert selected(page) == 0
    page.press("End", "ArrowRight")
    page.until("location.search.includes('page=2')")
    page.until("document.querySelectorAll('#grid li').length === 10")
    page.press("ArrowUp")
    page.until("location.search.includes('page=1')")
    page.until("document.querySelector('[aria-selected=true]')?.dataset.index === '59'")
    assert said(workspace) == {}


def test_a_refresh_loses_nothing(page, server):
    page.press("f", "3")
    page.until("location.search.includes('emotion=fear')")
    assert page.eval("document.activeElement.id") == "grid"
    page.press("ArrowRight", "ArrowRight", "5", "ArrowRight")
    page.until(SAVED)
    assert selected(page) == 4
    page.open(page.eval("location.href"))
    assert page.eval("location.search") == "?round=faces&emotion=fear&page=1"
    assert selected(page) == 4
    assert badge(page, 2) == "→neutral"
    assert page.text("#filter [aria-current] .name") == "fear"
    assert page.text("#filter [data-emotion=fear] .count") == "1/10"


def test_coming_back_begins_at_the_first_undecided_item(page, server, filled):
    for face_id in filled.face_ids[:63]:
        server.decide(face_id, "skip")
    page.open(f"{server.url}/?round=faces")
    assert page.eval("location.search") == "?round=faces&page=2"
    assert selected(page) == 3


def test_what_is_not_saved_is_said_and_tried_again_in_order(page, workspace, filled):
    page.press("1")
    page.until(SAVED)
    page.offline(True)
    page.press("2", "x", "t", "u", "6")
    page.until("document.getElementById('saved').textContent.endsWith('not saved')")
    assert badge(page, 1) == "!not saved"
    assert "keep this page open" in page.text("#trouble")
    assert page.eval("!window.dispatchEvent(new Event('beforeunload', {cancelable: true}))")
    assert len(said(workspace)) == 1
    page.offline(False)
    page.until(SAVED)
    assert page.eval("window.dispatchEvent(new Event('beforeunload', {cancelable: true}))")
    assert page.eval("document.getElementById('trouble').hidden")
    assert said(workspace) == {
        filled.face_ids[0]: ("accept", "angry"),
        filled.face_ids[1]: ("accept", "disgust"),
        filled.face_ids[2]: ("accept", "sad"),
    }


def test_what_the_server_refuses_stays_marked_and_holds_up_nothing(page, workspace, filled):
    with workspace.catalog.transaction() as db:  # cropped anew meanwhile
        db.execute("DELETE FROM faces WHERE face_id = ?", (filled.face_ids[0],))
    page.press("1", "1")
    page.until("document.getElementById('saved').textContent === '1 not saved'")
    page.until("document.querySelector('#item-1 .badge').textContent === '✓angry'")
    assert badge(page, 0) == "!not saved"
    page.press("ArrowLeft", "ArrowLeft")
    assert "not saved: no such face" in page.text("#verdict")
    eventually(lambda: list(said(workspace)) == [filled.face_ids[1]])
    page.press("u", "u")  # the second was taken and is taken back, the first was not and is forgotten
    page.until(SAVED)
    assert said(workspace) == {}
    assert badge(page, 0) == "?conflict"


def test_overlays_take_the_keys_and_give_them_back(page, workspace):
    page.press("?")
    assert page.eval("document.getElementById('help').open")
    page.press("1")
    page.press("Escape")
    page.until("!document.getElementById('help').open")
    page.press("x")
    assert page.eval("document.querySelectorAll('#reasons [data-key]').length") == 11
    page.press("Enter", "1", "Escape")
    page.until("!document.getElementById('reasons').open")
    assert page.eval("document.activeElement.id") == "grid"
    assert page.text("#done") == "0 done"
    page.press("1")
    page.until(SAVED)
    assert list(said(workspace).values()) == [("accept", "angry")]


def test_hostile_text_is_shown_as_text(browser, workspace, start):
    text = "<img src=x onerror=document.title='owned'>"
    fill_catalog(workspace, ["fear"], per_emotion=1, query=text, license=text, seed=1)
    server = start("</script><b>ana")
    browser.open(f"{server.url}/?token={server.token}&round=faces")
    assert browser.text("#query") == text
    assert text in browser.text("#license")
    assert "owned" not in browser.eval("document.title")
    assert browser.text(".who") == "as </script><b>ana"
    assert browser.complaints() == []


def test_nothing_to_review_says_what_to_do(browser, workspace, start):
    server = start()
    browser.navigate(f"{server.url}/?token={server.token}&round=faces")
    browser.until("document.getElementById('nothing')?.textContent.includes('btfer crop')")
    browser.press("1", "x", "u", "n", "ArrowRight", "Enter", "End")
    assert browser.complaints() == []


def test_the_accessible_names_tell_the_state(page):
    label = "document.querySelector('#item-1').getAttribute('aria-label')"
    assert page.eval(label) == "2 of 60. Searched for: angry adult woman. proposed angry. not decided."
    page.press("ArrowRight", "x", "m")
    assert page.eval(label).endswith("you said: rejected, minor.")
    assert page.eval("document.getElementById('grid').getAttribute('aria-activedescendant')") == "item-2"
    assert page.eval("document.getElementById('announce').textContent") == "minor."
