"""Load an image classifier of Hugging Face transformers from its folder; no code of the folder runs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec

from btfer_builder.errors import BtferError, UnsafeFile
from btfer_builder.evaluate.loaders.base import Model, first_line
from btfer_builder.evaluate.loaders.torch_module import import_torch, wrap_module
from btfer_builder.evaluate.preprocessing.declaration import (
    Sidecar,
    SidecarInput,
    SidecarLabels,
    SidecarOutput,
)

CONFIG, PROCESSOR, WEIGHTS = "config.json", "preprocessor_config.json", "model.safetensors"

#: Settings with which transformers gets code or weights from elsewhere, or hands the model to another library.
_REACHES_OUT = frozenset(
    {"backbone", "quantization_config", "use_kernels", "use_pretrained_backbone", "use_timm_backbone"}
)

#: Image processors that resize, cut out the centre, rescale and normalise, in this order, and do nothing else.
_PLAIN = frozenset(
    {"Beit", "Bit", "CLIP", "ConvNext", "DeiT", "MobileNetV1", "MobileNetV2", "MobileViT", "Siglip", "ViT"}
)

#: Pillow's filters, in the order of their numbers there.
_FILTERS = ("nearest", "lanczos", "bilinear", "cubic", "box", "hamming")

MAX_BYTES = 16 * 1024 * 1024


def load_huggingface(path: Path) -> Model:
    """Load the folder that `save_pretrained` writes: `config.json`, safetensors, `preprocessor_config.json`.

    Parameters
    ----------
    path
        The folder.

    Returns
    -------
    Model
        With the labels and the preprocessing that the folder declares; the outputs are logits.

    Raises
    ------
    UnsafeFile
        If the folder needs code or weights from elsewhere, or has pickled weights only.
    BtferError
        If PyTorch or transformers is not installed, the folder is damaged or incomplete, or is no image classifier.
    """
    config = _read_json(path / CONFIG)
    _check_config(path, config)
    if not (path / WEIGHTS).is_file() and not (path / f"{WEIGHTS}.index.json").is_file():
        raise UnsafeFile(
            f"{path}: has no {WEIGHTS}; other files of weights are pickled, which can run any code; write it with "
            "model.save_pretrained(folder, safe_serialization=True)"
        )
    torch = import_torch(str(path))
    try:
        import transformers
    except ImportError:
        raise BtferError(f"{path}: needs transformers: pip install '.[hf]'") from None
    with _quiet(transformers):
        network = _network(path, torch, transformers, str(config["model_type"]))
        processing = _preprocessing(path, transformers)
    settings = network.config
    several = settings.problem_type == "multi_label_classification"
    return replace(
        wrap_module(network, path=path, loader="transformers", channels=getattr(settings, "num_channels", 3)),
        outputs=int(settings.num_labels),
        declares=Sidecar(
            input=processing or SidecarInput(),
            labels=SidecarLabels(outputs=_labels(settings.id2label)),
            output=SidecarOutput(activation="sigmoid" if several else "logits"),
        ),
        declared_in=PROCESSOR if processing else "",
    )


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise BtferError(f"{path}: is too large; download the model again")
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise BtferError(f"{path}: not readable ({first_line(error)}); download the model again") from None
    if not isinstance(content, dict):
        raise BtferError(f"{path}: holds no settings; download the model again")
    return content


def _check_config(path: Path, config: dict[str, Any]) -> None:
    """Refuse settings that make transformers fetch anything, or use other code than its own."""
    if (path / "adapter_config.json").exists():
        raise UnsafeFile(
            f"{path}: is an adapter of another model; merge it (merge_and_unload) and save the whole model"
        )
    todo: list[Any] = [config]
    while todo:
        part = todo.pop()
        todo += part.values() if isinstance(part, dict) else part if isinstance(part, list) else []
        for name, value in part.items() if isinstance(part, dict) else ():
            # Another implementation of attention can be a repository of code.
            if value and (name in _REACHES_OUT or ("attn_implementation" in name and "/" in str(value))):
                raise UnsafeFile(
                    f"{path}: its {CONFIG} has {name}, with which transformers uses code or weights from elsewhere; "
                    "save the model without it, or export it to ONNX"
                )


def _network(path: Path, torch: Any, transformers: Any, kind: str) -> Any:  # noqa: ANN401 - modules
    from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES

    if kind not in MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES:
        raise BtferError(
            f"{path}: {kind} is not an image classifier of transformers {transformers.__version__}, and code of the "
            "folder is never run; export it to ONNX, or give package.module:callable"
        )
    try:
        network, found = transformers.AutoModelForImageClassification.from_pretrained(
            path,
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            attn_implementation="eager",
            dtype=torch.float32,
            ignore_mismatched_sizes=True,  # they are refused below, by name
            output_loading_info=True,
        )
    except Exception as error:  # transformers raises any exception on a folder it cannot read
        raise BtferError(
            f"{path}: transformers cannot load the model ({first_line(error)}); download it again"
        ) from None
    mismatched = [key if isinstance(key, str) else key[0] for key in found["mismatched_keys"]]
    missing = sorted([*found["missing_keys"], *mismatched])
    if missing:
        raise BtferError(
            f"{path}: its weights lack {missing[0]}{f' and {len(missing) - 1} more' if missing[1:] else ''}, which "
            "would be random numbers; save the trained model, with its classifier"
        )
    return network


def _labels(names: dict[int, str]) -> tuple[str, ...]:
    """Return the names of the classes; none where transformers numbered them."""
    ordered = [str(names[number]) for number in sorted(names)]
    return () if all(name == f"LABEL_{number}" for number, name in enumerate(ordered)) else tuple(ordered)


def _preprocessing(path: Path, transformers: Any) -> SidecarInput | None:  # noqa: ANN401 - the module
    """Return the steps of the folder's image processor; None if it has none."""
    if not (path / PROCESSOR).is_file():
        return None
    stated = _read_json(path / PROCESSOR)
    name = str(stated.get("image_processor_type") or stated.get("feature_extractor_type") or "")
    kind = name.removesuffix("Fast").removesuffix("ImageProcessor").removesuffix("FeatureExtractor")
    if kind not in _PLAIN:
        raise BtferError(
            f"{path}: its {PROCESSOR} names {name or 'no image processor'}, whose steps are not known here; remove "
            "the file and declare the preprocessing in a sidecar"
        )
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(
            path, local_files_only=True, trust_remote_code=False
        ).to_dict()
        return msgspec.convert(msgspec.to_builtins(_steps(kind, processor)), SidecarInput)
    except Exception as error:  # transformers raises any exception on settings it does not know
        raise BtferError(f"{path}: its {PROCESSOR} cannot be used: {first_line(error)}") from None


def _steps(kind: str, processor: dict[str, Any]) -> SidecarInput:
    """Translate the settings of an image processor."""
    size, resize_to = _sides(kind, processor)
    factor = float(processor["rescale_factor"]) if processor["do_rescale"] else 1.0
    unit = abs(factor * 255 - 1) < 1e-6
    mean: tuple[float, ...] = (0.0,)
    std: tuple[float, ...] = (1.0,)
    if processor.get("do_normalize"):
        mean, std = (_values(processor[name]) for name in ("image_mean", "image_std"))
    if not unit:  # (x · factor − mean) / std, in units of x
        mean = tuple(value / factor for value in mean)
        std = tuple(value / factor for value in std)
    return SidecarInput(
        size=size,
        color="bgr" if processor.get("do_flip_channel_order") else "auto",
        scale="0,1" if unit else "0,255",
        mean=mean if any(mean) else None,
        std=std if any(value != 1 for value in std) else None,
        resize=f"pil-{_FILTERS[int(processor['resample'])]}" if processor.get("do_resize") else None,  # type: ignore[arg-type]  # converted after
        resize_to=resize_to,
    )


def _sides(kind: str, processor: dict[str, Any]) -> tuple[int | None, int | None]:
    """Return the side of the input, and that to which faces are resized before it is cut out, if they are."""
    cut = _side(processor.get("crop_size")) if processor.get("do_center_crop") else None
    if not processor.get("do_resize"):
        return cut, None
    side = _side(processor["size"])
    if kind == "ConvNext":  # from 384 on, transformers takes the whole image
        return side, int(side / processor["crop_pct"]) if side < 384 else None
    keeps_proportions = "shortest_edge" in _named(processor["size"])
    return cut or side, side if cut or keeps_proportions else None


def _named(size: Any) -> dict[str, int]:  # noqa: ANN401 - JSON
    return {name: int(value) for name, value in dict(size).items() if value is not None}


def _side(size: Any) -> int:  # noqa: ANN401 - JSON
    sides = set(_named(size).values())
    if len(sides) != 1:
        raise ValueError(f"its size is {_named(size)}, which is not one side of a square")
    return sides.pop()


def _values(stated: Any) -> tuple[float, ...]:  # noqa: ANN401 - JSON
    return tuple(float(value) for value in (stated if isinstance(stated, list | tuple) else [stated]))


@contextmanager
def _quiet(transformers: Any) -> Iterator[None]:  # noqa: ANN401 - the module
    """Silence the messages and the bars of transformers for a while."""
    log = transformers.utils.logging
    level, bars = log.get_verbosity(), log.is_progress_bar_enabled()
    log.set_verbosity_error()
    log.disable_progress_bar()
    try:
        yield
    finally:
        log.set_verbosity(level)
        if bars:
            log.enable_progress_bar()
