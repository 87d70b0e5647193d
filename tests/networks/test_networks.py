"""What every network does: probabilities out of images, the same for a seed, learnt by every weight, and saved."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from btfer_builder.errors import BtferError
from btfer_builder.networks import NETWORKS, build_network
from btfer_builder.networks.preprocessing import preprocess, preprocessing_of

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("networks")]

#: The smallest network whose base is one of keras.applications.
SMALL_BASE = "mobilenetv2"

#: Bases that are saved and loaded here; the others are made of the same layers of Keras, by Keras itself.
SAVED_BASES = {"vgg16", SMALL_BASE, "efficientnetv2b0", "xception", "convnext-tiny", "senet50"}

#: Loads models as `btfer eval` does, in a process that never built one.
READER = """
import gc, sys
from pathlib import Path
import numpy as np
from btfer_builder.evaluate.loaders.registry import load_model
from btfer_builder.io.tensorflow_import import import_tensorflow
tf = import_tensorflow()
import keras
gc.disable()
tf.config.run_functions_eagerly(True)  # compiling takes longer than the one batch
for line in sys.stdin:
    path = Path(line.strip())
    outputs = load_model(path).predict(np.load(path.with_name("batch.npy")))
    np.save(path.with_name("outputs.npy"), outputs)
    keras.backend.clear_session()
    print(f"done {path}", flush=True)
"""


@pytest.fixture(scope="module")
def read_elsewhere(tmp_path_factory) -> Iterator[Callable]:
    """Return a function that saves a model and asks another process what it answers to a batch."""
    log = (tmp_path_factory.mktemp("reader") / "log").open("w+")
    with subprocess.Popen(
        [sys.executable, "-c", READER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
    ) as reader:

        def read(model, batch: np.ndarray, folder: Path) -> np.ndarray:
            path = folder / "model.keras"
            np.save(folder / "batch.npy", batch)
            model.save(path)
            reader.stdin.write(f"{path}\n")
            reader.stdin.flush()
            line = reader.stdout.readline()
            log.seek(0)
            assert line == f"done {path}\n", log.read()
            path.unlink()  # a hundred megabytes each
            return np.load(folder / "outputs.npy")

        yield read
        reader.stdin.close()
    log.close()


def faces(name: str, size: int, n: int = 2) -> np.ndarray:
    """Return random images as the network wants them, float32 of (n, size, size, channels)."""
    images = np.random.default_rng(0).integers(0, 256, (n, size, size, 3), np.uint8)
    preprocessing = preprocessing_of(name, size=size)
    return np.stack([preprocess(image, preprocessing)[0] for image in images])


@pytest.mark.parametrize("name", NETWORKS)
def test_what_every_network_does(name, read_elsewhere, tmp_path):
    import keras

    size = max(48, NETWORKS[name].smallest)
    model = build_network(name, size, seed=1)
    batch = faces(name, size)
    outputs = np.asarray(model(batch, training=False))
    assert outputs.shape == (2, 7)
    assert outputs.dtype == np.float32
    assert np.isfinite(outputs).all()
    assert outputs.sum(axis=1) == pytest.approx(1, abs=1e-5)
    if name in SAVED_BASES or not NETWORKS[name].has_base:
        assert read_elsewhere(model, batch, tmp_path) == pytest.approx(outputs, abs=1e-5)
    if NETWORKS[name].has_base and name != SMALL_BASE:
        return  # one base stands for all in what follows

    keras.utils.set_random_seed(12)
    for first, second in zip(
        model.get_weights(), build_network(name, size, seed=1).get_weights(), strict=True
    ):
        np.testing.assert_array_equal(first, second)
    assert_every_weight_learns(model, batch)


def assert_every_weight_learns(model, batch: np.ndarray) -> None:
    import keras
    import tensorflow as tf

    with tf.GradientTape() as tape:
        targets = np.eye(7)[: len(batch)]
        loss = tf.reduce_mean(keras.losses.categorical_crossentropy(targets, model(batch, training=True)))
    gradients = tape.gradient(loss, model.trainable_weights)
    assert all(gradient is not None for gradient in gradients)
    for weight, gradient in zip(model.trainable_weights, map(np.asarray, gradients), strict=True):
        assert np.isfinite(gradient).all(), weight.path
        # A bias of all keys adds the same to every score, which softmax takes away again.
        assert gradient.any() or weight.path.endswith("key/bias"), weight.path


@pytest.mark.parametrize("name", ["lenet5", "sequential-simple-text", SMALL_BASE])
def test_another_seed_gives_another_network_and_leaves_pythons_chance_alone(name):
    import random

    random.seed(4)
    weights = build_network(name, 48, seed=5).get_weights()
    drawn = random.random()
    random.seed(4)
    assert random.random() == drawn
    other = build_network(name, 48, seed=6).get_weights()
    kernels = [(first, second) for first, second in zip(weights, other, strict=True) if first.ndim > 1]
    assert all((first != second).any() for first, second in kernels)


@pytest.mark.parametrize("name", ["resnet18", "googlenet", "vit-s"])
def test_networks_that_differ_by_size_work_at_224(name):
    outputs = np.asarray(build_network(name, 224)(faces(name, 224, n=1), training=False))
    assert outputs.sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["ensemble", "googlenet-true", "vit-s"])
def test_answers_are_float32_in_mixed_precision(name):
    import keras

    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        outputs = build_network(name, 48)(faces(name, 48), training=False)
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert outputs.dtype == "float32"
    assert np.asarray(outputs).sum(axis=1) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("name", ["vgg16", "sequential-3-conv"])
def test_another_number_of_classes_and_another_head(name):
    model = build_network(name, 64, classes=3, head="flatten")
    assert model.output_shape == (None, 3)
    assert "flatten" in {layer.name for layer in model.layers}


def test_phase_1_changes_the_head_only_and_phase_2_everything():
    import keras

    from btfer_builder.networks.flops import count_parameters
    from btfer_builder.networks.heads import freeze_base, has_base, unfreeze

    model = build_network(SMALL_BASE, 48)
    base = next(layer for layer in model.layers if isinstance(layer, keras.Model))

    def train() -> None:
        model.compile(keras.optimizers.Adam(1e-3), "categorical_crossentropy", run_eagerly=True)
        model.train_on_batch(faces(SMALL_BASE, 48), np.eye(7)[:2])

    before, head = base.get_weights(), model.get_layer("hidden_1").get_weights()[0]
    freeze_base(model)
    train()
    for old, new in zip(before, base.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)  # the moving statistics of the batches as well
    assert (model.get_layer("hidden_1").get_weights()[0] != head).any()
    assert count_parameters(model) == (2_619_719, 361_735)
    unfreeze(model)
    assert count_parameters(model) == (2_619_719, 2_585_607)
    train()
    assert any((old != new).any() for old, new in zip(before, base.get_weights(), strict=True))

    assert has_base(model)
    with pytest.raises(BtferError, match="lenet5: has no base to freeze"):
        freeze_base(build_network("lenet5", 48))


def test_repvgg_gives_the_same_answers_when_its_branches_are_merged():
    from btfer_builder.networks.repvgg import deploy

    model = build_network("repvgg-true", 48)
    batch = faces("repvgg-true", 48, n=4)
    for layer in model.layers:
        if layer.name.endswith("_norm"):  # a new one does nothing, so merging it would test nothing
            layer.momentum = 0
            layer.gamma.assign(np.random.default_rng(1).uniform(0.4, 0.8, layer.gamma.shape))
    model(batch, training=True)  # fills the statistics
    merged = deploy(model)
    assert {type(layer).__name__ for layer in merged.layers} == {
        "InputLayer", "ZeroPadding2D", "Conv2D", "GlobalAveragePooling2D", "Dense",
    }  # fmt: skip
    answers = np.asarray(model(batch, training=False))
    assert np.ptp(answers, axis=0).max() > 1e-3, "the images make no difference, so nothing is tested"
    assert np.asarray(merged(batch, training=False)) == pytest.approx(answers, abs=1e-5)
    with pytest.raises(BtferError, match="only repvgg-true"):
        deploy(build_network("repvgg", 48))


def test_the_authors_repvgg_passes_back_the_gradient_of_half_the_channels():
    import tensorflow as tf

    from btfer_builder.networks.layers import StopHalfGradient

    values = tf.random.normal((2, 3, 3, 6))
    with tf.GradientTape() as tape:
        tape.watch(values)
        passed = StopHalfGradient()(values)
        total = tf.reduce_sum(passed)
    np.testing.assert_array_equal(passed, values)
    gradient = np.asarray(tape.gradient(total, values))
    assert (gradient[..., :3] == 1).all()
    assert (gradient[..., 3:] == 0).all()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (dict(name="vgg17"), "'vgg17' is not a network; choose one of lenet5"),
        (dict(name="inceptionv3"), "needs images of at least 75 pixels, not 48"),
        (dict(name="vgg19", pretraining="vggface"), "no vggface weights; choose scratch or imagenet"),
        (dict(name="lenet5", head="gap"), "its head is flatten, not gap"),
        (dict(name="lenet5", units="256-256"), "no head of 256-256 units; its last layers are fixed"),
        (dict(name="vgg16", units="12"), "choose 256-128, 256-256, 1024-1024-512"),
        (dict(name="vgg16", classes=1), "at least 2 classes"),
        (dict(name="vgg16", weights_path=Path("w.h5")), "w.h5: weights are given, but vgg16 starts from"),
        (dict(name="vit-s", size=50), "patches of 4 pixels; 50 is not a multiple"),
        (dict(name="repvgg-true", paper=True), "not a network of the authors"),
        (dict(name="convnext-tiny", paper=True), "not a network of the authors"),
    ],
)
def test_what_cannot_be_built_is_said(arguments, says):
    with pytest.raises(BtferError, match=says):
        build_network(**{"size": 48} | arguments)
