"""Sections about curating the set: review, agreement, sample, release."""

from typing import Annotated

import msgspec
from msgspec import Meta

from btfer_builder.config.base import LicenseCode, Section
from btfer_builder.labels import SplitName


class ReviewRecipe(Section, frozen=True, kw_only=True):
    """Who reviews which items, and when their votes decide a label."""

    reviewer: Annotated[str, Meta(max_length=80, description="Name under which decisions are recorded.")] = ""
    host: Annotated[
        str, Meta(min_length=1, max_length=255, description="Address to serve the review page on.")
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="Port of the review page; 0: a free port.")] = 8765
    per_page: Annotated[int, Meta(ge=10, le=200, description="Images on each page.")] = 60
    blind: Annotated[
        bool, Meta(description="Hide the search terms and show items in a random order for each reviewer.")
    ] = False
    seed: Annotated[int, Meta(ge=0, description="Random seed of the blind order and of the overlap.")] = 0
    reviewers: Annotated[
        tuple[str, ...],
        Meta(description="Reviewers who share the items. Empty: every reviewer sees all items."),
    ] = ()
    overlap: Annotated[
        float, Meta(ge=0, le=1, description="Fraction of the items that every one of the reviewers sees.")
    ] = 0.1
    min_votes: Annotated[int, Meta(ge=1, le=1000, description="Minimum number of votes for a verdict.")] = 1
    agreement: Annotated[
        float, Meta(ge=0, le=1, description="Minimum fraction of equal votes for a verdict.")
    ] = 0.5


class AgreementRecipe(Section, frozen=True, kw_only=True):
    """How the agreement between reviewers is estimated."""

    confidence: Annotated[float, Meta(ge=0.5, lt=1, description="Confidence level of the intervals.")] = 0.95
    resamples: Annotated[int, Meta(ge=100, le=100_000, description="Number of bootstrap resamples.")] = 2000
    seed: Annotated[int, Meta(ge=0, description="Random seed of the bootstrap.")] = 0


class SampleRecipe(Section, frozen=True, kw_only=True):
    """How the balanced set is drawn (§2, stage 4)."""

    per_class: Annotated[int, Meta(ge=1, description="Faces for each emotion.")] = 300
    seed: Annotated[int, Meta(ge=0, description="Random seed of the sample.")] = 0
    allow_short: Annotated[bool, Meta(description="Write the sample even if a class has too few faces.")] = (
        False
    )
    stratify: Annotated[
        tuple[Annotated[str, Meta(pattern="^query_(ethnicity|gender|age)$")], ...],
        Meta(
            description="Balance each class over these query attributes: query_ethnicity, query_gender, query_age."
        ),
    ] = ()
    per_photo: Annotated[int, Meta(ge=0, description="Maximum faces from one photo; 0: no limit.")] = 1
    per_host: Annotated[int, Meta(ge=0, description="Maximum faces from one web site; 0: no limit.")] = 0
    per_creator: Annotated[int, Meta(ge=0, description="Maximum faces from one creator; 0: no limit.")] = 0
    agreement: Annotated[
        float,
        Meta(ge=0, le=1, description="Minimum fraction of a face's reviewers who agree with its label."),
    ] = 0.0
    license: Annotated[
        tuple[LicenseCode, ...],
        Meta(
            description="Draw only faces under these licences, such as cc0,by,by-sa. Empty: any licence or none."
        ),
    ] = ()
    splits: Annotated[
        dict[SplitName, Annotated[int, Meta(ge=1)]],
        Meta(
            description="Faces of each class in each split (train, val, test); their sum replaces per_class."
        ),
    ] = msgspec.field(default_factory=dict)
    reserve: Annotated[
        int, Meta(ge=0, description="Faces of each emotion kept in reserve as replacements.")
    ] = 30

    @property
    def faces_per_class(self) -> int:
        """Return the number of faces of each emotion: that of the splits together, if there are any."""
        return sum(self.splits.values()) or self.per_class


class ReleaseRecipe(Section, frozen=True, kw_only=True):
    """How the sample is published."""

    name: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="Name of the data set.")
    ] = "btfer"
    contact: Annotated[
        str, Meta(max_length=200, description="Contact for takedown requests, shown on the dataset card.")
    ] = ""
    include_unlicensed: Annotated[
        bool,
        Meta(
            description="Include photos without a known licence; the release is then marked as not redistributable."
        ),
    ] = False
    urls_only: Annotated[
        bool, Meta(description="Release URLs, hashes and face boxes without images, for btfer rebuild.")
    ] = False
    webdataset: Annotated[bool, Meta(description="Also write tar files in WebDataset format.")] = False
