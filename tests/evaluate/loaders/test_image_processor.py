"""Image processors of transformers: our steps give the pixels that they give, or the folder is refused."""

import json

import numpy as np
import pytest
from PIL import Image

from btfer_builder.config import EvalRecipe
from btfer_builder.errors import BtferError
from btfer_builder.evaluate.loaders.base import Model
from btfer_builder.evaluate.loaders.image_processor import read_processor
from btfer_builder.evaluate.preprocessing.declaration import Sidecar
from btfer_builder.evaluate.preprocessing.resolve import build_preprocessing, resolve_preprocessing
from btfer_builder.networks.preprocessing import preprocess

transformers = pytest.importorskip(
    "transformers", reason="transformers is not installed: pip install '.[hf]'"
)

SQUARE = {"height": 48, "width": 48}


def pictures():
    rng = np.random.default_rng(1)
    return [rng.integers(0, 256, (side, side, 3), np.uint8) for side in (30, 48, 77, 150)]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("ViT", {"size": SQUARE, "do_normalize": False}),
        ("ViT", {"size": SQUARE, "do_rescale": False, "image_mean": [10, 20, 30.5], "image_std": [50, 60, 70]}),
        ("ViT", {"size": SQUARE, "rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1], "resample": 0}),
        ("ViT", {"size": SQUARE, "resample": 4}),
        ("Beit", {"size": {"height": 60, "width": 60}, "do_center_crop": True, "crop_size": SQUARE}),
        ("CLIP", {"size": {"shortest_edge": 48}, "do_center_crop": False}),
        ("CLIP", {"size": {"shortest_edge": 55}, "crop_size": SQUARE, "do_convert_rgb": False}),
        ("ConvNext", {"size": {"shortest_edge": 48}, "crop_pct": 0.9}),
        ("ConvNext", {"size": {"shortest_edge": 384}}),
        ("DeiT", {"size": {"height": 55, "width": 55}, "crop_size": SQUARE}),
        ("EfficientNet", {"size": SQUARE}),
        ("EfficientNet", {"size": SQUARE, "rescale_factor": 1 / 127.5, "rescale_offset": True, "include_top": False}),
        ("EfficientNet", {"size": SQUARE, "do_normalize": False}),
        ("Levit", {"size": {"shortest_edge": 48}, "crop_size": SQUARE}),
        ("MobileViT", {"size": {"shortest_edge": 55}, "crop_size": SQUARE}),
        ("PoolFormer", {"size": {"shortest_edge": 48}, "crop_size": SQUARE, "crop_pct": 0.8}),
        ("Pvt", {"size": SQUARE}),
        ("Segformer", {"size": SQUARE}),
        ("TextNet", {"size": {"shortest_edge": 64}}),
    ],
)  # fmt: skip
def test_pictures_are_prepared_as_by_the_processor(tmp_path, name, settings):
    processor = getattr(transformers, f"{name}ImageProcessorPil")(**settings)
    processor.save_pretrained(tmp_path)
    steps, file = read_processor(tmp_path, transformers)
    assert file == "preprocessor_config.json"
    model = Model(
        tmp_path, None, None, 3, 7, "transformers", lambda batch: batch, declares=Sidecar(input=steps)
    )
    preprocessing = build_preprocessing(resolve_preprocessing(model, EvalRecipe()).recipe, model)
    for picture in pictures():
        ours, _ = preprocess(picture, preprocessing)
        theirs = np.asarray(processor(Image.fromarray(picture), return_tensors="np")["pixel_values"])[0]
        assert np.abs(ours - theirs.transpose(1, 2, 0)).max() < 1e-4


def test_a_processor_inside_that_of_several_inputs(tmp_path):
    transformers.ViTImageProcessor(size=SQUARE).save_pretrained(tmp_path)
    inner = json.loads((tmp_path / "preprocessor_config.json").read_text())
    (tmp_path / "preprocessor_config.json").unlink()
    assert read_processor(tmp_path, transformers) is None
    (tmp_path / "processor_config.json").write_text(json.dumps({"image_processor": inner}))
    steps, file = read_processor(tmp_path, transformers)
    assert (steps.size, file) == (48, "processor_config.json")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"image_processor_type": "DonutImageProcessor"}, "it pads images"),
        ({"image_processor_type": "PerceiverImageProcessor", "crop_size": {"height": 40, "width": 40}}, "not known"),
        ({"image_processor_type": "Siglip2ImageProcessor"}, "declare the preprocessing in a sidecar"),
        ({"image_processor_type": "../../evil"}, "declare the preprocessing in a sidecar"),
        ({"image_processor_type": ""}, "names no image processor"),
        ({"size": {"height": 48, "width": 64}}, "is not one side of a square"),
        ({"size": {"height": 10**9, "width": 10**9}}, "cannot be used"),
        ({"size": "large"}, "cannot be used"),
        ({"do_center_crop": True, "crop_size": 64}, "cuts 64 pixels out of 48"),
        ({"resample": 99}, "cannot be used"),
        ({"image_std": [0, 0, 0]}, "cannot be used"),
        ({"image_mean": "bright"}, "cannot be used"),
        ({"rescale_factor": None}, "cannot be used"),
        ({"do_pad": True, "pad_size": {"height": 64, "width": 64}}, "it pads images"),
    ],
)  # fmt: skip
def test_other_steps_are_refused(tmp_path, settings, says):
    transformers.ViTImageProcessor(size=SQUARE).save_pretrained(tmp_path)
    file = tmp_path / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | settings))
    with pytest.raises(BtferError, match=says) as raised:
        read_processor(tmp_path, transformers)
    assert "\n" not in str(raised.value)
