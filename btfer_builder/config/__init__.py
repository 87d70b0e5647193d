"""The settings of `btfer.toml`, one frozen and checked structure for each section."""

from btfer_builder.config.base import (
    AnySection,
    LicenseCode,
    Pretraining,
    Section,
    Setting,
    override,
    settings_of,
)
from btfer_builder.config.benchmark import BenchmarkRecipe
from btfer_builder.config.changes import (
    Change,
    changes,
    id_settings,
    outcome_settings,
    stored_settings,
)
from btfer_builder.config.collection import (
    Age,
    CrawlRecipe,
    CropRecipe,
    DedupeRecipe,
    DetectorName,
    EngineName,
    Ethnicity,
    Gender,
    QueriesRecipe,
    StorageRecipe,
)
from btfer_builder.config.curation import (
    AgreementRecipe,
    ReleaseRecipe,
    ReviewRecipe,
    SampleRecipe,
)
from btfer_builder.config.datasets import DatasetKind, DatasetRecipe, HashesRecipe, LeakageRecipe
from btfer_builder.config.keywords import given_names, with_keywords
from btfer_builder.config.load import Recipe, convert_settings, explain, load_recipe, recipe_text
from btfer_builder.config.models import (
    Activation,
    Balancing,
    Color,
    EvalRecipe,
    Loss,
    Preset,
    ResizeKernel,
    Scale,
    TrainRecipe,
)
from btfer_builder.config.renamed import with_new_names

__all__ = [
    "Activation",
    "Age",
    "AgreementRecipe",
    "AnySection",
    "Balancing",
    "BenchmarkRecipe",
    "Change",
    "Color",
    "CrawlRecipe",
    "CropRecipe",
    "DatasetKind",
    "DatasetRecipe",
    "DedupeRecipe",
    "DetectorName",
    "EngineName",
    "Ethnicity",
    "EvalRecipe",
    "Gender",
    "HashesRecipe",
    "LeakageRecipe",
    "LicenseCode",
    "Loss",
    "Preset",
    "Pretraining",
    "QueriesRecipe",
    "Recipe",
    "ReleaseRecipe",
    "ResizeKernel",
    "ReviewRecipe",
    "SampleRecipe",
    "Scale",
    "Section",
    "Setting",
    "StorageRecipe",
    "TrainRecipe",
    "changes",
    "convert_settings",
    "explain",
    "given_names",
    "id_settings",
    "load_recipe",
    "outcome_settings",
    "override",
    "recipe_text",
    "settings_of",
    "stored_settings",
    "with_keywords",
    "with_new_names",
]
