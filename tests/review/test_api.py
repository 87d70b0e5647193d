"""What the page and programs ask of the server, step by step."""

import io
from concurrent.futures import ThreadPoolExecutor

import pytest
from PIL import Image

from btfer_builder.catalog.review import current_decisions
from btfer_builder.labels import EMOTIONS
from btfer_builder.reasons import REASONS
from tests.factories import fill_catalog


def test_items_are_listed_in_one_order_with_what_was_searched_for(server, filled):
    page = server.get("/api/items", round="faces")
    assert [item["item_id"] for item in page["items"]] == filled.face_ids
    assert (page["total"], page["page"], page["pages"]) == (21, 1, 1)
    second = page["items"][1]
    assert second == {
        "item_id": filled.faces["angry"][1], "kind": "face", "emotion": "angry", "listed_under": "angry",
        "conflict": False, "found_under": ["angry"], "query": "angry adult woman", "license": "CC BY 4.0",
        "restrictions": [], "confidence": 0.99, "upscale": None, "padding": None, "found_by": "",
        "sharpness": None, "duplicates": 0,
        "distance": None, "disagreement": None, "model": None,
        "votes": [], "my": None,
    }  # fmt: skip


def test_an_item_found_under_two_emotions_proposes_neither(server, filled):
    for round_name, kind in (("images", "image"), ("faces", "face")):
        items = server.get("/api/items", round=round_name)["items"]
        assert [item["item_id"] for item in items if item["conflict"]] == filled.conflicts[kind]
        first = items[0]
        assert (first["emotion"], first["listed_under"]) == (None, "angry")
        assert first["found_under"] == ["angry", "disgust"]


def test_duplicates_say_which_emotions_they_were_found_under(workspace, start):
    from btfer_builder.catalog.dedupe import replace_dedupes
    from btfer_builder.records import DedupeResult

    filled = fill_catalog(workspace, ["fear", "sad"], per_emotion=1)
    (fear,), (sad,) = filled.images["fear"], filled.images["sad"]
    replace_dedupes(
        workspace.catalog,
        [
            DedupeResult(fear, "kept", conflict=True),
            DedupeResult(sad, "dropped", "near_duplicate", fear, "near", 3, conflict=True),
        ],
    )
    (item,) = start().get("/api/items", round="images")["items"]
    assert (item["item_id"], item["found_under"]) == (fear, ["fear", "sad"])


def test_pages_and_the_filter(server, filled):
    page = server.get("/api/items", round="faces", per_page=4, page=2)
    assert [item["item_id"] for item in page["items"]] == filled.face_ids[4:8]
    assert page["pages"] == 6
    assert server.get("/api/items", round="faces", per_page=4, page=99)["page"] == 6
    fear = server.get("/api/items", round="faces", emotion="fear")
    assert [item["item_id"] for item in fear["items"]] == filled.faces["fear"]
    assert server.get("/api/items", round="faces", emotion="joy")["emotion"] == "happy"


def test_a_label_does_not_move_an_item_out_of_its_list(server, filled):
    for face_id in filled.faces["fear"]:
        server.decide(face_id, "accept", emotion="happy")
    fear = server.get("/api/items", round="faces", emotion="fear")
    assert [item["item_id"] for item in fear["items"]] == filled.faces["fear"]
    assert server.get("/api/progress", round="faces")["per_emotion"]["fear"]["decided"] == 3


def test_the_review_of_images_is_where_that_of_faces_begins(server, filled):
    conflict, relabelled, rejected = filled.images["fear"]
    server.decide(conflict, "accept", "image", emotion="sad")
    server.decide(relabelled, "accept", "image", emotion="happy")
    server.decide(rejected, "reject", "image", reason="non_human")
    faces = {item["item_id"]: item for item in server.get("/api/items", round="faces")["items"]}
    first, second, third = filled.faces["fear"]
    assert (faces[first]["emotion"], faces[first]["conflict"]) == ("sad", False)
    assert faces[second]["emotion"] == "happy"
    assert third not in faces


@pytest.mark.parametrize("reason", REASONS["review"])
def test_every_reason_can_be_given(server, filled, reason):
    assert server.decide(filled.face_ids[1], "reject", reason=reason).status_code == 200
    assert server.decisions()[filled.face_ids[1]] == {"verdict": "reject", "emotion": None, "reason": reason}


def test_label_reject_skip_and_undo_step_by_step(server, filled):
    one, two, three = filled.faces["happy"]
    ids = [
        server.decide(one, "accept", emotion="sad").json()["decision_id"],
        server.decide(two, "reject", reason="no_face").json()["decision_id"],
        server.decide(three, "skip").json()["decision_id"],
        server.decide(one, "accept", emotion="happy").json()["decision_id"],
    ]
    assert ids == sorted(set(ids))
    progress = server.get("/api/progress", round="faces")
    assert (progress["items"], progress["decided"], progress["skipped"], progress["left"]) == (21, 3, 1, 18)
    assert progress["per_emotion"]["happy"] == {"items": 3, "decided": 3, "skipped": 1, "left": 0}
    assert list(progress["per_emotion"]) == list(EMOTIONS)

    undone = server.undo()
    assert (undone["item_id"], undone["my"]["emotion"]) == (one, "sad")
    assert server.decisions()[one]["emotion"] == "sad"
    assert [server.undo()["item_id"] for _ in range(3)] == [three, two, one]
    assert server.decisions()[one] is None
    last = server.undo()
    assert (last["item_id"], last["progress"]["decided"]) == (None, 0)


def batch(server, *decisions: dict):
    return server.client.post("/api/decisions/batch", json={"decisions": list(decisions)})


def test_a_page_is_decided_and_undone_at_once(server, filled):
    bodies = [
        {"item_id": face, "kind": "face", "verdict": "reject", "reason": "minor"} for face in filled.face_ids
    ]
    answer = batch(server, *bodies).json()
    assert len(answer["decision_ids"]) == answer["progress"]["decided"] == 21
    assert batch(server, *bodies).json()["decision_ids"] == answer["decision_ids"]  # sent again
    undone = server.undo(decision_ids=answer["decision_ids"])
    assert [each["item_id"] for each in undone["undone"]] == filled.face_ids
    assert (undone["progress"]["decided"], set(server.decisions().values())) == (0, {None})


def test_a_page_is_decided_wholly_or_not_at_all(server, filled):
    good = {"item_id": filled.face_ids[0], "kind": "face", "verdict": "skip"}
    for bad, status in (({"item_id": "f" * 64}, 404), ({"verdict": "reject"}, 400), ({"kind": "video"}, 400)):
        assert batch(server, good, good | bad).status_code == status
    assert batch(server).status_code == 400
    assert batch(server, *[good] * 201).status_code == 400
    ids = batch(server, good, good | {"item_id": filled.face_ids[1]}).json()["decision_ids"]
    answer = server.client.post("/api/undo", json={"round": "faces", "decision_ids": [*ids, 999_999]})
    assert answer.status_code == 404
    assert server.get("/api/progress", round="faces")["decided"] == 2


def test_undo_stays_in_its_round(server, filled):
    server.decide(filled.image_ids[0], "skip", "image")
    server.decide(filled.face_ids[0], "skip", "face")
    assert server.undo("images")["item_id"] == filled.image_ids[0]
    assert server.decisions("faces")[filled.face_ids[0]]["verdict"] == "skip"


def test_the_same_decision_or_undo_sent_again_changes_nothing(server, filled):
    face = filled.face_ids[1]
    server.decide(face, "skip")
    first = server.decide(face, "accept", emotion="angry").json()["decision_id"]
    assert server.decide(face, "accept", emotion="angry").json()["decision_id"] == first
    for _ in range(2):
        assert server.undo(decision_id=first)["item_id"] == face
        assert server.decisions()[face]["verdict"] == "skip"


def test_nobody_undoes_another_reviewers_decision(server, start, filled):
    decision = server.decide(filled.face_ids[0], "skip").json()["decision_id"]
    bob = start("bob")
    assert bob.undo()["item_id"] is None
    answer = bob.client.post("/api/undo", json={"round": "faces", "decision_id": decision})
    assert answer.status_code == 404
    assert server.decisions()[filled.face_ids[0]]["verdict"] == "skip"


def test_an_acceptance_without_a_label_takes_the_proposed_one_but_leaves_a_conflict(server, filled):
    conflict, plain, _ = filled.faces["fear"]
    server.decide(plain, "accept")
    server.decide(conflict, "accept")
    items = {item["item_id"]: item for item in server.get("/api/items", round="faces")["items"]}
    assert items[plain]["my"]["emotion"] == "fear"
    assert items[conflict]["my"] == {"verdict": "accept", "emotion": None, "reason": None}
    assert items[conflict]["conflict"] is True
    server.decide(conflict, "accept", emotion="sad")
    items = {item["item_id"]: item for item in server.get("/api/items", round="faces")["items"]}
    assert items[conflict]["conflict"] is False


def test_next_is_the_first_undecided_item_then_the_first_skipped_one(server, filled):
    def next_page(**more: object) -> int:
        return server.get("/api/items", round="faces", per_page=1, at="next", **more)["page"]

    for face_id in filled.face_ids[:5]:
        server.decide(face_id, "skip")
    assert next_page() == 6
    assert next_page(emotion="disgust") == 3
    assert next_page(emotion="angry") == 1
    for face_id in filled.faces["angry"][:2]:
        server.decide(face_id, "accept", emotion="angry")
    assert next_page(emotion="angry") == 3
    wanted = filled.face_ids[17]
    assert server.get("/api/items", round="faces", per_page=5, at=wanted)["page"] == 4


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({"verdict": "approve"}, "verdict"),
        ({"verdict": "undo"}, "verdict"),
        ({"verdict": "accept", "emotion": "joyful"}, "emotion"),
        ({"verdict": "reject"}, "reason"),
        ({"verdict": "reject", "reason": "ugly"}, "reason"),
        ({"verdict": "skip", "reason": "ugly"}, "reason"),
        ({"verdict": "skip", "kind": "video"}, "kind"),
        ({"verdict": "skip", "reviewer": "bob"}, "reviewer"),
        ({}, "verdict"),
    ],
)
def test_a_bad_value_is_refused_in_one_line(server, filled, body, says):
    answer = server.client.post(
        "/api/decisions", json={"item_id": filled.face_ids[0], "kind": "face", **body}
    )
    assert answer.status_code == 400
    assert says in answer.json()["error"]
    assert "\n" not in answer.json()["error"]
    assert server.decisions()[filled.face_ids[0]] is None


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"\xff"', b"null"])
def test_what_is_no_decision_is_refused(server, body):
    answer = server.client.post("/api/decisions", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.json()["error"]


def test_unknown_items_are_not_found(server, filled):
    assert server.decide("f" * 64, "skip").status_code == 404
    assert server.decide(filled.face_ids[0], "skip", "image").status_code == 404
    assert server.decide("../../etc/passwd", "skip").status_code == 404
    assert server.get("/api/progress", round="faces")["decided"] == 0


@pytest.mark.parametrize(
    "query", ["round=videos", "emotion=meh", "page=0", "page=-1", "page=two", "page=²", "per_page=501", "show=some",
     "sort=beauty"]
)  # fmt: skip
def test_a_bad_address_is_refused_in_one_line(server, query):
    answer = server.client.get(f"/api/items?{query}")
    assert answer.status_code == 400
    assert query.partition("=")[0] in answer.json()["error"]


def test_two_reviewers_at_once_lose_nothing(server, start, workspace, filled):
    bob = start("bob")
    acknowledged: dict[str, list[int]] = {"ana": [], "bob": []}

    def review(who: str, page, emotion: str) -> None:
        for face_id in filled.face_ids:
            answer = page.decide(face_id, "accept", emotion=emotion)
            assert answer.status_code == 200
            acknowledged[who].append(answer.json()["decision_id"])

    with ThreadPoolExecutor() as pool:
        for job in [pool.submit(review, "ana", server, "fear"), pool.submit(review, "bob", bob, "sad")]:
            job.result()
    for who, emotion in (("ana", "fear"), ("bob", "sad")):
        words = current_decisions(workspace.catalog, "face", who)
        assert set(words) == set(filled.face_ids)
        assert {word.decision.emotion for word in words.values()} == {emotion}
        assert sorted(word.decision_id for word in words.values()) == sorted(acknowledged[who])
    assert server.decisions()[filled.face_ids[0]]["emotion"] == "fear"


def test_a_running_stage_neither_blocks_the_page_nor_loses_a_decision(server, workspace, filled):
    with ThreadPoolExecutor() as pool:
        with workspace.catalog.transaction():  # a stage is writing
            posted = pool.submit(server.decide, filled.face_ids[0], "skip")
            assert server.get("/api/items", round="faces")["total"] == 21
            assert not posted.done()
        assert posted.result().status_code == 200
    assert filled.face_ids[0] in current_decisions(workspace.catalog, "face", "ana")


def test_pictures_are_made_anew_upright_and_without_metadata(server, workspace, filled):
    image_id = filled.image_ids[0]
    path = workspace.data / "images" / f"{image_id}.png"
    photo = Image.new("RGB", (1600, 800), "red")
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    exif[0x010F] = "a camera"
    photo.save(path, "JPEG", exif=exif)
    for thumb, size in (("1", (128, 256)), ("0", (512, 1024))):
        answer = server.client.get(f"/api/picture/image/{image_id}?thumb={thumb}")
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["cache-control"].startswith("private")
        shown = Image.open(io.BytesIO(answer.content))
        assert (shown.format, shown.size, dict(shown.getexif())) == ("JPEG", size, {})
    face = server.client.get(f"/api/picture/face/{filled.face_ids[0]}?thumb=1")
    assert Image.open(io.BytesIO(face.content)).size == (64, 64)


@pytest.mark.parametrize(
    "content", [b"", b"<svg onload='alert(1)'/>", b"\x89PNG\r\n\x1a\n" + b"\0" * 200, None]
)
def test_a_file_that_cannot_be_decoded_is_not_shown(server, workspace, filled, content):
    path = workspace.data / "faces" / f"{filled.face_ids[0]}.png"
    path.unlink() if content is None else path.write_bytes(content)
    answer = server.client.get(f"/api/picture/face/{filled.face_ids[0]}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "path",
    [
        "face/../../../../etc/passwd", "face/..%2f..%2fbtfer.toml", "image/%2e%2e/%2e%2e/btfer.toml",
        "face/" + "0" * 64,        "face/%00", "video/" + "0" * 64, "face/" + "A" * 64, "face/", "image//etc/passwd",
    ],
)  # fmt: skip
def test_pictures_are_found_by_id_only(server, path):
    request = server.client.build_request("GET", "/")
    request.url = request.url.copy_with(raw_path=b"/api/picture/" + path.encode())
    assert server.client.send(request).status_code == 404


def test_a_catalog_cannot_point_out_of_the_workspace(server, workspace, filled):
    outside = workspace.root.parent / "outside.png"
    Image.new("RGB", (8, 8)).save(outside)
    for path in ("../outside.png", str(outside)):
        with workspace.catalog.transaction() as db:
            db.execute("UPDATE faces SET path = ? WHERE face_id = ?", (path, filled.face_ids[0]))
        assert server.client.get(f"/api/picture/face/{filled.face_ids[0]}").status_code == 404


@pytest.mark.parametrize("number", [0, -1, 2**63, 2**64, 10**30])
def test_a_number_that_no_decision_can_have_is_refused(server, number):
    for body in ({"decision_id": number}, {"decision_ids": [number]}):
        assert server.client.post("/api/undo", json={"round": "faces", **body}).status_code == 400
