"""Load an image classifier of Hugging Face transformers from its folder; no code of the folder runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from btfer_builder.errors import BtferError, UnsafeFile
from btfer_builder.evaluate.loaders.base import Model, Predict, first_line
from btfer_builder.evaluate.loaders.image_processor import read_json, read_processor
from btfer_builder.evaluate.loaders.torch_module import import_torch, wrap_module
from btfer_builder.evaluate.preprocessing.declaration import (
    Sidecar,
    SidecarInput,
    SidecarLabels,
    SidecarOutput,
)
from btfer_builder.io.device import Device, torch_device

CONFIG, WEIGHTS = "config.json", "model.safetensors"

#: Settings with which transformers gets code or weights from elsewhere, or hands the model to another library.
_REACHES_OUT = frozenset(
    {"backbone", "quantization_config", "use_kernels", "use_pretrained_backbone", "use_timm_backbone"}
)


#: More layers than any network has: one of a million would be built for hours before its weights are found to lack.
MAX_LAYERS = 1000


def load_huggingface(path: Path, *, device: Device = "auto") -> Model:
    """Load the folder that `save_pretrained` writes: `config.json`, safetensors, `preprocessor_config.json`.

    Parameters
    ----------
    path
        The folder.
    device
        What it computes on.

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
    config = read_json(path / CONFIG)
    _check_config(path, config)
    _check_weights(path)
    torch = import_torch(str(path))
    try:
        import transformers
    except ImportError:
        raise BtferError(f"{path}: needs transformers: pip install '.[hf]'") from None
    with _quiet(transformers):
        network = _network(path, torch, transformers, str(config["model_type"])).to(torch_device(device))
        declared = read_processor(path, transformers)
    settings = network.config
    model = wrap_module(
        network, path=path, loader="transformers", channels=getattr(settings, "num_channels", 3)
    )
    steps, file = declared or (SidecarInput(size=_image_size(settings)), "")
    several = settings.problem_type == "multi_label_classification"
    return replace(
        model,
        predict=_sigmoid_of(model.predict) if several else model.predict,
        outputs=int(settings.num_labels),
        declares=Sidecar(
            input=steps,
            labels=SidecarLabels(outputs=_labels(settings.id2label)),
            output=SidecarOutput(activation="sigmoid" if several else "logits"),
        ),
        declared_in=file,
    )


def _sigmoid_of(predict: Predict) -> Predict:
    """Return what gives one probability a class; transformers leaves the sigmoid to its pipeline."""

    def probabilities(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        from scipy.special import expit

        shares: NDArray[np.float32] = expit(predict(batch))
        return shares

    return probabilities


def _image_size(settings: Any) -> int | None:  # noqa: ANN401 - a configuration of transformers
    """Return the side of the images of a network that states it."""
    side = getattr(settings, "image_size", None)
    return side if isinstance(side, int) and 8 <= side <= 2048 else None


def _check_config(path: Path, config: dict[str, Any]) -> None:
    """Refuse settings that make transformers fetch anything, or use other code than its own."""
    if (path / "adapter_config.json").exists():
        raise UnsafeFile(
            f"{path}: is an adapter of another model; merge it (merge_and_unload) and save the whole model"
        )
    if "model_type" not in config:
        timm = "architecture" in config or "pretrained_cfg" in config
        raise BtferError(
            f"{path}: its {CONFIG} names no model_type of transformers"
            + (
                f"; it is of timm: give {path / WEIGHTS} and --architecture package.module:function, which returns "
                "timm.create_model(…)"
                if timm
                else "; download the model again"
            )
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
            counts = value if isinstance(value, list) else [value]
            if ("layer" in name or "depth" in name) and any(
                isinstance(count, int | float) and count > MAX_LAYERS for count in counts
            ):
                raise BtferError(
                    f"{path}: its {CONFIG} has {name} above {MAX_LAYERS}; download the model again"
                )


def _check_weights(path: Path) -> None:
    """Refuse a folder without safetensors, or with an index that names files elsewhere."""
    if (path / WEIGHTS).is_file():
        return
    index = path / f"{WEIGHTS}.index.json"
    if not index.is_file():
        raise UnsafeFile(
            f"{path}: has no {WEIGHTS}; other files of weights are pickled, which can run any code; write it with "
            "model.save_pretrained(folder, safe_serialization=True)"
        )
    shards = read_json(index).get("weight_map")
    names = {str(name) for name in shards.values()} if isinstance(shards, dict) else set()
    for name in sorted(names):
        if Path(name).name != name or "\\" in name or not name.endswith(".safetensors"):
            raise UnsafeFile(f"{index}: names {name!a}, which is not a .safetensors file of the folder")
        if not (path / name).is_file():
            raise BtferError(f"{path}: lacks {name}; download the model again")


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
