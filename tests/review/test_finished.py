"""The end of a round: what the page says when everything is decided, and when there is nothing to decide."""

import pytest

from btfer_builder.catalog.dedupe_faces import replace_face_dedupes
from btfer_builder.catalog.review import add_decisions
from btfer_builder.records import Decision, FaceDedupe
from tests.factories import fill_catalog
from tests.review.browser import CHROMIUM


@pytest.fixture
def filled(workspace):
    filled = fill_catalog(workspace, ["fear", "sad"], per_emotion=2)
    replace_face_dedupes(workspace.catalog, [FaceDedupe(face, "kept") for face in filled.face_ids], [])
    return filled


def vote(workspace, faces, emotions, reviewer):
    add_decisions(
        workspace.catalog,
        [
            Decision(face, "face", "accept", emotion, reviewer=reviewer)
            for face, emotion in zip(faces, emotions, strict=True)
        ],
    )


def test_the_server_says_how_far_reviewers_agree_and_what_is_next(workspace, filled, server):
    answer = server.get("/api/next", round="faces")
    assert answer["next"]["command"] == "btfer review"
    assert answer["agreement"] == "No face has the answers of two reviewers, so their agreement is unknown"
    vote(workspace, filled.face_ids, ["fear", "fear", "sad", "sad"], "bo")
    vote(workspace, filled.face_ids, ["fear", "fear", "sad", "fear"], "cy")
    answer = server.get("/api/next", round="faces")
    assert answer["next"] == {
        "stage": "review-faces", "sentence": "1 face waits for adjudication", "command": "btfer review --adjudicate",
    }  # fmt: skip
    # By hand: coincidences fear-fear 4, sad-sad 2, mixed 2; Do = 2/8, De = 2*5*3/(8*7); alpha = 1 - Do/De.
    alpha = 1 - (2 / 8) / (2 * 5 * 3 / (8 * 7))
    assert answer["agreement"].startswith(f"Agreement so far: Krippendorff's alpha {alpha:.2f} (")
    assert answer["agreement"].endswith(" on the 4 faces with two answers or more")


def test_equal_answers_have_no_alpha(workspace, filled, server):
    for reviewer in ("bo", "cy"):
        vote(workspace, filled.face_ids, ["fear"] * 4, reviewer)
    assert "undefined on the 4 faces" in server.get("/api/next", round="faces")["agreement"]


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this computer")
def test_the_page_has_a_finished_state(workspace, filled, server, chromium):
    vote(workspace, filled.face_ids[:1], ["sad"], "bo")
    with chromium.tab() as page:
        page.open(f"{server.url}/?token={server.token}&round=faces")
        hidden = "document.getElementById('finished').hidden"
        assert page.eval(hidden)
        page.press("3", "Enter", "Enter", "s")
        page.until("document.querySelector('#finished code') !== null")
        text = page.text("#finished")
        assert text.startswith("All done: 4 faces (1 skipped). ")
        assert "alpha" in text
        assert text.endswith("Next: 1 face waits for adjudication: btfer review --adjudicate")
        page.press_each("u")
        page.until(hidden)
        page.press_each("Enter")
        page.until("document.getElementById('finished').textContent.startsWith('All done: 4 faces. ')")
        # Sheet and sentence share the window, also of a phone.
        assert page.eval("document.documentElement.scrollWidth <= innerWidth")
        assert page.complaints() == []
        page.navigate(f"{server.url}/?round=images")
        page.until("document.querySelector('#grid li') !== null")


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this computer")
def test_an_empty_round_names_the_next_step(workspace, start, chromium):
    fill_catalog(workspace, ["fear"], per_emotion=2, faces=False)
    server = start()
    with chromium.tab() as page:
        page.navigate(f"{server.url}/?token={server.token}&round=faces")
        page.until("document.querySelector('#nothing code') !== null")
        assert page.text("#nothing") == (
            "No faces to review yet. Next: 2 images wait for crop: btfer crop, then reload this page."
        )
