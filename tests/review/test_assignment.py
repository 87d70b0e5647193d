"""Who sees what: a hash decides, everybody sees the overlap, and those who review blind are told nothing."""

import csv
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from btfer_builder.catalog.review import review_items
from btfer_builder.config import ReviewRecipe
from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS
from btfer_builder.review.assignment import check_assigned, in_overlap, is_assigned, items_for, shuffled
from btfer_builder.review.decisions import export_decisions, import_decisions

IDS = [f"{number:064x}" for number in range(2000)]


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 9), st.sampled_from([0.0, 0.1, 0.5, 1.0]))
def test_everyone_sees_the_overlap_and_exactly_one_each_other_item(seed, overlap):
    recipe = ReviewRecipe(reviewers=("ana", "bo", "cy"), seed=seed, overlap=overlap)
    shared = 0
    for item_id in IDS[:500]:
        who = [name for name in recipe.reviewers if is_assigned(name, item_id, recipe)]
        assert len(who) == (3 if in_overlap(item_id, recipe) else 1)
        shared += len(who) == 3
    assert abs(shared / 500 - overlap) < 0.08


def test_a_tenth_is_shared_unless_told_otherwise():
    recipe = ReviewRecipe(reviewers=("ana", "bo"))
    assert 0.07 < sum(in_overlap(item_id, recipe) for item_id in IDS) / len(IDS) < 0.13


def test_another_reviewer_takes_a_fair_share_and_moves_nothing_else():
    two, three = ReviewRecipe(reviewers=("ana", "bo")), ReviewRecipe(reviewers=("bo", "cy", "ana"))
    moved = [i for i in IDS if is_assigned("ana", i, two) != is_assigned("ana", i, three)]
    assert all(is_assigned("cy", item_id, three) for item_id in moved)
    assert 0.1 < len(moved) / len(IDS) < 0.2


def test_without_names_everyone_sees_everything():
    assert all(is_assigned("whoever", item_id, ReviewRecipe(overlap=0)) for item_id in IDS)


def test_who_has_no_share_is_told():
    check_assigned("ana", ReviewRecipe())
    check_assigned("ana", ReviewRecipe(reviewers=("ana",)))
    with pytest.raises(BtferError, match=r"dan is not one of the reviewers.*ana, bo"):
        check_assigned("dan", ReviewRecipe(reviewers=("ana", "bo")))


def test_the_blind_order_is_the_reviewers_own_and_always_the_same(workspace, filled):
    items = review_items(workspace.catalog, "face")
    orders = {
        (name, seed): tuple(item.item_id for item in shuffled(items, name, seed))
        for name in ("ana", "bo") for seed in (0, 1)
    }  # fmt: skip
    assert len(set(orders.values())) == 4
    assert all(sorted(order) == sorted(filled.face_ids) for order in orders.values())
    blind = items_for(workspace.catalog, "face", "ana", ReviewRecipe(blind=True))
    assert tuple(item.item_id for item in blind) == orders["ana", 0]


@pytest.fixture
def blind(start, filled):
    return start("ana", recipe=ReviewRecipe(blind=True))


def test_who_reviews_blind_is_told_nothing_of_what_was_searched_for(blind, filled):
    page = blind.get("/api/items", round="faces")
    peers = [blind.get(f"/api/peers/face/{item['item_id']}") for item in page["items"]]
    told = json.dumps([page, peers, blind.get("/api/progress", round="faces")["latest"]])
    assert not [word for word in (*EMOTIONS, "adult", "woman") if f"{word}" in told]
    assert page["total"] == 21
    progress = blind.get("/api/progress", round="faces")["per_emotion"]
    assert {tuple(count.values()) for count in progress.values()} == {(0, 0, 0, 0)}


def test_who_reviews_blind_filters_and_counts_by_what_they_said(blind, filled):
    blind.decide(filled.faces["fear"][1], "accept", emotion="sad")
    assert blind.get("/api/progress", round="faces")["per_emotion"]["sad"]["decided"] == 1
    listed = blind.get("/api/items", round="faces", emotion="sad")["items"]
    assert [item["item_id"] for item in listed] == [filled.faces["fear"][1]]
    assert blind.get("/api/items", round="faces", emotion="fear")["items"] == []
    for query in ("show=conflict", "show=duplicates", "sort=sharpness", "sort=suspicion"):
        assert blind.client.get(f"/api/items?{query}").status_code == 400
        assert blind.client.get(f"/?{query}").status_code == 400


def test_who_reviews_blind_accepts_nothing_unnamed(blind, filled):
    answer = blind.decide(filled.face_ids[1], "accept")
    assert answer.status_code == 400
    assert "blind" in answer.json()["error"]
    assert blind.decisions()[filled.face_ids[1]] is None


def test_shares_reach_the_page_and_the_spreadsheet(start, workspace, filled, tmp_path):
    recipe = ReviewRecipe(reviewers=("ana", "bo"), overlap=0.2)
    mine = {item_id for item_id in filled.face_ids if is_assigned("ana", item_id, recipe)}
    server = start("ana", recipe=recipe)
    assert {item["item_id"] for item in server.get("/api/items", round="faces")["items"]} == mine
    assert server.get("/api/progress", round="faces")["items"] == len(mine) < 21
    path = tmp_path / "out.csv"
    assert export_decisions(workspace.catalog, path, kinds=["face"], reviewer="ana", recipe=recipe) == len(
        mine
    )


def test_the_blind_spreadsheet_proposes_nothing(workspace, filled, tmp_path):
    path, recipe = tmp_path / "out.csv", ReviewRecipe(blind=True)
    export_decisions(workspace.catalog, path, kinds=["face"], reviewer="ana", recipe=recipe)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert {row["emotion"] for row in rows} == {""}
    assert [row["item_id"] for row in rows] != filled.face_ids
    path.write_text(f"item_id,kind,verdict,emotion\n{filled.face_ids[1]},face,accept,\n", encoding="utf-8")
    with pytest.raises(BtferError, match=r"line 2: .*names no emotion"):
        import_decisions(workspace.catalog, path, reviewer="ana", blind=True)
    assert import_decisions(workspace.catalog, path, reviewer="ana").added == 1
