"""`btfer.toml`: read, checked, and written with every default."""

import tomllib
from pathlib import Path

import msgspec

from btfer_builder.config.acquisition import (
    CrawlRecipe,
    CropRecipe,
    DedupeRecipe,
    QueriesRecipe,
    StorageRecipe,
)
from btfer_builder.config.base import settings_of, toml_value
from btfer_builder.config.curation import AgreementRecipe, ReleaseRecipe, ReviewRecipe, SampleRecipe
from btfer_builder.config.datasets import DatasetRecipe
from btfer_builder.config.models import EvalRecipe, HashesRecipe, LeakageRecipe, TrainRecipe
from btfer_builder.errors import BtferError


class Recipe(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything `btfer.toml` may say; each section but `storage` is the recipe of one command."""

    storage: StorageRecipe = StorageRecipe()
    queries: QueriesRecipe = QueriesRecipe()
    crawl: CrawlRecipe = CrawlRecipe()
    dedupe: DedupeRecipe = DedupeRecipe()
    crop: CropRecipe = CropRecipe()
    hashes: HashesRecipe = HashesRecipe()
    leakage: LeakageRecipe = LeakageRecipe()
    review: ReviewRecipe = ReviewRecipe()
    agreement: AgreementRecipe = AgreementRecipe()
    sample: SampleRecipe = SampleRecipe()
    release: ReleaseRecipe = ReleaseRecipe()
    dataset: DatasetRecipe = DatasetRecipe()
    train: TrainRecipe = TrainRecipe()
    eval: EvalRecipe = EvalRecipe()


def load_recipe(path: Path) -> Recipe:
    """Read and check a `btfer.toml`.

    Raises
    ------
    BtferError
        If the file is no TOML, names an unknown setting, or holds a value out of range; the text says which.
    """
    try:
        return msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), Recipe)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BtferError(f"{path}: not valid TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise BtferError(f"{path}: {explain(error)}") from None


def explain(error: msgspec.ValidationError) -> str:
    """Say a validation error in the words of the recipe: `crop.size: Expected int >= 16`."""
    text, _, place = str(error).replace(" - at `key` in `$", " - at `$").partition(" - at `$")
    name = place.strip("`.")
    return f"{name}: {text}" if name else text


def recipe_text() -> str:
    """Return a `btfer.toml` that states every setting with its default and meaning."""
    lines = [
        "# The recipe of this workspace. A command's flag of the same name overrides it for one run.",
        "",
    ]
    for section in msgspec.structs.fields(Recipe):
        kind = type(section.default)
        lines += [f"[{section.name}]  # {str(kind.__doc__).strip()}"]
        for field in settings_of(kind):
            lines += [f"{field.name} = {toml_value(field.default)}  # {field.help}"]
        lines += [""]
    return "\n".join(lines)
