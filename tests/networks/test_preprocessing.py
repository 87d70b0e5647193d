"""How faces are fed: each pretraining's own way, and the paper's one way for all."""

import numpy as np
import pytest

from btfer_builder.config import TrainRecipe
from btfer_builder.errors import BtferError
from btfer_builder.networks.preprocessing import (
    Preprocessing,
    preprocess,
    preprocessing_of,
    training_preprocessing,
)
from btfer_builder.networks.registry import NETWORKS

PIXELS = np.random.default_rng(0).integers(0, 256, (2, 5, 5, 3), np.uint8)


def fed(preprocessing: Preprocessing, images: np.ndarray = PIXELS) -> np.ndarray:
    """Return the input that a network gets."""
    return np.stack([preprocess(image, preprocessing)[0] for image in images])


@pytest.mark.tensorflow
@pytest.mark.xdist_group("networks")
@pytest.mark.parametrize(
    ("name", "module"),
    [
        ("vgg16", "vgg16"),
        ("vgg19", "vgg19"),
        ("resnet50", "resnet50"),
        ("mobilenet", "mobilenet"),
        ("mobilenetv2", "mobilenet_v2"),
        ("efficientnetv2b0", "efficientnet_v2"),
        ("efficientnetb0", "efficientnet"),
        ("nasnetmobile", "nasnet"),
        ("densenet121", "densenet"),
        ("inceptionv3", "inception_v3"),
        ("xception", "xception"),
        ("convnext-tiny", "convnext"),
        ("efficientnetv2-s", "efficientnet_v2"),
    ],
)
def test_imagenet_weights_are_fed_as_keras_feeds_them(name, module):
    import keras

    expected = getattr(keras.applications, module).preprocess_input(PIXELS.astype(np.float32))
    values = fed(preprocessing_of(name, "imagenet", size=5))
    assert values.dtype == np.float32
    assert values == pytest.approx(expected, abs=1e-4)


def test_vggface_weights_are_fed_blue_first_and_minus_their_mean():
    grey = np.full((1, 224, 224, 3), (200, 150, 100), np.uint8)
    first = preprocessing_of("vgg16", "vggface", size=224)
    assert fed(first, grey)[0, 0, 0] == pytest.approx(
        [100 - 93.594, 150 - 104.7624, 200 - 129.1863], abs=1e-4
    )
    for name in ("resnet50", "senet50"):
        second = preprocessing_of(name, "vggface", size=224)
        assert fed(second, grey)[0, 0, 0] == pytest.approx(
            [100 - 91.4953, 150 - 103.8827, 200 - 131.0912], abs=1e-4
        )


def test_the_paper_divides_by_255_whatever_the_weights():
    for name, spec in NETWORKS.items():
        for pretraining in spec.pretrainings:
            result = preprocessing_of(name, pretraining, paper=True, size=5)
            if spec.channels == 3:
                assert result == Preprocessing(5, 5, 3, "rgb", "0,1", resize="nearest")
                assert fed(result) == pytest.approx(PIXELS / 255)
            else:
                assert result == Preprocessing(5, 5, 1, "grey", "0,255", resize="nearest")
                assert fed(result).shape == (2, 5, 5, 1)


def test_networks_that_scale_pixels_themselves_get_them_unscaled_from_scratch_too():
    assert preprocessing_of("efficientnetv2b0", size=48).scale == "0,255"
    assert preprocessing_of("lenet5", size=48).scale == "0,1"


def test_the_pixels_that_are_passed_in_stay_as_they_are():
    pixels = PIXELS.copy()
    fed(preprocessing_of("densenet121", "imagenet", size=5), pixels)
    np.testing.assert_array_equal(pixels, PIXELS)


def test_weights_that_do_not_exist_are_said():
    with pytest.raises(BtferError, match="vit-s: there are no imagenet weights; choose scratch"):
        preprocessing_of("vit-s", "imagenet", size=48)


CAFFE = ("bgr", "0,255", (103.939, 116.779, 123.68), ())


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, CAFFE),
        ({"color": "rgb"}, ("rgb", *CAFFE[1:])),
        ({"mean": (91.0, 103.0, 131.0)}, ("bgr", "0,255", (91.0, 103.0, 131.0), ())),
        ({"std": (60.0,)}, (*CAFFE[:3], (60.0,))),
        ({"scale": "-1,1"}, ("bgr", "-1,1", (), ())),
        ({"scale": "0,255"}, ("bgr", "0,255", (), ())),
        (
            {"scale": "0,1", "color": "grey", "mean": (0.5,), "std": (0.25,)},
            ("grey", "0,1", (0.5,), (0.25,)),
        ),
        ({"paper": True, "scale": "-1,1"}, ("rgb", "-1,1", (), ())),
    ],
)
def test_a_backbone_is_fed_as_its_weights_were_trained(given, expected):
    recipe = TrainRecipe(network="resnet50", pretraining="imagenet", **given)
    fed_as = training_preprocessing(recipe)
    assert (fed_as.color, fed_as.scale, fed_as.mean, fed_as.std) == expected


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"network": "efficientnetv2b0", "scale": "-1,1"}, "in its first layers; leave out --scale"),
        ({"network": "mediapipe-vggnet", "std": (2.0,)}, "in its first layers; leave out --std"),
        ({"network": "mediapipe-vggnet", "color": "bgr"}, "takes one channel"),
        ({"network": "vgg16", "mean": (1.0, 2.0)}, "mean has 2 values"),
        ({"network": "vgg16", "std": (0.0,)}, "std must be above 0"),
        ({"network": "vgg16", "mean": (float("nan"),)}, "finite"),
    ],
)
def test_what_a_network_cannot_be_fed_is_refused(given, message):
    with pytest.raises(BtferError, match=message):
        training_preprocessing(TrainRecipe(**given))
