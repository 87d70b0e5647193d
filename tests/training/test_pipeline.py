import itertools

import numpy as np
import pytest

from btfer_builder.errors import BtferError
from btfer_builder.labels import EMOTIONS

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("networks")]

FEEDINGS = {
    "scratch": dict(color="rgb", scale="0,1"),
    "caffe": dict(color="bgr", scale="0,255", mean=(103.939, 116.779, 123.68)),
    "torch": dict(color="rgb", scale="0,1", mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225)),
    "tf": dict(color="rgb", scale="-1,1"),
    "authors": dict(color="rgb", scale="0,1", resize="nearest"),
    "grey": dict(color="grey", scale="0,255", channels=1),
}


def store(faces, *, memory=10**9, size=24, channels=3, **options):
    from btfer_builder.networks.preprocessing import Preprocessing
    from btfer_builder.training.pipeline import store_faces

    preprocessing = Preprocessing(size, size, channels, **({"color": "rgb", "scale": "0,1"} | options))
    return store_faces(faces, preprocessing, memory=memory, workers=2, progress=lambda items: items)


def epochs(stored, count, *, first=0, balancing="none", augment=True, seed=0, batch=8):
    from btfer_builder.datasets.class_weights import epoch_length
    from btfer_builder.training.pipeline import training_batches

    batches = training_batches(
        stored, batch_size=batch, balancing=balancing, augment=augment, seed=seed, first_epoch=first
    )
    steps = -(-epoch_length(stored.labels, balancing) // batch)
    taken = list(itertools.islice(batches.as_numpy_iterator(), steps * count))
    return [
        tuple(np.concatenate(column) for column in zip(*taken[at : at + steps], strict=True))
        for at in range(0, len(taken), steps)
    ]


@pytest.mark.parametrize("way", FEEDINGS)
def test_the_network_is_fed_as_btfer_eval_feeds_it(faces, way):
    from btfer_builder.images.decode import decode_image
    from btfer_builder.networks.preprocessing import preprocess
    from btfer_builder.training.pipeline import validation_batches

    stored = store(faces[0], **FEEDINGS[way])
    shown, labels = (
        np.concatenate(c) for c in zip(*validation_batches(stored, 8).as_numpy_iterator(), strict=True)
    )
    expected = [preprocess(decode_image(face.path), stored.preprocessing)[0] for face in faces[0]]
    np.testing.assert_allclose(shown, np.stack(expected), rtol=1e-5, atol=1e-5)
    assert [EMOTIONS[row.argmax()] for row in labels] == [face.emotion for face in faces[0]]
    assert labels.sum() == len(faces[0])


def test_faces_that_do_not_fit_into_memory_are_decoded_on_the_fly_and_are_the_same(faces):
    kept = store(faces[0])
    needed = kept.nbytes
    assert needed == 30 * 24 * 24 * 3
    assert store(faces[0], memory=needed).pixels is not None
    fly = store(faces[0], memory=needed - 1)
    assert fly.pixels is None
    assert fly.nbytes == 0
    for (ours, our_labels), (theirs, their_labels) in zip(epochs(kept, 2), epochs(fly, 2), strict=True):
        assert np.array_equal(ours, theirs)
        assert np.array_equal(our_labels, their_labels)


def test_an_epoch_is_the_same_wherever_a_run_begins_and_unlike_any_other(faces):
    stored = store(faces[0])
    whole = epochs(stored, 3)
    again = epochs(stored, 2, first=1)
    for before, after in zip(whole[1:], again, strict=True):
        assert np.array_equal(before[0], after[0])
        assert np.array_equal(before[1], after[1])
    assert not np.array_equal(whole[0][0], whole[1][0])
    assert not np.array_equal(whole[0][0], epochs(stored, 1, seed=1)[0][0])


def test_an_epoch_without_augmentation_is_every_face_once(faces):
    stored = store(faces[0], scale="0,255")
    (shown, _labels), (later, _) = epochs(stored, 2, augment=False)
    assert not np.array_equal(shown, later)
    for batch in (shown, later):
        assert {face.tobytes() for face in batch.astype(np.uint8)} == {
            face.tobytes() for face in stored.pixels.numpy()
        }


def test_balanced_epochs_have_as_many_faces_of_every_class(faces):
    stored = store(faces[0])
    assert epochs(stored, 1, balancing="oversample")[0][1].sum(axis=0).tolist() == [12] * 7
    assert epochs(stored, 1, balancing="undersample")[0][1].sum(axis=0).tolist() == [3] * 7


@pytest.mark.parametrize("memory", [10**9, 0])
def test_a_face_that_cannot_be_decoded_is_named(faces, memory):
    import tensorflow as tf

    faces[0][5].path.write_bytes(b"no picture")
    with pytest.raises((BtferError, tf.errors.OpError), match=faces[0][5].path.name) as caught:
        epochs(store(faces[0], memory=memory), 1)
    assert "replace or remove it" in str(caught.value)
