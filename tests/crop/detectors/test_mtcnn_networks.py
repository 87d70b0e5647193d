"""The networks agree with layer-by-layer arithmetic on the package's weights, and accept no other weights."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from btfer_builder.crop.detectors.mtcnn import networks
from btfer_builder.errors import BtferError


def convolve(x, kernel, bias):
    windows = np.lib.stride_tricks.sliding_window_view(x, kernel.shape[:2], axis=(0, 1))
    return np.einsum("yxcij,ijco->yxo", windows, kernel.astype(np.float64)) + bias


def prelu(x, slope):
    return np.where(x > 0, x, x * slope.reshape(-1))


def pool(x, side, same):
    size = [-(-n // 2) if same else (n - side) // 2 + 1 for n in x.shape[:2]]
    missing = [max(0, (n - 1) * 2 + side - have) for n, have in zip(size, x.shape[:2], strict=True)]
    x = np.pad(x, [*((n // 2, n - n // 2) for n in missing), (0, 0)], constant_values=-np.inf)
    windows = np.lib.stride_tricks.sliding_window_view(x, (side, side), axis=(0, 1))
    return windows.max(axis=(3, 4))[::2, ::2]


def blocks(x, weights, pools):
    x = (x.astype(np.float64) - 127.5) / 128
    for index, size in enumerate(pools):
        kernel, bias, slope = weights[3 * index : 3 * index + 3]
        x = prelu(convolve(x, kernel, bias), slope)
        x = pool(x, *size) if size else x
    return x


def dense(x, weights):
    x = x.transpose(1, 0, 2).reshape(-1)  # (width, height, channels)
    x = prelu(x @ weights[0] + weights[1], weights[2])
    return np.concatenate(
        [x @ kernel + bias for kernel, bias in zip(weights[3::2], weights[4::2], strict=True)]
    )


@pytest.fixture
def noise():
    return lambda height, width: (
        np.random.default_rng(height).integers(0, 256, (height, width, 3)).astype(np.float32)
    )


def outputs(session, image):
    return session.run(None, {"image": image.transpose(2, 0, 1)[None]})[0][0]


@pytest.mark.parametrize("shape", [(12, 12), (13, 20), (41, 30)])
def test_the_proposal_network(noise, shape):
    weights = networks._weights("pnet")
    x = blocks(noise(*shape), weights[:9], [(2, True), None, None])
    expected = np.concatenate(
        [convolve(x, weights[9], weights[10]), convolve(x, weights[11], weights[12])], axis=2
    )
    np.testing.assert_allclose(
        outputs(networks.pnet(), noise(*shape)).transpose(1, 2, 0), expected, atol=2e-5
    )


def test_the_refinement_network(noise):
    weights = networks._weights("rnet")
    x = blocks(noise(24, 24), weights[:9], [(3, True), (3, False), None])
    np.testing.assert_allclose(outputs(networks.rnet(), noise(24, 24)), dense(x, weights[9:]), atol=2e-5)


def test_the_output_network(noise):
    weights = networks._weights("onet")
    x = blocks(noise(48, 48), weights[:12], [(3, True), (3, False), (2, True), None])
    np.testing.assert_allclose(outputs(networks.onet(), noise(48, 48)), dense(x, weights[12:]), atol=2e-5)


def test_other_weights_are_refused_unread(monkeypatch, tmp_path):
    import joblib

    folder = Path(find_spec("mtcnn").origin).parent / "assets" / "weights"
    weights = tmp_path / "mtcnn" / "assets" / "weights"
    shutil.copytree(folder, weights)
    (tmp_path / "mtcnn" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(__import__("sys").modules, "mtcnn", raising=False)
    assert len(networks._weights("rnet")) == 16
    (weights / "rnet.lz4").write_bytes((weights / "rnet.lz4").read_bytes() + b"!")
    monkeypatch.setattr(joblib, "load", lambda _file: pytest.fail("it was unpickled"))
    with pytest.raises(BtferError, match=r"rnet\.lz4 is not the file of mtcnn 1\.0\.0"):
        networks._weights("rnet")
