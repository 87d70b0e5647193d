import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("networks")]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("size", [48, 33])
def test_a_transform_does_what_image_data_generator_does(size):
    import tensorflow as tf

    from btfer_builder.training.augmentation import compose, transform_faces

    random = np.random.default_rng(0)
    count = 24
    faces = random.uniform(0, 255, (count, size, size, 3)).astype(np.float32)
    theta = random.uniform(-20, 20, count)
    shifts = random.uniform(-0.2, 0.2, (2, count)) * size
    zooms = random.uniform(0.8, 1.2, (2, count))
    flipped = random.random(count) < 0.5
    ours = transform_faces(
        tf.constant(faces), tf.constant(compose(np.deg2rad(theta), shifts, zooms, flipped, size))
    ).numpy()
    generator = tf.keras.preprocessing.image.ImageDataGenerator()
    for number in range(count):
        theirs = generator.apply_transform(
            faces[number],
            {
                "theta": theta[number],
                "tx": shifts[0, number],
                "ty": shifts[1, number],
                "zx": zooms[0, number],
                "zy": zooms[1, number],
                "flip_horizontal": bool(flipped[number]),
            },
        )
        np.testing.assert_allclose(ours[number], theirs, atol=0.05)  # of 255; coordinates are float32 here


def test_the_identity_changes_nothing():
    import tensorflow as tf

    from btfer_builder.training.augmentation import compose, transform_faces

    identity = np.array([1, 0, 0, 0, 1, 0, 0, 0], np.float32)
    none, one = np.zeros((2, 3)), np.ones((2, 3))
    assert compose(none[0], none, one, none[0] > 0, 16) == pytest.approx(np.tile(identity, (3, 1)))
    faces = np.random.default_rng(0).uniform(0, 255, (3, 16, 16, 1)).astype(np.float32)
    same = transform_faces(tf.constant(faces), tf.constant(np.tile(identity, (3, 1))))
    assert np.array_equal(same.numpy(), faces)


@given(st.integers(0, 2**31), st.sampled_from([48, 224]))
@settings(max_examples=20)
def test_draws_stay_within_the_settings_of_the_paper_and_follow_the_seed(seed, size):
    from btfer_builder.training.augmentation import draw_transforms

    drawn = draw_transforms(500, size, np.random.default_rng(seed))
    assert np.array_equal(drawn, draw_transforms(500, size, np.random.default_rng(seed)))
    a0, a1, a2, b0, b1, b2 = drawn[:, :6].T.astype(np.float64)
    for zoom in (np.hypot(a0, b0), np.hypot(a1, b1)):
        assert zoom.min() >= 0.8 - 1e-5
        assert zoom.max() <= 1.2 + 1e-5
        assert zoom.min() < 0.85
        assert zoom.max() > 1.15
    turn = np.rad2deg(np.arctan2(a1, b1))
    assert np.abs(turn).max() <= 20 + 1e-3
    assert np.abs(turn).max() > 18
    # Where the centre is taken from: shifted by a fifth of the side at most in each direction, then turned.
    centre = (size - 1) / 2
    moved = np.hypot((a0 + a1) * centre + a2 - centre, (b0 + b1) * centre + b2 - centre)
    assert moved.max() <= np.hypot(0.2, 0.2) * size + 1e-2
    assert 0.4 < np.mean(a0 < 0) < 0.6
