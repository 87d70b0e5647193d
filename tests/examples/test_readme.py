"""The recipe of the README for models of PyTorch and Hugging Face. Without these libraries the test skips."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from btfer_builder.labels import EMOTIONS

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install '.[torch]'")
transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed: pip install '.[hf]'"
)

README = Path(__file__).parents[2] / "README.md"


def test_a_module_and_a_folder_are_scored_in_six_lines(tmp_path, monkeypatch):
    (block,) = [
        each
        for each in re.findall(r"```python\n(.*?)```", README.read_text("utf-8"), re.S)
        if "my_module" in each
    ]
    assert len([line for line in block.splitlines() if line]) == 6

    monkeypatch.chdir(tmp_path)
    chance = np.random.default_rng(0)
    for emotion in EMOTIONS:
        folder = Path("faces-v1/test", emotion)
        folder.mkdir(parents=True)
        Image.fromarray(chance.integers(0, 256, (64, 64, 3), np.uint8)).save(folder / "a.png")
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=32, patch_size=8,
        id2label=dict(enumerate(EMOTIONS)),
    )  # fmt: skip
    transformers.ViTForImageClassification(config).save_pretrained("path/to/save_pretrained")
    transformers.ViTImageProcessor(size={"height": 32, "width": 32}).save_pretrained(
        "path/to/save_pretrained"
    )
    module = torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(1), torch.nn.Flatten(), torch.nn.Linear(3, 7))
    said = {"my_module": module}
    exec(block, said)
    assert said["report"].n == said["other"].n == 7
    assert "224" in said["report"].signature
    assert "labels:7" in said["other"].signature
