"""Parameters and operations: the counts the authors' notebooks printed, published ones, and counts by hand."""

import csv
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from btfer_builder.cli.main import main
from btfer_builder.errors import BtferError
from btfer_builder.networks import NETWORKS
from btfer_builder.networks.summary import count_all, describe, known_counts, list_networks

pytestmark = [pytest.mark.tensorflow, pytest.mark.xdist_group("networks")]

#: One line for each layer table of the notebooks; `frozen` is what learns in phase 1. A hand count has only a total.
PRINTED = list(csv.DictReader(Path(__file__).with_name("printed_parameters.csv").open(encoding="utf-8")))


def identity(row: dict[str, str]) -> str:
    return "-".join(row[key] for key in ("network", "size", "pretraining", "head", "units") if row[key])


@pytest.mark.parametrize("name", NETWORKS)
def test_the_table_has_the_counts_of_the_networks_as_they_are_built(name):
    built = {}
    for size in NETWORKS[name].sizes:
        built |= count_all(NETWORKS[name], size)
    assert built == {options: counts for options, counts in known_counts().items() if options.name == name}, (
        "after a change to a network: make networks"
    )


def test_the_table_has_no_other_network():
    assert {options.name for options in known_counts()} == set(NETWORKS)


@pytest.mark.parametrize("row", PRINTED, ids=identity)
def test_parameters_equal_those_the_notebooks_printed(row):
    info = describe(
        NETWORKS[row["network"]], int(row["size"]), row["pretraining"], row["head"], row["units"] or None
    )
    assert info.params == int(row["params"]), row["printed_in"]
    if row["trainable"]:
        assert info.trainable == int(row["trainable"])
        assert info.trainable_phase1 == (int(row["frozen"]) if row["frozen"] else None)


def test_every_network_of_the_authors_is_in_the_table():
    assert {row["network"] for row in PRINTED} >= {s.name for s in NETWORKS.values() if s.origin == "paper"}


def test_the_head_of_the_text_has_256_units_twice():
    code, text = (describe(NETWORKS["vgg16"], 48, units=units) for units in ("256-128", "256-256"))
    assert (code.params, code.units) == (14_879_815, "256-128")
    assert text.params == 14_714_688 + (512 * 256 + 256) + (256 * 256 + 256) + (256 * 7 + 7)


def test_published_counts_of_the_true_variants_and_modern_baselines():
    """With the 1000 classes of ImageNet, as their articles and the public code count them."""
    import keras

    from btfer_builder.networks import assemble_network
    from btfer_builder.networks.flops import count_parameters
    from btfer_builder.networks.repvgg import deploy

    # bvlc_googlenet without its auxiliary classifiers
    assert count_parameters(assemble_network("googlenet-true", 224, classes=1000))[0] == 6_998_552
    # torchvision's resnet18, whose parameters are those that learn
    assert count_parameters(assemble_network("resnet18-plain", 224, classes=1000))[1] == 11_689_512
    # DeiT-S has 22,050,664, of which 768 are the class token and its position; here tokens are averaged
    assert count_parameters(assemble_network("vit-s", 224, classes=1000))[0] == 22_050_664 - 768
    # Ding et al. 2021, Table 4: RepVGG-A0 deployed has 8.30 million
    deployed = deploy(assemble_network("repvgg-true", 224, classes=1000))
    assert count_parameters(deployed)[0] == pytest.approx(8.30e6, abs=1e4)
    keras.backend.clear_session()


def test_operations_of_small_networks_by_hand():
    import keras
    from keras import layers

    from btfer_builder.networks.flops import network_flops

    lenet5 = 44 * 44 * 6 * 75 + 18 * 18 * 16 * 150 + 1296 * 120 + 120 * 84 + 84 * 7
    assert describe(NETWORKS["lenet5"], 48).flops == 2 * lenet5

    image = keras.Input((10, 10, 4))
    depthwise = layers.DepthwiseConv2D(3, depth_multiplier=2)(image)  # 8×8 of 8 channels, 9 products each
    separable = layers.SeparableConv2D(6, 3, padding="same", strides=2)(depthwise)  # 4×4: 8·9, then 8·6
    grouped = layers.Conv2D(6, 1, groups=3)(separable)  # 4×4 of 6, 2 products each
    tokens = layers.Reshape((16, 6))(grouped)
    attended = layers.MultiHeadAttention(2, 5)(tokens, tokens)
    network = keras.Model(image, layers.BatchNormalization()(attended))
    attention = 4 * 16 * 6 * 10 + 2 * 16 * 16 * 10  # four projections; scores and sums over 16 tokens
    products = 64 * 8 * 9 + 16 * (8 * 9 + 8 * 6) + 16 * 6 * 2 + attention
    assert network_flops(network) == 2 * products
    assert network_flops(keras.Sequential([image, network])) == 2 * products


def test_operations_agree_with_the_articles():
    """Their "FLOPs" are products, of which each is two operations here; classifiers of 1000 are left out."""
    for name, billions in {"vgg16": 15.35, "resnet50": 3.86, "mobilenet": 0.568, "mobilenetv2": 0.3}.items():
        assert describe(NETWORKS[name], 224).flops / 2e9 == pytest.approx(billions, rel=0.01)
    assert describe(NETWORKS["convnext-tiny"], 224).flops / 2e9 == pytest.approx(4.5, rel=0.02)


def test_operations_of_an_unknown_layer_are_not_guessed():
    import keras

    from btfer_builder.networks.flops import network_flops

    network = keras.Sequential([keras.Input((5, 3)), keras.layers.LSTM(4)])
    with pytest.raises(TypeError, match="LSTM"):
        network_flops(network)


def test_counting_leaves_no_trace():
    """Neither the variables without values, which Keras would fill later, nor the settings of the session."""
    import random

    import keras
    from keras.src.backend.common import global_state

    keras.mixed_precision.set_dtype_policy("mixed_float16")
    try:
        random.seed(3)
        describe(NETWORKS["vggnet"], 160)  # not in the table
        drawn = random.random()
        assert keras.mixed_precision.dtype_policy().name == "mixed_float16"
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    assert not global_state.get_global_attribute("uninitialized_variables")
    random.seed(3)
    assert random.random() == drawn


def test_another_size_is_built_and_counted():
    lenet5 = (75 * 6 + 6) + (150 * 16 + 16) + (13 * 13 * 16 * 120 + 120) + (120 * 84 + 84) + (84 * 7 + 7)
    assert describe(NETWORKS["lenet5"], 64).params == lenet5


def test_the_command_prints_one_json_object():
    arguments = ["networks", "vgg16", "lenet5", "inceptionv3", "--size", "48", "--json"]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0
    rows = json.loads(result.stdout)["networks"]
    assert [row["name"] for row in rows] == ["vgg16", "lenet5"]  # InceptionV3 cannot be as small
    assert rows[0] | {"flops": 0} == {
        "name": "vgg16",
        "family": "applications",
        "origin": "paper",
        "line": "VGG16 (Simonyan and Zisserman 2015; §3.2)",
        "size": 48,
        "pretraining": "scratch",
        "head": "gap",
        "units": "256-128",
        "params": 14_879_815,
        "trainable": 14_879_815,
        "trainable_phase1": 165_127,
        "flops": 0,
        "pretrainings": ["scratch", "imagenet", "vggface"],
        "heads": ["gap", "flatten"],
    }
    assert (rows[1]["units"], rows[1]["trainable_phase1"]) == (None, None)


def test_the_command_for_people_and_its_choices():
    arguments = ["networks", "--size", "224", "--pretraining", "vggface", "--head", "flatten"]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert [line.split()[0] for line in result.stdout.splitlines() if "flatten" in line] == [
        "vgg16", "resnet50", "senet50",
    ]  # fmt: skip
    assert "24,119,495" in result.stdout
    unknown = CliRunner().invoke(main, ["networks", "vgg17"])
    assert unknown.exit_code == 1
    assert "'vgg17' is not a network; choose one of lenet5" in unknown.stderr
    with pytest.raises(BtferError, match="no network has all"):
        list_networks(["lenet5"], units="256-256", progress=lambda items: items)
