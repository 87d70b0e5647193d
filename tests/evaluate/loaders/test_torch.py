"""PyTorch modules, in memory and as files of weights. Without PyTorch these tests skip."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import btfer_builder as bt
from btfer_builder.config import EvalRecipe
from btfer_builder.errors import BtferError, UnsafeFile
from btfer_builder.evaluate import LabelledFace, evaluate_models, wrap_module
from btfer_builder.evaluate.loaders.registry import load_model

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[torch]'")

pytestmark = pytest.mark.xdist_group("torch")

ARCHITECTURE = """
import torch

class Heads(torch.nn.Module):
    def __init__(self, classes=7):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3, groups=1)
        self.drop = torch.nn.Dropout(0.5)
        self.last = torch.nn.Linear(4, classes)

    def scores(self, x):
        return self.last(self.drop(torch.relu(self.conv(x))).mean((2, 3)))

    def forward(self, x):
        return self.scores(x)

class Several(Heads):
    def forward(self, x):
        return {"age": x.mean((1, 2, 3))[:, None], "emotion": self.scores(x)}

def small():
    torch.manual_seed(0)
    return Heads()

def several():
    torch.manual_seed(0)
    return Several()

class Arrays(Heads):
    def forward(self, x):
        return self.scores(x).numpy()

class Lazy(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.drop, self.last = torch.nn.LazyConv2d(4, 3), torch.nn.Dropout(), torch.nn.LazyLinear(7)

    scores = Heads.scores
    forward = Heads.scores

class Keeps(Heads):
    def forward(self, x):
        self.kept = self.scores(x)
        return self.kept

def half(): return Heads().half()
def last(): return Heads().to(memory_format=torch.channels_last)
def other(): return Heads(5)
def nothing(): return 7
def fails(): raise ValueError("no such network")
def leaves(): raise SystemExit("bye")
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """Return the module of the user, in the current folder, with its weights saved in every way."""
    import importlib
    import sys

    (tmp_path / "nets.py").write_text(ARCHITECTURE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    sys.modules.pop("nets", None)
    module = importlib.import_module("nets")
    yield module
    sys.modules.pop("nets", None)


def batch(rows=5, side=12):
    return np.random.default_rng(0).random((rows, side, side, 3), np.float32)


def expected(network, images):
    with torch.no_grad():
        return network.eval().scores(torch.from_numpy(images.transpose(0, 3, 1, 2))).numpy()


def saved(network, way: str) -> Path:
    weights = network.state_dict()
    path = Path(f"{way}.pth")
    if way == "safetensors":
        from safetensors.torch import save_file

        path = Path("m.safetensors")
        save_file(weights, path)
    elif way == "plain":
        torch.save(weights, path)
    elif way == "nested":
        torch.save({"epoch": 3, "state_dict": weights, "optimizer": {"lr": 0.1}}, path)
    elif way == "parallel":
        torch.save({f"module.{name}": value for name, value in weights.items()}, path)
    elif way == "lightning":
        inner = {f"model._orig_mod.{name}": value for name, value in weights.items()}
        torch.save({"epoch": 3, "state_dict": inner, "hyper_parameters": {"lr": 0.1}}, path)
    elif way == "twice":
        torch.save({"model": {"state_dict": weights}}, path)
    elif way == "half":
        torch.save(
            {name: value.half().to(memory_format=torch.preserve_format) for name, value in weights.items()},
            path,
        )
    return path


@pytest.mark.parametrize("way", ["safetensors", "plain", "nested", "parallel", "lightning", "twice", "half"])
def test_weights_go_into_the_users_network(nets, way):
    network = nets.Heads()
    path = saved(network, way)
    model = load_model(path, architecture="nets:small")
    assert (model.channels, model.loader, model.title) == (3, "torch", path.name)
    images = batch()
    assert model.predict(images) == pytest.approx(
        expected(network, images), abs=1e-3 if way == "half" else 1e-6
    )
    assert model.parameters == 3 * 4 * 9 + 4 + 4 * 7 + 7
    assert model.flops(12, 12) == 2 * (10 * 10 * 4 * 27 + 4 * 7)


def test_an_output_is_chosen_by_name(nets):
    path = saved(nets.several(), "plain")
    images = batch()
    model = load_model(path, architecture="nets:several", output="emotion")
    assert model.predict(images) == pytest.approx(expected(nets.several(), images), abs=1e-6)
    with pytest.raises(BtferError, match=r"has 2 outputs \(age, emotion\); name the scores with --output"):
        load_model(path, architecture="nets:several").predict(images)
    with pytest.raises(BtferError, match=r"has no output mood; its outputs are age, emotion"):
        load_model(path, architecture="nets:several", output="mood").predict(images)


@pytest.mark.parametrize(
    ("architecture", "says"),
    [
        (
            "",
            r"plain\.pth: holds weights, but not the network.*torch\.save\(model\.state_dict\(\).*torch\.onnx",
        ),
        ("nets:other", r"do not fit the network of nets:other: size mismatch for last"),
        ("nets:nothing", r"nets:nothing: returns int; expected a torch\.nn\.Module"),
        ("nets:fails", r"nets:fails: building the network fails: no such network"),
        ("nets:leaves", r"nets:leaves: building the network fails: bye"),
        ("nets:gone", r"nets:gone: cannot be imported"),
    ],
)
def test_what_is_wrong_with_weights_is_said(nets, architecture, says):
    path = saved(nets.small(), "plain")
    with pytest.raises(BtferError, match=says) as raised:
        load_model(path, architecture=architecture)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("architecture", ["half", "last", "Heads", "Lazy"])
def test_networks_of_other_kinds(nets, architecture):
    network, images = nets.small(), batch()
    model = load_model(saved(network, "plain"), architecture=f"nets:{architecture}")
    assert model.predict(images) == pytest.approx(expected(network, images), abs=1e-2)
    assert (model.channels, model.parameters) == (3, 147)


def test_a_network_that_returns_no_tensor(nets):
    with pytest.raises(BtferError, match=r"plain\.pth: returns ndarray; expected a tensor"):
        load_model(saved(nets.small(), "plain"), architecture="nets:Arrays").predict(batch())


def test_what_a_network_keeps_can_still_be_trained(nets):
    network = nets.Keeps()
    wrap_module(network).predict(batch())
    assert not network.kept.is_inference()
    assert wrap_module(nets.Lazy()).parameters is None


def test_a_function_may_return_tensors():
    images = (batch() * 255).astype(np.uint8)
    for scores in (torch.rand(5, 7, requires_grad=True), torch.rand(5, 7).bfloat16()):
        model = load_model(lambda _, scores=scores: scores)
        assert model.predict(images) == pytest.approx(scores.detach().float().numpy())


class Evil:
    """What a hostile file unpickles to."""

    def __reduce__(self):
        return (Path.touch, (Path("executed"),))


def test_nothing_is_unpickled_and_no_program_runs(nets):
    torch.save({"w": torch.zeros(1), "evil": Evil()}, "evil.pt")
    torch.save(nets.small(), "whole.pt")
    Path("raw.pt").write_bytes(pickle.dumps(Evil()))
    for name in ("evil.pt", "whole.pt"):
        with pytest.raises(UnsafeFile, match=f"{name}: holds pickled objects"):
            load_model(Path(name), architecture="nets:small")
    with pytest.raises(BtferError, match=r"raw\.pt"):
        load_model(Path("raw.pt"), architecture="nets:small")
    torch.jit.trace(nets.small().eval(), torch.zeros(1, 3, 12, 12)).save("script.pt")
    torch.export.save(torch.export.export(nets.small().eval(), (torch.zeros(1, 3, 12, 12),)), "program.pt2")
    for name in ("script.pt", "program.pt2"):
        with pytest.raises(UnsafeFile, match=rf"{name}: is a program \(TorchScript.*--architecture.*onnx"):
            load_model(Path(name), architecture="nets:small")
    Path("junk.safetensors").write_bytes(b"junk")
    with pytest.raises(BtferError, match=r"junk\.safetensors: not a safetensors file"):
        load_model(Path("junk.safetensors"), architecture="nets:small")
    assert not Path("executed").exists()


def test_a_module_in_memory_is_scored_and_left_as_it_was(nets, tmp_path):
    network = nets.small()
    network.train()
    network.conv.eval()
    faces = []
    for number, emotion in enumerate(["happy", "sad", "fear"]):
        path = tmp_path / f"{number}.png"
        pixels = np.random.default_rng(number).integers(0, 256, (12, 12, 3), np.uint8)
        Image.fromarray(pixels).save(path)
        faces.append(LabelledFace(path, emotion, path.stem))
    report = bt.evaluate(network, faces, size=12, preset="imagenet")
    assert (report.model, report.n) == ("Heads", 3)
    assert report.evaluation.declaration.source.startswith("preset imagenet")
    (saved,) = evaluate_models([wrap_module(network)], faces, EvalRecipe(size=12), tmp_path / "out")
    assert (saved.path.name, saved.to_dict()["efficiency"]["parameters"]) == ("Heads", 147)
    assert (network.training, network.drop.training, network.conv.training) == (True, True, False)
    with pytest.raises(BtferError, match="takes 2 channels"):
        wrap_module(torch.nn.Conv2d(2, 3, 1))
