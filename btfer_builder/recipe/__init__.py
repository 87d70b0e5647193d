"""The recipe: `btfer.toml` as one frozen, checked structure a stage; flags override it for one run."""

from btfer_builder.recipe.datasets import DatasetKind, DatasetRecipe
from btfer_builder.recipe.models import (
    Color,
    EvalRecipe,
    HashesRecipe,
    LeakageRecipe,
    Preset,
    ResizeKernel,
    Scale,
)
from btfer_builder.recipe.people import (
    AgreementRecipe,
    ReleaseRecipe,
    ReviewRecipe,
    SampleRecipe,
    SplitName,
)
from btfer_builder.recipe.pictures import (
    Age,
    CrawlRecipe,
    CropRecipe,
    DedupeRecipe,
    DetectorName,
    EngineName,
    Ethnicity,
    Gender,
    Language,
    QueriesRecipe,
)
from btfer_builder.recipe.recipe import Recipe, explain, load_recipe, recipe_text
from btfer_builder.recipe.section import (
    AnySection,
    LicenseCode,
    Section,
    Setting,
    override,
    settings_of,
)

__all__ = [
    "Age",
    "AgreementRecipe",
    "AnySection",
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
    "Language",
    "LeakageRecipe",
    "LicenseCode",
    "Preset",
    "QueriesRecipe",
    "Recipe",
    "ReleaseRecipe",
    "ResizeKernel",
    "ReviewRecipe",
    "SampleRecipe",
    "Scale",
    "Section",
    "Setting",
    "SplitName",
    "explain",
    "load_recipe",
    "override",
    "recipe_text",
    "settings_of",
]
