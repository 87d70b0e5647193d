"""Corruptions and smaller faces."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import data

from btfer_builder.config import EvalRecipe
from btfer_builder.evaluate import LabelledFace
from btfer_builder.evaluate.inference.kept_faces import as_it_is
from btfer_builder.evaluate.inference.outputs import read_labels
from btfer_builder.evaluate.inference.predict import ModelRun, predict_jobs
from btfer_builder.evaluate.preprocessing.resolve import build_preprocessing
from btfer_builder.evaluate.robustness import (
    CORRUPTIONS,
    MEANINGS,
    SEVERITIES,
    corruption_scores,
    corruption_view,
    corruption_views,
    resolution_scores,
    resolution_view,
)
from btfer_builder.labels import EMOTIONS

FACE = LabelledFace(Path("a.png"), "happy", "a")
OTHER = LabelledFace(Path("b.png"), "happy", "b")


@pytest.fixture(scope="module")
def photo():
    return cv2.resize(data.astronaut()[0:200, 130:330], (256, 256), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_corruption_grows_with_its_severity_and_is_the_same_each_time(photo, name):
    before = photo.copy()
    pictures = [corruption_view(name, severity, 0)(photo, FACE) for severity in SEVERITIES]
    differences = [np.abs(one.astype(float) - photo).mean() for one in pictures]
    assert differences == sorted(differences)
    assert differences[0] > 0.2
    assert {(one.shape, one.dtype) for one in pictures} == {((256, 256, 3), np.dtype(np.uint8))}
    assert np.array_equal(photo, before), "the face itself is not written to"
    again = corruption_view(name, 3, 0)(photo, FACE)
    assert np.array_equal(again, pictures[2])
    assert set(MEANINGS) == set(CORRUPTIONS)


@pytest.mark.parametrize("name", ["noise", "occlusion"])
def test_each_face_is_corrupted_in_its_own_way(photo, name):
    view = corruption_view(name, 3, 0)
    assert not np.array_equal(view(photo, FACE), view(photo, OTHER))
    assert not np.array_equal(view(photo, FACE), corruption_view(name, 3, 1)(photo, FACE))


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_faces_of_all_sizes_are_corrupted_alike(photo, name):
    """A severity means the same to a face of 48 pixels as to one of 256: seen at 48, both change alike."""

    def seen(image):
        return cv2.resize(image, (48, 48), interpolation=cv2.INTER_AREA).astype(float)

    small = cv2.resize(photo, (48, 48), interpolation=cv2.INTER_AREA)
    view = corruption_view(name, 3, 0)
    change_of_small, change = view(small, FACE), view(photo, FACE)
    assert change_of_small.shape == change.shape == (256, 256, 3)
    differences = [np.abs(seen(each) - seen(photo)).mean() for each in (change_of_small, change)]
    assert differences[0] == pytest.approx(differences[1], rel=0.25, abs=1.5)
    assert np.abs(seen(change_of_small) - seen(change)).mean() < 4


def test_what_is_random_is_drawn_once_a_face(photo):
    flat = np.full((256, 256, 3), 128, np.uint8)
    weak, strong = (
        corruption_view("noise", severity, 0)(flat, FACE).astype(float) - 128 for severity in (1, 3)
    )
    assert np.corrcoef(weak.ravel(), strong.ravel())[0, 1] > 0.99
    brighter = {
        corruption_view("brightness", severity, 0)(flat, FACE).mean() > 128 for severity in SEVERITIES
    }
    assert len(brighter) == 1


def test_what_some_corruptions_do(photo):
    grey = corruption_view("grey", 5, 0)(photo, FACE)
    assert np.ptp(grey, axis=2).max() <= 1
    dark = corruption_view("brightness", 4, 0)(photo, FACE).astype(int)
    shift = dark - photo
    inside = (dark > 0) & (dark < 255)
    assert set(np.unique(np.abs(shift[inside]))) == {80}
    covered = corruption_view("occlusion", 5, 0)(photo, FACE)
    assert (covered == 128).all(axis=2).sum() >= 141 * 141
    small = resolution_view(48)(photo, FACE)
    assert small.shape == (48, 48, 3)
    assert resolution_view(300)(photo, FACE) is photo
    wide = np.zeros((100, 200, 3), np.uint8)
    assert resolution_view(50)(wide, FACE).shape == (25, 50, 3)


def test_views_are_seen_by_every_model_and_decoded_once(make_set, brightness_model, monkeypatch):
    from btfer_builder.evaluate.inference import prefetch as ahead

    decoded = []
    real = ahead.decode_plain_png
    monkeypatch.setattr(ahead, "decode_plain_png", lambda content: decoded.append(content) or real(content))
    faces = make_set({emotion: [20, 120, 200] for emotion in EMOTIONS})
    job = ModelRun(
        brightness_model,
        read_labels(EMOTIONS, brightness_model),
        build_preprocessing(EvalRecipe(), brightness_model),
    )
    views = [as_it_is, *corruption_views(0), resolution_view(4)]
    answers = predict_jobs([job, job], faces, batch_size=5, progress=iter, views=views)
    assert sorted(decoded) == sorted(face.path.read_bytes() for face in faces)
    assert [len(view) for view in answers] == [2] * 42
    for view in answers:
        assert np.array_equal(view[0].probabilities, view[1].probabilities)
    clean = answers[0][0].predicted
    by_name = dict(zip(CORRUPTIONS, np.arange(1, 41).reshape(8, 5), strict=True))
    for step in by_name["grey"]:
        assert np.array_equal(answers[step][0].predicted, clean), "grey faces have no colour to lose"
    brighter = answers[by_name["brightness"][4]][0].predicted
    assert not np.array_equal(brighter, clean)


def test_the_mean_drop_is_paired():
    rng = np.random.default_rng(0)
    true = rng.integers(0, 7, 80)
    clean = np.where(rng.random(80) < 0.8, true, (true + 1) % 7)
    worse = np.where(np.arange(80) < 8, (true + 2) % 7, clean)
    corrupted = [worse if number // 5 == 2 else clean for number in range(40)]
    scores = corruption_scores(true, clean, corrupted, resamples=500, seed=0)
    assert [one.name for one in scores] == list(CORRUPTIONS)
    lost = (clean == true).mean() - (worse == true).mean()
    assert [one.mean_drop for one in scores] == pytest.approx([0, 0, lost, 0, 0, 0, 0, 0])
    assert scores[0].drop_interval == (0, 0)
    low, high = scores[2].drop_interval
    assert 0 < low < lost < high
    assert corruption_scores(true, clean, corrupted, resamples=0, seed=0)[2].drop_interval is None
    photos = np.arange(80) // 8  # one of them has all errors
    wider = corruption_scores(true, clean, corrupted, resamples=500, seed=0, sources=photos)[2]
    assert np.ptp(wider.drop_interval) > 1.6 * np.ptp(scores[2].drop_interval)
    single = corruption_scores(true, clean, corrupted, resamples=500, seed=0, sources=np.zeros(80, int))
    assert single[2].drop_interval is None
    (half,) = resolution_scores(true, [48], [worse])
    assert half.accuracy == pytest.approx((worse == true).mean())
