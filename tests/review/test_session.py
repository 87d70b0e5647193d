"""The session in memory says what the catalog says, whoever decided and through whatever program."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from btfer_builder.catalog.review import add_decisions, undo
from btfer_builder.config import ReviewRecipe
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Decision
from btfer_builder.review import session as session_module
from btfer_builder.review.filters import NEXT, ItemQuery
from btfer_builder.review.session import Session
from tests.factories import fill_catalog

WORDS = st.one_of(
    st.tuples(st.just("accept"), st.sampled_from([None, *EMOTIONS]), st.none()),
    st.tuples(st.just("reject"), st.none(), st.just("minor")),
    st.tuples(st.just("skip"), st.none(), st.none()),
)
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("page"), st.integers(0, 20), WORDS),
        st.tuples(st.just("csv"), st.integers(0, 20), WORDS),
        st.tuples(st.just("bob"), st.integers(0, 20), WORDS),
        st.tuples(st.just("photo"), st.integers(0, 20), WORDS),
        st.just(("undo",)),
        st.just(("look",)),
    ),
    max_size=25,
)


def counts(session: Session, fresh: bool = True) -> dict:
    progress = session.progress("face", fresh=fresh)
    return {name: value for name, value in progress.items() if name != "rate"}


@pytest.mark.parametrize("blind", [False, True])
@pytest.mark.parametrize("many", [0, 2000])
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_what_is_counted_step_by_step_is_what_a_new_session_counts(
    workspace, filled, monkeypatch, blind, many, steps
):
    monkeypatch.setattr(session_module, "MANY", many)
    catalog, recipe = workspace.catalog, ReviewRecipe(blind=blind)
    held = Session(catalog, "ana", recipe)
    held.page("face", ItemQuery())
    for what, *rest in steps:
        if what == "undo":
            held.undo("face", None)
        elif what == "look":
            held.page("face", ItemQuery(show="undecided"))
        else:
            number, word = rest
            kind, ids = ("image", filled.image_ids) if what == "photo" else ("face", filled.face_ids)
            said = Decision(ids[number], kind, *word, reviewer="bob" if what == "bob" else "ana")
            if what == "page":
                held.decide([said])
            else:
                add_decisions(catalog, [said])
    anew = Session(catalog, "ana", recipe)
    assert counts(held) == counts(anew)
    assert held.page("face", ItemQuery()) == anew.page("face", ItemQuery())
    while undo(catalog, "face", "ana"):
        pass
    assert held.progress("face")["decided"] == 0


def test_a_list_stays_as_it_was_while_it_is_worked_through(workspace, filled):
    session = Session(workspace.catalog, "ana", ReviewRecipe())

    def page(number: int, keep: bool) -> list[str]:
        asked = ItemQuery(show="undecided", per_page=5, page=number, keep=keep)
        return [item["item_id"] for item in session.page("face", asked)["items"]]

    first = page(1, keep=False)
    assert first == filled.face_ids[:5]
    session.decide([Decision(item, "face", "skip", reviewer="ana") for item in first])
    assert page(2, keep=True) == filled.face_ids[5:10]  # not the sixth to tenth of those that are left
    assert page(1, keep=True) == first
    assert page(1, keep=False) == filled.face_ids[5:10]


def test_each_filter_keeps_what_it_says(workspace, filled):
    conflict, relabelled, rejected = filled.faces["fear"]
    session = Session(workspace.catalog, "ana", ReviewRecipe())
    session.decide(
        [
            Decision(relabelled, "face", "accept", "sad", reviewer="ana"),
            Decision(rejected, "face", "reject", reason="minor", reviewer="ana"),
            Decision(filled.faces["sad"][2], "face", "skip", reviewer="ana"),
        ]
    )

    def shown(show: str, emotion: str | None = None) -> list[str]:
        asked = ItemQuery(show=show, emotion=emotion)
        return [item["item_id"] for item in session.page("face", asked)["items"]]

    assert shown("decided") == [relabelled, rejected]
    assert shown("skipped") == [filled.faces["sad"][2]]
    assert shown("undecided", "fear") == [conflict]
    assert shown("conflict") == filled.conflicts["face"]
    assert shown("duplicates") == []
    assert len(shown("undecided")) + 3 == len(shown("all")) == 21


def test_next_is_looked_for_in_the_list_that_is_shown(workspace, filled):
    session = Session(workspace.catalog, "ana", ReviewRecipe())
    session.decide([Decision(item, "face", "skip", reviewer="ana") for item in filled.face_ids[:12]])
    asked = ItemQuery(sort="confidence", per_page=4, at=NEXT)
    assert session.page("face", asked)["page"] == 4


def test_a_stage_that_ran_shows_at_once(workspace, filled):
    session = Session(workspace.catalog, "ana", ReviewRecipe())
    assert session.progress("face")["items"] == 21
    with workspace.catalog.run("dedupe", {}):
        fill_catalog(workspace, ["fear"], per_emotion=2, seed=7)  # replaces the dedupe, adds two faces
        assert session.progress("face")["items"] == 2  # while it runs
        with workspace.catalog.transaction() as db:
            db.execute("INSERT INTO dedupes (image_id, state, conflict) SELECT image_id, 'kept', 0 FROM images "
                       "WHERE image_id NOT IN (SELECT image_id FROM dedupes)")  # fmt: skip
    assert session.progress("face")["items"] == 23
    assert session.progress("face", fresh=False)["items"] == 23


def test_the_rate_is_that_of_the_last_minutes(workspace, filled, monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(session_module.time, "monotonic", lambda: now[0])
    session = Session(workspace.catalog, "ana", ReviewRecipe())
    assert session.progress("face")["rate"] is None
    session.decide([Decision(filled.face_ids[0], "face", "skip", reviewer="ana")])
    now[0] += 1000  # a break does not count
    for item in filled.face_ids[1:11]:
        session.decide([Decision(item, "face", "skip", reviewer="ana")])
        now[0] += 2
    assert session.progress("face")["rate"] == 30
