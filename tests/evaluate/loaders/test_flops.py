"""The operations of a model: those of transposed, grouped and quantised convolutions count, others are named."""

import numpy as np
import pytest

from btfer_builder.evaluate.efficiency import efficiency
from btfer_builder.evaluate.loaders.registry import load_model
from btfer_builder.networks.flops import Uncounted
from btfer_builder.networks.preprocessing import Preprocessing


def onnx_of(tmp_path, nodes, arrays, image=(1, 4, 8, 8), kind=None):
    from onnx import TensorProto, helper, numpy_helper

    image = [image[0], 3, *image[2:]]
    first = helper.make_node("Conv", ["x", "to4"], ["four"])
    last = [
        helper.make_node("GlobalAveragePool", ["maps"], ["pool"]),
        helper.make_node("Flatten", ["pool"], ["y"]),
    ]
    arrays = {"to4": np.ones((4, 3, 1, 1), np.float32)} | arrays
    graph = helper.make_graph(
        [first, *nodes, *last], "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, image)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in arrays.items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    from btfer_builder.evaluate.loaders.onnx_file import _count

    return _count(helper.make_model(graph, opset_imports=opsets, ir_version=8))[1]


FIRST = 2 * 64 * 4 * 3


def test_transposed_grouped_and_quantised_operators_of_onnx(tmp_path):
    from onnx import helper

    def node(kind, inputs, **how):
        return [helper.make_node(kind, inputs, ["maps"], **how)]

    kernel = np.ones((4, 6, 3, 3), np.float32)  # 4 inputs, 6 outputs of each of 2 groups
    count = onnx_of(tmp_path, node("ConvTranspose", ["four", "k"], group=2, strides=[2, 2]), {"k": kernel})
    assert count(8, 8) == FIRST + 2 * 4 * 64 * 6 * 9
    grouped = onnx_of(
        tmp_path, node("Conv", ["four", "k"], group=2), {"k": np.ones((8, 2, 3, 3), np.float32)}
    )
    assert grouped(8, 8) == FIRST + 2 * 36 * 8 * 2 * 9
    zero, one = np.array(0, np.uint8), np.array(1, np.float32)
    quantised = [
        helper.make_node("QuantizeLinear", ["four", "s", "z"], ["q"]),
        helper.make_node("QLinearConv", ["q", "s", "z", "k", "s", "z", "s", "z"], ["c"]),
        helper.make_node("DequantizeLinear", ["c", "s", "z"], ["maps"]),
    ]
    arrays = {"s": one, "z": zero, "k": np.ones((5, 4, 3, 3), np.uint8)}
    assert onnx_of(tmp_path, quantised, arrays)(8, 8) == FIRST + 2 * 36 * 5 * 4 * 9
    unknown = onnx_of(tmp_path, node("NhwcConv", ["four", "k"], domain="com.microsoft"), {"k": kernel})
    with pytest.raises(Uncounted) as raised:
        unknown(8, 8)
    assert raised.value.names == ("NhwcConv",)


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
def test_transposed_and_grouped_layers_of_keras(tmp_path):
    import keras

    from btfer_builder.evaluate.convert import convert_model

    keras.utils.set_random_seed(0)

    def network(layer):
        return keras.Sequential(
            [keras.Input((12, 12, 3)), keras.layers.Conv2D(4, 1), layer, keras.layers.GlobalAveragePooling2D(),
             keras.layers.Dense(7)]
        )  # fmt: skip

    layers = keras.layers
    rest = 2 * 144 * 4 * 3
    grouped = network(layers.Conv2D(6, 3, groups=2, padding="same"))
    assert load_model(grouped).flops(12, 12) == rest + 2 * (144 * 6 * 2 * 9 + 6 * 7)
    transposed = network(layers.Conv2DTranspose(6, 3, strides=2, padding="same"))
    expected = rest + 2 * (144 * 4 * 6 * 9 + 6 * 7)
    assert load_model(transposed).flops(12, 12) == expected
    path = tmp_path / "t.keras"
    transposed.save(path)
    assert load_model(convert_model(path, "tflite")).flops(12, 12) == expected


@pytest.mark.tensorflow
@pytest.mark.xdist_group("tensorflow")
def test_what_cannot_be_counted_is_named(tmp_path):
    import keras

    inputs = keras.Input((8, 8, 3))
    rows = keras.layers.Reshape((8, 24))(inputs)
    network = keras.Model(inputs, keras.layers.Dense(7)(keras.layers.LSTM(5)(rows)))
    cost = efficiency(load_model(network), Preprocessing(8, 8, 3, "rgb", "0,1"), measure=True)
    assert cost.flops is None
    assert cost.uncounted
    assert all(name.isidentifier() for name in cost.uncounted)
