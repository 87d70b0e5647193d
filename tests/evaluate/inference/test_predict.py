"""How faces are fed to a model and its answers read, with a model made of NumPy."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from btfer_builder.config import EvalRecipe
from btfer_builder.errors import BtferError
from btfer_builder.evaluate import LabelledFace
from btfer_builder.evaluate.evaluate import make_job
from btfer_builder.evaluate.inference.outputs import is_probability, read_labels, softmax
from btfer_builder.evaluate.inference.predict import ModelRun, predict_jobs
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.preprocessing.resolve import build_preprocessing
from btfer_builder.images.decode import decode_image
from btfer_builder.labels import EMOTIONS
from btfer_builder.networks.preprocessing import Preprocessing, preprocess

LEVELS = (10, 45, 80, 115, 150, 185, 220)


DEFAULTS = EvalRecipe()


def predict(model, faces, recipe=DEFAULTS, progress=iter):
    job = make_job(model, recipe)
    return predict_jobs([job], faces, batch_size=recipe.batch_size, progress=progress)[0][0]


@pytest.mark.parametrize("batch_size", [1, 7, 64])
def test_every_face_is_answered_whatever_the_batch_size(make_set, brightness_model, batch_size):
    faces = make_set({emotion: list(LEVELS[: 3 + i % 4]) for i, emotion in enumerate(EMOTIONS)})
    seen = []
    answers = predict(
        brightness_model,
        faces,
        EvalRecipe(batch_size=batch_size),
        lambda all_faces: (seen.append(face) or face for face in all_faces),
    )
    assert len(faces) % 7
    assert seen == faces
    assert answers.predicted.tolist() == [int(face.path.stem) for face in faces]


def test_no_more_than_a_batch_is_held(make_set, brightness_model):
    sizes = []

    def watched(batch):
        sizes.append(len(batch))
        return brightness_model.predict(batch)

    predict(replace(brightness_model, predict=watched), make_set({"sad": [9] * 10}), EvalRecipe(batch_size=4))
    assert sizes == [4, 4, 2]


def test_labels_are_put_in_order(make_set, brightness_model):
    backwards = ("surprise", "sadness", "neutral", "happy", "afraid", "disgust", "anger")
    answers = predict(brightness_model, make_set({"happy": list(LEVELS)}), EvalRecipe(labels=backwards))
    assert answers.predicted.tolist() == [6, 5, 4, 3, 2, 1, 0]
    assert answers.probabilities.sum(axis=1) == pytest.approx(np.ones(7))


def test_a_foreign_class_is_dropped_and_a_missing_one_never_answered(make_set, brightness_model):
    recipe = EvalRecipe(labels=("angry", "disgust", "fear", "contempt", "neutral", "sad", "surprise"))
    labels = read_labels(recipe.labels, brightness_model)
    assert labels.dropped == ("contempt",)
    assert labels.missing == ("happy",)
    answers = predict(brightness_model, make_set({"happy": [LEVELS[3] - 9, LEVELS[3] + 9]}), recipe)
    assert answers.predicted.tolist() == [2, 4]
    assert np.isnan(answers.probabilities[:, 3]).all()
    assert (np.nansum(answers.probabilities, axis=1) < 0.5).all()


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        (EMOTIONS[:6], "has 7 outputs but 6 labels"),
        (("angry", "anger", *EMOTIONS[2:]), "mean angry"),
        (tuple("abcdefg"), "none of the labels"),
    ],
)
def test_labels_that_do_not_fit(brightness_model, labels, says):
    with pytest.raises(BtferError, match=says):
        read_labels(labels, brightness_model)


def test_logits_become_probabilities(make_set, brightness_model):
    faces = make_set({"fear": list(LEVELS)})
    plain = predict(brightness_model, faces)
    model = replace(brightness_model, predict=lambda x: np.log(brightness_model.predict(x)) + 5)
    logits = predict(model, faces, EvalRecipe(activation="logits"))
    assert (plain.activation, logits.activation) == ("softmax", "logits")
    assert logits.probabilities == pytest.approx(plain.probabilities, abs=1e-5)
    assert logits.predicted.tolist() == plain.predicted.tolist()
    undeclared = predict(model, faces)
    assert undeclared.activation == "none", "no softmax is applied that nobody asked for"
    assert np.isnan(undeclared.probabilities).all()
    assert undeclared.predicted.tolist() == plain.predicted.tolist()


def test_sigmoids_are_divided_by_their_sum(make_set, brightness_model):
    faces = make_set({"fear": list(LEVELS)})
    shares = np.array([0.9, 0.9, 0.1, 0.0, 0.0, 0.1, 0.0], np.float32)
    model = replace(brightness_model, predict=lambda x: np.tile(shares, (len(x), 1)))
    found = predict(model, faces, EvalRecipe(activation="sigmoid"))
    assert found.probabilities == pytest.approx(np.tile(shares / 2, (7, 1)))
    assert predict(model, faces).activation == "none"
    with pytest.raises(
        BtferError, match=r"declared as softmax, but rows sum to 2 to 2; declare --activation logits"
    ):
        predict(model, faces, EvalRecipe(activation="softmax"))
    wide = replace(model, predict=lambda x: np.tile(shares * 2, (len(x), 1)))
    with pytest.raises(BtferError, match=r"declared as sigmoid, but reach from 0 to 1\.8"):
        predict(wide, faces, EvalRecipe(activation="sigmoid"))


def test_a_row_of_zeros_does_not_make_another_model_of_it(make_set, brightness_model):
    faces = make_set({"fear": [115] * 30})

    def predict_rows(batch):
        rows = brightness_model.predict(batch)
        rows[0] = 0
        return rows

    found = predict(replace(brightness_model, predict=predict_rows), faces)
    assert found.activation == "softmax"
    assert (found.probabilities[0] == 0).all()


def test_ties_go_to_the_models_own_first_output(make_set, brightness_model):
    labels = ("surprise", "contempt", "happy", "angry", "disgust", "fear", "sad")
    model = replace(
        brightness_model, predict=lambda x: np.tile(np.float32([0.2, 0.4, 0.2, 0.2, 0, 0, 0]), (len(x), 1))
    )
    found = predict(model, make_set({"angry": [1]}), EvalRecipe(labels=labels))
    assert EMOTIONS[found.predicted[0]] == "surprise"


def test_what_counts_as_probabilities():
    assert is_probability(np.array([[0.5, 0.5], [0.999, 0.0]]))
    quantised = np.array([[0.1406250, 0.1406250, 0.1406250, 0.1406250, 0.1406250, 0.1406250, 0.1367188]])
    assert is_probability(quantised), "seven shares in steps of 1/256, each rounded down"
    assert not is_probability(np.array([[0.5, 0.5], [0.9, 0.6]]))
    assert not is_probability(np.array([[1.5, -0.5]]))


@given(st.lists(st.floats(-1e4, 1e4), min_size=2, max_size=8))
def test_softmax_neither_overflows_nor_reorders(row):
    shares = softmax(np.array([row]))
    assert shares.sum() == pytest.approx(1)
    assert shares[0, int(np.argmax(row))] == shares.max()


def test_nan_outputs_are_refused(make_set, brightness_model):
    def broken(batch):
        rows = brightness_model.predict(batch)
        rows[1] = np.nan
        return rows

    with pytest.raises(BtferError, match=r"brightness.keras: gives NaN.* 1 of 3 faces.*001\.png"):
        predict(replace(brightness_model, predict=broken), make_set({"sad": [1, 2, 3]}))


def test_an_unreadable_face_is_named(tmp_path, brightness_model):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    face = LabelledFace(tmp_path / "broken.png", "sad", "x")
    with pytest.raises(BtferError, match=r"broken\.png: not a readable face image"):
        predict(brightness_model, [face])
    with pytest.raises(BtferError, match=r"gone\.png: not a readable face image"):
        predict(brightness_model, [LabelledFace(Path("gone.png"), "sad", "x")])


def red(side=8):
    image = np.zeros((side, side, 3), np.uint8)
    image[..., 0] = 200
    return image


def test_grey_is_bt601():
    values, _ = preprocess(red(), Preprocessing(8, 8, 1, "grey", "0,255"))
    assert values.shape == (8, 8, 1)
    assert values[0, 0, 0] == round(0.299 * 200)
    tripled, _ = preprocess(red(), Preprocessing(8, 8, 3, "grey", "0,255"))
    assert tripled.shape == (8, 8, 3)
    assert (tripled == values).all()


@pytest.mark.parametrize(("color", "first"), [("rgb", 200), ("bgr", 0)])
def test_channel_order(color, first):
    for side in (8, 16):
        values, _ = preprocess(red(side), Preprocessing(8, 8, 3, color, "0,255"))
        assert values[0, 0].tolist() == [first, 0, 200 - first]


@pytest.mark.parametrize(
    ("scale", "expected"),
    [("0,255", (0, 200)), ("0,1", (0, 200 / 255)), ("-1,1", (-1, (200 / 255 - 0.5) * 2))],
)
def test_scales(scale, expected):
    values, way = preprocess(red(), Preprocessing(8, 8, 3, "rgb", scale))
    assert (values[..., 1].max(), values[..., 0].max()) == pytest.approx(expected)
    assert values.dtype == np.float32
    assert way == "none"


def test_shrinking_averages_and_enlarging_does_not_replicate():
    checks = np.indices((16, 16)).sum(axis=0) % 2 * 255
    board = np.repeat(checks[..., np.newaxis], 3, axis=2).astype(np.uint8)
    small, way = preprocess(board, Preprocessing(4, 4, 3, "rgb", "0,255"))
    assert way == "area"
    assert small == pytest.approx(np.full((4, 4, 3), 127.5), abs=1)  # nearest neighbour gives 0 or 255
    ramp = np.tile(np.arange(0, 160, 40, dtype=np.uint8)[:, np.newaxis], (4, 1, 3)).reshape(4, 4, 3)
    large, way = preprocess(ramp, Preprocessing(16, 16, 3, "rgb", "0,255"))
    assert way == "cubic"
    assert len(np.unique(large)) > 4
    tall, _ = preprocess(board, Preprocessing(12, 6, 3, "rgb", "0,255"))
    assert tall.shape == (12, 6, 3)


def test_colour_for_a_grey_model_is_refused(brightness_model):
    with pytest.raises(BtferError, match="takes one channel"):
        build_preprocessing(EvalRecipe(color="bgr"), brightness_model)
    assert build_preprocessing(EvalRecipe(), brightness_model).color == "grey"
    assert build_preprocessing(EvalRecipe(), replace(brightness_model, channels=3)).color == "rgb"
    assert (
        build_preprocessing(EvalRecipe(color="grey"), replace(brightness_model, channels=3)).color == "grey"
    )


def test_several_models_at_once_answer_as_in_a_plain_loop(tmp_path):
    """The reference decodes, prepares and asks about one face after the other; bit for bit the same."""
    rng = np.random.default_rng(1)
    faces = []
    for number in range(37):
        path = tmp_path / f"{number}.png"
        side = int(rng.integers(20, 60))
        Image.fromarray(rng.integers(0, 256, (side, side + 3, 3), np.uint8)).save(path)
        faces.append(LabelledFace(path, "sad", path.stem))

    def model_of(side, channels, seed):
        weights = np.random.default_rng(seed).standard_normal((side * side * channels, 7)).astype(np.float32)

        def predict(batch):
            # Row by row, so that no difference of a matrix product of another size comes in between.
            return np.stack([row.ravel() @ weights for row in batch])

        return Model(Path(f"{seed}.keras"), side, side, channels, 7, "keras", predict)

    jobs = [
        ModelRun(
            model := model_of(12, 3, 0), read_labels(EMOTIONS, model), Preprocessing(12, 12, 3, "rgb", "0,1")
        ),
        ModelRun(
            model,
            read_labels(EMOTIONS, model),
            Preprocessing(12, 12, 3, "rgb", "-1,1", mean=(0.1,), std=(2.0,)),
        ),
        ModelRun(
            model, read_labels(EMOTIONS, model), Preprocessing(12, 12, 3, "bgr", "0,255", resize="nearest")
        ),
        ModelRun(
            model := model_of(50, 1, 1),
            read_labels(EMOTIONS, model),
            Preprocessing(50, 50, 1, "grey", "0,1", crop=0.7),
        ),
    ]
    for batch_size, workers in ((1, 1), (5, 2), (64, 3)):
        jobs = [replace(job, activation="logits") for job in jobs]
        (answers,) = predict_jobs(jobs, faces, batch_size=batch_size, workers=workers, progress=iter)
        for job, found in zip(jobs, answers, strict=True):
            plain = [
                softmax(
                    job.model.predict(preprocess(decode_image(face.path), job.preprocessing)[0][None]).astype(
                        float
                    )
                )
                for face in faces
            ]
            assert np.array_equal(found.probabilities, np.concatenate(plain))
            assert found.activation == "logits"


def test_an_error_stops_the_threads(make_set, brightness_model):
    import threading

    faces = make_set({"sad": list(range(100))})
    faces[70].path.write_bytes(b"no picture")
    before = threading.active_count()
    with pytest.raises(BtferError, match=r"070\.png"):
        predict(brightness_model, faces, EvalRecipe(batch_size=8))
    assert threading.active_count() == before


def test_mean_and_deviation_come_after_the_scale():
    values, _ = preprocess(red(), Preprocessing(8, 8, 3, "bgr", "0,255", mean=(1.0, 2.0, 3.0), std=(2.0,)))
    assert values[0, 0].tolist() == [-0.5, -1.0, (200 - 3) / 2]


def test_the_central_square_is_what_is_left_of_a_crop():
    image = np.zeros((100, 100, 3), np.uint8)
    image[20:80, 20:80] = 255
    values, _ = preprocess(image, Preprocessing(10, 10, 3, "rgb", "0,1", crop=0.6))
    assert values.min() == 1.0
