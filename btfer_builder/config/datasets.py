"""Sections about data sets of others: hashes, leakage, dataset."""

from typing import Annotated, Literal

from msgspec import Meta

from btfer_builder.config.base import MaxPixels, Section, Workers

DatasetKind = Literal[
    "ferplus", "expw", "ckplus", "jaffe", "kdef", "sfew", "btfer", "folder", "rafdb", "affectnet", "fer2013",
    "labels", "pattern",
]  # fmt: skip


#: The settings of `DatasetRecipe` that an audit takes.
AUDIT_SETTINGS = ("radius", "fine_radius", "labels", "pattern", "max_pixels", "workers")


class HashesRecipe(Section, frozen=True, kw_only=True):
    """How data sets of others are hashed."""

    max_pixels: MaxPixels = 100_000_000
    workers: Workers = 2


class LeakageRecipe(Section, frozen=True, kw_only=True):
    """When a face counts as contained in a training set."""

    radius: Annotated[
        int, Meta(ge=0, le=16, description="Maximum Hamming distance between 64-bit pHashes.")
    ] = 8
    fine_radius: Annotated[
        int,
        Meta(
            ge=0,
            le=128,
            description="Maximum Hamming distance between 256-bit pHashes; both conditions must hold.",
        ),
    ] = 56
    reference_faces: Annotated[
        bool, Meta(description="Also compare the faces that are found in the pictures of the training set.")
    ] = True


class DatasetRecipe(Section, frozen=True, kw_only=True):
    """How a labelled data set is imported, and when images of two splits are duplicates."""

    val_share: Annotated[
        float,
        Meta(
            ge=0, le=0.5, description="Fraction of train to use as val if the set has none; 0: no val split."
        ),
    ] = 0.1
    test_share: Annotated[
        float,
        Meta(
            ge=0,
            le=0.5,
            description="Fraction of train to use as test if the set has none; 0: no test split.",
        ),
    ] = 0.1
    leaked: Annotated[
        Literal["keep", "drop"],
        Meta(
            description="Keep or drop training images that are also in val or test; they are always reported."
        ),
    ] = "keep"
    radius: Annotated[
        int,
        Meta(
            ge=0, le=16, description="Maximum Hamming distance between the 64-bit pHashes of near duplicates."
        ),
    ] = 4
    fine_radius: Annotated[
        int,
        Meta(
            ge=0,
            le=128,
            description="Maximum Hamming distance between their 256-bit pHashes; both conditions must hold.",
        ),
    ] = 32
    max_side: Annotated[
        int,
        Meta(
            ge=0,
            le=4096,
            description="Downscale larger images to this side in pixels; 0: no scaling.",
        ),
    ] = 0
    labels: Annotated[
        str,
        Meta(description="CSV file with the labels: path (relative to SOURCE), emotion and, if any, split."),
    ] = ""
    pattern: Annotated[
        str,
        Meta(
            description="Regular expression that finds (?P<emotion>…) in paths; also (?P<split>…), (?P<person>…)."
        ),
    ] = ""
    seed: Annotated[int, Meta(ge=0, description="Random seed of the splits.")] = 0
    paper: Annotated[
        bool,
        Meta(
            description="Use the authors' splits, without test: both test sets of FER2013 become val; RAF-DB and "
            "AffectNet are pooled and 30 % and 20 % are drawn as val."
        ),
    ] = False
    max_pixels: MaxPixels = 100_000_000
    workers: Workers = 2
