"""Pretrained weights: files of the published layouts go in whole, other files are refused, none changes anything."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from btfer_builder.errors import BtferError
from btfer_builder.networks import build_network

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("networks")]


def published_name(name: str) -> str:
    """Return a layer's name as Keras-VGGFace wrote it: conv1_7x7_s2_bn was conv1/7x7_s2/bn."""
    name = name.replace("conv1_7x7_s2", "conv1/7x7_s2")
    return f"{name.removesuffix('_bn')}/bn" if name.endswith("_bn") else name


def write_weights(
    path: Path, model, rename: Callable[[str], str] = str, inside: str = "/", **attributes
) -> Path:
    """Write the weights of a model as Keras 2 did: a group a layer, with the names of its arrays."""
    import h5py

    with h5py.File(path, "w") as file:
        group = file.require_group(inside)
        group.attrs["layer_names"] = [rename(layer.name).encode() for layer in model.layers]
        group.attrs.update({"backend": b"tensorflow", "keras_version": b"2.1.3"} | attributes)
        for layer in model.layers:
            name = rename(layer.name)
            stored = group.require_group(name)
            names = [f"{name}/{weight.name}:0" for weight in layer.weights]
            stored.attrs["weight_names"] = [weight.encode() for weight in names]
            for weight, value in zip(names, layer.get_weights(), strict=True):
                stored[weight] = value
    return path


def shake(model) -> None:
    """Give every weight another value, the statistics of normalisations too."""
    chance = np.random.default_rng(7)
    model.set_weights([chance.uniform(0.1, 0.3, weight.shape) for weight in model.get_weights()])


def base_of(model):
    import keras

    return next(layer for layer in model.layers if isinstance(layer, keras.Model))


@pytest.fixture
def small():
    """Return a base with two of the layers of VGGFace's VGG16, and its name."""
    import keras

    model = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            keras.layers.Conv2D(4, 3, name="conv1_1"),
            keras.layers.MaxPooling2D(name="pool1"),
            keras.layers.Conv2D(5, 3, name="conv1_2"),
        ]
    )
    shake(model)
    return model


@pytest.mark.parametrize("name", ["vgg16", "resnet50", "senet50"])
def test_the_vggface_layout_is_loaded_by_name(name, tmp_path):
    from btfer_builder.networks import vggface

    published = vggface.base(name, 48)
    shake(published)
    path = write_weights(tmp_path / f"rcmalli_vggface_tf_notop_{name}.h5", published, published_name)
    base = base_of(build_network(name, 48, pretraining="vggface", weights_path=path))
    assert base.name == f"vggface_{name}"
    assert len(base.weights) == {"vgg16": 26, "resnet50": 265, "senet50": 329}[name]
    for ours, theirs in zip(base.get_weights(), published.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    path.unlink()


def test_a_classifier_after_the_base_and_a_whole_model_are_no_hindrance(small, tmp_path):
    import keras

    from btfer_builder.networks.weights import load_vggface

    with_top = keras.Sequential(
        [
            keras.Input((8, 8, 3)),
            *small.layers,
            keras.layers.Flatten(),
            keras.layers.Dense(3, name="fc8"),
        ]
    )
    path = write_weights(tmp_path / "whole.h5", with_top, inside="model_weights")
    fresh = keras.models.clone_model(small)
    load_vggface(fresh, "vgg16", path)
    np.testing.assert_array_equal(fresh.get_weights()[2], small.get_weights()[2])


def test_layers_of_other_names_are_loaded_in_their_order(small, tmp_path):
    import keras

    from btfer_builder.networks.weights import load_vggface

    path = write_weights(tmp_path / "renamed.h5", small, lambda name: f"layer_{name}")
    fresh = keras.models.clone_model(small)
    load_vggface(fresh, "vgg16", path)
    np.testing.assert_array_equal(fresh.get_weights()[0], small.get_weights()[0])


def _senet_file(path: Path, small) -> None:
    import keras

    squeeze = keras.layers.Conv2D(5, 1, name="conv2_1_1x1_down")
    write_weights(path, keras.Sequential([keras.Input((8, 8, 3)), *small.layers, squeeze]))


def _other_shape(path: Path, small) -> None:
    import keras

    write_weights(
        path,
        keras.Sequential(
            [keras.Input((8, 8, 3)), *small.layers[:2], keras.layers.Conv2D(6, 3, name="conv1_2")]
        ),
    )


def _no_number(path: Path, small) -> None:
    small.layers[-1].bias.assign(np.full(5, np.nan))
    write_weights(path, small)


def _elsewhere(path: Path, small) -> None:
    import h5py

    other = write_weights(path.with_name("other.h5"), small)
    write_weights(path, small)
    with h5py.File(path, "a") as file:
        del file["conv1_2/conv1_2/bias:0"]
        file["conv1_2/conv1_2/bias:0"] = h5py.ExternalLink(other, "/conv1_2/conv1_2/bias:0")


def _without_names(path: Path, small) -> None:
    import h5py

    with h5py.File(path, "w") as file:
        file["weights"] = np.zeros(3)


def _cut(path: Path, small) -> None:
    write_weights(path, small)
    path.write_bytes(path.read_bytes()[:3000])


@pytest.mark.parametrize(
    ("write", "says"),
    [
        (_senet_file, "it also has a layer conv2_1_1x1_down"),
        (
            _other_shape,
            r"conv1_2 has the shapes \[\(3, 3, 4, 6\), \(6,\)\] in it and \[\(3, 3, 4, 5\), \(5,\)\]",
        ),
        (lambda path, small: write_weights(path, small, backend=b"theano"), "Theano, which are mirrored"),
        (_no_number, "conv1_2 has values that are not finite"),
        (_elsewhere, "bias:0 has an external link"),
        (_without_names, "no attribute layer_names, so Keras did not write it"),
        (_cut, "w.h5: not"),
    ],
)
def test_files_that_are_not_these_weights_change_nothing(write, says, small, tmp_path):
    import keras

    from btfer_builder.networks.weights import load_vggface

    fresh = keras.models.clone_model(small)
    before = fresh.get_weights()
    write(tmp_path / "w.h5", small)
    with pytest.raises(BtferError, match=says) as caught:
        load_vggface(fresh, "vgg16", tmp_path / "w.h5")
    assert "w.h5" in str(caught.value)
    for old, new in zip(before, fresh.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("pretraining", ["vggface", "imagenet"])
def test_what_is_no_weights_file_is_said(pretraining, tmp_path):
    (tmp_path / "pickle.h5").write_bytes(b"\x80\x04 junk")
    (tmp_path / "weights.npz").write_bytes(b"PK")
    for file, says in {
        "gone.h5": "no such file",
        "pickle.h5": "not an HDF5",
        "weights.npz": "not an HDF5",
    }.items():
        with pytest.raises(BtferError, match=f"{file}: {says}"):
            build_network("vgg16", 48, pretraining=pretraining, weights_path=tmp_path / file)


def test_imagenet_weights_of_a_file_go_through_keras(tmp_path):
    from btfer_builder.networks import applications

    published = applications.base("mobilenetv2", 96)
    shake(published)
    path = write_weights(tmp_path / "notop.h5", published)
    base = base_of(build_network("mobilenetv2", 48, pretraining="imagenet", weights_path=path))
    for ours, theirs in zip(base.get_weights(), published.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    with pytest.raises(
        BtferError, match=r"notop\.h5: not the ImageNet weights of mobilenet .*MobileNet publishes"
    ):
        build_network("mobilenet", 48, pretraining="imagenet", weights_path=path)


def test_efficientnetb0_computes_the_same_from_a_file_as_from_keras(tmp_path, monkeypatch):
    """Keras adds a layer without weights where it fetches them itself."""
    import keras
    from keras.src.utils import file_utils

    from btfer_builder.networks import applications

    published = applications.base("efficientnetb0", 64)
    chance = np.random.default_rng(2)
    published.get_layer("normalization").set_weights([np.full(3, 0.45), np.full(3, 0.05), np.array(1)])
    path = write_weights(tmp_path / "notop.h5", published)
    keras.backend.clear_session()
    monkeypatch.setattr(file_utils, "get_file", lambda *_, **__: str(path))
    fetched = base_of(build_network("efficientnetb0", 64, pretraining="imagenet"))
    given = base_of(build_network("efficientnetb0", 64, pretraining="imagenet", weights_path=path))
    assert len(fetched.layers) == len(given.layers) + 1
    pixels = chance.uniform(0, 255, (1, 64, 64, 3)).astype(np.float32)
    assert np.asarray(given(pixels)) == pytest.approx(np.asarray(fetched(pixels)), rel=1e-3, abs=1e-6)


def test_offline_the_wanted_file_and_its_place_are_named(tmp_path, monkeypatch):
    from keras.src.backend import config

    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(config, "_KERAS_DIR", str(tmp_path))  # Keras has read KERAS_HOME when it was imported
    for proxy in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "")
    lines = []
    for name, pretraining in (("nasnetmobile", "imagenet"), ("vgg16", "imagenet"), ("senet50", "vggface")):
        with pytest.raises(BtferError) as caught:
            build_network(name, 48, pretraining=pretraining)
        lines.append(str(caught.value))
    wanted = [
        ("nasnetmobile: its ImageNet", "https://storage.googleapis.com/", "nasnet_mobile_no_top.h5"),
        (
            "vgg16: its ImageNet",
            "https://storage.googleapis.com/",
            "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
        ),
        (
            "senet50: its VGGFace",
            "https://github.com/rcmalli/",
            "vggface/rcmalli_vggface_tf_notop_senet50.h5",
        ),
    ]
    for line, (beginning, address, place) in zip(lines, wanted, strict=True):
        assert line.startswith(beginning)
        assert f"get {address}" in line
        assert f"put it at {tmp_path}/models/{place}" in line
        assert line.endswith("--weights")
