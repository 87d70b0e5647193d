"""Settings and options that have another name than in version 0.1.

The old names are still read: in `btfer.toml` and `benchmark.toml`, in settings stored in the catalog and in `run.json`,
and on the command line. Only the new names are written. Ids of runs are hashed over the old names, so that a run keeps
its id.
"""

from collections.abc import Mapping
from typing import Any

from btfer_builder.config.base import Section
from btfer_builder.config.collection import CrawlRecipe
from btfer_builder.config.models import EvalRecipe, TrainRecipe
from btfer_builder.errors import BtferError

#: Section → old name of a setting → its name now. A setting's option is renamed along with it.
SETTINGS: dict[type[Section], dict[str, str]] = {
    CrawlRecipe: {
        "searches": "concurrent_searches",
        "host_rate": "requests_per_second",
        "deadline": "timeout",
    },
    TrainRecipe: {
        "phase1_epochs": "head_epochs",
        "phase2_epochs": "finetune_epochs",
        "plateau_patience": "lr_patience",
        "plateau_factor": "lr_factor",
        "stop_patience": "early_stopping_patience",
    },
}

#: Settings whose values are named in another way, too: section → old name → new name, and old value → new value.
VALUES: dict[type[Section], dict[str, tuple[str, dict[Any, Any]]]] = {
    TrainRecipe: {"mixed_precision": ("precision", {False: "float32", True: "mixed"})},
}

#: Options that are no settings: old → new.
OPTIONS = {
    "--suspect": "--model",
    "--why": "--reason",
    "--forget": "--remove",
    "--try-preprocessing": "--check-preprocessing",
}

#: Settings of 0.1 that are part of an id. A setting added later is part of it only if it is not at its default.
IN_IDS: dict[type[Section], frozenset[str]] = {
    TrainRecipe: frozenset({
        "network", "size", "pretraining", "weights", "head", "units", "balancing", "loss", "batch_size",
        "learning_rate", "phase1_epochs", "phase2_epochs", "plateau_patience", "plateau_factor", "min_learning_rate",
        "stop_patience", "augment", "validation_share", "seed", "mixed_precision", "deterministic", "paper",
    }),
    EvalRecipe: frozenset({
        "labels", "scale", "color", "size", "mean", "std", "resize", "crop", "preset", "corruptions", "resolutions",
        "efficiency", "resamples", "seed", "set_hash",
    }),
}  # fmt: skip


def with_new_names(section: type[Section], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings of a section, as any version wrote them, under their names of now.

    Raises
    ------
    BtferError
        If a setting is given under both of its names.
    """
    names = SETTINGS.get(section, {})
    for old, new in names.items():
        if old in settings and new in settings:
            raise BtferError(f"{old} is now {new}, and both are given; remove {old}")
    found = {names.get(name, name): value for name, value in settings.items()}
    for old, (new, values) in VALUES.get(section, {}).items():
        if old in found:
            if new in found:
                raise BtferError(f"{old} is now {new}, and both are given; remove {old}")
            value = found.pop(old)
            named = [now for known, now in values.items() if type(value) is type(known) and value == known]
            if not named:
                raise BtferError(
                    f"{old}: expected {' or '.join(str(each).lower() for each in values)}, got {value!r}"
                )
            found[new] = named[0]
    return found


def old_name(section: type[Section], name: str) -> str:
    """Return the name that a setting had in 0.1."""
    names = SETTINGS.get(section, {}) | {old: new for old, (new, _) in VALUES.get(section, {}).items()}
    return next((old for old, new in names.items() if new == name), name)


def old_value(section: type[Section], name: str, value: Any) -> Any:  # noqa: ANN401 - of any setting
    """Return what 0.1 called the value of a setting."""
    _, values = VALUES.get(section, {}).get(old_name(section, name), ("", {}))
    return next((old for old, new in values.items() if new == value), value)
