"""Which device ONNX Runtime computes on."""

import onnxruntime
import pytest

from btfer_builder.io import device as devices
from btfer_builder.io.device import CPU, CUDA, _identity, onnx_device, onnx_providers

no_cuda = pytest.mark.skipif(
    CUDA in onnxruntime.get_available_providers(), reason="this ONNX Runtime may use a graphics card"
)


@pytest.fixture(autouse=True)
def _forget_devices() -> None:
    onnx_device.cache_clear()
    devices._missing_cuda.cache_clear()


@no_cuda
def test_without_a_card_auto_is_the_processor_and_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert onnx_device("auto") == onnx_device("cpu") == "cpu"
    assert onnx_providers("auto") == [CPU]
    assert capsys.readouterr() == ("", "")


@no_cuda
def test_a_card_that_is_asked_for_and_missing_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert onnx_providers("cuda") == onnx_providers("cuda") == [CPU]
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "no CUDA provider" in err
    assert "onnxruntime-gpu" in err
    assert "the processor is used" in err


@pytest.mark.filterwarnings("ignore:Specified provider")
def test_a_provider_that_is_listed_and_does_not_start_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    # What onnxruntime-gpu says without a card; the session is a real one and does not start with an unknown provider.
    monkeypatch.setattr(devices, "CUDA", "NoSuchExecutionProvider")
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["NoSuchExecutionProvider", CPU])
    assert onnx_providers("cuda") == [CPU]
    out, err = capfd.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert "cannot start CUDA" in err


def test_the_model_that_tries_the_card_is_valid() -> None:
    session = onnxruntime.InferenceSession(_identity(), providers=onnx_providers("cpu"))
    assert session.get_providers() == [CPU]
    assert session.run(None, {"x": [2.5]})[0].tolist() == [2.5]


@pytest.mark.tensorflow
@pytest.mark.xdist_group("networks")
def test_tensorflow_without_a_card_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    if devices.import_tensorflow().config.list_logical_devices("GPU"):
        pytest.skip("there is a graphics card")
    devices.tensorflow_device.cache_clear()
    assert {devices.tensorflow_device(each) for each in ("auto", "cpu", "cuda", "cuda")} == {"cpu"}
    assert capsys.readouterr().err.count("TensorFlow finds no graphics card") == 1


def test_pytorch_without_a_card_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    torch = pytest.importorskip("torch")
    if torch.cuda.is_available():
        pytest.skip("there is a graphics card")
    devices.torch_device.cache_clear()
    assert {devices.torch_device(each) for each in ("auto", "cpu", "cuda", "cuda")} == {"cpu"}
    assert capsys.readouterr().err.count("PyTorch finds no graphics card") == 1
