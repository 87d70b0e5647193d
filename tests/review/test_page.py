"""The page in a real browser: what each key does, what a refresh keeps, what happens when saving fails."""

import time

import pytest

from btfer_builder.catalog.dedupe import replace_dedupes
from btfer_builder.catalog.review import add_decisions, current_decisions
from btfer_builder.config import ReviewRecipe
from btfer_builder.labels import EMOTIONS
from btfer_builder.reasons import REASONS, Reason
from btfer_builder.records import Decision, DedupeResult
from tests.factories import fill_catalog
from tests.review.browser import CHROMIUM

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this computer")

SAVED = "document.getElementById('saved').textContent === 'All saved'"


@pytest.fixture
def filled(workspace, fill):
    return fill(workspace, 10)  # 70 items: two pages


@pytest.fixture
def browser(chromium):
    with chromium.tab() as tab:
        yield tab


@pytest.fixture
def page(browser, server):
    browser.open(f"{server.url}/?token={server.token}&round=faces")
    return browser


def decided(workspace) -> dict[str, tuple]:
    words = current_decisions(workspace.catalog, "face", "ana")
    return {
        item: (word.decision.verdict, word.decision.emotion or word.decision.reason)
        for item, word in words.items()
    }


def eventually(holds) -> None:
    deadline = time.monotonic() + 180
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def selected(page) -> int:
    return page.eval("Number(document.querySelector('#grid .current').dataset.index)")


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
    assert decided(workspace) == dict(zip(filled.face_ids, words, strict=False))
    assert page.complaints() == []


def test_a_conflict_is_not_accepted_without_a_label(page, workspace):
    assert badge(page, 0) == "?conflict"
    assert "angry, disgust" in page.text("#proposed")
    page.press("Enter")
    assert selected(page) == 0
    assert "press 1–7" in page.text("#verdict")
    page.press("2")
    page.until(SAVED)
    assert list(decided(workspace).values()) == [("accept", "disgust")]


def test_every_step_is_undone_across_pages_and_sessions(page, server, workspace, filled):
    server.decide(filled.face_ids[2], "skip")
    page.open(f"{server.url}/?round=faces&page=1")
    page.press_each("End", "3")  # the last of page 1 turns the page
    page.until("location.search.includes('page=2')")
    page.press_each("3", "x", "o")
    page.until(SAVED)
    assert len(decided(workspace)) == 4
    for left in (3, 2, 1):
        page.press_each("u")
        page.until(SAVED)
        assert len(decided(workspace)) == left
    page.until("location.search.includes('page=1')")
    page.until("document.querySelector('#grid .current')?.dataset.index === '59'")
    page.press_each("u")  # decided before the page was opened
    page.until("document.querySelector('#grid .current')?.dataset.index === '2'")
    assert decided(workspace) == {}
    page.press_each("u")
    assert page.text("#verdict") == "Nothing to undo"
    assert page.text("#done") == "0 done"


def test_an_answer_that_comes_while_a_page_is_on_its_way_counts(page, server, workspace, filled):
    server.decide(filled.face_ids[2], "skip")
    page.open(f"{server.url}/?round=faces&page=1")
    page.press_each("End", "3")
    page.until("location.search.includes('page=2')")
    page.until(SAVED)
    page.eval(
        """{ const quick = window.fetch; window.fetch = async (url, ...rest) => {
          if (String(url).includes('/api/items')) await new Promise((resolve) => setTimeout(resolve, 400));
          return quick(url, ...rest); } }"""
    )
    page.press_each("u")  # the undoing is answered before the page it leads to
    assert list(decided(workspace).values()) == [("skip", None)]
    page.press_each("u")
    page.until(SAVED)
    assert decided(workspace) == {}
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
    page.until("document.querySelector('#grid .current')?.dataset.index === '59'")
    assert decided(workspace) == {}


def verdicts(page, places) -> list[str]:
    return [page.eval(f"document.getElementById('item-{place}').dataset.verdict") for place in places]


def test_a_range_is_decided_and_undone_as_one(page, workspace, filled):
    page.press("ArrowRight", "Shift+ArrowRight", "Shift+ArrowRight")
    assert page.eval("document.querySelectorAll('#grid [aria-selected=true]').length") == 3
    assert page.text("#announce") == "3 selected"
    page.press("Escape", "Shift+ArrowLeft", "Shift+ArrowLeft")  # 1 to 3 again, the other way round
    assert page.eval("document.getElementById('grid').getAttribute('aria-activedescendant')") == "item-1"
    page.press("x", "t")
    assert selected(page) == 4
    assert verdicts(page, range(5)) == ["none", "reject", "reject", "reject", "none"]
    assert page.text("#done") == "3 done"
    page.press("Shift+ArrowDown", "4")
    page.until(SAVED)
    across = len(decided(workspace)) - 4
    assert across > 1
    assert decided(workspace)[filled.face_ids[4 + across]] == ("accept", "happy")
    page.press("u")
    page.until(SAVED)
    assert decided(workspace) == dict.fromkeys(filled.face_ids[1:4], ("reject", "text_or_watermark"))
    page.press("u")
    page.until(SAVED)
    assert decided(workspace) == {}
    page.press("Shift+End")
    assert page.eval("document.querySelectorAll('#grid [aria-selected=true]').length") == 59
    page.press("Enter")  # a conflict among them: nothing is accepted by half
    assert "press 1–7" in page.text("#verdict")
    assert page.text("#done") == "0 done"
    assert page.complaints() == []


def test_the_rest_of_a_page_is_accepted_but_for_conflicts(page, workspace, filled):
    page.press("x", "h", "7", "Shift+A")
    page.until(SAVED)
    words = decided(workspace)
    page_ids = filled.face_ids[:60]
    open_ids = [item for item in page_ids if item in filled.conflicts["face"]][1:]  # the first was rejected
    assert set(words) == set(page_ids) - set(open_ids)
    assert words[filled.face_ids[0]] == ("reject", "non_human")
    assert words[filled.face_ids[1]] == ("accept", "surprise")
    assert words[filled.faces["fear"][5]] == ("accept", "fear")
    assert filled.face_ids[selected(page)] == open_ids[0]
    assert "Found under" in page.text("#verdict")
    page.press("u")
    page.until(SAVED)
    assert len(decided(workspace)) == 2


def test_the_rest_of_a_page_is_rejected_and_the_page_turned(page, workspace, filled):
    page.press("3", "Shift+X", "q")
    page.until("location.search.includes('page=2')")
    page.until(SAVED)
    words = decided(workspace)
    assert set(words) == set(filled.face_ids[:60])
    assert words[filled.face_ids[0]] == ("accept", "fear")
    assert {words[item] for item in filled.face_ids[1:60]} == {("reject", "low_quality")}


def test_filters_begin_a_list_that_stays_while_it_is_worked_through(page, server, workspace, filled):
    for face_id in filled.face_ids[:5]:
        server.decide(face_id, "skip")
    page.press_each("f", "u")
    page.until("location.search.includes('show=undecided')")
    assert page.text("#pager") == "Page 1 of 2"
    first = page.eval("document.querySelector('#item-0').getAttribute('aria-label')")
    page.press("1", "1")
    page.until(SAVED)
    page.press_each("PageDown")
    page.until("location.search.includes('page=2')")
    assert (
        page.eval("document.querySelectorAll('#grid li').length") == 5
    )  # 65 of 70, the two decided among them
    page.press_each("PageUp")
    page.until("location.search.includes('page=1')")
    assert (
        page.eval("document.querySelector('#item-0').getAttribute('aria-label')") != first
    )  # it says more now
    assert verdicts(page, range(3)) == ["accept", "accept", "none"]
    page.open(page.eval("location.href"))  # a refresh
    assert verdicts(page, range(3)) == ["accept", "accept", "none"]
    page.press_each("f", "s")
    page.until("location.search.includes('show=skipped')")
    assert page.eval("document.querySelectorAll('#grid li').length") == 5
    page.press_each("f", "d")
    page.until("location.search.includes('show=decided')")
    assert page.eval("document.querySelectorAll('#grid li').length") == 2
    page.press_each("f", "c")
    page.until("location.search.includes('show=conflict')")
    assert page.eval("document.querySelectorAll('#grid li').length") == 7
    page.press_each("f", "3")
    page.until("location.search.includes('emotion=fear')")
    assert page.eval("document.querySelectorAll('#grid li').length") == 1
    page.press_each("f", "n")
    page.until("document.getElementById('nothing').textContent.includes('near duplicate')")
    page.press_each("f", "a", "f", "0")
    page.until("location.search === '?round=faces&page=1'")
    assert page.eval("document.activeElement.id") == "grid"
    assert page.complaints() == []


def test_the_order_by_suspicion_is_in_the_address(browser, server, workspace, filled):
    page = browser
    with workspace.catalog.transaction() as db:
        db.execute("UPDATE faces SET confidence = 0.955 WHERE face_id = ?", (filled.face_ids[42],))
    page.open(f"{server.url}/?token={server.token}&round=faces")
    page.press_each("o", "c")
    page.until("location.search === '?round=faces&sort=confidence&page=1'")
    assert "detector 0.95" in page.text("#signals") or "detector 0.96" in page.text("#signals")
    page.press("5")
    page.until(SAVED)
    assert decided(workspace) == {filled.face_ids[42]: ("accept", "neutral")}
    page.open(page.eval("location.href"))
    assert badge(page, 0).endswith("neutral")


def test_one_large_picture_and_back(page, server, filled):
    page.press("ArrowRight", "v")
    assert page.eval("location.search") == "?round=faces&view=single&page=1"
    page.until("document.getElementById('large').naturalWidth > 0")
    shown = "document.getElementById('large').getBoundingClientRect().width"
    assert page.eval(shown) > 500
    assert page.eval("document.activeElement.id") == "grid"
    page.press("4")
    assert selected(page) == 2
    assert page.eval("document.getElementById('large').dataset.url").endswith(filled.face_ids[2])
    page.press("ArrowDown", "ArrowUp", "ArrowUp")
    assert selected(page) == 1
    page.until(SAVED)  # or the browser asks whether to leave
    page.open(page.eval("location.href"))
    assert page.eval(shown) > 500
    page.press("v")
    assert page.eval("location.search") == "?round=faces&page=1"
    assert page.eval(shown) == 0
    assert page.complaints() == []


def test_near_duplicates_and_conflicts_stand_side_by_side_with_the_reasons(page, server, workspace, filled):
    kept, copy = filled.images["angry"][0], filled.images["angry"][1]
    replace_dedupes(
        workspace.catalog,
        [
            *(DedupeResult(image, "kept") for image in filled.image_ids if image not in (kept, copy)),
            DedupeResult(kept, "kept", conflict=True),
            DedupeResult(copy, "dropped", "near_duplicate", kept, "near", 5, True),
        ],
    )
    page.open(f"{server.url}/?round=images")
    page.press_each("f", "n", "d")
    page.until("location.search === '?round=images&show=duplicates&view=compare&page=1'")
    page.until("document.querySelectorAll('#compare figure').length === 2")
    told = page.text("#compare")
    assert "near duplicate, 5 of 64 bits differ" in told
    assert "conflict: found under angry and disgust" in told
    assert "angry: angry adult woman" in told
    assert "disgust: also disgust" in told
    assert told.index("angry: angry") < told.index("disgust: also")
    page.until("[...document.querySelectorAll('#compare img')].every((image) => image.naturalWidth > 0)")
    assert page.eval("document.activeElement.id") == "grid"
    page.press("2")
    page.until(SAVED)
    assert list(current_decisions(workspace.catalog, "image", "ana")) == [kept]
    page.open(f"{server.url}/?round=faces&view=compare&page=1")
    page.until("document.querySelectorAll('#compare figure').length === 3")  # the face, its photo, the copy
    page.press("ArrowRight")
    page.until("document.getElementById('compare').textContent.includes('no dropped copies')")
    assert page.complaints() == []


def test_blind_shows_nothing_of_the_search(browser, workspace, filled, start):
    server = start("ana", recipe=ReviewRecipe(blind=True))
    browser.open(f"{server.url}/?token={server.token}&round=faces")
    seen = browser.eval(
        "[document.getElementById('grid').innerHTML, document.querySelector('.about').innerHTML, document.title]"
        ".join(' ')"
    )
    assert not [word for word in (*EMOTIONS, "adult", "woman") if word in seen]
    browser.press("Enter")
    assert "press 1–7" in browser.text("#verdict")
    browser.press("o", "4", "x", "m")
    browser.until(SAVED)
    assert sorted(decided(workspace).values()) == [("accept", "happy"), ("reject", "minor")]
    assert set(decided(workspace)) != set(filled.face_ids[:2])
    assert browser.text("#filter [data-emotion=happy] .count") == "1"
    assert browser.text("#done") == "2 done"
    browser.press_each("d")
    browser.until("document.querySelectorAll('#compare figure').length === 2")
    assert not [word for word in EMOTIONS if word in browser.text("#compare")]
    assert browser.complaints() == []


def test_an_adjudicator_sees_the_votes_and_settles(browser, workspace, filled, start):
    face, plain = filled.faces["sad"][1], filled.faces["sad"][2]
    add_decisions(
        workspace.catalog,
        [
            *(Decision(face, "face", "accept", word, None, f"r{word}") for word in ("happy", "sad")),
            *(Decision(plain, "face", "accept", "sad", None, name) for name in ("rhappy", "rsad")),
        ],
    )
    server = start("chief", adjudicate=True)
    browser.open(f"{server.url}/?token={server.token}&round=faces")
    assert browser.eval("document.querySelectorAll('#grid li').length") == 1
    assert badge(browser, 0) == "≠happy / sad"
    assert browser.text("#votes") == "rhappy: happy · rsad: sad"
    browser.press("Enter")
    assert "No answer leads" in browser.text("#verdict")
    browser.press("6")
    browser.until(SAVED)
    rows = workspace.catalog.rows(
        "SELECT emotion, votes, adjudicated FROM vote_counts WHERE item_id = ?", face
    )
    assert tuple(rows[0]) == ("sad", "happy:1;sad:1", 1)
    assert browser.complaints() == []


def test_two_reviewers_at_once(chromium, workspace, filled, start):
    ana, bob = start("ana"), start("bob")
    with chromium.tab() as one, chromium.tab() as other:
        one.open(f"{ana.url}/?token={ana.token}&round=faces")
        other.open(f"{bob.url}/?token={bob.token}&round=faces")
        for _ in range(5):
            one.press("4")
            other.press("x", "m")
        one.press("u")
        for tab in (one, other):
            tab.until(SAVED)
        assert decided(workspace) == dict.fromkeys(filled.face_ids[:4], ("accept", "happy"))
        bobs = current_decisions(workspace.catalog, "face", "bob")
        assert {item: word.decision.reason for item, word in bobs.items()} == dict.fromkeys(
            filled.face_ids[:5], "minor"
        )
        assert verdicts(one, range(5)) == ["accept"] * 4 + ["none"]
        assert verdicts(other, range(5)) == ["reject"] * 5
        assert one.complaints() == other.complaints() == []


def test_the_rate_is_in_sight(page):
    for _ in range(3):
        page.press("s")
        page.until(SAVED)
        time.sleep(0.4)
    page.press("s")
    page.until("/ · \\d+ per minute/.test(document.getElementById('left').textContent)")


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
    assert len(decided(workspace)) == 1
    page.offline(False)
    page.until(SAVED)
    assert page.eval("window.dispatchEvent(new Event('beforeunload', {cancelable: true}))")
    assert page.eval("document.getElementById('trouble').hidden")
    assert decided(workspace) == {
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
    eventually(lambda: list(decided(workspace)) == [filled.face_ids[1]])
    page.press("u", "u")  # the second was taken and is taken back, the first was not and is forgotten
    page.until(SAVED)
    assert decided(workspace) == {}
    assert badge(page, 0) == "?conflict"


def test_menus_take_the_keys_and_the_focus_stays_in_the_grid(page, workspace):
    focus = "document.activeElement.id"
    page.press("?")
    assert page.eval("!document.getElementById('help').hidden")
    page.press("1", "ArrowRight")
    assert page.eval(focus) == "grid"
    page.press("Escape")
    assert page.eval("document.getElementById('help').hidden")
    page.press("x")
    assert page.eval("document.querySelectorAll('#reasons [data-key]').length") == len(REASONS["review"])
    assert "h non human" in page.text("#announce")
    page.press("Enter", "1")
    assert page.eval(focus) == "grid"
    assert page.eval("!document.getElementById('reasons').hidden")
    page.press("Escape")
    assert page.eval("document.getElementById('reasons').hidden")
    assert page.text("#done") == "0 done"
    page.press("1")
    page.until(SAVED)
    assert list(decided(workspace).values()) == [("accept", "angry")]


def test_a_new_reason_is_given_by_its_key(monkeypatch, browser, server, workspace, filled):
    taken = {reason.key for reason in REASONS["review"].values()}
    key = next(letter for letter in "gbjkrsuvy" if letter not in taken)
    monkeypatch.setitem(REASONS["review"], "dark_glasses", Reason("dark_glasses", "sunglasses", key))
    browser.open(f"{server.url}/?token={server.token}&round=faces")
    browser.press("x")
    assert f"{key} dark glasses" in browser.text("#announce")
    browser.press(key)
    assert badge(browser, 0) == "✕dark glasses"
    browser.until(SAVED)
    assert decided(workspace) == {filled.face_ids[0]: ("reject", "dark_glasses")}


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
    browser.until("document.getElementById('nothing')?.textContent.includes('btfer crawl')")
    browser.press("1", "x", "u", "n", "ArrowRight", "Enter", "End")
    assert browser.complaints() == []


def test_the_accessible_names_tell_the_state(page):
    label = "document.querySelector('#item-1').getAttribute('aria-label')"
    assert page.eval(label) == "2 of 60. Searched for: angry adult woman. proposed angry. undecided."
    page.press("ArrowRight", "x", "m")
    assert page.eval(label).endswith("rejected: minor.")
    assert page.eval("document.getElementById('grid').getAttribute('aria-activedescendant')") == "item-2"
    assert page.eval("document.getElementById('announce').textContent") == "minor."
