"""Folders of Hugging Face transformers. Without PyTorch or transformers these tests skip."""

import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from btfer_builder.config import EvalRecipe
from btfer_builder.errors import BtferError, UnsafeFile
from btfer_builder.evaluate import LabelledFace, evaluate_model
from btfer_builder.evaluate.loaders.registry import load_model
from btfer_builder.labels import EMOTIONS

INSTALL = "pip install '.[hf]'"
torch = pytest.importorskip("torch", reason=f"PyTorch is not installed: {INSTALL}")
transformers = pytest.importorskip("transformers", reason=f"transformers is not installed: {INSTALL}")

pytestmark = pytest.mark.xdist_group("torch")

LABELS = dict(
    enumerate(["anger", "contempt", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"])
)


def vit():
    from transformers import ViTConfig, ViTForImageClassification, ViTImageProcessor

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    config = ViTConfig(**sizes, image_size=32, patch_size=8, id2label=LABELS)
    return ViTForImageClassification(config), ViTImageProcessor(size={"height": 32, "width": 32})


def convnext():
    from transformers import ConvNextConfig, ConvNextForImageClassification, ConvNextImageProcessor

    config = ConvNextConfig(
        hidden_sizes=[8, 8, 8, 8], depths=[1, 1, 1, 1], layer_scale_init_value=1.0, id2label=LABELS
    )
    return ConvNextForImageClassification(config), ConvNextImageProcessor(
        size={"shortest_edge": 64}, crop_pct=0.875
    )


def resnet():
    from transformers import CLIPImageProcessor, ResNetConfig, ResNetForImageClassification

    config = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8], depths=[1, 1], layer_type="basic", id2label=LABELS
    )
    processor = CLIPImageProcessor(
        size={"shortest_edge": 40},
        crop_size={"height": 32, "width": 32},
        rescale_factor=1 / 127.5,
        resample=1,
    )
    return ResNetForImageClassification(config), processor


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    found = {}
    for make in (vit, convnext, resnet):
        torch.manual_seed(0)
        network, processor = make()
        with (
            torch.no_grad()
        ):  # transformers draws small weights, so that all faces get nearly the same answer
            for layer in network.modules():
                if isinstance(layer, torch.nn.Conv2d | torch.nn.Linear):
                    layer.weight.normal_(std=0.3)
        found[make.__name__] = tmp_path_factory.mktemp("hf") / make.__name__
        network.save_pretrained(found[make.__name__])
        processor.save_pretrained(found[make.__name__])
    return found


@pytest.fixture
def faces(tmp_path) -> list[LabelledFace]:
    rng = np.random.default_rng(0)
    found = []
    for number, side in enumerate([100, 48, 65, 33, 20, 64, 32]):
        path = tmp_path / f"{number}.png"
        small = Image.fromarray(rng.integers(0, 256, (9, 9, 3), np.uint8))
        small.resize((side, side), Image.Resampling.BICUBIC).save(path)
        found.append(LabelledFace(path, EMOTIONS[number], path.stem))
    return found


@pytest.mark.parametrize("kind", ["vit", "convnext", "resnet"])
def test_a_folder_answers_as_its_own_pipeline(folders, faces, tmp_path, kind, monkeypatch):
    def refuse(*_):
        raise AssertionError("the network is asked")

    classify = transformers.pipeline("image-classification", model=str(folders[kind]))
    monkeypatch.setattr(socket.socket, "connect", refuse)
    report = evaluate_model(folders[kind], faces, EvalRecipe(resamples=0), tmp_path / "out")
    shares = report.evaluation.predictions.probabilities
    names = ["anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"]
    for face, row in zip(faces, shares, strict=True):
        with Image.open(face.path) as image:
            said = {each["label"]: each["score"] for each in classify(image, top_k=len(LABELS))}
        assert row == pytest.approx([said[name] for name in names], abs=2e-5)
    assert np.ptp(shares, axis=0).max() > 0.01, "faces that are all answered alike show little"
    found = report.to_dict()["preprocessing"]
    assert found["declared_by"] == "model's own preprocessor_config.json"
    assert found["labels"] == list(LABELS.values())
    assert not any("not declared" in note for note in report.notes)


def test_flags_and_sidecars_come_before_the_folder(folders, faces, tmp_path):
    from btfer_builder.evaluate import Sidecar, SidecarInput, write_sidecar
    from btfer_builder.evaluate.preprocessing.resolve import resolve_preprocessing

    shutil.copytree(folders["vit"], tmp_path / "own")
    model = load_model(tmp_path / "own")
    flagged = resolve_preprocessing(model, EvalRecipe(scale="0,255"), ["scale"])
    assert flagged.source == "model's own preprocessor_config.json and flags"
    assert (flagged.recipe.scale, flagged.recipe.mean) == ("0,255", ())
    write_sidecar(tmp_path / "own", Sidecar(input=SidecarInput(scale="-1,1")))
    assert resolve_preprocessing(model, EvalRecipe()).source == "sidecar own.btfer.toml"


def changed(folder: Path, target: Path, file: str, **settings) -> Path:
    shutil.copytree(folder, target)
    content = json.loads((target / file).read_text()) | settings
    (target / file).write_text(json.dumps(content))
    return target


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"quantization_config": {"quant_method": "x"}}, "has quantization_config"),
        ({"use_timm_backbone": True, "backbone": "resnet18"}, "code or weights from elsewhere"),
        ({"vision_config": {"_attn_implementation": "someone/kernels"}}, "has _attn_implementation"),
        ({"model_type": "own", "auto_map": {"AutoConfig": "evil.Config"}}, "own is not an image classifier"),
        ({"num_hidden_layers": 10**6}, "has num_hidden_layers above 1000"),
        ({"depths": [3, 10**9]}, "has depths above 1000"),
        ({"id2label": {str(n): str(n) for n in range(3)}}, r"its weights lack classifier\.\w+"),
    ],
)
def test_a_folder_gets_nothing_from_elsewhere(folders, tmp_path, settings, says):
    folder = changed(folders["vit"], tmp_path / "odd", "config.json", **settings)
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    with pytest.raises(BtferError, match=says) as raised:
        load_model(folder)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "executed").exists()


def test_incomplete_folders(folders, tmp_path):
    other = {"image_processor_type": "ImageGPTImageProcessor"}
    folder = changed(folders["vit"], tmp_path / "other", "preprocessor_config.json", **other)
    with pytest.raises(
        BtferError, match=r"preprocessor_config\.json .*declare the preprocessing in a sidecar"
    ):
        load_model(folder)
    (folder / "preprocessor_config.json").unlink()
    model = load_model(folder)
    assert model.declared_in == ""
    assert (model.declares.input.size, model.declares.input.scale) == (32, None), (
        "the network states its size"
    )
    torch.save({}, folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(UnsafeFile, match=r"has no model\.safetensors.*pickled"):
        load_model(folder)
    (folder / "config.json").write_text("[]")
    with pytest.raises(BtferError, match="holds no settings"):
        load_model(folder)


def test_folders_of_others_are_named(folders, tmp_path):
    folder = changed(folders["vit"], tmp_path / "timm", "config.json", architecture="resnet18")
    config = json.loads((folder / "config.json").read_text())
    del config["model_type"]
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(BtferError, match=r"it is of timm: give .*model\.safetensors and --architecture"):
        load_model(folder)
    shutil.copytree(folders["vit"], tmp_path / "odd")
    (tmp_path / "odd" / "model.safetensors").rename(tmp_path / "model.safetensors")
    index = tmp_path / "odd" / "model.safetensors.index.json"
    for name in ("../model.safetensors", str(tmp_path / "model.safetensors"), "weights.bin"):
        index.write_text(json.dumps({"weight_map": {"classifier.bias": name}}))
        with pytest.raises(UnsafeFile, match=r"which is not a \.safetensors file of the folder"):
            load_model(tmp_path / "odd")
    index.write_text(json.dumps({"weight_map": {"classifier.bias": "model-1.safetensors"}}))
    with pytest.raises(BtferError, match=r"lacks model-1\.safetensors"):
        load_model(tmp_path / "odd")


def test_several_labels_have_a_probability_each(folders, faces, tmp_path):
    folder = changed(
        folders["vit"], tmp_path / "several", "config.json", problem_type="multi_label_classification"
    )
    outputs = evaluate_model(
        folder, faces, EvalRecipe(resamples=0), tmp_path / "o"
    ).evaluation.predictions.outputs
    classify = transformers.pipeline("image-classification", model=str(folder))
    for face, row in zip(faces, outputs, strict=True):
        with Image.open(face.path) as image:
            said = {each["label"]: each["score"] for each in classify(image, top_k=len(LABELS))}
        assert row == pytest.approx([said[name] for name in LABELS.values()], abs=2e-5)


def test_classes_without_names_are_assumed_and_said(folders, faces, tmp_path):
    torch.manual_seed(0)
    network, processor = vit()
    network = type(network)(
        type(network.config)(**{**network.config.to_dict(), "id2label": {n: f"LABEL_{n}" for n in range(7)}})
    )
    network.save_pretrained(tmp_path / "bare")
    processor.save_pretrained(tmp_path / "bare")
    report = evaluate_model(tmp_path / "bare", faces, EvalRecipe(resamples=0), tmp_path / "o")
    assert any(
        "Nothing names the model's classes; they are taken to be angry, disgust" in note
        for note in report.notes
    )
    german = ("Wut", "Ekel", "Angst", "Freude", "Neutral", "Trauer", "Staunen")
    with pytest.raises(BtferError, match="Wut"):
        evaluate_model(
            tmp_path / "bare",
            faces,
            EvalRecipe(labels=german[:4] + german[5:]),
            tmp_path / "o",
            explicit=["labels"],
        )


def test_shards_are_read(folders, tmp_path):
    network = transformers.AutoModelForImageClassification.from_pretrained(folders["vit"])
    network.save_pretrained(tmp_path / "shards", max_shard_size="5KB")
    assert len(list((tmp_path / "shards").glob("*.safetensors"))) > 1
    images = np.random.default_rng(0).random((2, 32, 32, 3), np.float32)
    assert load_model(tmp_path / "shards").predict(images) == pytest.approx(
        load_model(folders["vit"]).predict(images), abs=1e-6
    )
