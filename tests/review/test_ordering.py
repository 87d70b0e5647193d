"""The most suspicious first: by each sign alone, by all together, and by what a model says."""

import json
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import rankdata

from btfer_builder.catalog.dedupe import replace_dedupes
from btfer_builder.catalog.duplicates_of import peers
from btfer_builder.catalog.review import ReviewItem, add_decisions, review_items
from btfer_builder.catalog.review_signals import add_predictions, predictions_of
from btfer_builder.config import EvalRecipe
from btfer_builder.labels import EMOTIONS
from btfer_builder.records import Decision, DedupeResult
from btfer_builder.review import ordering
from btfer_builder.review.ordering import ORDERS, ReviewSignals, order


def item(item_id="a", **more) -> ReviewItem:
    values = dict(listed_under="happy", conflict=False, confidence=0.99, upscale=1.0,
                  duplicates=0, distance=None)  # fmt: skip
    return ReviewItem(item_id, **(values | more))


NUMBERS = st.one_of(st.none(), st.floats(0, 1, allow_subnormal=False))


@given(st.lists(st.tuples(NUMBERS, NUMBERS, NUMBERS, st.one_of(st.none(), st.integers(0, 16))), max_size=12))
def test_each_order_holds_everything_and_puts_the_worst_first(rows):
    items = [
        item(str(n), confidence=sure, upscale=upscale, distance=distance)
        for n, (sure, upscale, _, distance) in enumerate(rows)
    ]
    signals = ReviewSignals({str(n): row[2] for n, row in enumerate(rows) if row[2] is not None})
    for sort in ORDERS:
        assert sorted(order(items, sort, signals)) == list(range(len(items)))
    assert order(items, "found", signals) == list(range(len(items)))
    for sort, column, sign in (
        ("confidence", 0, 1),
        ("upscale", 1, -1),
        ("sharpness", 2, 1),
        ("duplicates", 3, -1),
    ):
        values = [rows[place][column] for place in order(items, sort, signals)]
        known = [value for value in values if value is not None]
        assert values[: len(known)] == known  # the unknown come last
        assert all(sign * one <= sign * other for one, other in pairwise(known))


@given(st.lists(NUMBERS, max_size=20))
def test_equal_values_share_their_place(values):
    column = np.array([np.nan if value is None else value for value in values], dtype=float)
    places = ordering._ranks(column)
    known = ~np.isnan(column)
    if known.sum() < 2:
        assert places is None
    else:
        expected = (rankdata(column[known]) - 1) / (known.sum() - 1)
        np.testing.assert_allclose(places[known], expected)
        assert set(places[~known]) <= {0.5}


def test_all_signals_together_find_what_is_bad_in_every_way():
    items = [
        item("a"),
        item("b", confidence=0.95, upscale=4.0),
        item("c", confidence=0.97),
        item("d", distance=8),
    ]
    assert order(items, "suspicion", ReviewSignals({"a": 900.0, "b": 5.0, "c": 500.0, "d": 700.0}))[0] == 1


def test_a_models_doubt_is_of_the_proposed_label():
    row = [0.1, 0.0, 0.0, 0.7, None, 0.15, 0.05]  # the model has no class neutral
    signals = ReviewSignals(predictions=dict.fromkeys("abcd", row))
    assert signals.doubt(item("a", listed_under="happy")) == pytest.approx(0.3)
    assert signals.doubt(item("b", listed_under="sad")) == pytest.approx(0.85)
    assert signals.doubt(item("c", listed_under="neutral")) is None
    assert signals.doubt(item("d", conflict=True)) == pytest.approx(0.3)
    assert signals.doubt(item("e")) is None
    assert signals.opinion(item("a")) == ("happy", 0.7)


def test_the_page_is_sorted_and_says_why(start, workspace, filled):
    faces = filled.face_ids
    with workspace.catalog.transaction() as db:
        db.execute("UPDATE faces SET confidence = 0.95 WHERE face_id = ?", (faces[4],))
        db.execute("UPDATE faces SET upscale = 8 WHERE face_id = ?", (faces[7],))
        db.execute("UPDATE faces SET upscale = 4, sharpness = 100 WHERE face_id = ?", (faces[0],))
        db.execute("UPDATE faces SET sharpness = 99 WHERE face_id = ?", (faces[-1],))
    table = {face: [0.9, *[0.1 / 6] * 6] for face in faces[:6]} | {faces[10]: [0, 0, 0, 0, 0, 1.0, 0]}
    add_predictions(workspace.catalog, "m", table)
    server = start(model="m")
    worst = {
        sort: server.get("/api/items", round="faces", sort=sort)["items"][0]
        for sort in ("confidence", "upscale", "sharpness", "model")
    }
    assert {sort: one["item_id"] for sort, one in worst.items()} == {
        "confidence": faces[4], "upscale": faces[7], "sharpness": faces[-1], "model": faces[10],
    }  # fmt: skip
    assert worst["upscale"]["upscale"] == 8
    assert worst["sharpness"]["sharpness"] == 99
    assert worst["model"]["model"] == {"says": "sad", "sure": 1.0, "doubt": 1.0}
    assert server.get("/api/items", round="faces")["items"][0]["upscale"] == 4
    assert start().get("/api/items", round="faces", sort="model")["items"][0]["model"] is None


@pytest.fixture
def copies(workspace, filled):
    """The first fear was kept for two others: a mirrored one at 8 bits, and the first sad one at 3 bits."""
    kept, mirrored, near = filled.images["fear"][0], filled.images["fear"][1], filled.images["sad"][0]
    results = {image: DedupeResult(image, "kept") for image in filled.image_ids}
    results[kept] = DedupeResult(kept, "kept", conflict=True)
    results[mirrored] = DedupeResult(mirrored, "dropped", "mirrored_duplicate", kept, "mirrored", 8, True)
    results[near] = DedupeResult(near, "dropped", "near_duplicate", kept, "near", 3, True)
    replace_dedupes(workspace.catalog, results.values())
    return kept, mirrored, near


def test_near_duplicates_are_counted_listed_and_sorted(server, workspace, filled, copies):
    kept, mirrored, near = copies
    face = filled.faces["fear"][0]
    for round_name, first in (("images", kept), ("faces", face)):
        (shown,) = server.get("/api/items", round=round_name, show="duplicates")["items"]
        assert (shown["item_id"], shown["duplicates"], shown["distance"]) == (first, 2, 8)
        assert server.get("/api/items", round=round_name, sort="duplicates")["items"][0]["item_id"] == first
    answer = server.get(f"/api/peers/face/{face}")["peers"]
    assert answer == server.get(f"/api/peers/image/{kept}")["peers"]
    assert [(peer["image_id"], peer["kind"], peer["distance"]) for peer in answer] == [
        (kept, None, None), (near, "near", 3), (mirrored, "mirrored", 8),
    ]  # fmt: skip
    assert answer[0]["found"] == [["fear", "fear adult woman"], ["happy", "also happy"]]
    assert server.client.get(f"/api/peers/face/{'0' * 64}").status_code == 404
    assert peers(workspace.catalog, "face", "0" * 64) == []


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
def test_a_model_is_asked_about_every_face_once(workspace, filled, tmp_path, monkeypatch):
    from btfer_builder.io.tensorflow_import import import_tensorflow

    import_tensorflow()
    import keras

    from btfer_builder.evaluate import model_predictions as suspects
    from btfer_builder.evaluate.loaders.registry import load_model
    from btfer_builder.evaluate.preprocessing.resolve import build_preprocessing
    from btfer_builder.images.decode import decode_image
    from btfer_builder.networks.preprocessing import preprocess

    network = keras.Sequential(
        [keras.layers.Input((8, 8, 1)), keras.layers.Flatten(), keras.layers.Dense(7, activation="softmax")]
    )
    network.save(tmp_path / "model.keras")
    name = suspects.ask_model(workspace, tmp_path / "model.keras")
    said = predictions_of(workspace.catalog, name)
    assert set(said) == set(filled.face_ids)
    face = filled.face_ids[3]
    (path,) = (row[0] for row in workspace.catalog.rows("SELECT path FROM faces WHERE face_id = ?", face))
    preprocessing = build_preprocessing(EvalRecipe(), load_model(tmp_path / "model.keras"))
    pixels, _ = preprocess(decode_image(workspace.root / path), preprocessing)
    np.testing.assert_allclose(said[face], network.predict(pixels[None], verbose=0)[0], atol=1e-5)
    asked = []
    monkeypatch.setattr(suspects, "predict_jobs", lambda *a, **_: asked.append(a))
    assert suspects.ask_model(workspace, tmp_path / "model.keras") == name
    assert asked == []
    assert (
        len(review_items(workspace.catalog, "face")) == len(json.loads(json.dumps(said))) == 3 * len(EMOTIONS)
    )


def test_where_reviewers_disagree_most_comes_first(server, workspace, filled):
    spoken = {
        "angry": ("angry", "angry", "sad"),
        "fear": ("fear", "sad"),
        "happy": ("happy", "happy"),
        "sad": ("fear",),
    }
    faces = {emotion: filled.faces[emotion][1] for emotion in spoken}
    add_decisions(
        workspace.catalog,
        [
            Decision(faces[emotion], "face", "accept", answer, reviewer=f"r{number}")
            for emotion, answers in spoken.items()
            for number, answer in enumerate(answers)
        ]
        + [Decision(faces["happy"], "face", "reject", None, "minor", "chief", adjudicates=True)],
    )
    items = server.get("/api/items", sort="disagreement")["items"]
    assert [item["item_id"] for item in items[:3]] == [
        faces[emotion] for emotion in ("fear", "angry", "happy")
    ]
    assert [item["disagreement"] for item in items[:4]] == [0.5, pytest.approx(1 / 3), 0, None]
